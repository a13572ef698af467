// Package framework drives a running lab from tests: it applies YAML, runs commands in pods and nodes, and waits for
// conditions with a deadline. It reads `.lab/env` and uses the same kubectl-ko and bin/lab that a person would.
package framework
