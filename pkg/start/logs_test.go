package start

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// unpack reads a rotated log.
func unpack(t *testing.T, path string) string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	packed, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(packed)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRotateKeepsSeven(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	reopened := 0
	l := logFile{path: path, reopen: func(context.Context) error { reopened++; return nil }}
	for i := range 10 {
		write(fmt.Sprintf("log number %d", i))
		if err := l.rotate(t.Context(), 5); err != nil {
			t.Fatal(err)
		}
	}
	if reopened != 10 {
		t.Errorf("reopened %d times", reopened)
	}
	files, _ := filepath.Glob(path + "*")
	var want []string
	for i := range 7 {
		want = append(want, fmt.Sprintf("%s.%d.gz", path, i+1))
		if got, text := unpack(t, want[i]), fmt.Sprintf("log number %d", 9-i); got != text {
			t.Errorf("%s has %q, want %q", filepath.Base(want[i]), got, text)
		}
	}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestRotateLeavesShortLogs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	l := logFile{path: path, reopen: func(context.Context) error { return errors.New("reopened for nothing") }}
	if err := l.rotate(t.Context(), 5); err != nil {
		t.Errorf("no log: %v", err)
	}
	if err := os.WriteFile(path, []byte("12345"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := l.rotate(t.Context(), 5); err != nil {
		t.Errorf("short log: %v", err)
	}
}

// TestDaemonsReopenTheirLogs rotates the logs of real daemons: each must go on in a new file.
func TestDaemonsReopenTheirLogs(t *testing.T) {
	needs(t, "ovsdb-server", "ovs-vswitchd", "ovn-northd", "ovn-controller")
	s := newSettings(t, map[string]string{"POD_IP": "127.0.0.1", "NODE_NAME": "node1", "OVN_DB_IPS": "127.0.0.1", "DATAPATH": "netdev"})
	t.Cleanup(func() { _, _ = deleteLink("br-int"), deleteLink("ovs-netdev") })
	central, _ := startCentral(t, s)
	central.eventually("databases", healthy(s))
	node := startOVS(t, s, nil)
	node.eventually("OVS", func(ctx context.Context) error { return HealthOVS(ctx, s.get, true) })

	c, err := NewCentral(s.get)
	if err != nil {
		t.Fatal(err)
	}
	o, err := NewOVS(s.get)
	if err != nil {
		t.Fatal(err)
	}
	logs := append(c.logs(), o.logs()...)
	if len(logs) != 6 {
		t.Errorf("%d logs, want those of six daemons", len(logs))
	}
	for _, l := range logs {
		before := len(mustRead(t, l.path))
		if before == 0 {
			t.Errorf("%s is empty", l.path)
		}
		if err := l.rotate(t.Context(), 0); err != nil {
			t.Errorf("%s: %v", filepath.Base(l.path), err)
			continue
		}
		// Some daemons write their logs with a thread of its own.
		node.eventually(filepath.Base(l.path)+" to go on", func(context.Context) error {
			if text := string(mustRead(t, l.path)); !strings.Contains(text, "opened log file") {
				return fmt.Errorf("it has %q", text)
			}
			return nil
		})
		if old := unpack(t, l.path+".1.gz"); len(old) < before {
			t.Errorf("%s lost %d bytes", filepath.Base(l.path), before-len(old))
		}
	}
}

func TestAlongsideWaitsForItsFunctions(t *testing.T) {
	var ended [2]bool
	stop := alongside(t.Context(),
		func(ctx context.Context) { <-ctx.Done(); ended[0] = true },
		func(ctx context.Context) { <-ctx.Done(); ended[1] = true })
	stop()
	if ended != [2]bool{true, true} {
		t.Errorf("ended: %v", ended)
	}
}
