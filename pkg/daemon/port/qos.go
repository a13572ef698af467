package port

import (
	"math"
	"strconv"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// QoS is what the pod's annotations ask for (node.md 2.8), in the pod's direction. Zero values ask for nothing.
type QoS struct {
	IngressRate, EgressRate   int // Mbit/s
	IngressBurst, EgressBurst int // Mbit
	Latency, Jitter           int // ms
	Limit                     int // packets
	Loss                      float64
}

// maxRate keeps every product below 2^63 and means more than any interface can do: 1 Pbit/s.
const maxRate = 1_000_000_000

func (p *planner) qos() error {
	q, err := parseQoS(p.prefix, p.Pod.Annotations)
	p.spec.QoS = q
	return err
}

// parseQoS reads the annotations of one provider prefix; a malformed one is an *InvalidError.
func parseQoS(prefix string, annotations map[string]string) (QoS, error) {
	var q QoS
	numbers := []struct {
		suffix string
		to     *int
	}{
		{util.IngressRate, &q.IngressRate}, {util.IngressBurst, &q.IngressBurst},
		{util.EgressRate, &q.EgressRate}, {util.EgressBurst, &q.EgressBurst},
		{util.Latency, &q.Latency}, {util.Jitter, &q.Jitter}, {util.Limit, &q.Limit},
	}
	for _, n := range numbers {
		key := util.Key(prefix, n.suffix)
		text := annotations[key]
		if text == "" {
			continue
		}
		value, err := strconv.Atoi(text)
		if err != nil || value < 0 || value > maxRate {
			return QoS{}, invalid("annotation %s: %q is not a whole number from 0 to %d", key, text, maxRate)
		}
		*n.to = value
	}
	key := util.Key(prefix, util.Loss)
	if text := annotations[key]; text != "" {
		value, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(value) || value < 0 || value > 100 {
			return QoS{}, invalid("annotation %s: %q is not a percentage", key, text)
		}
		q.Loss = value
	}
	return q, nil
}

// policing is what leaves the pod, as ingress_policing_rate (kbit/s) and _burst (kbit) of its port; the burst is 80 % of the
// rate unless given.
func (q QoS) policing() (rate, burst int) {
	if q.EgressRate == 0 {
		return 0, 0
	}
	burst = q.EgressBurst * 1000
	if burst == 0 {
		burst = q.EgressRate * 800
	}
	return q.EgressRate * 1000, burst
}

// row is what goes to the pod: an HTB queue for a rate, netem for an impairment; HTB wins. Nil: neither.
func (q QoS) row(ifaceID, namespace, pod string) *ovs.QoS {
	ids := map[string]string{util.IfaceID: ifaceID, util.ExtPod: namespace + "/" + pod}
	switch {
	case q.IngressRate > 0:
		burst := q.IngressBurst * 125_000
		if burst == 0 {
			burst = q.IngressRate * 12_500 // a tenth of a second
		}
		return &ovs.QoS{
			Type: "linux-htb",
			Queue: map[string]string{
				"max-rate": strconv.Itoa(q.IngressRate * 1_000_000), // bit/s
				"burst":    strconv.Itoa(burst),
			},
			ExternalIDs: ids,
		}
	case q.Latency > 0 || q.Jitter > 0 || q.Limit > 0 || q.Loss > 0:
		config := map[string]string{}
		set := func(key string, value int) {
			if value > 0 {
				config[key] = strconv.Itoa(value)
			}
		}
		set("latency", q.Latency*1000) // µs
		set("jitter", q.Jitter*1000)
		set("limit", q.Limit)
		if q.Loss > 0 {
			config["loss"] = strconv.FormatFloat(q.Loss, 'f', -1, 64)
		}
		return &ovs.QoS{Type: "linux-netem", OtherConfig: config, ExternalIDs: ids}
	default:
		return nil
	}
}
