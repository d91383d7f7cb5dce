# The developer's commands. `make` lists them.

# A non-interactive shell may lack cargo's directory on PATH.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin

# Cargo's directory for release builds.
release := $(or $(CARGO_TARGET_DIR),target)/release
# The installation directory; `splitcart NAME` finds the tools beside the service.
prefix := $(or $(PREFIX),$(CARGO_HOME),$(HOME)/.cargo)
build = cargo build --locked --release -p splitcart $(addprefix -p splitcart-,$(1))
# The tools of the benchmarks: with one set for all, cargo builds nothing twice.
benchmarks := audit catalogue loadtest
# Of their programs, those that the two checks run.
checks := $(addprefix --bin ,splitcart splitcart-audit splitcart-loadtest splitcart-seed compare fault-bench)

.DEFAULT_GOAL := help
.PHONY: help demo install test contract clients bench bench-compare bench-check events-bench events-soak fault-bench fault-check lint deploy-check release deny fuzz sqlx clean checked-programs install-missing install-brokers

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Show the service at work, with a private PostgreSQL and Redis (ARGS=...)
	@scripts/install-missing demo
	$(call build,demo)
	$(release)/splitcart demo $(ARGS)

install: ## Build the service and the tools and install them in cargo's directory (PREFIX=... for another)
	$(call build,audit catalogue demo loadtest outbox top)
	mkdir -p $(prefix)/bin
	install -m 755 $(release)/splitcart $(addprefix $(release)/splitcart-,audit demo import loadtest outbox seed top) $(prefix)/bin

test: install-missing install-brokers ## Run all tests (ARGS=... for cargo test)
	cargo test --locked --features faults,kafka $(ARGS)

fuzz: install-missing ## Fuzz the readers of outside data (ARGS="SECONDS TARGET", ARGS=--help)
	scripts/fuzz $(ARGS)

contract: install-missing ## Check a running server against its OpenAPI document (ARGS=... for schemathesis)
	scripts/check-contract $(ARGS)

clients: install-missing ## Generate clients with four tools and buy with each (ARGS="python openapi-fetch hey-api orval")
	scripts/generated-clients $(ARGS)

bench: install-missing ## Run the Criterion benchmarks (ARGS=... for cargo bench)
	cargo bench --locked -p splitcart $(or $(ARGS),--bench domain --bench checkout)

bench-compare: install-missing ## Measure every target of the design and compare it (ARGS=--help)
	$(call build,$(benchmarks))
	$(release)/compare $(ARGS)

bench-check: checked-programs ## Compare ratios with crates/loadtest/floors.toml, in under three minutes
	$(release)/compare --check $(ARGS)

events-bench: install-missing install-brokers ## Kill, freeze and empty brokers while events pass (ARGS=--help)
	$(call build,$(benchmarks) outbox)
	$(release)/events-bench $(ARGS)

events-soak: install-missing install-brokers ## Publish 3,000 events a second for an hour (ARGS=--help)
	$(call build,$(benchmarks) outbox)
	$(release)/events-soak $(ARGS)

fault-bench: install-missing ## Cause every fault of docs/reliability.md and measure its effect (ARGS=--help)
	$(call build,$(benchmarks))
	$(release)/fault-bench $(ARGS)

fault-check: checked-programs ## Compare the first faults with crates/loadtest/fault_floors.toml, in under three minutes
	$(release)/fault-bench --check $(ARGS)

lint: install-missing ## Check format, clippy, documentation, .sqlx, dependencies and deploy/
	cargo fmt --all -- --check
	cargo clippy --locked --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --all-features --document-private-items
	scripts/sqlx-prepare --check
	scripts/check-dependencies
	scripts/check-deploy

deploy-check: ## Check deploy/ and the scripts with linters
	scripts/check-deploy

release: ## Make the files of a release from the last commit (ARGS="--out DIR --tag", ARGS=--help)
	scripts/release $(ARGS)

deny: install-missing ## Check the dependencies against deny.toml: licences, sources, advisories
	scripts/check-dependencies

sqlx: install-missing ## Regenerate .sqlx after a change to a query or a migration
	scripts/sqlx-prepare

clean: ## Remove the build directory (data in .splitcart stay)
	cargo clean

checked-programs: install-missing
	$(call build,$(benchmarks)) $(checks)

install-missing:
	@scripts/install-missing

install-brokers: install-missing
	@scripts/install-brokers
