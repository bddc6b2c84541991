//! A proxy-wasm host on wasmtime, for tests and for `tokenstile serve`.
