package framework

import (
	"net"
	"os"
	"os/exec"
	"testing"

	"github.com/kubeovn/kube-ovn/hack/lab/ns"
)

// The server stands in the outside's network namespace and answers with the question and who asks.
func TestAsk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	c := &Cluster{name: "frameworkudp"}
	if err := ns.CreateNetns(c.outside()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ns.DeleteNetns(c.outside()); err != nil {
			t.Error(err)
		}
	})
	var server net.PacketConn
	err := ns.InNetns(c.outside(), func() error {
		if err := exec.Command("ip", "link", "set", "lo", "up").Run(); err != nil {
			return err
		}
		var err error
		server, err = net.ListenPacket("udp", "127.0.0.1:0")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		buffer := make([]byte, 100)
		for {
			n, from, err := server.ReadFrom(buffer)
			if err != nil {
				return
			}
			if question := string(buffer[:n]); question != "silence" {
				_, _ = server.WriteTo([]byte(question+" "+from.String()), from)
			}
		}
	}()
	asker, err := c.Ask(server.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer asker.Close()
	for _, question := range []string{"one", "two"} {
		if got, err := asker.Ask(question); err != nil || got != question+" "+asker.From() {
			t.Errorf("%s: %q, %v", question, got, err)
		}
	}
	if got, err := asker.Ask("silence"); err == nil {
		t.Errorf("silence says %q", got)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := asker.Ask("one"); err == nil {
		t.Errorf("a closed server says %q", got)
	}
}
