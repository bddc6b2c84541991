//! A real Envoy with the filter in it: found, configured, started on free ports, read, stopped.
//!
//! Called by the tests that need the proxy itself. It must not know what the filter decides: it
//! gives the filter a policy as text and hands back its log and its counters as they are.
//!
//! Everything here blocks and works inside another runtime too, so that a test of any kind can use it.

mod admin;
mod config;
mod find;
mod log;

pub use config::Options;
pub use find::program;
pub use log::Log;

use crate::cases::filter;
use crate::metrics;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Compiling the filter for each worker takes seconds on a machine that is busy with other tests.
const START_MAX: Duration = Duration::from_secs(300);
/// How often something awaited is looked at again.
const POLL: Duration = Duration::from_millis(20);
/// The same for records, which thousands of calls wait for, each for its own: only what is new is read.
const RECORD_POLL: Duration = Duration::from_millis(2);

/// Why there is no Envoy to work with.
#[derive(Debug)]
pub enum Error {
    /// No Envoy, or no fresh filter; says how to get one.
    Missing(String),
    /// It ended, or was not ready in time. What it wrote is in the log.
    NotReady {
        /// What happened.
        why: String,
        /// All that Envoy wrote.
        log: String,
    },
    /// A file, a process or a socket failed.
    Io(std::io::Error),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(why) => f.write_str(why),
            Self::NotReady { why, log } => write!(f, "Envoy {why}; it wrote:\n{log}"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// A running Envoy. Dropping it ends the process and, unless a test is failing, removes its files.
#[derive(Debug)]
pub struct Envoy {
    child: Child,
    dir: PathBuf,
    admin: SocketAddr,
    listener: SocketAddr,
    options: Options,
    records: Mutex<log::Records>,
}

impl Envoy {
    /// Starts an Envoy and waits until it listens.
    ///
    /// # Errors
    /// There is no Envoy, or it refused the configuration: then the error has what it wrote.
    pub fn start(options: &Options) -> Result<Self, Error> {
        let (program, dir) = (program()?, new_dir()?);
        let config = write_config(&dir, options)?;
        let child = Command::new(program)
            .args(["--disable-hot-restart", "--log-level", "warning"])
            .args(["--component-log-level", "wasm:info", "--concurrency", &options.workers.to_string()])
            .arg("--admin-address-path")
            .arg(dir.join("admin"))
            .arg("-c")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(dir.join("log"))?)
            .spawn()?;
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let (options, records) = (options.clone(), Mutex::default());
        let mut envoy = Self { child, dir, admin: nowhere, listener: nowhere, options, records };
        envoy.wait_until_ready()?;
        Ok(envoy)
    }

    /// `envoy --mode validate`: whether it would start, and what it wrote.
    ///
    /// # Errors
    /// There is no Envoy.
    pub fn validate(options: &Options) -> Result<(bool, String), Error> {
        let (program, dir) = (program()?, new_dir()?);
        let config = write_config(&dir, options)?;
        let output = Command::new(program)
            .args(["--mode", "validate", "--log-level", "warning", "-c"])
            .arg(config)
            .stdin(Stdio::null())
            .output()?;
        fs::remove_dir_all(dir)?;
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok((output.status.success(), text.concat()))
    }

    /// Where it listens for calls.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.listener
    }

    /// Where its admin interface listens.
    #[must_use]
    pub const fn admin_addr(&self) -> SocketAddr {
        self.admin
    }

