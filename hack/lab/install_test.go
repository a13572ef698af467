package main

import (
	"slices"
	"testing"
)

func TestOptions(t *testing.T) {
	const script = `#!/usr/bin/env bash
VERSION="v0.1.0"
OVN_CENTRAL_REPLICAS="1"
CENTRAL_NODES=""
  INDENTED="1"
lower="1"
[ "$DUAL_STACK" = true ] && POD_CIDR="10.16.0.0/16,fd00:10:16::/112"
OVN_CENTRAL_REPLICAS="3"
`
	env := map[string]string{"OVN_CENTRAL_REPLICAS": "3", "CENTRAL_NODES": "", "INDENTED": "2", "lower": "2", "PATH": "/bin"}
	got := options(script, func(name string) (string, bool) { value, ok := env[name]; return value, ok })
	if want := []string{"CENTRAL_NODES=", "OVN_CENTRAL_REPLICAS=3"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
