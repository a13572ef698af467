package ovs

// wanted is the generic form of a row: table, identity, parent and columns.
type wanted struct{}

func (LogicalRouter) row() wanted     { panic("contract") }
func (LogicalRouterPort) row() wanted { panic("contract") }
func (StaticRoute) row() wanted       { panic("contract") }
func (RouterPolicy) row() wanted      { panic("contract") }
func (NAT) row() wanted               { panic("contract") }
func (BFD) row() wanted               { panic("contract") }
func (HAChassisGroup) row() wanted    { panic("contract") }
func (LogicalSwitch) row() wanted     { panic("contract") }
func (LogicalSwitchPort) row() wanted { panic("contract") }
func (PortGroup) row() wanted         { panic("contract") }
func (AddressSet) row() wanted        { panic("contract") }
func (ACL) row() wanted               { panic("contract") }
func (DHCPOptions) row() wanted       { panic("contract") }
func (LoadBalancer) row() wanted      { panic("contract") }
func (NBGlobal) row() wanted          { panic("contract") }
func (Chassis) row() wanted           { panic("contract") }
func (Bridge) row() wanted            { panic("contract") }
func (VSwitchPort) row() wanted       { panic("contract") }
func (Mirror) row() wanted            { panic("contract") }
func (OpenVSwitch) row() wanted       { panic("contract") }
