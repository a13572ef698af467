package vpc

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// gatewayConfig is what the external gateway's ConfigMap means for the default VPC (northbound.md 4.13).
type gatewayConfig struct {
	// driven: the ConfigMap decides. All else is empty otherwise: in custom VPCs, and in the default VPC with extra subnets.
	driven bool
	object *corev1.ConfigMap // nil when it does not exist
	where  string            // its name for messages
	// inEffect are the settings in effect as the annotation keeps them, "" when the gateway is off; gateway is their meaning.
	inEffect string
	gateway  util.ExternalGateway
	// problem says why the settings in effect are not those of the ConfigMap, or cannot be in effect as a whole.
	problem error
}

// facts are what the settings are held against.
type facts struct {
	hasNode func(name string) bool
	// subnet is the name of the external Subnet, hasSubnet whether it exists.
	subnet    string
	hasSubnet bool
}

// decide reads the ConfigMap. Only the text "false" ends what works: of an object that is gone or broken the last good
// settings stay in effect, which the VPC keeps in an annotation.
func decide(vpc *v1.Vpc, object *corev1.ConfigMap, where string, known facts) gatewayConfig {
	g := gatewayConfig{driven: true, object: object, where: where}
	last, works := vpc.Annotations[util.ExternalGatewayInEffect]
	if !works && vpc.Spec.EnableExternal { // made by an earlier release
		last, works = util.EncodeExternalGateway(nil), true
	}
	if object == nil {
		if works {
			g.keep(last)
			g.problem = reconcile.Blocked(util.ReasonGatewayConfigNotFound, "configmap %s, which does not exist; its last settings stay in effect", where)
		}
		return g
	}
	parsed, err := util.ParseExternalGateway(object.Data)
	switch {
	case err != nil:
	case !parsed.Enabled:
		return g
	default:
		if err = known.check(parsed); err == nil || !works {
			last, works = util.EncodeExternalGateway(object.Data), true
		}
	}
	if works {
		g.keep(last)
	}
	if err != nil {
		g.problem = reconcile.Blocked(util.ReasonGatewayConfigInvalid, "a correction of configmap %s: %v", where, err)
	}
	return g
}

func (g *gatewayConfig) keep(settings string) {
	annotations := map[string]string{util.ExternalGatewayInEffect: settings}
	if gateway, on := util.DecodeExternalGateway(annotations); on {
		g.gateway, g.inEffect = gateway, settings
	}
}

func (g gatewayConfig) on() bool { return g.gateway.Enabled }

// check says which key asks for what does not exist.
func (f facts) check(g util.ExternalGateway) error {
	var unknown []string
	for _, name := range g.Nodes {
		if !f.hasNode(name) {
			unknown = append(unknown, name)
		}
	}
	switch {
	case len(unknown) > 0:
		return fmt.Errorf("%s: there is no node %s", util.ExternalGatewayConfigNodes, strings.Join(unknown, ", "))
	case len(g.RouterPort) == 0 && !f.hasSubnet:
		return fmt.Errorf("%s: it is needed, because subnet %s does not exist", util.ExternalGatewayConfigNICIP, f.subnet)
	}
	return nil
}

// differs says whether an OvnEip has another address or MAC than the settings give.
func (g gatewayConfig) differs(eip *v1.OvnEip) bool {
	for _, wanted := range g.gateway.RouterPort {
		have := eip.Status.V4Ip
		if wanted.Addr().Is6() {
			have = eip.Status.V6Ip
		}
		if addrs, err := util.ParseAddrs(have); err != nil || len(addrs) != 1 || addrs[0] != wanted.Addr() {
			return true
		}
	}
	return g.gateway.RouterMAC != "" && !strings.EqualFold(g.gateway.RouterMAC, eip.Status.MacAddress)
}

// governed is the default VPC, a copy of the caller's, with what the ConfigMap decides about it.
func governed(vpc *v1.Vpc, g gatewayConfig) *v1.Vpc {
	if !g.driven {
		return vpc
	}
	vpc.Spec.EnableExternal = g.on()
	if g.on() {
		metav1.SetMetaDataAnnotation(&vpc.ObjectMeta, util.ExternalGatewayInEffect, g.inEffect)
	} else {
		delete(vpc.Annotations, util.ExternalGatewayInEffect)
	}
	return vpc
}
