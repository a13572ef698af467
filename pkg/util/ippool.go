package util

// Reasons of conditions and events of IPPools (api.md 2.2).
const (
	ReasonPoolUpdated          = "UpdateIPAMSucceeded"
	ReasonPoolFailed           = "UpdateIPAMFailed"
	ReasonPoolAddressSetFailed = "ReconcileAddressSetFailed"
)

// ExtPool in external_ids of an address set is the IPPool it mirrors (northbound.md 4.23).
const ExtPool = "ippool"
