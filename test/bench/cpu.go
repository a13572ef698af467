package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// spent is the processor time by program: this one and all that it started.
type spent map[string]time.Duration

// spending reads the processor time of this process and its children.
func spending() spent {
	all := spent{}
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err == nil {
		all["bench"] = time.Duration(own.Utime.Nano() + own.Stime.Nano())
	}
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		head, rest, ok := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest) // from the third field of proc(5) on
		_, name, named := strings.Cut(head, "(")
		if !ok || !named || len(fields) < 13 || fields[1] != strconv.Itoa(os.Getpid()) {
			continue
		}
		const perTick = time.Second / 100 // USER_HZ
		for _, field := range fields[11:13] {
			if ticks, err := strconv.Atoi(field); err == nil {
				all[name] += time.Duration(ticks) * perTick
			}
		}
	}
	return all
}

// since is what was spent after an earlier reading.
func (s spent) since(earlier spent) spent {
	added := spent{}
	for name, t := range s {
		added[name] = t - earlier[name]
	}
	return added
}

// add sums into s.
func (s spent) add(more spent) {
	for name, t := range more {
		s[name] += t
	}
}

func (s spent) total() time.Duration {
	var sum time.Duration
	for _, t := range s {
		sum += t
	}
	return sum
}
