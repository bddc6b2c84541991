//! Owns nothing but the doors of the library: [`host`] is the proxy-wasm host, [`upstream`] the
//! simulated provider. Called by the tests of any
//! filter and by the `tokenstile` command. It must not know the policy, the engine or the plugin's insides.

pub mod cases;
pub mod host;
mod net;
pub mod serve;
pub mod upstream;
