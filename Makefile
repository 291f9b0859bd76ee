# One entry point. 'make' lists what there is.

SHELL := /bin/bash
LINT := go tool -modfile=tools/go.mod golangci-lint
GOTESTSUM := go tool -modfile=tools/go.mod gotestsum
FUZZTIME ?= 10s
# The race detector watches our code. SQLite, which is C made into Go, would take
# most of the time, and a program that ends waits a second for late findings.
RACE := -race -gcflags=modernc.org/sqlite/lib=-race=false
export GORACE ?= atexit_sleep_ms=10

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: build
build: ## Build the binary ./roster, static, without cgo
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o roster ./cmd/roster

.PHONY: demo
demo: ## Show a removal on a throw-away server
	go run ./cmd/roster demo

.PHONY: deps
deps: ## Install what the tests need and the machine lacks
	./tools/deps

.PHONY: test
test: deps ## Run all tests, on SQLite and on a PostgreSQL of their own, with the race detector
	$(GOTESTSUM) --format pkgname -- $(RACE) -timeout 60m ./...

.PHONY: test-long
test-long: deps ## Run the long forms of the tests that have one: hours, not minutes
	ROSTER_TEST_LONG=1 $(GOTESTSUM) --format standard-verbose -- -timeout 8h ./cmd/roster ./internal/cli ./internal/roster ./internal/publicapi ./internal/server

.PHONY: bench
bench: deps ## Compare removals with raw SQL, on both engines
	go test -run '^$$' -bench . -benchtime 1x -timeout 60m ./internal/bench

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME
	./tools/fuzz $(FUZZTIME)

.PHONY: vectors
vectors: ## Make the token vectors of internal/auth/testdata again, with npm
	npm --prefix tools/vectors ci
	node tools/vectors/make.mjs

.PHONY: screenshots
screenshots: deps ## Make the pictures of the console in docs/images again
	go test -count=1 -run TestPagesAtAllWidths ./internal/console -args -screenshots $(CURDIR)/docs/images

.PHONY: fmt
fmt: ## Format the code
	$(LINT) fmt

.PHONY: lint
lint: ## Check format, vet and lint, and that go.mod is tidy
	go vet ./...
	$(LINT) run --allow-parallel-runners
	go mod tidy -diff

.PHONY: check
check: lint test ## What a change must pass

.PHONY: cover
cover: ## Show how much of each package the tests reach
	go test -coverprofile=/dev/null -coverpkg=./client/...,./cmd/...,./internal/... ./...
