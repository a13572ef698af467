package subnet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Config is the part of the program's flags that shapes subnets.
type Config struct {
	DefaultVpc    string
	DefaultSubnet string
	JoinSubnet    string
	// EnableLb and EnableEcmp are defaults of the spec fields of the same name.
	EnableLb   bool
	EnableEcmp bool
	// MTU of overlay pods in bytes, for DHCP.
	MTU int
	// APIServerIP is the address of the kubernetes Service; no subnet of the default VPC may hold it. "": not known.
	APIServerIP string
	// ExternalSubnet is what an OvnEip without a subnet is from.
	ExternalSubnet string
	// CountDelay bounds how often the counters in the status follow the addresses in use.
	CountDelay time.Duration
}

// inputs are everything the rows and the status of one subnet depend on.
type inputs struct {
	config Config
	// subnet is nil when the object is gone.
	subnet *v1.Subnet
	// siblings are others that could want the same, with the spec they have and with the one in effect, by precedence.
	siblings []*v1.Subnet
	join     *v1.Subnet // nil when it does not exist (yet)
	vpcs     []*v1.Vpc  // all, by name
	nodes    []*corev1.Node
	uplink   uplink
	// portMAC is the MAC that the router's port has in the database, of whatever installation; "" when there is no port.
	portMAC string
	// u2o is what the router has in an interconnected subnet; it is known after the claim.
	u2o ipam.Lease
}

// facts are what the status tells besides: they exist only after the rows are written.
type facts struct {
	stats                  ipam.Stats
	dhcpV4UUID, dhcpV6UUID string
	u2o                    ipam.Lease
}

func (c *controller) gather(name string) (inputs, error) {
	in := inputs{config: c.Config}
	own, ok := c.own.Get(name)
	if !ok {
		return in, nil
	}
	return c.inputsOf(own)
}

// inputsOf are the inputs of a subnet with the spec it has, the present one or the one in effect.
func (c *controller) inputsOf(own *v1.Subnet) (inputs, error) {
	in := inputs{config: c.Config, subnet: own}
	name := own.Name
	all, err := c.subnets.List(labels.Everything())
	if err != nil {
		return in, fmt.Errorf("list subnets: %w", err)
	}
	for _, s := range all {
		effective := util.InEffect(s)
		if s.Name == c.JoinSubnet {
			in.join = cmp.Or(effective, s)
		}
		if s.Name == name {
			continue
		}
		if related(s, own) {
			in.siblings = append(in.siblings, s)
		}
		if effective != nil && effective != s && related(effective, own) { // an edit that is refused gives nothing free
			in.siblings = append(in.siblings, effective)
		}
	}
	slices.SortFunc(in.siblings, func(a, b *v1.Subnet) int { // refusals name who is in place
		switch {
		case precedes(a, b):
			return -1
		case precedes(b, a):
			return 1
		}
		return 0
	})
	if in.vpcs, err = c.vpcs.List(labels.Everything()); err != nil {
		return in, fmt.Errorf("list vpcs: %w", err)
	}
	slices.SortFunc(in.vpcs, func(a, b *v1.Vpc) int { return strings.Compare(a.Name, b.Name) })
	if in.nodes, err = c.nodes.List(labels.Everything()); err != nil {
		return in, fmt.Errorf("list nodes: %w", err)
	}
	slices.SortFunc(in.nodes, func(a, b *corev1.Node) int { return strings.Compare(a.Name, b.Name) })
	in.portMAC = portMAC(own, c.NB)
	in.uplink, err = c.uplinkOf(own)
	return in, err
}

// related says whether two subnets could want the same.
func related(other, s *v1.Subnet) bool {
	return sameNetwork(other, s) || other.Spec.ExternalEgressGateway != "" || contested(other, s) != ""
}

// portMAC reads the MAC of the subnet's router port. In a subnet without one, a port of that name has an address of the
// subnet, and its MAC is not the gateway's.
func portMAC(s *v1.Subnet, nb *ovs.Client) string {
	if in := (inputs{subnet: s}); !in.hasRouterPort() {
		return ""
	}
	mac, _ := nb.RouterPortMAC(util.RouterPortName(s.Spec.Vpc, s.Name))
	return mac
}

// vpc is the subnet's VPC, nil when it does not exist.
func (in inputs) vpc() *v1.Vpc {
	i := slices.IndexFunc(in.vpcs, func(v *v1.Vpc) bool { return v.Name == in.subnet.Spec.Vpc })
	if i < 0 {
		return nil
	}
	return in.vpcs[i]
}

// hasSwitch: subnets of other providers are books in IPAM and nothing else.
func (in inputs) hasSwitch() bool { return util.IsOvnProvider(in.subnet.Spec.Provider) }

// routed says whether the VPC's router is the subnet's gateway; in an underlay subnet it is a physical one.
func (in inputs) routed() bool {
	spec := &in.subnet.Spec
	return in.hasSwitch() && spec.CIDRBlock != "" && (spec.Vlan == "" || spec.LogicalGateway)
}

// interconnected says whether the router of the VPC has a port in an underlay subnet whose gateway is a physical one.
func (in inputs) interconnected() bool { return util.IsInterconnected(in.subnet) }

// hasRouterPort says whether the subnet has a port of the VPC's router.
func (in inputs) hasRouterPort() bool { return in.routed() || in.interconnected() }

// centralized says whether the way out of the cluster leads over gateway nodes.
func (in inputs) centralized() bool {
	return in.routed() && in.subnet.Spec.Vpc == in.config.DefaultVpc && in.subnet.Spec.GatewayType == util.GatewayCentralized
}
