//! Owns nothing but the doors of the library: [`host`] is the proxy-wasm host, [`serve`] a proxy around it, [`envoy`]
//! a real Envoy with the filter in it, [`upstream`] the simulated provider, [`cases`] what must hold of Tokenstile
//! wherever it runs, [`check`] what is wrong with a policy, [`explain`] why it decides as it does, [`records`] what was spent and by whom, [`top`] what is spent right now, [`demo`] a day to show it. Called by the tests of any filter
//! and by the `tokenstile` command. Beside `cases`, `check` and `explain` it must not know the policy, the engine or the plugin's
//! insides.

pub mod cases;
pub mod check;
pub mod demo;
pub mod envoy;
pub mod explain;
pub mod host;
pub mod metrics;
mod net;
mod page;
pub mod records;
pub mod replay;
pub mod serve;
pub mod top;
pub mod upstream;
