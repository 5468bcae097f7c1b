# Everything below runs from a checkout with Rust, Python 3 and a C compiler; see infra/local/README.md.
STACK := python3 infra/local/stack.py

.DEFAULT_GOAL := help
.PHONY: help up demo documents test torture fuzz bench down lint status logs

help: ## Shows this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

up: ## Starts LocalStack and the provider simulator and deploys the functions; again: updates what changed
	@$(STACK) up

demo: ## `up`, then connects and refreshes books on each provider, syncs one and disconnects another
	@$(STACK) demo

test: ## Runs every test on a stack of its own; ARGS="..." goes to cargo nextest
	@$(STACK) test $(ARGS)

documents: ## Writes the documents anew that are made of the code: docs/openapi.json, docs/errors.md
	UPDATE_DOCUMENTS=1 cargo nextest run --locked --package tests --test it -E 'test(/is_as_the_code_is/)'

torture: ## Runs a million refreshes and 200,000 webhooks in a world where everything fails; ARGS="--seed 7"
	cargo run --locked --profile torture --package torture -- $(ARGS)

# The instruments of libFuzzer on a stable compiler (cargo-fuzz asks for a nightly one), for our code and what it uses, and
# not for what only builds it: hence the target.
FUZZ_FLAGS := -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
	-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions
FUZZ_CORPUS := $(CURDIR)/target/fuzz/corpus

fuzz: ## Brings the door for webhooks whatever a fuzzer thinks of; ARGS="-max_total_time=600"
	mkdir -p "$(FUZZ_CORPUS)"
	RUSTFLAGS="$(FUZZ_FLAGS)" cargo run --locked --release --manifest-path tests/fuzz/Cargo.toml \
		--target-dir "$(CURDIR)/target/fuzz" --target "$$(rustc -vV | sed -n 's/^host: //p')" -- "$(FUZZ_CORPUS)" $(ARGS)

bench: ## Counts what a refresh, a sweep and a token cost, and prints the tables; some minutes
	@$(STACK) bench

down: ## Stops what `up` started
	@$(STACK) down

lint: ## Checks formatting, clippy, documentation, Python types and the template
	@$(STACK) lint

status: ## Shows what runs, and where
	@$(STACK) status

logs: ## Shows what the functions wrote; ARGS="sync --follow" for one of them
	@$(STACK) logs $(ARGS)

# The SAM CLI calls these: `Metadata: {BuildMethod: makefile}` in the template. All functions are built at once, so
# that the targets after the first have only a file to copy.
PROFILE ?= release
FUNCTIONS := api oauth refresh sync webhook
CARGO_BUILD ?= cargo build --locked --profile $(PROFILE) $(addprefix --package ,$(FUNCTIONS)) --bins
OUTPUT := $(or $(CARGO_TARGET_DIR),target)/$(CARGO_BUILD_TARGET)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))

build-%Function:
	$(CARGO_BUILD)
	mkdir -p "$(ARTIFACTS_DIR)"
	install -m 755 "$(OUTPUT)/$(shell echo $* | tr A-Z a-z)" "$(ARTIFACTS_DIR)/bootstrap"
	$(if $(filter dev,$(PROFILE)),strip --strip-all "$(ARTIFACTS_DIR)/bootstrap")
