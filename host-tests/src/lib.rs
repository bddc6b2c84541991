//! Owns nothing but the doors of the library: [`host`] is the proxy-wasm host, [`serve`] a proxy around it, [`envoy`]
//! a real Envoy with the filter in it, [`upstream`] the simulated provider, [`cases`] what must hold of Tokenstile
//! wherever it runs, [`demo`] a day to show it. Called by the tests of any filter and by the `tokenstile` command. It
//! must not know the policy, the engine or the plugin's insides.

pub mod cases;
pub mod demo;
pub mod envoy;
pub mod host;
pub mod metrics;
mod net;
pub mod serve;
pub mod upstream;
