//! A small HTTP proxy that runs a filter in the wasmtime host: the same `.wasm`, no proxy to install.
//!
//! Owns the server's life and its configuration. Called by `tokenstile serve`, the demo and tests. Callbacks run in
//! the order in which Envoy makes them; what they mean is decided in [`crate::host`]. It must not know what the
//! filter is for.

mod answer;
mod calls;
mod client;
mod exchange;
mod messages;
mod request;
mod ticks;
mod worker;

pub use client::Target;

use crate::host::{self, Module, Profile, Shared, VmConfig};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;

/// What to serve.
#[derive(Clone)]
pub struct Config {
    /// Where clients connect; port 0 chooses a free one.
    pub listen: SocketAddr,
    /// The filter.
    pub module: Module,
    /// How each worker runs the filter: its configuration, the profile, limits.
    pub vm: VmConfig,
    /// Where requests go.
    pub upstream: Target,
    /// Where the filter's own HTTP calls go, by the name that it calls.
    pub clusters: BTreeMap<String, Target>,
    /// Threads, each with a VM of its own.
    pub workers: usize,
    /// Shared data, metrics, log and clock: kept by the caller who wants to look at them.
    pub shared: Shared,
}

impl Config {
    /// One worker on a free port, as Envoy with headers held and failed VMs made anew, on the machine's clock.
    #[must_use]
    pub fn new(module: Module, plugin_configuration: impl Into<Vec<u8>>, upstream: Target) -> Self {
        let mut vm = VmConfig::new(Profile::Envoy, plugin_configuration);
        vm.hold_headers = true;
        vm.failure_policy = host::FailurePolicy::Reload;
        let shared = Shared::new();
        shared.clock().follow_machine();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { listen, module, vm, upstream, clusters: BTreeMap::new(), workers: 1, shared }
    }
}

/// Why serving did not begin.
#[derive(Debug)]
pub enum Error {
    /// The address cannot be listened on, or a thread not be started.
    Io(std::io::Error),
    /// The filter does not load, or refuses its configuration.
    Filter(host::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io(why) => write!(f, "cannot listen: {why}"),
            Error::Filter(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

/// A running proxy. Dropping it cuts what is in flight; [`Server::stop`] lets that end first.
pub struct Server {
    addr: SocketAddr,
    shared: Shared,
    stop: watch::Sender<Stop>,
    threads: Vec<JoinHandle<()>>,
}

/// Whether the workers go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    No,
    /// Take no more connections, and end when nothing is in flight or the time is over.
    After(Duration),
}

impl Server {
    /// Starts the workers; each has loaded and configured its filter when this returns.
    ///
    /// # Errors
    /// [`Error::Filter`] if the filter refuses its configuration, [`Error::Io`].
    pub fn start(config: &Config) -> Result<Self, Error> {
        let (stop, stopped) = watch::channel(Stop::No);
        let listener = listen(config.listen).map_err(Error::Io)?;
        let addr = listener.local_addr().map_err(Error::Io)?;
        config.shared.clusters(config.clusters.keys().cloned());
        let mut server = Self { addr, shared: config.shared.clone(), stop, threads: Vec::new() };
        let (ready, started) = mpsc::channel();
        for number in 0..config.workers.max(1) {
            let (config, stopped, ready) = (config.clone(), stopped.clone(), ready.clone());
            let listener = listener.try_clone().map_err(Error::Io)?;
            let thread = std::thread::Builder::new().name(format!("worker-{number}"));
            let run = move || worker::run(&config, listener, stopped, &ready);
            server.threads.push(thread.spawn(run).map_err(Error::Io)?);
        }
        drop(ready);
        // Dropping the server on the way out ends the workers that did start.
        started.iter().take(server.threads.len()).collect::<Result<Vec<()>, Error>>()?;
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://ADDR`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What the filter logged, counted and stored, and its clock.
    #[must_use]
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Takes no more connections, gives what is in flight that long, and returns when all is over.
    pub fn stop(mut self, grace: Duration) {
        self.end(grace);
    }

    fn end(&mut self, grace: Duration) {
        self.stop.send_replace(Stop::After(grace));
        for thread in self.threads.drain(..) {
            // A worker that panicked has said so on its own.
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}

/// One socket for all workers. std's own `bind` makes a queue too short for thousands of clients at once.
fn listen(addr: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    crate::net::bind(addr)?.into_std()
}
