// Package kerneltest gives a test a network namespace of its own, with the real kernel behind it.
//
// Reads and writes only namespaces it made; tests that import it need root and are skipped without.
package kerneltest
