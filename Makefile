# make up     a cluster, the operator, a sample stack, and what to look at
# make test   everything that CI checks
# The rest are steps of these two and conveniences; `make help` lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
NEXTEST := $(CARGO) nextest run --locked --profile $(if $(CI),ci,default)
TOOLS := . hack/tools/env.sh &&
FUZZ_SECONDS ?= 60
HELM_INSTALL := helm template masthead charts/masthead --namespace masthead-system

.PHONY: help up down test test-cgroup2 soak tools generate lint unit features docs published cluster-test kubeconfig bench fuzz deny

help: ## List the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | column -t -s "$$(printf '\t')"

up: ## A cluster, the operator by its chart, a sample stack, and what to look at
	hack/up

down: ## Undo `make up`
	hack/down

test: tools lint features unit docs published cluster-test ## Everything that CI checks
	@echo "make test: all passed"

tools: ## Install what the tests need (Debian packages, helm, promtool, Kubernetes' API servers)
	hack/tools/install all
	hack/tools/build-kubernetes >/dev/null
	hack/tools/build-crd-server >/dev/null

generate: ## Write the generated files: CRDs, install.yaml, goldens
	$(CARGO) run --quiet -- crds --out crds
	cp crds/*.yaml charts/masthead/files/crds/
	$(TOOLS) $(HELM_INSTALL) | cat manifests/namespace.yaml - > manifests/install.yaml
	UPDATE_GOLDEN=1 $(CARGO) nextest run --test render

lint: ## Formatting, clippy; shellcheck and cargo deny where they are installed
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets --quiet -- -D warnings
	@# Advisories need the network: `make deny` asks for those as well.
	if command -v cargo-deny >/dev/null; then \
		$(CARGO) deny --offline --log-level error check --hide-inclusion-graph licenses bans sources; fi
	if command -v shellcheck >/dev/null; then git ls-files hack .ci | xargs grep -lE '^#!.*(ba)?sh' | xargs shellcheck -x; fi

features: ## Each half of the binary builds without the other
	$(CARGO) check --locked --quiet --no-default-features --features controller
	$(CARGO) check --locked --quiet --no-default-features --features agent
	$(CARGO) check --locked --quiet --no-default-features --features fuzz

unit: ## All tests but those on the single-node cluster
	$(TOOLS) $(NEXTEST) -E 'not binary(cluster)'

test-cgroup2: tools ## The agent on cgroup v2 with Docker, in a small virtual machine: five to ten minutes
	hack/cgroup2/test

soak: tools ## The faults of the agent's logs at full length: about an hour, on a quiet machine
	$(TOOLS) MASTHEAD_SOAK=1 $(NEXTEST) --no-capture --test logs

docs: ## The API documentation builds without a warning
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --quiet

published: ## Dashboards and prometheus-operator's objects fit the types that are published for them
	$(TOOLS) hack/dashboards/check
	hack/prometheus-operator/check

cluster-test: ## The whole on the single-node cluster: install, scrape, drift, upgrade, delete
	hack/cluster-test

kubeconfig: ## Print the variables that reach the cluster of `make up`
	@source hack/lib.sh; source hack/cluster/config.sh; source hack/kind.sh; \
	for file in "$$KUBECONFIG_FILE" "$$KIND_KUBECONFIG"; do \
		if [ -s "$$file" ]; then echo "export KUBECONFIG=$$file PATH=$$CACHE/bin:\$$PATH"; exit; fi; \
	done; die "no cluster runs here: make up"

fuzz: ## Each fuzz target for a minute (FUZZ_SECONDS): cargo install cargo-fuzz
	cd fuzz && for target in $$(cargo fuzz list); do \
		RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none $$target -- -max_total_time=$(FUZZ_SECONDS); done

deny: ## Licences, sources and advisories of the dependencies
	cargo deny check

bench: ## The operator's benchmarks; see hack/bench/README.md
	hack/bench/operator
