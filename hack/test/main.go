// Command test runs everything that must pass and ends with the line "N passed, N failed".
//
// Stages, in order: lint, unit, integration, e2e. Each Go test that is not a subtest counts as one, and so does each
// linter. The e2e stage brings the lab up and, when it was down before, takes it down again.
//
//	go run ./hack/test -stages lint,unit
//	go run ./hack/test -stages e2e -run 'S049|KillNode'
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tally counts what ran.
type tally struct{ passed, failed int }

func (t *tally) add(ok bool) {
	if ok {
		t.passed++
	} else {
		t.failed++
	}
}

// runner carries the options of all stages.
type runner struct {
	ctx     context.Context
	run     string
	verbose bool
	total   tally
}

func main() {
	stages := flag.String("stages", "lint,unit,integration,e2e", "comma list of stages to run, in order")
	run := flag.String("run", "", "only run tests that match this regular expression")
	verbose := flag.Bool("v", false, "print the name of every test")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r := &runner{ctx: ctx, run: *run, verbose: *verbose}
	all := map[string]func(){"lint": r.lint, "unit": r.unit, "integration": r.integration, "e2e": r.e2e}
	for _, name := range strings.Split(*stages, ",") {
		stage, ok := all[name]
		if !ok {
			fmt.Fprintf(os.Stderr, "unknown stage %q\n", name)
			os.Exit(2)
		}
		start := time.Now()
		fmt.Printf("== %s\n", name)
		stage()
		fmt.Printf("== %s ended after %.0f s\n", name, time.Since(start).Seconds())
	}
	fmt.Printf("%d passed, %d failed\n", r.total.passed, r.total.failed)
	if r.total.failed > 0 || r.total.passed == 0 {
		os.Exit(1)
	}
}

func (r *runner) lint() {
	r.check("gofmt", emptyOutput, append([]string{"gofmt", "-l"}, sources()...)...)
	tags := "-tags=integration,e2e"
	r.check("go vet", nil, "go", "vet", tags, "./...")
	r.check("staticcheck", nil, "go", "tool", "-modfile=hack/tools/go.mod", "staticcheck", tags, "./...")
	r.check("go mod tidy", nil, "go", "mod", "tidy", "-diff")
	r.check("generated code", nil, "go", "run", "./hack/generate", "-check")
}

// sources are the top-level folders with Go files of ours.
func sources() []string {
	var dirs []string
	for _, d := range []string{"cmd", "dist", "hack", "pkg", "test"} {
		if _, err := os.Stat(d); err == nil {
			dirs = append(dirs, d)
		}
	}
	return dirs
}

func emptyOutput(out string) error {
	if strings.TrimSpace(out) != "" {
		return errors.New("output is not empty")
	}
	return nil
}

// check runs one linter, which counts as one test.
func (r *runner) check(name string, verdict func(string) error, argv ...string) {
	out, err := exec.CommandContext(r.ctx, argv[0], argv[1:]...).CombinedOutput()
	if err == nil && verdict != nil {
		err = verdict(string(out))
	}
	r.total.add(err == nil)
	if err != nil {
		fmt.Printf("--- FAIL: %s: %v\n%s\n", name, err, out)
		return
	}
	fmt.Printf("ok   %s\n", name)
}

// unit runs more packages at a time than there are processors: many of them wait for daemons.
func (r *runner) unit() {
	r.goTest("-timeout=10m", "-p="+strconv.Itoa(2*runtime.NumCPU()), "./...")
}

func (r *runner) integration() {
	if r.lab("prepare") {
		r.goTest("-tags=integration", "-count=1", "-p=2", "-timeout=15m", "./test/integration/...")
	}
}

func (r *runner) e2e() {
	wasUp := exec.CommandContext(r.ctx, "bin/lab", "status").Run() == nil
	if !r.lab("up") {
		return
	}
	r.goTest("-tags=e2e", "-count=1", "-p=1", "-parallel=4", "-timeout=50m", "./test/e2e/...")
	if !wasUp {
		r.lab("down")
	}
}

// lab runs a verb of the lab program; a failure counts as one failed test.
func (r *runner) lab(verb string) bool {
	cmd := exec.CommandContext(r.ctx, "bin/lab", verb)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		fmt.Printf("--- FAIL: lab %s: %v\n", verb, err)
		r.total.add(false)
		return false
	}
	return true
}

// event is one line of `go test -json`.
type event struct {
	Action, Package, Test, Output, ImportPath string
	Elapsed                                   float64
}

// goTest runs go test, without the vet that is part of lint, and prints the output of what failed.
func (r *runner) goTest(args ...string) {
	argv := append([]string{"test", "-json", "-vet=off"}, args...)
	if r.run != "" {
		argv = append(argv, "-run", r.run)
	}
	cmd := exec.CommandContext(r.ctx, "go", argv...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Printf("--- FAIL: go %s: %v\n", strings.Join(argv, " "), err)
		r.total.add(false)
		return
	}
	before := r.total.failed
	r.read(out)
	if err := cmd.Wait(); err != nil && r.total.failed == before {
		fmt.Printf("--- FAIL: go %s: %v\n", strings.Join(argv, " "), err)
		r.total.add(false)
	}
}

// read counts the events of one go test run.
func (r *runner) read(out io.Reader) {
	logs := map[string]*strings.Builder{}
	failedTests := map[string]bool{}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Println(lines.Text())
			continue
		}
		key := e.Package + "." + e.Test
		switch e.Action {
		case "output", "build-output":
			if e.Action == "build-output" {
				fmt.Print(e.Output)
				break
			}
			if logs[key] == nil {
				logs[key] = &strings.Builder{}
			}
			logs[key].WriteString(e.Output)
		case "pass", "skip", "fail":
			r.finish(e, logs[key], failedTests)
			delete(logs, key)
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Printf("--- FAIL: reading go test: %v\n", err)
		r.total.add(false)
	}
}

// finish counts one ended test or package; a package counts only when it failed without a failed test in it.
func (r *runner) finish(e event, log *strings.Builder, failedTests map[string]bool) {
	failed := e.Action == "fail"
	switch {
	case e.Test == "":
		if failed && !failedTests[e.Package] {
			r.total.add(false)
			fmt.Printf("--- FAIL: %s\n%s", e.Package, text(log))
		} else if e.Action != "skip" {
			fmt.Printf("%-4s %s %.1f s\n", map[bool]string{false: "ok", true: "FAIL"}[failed], e.Package, e.Elapsed)
		}
		return
	case failed:
		failedTests[e.Package] = true
		fmt.Printf("%s", text(log))
	case r.verbose:
		fmt.Printf("%s %s.%s %.1f s\n", e.Action, e.Package, e.Test, e.Elapsed)
	}
	if !strings.Contains(e.Test, "/") && e.Action != "skip" {
		r.total.add(!failed)
	}
}

func text(b *strings.Builder) string {
	if b == nil {
		return ""
	}
	return b.String()
}
