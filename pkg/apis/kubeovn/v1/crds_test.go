package v1_test

import "testing"

func TestServer(t *testing.T) { newCRDServer(t) }
