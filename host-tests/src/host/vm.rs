//! Owns one worker: its instance, whether it still lives, and its start. The callbacks of streams are in
//! `vm_stream.rs`, those of ticks and calls in `vm_calls.rs`.

use super::config::{FailurePolicy, Module, VmConfig};
use super::state::{ROOT, VmState};
use super::stream::{Phase, Stream, StreamId};
use super::{Error, Faults, Profile, Shared, exports};
use wasmtime::{Instance, Store, WasmParams, WasmResults};

/// Whether a VM may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Fine,
    /// It trapped, and this proxy does not call it again.
    Trapped,
}

/// One worker of a proxy, with the filter loaded and configured.
pub struct Vm {
    module: Module,
    pub(crate) store: Store<VmState>,
    instance: Instance,
    health: Health,
    pub(crate) next_context: u32,
}

impl Vm {
    /// Loads the filter and configures it, as the proxy does at its start.
    ///
    /// # Errors
    /// [`Error::Load`] if this proxy would not load it, [`Error::Refused`] if it answers false, [`Error::Trap`].
    pub fn new(module: &Module, shared: &Shared, config: VmConfig) -> Result<Self, Error> {
        Self::make(module, shared, config, shared.next_worker())
    }

    fn make(module: &Module, shared: &Shared, config: VmConfig, worker: u64) -> Result<Self, Error> {
        let state = VmState::new(config, shared.clone(), worker);
        let (store, instance) = exports::instantiate(module, state)?;
        let next_context = ROOT + 1;
        let mut vm = Self { module: module.clone(), store, instance, health: Health::Fine, next_context };
        vm.start()?;
        Ok(vm)
    }

    fn start(&mut self) -> Result<(), Error> {
        if self.has("_initialize") {
            self.call::<(), ()>("_initialize", Phase::Start, ROOT, ())?;
        } else {
            self.call::<(), ()>("_start", Phase::Start, ROOT, ())?;
        }
        self.call::<_, ()>("proxy_on_context_create", Phase::Start, ROOT, (ROOT, 0_u32))?;
        if self.profile() != Profile::Apisix {
            self.ask("proxy_on_vm_start", self.config().vm_configuration.len())?;
        }
        self.ask("proxy_on_configure", self.config().plugin_configuration.len())
    }

    fn ask(&mut self, callback: &str, len: usize) -> Result<(), Error> {
        let written = self.shared().log().written();
        let (root, len) = (self.root(), u32::try_from(len).unwrap_or(u32::MAX));
        let fine: Option<u32> = self.call(callback, Phase::Start, root, (root, len))?;
        if fine != Some(0) {
            return Ok(());
        }
        let log = self.shared().log().since(written);
        Err(Error::Refused { callback: callback.to_owned(), log })
    }

    /// Makes the VM anew, with the same configuration and shared state; its streams are gone.
    ///
    /// # Errors
    /// As [`Vm::new`]; the VM is dead then.
    pub fn reload(&mut self) -> Result<(), Error> {
        self.health = Health::Trapped;
        let state = self.store.data();
        let (shared, config, worker) = (state.shared.clone(), state.config.clone(), state.worker);
        let next_context = self.next_context;
        *self = Self::make(&self.module, &shared, config, worker)?;
        self.next_context = next_context;
        Ok(())
    }

    /// Tells the filter that its configuration is taken away, as a proxy does before it deletes the root context.
    /// Streams that run live on; no tick comes any more.
    ///
    /// # Errors
    /// [`Error::Trap`], [`Error::Dead`].
    pub fn retire(&mut self) -> Result<(), Error> {
        let root = self.root();
        self.call::<_, u32>("proxy_on_done", Phase::Tick, root, root).map(|_| ())
    }

