//! Owns what a VM is made from: the compiled module and the worker's configuration. Read by `Vm`; it must not
//! know how callbacks run.

use super::{Error, Level, Profile};
use std::collections::BTreeMap;

/// A filter, compiled once and cheap to clone.
#[derive(Clone)]
pub struct Module(wasmtime::Module);

impl Module {
    /// Compiles a filter.
    ///
    /// # Errors
    /// [`Error::Load`] if the bytes are no valid module.
    pub fn compile(bytes: &[u8]) -> Result<Self, Error> {
        let engine = wasmtime::Engine::default();
        wasmtime::Module::new(&engine, bytes).map(Self).map_err(|error| Error::Load(format!("{error:#}")))
    }

    /// The names that the module exports.
    pub fn exports(&self) -> Vec<String> {
        self.0.exports().map(|export| export.name().to_owned()).collect()
    }

    /// What the module imports: module and name.
    pub fn imports(&self) -> Vec<(String, String)> {
        self.0.imports().map(|import| (import.module().to_owned(), import.name().to_owned())).collect()
    }

    pub(crate) fn inner(&self) -> &wasmtime::Module {
        &self.0
    }
}

/// What Envoy does with requests once the filter has trapped. The others always make a new VM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailurePolicy {
    /// Every further request of that worker is answered with 503.
    #[default]
    Closed,
    /// Requests pass as if there were no filter.
    Open,
    /// The next stream gets a new VM.
    Reload,
}

/// How one worker runs the filter.
#[derive(Clone, Debug)]
pub struct VmConfig {
    /// The proxy to stand in for.
    pub profile: Profile,
    /// What `proxy_on_configure` gives.
    pub plugin_configuration: Vec<u8>,
    /// What `proxy_on_vm_start` gives.
    pub vm_configuration: Vec<u8>,
    /// The property `plugin_name`.
    pub plugin_name: Vec<u8>,
    /// The property `plugin_root_id`.
    pub root_id: Vec<u8>,
    /// The property `plugin_vm_id`; on Envoy it keeps the shared data of different ids apart.
    pub vm_id: Vec<u8>,
    /// Envoy's `allow_on_headers_stop_iteration`: bodies arrive while the headers are held.
    pub hold_headers: bool,
    /// What Envoy does after a trap.
    pub failure_policy: FailurePolicy,
    /// The bytes of a body that the proxy keeps; without it, [`Profile::body_limit_default`].
    pub body_limit: Option<usize>,
    /// Raw property values by their path joined with dots, before all that the host works out itself.
    pub properties: BTreeMap<String, Vec<u8>>,
    /// What `proxy_get_log_level` answers. Lines are kept whatever their level.
    pub log_level: Level,
}

impl Default for VmConfig {
    fn default() -> Self {
        Self {
            profile: Profile::Envoy,
            plugin_configuration: Vec::new(),
            vm_configuration: Vec::new(),
            plugin_name: b"plugin".to_vec(),
            root_id: Vec::new(),
            vm_id: Vec::new(),
            hold_headers: false,
            failure_policy: FailurePolicy::Closed,
            body_limit: None,
            properties: BTreeMap::new(),
            log_level: Level::Info,
        }
    }
}

impl VmConfig {
    /// A configuration for `profile` which gives the filter `plugin_configuration`.
    pub fn new(profile: Profile, plugin_configuration: impl Into<Vec<u8>>) -> Self {
        Self { profile, plugin_configuration: plugin_configuration.into(), ..Self::default() }
    }

    /// The bytes of a body that the proxy keeps.
    pub fn body_limit(&self) -> usize {
        self.body_limit.unwrap_or_else(|| self.profile.body_limit_default())
    }
}
