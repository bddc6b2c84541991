//! The dashboard and the rules of `examples/grafana`: by promtool, and over a real Prometheus that scrapes a real Envoy
//! with the labels of `envoy.yaml`. `TOKENSTILE_UPDATE=1` lets it run for minutes and draws `docs/dashboard.svg`.

mod picture;
mod prometheus;
mod traffic;

use crate::setup::Setup;
use picture::Drawn;
use prometheus::{Prometheus, Series, examples, is_there};
use serde_json::Value;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};
use traffic::Traffic;

/// What Grafana makes of its variable where a proxy is scraped every second.
const RATE_INTERVAL: &str = "6s";
/// Until a panel must show something. Nothing is measured by it.
const DATA_MAX: Duration = Duration::from_secs(90);
/// What the picture shows.
const PICTURE: Duration = Duration::from_secs(180);

fn dashboard() -> Value {
    serde_json::from_str(&fs::read_to_string(examples().join("dashboard.json")).unwrap()).unwrap()
}

/// Panels with queries, in order.
fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row")
}

/// The queries of a panel as Grafana sends them, each with the legend of its series.
fn queries(panel: &Value) -> Vec<(String, &str)> {
    let targets = panel["targets"].as_array().unwrap().iter();
    let query = |target: &Value| target["expr"].as_str().unwrap().replace("$__rate_interval", RATE_INTERVAL);
    targets.map(|target| (query(target), target["legendFormat"].as_str().unwrap())).collect()
}

#[test]
fn every_alert_fires_when_it_should_and_not_before() {
    if !is_there("promtool") {
        return;
    }
    let tests = examples().join("rules.test.yaml");
    let output = Command::new("promtool").args(["test", "rules"]).arg(&tests).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (rules, tests) =
        (fs::read_to_string(examples().join("rules.yaml")).unwrap(), fs::read_to_string(tests).unwrap());
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() >= 6, "{alerts:?}");
    for alert in alerts {
        let fires = tests.contains(&format!("- alertname: {alert}\n"));
        let waits = tests.contains(&format!("- {{alertname: {alert}, "));
        assert!(fires && waits, "rules.test.yaml does not show when `{alert}` fires and when not");
    }
    let readme = fs::read_to_string(examples().join("README.md")).unwrap();
    for advised in readme.split("```promql\n").skip(1).filter_map(|rest| rest.split("\n```").next()) {
        assert!(tests.contains(&format!("- expr: {advised}\n")), "rules.test.yaml does not try `{advised}`");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_panel_shows_what_a_real_proxy_counted() {
    if !is_there("prometheus") || !is_there("promtool") {
        return;
    }
    let updates = std::env::var_os("TOKENSTILE_UPDATE").is_some();
    let setup = Setup::new(&traffic::policy(if updates { 12 } else { 1 }), |_| {});
    let prometheus = Prometheus::start(setup.envoy.admin_addr()).await;
    let from = seconds();
    let traffic = Traffic::start(&setup.envoy.url());
    let dashboard = dashboard();
    for panel in panels(&dashboard) {
        for (query, _) in queries(panel) {
            has_data(&prometheus, &panel["title"], &query).await;
        }
    }
    if updates {
        tokio::time::sleep(PICTURE).await;
    }
    let (to, mut drawn) = (seconds(), Vec::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        let mut lines = Vec::new();
        for (query, legend) in panel["targets"].as_array().map(|_| queries(panel)).unwrap_or_default() {
            let series = prometheus.over(&query, from, to).await;
            lines.extend(series.into_iter().map(|series| (named(legend, &series), series)));
        }
        drawn.push(Drawn { panel, lines });
    }
    drop(traffic);
    let svg = picture::draw(&drawn, (from, to));
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().unwrap().replace('\'', "&apos;");
        assert!(svg.contains(&title), "the picture lacks `{title}`");
    }
    if updates {
        fs::write(examples().join("../../docs/dashboard.svg"), svg).unwrap();
    }
}

/// Waits until the query gives a number that is not zero: what is always zero shows nothing.
async fn has_data(prometheus: &Prometheus, title: &Value, query: &str) {
    let start = Instant::now();
    // Nothing of ours fails here, and all settlements are taken.
    let may_be_zero = ["tokenstile_failures", "settlements_deferred"].iter().any(|name| query.contains(name));
    loop {
        let series = prometheus.now(query).await;
        let shows = |series: &Series| series.points.iter().any(|(_, value)| may_be_zero || *value != 0.0);
        if series.iter().any(shows) {
            return;
        }
        assert!(start.elapsed() < DATA_MAX, "the panel {title} shows nothing: {query} gives {series:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// `{{rule}}: {{decision}}` for a series.
fn named(legend: &str, series: &Series) -> String {
    let labels = series.labels.iter();
    let filled =
        labels.fold(legend.to_owned(), |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value));
    // Of labels that a series does not have, nothing.
    filled.split("{{").map(|part| part.split_once("}}").map_or(part, |(_, rest)| rest)).collect()
}

fn seconds() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
}
