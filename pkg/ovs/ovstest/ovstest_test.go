package ovstest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
)

// TestDump: a dump is the same for databases that differ only in UUIDs, order and what servers write.
func TestDump(t *testing.T) {
	ports := []string{
		`{"op":"insert","table":"Logical_Switch_Port","uuid-name":"a","row":{"name":"a","addresses":["set",["y","x"]],"external_ids":["map",[["vendor","kube-ovn"],["port_groups","g:12345678"]]]}}`,
		`{"op":"insert","table":"Logical_Switch_Port","uuid-name":"b","row":{"name":"b","up":true,"options":["map",[["n","0"],["m",""]]]}}`,
	}
	sw := `{"op":"insert","table":"Logical_Switch","row":{"name":"s","ports":["set",[["named-uuid","b"],["named-uuid","a"]]]}}`
	one, two := Start(t, ovs.Northbound), Start(t, ovs.Northbound)
	one.Transact(t, ports[0], ports[1], sw)
	two.Transact(t, sw, ports[1], ports[0])
	want := `Logical_Switch s: name=s ports=[Logical_Switch_Port:a Logical_Switch_Port:b]
Logical_Switch_Port a: addresses=[x y] external_ids={port_groups=g} name=a
Logical_Switch_Port b: name=b options={m=, n=0}
`
	for i, s := range []*Server{one, two} {
		if got := s.Dump(t); got != want {
			t.Errorf("dump %d:\n%s", i, got)
		}
	}
	if got := len(one.UUIDs(t)); got != 3 {
		t.Errorf("%d UUIDs, want 3", got)
	}
}

func TestRestartAndEmpty(t *testing.T) {
	s := Start(t, ovs.Northbound)
	s.Transact(t, `{"op":"insert","table":"Port_Group","row":{"name":"g"}}`)
	pid := s.Pid()
	s.Stop(t)
	s.Restart(t)
	if s.Pid() == pid {
		t.Error("the server did not restart")
	}
	if got := s.Dump(t); got != "Port_Group g: name=g\n" {
		t.Errorf("after a restart:\n%s", got)
	}
	s.Empty(t)
	if got := s.Dump(t); got != "\n" {
		t.Errorf("after emptying:\n%s", got)
	}
}

// recorder is a TB that remembers a failure.
type recorder struct {
	testing.TB
	failure string
}

type stopped struct{}

func (r *recorder) Fatalf(format string, args ...any) {
	r.failure = fmt.Sprintf(format, args...)
	panic(stopped{})
}

func (r *recorder) Fatal(args ...any)        { r.Fatalf("%s", fmt.Sprint(args...)) }
func (r *recorder) Context() context.Context { return r.TB.Context() }

func failing(t *testing.T, fn func(tb TB)) string {
	t.Helper()
	r := &recorder{TB: t}
	func() {
		defer func() {
			if p := recover(); p != nil && p != any(stopped{}) {
				panic(p)
			}
		}()
		fn(r)
	}()
	return r.failure
}

// TestFailuresAreTold: helpers fail the test with a sentence.
func TestFailuresAreTold(t *testing.T) {
	s := Start(t, ovs.Northbound)
	for want, fn := range map[string]func(TB){
		"not within 1ms: never":                          func(tb TB) { Eventually(tb, time.Millisecond, "never", func() bool { return false }) },
		`No table named Nothing`:                         func(tb TB) { s.Transact(tb, `{"op":"insert","table":"Nothing","row":{}}`) },
		"connect to unix:":                               func(tb TB) { (&Server{DB: "Nothing", Endpoint: s.Endpoint}).Connect(tb) },
		"ovsdb-tool create /nonexistent/db /nonexistent": func(tb TB) { run(tb, "ovsdb-tool", "create", "/nonexistent/db", "/nonexistent") },
	} {
		if got := failing(t, fn); !strings.Contains(got, want) {
			t.Errorf("failure %q, want %q", got, want)
		}
	}
}
