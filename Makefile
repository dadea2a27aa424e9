# Names for commands, no logic.

STACKS = $(CURDIR)/.hoist/stacks
export HOIST_STACKS_DIR = $(STACKS)
export HOIST_HEROKU_CLI_DIR = $(CURDIR)/.hoist/heroku-cli
export HOIST_WEBHOOK_EXAMPLES_DIR = $(CURDIR)/.hoist/webhook-examples
export HOIST_KUBERNETES_VALIDATE_DIR = $(CURDIR)/.hoist/kubernetes-validate
export HOIST_ORAS_DIR = $(CURDIR)/.hoist/oras
export HOIST_GIT_CLIENTS_DIR = $(CURDIR)/.hoist/git-clients
# Where rustup puts cargo, also when this very make has just installed it.
export PATH := $(PATH):$(HOME)/.cargo/bin

.PHONY: demo test test-fast bench check official-buildpacks deps stack heroku-cli webhook-examples oras kubernetes-validate git-clients

demo: deps
	cargo build --release --locked
	scripts/demo

test: deps stack heroku-cli webhook-examples oras kubernetes-validate git-clients
	tests/buildpacks/run
	cargo test --locked

# The tests that need no stack and no network: under a minute.
test-fast:
	cargo test --locked --lib

bench: deps
	cargo build --release --locked
	scripts/bench

check: deps
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items
	scripts/check-dependencies

# Heroku's own buildpacks, unchanged: for a machine that reaches GitHub, and what they download from.
official-buildpacks: deps
	cargo build --release --locked
	scripts/official-buildpacks .hoist/official

deps:
	scripts/install-deps

# The root file systems that builds start from, made once and kept in .hoist/.
stack: deps
	cargo run --locked --quiet -- stack:build debian-12

# The real Heroku CLI, which the tests drive; from npm once, kept in .hoist/.
heroku-cli: deps
	scripts/install-heroku-cli $(HOIST_HEROKU_CLI_DIR)

# What GitHub delivers, for the tests; likewise from npm.
webhook-examples: heroku-cli
	scripts/install-webhook-examples $(HOIST_WEBHOOK_EXAMPLES_DIR)

# What Kubernetes takes, for the tests; from PyPI once, kept in .hoist/.
kubernetes-validate: deps
	scripts/install-kubernetes-validate $(HOIST_KUBERNETES_VALIDATE_DIR)

# A registry's client in Python, likewise from PyPI.
oras: deps
	scripts/install-oras $(HOIST_ORAS_DIR)

# Git clients other than git, likewise from PyPI.
git-clients: deps
	scripts/install-git-clients $(HOIST_GIT_CLIENTS_DIR)
