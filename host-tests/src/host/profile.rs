//! Owns the list of proxies that the host can stand in for. What differs between them is decided beside each
//! host call, by asking the profile. It must not know the calls themselves.

use std::fmt;
use std::str::FromStr;

/// The proxy whose answers, phases and traps the host gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Envoy 1.40.
    #[default]
    Envoy,
    /// Kong's ngx_wasm_module in nginx.
    Wasmx,
    /// wasm-nginx-module, as APISIX drives it.
    Apisix,
}

impl Profile {
    /// All of them, for tests that run on each.
    pub const ALL: [Profile; 3] = [Profile::Envoy, Profile::Wasmx, Profile::Apisix];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Envoy => "envoy",
            Profile::Wasmx => "wasmx",
            Profile::Apisix => "apisix",
        }
    }

    /// The largest body that the proxy keeps for the filter, unless configured: Envoy's
    /// `per_connection_buffer_limit_bytes`, nginx's `client_body_buffer_size`.
    pub fn body_limit_default(self) -> usize {
        match self {
            Profile::Envoy => 1024 * 1024,
            Profile::Wasmx => 16 * 1024,
            Profile::Apisix => usize::MAX,
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Profile::ALL
            .into_iter()
            .find(|profile| profile.name() == name)
            .ok_or_else(|| format!("no profile `{name}`; there are envoy, wasmx and apisix"))
    }
}
