# The developer's commands. `make` lists them.

# A bare shell may not have cargo's directory on PATH.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test contract clients bench bench-compare bench-check fault-bench fault-check lint deny fuzz sqlx clean install-missing

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: install-missing ## Show the service at work, with a private PostgreSQL and Redis (ARGS=...)
	cargo run --locked --release -- demo $(ARGS)

test: install-missing ## Run all tests (ARGS=... for cargo test)
	cargo test --locked --features faults $(ARGS)

fuzz: install-missing ## Fuzz whatever reads from outside (ARGS="SECONDS TARGET", ARGS=--help)
	scripts/fuzz $(ARGS)

contract: install-missing ## Hold a running server against its OpenAPI document (ARGS=... for schemathesis)
	scripts/check-contract $(ARGS)

clients: install-missing ## Generate clients with four tools and let each buy (ARGS="python openapi-fetch hey-api orval")
	scripts/generated-clients $(ARGS)

bench: install-missing ## Run the Criterion benchmarks (ARGS=... for cargo bench)
	cargo bench --locked $(or $(ARGS),--bench domain --bench checkout)

bench-compare: install-missing ## Measure every bar of the design beside its figure (ARGS=--help)
	cargo bench --locked --bench compare -- $(ARGS)

bench-check: install-missing ## Hold ratios against benches/floors.toml, in under three minutes
	cargo bench --locked --bench compare -- --check $(ARGS)

fault-bench: install-missing ## Strike every fault of docs/reliability.md and measure it (ARGS=--help)
	cargo bench --locked --bench faults -- $(ARGS)

fault-check: install-missing ## Hold the first faults against benches/fault_floors.toml, in under three minutes
	cargo bench --locked --bench faults -- --check $(ARGS)

lint: install-missing ## Check format, clippy, documentation, .sqlx and dependencies
	cargo fmt --all -- --check
	cargo clippy --locked --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --all-features
	scripts/sqlx-prepare --check
	scripts/check-dependencies

deny: install-missing ## Hold the dependencies against deny.toml: licences, sources, advisories
	scripts/check-dependencies

sqlx: install-missing ## Make .sqlx anew after a change to a query or a migration
	scripts/sqlx-prepare

clean: ## Remove what was built (data in .splitcart stay)
	cargo clean

install-missing:
	@scripts/install-missing
