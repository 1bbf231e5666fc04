# `make` or `make help` lists what there is to run. Nothing needs to be installed first but Go and, on Debian, root.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# Tools are pinned in tools/go.mod, a module of its own, so that they stay out of Fairlead's own dependencies.
TOOL := go tool -modfile=tools/go.mod
# How many times `make bench` runs each benchmark: benchstat wants six or more to tell a change from noise.
COUNT ?= 6

.PHONY: help
help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/fairlead and bin/kubectl-fairlead, static binaries
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION)' -o bin/ ./cmd/fairlead ./cmd/kubectl-fairlead

# What builds the image: docker, podman or buildah. buildah and podman keep a HEALTHCHECK only in an image of docker's format.
CONTAINER ?= docker
FRR_IMAGE ?= quay.io/frrouting/frr:10.3.0
IMAGE ?= fairlead:$(VERSION)

.PHONY: image
image: build ## build the image of agent and FRR (CONTAINER=podman, FRR_IMAGE=..., IMAGE=NAME:TAG)
	$(CONTAINER) build --build-arg FRR_IMAGE=$(FRR_IMAGE) --build-arg VERSION=$(VERSION) --tag $(IMAGE) .

.PHONY: demo
demo: ## as root: run Fairlead between two real FRRs on this machine, and take them down again (KEEP=1 leaves them)
	hack/setup
	go run ./test/demo

.PHONY: test
test: ## as root: run all tests, those against each FRR version too; a skipped test is a failure
	hack/setup --test
	hack/test $(TESTFLAGS)

.PHONY: e2e
e2e: ## as root: install image and chart on a real Kubernetes of two nodes, and see on routers outside what each change does
	hack/e2e

.PHONY: check
check: ## as root: do exactly what CI does
	.ci/run

.PHONY: bench
bench: ## run the benchmarks: `make bench >old.txt`, change, `make bench >new.txt`, `make benchstat`
	@go test -run '^$$' -bench . -benchmem -count $(COUNT) -timeout 60m \
	  $$(grep -rl --include='*_test.go' '^func Benchmark' . | xargs -n 1 dirname | sort -u)

.PHONY: bench-reload
bench-reload: ## as root: hold reload against vtysh and frr-reload.py on each FRR version; a bar that is missed is a failure
	hack/setup --test
	FAIRLEAD_FRR=$${FAIRLEAD_FRR:-all} go test -run '^$$' -bench BenchmarkReload -benchtime 1x -timeout 30m ./test/bench

.PHONY: benchstat
benchstat: ## compare old.txt with new.txt
	@$(TOOL) benchstat old.txt new.txt

.PHONY: soak
soak: ## as root: fuzz each parser for a minute, and run the tests in their long form, one package after another (some hours)
	hack/setup --test
	hack/fuzz 60s
	FAIRLEAD_SOAK=1 hack/test -count=1 -p 1 -parallel 3 -timeout 180m

.PHONY: lint
lint: ## run the linters; depguard among them holds the packages to docs/architecture.md
	$(TOOL) golangci-lint run

.PHONY: fmt
fmt: ## format the code
	$(TOOL) golangci-lint fmt

.PHONY: generate
generate: ## write the generated files again
	go generate ./...
