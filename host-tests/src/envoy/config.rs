//! The configuration of a test's Envoy: one listener, one filter, one upstream. Called by the parent.
//!
//! As in `envoy.yaml` at the root, but for the ports, which Envoy chooses, and what a test varies.

use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The file from which a stranger starts: its `stats_tags` are the ones that are tested.
const EXAMPLE: &str = include_str!("../../../envoy.yaml");

/// What a test varies.
#[derive(Debug, Clone)]
pub struct Options {
    /// The plugin configuration, as it is.
    pub policy: String,
    /// Each of these gets a listener of its own, in the same VM.
    pub more_policies: Vec<String>,
    /// Where calls go.
    pub upstream: SocketAddr,
    /// Worker threads.
    pub workers: u32,
    /// `allow_on_headers_stop_iteration`; a policy with `hold_headers` needs it.
    pub headers_may_wait: bool,
    /// `per_connection_buffer_limit_bytes` of the listener.
    pub buffer_limit_bytes: u32,
    /// Speak HTTP/2 to the upstream: request trailers arrive there only then.
    pub upstream_http2: bool,
    /// Filters in front of ours, as Envoy's configuration has them.
    pub filters_before: Vec<Value>,
    /// A file for the access log, and the format of its lines.
    pub access_log: Option<(PathBuf, String)>,
    /// Other clusters by name, for what the filter calls itself.
    pub clusters: Vec<(String, SocketAddr)>,
    /// Listeners are read from a file that may change: [`Envoy::change`](super::Envoy::change).
    pub changeable: bool,
    /// How often Envoy tries a call again that the upstream answered with 5xx.
    pub retries: u32,
}

impl Options {
    /// Two workers, a buffer of 1 MiB, headers that may wait, HTTP/1.1 to the upstream.
    pub fn new(policy: impl Into<String>, upstream: SocketAddr) -> Self {
        Self {
            policy: policy.into(),
            more_policies: Vec::new(),
            upstream,
            workers: 2,
            headers_may_wait: true,
            buffer_limit_bytes: 1 << 20,
            upstream_http2: false,
            filters_before: Vec::new(),
            access_log: None,
            clusters: Vec::new(),
            changeable: false,
            retries: 0,
        }
    }

    /// `listeners`: the file with them, where they may change.
    pub(super) fn to_json(&self, filter: &Path, listeners: &Path) -> Value {
        let mut clusters = vec![self.cluster()];
        clusters.extend(self.clusters.iter().map(|(name, address)| plain_cluster(name, *address)));
        let mut config = json!({
            "node": {"id": "test", "cluster": "test"},
            "admin": {"address": any_port()},
            "stats_config": {"stats_tags": stats_tags()},
            "static_resources": {"clusters": clusters},
        });
        if self.changeable {
            config["dynamic_resources"] = json!({"lds_config": {
                "resource_api_version": "V3", "path_config_source": {"path": listeners},
            }});
        } else {
            config["static_resources"]["listeners"] = self.listeners(filter).into();
        }
        config
    }

    /// The file with the listeners.
    pub(super) fn discovery(&self, filter: &Path) -> Value {
        let mut listeners = self.listeners(filter);
        for listener in &mut listeners {
            listener["@type"] = "type.googleapis.com/envoy.config.listener.v3.Listener".into();
        }
        json!({"resources": listeners})
    }

    fn listeners(&self, filter: &Path) -> Vec<Value> {
        let policies = std::iter::once(&self.policy).chain(&self.more_policies);
        let listeners = policies.enumerate().map(|(index, policy)| {
            json!({
                "name": listener_name(index),
                "address": any_port(),
                "per_connection_buffer_limit_bytes": self.buffer_limit_bytes,
                "filter_chains": [{"filters": [{
                    "name": "envoy.filters.network.http_connection_manager",
                    "typed_config": self.connection_manager(filter, policy),
                }]}],
            })
        });
        listeners.collect()
    }

    fn connection_manager(&self, filter: &Path, policy: &str) -> Value {
        let mut filters = self.filters_before.clone();
        filters.push(json!({"name": "tokenstile", "typed_config": self.wasm(filter, policy)}));
        filters.push(json!({"name": "envoy.filters.http.router",
            "typed_config": {"@type": type_url("filters.http.router.v3.Router")}}));
        json!({
            "@type": type_url("filters.network.http_connection_manager.v3.HttpConnectionManager"),
            "stat_prefix": "llm",
            "http_filters": filters,
            "access_log": self.access_log.iter().map(|(path, format)| json!({
                "name": "envoy.access_loggers.file",
                "typed_config": {"@type": type_url("access_loggers.file.v3.FileAccessLog"), "path": path,
                    "log_format": {"text_format_source": {"inline_string": format}}},
            })).collect::<Vec<_>>(),
            "route_config": {"virtual_hosts": [{"name": "llm", "domains": ["*"], "routes": [
                {"match": {"prefix": "/"}, "route": {"cluster": "provider", "timeout": "0s",
                    "retry_policy": {"retry_on": "5xx", "num_retries": self.retries}}},
            ]}]},
        })
    }

    fn wasm(&self, filter: &Path, policy: &str) -> Value {
        json!({
            "@type": type_url("filters.http.wasm.v3.Wasm"),
            "config": {
                "name": "tokenstile",
                "failure_policy": "FAIL_RELOAD",
                "allow_on_headers_stop_iteration": self.headers_may_wait,
                "vm_config": {"vm_id": "tokenstile", "runtime": "envoy.wasm.runtime.v8",
                    "code": {"local": {"filename": filter}}},
                "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": policy},
            },
        })
    }

    fn cluster(&self) -> Value {
        let protocol = if self.upstream_http2 { "http2_protocol_options" } else { "http_protocol_options" };
        let limits =
            json!({"max_connections": 100_000, "max_pending_requests": 100_000, "max_requests": 100_000});
        json!({
            "name": "provider",
            "type": "STATIC",
            // A test that is about concurrency must not meet Envoy's own circuit breaker of 1,024.
            "circuit_breakers": {"thresholds": [limits]},
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": type_url("upstreams.http.v3.HttpProtocolOptions"),
                "explicit_http_config": {protocol: {}},
            }},
            "load_assignment": {"cluster_name": "provider", "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": socket(self.upstream)}}]},
            ]},
        })
    }
}

/// `- {tag_name: model, regex: "(;model=([^;]*))"}`, each a line of the example.
fn stats_tags() -> Vec<Value> {
    let lines = EXAMPLE.lines().filter_map(|line| line.trim().strip_prefix("- {tag_name: "));
    let tags = lines.filter_map(|line| line.strip_suffix("\"}")?.split_once(", regex: \""));
    tags.map(|(name, regex)| json!({"tag_name": name, "regex": regex})).collect()
}

fn plain_cluster(name: &str, address: SocketAddr) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "load_assignment": {"cluster_name": name, "endpoints": [
            {"lb_endpoints": [{"endpoint": {"address": socket(address)}}]},
        ]},
    })
}

/// The name of the listener for the policy at this place.
pub(super) fn listener_name(index: usize) -> String {
    if index == 0 { "llm".to_owned() } else { format!("llm-{index}") }
}

fn any_port() -> Value {
    socket(SocketAddr::from(([127, 0, 0, 1], 0)))
}

fn type_url(name: &str) -> String {
    format!("type.googleapis.com/envoy.extensions.{name}")
}

fn socket(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}
