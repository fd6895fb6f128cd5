# Everything a person runs here. `make help` lists it.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# One target folder for cargo and for the `cargo lambda` that sam runs: what one has compiled, the other has.
export CARGO_BUILD_TARGET := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
export SAM_CLI_TELEMETRY := 0

TOOLS := .tools
SCENARIO ?=

.PHONY: help
help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: tools ## Show the product at work on this machine (SCENARIO=list lists what else it can meet)
	@cargo build
	@cargo build --package tests --bins
	@cargo run --quiet --package tests --bin demo -- $(SCENARIO)

.PHONY: tools
tools: $(TOOLS)/ministack/.installed $(TOOLS)/sam/.installed $(TOOLS)/awscli/.installed

$(TOOLS)/%/.installed: tests/tools/%.txt
	@echo "installing $* into $(@D)"
	@python3 -m venv --clear $(@D)
	@$(@D)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@
