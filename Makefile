# Verbs of the project; `make help` lists them.
LAB ?= kube-ovn
NODES ?= 3
RUN ?=
export LAB

GO ?= go
LAB_BIN := bin/lab
TEST := $(GO) run ./hack/test

# One way to compile for programs, images and tests, so that they share one build cache; with -trimpath other checkouts share it too.
export CGO_ENABLED := 0
export GOFLAGS := $(shell $(GO) env GOFLAGS) -trimpath

.DEFAULT_GOAL := help
.PHONY: help run test lint unit integration e2e bench lab-up lab-down lab-status generate images build deps $(LAB_BIN)

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: lab-up ## from a fresh Debian machine to a running three-node cluster with the quickstart applied and checked
	$(GO) run ./test/quickstart

test: deps ## everything that must pass: lint, unit, integration, e2e; last line "N passed, N failed"
	$(TEST)

lint: ## gofmt, go vet, staticcheck, go mod tidy and generated code
	$(TEST) -stages lint

unit: deps ## unit tests, against real ovsdb-servers and kernels where it matters
	$(TEST) -stages unit -run '$(RUN)'

integration: deps ## controller against a real API server and OVN, without kubelets
	$(TEST) -stages integration -run '$(RUN)'

e2e: deps ## tests on the lab; RUN=<regexp> chooses
	$(TEST) -stages e2e -run '$(RUN)'

bench: deps ## print figures as `name value unit` lines
	$(LAB_BIN) prepare
	$(GO) run ./test/bench

lab-up: deps ## a real Kubernetes of NODES nodes on this machine with the product installed
	$(LAB_BIN) up --nodes $(NODES)

lab-down: $(LAB_BIN) ## remove the lab and everything it made
	$(LAB_BIN) down

lab-status: $(LAB_BIN) ## what runs in the lab
	$(LAB_BIN) status

generate: ## deepcopy, clients, CRDs and table models from their sources
	$(GO) run ./hack/generate

images: deps ## build the container images
	$(LAB_BIN) images

build: ## build the binaries into bin/
	$(GO) build -o bin/ ./cmd/... ./hack/lab

deps: $(LAB_BIN)
	$(LAB_BIN) deps

$(LAB_BIN):
	$(GO) build -o $@ ./hack/lab
