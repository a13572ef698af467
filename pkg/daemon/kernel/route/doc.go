// Package route makes the routes of one device in the main table agree with wanted routes.
//
// Key: a device name. Reads and writes rtnetlink. Routes of other devices stay as they are; one of them to a wanted
// destination means that somebody routes it on purpose, and ours goes (node.md 1.7).
package route
