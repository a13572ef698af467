package util

import (
	"slices"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
)

// EventValidateIPFailed is the event on a reservation that cannot be served as it is written.
const EventValidateIPFailed = "ValidateIPFailed"

// IsReservation says whether an IP object was made by a user to hold addresses (northbound.md 4.4): it is marked as one,
// or it is new. Controllers set label and finalizer when they create an object, so one with neither is a user's.
func IsReservation(ip *v1.IP) bool {
	switch ip.Labels[IPReservedLabel] {
	case "true":
		return true
	case "":
		return !slices.Contains(ip.Finalizers, Finalizer) && !slices.Contains(ip.Finalizers, LegacyFinalizer)
	}
	return false
}
