package ovs

// The models come from the oldest schemas that are supported: OVN 23.03 (NB 7.0.0, SB 20.27.0) and Open vSwitch 3.1 (8.3.1).
// Columns of newer releases are used after asking the server for its schema.
//
//go:generate go run github.com/ovn-org/libovsdb/cmd/modelgen -p ovnnb -o ovnnb schema/ovn-nb.ovsschema
//go:generate go run github.com/ovn-org/libovsdb/cmd/modelgen -p ovnsb -o ovnsb schema/ovn-sb.ovsschema
//go:generate go run github.com/ovn-org/libovsdb/cmd/modelgen -p vswitch -o vswitch schema/vswitch.ovsschema
