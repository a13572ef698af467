// Package v1 declares version v1 of the API group kubeovn.io: one file per kind, plain structs and markers.
//
// The markers on the types are the source of the CRDs in dist/images/crds, of deep copies in this package and of the
// clients in pkg/client; `go run ./hack/generate` makes all three. Field names, defaults and refusals are those that
// existing users of the group know. Everything that can be decided from one object alone is refused by the API server
// through the schema or a CEL rule with a sentence; what needs a second object is reported by the controllers.
//
// Clients written in Go send fields without omitempty as "" or null, therefore every rule accepts the empty value and
// every field is optional unless it is marked required.
//
// +groupName=kubeovn.io
// +k8s:deepcopy-gen=package
// +kubebuilder:validation:Optional
package v1
