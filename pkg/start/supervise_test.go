package start

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func testLimits() limits {
	return limits{readyTimeout: 5 * time.Second, stopTimeout: 300 * time.Millisecond,
		firstBackoff: 10 * time.Millisecond, restarts: 2, window: time.Minute}
}

func ready(context.Context) error { return nil }

// script is a daemon made of a few words of shell, which tests may use.
func script(name, text string) daemon {
	return daemon{name: name, argv: []string{"sh", "-c", text}, ready: ready}
}

func readLines(t *testing.T, file string) []string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Fields(string(data))
}

// wroteLine is readiness told by a word in a file: the shell makes the file before it writes.
func wroteLine(t *testing.T, file string) func(context.Context) error {
	return func(context.Context) error {
		if len(readLines(t, file)) == 0 {
			return fmt.Errorf("nothing in %s yet", file)
		}
		return nil
	}
}

func TestStopIsInReverseOrder(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	s := newSupervisor(testLimits())
	s.limits.stopTimeout = 5 * time.Second
	for _, name := range []string{"first", "second", "third"} {
		d := script(name, `trap 'echo '"$NAME"' >>"$LOG"; exit 0' TERM; echo up >"$LOG.$NAME"; while :; do sleep 0.02; done`)
		d.env = []string{"NAME=" + name, "LOG=" + log}
		d.ready = wroteLine(t, log+"."+name)
		if err := s.start(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	s.stop()
	if got := strings.Join(readLines(t, log), " "); got != "third second first" {
		t.Errorf("stopped in the order %q", got)
	}
}

func TestStubbornDaemonIsKilled(t *testing.T) {
	up := filepath.Join(t.TempDir(), "up")
	s := newSupervisor(testLimits())
	d := script("stubborn", `trap '' TERM; echo $$ >"$UP"; while :; do sleep 0.05; done`)
	d.env = []string{"UP=" + up}
	d.ready = wroteLine(t, up)
	if err := s.start(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	pid := pidOf(t, up)
	s.stop()
	if alive(pid) {
		t.Errorf("process %d lives on", pid)
	}
}

func TestDeadDaemonIsRestarted(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	s := newSupervisor(testLimits())
	defer s.stop()
	// Dies the first time only.
	d := script("fragile", `echo x >>"$LOG"; [ $(wc -l <"$LOG") -gt 1 ] || exit 3; exec sleep 60`)
	d.env = []string{"LOG=" + log}
	d.ready = func(context.Context) error {
		if len(readLines(t, log)) < 2 {
			return errors.New("not restarted")
		}
		return nil
	}
	if err := s.start(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	select {
	case failure := <-s.failed:
		t.Fatal(failure)
	default:
	}
}

func TestHopelessDaemonEndsTheProgramWithItsCode(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       int
	}{
		{"exit code", "exit 7", 7},
		{"signal", "kill -9 $$", 137},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSupervisor(testLimits())
			defer s.stop()
			log := filepath.Join(t.TempDir(), "log")
			d := script("hopeless", `echo x >>"$LOG"; `+test.text)
			d.env = []string{"LOG=" + log}
			err := s.start(t.Context(), d)
			if err == nil {
				err = s.wait(t.Context())
			}
			var exit *ExitError
			if !errors.As(err, &exit) || exit.Code != test.want || exit.Name != "hopeless" {
				t.Fatalf("error %v, want code %d", err, test.want)
			}
			if starts := len(readLines(t, log)); starts != 3 {
				t.Errorf("started %d times, want 1 and 2 restarts", starts)
			}
		})
	}
}

func TestStartFailures(t *testing.T) {
	t.Run("no such program", func(t *testing.T) {
		s := newSupervisor(testLimits())
		var exit *ExitError
		if err := s.start(t.Context(), daemon{name: "missing", argv: []string{"/nonexistent"}, ready: ready}); !errors.As(err, &exit) {
			t.Fatalf("error %v", err)
		}
	})
	t.Run("never ready", func(t *testing.T) {
		l := testLimits()
		l.readyTimeout = 50 * time.Millisecond
		s := newSupervisor(l)
		defer s.stop()
		d := script("mute", "exec sleep 60")
		d.ready = func(context.Context) error { return errors.New("says nothing") }
		err := s.start(t.Context(), d)
		if err == nil || !strings.Contains(err.Error(), "says nothing") || !strings.Contains(err.Error(), "mute") {
			t.Fatalf("error %v", err)
		}
	})
	t.Run("told to stop while waiting", func(t *testing.T) {
		s := newSupervisor(testLimits())
		defer s.stop()
		ctx, cancel := context.WithCancel(t.Context())
		d := script("slow", "exec sleep 60")
		d.ready = func(context.Context) error { cancel(); return errors.New("not yet") }
		if err := s.start(ctx, d); !errors.Is(orNil(ctx, err), nil) {
			t.Fatalf("error %v", err)
		}
	})
}

func TestWaitEndsWithTheContext(t *testing.T) {
	s := newSupervisor(testLimits())
	defer s.stop()
	if err := s.start(t.Context(), script("steady", "exec sleep 60")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.wait(ctx); err != nil {
		t.Errorf("stopping is no failure, got %v", err)
	}
}
