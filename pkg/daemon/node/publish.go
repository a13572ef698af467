package node

import (
	"strconv"
	"strings"

	"github.com/kubeovn/kube-ovn/pkg/util"
)

// labelSuffixes end the labels of provider networks on nodes.
var labelSuffixes = []string{util.ProviderReady, util.ProviderInterface, util.ProviderMTU, util.ProviderExclude, util.ProviderVlanInterfaces}

// ProviderLabels is what has to change in a node's labels: a nil value removes. failed says, by network, what went wrong.
func ProviderLabels(have map[string]string, providers []Provider, failed map[string]string) map[string]*string {
	want := map[string]string{}
	for _, p := range providers {
		key := func(suffix string) string { return util.ProviderNetworkKey(p.Name, suffix) }
		switch {
		case p.Gateway || failed[p.Name] != "":
		case p.Excluded:
			want[key(util.ProviderExclude)] = "true"
		default:
			want[key(util.ProviderReady)] = "true"
			want[key(util.ProviderInterface)] = p.NIC
			if p.MTU > 0 {
				want[key(util.ProviderMTU)] = strconv.Itoa(p.MTU)
			}
			if p.VLANs {
				want[key(util.ProviderVlanInterfaces)] = "true"
			}
		}
	}
	return difference(have, want, labelSuffixes)
}

// ProviderErrors is what has to change in the annotations of the daemon's own pod: a nil value removes.
func ProviderErrors(have map[string]string, providers []Provider, failed map[string]string) map[string]*string {
	want := map[string]string{}
	for _, p := range providers {
		if text := failed[p.Name]; text != "" && !p.Gateway {
			want[util.ProviderNetworkKey(p.Name, util.ProviderError)] = text
		}
	}
	return difference(have, want, []string{util.ProviderError})
}

// difference is empty when nothing has to change. Of what is there only the keys of provider networks count.
func difference(have, want map[string]string, suffixes []string) map[string]*string {
	out := map[string]*string{}
	for key := range have {
		if _, wanted := want[key]; !wanted && ofProvider(key, suffixes) {
			out[key] = nil
		}
	}
	for key, value := range want {
		if old, found := have[key]; !found || old != value {
			out[key] = &value
		}
	}
	return out
}

func ofProvider(key string, suffixes []string) bool {
	for _, suffix := range suffixes {
		if name, ok := strings.CutSuffix(key, util.ProviderNetworkKey("", suffix)); ok && name != "" {
			return true
		}
	}
	return false
}
