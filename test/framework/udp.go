package framework

import (
	"fmt"
	"net"
	"time"

	"github.com/kubeovn/kube-ovn/hack/lab/ns"
)

// Asker asks one UDP server again and again from one port of the outside network.
type Asker struct{ conn net.Conn }

// Ask makes an Asker for a server's address and port.
func (c *Cluster) Ask(server string) (*Asker, error) {
	a := &Asker{}
	err := ns.InNetns(c.outside(), func() error { // a socket stays in the namespace it was made in
		var err error
		a.conn, err = net.Dial("udp", server)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("socket in the outside network: %w", err)
	}
	return a, nil
}

// From is the address and port that the server is asked from.
func (a *Asker) From() string { return a.conn.LocalAddr().String() }

// Close ends it.
func (a *Asker) Close() error { return a.conn.Close() }

// Ask sends a question in one datagram and waits two seconds for the answer. What is still under way from an earlier
// question is dropped first.
func (a *Asker) Ask(question string) (string, error) {
	buffer := make([]byte, 2048)
	if err := a.conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		return "", err
	}
	for {
		if _, err := a.conn.Read(buffer); err != nil {
			break
		}
	}
	if err := a.conn.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return "", err
	}
	if _, err := a.conn.Write([]byte(question)); err != nil {
		return "", err
	}
	n, err := a.conn.Read(buffer)
	return string(buffer[:n]), err
}
