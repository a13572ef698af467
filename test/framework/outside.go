package framework

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kubeovn/kube-ovn/hack/lab/ns"
	"github.com/kubeovn/kube-ovn/hack/lab/plan"
)

// Ext runs argv in the outside network: in the router that is every outside network's gateway.
func (c *Cluster) Ext(ctx context.Context, argv ...string) (string, error) {
	return c.Lab(ctx, append([]string{"ext", "--"}, argv...)...)
}

// outside is the network namespace of the outside network.
func (c *Cluster) outside() string { return (&plan.Lab{Name: c.name}).OutsideNetns() }

// Server is a web server in the outside network that answers every request with the address it came from.
type Server struct {
	listener net.Listener
	done     chan error
}

// Serve starts a Server on a TCP address of the outside network: "10.5.204.254:8080", or ":8080" for all.
func (c *Cluster) Serve(address string) (*Server, error) {
	s := &Server{done: make(chan error, 1)}
	err := ns.InNetns(c.outside(), func() error { // a socket stays in the namespace it was made in
		var err error
		s.listener, err = net.Listen("tcp", address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("server in the outside network: %w", err)
	}
	answer := func(w http.ResponseWriter, r *http.Request) {
		if from, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
			fmt.Fprint(w, from.Addr().Unmap())
		}
	}
	server := &http.Server{Handler: http.HandlerFunc(answer), ReadHeaderTimeout: 10 * time.Second}
	go func() { s.done <- server.Serve(s.listener) }()
	return s, nil
}

// Close ends the server.
func (s *Server) Close() error {
	err := s.listener.Close()
	if served := <-s.done; !errors.Is(served, net.ErrClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// Get asks a web server from the outside network, over a connection of its own, and returns what it says.
func (c *Cluster) Get(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	dial := func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		err = ns.InNetns(c.outside(), func() error {
			conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
			return err
		})
		return conn, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return "", fmt.Errorf("from outside: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("from outside: %s says %s", url, response.Status)
	}
	return strings.TrimSpace(string(body)), err
}

// Stream is a ping from the outside network, ten times a second until it is stopped.
type Stream struct {
	stop func()

	mu  sync.Mutex
	out bytes.Buffer
}

// Stream starts to ping an address.
func (c *Cluster) Stream(ctx context.Context, address string) (*Stream, error) {
	ctx, cancel := context.WithCancel(ctx)
	s := &Stream{}
	cmd := exec.CommandContext(ctx, "ping", "-D", "-i", "0.1", address)
	cmd.Stdout = s
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Second
	if err := ns.InNetns(c.outside(), cmd.Start); err != nil {
		cancel()
		return nil, fmt.Errorf("ping %s: %w", address, err)
	}
	s.stop = sync.OnceFunc(func() {
		cancel()
		cmd.Wait() //nolint:errcheck // what was lost is judged by the answers
	})
	return s, nil
}

// Write takes what ping prints.
func (s *Stream) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(text)
}

// Replies are the answers so far.
func (s *Stream) Replies() []Reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Replies(s.out.String())
}

// Stop ends the stream and returns all answers.
func (s *Stream) Stop() []Reply {
	s.stop()
	return s.Replies()
}

// Reply is one answer to ping.
type Reply struct {
	At  time.Time // zero without the option -D
	Seq int
	TTL int
}

var replyPattern = regexp.MustCompile(`(?m)^(?:\[(\d+)\.(\d+)\] )?\d+ bytes from \S+ icmp_seq=(\d+) ttl=(\d+) .*$`)

// Replies reads what iputils' ping prints.
func Replies(out string) []Reply {
	var all []Reply
	number := func(s string) int {
		n, _ := strconv.Atoi(s) // the pattern has digits only; "" is 0
		return n
	}
	for _, m := range replyPattern.FindAllStringSubmatch(out, -1) {
		r := Reply{Seq: number(m[3]), TTL: number(m[4])}
		if m[1] != "" {
			r.At = time.Unix(int64(number(m[1])), int64(number(m[2]))*int64(time.Microsecond))
		}
		all = append(all, r)
	}
	return all
}

// Gap is the longest time without an answer between two answers.
func Gap(replies []Reply) time.Duration {
	var longest time.Duration
	for i := 1; i < len(replies); i++ {
		longest = max(longest, replies[i].At.Sub(replies[i-1].At))
	}
	return longest
}
