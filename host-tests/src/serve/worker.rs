//! One worker: a thread, its VM, its connections.
//!
//! Started by `Server`. The VM is reached only through [`Worker::call`], so that whatever a callback asked for (an
//! HTTP call, another tick) is seen to right after it.

use super::client::Upstream;
use super::exchange;
use super::{Config, Error, Stop, calls, ticks};
use crate::host::{self, StreamId, Vm};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::LocalSet;

/// A worker's VM and what belongs to it.
pub(super) struct Worker {
    vm: RefCell<Vm>,
    pub(super) upstream: Upstream,
    pub(super) clusters: BTreeMap<String, Upstream>,
    /// A tick or a call-back ran: whoever waits looks whether it was for them.
    pub(super) changed: Notify,
    /// The filter wants its ticks in another rhythm.
    pub(super) rhythm_changed: Notify,
    /// The filter imports what it takes to have queues.
    pub(super) has_queues: bool,
    rhythm: Cell<Option<Duration>>,
    /// HTTP calls of the filter that are on their way.
    pub(super) dispatched: RefCell<BTreeSet<u32>>,
    /// Grows when the VM is made anew: what is on its way then is for a filter that is gone.
    pub(super) generation: Cell<u64>,
    in_flight: Cell<usize>,
    one_less: Notify,
}

/// Runs a worker to its end. Says through `ready` whether it could start.
pub(super) fn run(
    config: &Config,
    listener: std::net::TcpListener,
    stopped: watch::Receiver<Stop>,
    ready: &mpsc::Sender<Result<(), Error>>,
) {
    let started = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Io)
        .and_then(|runtime| Ok((Worker::new(config)?, runtime)));
    match started {
        Ok((worker, runtime)) => {
            let _ = ready.send(Ok(()));
            let local = LocalSet::new();
            local.block_on(&runtime, serve(&Rc::new(worker), listener, stopped));
        }
        Err(error) => {
            let _ = ready.send(Err(error));
        }
    }
}

async fn serve(worker: &Rc<Worker>, listener: std::net::TcpListener, mut stopped: watch::Receiver<Stop>) {
    // Both are housekeeping for the filter: they end with the worker.
    tokio::task::spawn_local(ticks::tick(Rc::clone(worker)));
    tokio::task::spawn_local(ticks::queues(Rc::clone(worker)));
    // The listener came from tokio, so it does not block; a failure here means there is no I/O at all.
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => connection(worker, stream, peer),
                // Too many open files: it passes when connections close.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
            _ = stopped.wait_for(|stop| *stop != Stop::No) => break,
        }
    }
    drop(listener);
    let grace = match *stopped.borrow() {
        Stop::After(grace) => grace,
        Stop::No => Duration::ZERO,
    };
    let _ = tokio::time::timeout(grace, worker.idle()).await;
}

fn connection(worker: &Rc<Worker>, stream: TcpStream, peer: SocketAddr) {
    // Each event of a stream has to leave at once; a failure only makes it slower.
    let _ = stream.set_nodelay(true);
    let worker = Rc::clone(worker);
    tokio::task::spawn_local(async move {
        let service = service_fn(move |request| exchange::handle(Rc::clone(&worker), peer, request));
        // A connection ends in an error whenever a client hangs up: part of the job, nobody to tell.
        let _ = auto::Builder::new(Local).serve_connection(TokioIo::new(stream), service).await;
    });
}

/// hyper's tasks stay on this thread, with the VM.
#[derive(Clone, Copy)]
struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move { drop(future.await) });
    }
}

impl Worker {
    fn new(config: &Config) -> Result<Self, Error> {
        let vm = Vm::new(&config.module, &config.shared, config.vm.clone()).map_err(Error::Filter)?;
        let clusters = config.clusters.iter();
        let clusters = clusters.map(|(name, target)| Ok((name.clone(), Upstream::new(target)?)));
        let imports = config.module.imports();
        Ok(Self {
            has_queues: imports.iter().any(|(_, name)| name == "proxy_register_shared_queue"),
            rhythm: Cell::new(vm.tick_period()),
            vm: RefCell::new(vm),
            upstream: Upstream::new(&config.upstream).map_err(Error::Io)?,
            clusters: clusters.collect::<std::io::Result<_>>().map_err(Error::Io)?,
            changed: Notify::new(),
            rhythm_changed: Notify::new(),
            dispatched: RefCell::default(),
            generation: Cell::new(0),
            in_flight: Cell::new(0),
            one_less: Notify::new(),
        })
    }

    /// Does something with the VM, then sees to what the filter asked for.
    pub(super) fn call<T>(self: &Rc<Self>, work: impl FnOnce(&mut Vm) -> T) -> T {
        let (done, rhythm) = {
            let mut vm = self.vm.borrow_mut();
            (work(&mut vm), vm.tick_period())
        };
        if self.rhythm.replace(rhythm) != rhythm {
            self.rhythm_changed.notify_one();
        }
        calls::dispatch(self);
        done
    }

    /// Looks at the VM without calling the filter.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Vm) -> T) -> T {
        look(&self.vm.borrow())
    }

    /// Says something of the proxy's own, among the filter's lines.
    pub(super) fn warn(&self, what: &str) {
        self.look(|vm| vm.shared().log().write(host::Level::Warn, format!("proxy: {what}").as_bytes()));
    }

    /// Opens a stream; a VM that trapped is made anew for it.
    pub(super) fn open(self: &Rc<Self>) -> Result<StreamId, host::Error> {
        let was_dead = self.look(Vm::is_dead);
        let opened = self.call(Vm::create_stream);
        if was_dead {
            self.generation.set(self.generation.get() + 1);
            self.dispatched.borrow_mut().clear();
            self.changed.notify_waiters();
        }
        if opened.is_ok() {
            self.in_flight.set(self.in_flight.get() + 1);
        }
        opened
    }

    /// Ends a stream for the filter: log, done, delete.
    pub(super) fn close(self: &Rc<Self>, id: StreamId) {
        // A filter that fails here has nobody left to answer; the host has noted it.
        let _ = self.call(|vm| vm.finish(id));
        self.in_flight.set(self.in_flight.get().saturating_sub(1));
        self.one_less.notify_waiters();
    }

    async fn idle(&self) {
        loop {
            let one_less = self.one_less.notified();
            if self.in_flight.get() == 0 {
                return;
            }
            one_less.await;
        }
    }
}