    /// `http://ADDR`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.listener)
    }

    /// All that it wrote so far.
    #[must_use]
    pub fn log(&self) -> Log {
        Log::read(&self.dir.join("log"))
    }

    /// The cost records, as soon as there are `count`, or what there is after `limit`.
    #[must_use]
    pub fn records(&self, count: usize, limit: Duration) -> Vec<Value> {
        self.records_after(0, count, limit)
    }

    /// The same of those that follow the first `earlier`: as soon as there are `count` of them, all that there are.
    #[must_use]
    pub fn records_after(&self, earlier: usize, count: usize, limit: Duration) -> Vec<Value> {
        let start = Instant::now();
        let enough = |found: &[Value]| {
            let later = found.get(earlier..).unwrap_or_default();
            (later.len() >= count || start.elapsed() >= limit).then(|| later.to_vec())
        };
        loop {
            if let Some(records) = self.read_records(enough) {
                return records;
            }
            std::thread::sleep(RECORD_POLL);
        }
    }

    /// How many cost records there are by now.
    #[must_use]
    pub fn records_so_far(&self) -> usize {
        self.read_records(<[Value]>::len)
    }

    fn read_records<T>(&self, look: impl FnOnce(&[Value]) -> T) -> T {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        look(records.read_on(&self.dir.join("log")))
    }

    /// `/stats/prometheus`: each counter of the filter by its name, labels and all, in the form of [`crate::metrics`].
    /// Histograms are not among them: Envoy shows what they got some seconds later.
    ///
    /// # Errors
    /// The admin page does not answer.
    pub fn metrics(&self) -> Result<BTreeMap<String, f64>, Error> {
        // The filter's own: under hundreds of listeners, Envoy's are most of the page by far.
        let text = admin::get(self.admin, "/stats/prometheus?filter=tokenstile")?;
        let lines = text.lines().filter(|line| line.starts_with("tokenstile"));
        let series = lines.filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            let name = metrics::from_prometheus(name);
            let is_histogram = ["_bucket", "_sum", "_count"]
                .iter()
                .any(|end| name.split(';').next().is_some_and(|base| base.ends_with(end)));
            (!is_histogram).then_some((name, value.parse().ok()?))
        });
        Ok(series.collect())
    }

    /// Puts another policy in the place of the first one, as a control plane does. Gives back when new connections
    /// are under it, or when Envoy has rejected it: whether it was taken. Connections that are open stay under the old
    /// one until they end.
    ///
    /// # Errors
    /// The file cannot be written, or Envoy says nothing to it.
    pub fn change(&mut self, policy: impl Into<String>) -> Result<bool, Error> {
        const TAKEN: &str = "listener_manager.lds.update_success";
        const REJECTED: &str = "listener_manager.lds.update_rejected";
        let before = (self.stat(TAKEN)?, self.stat(REJECTED)?);
        self.options.policy = policy.into();
        write_listeners(&self.dir, &self.options)?;
        let start = Instant::now();
        while self.stat(TAKEN)? == before.0 || self.stat("listener_manager.total_listeners_warming")? > 0 {
            if self.stat(REJECTED)? > before.1 {
                return Ok(false);
            }
            if start.elapsed() > START_MAX {
                return Err(self.not_ready("did not take the change".to_owned()));
            }
            std::thread::sleep(POLL);
        }
        self.listener = self.listener_at(0).ok_or_else(|| self.not_ready("has no listener".to_owned()))?;
        Ok(true)
    }

    fn stat(&self, name: &str) -> Result<u64, Error> {
        let text = admin::get(self.admin, &format!("/stats?filter=^{name}$"))?;
        Ok(text.trim().rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0))
    }

    /// Any page of the admin interface.
    ///
    /// # Errors
    /// The admin page does not answer.
    pub fn admin_page(&self, path: &str) -> Result<String, Error> {
        admin::get(self.admin, path)
    }

    /// Whether the process still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn wait_until_ready(&mut self) -> Result<(), Error> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Err(self.not_ready(format!("ended with {status}")));
            }
            if self.find_ports().is_some() {
                return Ok(());
            }
            if start.elapsed() > START_MAX {
                return Err(self.not_ready(format!("was not ready after {} s", START_MAX.as_secs())));
            }
            std::thread::sleep(POLL);
        }
    }

    /// Envoy writes the admin's port into a file, and the admin tells the listener's once workers run.
    fn find_ports(&mut self) -> Option<()> {
        self.admin = fs::read_to_string(self.dir.join("admin")).ok()?.trim().parse().ok()?;
        if admin::get(self.admin, "/ready").ok()?.trim() != "LIVE" {
            return None;
        }
        self.listener = self.listener_at(0)?;
        Some(())
    }

    /// Where it listens for calls under the policy at this place: 0 is [`Options::policy`], then come
    /// [`Options::more_policies`].
    #[must_use]
    pub fn listener_at(&self, index: usize) -> Option<SocketAddr> {
        // `llm::127.0.0.1:45123`
        let listeners = admin::get(self.admin, "/listeners").ok()?;
        let name = config::listener_name(index) + "::";
        listeners.lines().find_map(|line| line.strip_prefix(&name))?.parse().ok()
    }

    fn not_ready(&self, why: String) -> Error {
        Error::NotReady { why, log: self.log().text().to_owned() }
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // Nothing useful could be done about a process that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

fn write_config(dir: &Path, options: &Options) -> Result<PathBuf, Error> {
    let filter = filter::path().map_err(Error::Missing)?;
    let path = dir.join("envoy.json");
    if options.changeable {
        write_listeners(dir, options)?;
    }
    fs::write(&path, options.to_json(&filter, &dir.join(LISTENERS)).to_string())?;
    Ok(path)
}

/// The file from which Envoy reads its listeners, if they may change.
const LISTENERS: &str = "listeners.json";

/// Moved into its place: Envoy looks for that.
fn write_listeners(dir: &Path, options: &Options) -> Result<(), Error> {
    let filter = filter::path().map_err(Error::Missing)?;
    let new = dir.join("listeners.new.json");
    fs::write(&new, options.discovery(&filter).to_string())?;
    Ok(fs::rename(new, dir.join(LISTENERS))?)
}

/// A folder for one run's configuration and log, under `target/`, so that a failed test can be looked into.
fn new_dir() -> Result<PathBuf, Error> {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let dir = filter::root().join(format!("target/envoy-runs/{}-{run}", std::process::id()));
    fs::create_dir_all(&dir)?;
    Ok(dir)
}
