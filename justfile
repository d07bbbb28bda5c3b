# Every command of the repository. `just` alone lists them.

set positional-arguments
set shell := ["bash", "-euc"]

default:
    @just --list

# Serve ./data on 127.0.0.1:9000
serve *flags:
    cargo run --release --package holdfast-cli --bin holdfast -- serve --data "${HOLDFAST_DATA:-./data}" "$@"

# Read a data folder offline and report what is wrong
check data="./data":
    cargo run --release --package holdfast-cli --bin holdfast -- check --data "{{data}}"

# The release binary, in target/release/holdfast
build:
    cargo build --release --locked --package holdfast-cli

# All tests: Rust, then real clients, races and faults against the release binary
test-all *what:
    tests/run "$@"

# All Rust tests; flags go to nextest
test *flags:
    cargo nextest run --workspace "$@"

# Real clients, races and faults; names of suites, or all: just clients boto3 races
clients *suites:
    tests/clients/run "$@"

# Tests of one crate: just test-crate server
test-crate name *flags:
    cargo nextest run --package "holdfast-$1" "${@:2}"

# Examples in the documentation
test-doc:
    cargo test --workspace --doc

# Layers, sizes, bans
tidy:
    cargo xtask tidy

# Clippy, without warnings
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# Format all code
fmt:
    cargo fmt --all

# Is all code formatted?
fmt-check:
    cargo fmt --all --check

# Build the documentation, without warnings
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Licences and advisories of dependencies
deny:
    cargo deny check

# What CI runs; names of steps, or all: just ci fmt clippy
ci *steps:
    .ci/run "$@"

# Power cuts, skipped syncs, full and broken disks, kills at every failpoint
faults:
    tests/run faults

# Can the conditional writes of an endpoint be trusted? just verify http://127.0.0.1:9000 --duration 60s
verify url *flags:
    cargo run --release --package holdfast-cli --bin holdfast -- verify --endpoint "$@"

# The same for other S3 servers, each started here: just peers seaweedfs moto
peers *names:
    tests/peers/run "$@"

# Every fuzz target for FUZZ_SECONDS (60), or those that are named
fuzz *targets:
    fuzz/run "$@"
