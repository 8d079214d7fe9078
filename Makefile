# Every target explains itself: make help.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

# One set of build flags everywhere, so that everything shares one build cache.
export CGO_ENABLED := 0
export GOFLAGS := -buildvcs=false -trimpath

# Tools are built once for each set of versions, outside of the checkout.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/rocketmq-operator
TOOLS := $(CACHE)/tools/$(shell { go version; cat tools/go.* tools/actionlint/go.* tools/govulncheck/go.* test/charts/go.*; } | sha256sum | cut -c1-16)
CONTROLLER_GEN := $(TOOLS)/controller-gen
GOLANGCI_LINT := $(TOOLS)/golangci-lint
ACTIONLINT := $(TOOLS)/actionlint
GOVULNCHECK := $(TOOLS)/govulncheck
CRANE := $(TOOLS)/crane
HELM := $(TOOLS)/helm

LOCALKUBE := go run -C test/localkube ./cmd/localkube
FUZZTIME := 60s
PAIRS := 5
TOPICS := 1000
CLUSTERS := 100
FLAGS :=
# With WRITE=-write, the benchmarks and the demo also write what they measured into docs/measured.md.
WRITE :=

# The parts of the test run, as bin/suite takes them: a name and a command. Tests of reconcilers need an API server,
# stories a whole cluster, and some of the others an API server or RocketMQ.
CHECKS := \
	verify 'hack/verify' \
	lint 'make lint'
# Many tests wait for servers, so more packages are tested at a time than there are CPUs. Others are bound by what is computed,
# here and in the API server, which inherits the environment: less of that is garbage collection.
GO_TEST := GOGC=400 go test -json -p $$((2 * $$(nproc)))
# What takes long, or needs servers, is left out.
QUICK := \
	quick '$(GO_TEST) -short ./...' \
	quick-charts 'go test -C test/charts -json -count=1 -short ./...' \
	quick-monitoring 'go test -C test/monitoring -json -count=1 -short ./...' \
	quick-tools 'go test -C tools -json -count=1 -short ./...'
UNIT := \
	unit '$(GO_TEST) $$(go list ./... | grep -v /internal/reconcile)'
# They run beside the others. -count=1: these read files outside of their modules, which Go does not look at when it takes an earlier result.
OTHER_MODULES := \
	+unit-localkube 'go test -C test/localkube -json ./cmd/... ./internal/...' \
	+unit-bundle 'go test -C test/bundle -json -count=1 ./...' \
	+unit-charts 'go test -C test/charts -json -count=1 ./...' \
	+unit-monitoring 'go test -C test/monitoring -json -count=1 -short ./...' \
	+unit-ledger 'go test -C test/ledger -json ./...' \
	+unit-tools 'go test -C tools -json -count=1 ./...'
GO_TEST_APISERVER := KUBEBUILDER_ASSETS=$$($(LOCALKUBE) assets) && export KUBEBUILDER_ASSETS && $(GO_TEST) -timeout 40m
APISERVER := \
	api-server '$(GO_TEST_APISERVER) ./internal/reconcile/...'
# The tests of the reconcilers compute while others wait. They begin together with the two that wait longest.
UNIT_AND_APISERVER := \
	unit-and-api-server '$(GO_TEST_APISERVER) ./internal/agent ./internal/handover ./internal/reconcile/... ./...'
STORIES := \
	e2e 'hack/with-cluster go test -json -count=1 -tags e2e -timeout 80m ./test/e2e/...'
# The same with caches that lag behind, and passes that only watches and clocks start, for what the tests' own passes cannot show.
MANAGED := \
	api-server-managed 'export WORLD_MANAGED=1 && $(GO_TEST_APISERVER) ./internal/reconcile/...'
# Random runs by the thousand.
SEEDS := \
	seeds-rollout 'go test -json -count=1 -timeout 1h ./internal/rollout -seeds 20000' \
	seeds-transfer 'go test -json -count=1 -timeout 1h ./internal/transfer -seeds 5000'
