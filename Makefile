# Everything a person runs here. `make help` lists it.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# One target folder for cargo and for the `cargo lambda` that sam runs: what one has compiled, the other has.
export CARGO_BUILD_TARGET := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
export SAM_CLI_TELEMETRY := 0

TOOLS := .tools
# cargo finds its subcommand `cargo lambda` on the path.
SAM := PATH="$(CURDIR)/$(TOOLS)/sam/bin:$$PATH" sam
BINARIES := $(or $(CARGO_TARGET_DIR),target)/$(CARGO_BUILD_TARGET)/debug
ARCHITECTURE := $(if $(filter aarch64-%,$(CARGO_BUILD_TARGET)),arm64,x86_64)
SCENARIO ?=

.PHONY: help
help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: local-build ## Show the product at work on this machine (SCENARIO=list lists what else it can meet)
	@cargo build --package tests --bins
	@$(BINARIES)/demo $(SCENARIO)

# The functions for this machine, in the dev profile: cargo shows its progress, then sam finds all compiled.
.PHONY: local-build
local-build: tools
	@cargo build
	@cd sam && SAM_BUILD_MODE=debug CARGO_LAMBDA_COMPILER=cargo $(SAM) build \
	    --parameter-overrides Architecture=$(ARCHITECTURE) >.aws-sam.log 2>&1 || { cat .aws-sam.log; exit 1; }

.PHONY: tools
tools: $(TOOLS)/ministack/.installed $(TOOLS)/sam/.installed $(TOOLS)/awscli/.installed

$(TOOLS)/%/.installed: tests/tools/%.txt
	@echo "installing $* into $(@D)"
	@python3 -m venv --clear $(@D)
	@$(@D)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@
