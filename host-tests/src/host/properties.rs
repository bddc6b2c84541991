//! Owns the properties of each proxy: their names and their bytes. Called by the property host calls. What a
//! test configures comes before what is worked out here.

use super::state::VmState;
use super::stream::{Side, Stream};
use super::{Profile, Status};

/// The value at `path`, whose parts are parted by zero bytes.
pub(crate) fn read(state: &VmState, path: &[u8]) -> Option<Vec<u8>> {
    let name = dotted(path);
    let stream = state.streams.get(&state.context());
    if let Some(value) = stream.and_then(|stream| stream.properties.get(name.as_bytes())) {
        return Some(value.clone());
    }
    if let Some(value) = state.config.properties.get(&name) {
        return Some(value.clone());
    }
    match state.profile() {
        Profile::Envoy => envoy(state, stream, &name),
        Profile::Wasmx => wasmx(state, stream, &name),
        Profile::Apisix => nginx_variable(state, stream, &name),
    }
}

/// Stores a value. Envoy makes it filter state of the stream; nginx knows which variables may be written.
pub(crate) fn write(state: &mut VmState, path: &[u8], value: Vec<u8>) -> Result<(), Status> {
    let name = dotted(path);
    let profile = state.profile();
    let known = state.config.properties.contains_key(&name);
    let stream = state.stream().ok_or(Status::BAD_ARGUMENT)?;
    let writable = match profile {
        Profile::Envoy => true,
        Profile::Wasmx => name.starts_with("wasmx.") || (name.starts_with("ngx.") && known),
        Profile::Apisix => known || matches!(name.as_str(), REQUEST_BODY_WANTED | RESPONSE_BODY_WANTED),
    };
    if !writable {
        return Err(Status::NOT_FOUND);
    }
    stream.properties.insert(name.into_bytes(), value);
    Ok(())
}

/// APISIX gives bodies to a filter that has set these.
const REQUEST_BODY_WANTED: &str = "wasm_process_req_body";
const RESPONSE_BODY_WANTED: &str = "wasm_process_resp_body";

/// Whether an APISIX filter asked for the body of this side.
pub(crate) fn body_wanted(stream: &Stream, side: Side) -> bool {
    let name = if side == Side::Request { REQUEST_BODY_WANTED } else { RESPONSE_BODY_WANTED };
    stream.properties.get(name.as_bytes()).is_some_and(|value| !value.is_empty())
}

fn dotted(path: &[u8]) -> String {
    let path = path.strip_suffix(b"\0").unwrap_or(path);
    String::from_utf8_lossy(path).replace('\0', ".")
}

fn envoy(state: &VmState, stream: Option<&Stream>, name: &str) -> Option<Vec<u8>> {
    let int = |number: u64| Some(number.to_le_bytes().to_vec());
    let now_ns = state.shared.clock().now_ns();
    match name {
        "source.address" => Some(b"127.0.0.1:50000".to_vec()),
        "source.port" => int(50_000),
        "destination.address" => Some(b"127.0.0.1:10000".to_vec()),
        "destination.port" => int(10_000),
        "connection.id" => int(1),
        "request.time" => int(stream?.started_ns),
        "request.duration" => int(now_ns.saturating_sub(stream?.started_ns)),
        "request.protocol" => Some(b"HTTP/1.1".to_vec()),
        _ => plugin(state, name).or_else(|| message(stream?, name, true)),
    }
}

fn wasmx(state: &VmState, stream: Option<&Stream>, name: &str) -> Option<Vec<u8>> {
    match name {
        "source.address" => Some(b"127.0.0.1".to_vec()),
        "source.port" => Some(b"50000".to_vec()),
        "request.time" => Some(seconds(stream?.started_ns)),
        "request.protocol" => Some(b"HTTP/1.1".to_vec()),
        _ => plugin(state, name).or_else(|| {
            if let Some(variable) = name.strip_prefix("ngx.") {
                return nginx_variable(state, stream, variable);
            }
            message(stream?, name, false)
        }),
    }
}

fn nginx_variable(state: &VmState, stream: Option<&Stream>, name: &str) -> Option<Vec<u8>> {
    if name == "plugin_root_id" {
        return Some(state.config.plugin_name.clone());
    }
    let header = |name: &str| stream?.request.headers.first(name).map(<[u8]>::to_vec);
    match name {
        "msec" => stream.map(|_| seconds(state.shared.clock().now_ns())),
        "remote_addr" => stream.map(|_| b"127.0.0.1".to_vec()),
        "remote_port" => stream.map(|_| b"50000".to_vec()),
        "request_method" => header(":method"),
        "request_uri" => header(":path"),
        "host" => header(":authority").or_else(|| header("host")),
        "scheme" => header(":scheme"),
        "status" => stream?.response.headers.first(":status").map(<[u8]>::to_vec),
        _ => header(&name.strip_prefix("http_")?.replace('_', "-")),
    }
}

fn plugin(state: &VmState, name: &str) -> Option<Vec<u8>> {
    match name {
        "plugin_name" => Some(state.config.plugin_name.clone()),
        "plugin_root_id" => Some(state.config.root_id.clone()),
        "plugin_vm_id" => Some(state.config.vm_id.clone()),
        _ => None,
    }
}

/// What the messages themselves say; `binary` where the proxy gives numbers as 8 bytes.
fn message(stream: &Stream, name: &str, binary: bool) -> Option<Vec<u8>> {
    let (request, response) = (&stream.request, &stream.response);
    let own = |value: Option<&[u8]>| value.map(<[u8]>::to_vec);
    let number =
        |value: u64| if binary { value.to_le_bytes().to_vec() } else { value.to_string().into_bytes() };
    if let Some(header) = name.strip_prefix("request.headers.") {
        return request.headers.joined(header.as_bytes());
    }
    if let Some(header) = name.strip_prefix("response.headers.") {
        return response.headers.joined(header.as_bytes());
    }
    match name {
        "request.method" => own(request.headers.first(":method")),
        "request.path" => own(request.headers.first(":path")),
        "request.url_path" => own(request.headers.first(":path")?.split(|byte| *byte == b'?').next()),
        "request.query" => own(request.headers.first(":path")?.splitn(2, |byte| *byte == b'?').nth(1)),
        "request.host" => own(request.headers.first(":authority")),
        "request.scheme" => own(request.headers.first(":scheme")),
        "request.id" => own(request.headers.first("x-request-id")),
        "request.useragent" => own(request.headers.first("user-agent")),
        "request.referer" => own(request.headers.first("referer")),
        "response.code" => {
            let code = std::str::from_utf8(response.headers.first(":status")?).ok()?;
            Some(number(code.parse().ok()?))
        }
        _ => None,
    }
}

/// nginx's form of a time: seconds with three digits after the point.
fn seconds(time_ns: u64) -> Vec<u8> {
    let ms = time_ns / 1_000_000;
    format!("{}.{:03}", ms / 1000, ms % 1000).into_bytes()
}
