# Each target says after `##` what it is for; `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test bench soak mutants fmt lint build deny fuzz needs

TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
# Tools that cargo installs for us stand in the build folder: nothing of the user's is touched.
TOOLS := $(TARGET)/tools
export PATH := $(TOOLS)/bin:$(PATH)
# Data that lies beside the repository; tests that read it say so by name where it is absent.
export TIDEGATE_SHARED ?= $(abspath ..)/shared

NEXTEST := 0.9.143
DENY := 0.20.2
FUZZ_SECONDS ?= 60
# How many seeds of the simulator every `make test` plays, and from which one on.
SEEDS ?= 1000
FIRST_SEED ?= 1
# How long `make soak` searches, in minutes, and from which seed on.
SOAK_MINUTES ?= 60
SOAK_SEED ?= $(shell date +%s)

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: needs ## See it work: real runs on a pool that grows and shrinks, told as it goes (two minutes after the build)
	cargo build --release --locked -p tidegate
	demo/run.sh $(TARGET)/release/tidegate

# In this order what fails soonest comes first. Everything is of one profile, so that the tree is compiled once to check
# it and once to run it; the tests come last, and theirs are the last lines.
test: needs $(TOOLS)/nextest lint ## Everything that must hold: format, lints, docs, and all tests
	cargo build --locked --workspace --bins --tests
	cargo test --locked --workspace --doc --quiet
	cargo nextest run --locked --workspace --tests
	$(TARGET)/debug/tidegate sim fuzz --seeds $(SEEDS) --first $(FIRST_SEED)

lint: ## Format, lints and documentation, with warnings denied
	cargo fmt --all --check
	rustfmt --edition 2024 --check fuzz/fuzz_targets/*.rs
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --quiet

fmt: ## Format all sources
	cargo fmt --all
	rustfmt --edition 2024 fuzz/fuzz_targets/*.rs

build: needs ## Build the program, optimised: target/release/tidegate
	cargo build --release --locked -p tidegate

bench: ## Measure a real server; every figure is also written to target/bench/NAME.json (ONLY="name..." for some)
	.ci/needs venv
	cargo build --release --locked -p tidegate -p tidegate-bench
	$(TARGET)/release/tidegate-bench $(ONLY)

mutants: ## Switch known bugs on, one after another: the simulator must find each; prints how soon
	cargo run --release --locked -p tidegate-sim --features mutants --example mutants

soak: build $(TOOLS)/nextest ## Search for faults for an hour (SOAK_MINUTES): the simulator, then crashes of real processes
	$(TARGET)/release/tidegate sim fuzz --minutes $(SOAK_MINUTES) --first $(SOAK_SEED)
	TIDEGATE_BIN=$(TARGET)/release/tidegate cargo nextest run --locked --cargo-profile release --profile soak -p tidegate-tests

deny: $(TOOLS)/deny ## Licences, bans and sources of all dependencies
	cargo deny --locked check licenses bans sources

fuzz: ## Feed rubbish to what strangers can reach; needs a nightly compiler and cargo-fuzz (FUZZ_SECONDS each)
	for target in $$(basename -s .rs fuzz/fuzz_targets/*.rs); do \
		mkdir -p fuzz/corpus/$$target; \
		cargo +nightly fuzz run $$target fuzz/corpus/$$target fuzz/seeds/$$target -- -max_total_time=$(FUZZ_SECONDS); \
	done

needs:
	@.ci/needs

$(TOOLS)/nextest:
	mkdir -p $(TOOLS)
	cargo nextest --version 2>/dev/null || \
		cargo install --locked --root $(TOOLS) --no-default-features --features default-no-update \
			--version $(NEXTEST) --profile dev --config profile.dev.debug=false cargo-nextest
	touch $@

$(TOOLS)/deny:
	mkdir -p $(TOOLS)
	cargo deny --version 2>/dev/null || cargo install --locked --root $(TOOLS) --version $(DENY) \
		--profile dev --config profile.dev.debug=false cargo-deny
	touch $@
