package ip

import (
	"net/netip"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

func invalid(format string, args ...any) error {
	return reconcile.Invalid(util.EventValidateIPFailed, format, args...)
}

// request is what a reservation asks of IPAM. It fails with Invalid when the spec cannot be served as it is (api.md 7.2).
func request(in inputs) (ipam.Request, error) {
	spec := &in.ip.Spec
	r := ipam.Request{NIC: in.ip.Name, MAC: spec.MacAddress, NoMAC: !util.IsOvnProvider(in.subnet.Spec.Provider)}
	switch spec.PodType {
	case "", util.PodTypeStatefulSet, util.PodTypeVirtualMachine:
	default:
		return r, invalid("podType %s is none of \"\", %s, %s", spec.PodType, util.PodTypeStatefulSet, util.PodTypeVirtualMachine)
	}
	if spec.PodName != "" && spec.Namespace != "" {
		port := util.PodPortName(spec.PodName, spec.Namespace, util.OvnProvider)
		if in.ip.Name != port && !strings.HasPrefix(in.ip.Name, port+".") {
			return r, invalid("name %s is not that of a port of pod %s/%s, which is %s, for further interfaces followed by .<provider>",
				in.ip.Name, spec.Namespace, spec.PodName, port)
		}
		r.Owner = spec.Namespace + "/" + spec.PodName
	}
	var err error
	r.Addresses, err = wanted(spec)
	return r, err
}

// wanted are the addresses a spec names, by family or as one text.
func wanted(spec *v1.IPSpec) ([]netip.Addr, error) {
	byFamily, err := util.ParseAddrs(util.JoinDual(spec.V4IPAddress, spec.V6IPAddress))
	if err != nil {
		return nil, invalid("v4IpAddress, v6IpAddress: %v", err)
	}
	for _, a := range byFamily {
		if a.Is4() != (a.String() == spec.V4IPAddress) {
			return nil, invalid("v4IpAddress %q, v6IpAddress %q: %s is of the other family", spec.V4IPAddress, spec.V6IPAddress, a)
		}
	}
	inOne, err := util.ParseAddrs(spec.IPAddress)
	if err != nil {
		return nil, invalid("ipAddress: %v", err)
	}
	for _, a := range inOne {
		i := slices.IndexFunc(byFamily, func(b netip.Addr) bool { return a.Is4() == b.Is4() })
		if i < 0 {
			byFamily = append(byFamily, a)
		} else if byFamily[i] != a {
			return nil, invalid("ipAddress %s and %s: which one is meant?", a, byFamily[i])
		}
	}
	return byFamily, nil
}

// desired is a reservation with its lease written back. Of its node only the pod that uses it knows.
func desired(ip *v1.IP, lease ipam.Lease) *v1.IP {
	// An address keeps its spelling: the field cannot be changed.
	text := func(a netip.Addr, given string) string {
		if was, err := netip.ParseAddr(given); err == nil && was == a {
			return given
		}
		if !a.IsValid() {
			return ""
		}
		return a.String()
	}
	record := util.PortLease{
		Port: ip.Name, Pod: ip.Spec.PodName, Namespace: ip.Spec.Namespace, Node: ip.Spec.NodeName, Subnet: lease.Subnet,
		V4: text(lease.V4, ip.Spec.V4IPAddress), V6: text(lease.V6, ip.Spec.V6IPAddress), MAC: lease.MAC, PodType: ip.Spec.PodType,
	}.Object()
	after := ip.DeepCopy()
	after.Spec = record.Spec
	after.Spec.ContainerID = ip.Spec.ContainerID
	for key, value := range record.Labels {
		metav1.SetMetaDataLabel(&after.ObjectMeta, key, value)
	}
	metav1.SetMetaDataLabel(&after.ObjectMeta, util.IPReservedLabel, "true")
	reconcile.AddFinalizer(after)
	return after
}
