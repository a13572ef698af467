package ovs

import (
	"strconv"

	"github.com/kubeovn/kube-ovn/pkg/ovs/vswitch"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

func (r OpenVSwitch) row() []wanted {
	return []wanted{{table: vswitch.OpenvSwitchTable, ext: r.ExternalIDs, cols: map[string]value{"other_config": mapOf(r.OtherConfig)}}}
}

// row includes the local port of the bridge: a bridge without the port and interface of its own name does not work.
func (r Bridge) row() []wanted {
	local := VSwitchPort{Bridge: r.Name, Name: r.Name, Type: "internal"}
	bridge := wanted{table: vswitch.BridgeTable, parent: byName(vswitch.OpenvSwitchTable, ""), ext: r.ExternalIDs,
		cols: map[string]value{"name": required(r.Name), "datapath_type": required(r.DatapathType), "fail_mode": optional(r.FailMode),
			"other_config": mapOf(r.OtherConfig)}}
	return append([]wanted{bridge}, local.row()...)
}

func (r VSwitchPort) row() []wanted {
	trunks := make([]string, 0, len(r.Trunks))
	for _, t := range r.Trunks {
		trunks = append(trunks, strconv.Itoa(t))
	}
	port := wanted{table: vswitch.PortTable, parent: byName(vswitch.BridgeTable, r.Bridge),
		cols: map[string]value{"name": required(r.Name), "tag": optionalInt(r.Tag), "trunks": setOf(trunks...)},
		refs: map[string][]ref{"interfaces": {{target: byName(vswitch.InterfaceTable, r.Name)}}}}
	iface := wanted{table: vswitch.InterfaceTable, ext: r.ExternalIDs,
		cols: map[string]value{"name": required(r.Name), "type": required(r.Type), "options": mapOf(r.Options),
			"mtu_request": optionalInt(r.MTURequest), "ingress_policing_rate": integer(r.PolicingRate),
			"ingress_policing_burst": integer(r.PolicingBurst)}}
	if r.QoS == nil {
		return []wanted{port, iface}
	}
	port.refs["qos"] = []ref{{target: byName(vswitch.QoSTable, r.Name)}}
	ext := with(r.QoS.ExternalIDs, util.ExtPort, r.Name)
	qos := wanted{table: vswitch.QoSTable, ext: ext,
		cols: map[string]value{"type": required(r.QoS.Type), "other_config": mapOf(r.QoS.OtherConfig)}}
	if r.QoS.Queue == nil {
		return []wanted{port, iface, qos}
	}
	qos.refs = map[string][]ref{"queues": {{index: "0", target: byName(vswitch.QueueTable, r.Name)}}}
	queue := wanted{table: vswitch.QueueTable, ext: ext, cols: map[string]value{"other_config": mapOf(r.QoS.Queue)}}
	return []wanted{port, iface, qos, queue}
}

func (r Mirror) row() []wanted {
	return []wanted{{table: vswitch.MirrorTable, parent: byName(vswitch.BridgeTable, r.Bridge), ext: r.ExternalIDs,
		cols: map[string]value{"name": required(r.Name), "select_all": boolean(r.SelectAll)},
		refs: map[string][]ref{"select_dst_port": byNames(vswitch.PortTable, r.SelectDstPorts),
			"output_port": optionalRef(vswitch.PortTable, r.OutputPort)}}}
}