# Metrics differ between releases of RocketMQ.
MONITORING_OF = ROCKETMQ_HOME=$$(go run ./test/images rocketmq-home $1) && export ROCKETMQ_HOME && go test -C test/monitoring -json -count=1 ./...
LONG := \
	compatible 'go test -json -count=1 -tags long -run TestKindsAreCompatible ./test/validation' \
	vulncheck 'make vulncheck' \
	release-arm64 'go test -C tools -json -count=1 -tags long -timeout 30m -run TestTheImageRunsOnARM64 ./release' \
	long 'hack/with-cluster go test -json -count=1 -tags e2e,long -timeout 6h -run TestLong ./test/e2e/...' \
	monitoring 'go test -C test/monitoring -json -count=1 ./...' \
	monitoring-oldest '$(call MONITORING_OF,5.2.0)' \
	monitoring-newest '$(call MONITORING_OF,5.5.0)' \
	scale 'hack/bench-scale -clusters 12 -changes 1 -steady 10s -settle 5s -limit 5m'

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Show it: a Kubernetes on this machine (or $KUBECONFIG's), the operator, a whole RocketMQ cluster, a failover
	go run ./test/demo $(WRITE)

.PHONY: demo-down
demo-down: ## Remove what make demo left, and the Kubernetes if it started one
	go run ./test/demo down

.PHONY: test
test: bin/suite ## Check everything: verify, lint, unit, API-server and end-to-end tests
	@bin/suite $(CHECKS) $(UNIT_AND_APISERVER) $(OTHER_MODULES) $(STORIES)

.PHONY: test-long
test-long: bin/suite ## The best part of an hour: repetitions, further RocketMQ versions, long faults
	@bin/suite $(SEEDS) $(MANAGED) $(LONG)

.PHONY: check
check: bin/suite ## Two minutes' worth before a commit: verify, lint and the tests that need no servers
	@bin/suite $(CHECKS) $(QUICK)

.PHONY: unit
unit: bin/suite ## Run the tests outside of the reconcilers, those with real RocketMQ servers too
	@bin/suite $(UNIT) $(OTHER_MODULES)

.PHONY: api-server
api-server: bin/suite ## Run the reconcilers' tests against a real API server
	@bin/suite $(APISERVER)

.PHONY: e2e
e2e: bin/suite ## Tell the users' stories on a real Kubernetes with real RocketMQ
	@bin/suite $(STORIES)

.PHONY: verify
verify: ## Fail if generated files, go.mod files, the formatting or the licence lines are out of date
	@hack/verify

.PHONY: lint
lint: $(GOLANGCI_LINT) $(ACTIONLINT) ## Run the linters on every module, and on the workflows
	$(ACTIONLINT)
	$(GOLANGCI_LINT) run --allow-parallel-runners
	cd tools && $(GOLANGCI_LINT) run --allow-parallel-runners
	cd test/bundle && $(GOLANGCI_LINT) run --allow-parallel-runners
	cd test/charts && $(GOLANGCI_LINT) run --allow-parallel-runners
	cd test/ledger && $(GOLANGCI_LINT) run --allow-parallel-runners
	cd test/localkube && $(GOLANGCI_LINT) run --allow-parallel-runners ./cmd/... ./internal/...
	cd test/monitoring && $(GOLANGCI_LINT) run --allow-parallel-runners

.PHONY: vulncheck
vulncheck: $(GOVULNCHECK) ## Fail on vulnerabilities that are known; GOVULNDB=file:///… names a copy of Go's database
	@hack/vulncheck $(GOVULNCHECK)

.PHONY: monitoring
monitoring: ## Make every alert fire and every panel show data, and write down what was seen: docs/dashboards.md
	go test -C test/monitoring -count=1 -v -run TestEveryAlertFiresAndEveryPanelHasData . -update

.PHONY: fuzz
fuzz: ## Run each fuzz test for FUZZTIME=60s
	@hack/fuzz $(FUZZTIME)

.PHONY: bench-startup
bench-startup: ## Time the quickstart against the same topology as hand-written manifests
	@hack/with-cluster go run ./test/bench $(WRITE) startup

.PHONY: bench-cluster
bench-cluster: ## Time one RocketMQCluster against the quickstart's three manifests
	@hack/with-cluster go run ./test/bench $(WRITE) cluster

.PHONY: bench-idle
bench-idle: ## Count the operator's writes, and its memory, over ten quiet minutes
	@hack/with-cluster go run ./test/bench $(WRITE) idle

.PHONY: bench-admin
bench-admin: ## Compare the plugin and the copy of metadata with mqadmin
	@hack/with-cluster go run ./test/bench $(WRITE) admin

.PHONY: bench-failover
bench-failover: ## Time changes of master with and without the operator, PAIRS=5 times
	@hack/with-cluster go run ./test/bench $(WRITE) failover $(PAIRS)

.PHONY: bench-transfer
bench-transfer: ## Time moving topics between two clusters, one and a hundred at once
	@hack/with-cluster go run ./test/bench $(WRITE) transfer

.PHONY: bench-topics
bench-topics: ## Time TOPICS=1000 Topics and 200 ConsumerGroups, and what they cost the operator
	@hack/with-cluster go run ./test/bench $(WRITE) topics $(TOPICS)

.PHONY: bench-proxy
bench-proxy: ## Time sends through the proxy and to the brokers, PAIRS=5 times
	@hack/with-cluster go run ./test/bench $(WRITE) proxy $(PAIRS)

.PHONY: bench-secured
bench-secured: ## Time sends with users and TLS, with the operator and by hand, PAIRS=5 times
	@hack/with-cluster go run ./test/bench $(WRITE) secured $(PAIRS)

.PHONY: bench-scale
bench-scale: ## Measure the operator with CLUSTERS=100 (100,300,1000) played RocketMQ clusters; more FLAGS: test/scale/README.md
	@hack/bench-scale $(WRITE) -clusters $(CLUSTERS) $(FLAGS)

.PHONY: generate
generate: $(CONTROLLER_GEN) ## Generate from api/: deep copies, CRDs, field reference, and what is made of config/
	@$(CONTROLLER_GEN) object crd:generateEmbeddedObjectMeta=true paths=./api/... output:crd:dir=config/crd
	@go run -C tools ./crdtrim $(CURDIR)/config/crd/rocketmq.apache.org_*.yaml
	@go run -C tools ./chart
	@go run -C tools ./fieldref

.PHONY: licence
licence: ## Add the licence line to the Go files and scripts that lack it
	@go run -C tools ./licence add

.PHONY: build
build: ## Build the programs into bin/
	go build -o bin/ -ldflags '-s -w' -gcflags 'all=-l' ./cmd/...

.PHONY: images
images: ## Build the images without Docker or a registry, and print the archives to load
	@go run ./test/images all

.PHONY: install-yaml
install-yaml: ## Write dist/install.yaml, all that a cluster needs in one file
	@mkdir -p dist
	@kubectl=$$(command -v kubectl) || kubectl=$$($(LOCALKUBE) assets)/kubectl; \
	"$$kubectl" kustomize config/default > dist/install.yaml.tmp
	@mv dist/install.yaml.tmp dist/install.yaml
	@echo dist/install.yaml

.PHONY: bundle
bundle: ## Write dist/bundle, by which the Operator Lifecycle Manager installs the operator
	@go run -C tools ./bundle --out $(CURDIR)/dist/bundle

.PHONY: release
release: ## Build all that a release publishes below dist/: make release VERSION=v1.2.3
	@go run -C tools ./release --version '$(VERSION)' $(RELEASE_FLAGS)

.PHONY: publish
publish: $(CRANE) $(HELM) ## Push a built release: make publish VERSION=v1.2.3 IMAGE=ghcr.io/you/rocketmq-operator
	@CRANE=$(CRANE) HELM=$(HELM) hack/publish '$(VERSION)' '$(IMAGE)'

.PHONY: docs
docs: ## Build the documentation's website into dist/docs, and check its links
	@hack/docs

.PHONY: helm
helm: $(HELM) ## Build Helm, and print where it is
	@echo $(HELM)

.PHONY: clean
clean: ## Remove what was built in this checkout (not the caches)
	rm -rf bin dist

.PHONY: bin/suite
bin/suite:
	@go build -C tools -o ../bin/suite ./suite

$(CONTROLLER_GEN): PACKAGE = sigs.k8s.io/controller-tools/cmd/controller-gen
$(GOLANGCI_LINT): PACKAGE = github.com/golangci/golangci-lint/v2/cmd/golangci-lint
$(ACTIONLINT): PACKAGE = github.com/rhysd/actionlint/cmd/actionlint
$(GOVULNCHECK): PACKAGE = golang.org/x/vuln/cmd/govulncheck
$(CRANE): PACKAGE = github.com/google/go-containerregistry/cmd/crane
$(HELM): PACKAGE = helm.sh/helm/v4/cmd/helm
# Helm comes from the module that tests the charts with it; actionlint and govulncheck cannot share a module with golangci-lint.
$(HELM): MODULE = test/charts
$(ACTIONLINT): MODULE = tools/actionlint
$(GOVULNCHECK): MODULE = tools/govulncheck
$(TOOLS)/%:
	@echo 'building $* (once)' >&2
	@go build -C $(or $(MODULE),tools) -o $@.$$$$ $(PACKAGE) && mv $@.$$$$ $@
