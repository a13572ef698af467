package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// silence is the longest time without a line of progress.
const silence = 15 * time.Second

// progress prints lines with the time since the program's start.
type progress struct {
	mu    sync.Mutex
	out   io.Writer
	start time.Time
	last  string
	quiet *time.Timer
}

func newProgress(out io.Writer) *progress { return &progress{out: out, start: time.Now()} }

// step says what begins now; while nothing else is said it is repeated, so that a long step is seen to live.
func (p *progress) step(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = fmt.Sprintf(format, args...)
	p.print(p.last)
	if p.quiet == nil {
		p.quiet = time.AfterFunc(silence, p.repeat)
	} else {
		p.quiet.Reset(silence)
	}
}

func (p *progress) repeat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.print("... still " + p.last)
	p.quiet.Reset(silence)
}

func (p *progress) print(text string) {
	fmt.Fprintf(p.out, "[%6.1fs] %s\n", time.Since(p.start).Seconds(), text)
}
