package ovs

// The models in ovnnb, ovnsb and vswitch are made by `make generate` from the oldest schemas that are supported: OVN 23.03
// (NB 7.0.0, SB 20.27.0) and Open vSwitch 3.1 (8.3.1). Columns of newer releases are used after asking the server for its schema.
