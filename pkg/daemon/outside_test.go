package daemon

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/mdlayher/ndp"
	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubeovnv1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/daemon/port/porttest"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// The outside is told where addresses are by the first of the nodes that are connected, and by no other.
func TestOutsideIsToldWhereAddressesAre(t *testing.T) {
	const first, second, third = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"
	m := newUnderlay(t, "eth5")
	// Two networks on one NIC: p with a tag, q without.
	p, q := m.outsideAddress("p", 204, "fd00:204::50"), m.outsideAddress("q", 0, "fd00:56::50")
	m.createProvider("p", "eth5", "p")
	m.createProvider("q", "eth5", "q")
	connected := func(network string, nodes ...string) {
		m.editProvider(network, func(pn *kubeovnv1.ProviderNetwork) { pn.Status.ReadyNodes = nodes })
	}
	connected("p", "node3", "node4")
	connected("q", "node1", "node3")
	p.isAt(first)
	q.isAt(first)
	m.start()
	p.isToldAt(first)
	p.isAt(second)
	p.isToldAt(second)
	porttest.Eventually(t, "advertisements", func() error {
		if got := p.told(); len(got) < advertisements || got[len(got)-advertisements] != second {
			return fmt.Errorf("told %v, want %s %d times", got, second, advertisements)
		}
		return nil
	})
	times := p.times()
	if last := len(times) - 1; times[last].Sub(times[last-advertisements+1]) < (advertisements-1)*advertiseEvery-50*time.Millisecond {
		t.Errorf("advertisements at %v are less than %s apart", times, advertiseEvery)
	}
	if got := q.told(); len(got) != 0 {
		t.Errorf("%s was told to be at %v by a node that had not to tell", q.address, got)
	}

	t.Log("another node tells of p, this one of q")
	connected("p", "node1", "node3")
	connected("q", "node3")
	q.isToldAt(first)
	p.isAt(third)
	q.isAt(second)
	q.isToldAt(second)
	if slices.Contains(p.told(), third) {
		t.Errorf("%s was told to be at %s by a node that had not to tell", p.address, third)
	}

	t.Log("until it is not connected any more")
	connected("p", "node3")
	p.isToldAt(third)
}

// outsideAddress is the address of an OvnEip and what hosts outside, in its VLAN, have heard of it.
type outsideAddress struct {
	m             *machine
	name, address string
	heard         *heard
}

// heard are the MACs that an address was told to be at.
type heard struct {
	mu   sync.Mutex
	macs []string
	at   []time.Time
}

// outsideAddress makes an OvnEip with the subnet and the VLAN that it needs, all of the network's name.
func (m *machine) outsideAddress(network string, vlan int, address string) outsideAddress {
	m.t.Helper()
	api, ctx := m.ovn.KubeovnV1(), m.background()
	meta := metav1.ObjectMeta{Name: network}
	_, err := api.Vlans().Create(ctx, &kubeovnv1.Vlan{ObjectMeta: meta, Spec: kubeovnv1.VlanSpec{ID: vlan, Provider: network}}, metav1.CreateOptions{})
	m.must(err)
	external := subnet(network, address+"/64")
	external.Spec.Vlan = network
	_, err = api.Subnets().Create(ctx, external, metav1.CreateOptions{})
	m.must(err)
	meta.Labels = map[string]string{util.EipV6Label: util.AddressLabel(address)}
	_, err = api.OvnEips().Create(ctx, &kubeovnv1.OvnEip{
		ObjectMeta: meta, Spec: kubeovnv1.OvnEipSpec{ExternalSubnet: network, V6Ip: address}, Status: kubeovnv1.OvnEipStatus{V6Ip: address},
	}, metav1.CreateOptions{})
	m.must(err)
	a := outsideAddress{m, network, address, &heard{}}
	a.listen(vlan)
	return a
}

// listen hears the advertisements for the address that come in with a tag, 0 for none, until the test ends.
func (a outsideAddress) listen(vlan int) {
	a.m.t.Helper()
	// The kernel takes the tag out of the frame.
	filter, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtVLANTag}, bpf.JumpIf{Val: uint32(vlan), SkipFalse: 1}, bpf.RetConstant{Val: 2048}, bpf.RetConstant{},
	})
	a.m.must(err)
	var conn *packet.Conn
	a.m.must(ns.WithNetNSPath(a.m.far, func(ns.NetNS) error {
		ifi, err := net.InterfaceByName("far-eth5")
		if err == nil {
			conn, err = packet.Listen(ifi, packet.Datagram, unix.ETH_P_ALL, &packet.Config{Filter: filter})
		}
		return err
	}))
	ended := make(chan struct{})
	a.m.t.Cleanup(func() { _ = conn.Close(); <-ended })
	go func() {
		defer close(ended)
		buf := make([]byte, 2048)
		for {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			const header = 40 // of IPv6
			message, err := ndp.ParseMessage(buf[min(n, header):n])
			if na, ok := message.(*ndp.NeighborAdvertisement); ok && err == nil && na.TargetAddress.String() == a.address {
				a.heard.mu.Lock()
				a.heard.macs = append(a.heard.macs, na.Options[0].(*ndp.LinkLayerAddress).Addr.String())
				a.heard.at = append(a.heard.at, time.Now())
				a.heard.mu.Unlock()
			}
		}
	}()
}

// isAt is what the controller does when the address has come to another port.
func (a outsideAddress) isAt(mac string) {
	a.m.t.Helper()
	api, ctx := a.m.ovn.KubeovnV1().OvnEips(), a.m.background()
	eip, err := api.Get(ctx, a.name, metav1.GetOptions{})
	a.m.must(err)
	eip.Status.OutsideMac = strings.ToUpper(mac)
	_, err = api.UpdateStatus(ctx, eip, metav1.UpdateOptions{})
	a.m.must(err)
}

func (a outsideAddress) told() []string {
	a.heard.mu.Lock()
	defer a.heard.mu.Unlock()
	return slices.Clone(a.heard.macs)
}

func (a outsideAddress) times() []time.Time {
	a.heard.mu.Lock()
	defer a.heard.mu.Unlock()
	return slices.Clone(a.heard.at)
}

// isToldAt waits until the last that was told is mac.
func (a outsideAddress) isToldAt(mac string) {
	a.m.t.Helper()
	porttest.Eventually(a.m.t, "place of "+a.address, func() error {
		if got := a.told(); len(got) == 0 || got[len(got)-1] != mac {
			return fmt.Errorf("%v were told, want %s", got, mac)
		}
		return nil
	})
}
