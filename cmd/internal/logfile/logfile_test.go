package logfile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/pflag"
)

func TestOpenSetsTheMode(t *testing.T) {
	for flag, want := range map[string]os.FileMode{"--v=2": 0o640, "--log-perm=600": 0o600, "--log-perm=0644": 0o644} {
		path := filepath.Join(t.TempDir(), "log")
		fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
		file := Register(fs)
		if err := fs.Parse([]string{flag, "--log_file=" + path}); err != nil {
			t.Fatal(err)
		}
		if err := file.Open(); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: log file %v, %v", flag, info, err)
		}
	}
}

func TestNoFile(t *testing.T) {
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	file := Register(fs)
	if err := fs.Parse([]string{"--log_file="}); err != nil { // klog keeps the one of another test
		t.Fatal(err)
	}
	if err := file.Open(); err != nil {
		t.Error(err)
	}
}

func TestModesThatAreNone(t *testing.T) {
	for _, text := range []string{"rw", "999", "-1", "1000", ""} {
		fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
		Register(fs)
		if err := fs.Parse([]string{"--log-perm=" + text}); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}
