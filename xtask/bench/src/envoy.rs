//! One Envoy: its configuration, its start, what /proc says of it, its end.
//!
//! Called by [`crate::measure`]. The configurations differ in the filter alone.

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{Plan, scenario};

/// What stands between the listener and the router.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filter {
    None,
    Empty,
    Ours,
    /// Ours, in an Envoy that writes our cost records into a file.
    OursLogging,
    /// Another build of ours.
    Against,
}

impl Filter {
    /// Those that are compared, in the order of the report's columns.
    pub(crate) fn all(plan: &Plan) -> Vec<Self> {
        let mut all = vec![Self::None, Self::Empty, Self::Ours, Self::OursLogging];
        all.extend(plan.against.as_ref().map(|_| Self::Against));
        all
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "no filter",
            Self::Empty => "empty filter",
            Self::Ours => "tokenstile",
            Self::OursLogging => "tokenstile, records logged",
            Self::Against => "the other tokenstile",
        }
    }

    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Self::Ours | Self::OursLogging | Self::Against)
    }

    fn file_name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Empty => "empty",
            Self::Ours => "ours",
            Self::OursLogging => "ours-logging",
            Self::Against => "against",
        }
    }
}

/// All that a filter of this kind can do at least: to be called, and to let everything pass.
const EMPTY: &str = r#"(module
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "_initialize"))
  (func (export "malloc") (param i32) (result i32) (i32.const 1024))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))
  (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (i32.const 0))
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) (i32.const 0))
  (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32) (i32.const 0))
  (func (export "proxy_on_log") (param i32))
  (func (export "proxy_on_done") (param i32) (result i32) (i32.const 1))
  (func (export "proxy_on_delete") (param i32)))"#;

/// A running Envoy; it ends with this value.
pub(crate) struct Envoy {
    pub(crate) filter: Filter,
    pub(crate) address: SocketAddr,
    /// From the start of the process to the first accepted connection.
    pub(crate) ready: Duration,
    child: Child,
}

impl Envoy {
    pub(crate) fn start(plan: &Plan, filter: Filter, workers: u32, upstream: SocketAddr) -> Result<Self> {
        let name = format!("{}-{workers}", filter.file_name());
        let address = free_address()?;
        let config = plan.dir.join(format!("{name}.json"));
        fs::write(&config, config_json(plan, filter, address, upstream)?.to_string())?;
        let log = plan.dir.join(format!("{name}.log"));
        let level = if filter == Filter::OursLogging { "info" } else { "warning" };
        let start = Instant::now();
        let child = Command::new(&plan.envoy)
            .args([
                "--disable-hot-restart",
                "--concurrency",
                &workers.to_string(),
                "--log-level",
                level,
                "-c",
            ])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .context("cannot start Envoy")?;
        let mut envoy = Self { filter, address, ready: Duration::ZERO, child };
        envoy.wait(start, &log)?;
        envoy.ready = start.elapsed();
        Ok(envoy)
    }

    /// Listeners accept only after every filter was configured.
    fn wait(&mut self, start: Instant, log: &Path) -> Result<()> {
        while std::net::TcpStream::connect(self.address).is_err() {
            if self.child.try_wait()?.is_some() || start.elapsed() > Duration::from_secs(60) {
                let text = fs::read_to_string(log)?;
                let start = text.len().saturating_sub(2_000);
                bail!("Envoy did not start: {}", text.get(start..).unwrap_or(&text));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Time that all threads have spent on a processor.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            let first = text.split_whitespace().next().context("an empty schedstat")?;
            nanoseconds += first.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Resident memory in bytes.
    pub(crate) fn rss(&self) -> Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes * 1024)
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // Nothing useful could be done about a process that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The kernel's choice; given back so that Envoy can take it.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn socket(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

fn config_json(plan: &Plan, filter: Filter, address: SocketAddr, upstream: SocketAddr) -> Result<Value> {
    let mut filters = Vec::new();
    if let Some(wasm) = module(plan, filter)? {
        filters.push(wasm_filter(&wasm, filter));
    }
    filters.push(json!({"name": "router", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}));
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "http_filters": filters,
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"],
            "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "provider", "timeout": "0s"}}]}]},
    });
    Ok(json!({"static_resources": {
        "listeners": [{"name": "bench", "address": socket(address), "filter_chains": [{"filters": [
            {"name": "hcm", "typed_config": manager}]}]}],
        "clusters": [{"name": "provider", "type": "STATIC", "load_assignment": {"cluster_name": "provider",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket(upstream)}}]}]}}],
    }}))
}

fn module(plan: &Plan, filter: Filter) -> Result<Option<PathBuf>> {
    match filter {
        Filter::None => Ok(None),
        Filter::Empty => {
            let path = plan.dir.join("empty.wasm");
            fs::write(&path, wat::parse_str(EMPTY)?)?;
            Ok(Some(path))
        }
        Filter::Ours | Filter::OursLogging => Ok(Some(plan.ours.clone())),
        Filter::Against => Ok(plan.against.clone()),
    }
}

fn wasm_filter(module: &Path, filter: Filter) -> Value {
    let policy = if filter.is_ours() { scenario::policy().to_string() } else { String::new() };
    json!({"name": "wasm", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": {
            "name": filter.file_name(),
            "failure_policy": "FAIL_RELOAD",
            "allow_on_headers_stop_iteration": true,
            "vm_config": {"vm_id": filter.file_name(), "runtime": "envoy.wasm.runtime.v8",
                          "code": {"local": {"filename": module}}},
            "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": policy},
        },
    }})
}
