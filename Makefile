# CoderFlow. `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GO      ?= go
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null)
DATE    ?= $(shell TZ=UTC0 git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ 2>/dev/null)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.date=$(DATE)

# Everything but the race detector does without C, and is built with the same flags, so that it is compiled once: the
# dependencies take minutes.
export CGO_ENABLED := 0
export GOFLAGS     := $(strip $(filter-out -trimpath,$(GOFLAGS)) -trimpath)

GOLANGCI    := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: help build setup setup-test images demo test race test-agents soak bench vet lint lint-all release release-check clean

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build bin/coderflow and bin/coderflow-guest (static)
	@mkdir -p bin
	@$(GO) build -ldflags '-s -w' -o bin/coderflow-guest ./cmd/guest
	@$(GO) build -ldflags '$(LDFLAGS)' -o bin/coderflow ./cmd/app

setup: ## Prepare this machine: Docker engine and sandbox image (root, Debian or Ubuntu)
	@scripts/setup

setup-test: ## As setup, and what only the tests need
	@scripts/setup --test

images: setup build ## Build the images of all agents from npm packages
	@scripts/setup --agents
	@bin/coderflow images build

demo: setup ## Play a story on a local forge, then stay up (FORGE=azuredevops; STORY=incident: another one; DEMO_EXIT=1: end)
	@echo "==> building"
	@$(MAKE) build
	@bin/coderflow demo $(if $(FORGE),--forge $(FORGE)) $(if $(STORY),--story $(STORY))

test: setup-test ## Set everything up, run gofmt, go vet and all tests
	@echo "==> building"
	@$(MAKE) build
	@echo "==> agents' images"
	@bin/coderflow images build claude codex
	@$(MAKE) vet
	@scripts/test

race: setup-test build ## Every package but the program with the race detector, and every input of the property tests
	@CGO_ENABLED=1 $(GO) test -race -timeout 60m $$($(GO) list ./... | grep -v '/cmd/app$$')

test-agents: setup-test build ## Run every agent's own program, driven by a scripted model
	@bin/coderflow images build
	@CODERFLOW_TEST_AGENTS=all $(GO) test -count=1 -timeout 30m ./internal/agent/agenttest
	@CODERFLOW_TEST_AGENTS=all $(GO) test -count=1 -timeout 30m -run Agent ./cmd/app

soak: setup-test build ## Random kills of server, forge and an engine of its own (TEST_SOAK=10m), a kill at every place on both databases, and two approvals at once a hundred times
	@TEST_SOAK=$${TEST_SOAK:-10m} TEST_REPETITIONS=100 $(GO) test -count=1 -timeout 180m -run 'TestSoak|TestFault01To18AKill|Threat51ManyTimes' -v ./cmd/app

bench: setup-test build ## Measure what is claimed, beside a floor in the same run, and print one table (BENCH=webhook: some of it)
	@scripts/bench $(BENCH)

vet: ## gofmt, go vet
	@echo "==> gofmt, go vet"
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
		if [ -n "$$unformatted" ]; then echo "not formatted (run gofmt -w):"; echo "$$unformatted"; exit 1; fi
	@$(GO) vet ./...

lint: vet ## As vet, and staticcheck (minutes the first time: it reads every dependency)
	@echo "==> staticcheck"
	@$(GO) run $(STATICCHECK) ./...

lint-all: lint ## As lint, and golangci-lint (takes minutes to build)
	@$(GO) run $(GOLANGCI) run ./...

release: ## Make the release VERSION=vX.Y.Z of this commit, which has that tag, in dist/ (RELEASE_SNAPSHOT=1: any tree)
	@scripts/release $(VERSION)

release-check: ## Build this commit twice, in two places, once from nothing, and compare every byte (minutes)
	@scripts/release --check

clean: ## Remove what build and release made
	@rm -rf bin dist
