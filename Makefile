# The steps are in .ci/run, which needs no make.

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

.PHONY: all
all: ## everything that has to pass
	.ci/run

.PHONY: check
check: ## formatting, vet, staticcheck, module files
	.ci/run format vet lint tidy

.PHONY: test
test: ## all tests
	.ci/run test

.PHONY: fast
fast: ## most tests, in less than a minute, for while you work
	go test $$(go list ./... | grep -v '/\(reliability\|conformance\|examples\|cmd\)\|internal/\(storage\|cli\|docs\)$$')

.PHONY: oracle
oracle: ## the wire format beside the Thrift library of Apache, a part of test
	go -C internal/wire/oracle test -count=1 ./...

.PHONY: race
race: ## all tests with the race detector
	.ci/run race

.PHONY: consume
consume: ## the module as dependents have it, through a module proxy; ARGS=-w writes the README's numbers
	go -C tools run ./consume $(ARGS)

.PHONY: kerberos
kerberos: ## authentication with a KDC of MIT Kerberos, which has to be installed; a part of test
	PEGASUS_TEST_KDC=required go -C auth/kerberos test -count=1 ./...

.PHONY: quickstart
quickstart: ## the main example: every method on the Go standard library
	.ci/run quickstart

.PHONY: browser
browser: ## the console in a real browser, Chromium
	.ci/run browser

.PHONY: screenshots
screenshots: ## the pictures of the console in docs/console
	go -C internal/console/browser test -count=1 -timeout 10m -run '^TestScreenshots$$' . -args -pictures $(CURDIR)/docs/console

.PHONY: fuzz
fuzz: ## every fuzz target for T=30s
	T=$(or $(T),30s) .ci/run fuzz

.PHONY: bench
bench: ## measure client and onebox beside the floor; ARGS="-case get"
	go -C bench run . $(ARGS)

.PHONY: consolecost
consolecost: ## what callers of a onebox lose while its console is open
	go test -run '^$$' -bench '^BenchmarkCost$$' -benchtime 100x -timeout 30m ./internal/console

.PHONY: scale
scale: ## simulate 1000 servers, 65536 partitions, 10000 callers, of which servers fail
	go -C bench test -count=1 -v -timeout 30m ./scale | grep -v '^=== \|^ *--- PASS\|^PASS'

.PHONY: picture
picture: ## draw the dashboards in docs from a real run; needs prometheus and chromium; ARGS="-duration 2m"
	go -C observe/picture run . $(ARGS)

.PHONY: cover
cover: ## statements that the tests reach, in cover.out and in total
	go test -coverpkg=./... -coverprofile=cover.out ./...
	go tool cover -func=cover.out | tail -n 1

.PHONY: conformance
conformance: ## compare the onebox, or the cluster at PEGASUS_META, with recorded facts
	go test -count=1 -v -timeout 1h ./conformance | grep -v '^=== \|^ *--- PASS'

.PHONY: million
million: ## time and memory of export, import, copy and diff of a million rows
	go test -count=1 -v ./cmd/pegasus -run TestMemory -args -rows $(or $(N),1000000)

.PHONY: soak
soak: ## load and faults for D=10m, compared with a model
	go run ./reliability/soak -duration $(or $(D),10m) $(ARGS)
