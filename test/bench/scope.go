package main

import (
	"context"
	"fmt"
	"os"
)

// scope gives programs what tests have: a context, clean-up and a way to fail. A failure panics and ends as in's error.
type scope struct {
	ctx     context.Context
	cleanup []func()
}

type failure struct{ text string }

// in runs f in a scope of its own.
func in(ctx context.Context, f func(*scope) error) (err error) {
	s := &scope{ctx: ctx}
	defer func() {
		for i := len(s.cleanup) - 1; i >= 0; i-- {
			s.cleanup[i]()
		}
		if r := recover(); r != nil {
			failed, ok := r.(failure)
			if !ok {
				panic(r)
			}
			err = fmt.Errorf("%s", failed.text)
		}
	}()
	return f(s)
}

func (s *scope) Helper()                      {}
func (s *scope) Fatal(args ...any)            { panic(failure{fmt.Sprint(args...)}) }
func (s *scope) Fatalf(f string, args ...any) { panic(failure{fmt.Sprintf(f, args...)}) }
func (s *scope) Context() context.Context     { return s.ctx }
func (s *scope) Cleanup(f func())             { s.cleanup = append(s.cleanup, f) }

func (s *scope) TempDir() string {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
