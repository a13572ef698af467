// Package controllertest runs controllers against fake clientsets that behave like an API server in what controllers
// depend on, and a real ovsdb-server. [Laws] checks the four laws every controller obeys.
package controllertest
