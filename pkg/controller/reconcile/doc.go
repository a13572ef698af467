// Package reconcile is the queue loop every controller runs on: one rate limited queue of string keys per resource type.
//
// A controller makes a [Loop] with its sync function and gets each lister it reads from [Watch], so that nothing can be
// read that does not also wake the loop. Keys name the thing written; an object that is gone is a key whose sync wants
// nothing. Sync answers nil, [Wait], [Invalid] or any other error, which is logged here and nowhere else.
package reconcile
