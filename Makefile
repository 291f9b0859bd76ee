# One entry point. 'make' lists what there is.

SHELL := /bin/bash
LINT := go tool -modfile=tools/go.mod golangci-lint
GOTESTSUM := go tool -modfile=tools/go.mod gotestsum
# What the test binaries of a run share: one PostgreSQL server, the built program.
TESTRUN := go run ./internal/testrun
# Arguments of go test, such as ARGS='-run TestRestore ./internal/roster'.
ARGS ?= ./...
# A factor for test-long: 1 takes two hours, 10 a night.
LONG ?= 1
FUZZTIME ?= 10s
# The race detector watches our code. SQLite, which is C translated to Go, would take
# most of the time.
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
test: deps ## Run all tests in their quick form, on SQLite and PostgreSQL: 8 minutes
	$(TESTRUN) $(GOTESTSUM) --format pkgname -- -timeout 20m -parallel 4 $(ARGS)

.PHONY: race
race: deps ## Run the tests of concurrent code with the race detector: 2 minutes
	$(TESTRUN) ./tools/race $(RACE)

.PHONY: test-long
test-long: deps ## Run all tests in their long form and fuzz, before a release: 2 hours, times LONG
	ROSTER_TEST_LONG=$(LONG) $(TESTRUN) $(GOTESTSUM) --format pkgname -- -timeout 12h ./...
	./tools/fuzz $$((15 * $(LONG)))s

.PHONY: mutants
mutants: deps ## Run the mutation sample: a test must catch each fault, or those whose name matches RUN
	$(TESTRUN) go run ./internal/mutants -run '$(RUN)'

.PHONY: bench
bench: deps ## Compare removals with raw SQL, on both engines
	go test -run '^$$' -bench . -benchtime 1x -timeout 60m ./internal/bench

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME: 17 targets, 10 s each unless set
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
check: lint race test ## What a change must pass

.PHONY: cover
cover: ## Show how much of each package the tests reach
	go test -coverprofile=/dev/null -coverpkg=./client/...,./cmd/...,./internal/... ./...
