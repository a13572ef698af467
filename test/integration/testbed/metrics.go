package testbed

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Sample is one line of a metrics page.
type Sample struct {
	Name   string
	Labels map[string]string
	Value  float64
}

// parseMetrics reads the samples whose names begin with a prefix from the Prometheus text format as client_golang writes
// it; label values with commas or braces inside do not occur in what is read here.
func parseMetrics(text, prefix string) []Sample {
	var samples []Sample
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if line == "" || line[0] == '#' || !strings.HasPrefix(line, prefix) { // an API server has thousands of others
			continue
		}
		name, value, ok := cutLast(line, " ")
		number, err := strconv.ParseFloat(value, 64)
		if !ok || err != nil {
			continue
		}
		s := Sample{Labels: map[string]string{}, Value: number}
		s.Name, name, _ = strings.Cut(name, "{")
		for pair := range strings.SplitSeq(strings.TrimSuffix(name, "}"), ",") {
			if k, v, ok := strings.Cut(pair, "="); ok {
				s.Labels[k] = strings.Trim(v, `"`)
			}
		}
		samples = append(samples, s)
	}
	return samples
}

func cutLast(text, separator string) (before, after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(separator):], true
}

// requests is the API server's own count of what it was asked.
const requests = "apiserver_request_total"

// Writes counts the API server's mutating requests: "POST ips" and the like, by verb and resource with subresource.
type Writes map[string]int

// writesOf sums a metrics page of an API server. Leases are left out: they are signs of life, not work.
func writesOf(samples []Sample) Writes {
	writes := Writes{}
	for _, s := range samples {
		if s.Name != requests || s.Labels["resource"] == "leases" ||
			!slices.Contains([]string{"POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"}, s.Labels["verb"]) {
			continue
		}
		resource := s.Labels["resource"]
		if sub := s.Labels["subresource"]; sub != "" {
			resource += "/" + sub
		}
		writes[s.Labels["verb"]+" "+resource] += int(s.Value)
	}
	return writes
}

// Since is what was added after an earlier count.
func (w Writes) Since(earlier Writes) Writes {
	added := Writes{}
	for what, n := range w {
		if n -= earlier[what]; n != 0 {
			added[what] = n
		}
	}
	return added
}

// Total is the number of writes.
func (w Writes) Total() int {
	total := 0
	for _, n := range w {
		total += n
	}
	return total
}

// Writes counts the mutating requests that the API server has had.
func (p *Plane) Writes(tb interface {
	Helper()
	Fatal(...any)
}) Writes {
	tb.Helper()
	ctx, cancel := Timeout()
	defer cancel()
	text, err := p.Kube.CoreV1().RESTClient().Get().AbsPath("/metrics").SetHeader("Accept", "text/plain").DoRaw(ctx)
	if err != nil {
		tb.Fatal(fmt.Errorf("metrics of the API server: %w", err))
	}
	return writesOf(parseMetrics(string(text), requests))
}

// usage reads what a process has cost so far.
func usage(pid int) (cpu time.Duration, rss int64, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	_, rest, ok := cutLast(string(stat), ")")
	fields := strings.Fields(rest) // from the third field of proc(5) on
	if !ok || len(fields) < 22 {
		return 0, 0, fmt.Errorf("/proc/%d/stat: %q", pid, stat)
	}
	var ticks int64
	for _, field := range fields[11:13] { // utime, stime
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, 0, err
		}
		ticks += n
	}
	pages, err := strconv.ParseInt(fields[21], 10, 64)
	if err != nil {
		return 0, 0, err
	}
	const ticksPerSecond = 100 // USER_HZ, the same on every architecture Go knows
	return time.Duration(ticks) * time.Second / ticksPerSecond, pages * int64(os.Getpagesize()), nil
}
