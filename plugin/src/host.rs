//! The host calls, with raw statuses and bytes. The only file that calls out of the VM.
//!
//! Only imports that Envoy, WasmX and APISIX all have: a missing one is fatal at load. Any status but 0
//! is an `Err` with that status; nothing here panics.

#![expect(unsafe_code, reason = "the proxy-wasm ABI passes pointers; each block says why it holds")]

use crate::pairs;

/// Any status but 0, as the host gave it.
pub(crate) type Status = u32;

/// The status of something that is not there.
pub(crate) const NOT_FOUND: Status = 1;
/// The status of a call that makes no sense here.
pub(crate) const BAD_ARGUMENT: Status = 2;
/// The status of a value that has no bytes.
pub(crate) const SERIALIZATION_FAILURE: Status = 9;
/// The status of a compare-and-swap that lost.
pub(crate) const CAS_MISMATCH: Status = 8;
/// The status of a function that this host does not have.
pub(crate) const UNIMPLEMENTED: Status = 12;

/// A header map of the stream.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
#[expect(clippy::enum_variant_names, reason = "the ABI has maps of trailers, too")]
pub(crate) enum Map {
    RequestHeaders = 0,
    ResponseHeaders = 2,
    CallHeaders = 6,
}

/// A buffer.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
pub(crate) enum Buffer {
    RequestBody = 0,
    ResponseBody = 1,
    CallBody = 4,
    PluginConfiguration = 7,
}

/// A level of the host's log.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
pub(crate) enum Level {
    Info = 2,
    Warn = 3,
    Error = 4,
}

mod raw {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub(super) fn proxy_log(level: u32, text: *const u8, len: usize) -> u32;
        pub(super) fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
        pub(super) fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
        pub(super) fn proxy_get_property(
            path: *const u8,
            path_len: usize,
            value: *mut *mut u8,
            len: *mut usize,
        ) -> u32;
        pub(super) fn proxy_set_property(
            path: *const u8,
            path_len: usize,
            value: *const u8,
            len: usize,
        ) -> u32;
        pub(super) fn proxy_get_buffer_bytes(
            buffer: u32,
            start: usize,
            max: usize,
            value: *mut *mut u8,
            len: *mut usize,
        ) -> u32;
        pub(super) fn proxy_set_buffer_bytes(
            buffer: u32,
            start: usize,
            size: usize,
            value: *const u8,
            len: usize,
        ) -> u32;
        pub(super) fn proxy_get_header_map_pairs(map: u32, value: *mut *mut u8, len: *mut usize) -> u32;
        pub(super) fn proxy_get_header_map_value(
            map: u32,
            key: *const u8,
            key_len: usize,
            value: *mut *mut u8,
            len: *mut usize,
        ) -> u32;
        pub(super) fn proxy_add_header_map_value(
            map: u32,
            key: *const u8,
            key_len: usize,
            value: *const u8,
            len: usize,
        ) -> u32;
        pub(super) fn proxy_replace_header_map_value(
            map: u32,
            key: *const u8,
            key_len: usize,
            value: *const u8,
            len: usize,
        ) -> u32;
        pub(super) fn proxy_remove_header_map_value(map: u32, key: *const u8, key_len: usize) -> u32;
        pub(super) fn proxy_get_shared_data(
            key: *const u8,
            key_len: usize,
            value: *mut *mut u8,
            len: *mut usize,
            cas: *mut u32,
        ) -> u32;
        pub(super) fn proxy_set_shared_data(
            key: *const u8,
            key_len: usize,
            value: *const u8,
            len: usize,
            cas: u32,
        ) -> u32;
        pub(super) fn proxy_continue_stream(stream: u32) -> u32;
        pub(super) fn proxy_set_effective_context(context: u32) -> u32;
        pub(super) fn proxy_send_local_response(
            status: u32,
            details: *const u8,
            details_len: usize,
            body: *const u8,
            body_len: usize,
            headers: *const u8,
            headers_len: usize,
            grpc_status: i32,
        ) -> u32;
        pub(super) fn proxy_http_call(
            upstream: *const u8,
            upstream_len: usize,
            headers: *const u8,
            headers_len: usize,
            body: *const u8,
            body_len: usize,
            trailers: *const u8,
            trailers_len: usize,
            timeout: u32,
            token: *mut u32,
        ) -> u32;
        pub(super) fn proxy_define_metric(kind: u32, name: *const u8, len: usize, id: *mut u32) -> u32;
        pub(super) fn proxy_increment_metric(id: u32, offset: i64) -> u32;
        pub(super) fn proxy_record_metric(id: u32, value: u64) -> u32;
    }
}

