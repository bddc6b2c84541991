//! Owns nothing but the doors of the library: [`host`] is the proxy-wasm host, [`envoy`] a real Envoy with the
//! filter in it, [`upstream`] the simulated provider, [`cases`] what must hold of Tokenstile wherever it runs. Called by the tests of any
//! filter and by the `tokenstile` command. It must not know the policy, the engine or the plugin's insides.

pub mod cases;
pub mod envoy;
pub mod host;
mod net;
pub mod serve;
pub mod upstream;