    /// Puts another configuration into force in a root context of its own, and takes away the one before, as Envoy does
    /// where both share a VM. Streams that run live on under theirs.
    ///
    /// # Errors
    /// As [`Vm::new`].
    pub fn succeed(&mut self, plugin_configuration: impl Into<Vec<u8>>) -> Result<(), Error> {
        let (before, root) = (self.root(), self.next_context);
        self.next_context += 1;
        let state = self.store.data_mut();
        state.config.plugin_configuration = plugin_configuration.into();
        (state.root, state.tick_period_ms) = (root, 0);
        self.call::<_, ()>("proxy_on_context_create", Phase::Start, root, (root, 0_u32))?;
        self.ask("proxy_on_configure", self.config().plugin_configuration.len())?;
        let _: Option<u32> = self.call("proxy_on_done", Phase::Tick, before, before)?;
        self.call::<_, ()>("proxy_on_delete", Phase::Tick, before, before).map(|_| ())
    }

    /// The root context that is in force.
    pub(crate) fn root(&self) -> u32 {
        self.store.data().root
    }

    /// Whether the VM trapped and is not called any more.
    pub fn is_dead(&self) -> bool {
        self.health != Health::Fine
    }

    /// Whether this proxy makes a new VM for the next stream after a trap.
    pub(crate) fn revives(&self) -> bool {
        let config = self.config();
        config.profile != Profile::Envoy || config.failure_policy == FailurePolicy::Reload
    }

    /// The configuration.
    pub fn config(&self) -> &VmConfig {
        &self.store.data().config
    }

    /// The proxy that this VM stands in for.
    pub fn profile(&self) -> Profile {
        self.config().profile
    }

    /// What the worker has in common with the others.
    pub fn shared(&self) -> &Shared {
        &self.store.data().shared
    }

    /// The host's side of a stream.
    pub fn stream(&self, id: StreamId) -> Option<&Stream> {
        self.store.data().streams.get(&id.0)
    }

    /// The number of streams that are open.
    pub fn streams_open(&self) -> usize {
        self.store.data().streams.len()
    }

    /// The bytes of the VM's memory, which only grows.
    pub fn memory_bytes(&self) -> usize {
        self.store.data().memory.map_or(0, |memory| memory.data_size(&self.store))
    }

    /// Gives a stream a property, by its path joined with dots, before what the host works out itself.
    pub fn set_property(&mut self, id: StreamId, path: &str, value: impl Into<Vec<u8>>) {
        if let Some(stream) = self.store.data_mut().streams.get_mut(&id.0) {
            stream.properties.insert(path.as_bytes().to_vec(), value.into());
        }
    }

    /// Plans to fail host calls from now on, and counts them from 0.
    pub fn arm(&mut self, faults: Faults) {
        self.store.data_mut().faults.arm(Some(faults));
    }

    /// Fails no more calls, counts from 0 again, and tells how many calls there were since the last arming.
    pub fn disarm(&mut self) -> u64 {
        let calls = self.host_calls();
        self.store.data_mut().faults.arm(None);
        calls
    }

    /// The host calls since the VM was made, or since it was last armed or disarmed.
    pub fn host_calls(&self) -> u64 {
        self.store.data().faults.calls()
    }

    pub(crate) fn has(&mut self, export: &str) -> bool {
        self.instance.get_func(&mut self.store, export).is_some()
    }

    pub(crate) fn state(&mut self) -> &mut VmState {
        self.store.data_mut()
    }

    /// Calls a callback, if the filter has it, with host calls acting for `context`.
    pub(crate) fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        callback: &str,
        phase: Phase,
        context: u32,
        params: P,
    ) -> Result<Option<R>, Error> {
        if self.is_dead() {
            return Err(Error::Dead);
        }
        let state = self.store.data_mut();
        state.current = context;
        state.effective = None;
        state.phase = phase;
        if let Some(stream) = state.streams.get_mut(&context) {
            stream.phase = Some(phase);
        }
        let answer = exports::call(&mut self.store, &self.instance, callback, params);
        let state = self.store.data_mut();
        state.effective = None;
        if let Some(stream) = state.streams.get_mut(&context) {
            stream.phase = None;
        }
        answer.inspect_err(|error| self.trapped(error))
    }

    /// APISIX calls the broken instance again, unless the worker itself died.
    pub(crate) fn trapped(&mut self, error: &Error) {
        let Error::Trap(trap) = error else { return };
        if self.profile() != Profile::Apisix || trap.worker_crashed {
            self.health = Health::Trapped;
        }
    }
}
