//! A real Prometheus that scrapes a real Envoy: started on a free port, asked, stopped.

use crate::client::{Call, Client};
use hyper::Method;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How often it scrapes and works out the recording rules.
const INTERVAL: &str = "1s";
const START_MAX: Duration = Duration::from_secs(30);

/// Whether a program of Prometheus is on PATH; tells what is skipped without it.
pub(crate) fn is_there(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("skipped: there is no `{program}` on PATH (Debian: apt-get install prometheus)");
    }
    found
}

pub(crate) fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/grafana")
}

/// One series of an answer: its labels, and its values by time.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) points: Vec<(f64, f64)>,
}

pub(crate) struct Prometheus {
    child: Child,
    client: Client,
    dir: PathBuf,
}

impl Prometheus {
    /// With the configuration of the examples, but for its intervals and its target.
    pub(crate) async fn start(admin: SocketAddr) -> Self {
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("prometheus-{}", admin.port()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        fs::copy(examples().join("rules.yaml"), dir.join("rules.yaml")).unwrap();
        let config = fs::read_to_string(examples().join("prometheus.yml")).unwrap();
        let ours = [("15s", INTERVAL), ("1m", INTERVAL), ("127.0.0.1:9901", &admin.to_string())];
        let config = ours.iter().fold(config, |config, (from, to)| {
            assert_eq!(config.matches(from).count(), 1, "`{from}` in prometheus.yml");
            config.replace(from, to)
        });
        fs::write(dir.join("prometheus.yml"), config).unwrap();
        remember_a_week(&dir);
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--web.listen-address={port}"))
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=data")
            .current_dir(&dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(dir.join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut prometheus = Self { child, client: Client::http1(format!("http://{port}")), dir };
        prometheus.wait_until_ready(port).await;
        prometheus
    }

    async fn wait_until_ready(&mut self, port: SocketAddr) {
        let start = Instant::now();
        while std::net::TcpStream::connect(port).is_err()
            || self.client.send(Call::new(Method::GET, "/-/ready")).await.status != 200
        {
            let log = || fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            assert!(matches!(self.child.try_wait(), Ok(None)), "Prometheus ended: {}", log());
            assert!(start.elapsed() < START_MAX, "Prometheus is not ready: {}", log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What a query gives now.
    pub(crate) async fn now(&self, query: &str) -> Vec<Series> {
        self.ask("query", &[("query", query)]).await
    }

    /// What it gives at each second from then to then.
    pub(crate) async fn over(&self, query: &str, from: f64, to: f64) -> Vec<Series> {
        let (from, to) = (from.to_string(), to.to_string());
        self.ask("query_range", &[("query", query), ("start", &from), ("end", &to), ("step", "1")]).await
    }

    async fn ask(&self, what: &str, form: &[(&str, &str)]) -> Vec<Series> {
        let form: Vec<String> =
            form.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let call = Call::new(Method::POST, &format!("/api/v1/{what}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.join("&"));
        let answer = self.client.send(call).await;
        assert_eq!(answer.status, 200, "{form:?}: {}", answer.text());
        let result = answer.json()["data"]["result"].take();
        result.as_array().unwrap().iter().map(series).collect()
    }
}

/// What features spent an hour in the week before, in dollars: a recording rule compares with it, and no test waits so long.
const LAST_WEEK: [(&str, f64); 3] = [("chat", 6.0), ("search", 0.5), ("reports", 3.0)];

/// Puts it where Prometheus finds it: <https://prometheus.io/docs/prometheus/latest/storage/#backfilling-from-openmetrics-format>.
fn remember_a_week(dir: &Path) {
    const HOUR: u64 = 3600;
    let now =
        std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let name = "feature:tokenstile_cost_usd:increase1h";
    let mut text = format!("# TYPE {name} gauge\n");
    for (feature, usd) in LAST_WEEK {
        for hours in (2..7 * 24).rev() {
            text += &format!("{name}{{feature=\"{feature}\"}} {usd} {}\n", now - hours * HOUR);
        }
    }
    fs::write(dir.join("week.txt"), text + "# EOF\n").unwrap();
    let args = ["tsdb", "create-blocks-from", "openmetrics", "week.txt", "data"];
    let output = Command::new("promtool").args(args).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// <https://prometheus.io/docs/prometheus/latest/querying/api/#expression-query-result-formats>
fn series(result: &Value) -> Series {
    let labels = result["metric"].as_object().unwrap().iter();
    let points = result["values"].as_array().cloned().unwrap_or_else(|| vec![result["value"].clone()]);
    let point = |point: &Value| (point[0].as_f64().unwrap(), point[1].as_str().unwrap().parse().unwrap());
    Series {
        labels: labels.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect(),
        points: points.iter().map(point).filter(|(_, value): &(f64, f64)| value.is_finite()).collect(),
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