const fn ok(status: u32) -> Result<(), Status> {
    if status == 0 { Ok(()) } else { Err(status) }
}

/// Takes over what a host call wrote: memory that the host got from our `malloc`.
fn take(status: u32, value: *mut u8, len: usize) -> Result<Vec<u8>, Status> {
    ok(status)?;
    if value.is_null() || len == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: on status 0 the host has allocated `len` bytes by `malloc` (exports.rs), which hands out
    // exactly that layout, has filled them, and keeps no pointer to them (proxy-wasm ABI 0.2.1).
    Ok(unsafe { Vec::from_raw_parts(value, len, len) })
}

/// Calls a host function that returns bytes by two out-pointers.
fn bytes(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, Status> {
    let (mut value, mut len) = (std::ptr::null_mut(), 0);
    let status = call(&raw mut value, &raw mut len);
    take(status, value, len)
}

/// Writes a line into the host's log.
pub(crate) fn log(level: Level, text: &str) {
    // SAFETY: the pointer and length are of a live string. A log that fails is not worth a refusal.
    let _ = unsafe { raw::proxy_log(level as u32, text.as_ptr(), text.len()) };
}

/// Nanoseconds since 1970.
pub(crate) fn time_nanoseconds() -> Result<u64, Status> {
    let mut time = 0;
    // SAFETY: `time` is live for the call.
    ok(unsafe { raw::proxy_get_current_time_nanoseconds(&raw mut time) })?;
    Ok(time)
}

/// Asks for a tick each `period` milliseconds; 0 ends them.
pub(crate) fn set_tick_period(period: u32) -> Result<(), Status> {
    // SAFETY: no pointers.
    ok(unsafe { raw::proxy_set_tick_period_milliseconds(period) })
}

/// A property by its path.
pub(crate) fn property(path: &[&str]) -> Result<Vec<u8>, Status> {
    let path = path.join("\0");
    // SAFETY: the path is live for the call; the out-pointers come from `bytes`.
    bytes(|value, len| unsafe { raw::proxy_get_property(path.as_ptr(), path.len(), value, len) })
}

/// Sets a property of one name.
pub(crate) fn set_property(name: &str, value: &[u8]) -> Result<(), Status> {
    // SAFETY: both slices are live for the call.
    ok(unsafe { raw::proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

/// A whole buffer. Hosts differ in what they make of an offset, so none is given.
pub(crate) fn buffer(buffer: Buffer) -> Result<Vec<u8>, Status> {
    const ALL: usize = i32::MAX as usize;
    // SAFETY: the out-pointers come from `bytes`.
    bytes(|value, len| unsafe { raw::proxy_get_buffer_bytes(buffer as u32, 0, ALL, value, len) })
}

/// Replaces a whole buffer.
pub(crate) fn set_buffer(buffer: Buffer, value: &[u8]) -> Result<(), Status> {
    const ALL: usize = i32::MAX as usize;
    replace(buffer, ALL, value)
}

/// Puts bytes before a whole buffer.
pub(crate) fn prepend_buffer(buffer: Buffer, value: &[u8]) -> Result<(), Status> {
    replace(buffer, 0, value)
}

/// Replaces the first so many bytes of a buffer: all or none, for Envoy takes nothing between.
fn replace(buffer: Buffer, len: usize, value: &[u8]) -> Result<(), Status> {
    // SAFETY: the slice is live for the call.
    ok(unsafe { raw::proxy_set_buffer_bytes(buffer as u32, 0, len, value.as_ptr(), value.len()) })
}

/// Every header of a map, for [`pairs::decode`].
pub(crate) fn headers(map: Map) -> Result<Vec<u8>, Status> {
    // SAFETY: the out-pointers come from `bytes`.
    bytes(|value, len| unsafe { raw::proxy_get_header_map_pairs(map as u32, value, len) })
}

/// One header of a map. Hosts differ in how they say that it is absent.
pub(crate) fn header(map: Map, name: &str) -> Result<Vec<u8>, Status> {
    // SAFETY: the name is live for the call; the out-pointers come from `bytes`.
    bytes(|value, len| unsafe {
        raw::proxy_get_header_map_value(map as u32, name.as_ptr(), name.len(), value, len)
    })
}

/// Adds a header, beside those of the same name.
pub(crate) fn add_header(map: Map, name: &str, value: &[u8]) -> Result<(), Status> {
    // SAFETY: the slices are live for the call.
    ok(unsafe {
        raw::proxy_add_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    })
}

/// Sets a header.
pub(crate) fn set_header(map: Map, name: &str, value: &[u8]) -> Result<(), Status> {
    // SAFETY: the slices are live for the call.
    ok(unsafe {
        raw::proxy_replace_header_map_value(
            map as u32,
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    })
}

/// Removes a header.
pub(crate) fn remove_header(map: Map, name: &str) -> Result<(), Status> {
    // SAFETY: the slice is live for the call.
    ok(unsafe { raw::proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) })
}

/// A value of shared data and its version.
pub(crate) fn shared_data(key: &[u8]) -> Result<(Vec<u8>, u32), Status> {
    let mut cas = 0;
    let out = &raw mut cas;
    // SAFETY: the key is live for the call, `cas` as well; the other out-pointers come from `bytes`.
    let value =
        bytes(|value, len| unsafe { raw::proxy_get_shared_data(key.as_ptr(), key.len(), value, len, out) })?;
    Ok((value, cas))
}

/// Stores a value of shared data if its version is still `cas`.
pub(crate) fn set_shared_data(key: &[u8], value: &[u8], cas: u32) -> Result<(), Status> {
    // SAFETY: the slices are live for the call.
    ok(unsafe { raw::proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) })
}

/// Lets a paused request go on.
pub(crate) fn continue_request() -> Result<(), Status> {
    const REQUEST: u32 = 0;
    // SAFETY: no pointers.
    ok(unsafe { raw::proxy_continue_stream(REQUEST) })
}

/// Makes the following host calls speak of another context.
pub(crate) fn set_effective_context(context: u32) -> Result<(), Status> {
    // SAFETY: no pointers.
    ok(unsafe { raw::proxy_set_effective_context(context) })
}

/// Answers the request.
pub(crate) fn send_local_response(
    status: u16,
    details: &str,
    headers: &[(&str, String)],
    body: &[u8],
) -> Result<(), Status> {
    const NO_GRPC: i32 = -1;
    let headers = pairs::encode(headers);
    // SAFETY: the slices are live for the call.
    ok(unsafe {
        raw::proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            NO_GRPC,
        )
    })
}

/// Starts a request to a cluster, and gives its number; `proxy_on_http_call_response` tells how it ended.
pub(crate) fn http_call(
    cluster: &str,
    headers: &[(&str, String)],
    body: &[u8],
    timeout_ms: u32,
) -> Result<u32, Status> {
    let (headers, trailers) = (pairs::encode(headers), pairs::encode(&[]));
    let mut token = 0;
    // SAFETY: the slices and `token` are live for the call.
    ok(unsafe {
        raw::proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            trailers.as_ptr(),
            trailers.len(),
            timeout_ms,
            &raw mut token,
        )
    })?;
    Ok(token)
}

/// A kind of metric.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
pub(crate) enum Metric {
    Counter = 0,
    Gauge = 1,
    Histogram = 2,
}

/// Defines a metric and gives its number.
pub(crate) fn define_metric(kind: Metric, name: &str) -> Result<u32, Status> {
    let mut id = 0;
    // SAFETY: the name and `id` are live for the call.
    ok(unsafe { raw::proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &raw mut id) })?;
    Ok(id)
}

/// Adds a value to a histogram, or sets a gauge.
pub(crate) fn record(id: u32, value: u64) -> Result<(), Status> {
    // SAFETY: no pointers.
    ok(unsafe { raw::proxy_record_metric(id, value) })
}

/// Adds to a counter. Envoy answers an error to 0, so that is not sent.
pub(crate) fn increment(id: u32, by: i64) -> Result<(), Status> {
    if by == 0 {
        return Ok(());
    }
    // SAFETY: no pointers.
    ok(unsafe { raw::proxy_increment_metric(id, by) })
}
