// Package server answers the CNI binary on the daemon's unix socket (api.md 6.2).
//
// Key: a container interface; requests for one container run one after the other. It reads pods, subnets and its node from
// informers, and makes interfaces through package port. It writes events on pods and nothing else in the API.
package server
