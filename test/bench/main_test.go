package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestLoad(t *testing.T) {
	l := load{steps: []step{{500, 2 * time.Second}, {500, 3 * time.Second}, {3000, 25 * time.Second}, {500, 6 * time.Second}, {500, 4 * time.Second}}}
	for pods, want := range map[int]float64{1000: 200, 5000: 125} {
		if got := l.first(pods).rate(); got != want {
			t.Errorf("rate until %d pods: %v, want %v", pods, got, want)
		}
	}
	if got := l.last(1000); got != (step{1000, 10 * time.Second}) {
		t.Errorf("last thousand: %+v", got)
	}
}

func TestScope(t *testing.T) {
	var order []string
	err := in(t.Context(), func(s *scope) error {
		s.Cleanup(func() { order = append(order, "first") })
		s.Cleanup(func() { order = append(order, "second") })
		s.Fatalf("no %s", "luck")
		return errors.New("not reached")
	})
	if err == nil || err.Error() != "no luck" || strings.Join(order, " ") != "second first" {
		t.Errorf("error %v, clean-up %v", err, order)
	}
	if err := in(t.Context(), func(*scope) error { return errors.New("plain") }); err == nil || err.Error() != "plain" {
		t.Errorf("error %v", err)
	}
}

func TestSpending(t *testing.T) {
	before := spending()
	for end := time.Now().Add(5 * time.Second); ; {
		if spent := spending().since(before); spent["bench"] > 20*time.Millisecond && spent.total() >= spent["bench"] {
			return
		}
		if time.Now().After(end) {
			t.Fatal("busy for five seconds and nothing was spent")
		}
	}
}
