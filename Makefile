# Every command of this project; `make help` lists them. The real work is in cargo and tools/.

PREFIX ?= /usr/local
DESTDIR ?=
SHARE = $(DESTDIR)$(PREFIX)/share

# Where cargo builds, and what tools/setup unpacked where no Nix could be installed. A Nix on PATH comes first.
TARGET := $(or $(CARGO_TARGET_DIR),target)
export PATH := $(PATH):$(CURDIR)/target/tools/bin
RENDER := $(TARGET)/release/nuketown-render
CMP := $(TARGET)/release/nuketown-cmp
DAEMON := $(TARGET)/release/nuketown-daemon
CLIENT := $(TARGET)/release/nuketown
BROKER := $(TARGET)/release/nuketown-broker
SUDO := $(TARGET)/release/nuketown-sudo

# The program starts twice in a run, for it is its own launcher: without libraries to load and relocate, each start takes
# half the time. Where glibc comes without its static form, and on other systems, it is linked as usual.
IS_GLIBC = $(findstring -linux-gnu,$(shell rustc -vV | sed -n 's/^host: //p'))
STATIC = $(and $(IS_GLIBC),$(filter /%,$(shell cc -print-file-name=libc.a)),-C target-feature=+crt-static -C relocation-model=static)

# Incremental builds help who builds again and again, and only cost time and space where everything is built once.
ifdef CI
export CARGO_INCREMENTAL := 0
endif

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench install renderer release image fmt clean

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Set up everything that the commands below need
	@tools/setup test

demo: ## Set up, build, and print the manifests of examples/town
	@tools/setup demo
	@$(MAKE) --no-print-directory renderer
	@$(RENDER) ./examples/town

test: setup ## Set up and run every test: lints, invariants, cargo, Kubernetes schemas, Nix, the sidecar's image
	@tools/test

check: setup ## Check the invariants of ARCHITECTURE.md
	@tools/check

bench: ## Run the benchmarks, and print their figures beside those that are promised
	@tools/setup demo
	@$(MAKE) --no-print-directory release
	@cargo bench --locked --package nuketown --bench render
	@benches/whole-command "$(RENDER)" --json "$(TARGET)/whole-command.json"
	@benches/cmp "$(CMP)" --json "$(TARGET)/cmp.json"
	@benches/report "$(TARGET)" "$(TARGET)/whole-command.json" "$(TARGET)/cmp.json"

renderer:
	@cargo rustc --release --locked --package nuketown-plugin --bin nuketown-render -- $(STATIC)

release: renderer
	@cargo rustc --release --locked --package nuketown-plugin --bin nuketown-cmp -- $(STATIC)
	@cargo build --release --locked --package nuketown-daemon --package nuketown-broker

install: release ## Install the programs, man pages and completions below PREFIX (/usr/local)
	install -d "$(SHARE)/man/man1" "$(SHARE)/bash-completion/completions" "$(SHARE)/fish/vendor_completions.d" \
	    "$(SHARE)/zsh/site-functions" "$(DESTDIR)$(PREFIX)/bin"
	install -m 755 "$(RENDER)" "$(CMP)" "$(DAEMON)" "$(CLIENT)" "$(BROKER)" "$(SUDO)" \
	    "$(DESTDIR)$(PREFIX)/bin"
	"$(CLIENT)" man >"$(SHARE)/man/man1/nuketown.1"
	"$(CLIENT)" man --daemon >"$(SHARE)/man/man1/nuketown-daemon.1"
	"$(CLIENT)" completions bash >"$(SHARE)/bash-completion/completions/nuketown"
	"$(CLIENT)" completions fish >"$(SHARE)/fish/vendor_completions.d/nuketown.fish"
	"$(CLIENT)" completions zsh >"$(SHARE)/zsh/site-functions/_nuketown"
	"$(BROKER)" man >"$(SHARE)/man/man1/nuketown-broker.1"
	"$(BROKER)" completions bash >"$(SHARE)/bash-completion/completions/nuketown-broker"
	"$(BROKER)" completions fish >"$(SHARE)/fish/vendor_completions.d/nuketown-broker.fish"
	"$(BROKER)" completions zsh >"$(SHARE)/zsh/site-functions/_nuketown-broker"
	"$(RENDER)" man >"$(SHARE)/man/man1/nuketown-render.1"
	for command in application check diff home images schema; do \
	    "$(RENDER)" man $$command >"$(SHARE)/man/man1/nuketown-render-$$command.1"; done
	"$(RENDER)" completions bash >"$(SHARE)/bash-completion/completions/nuketown-render"
	"$(RENDER)" completions fish >"$(SHARE)/fish/vendor_completions.d/nuketown-render.fish"
	"$(RENDER)" completions zsh >"$(SHARE)/zsh/site-functions/_nuketown-render"

image: ## Build the image of the Argo CD sidecar with buildah, podman or docker; TAG names it
	@sidecar-image/build $(TAG)

fmt: ## Format the Rust code
	cargo fmt

clean: ## Remove everything that was built or set up here
	cargo clean
	rm -rf target/tools
