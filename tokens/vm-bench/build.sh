#!/bin/sh
# Builds each counter as a wasm module into FOLDER: build.sh FOLDER
set -eu
here=$(dirname "$0")
mkdir -p "$1"
for which in tokenstile one-encoding tiktoken-rs bpe-openai; do
    features=$([ "$which" = tokenstile ] || echo "--features $which")
    # The default stack of 1 MB would be most of a small VM's memory.
    # shellcheck disable=SC2086
    RUSTFLAGS="-Clink-arg=-zstack-size=65536" cargo build --quiet --release --target wasm32-unknown-unknown \
        --manifest-path "$here/Cargo.toml" --target-dir "$1/target" $features
    cp "$1/target/wasm32-unknown-unknown/release/tokenstile_tokens_vm_bench.wasm" "$1/$which.wasm"
done
