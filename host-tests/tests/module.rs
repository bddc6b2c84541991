//! What the built filter asks of a proxy before it runs at all: its imports, its exports, and what is copied at its start.
//! One import too many is fatal at load on some host.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use tokenstile_host::cases::filter;
use wasmparser::{DataKind, ExternalKind, Parser, Payload};

/// What Envoy, WasmX and APISIX all have with the same types: the 31 that the Rust SDK drags in, the log, and
/// three of the four calls for metrics (`proxy_get_metric` has another type in APISIX). `proxy_get_log_level`
/// kills WasmX's worker.
const SAFE: [&str; 35] = [
    "proxy_add_header_map_value",
    "proxy_call_foreign_function",
    "proxy_close_stream",
    "proxy_continue_stream",
    "proxy_define_metric",
    "proxy_dequeue_shared_queue",
    "proxy_done",
    "proxy_enqueue_shared_queue",
    "proxy_get_buffer_bytes",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_header_map_pairs",
    "proxy_get_header_map_value",
    "proxy_get_property",
    "proxy_get_shared_data",
    "proxy_get_status",
    "proxy_grpc_call",
    "proxy_grpc_cancel",
    "proxy_grpc_close",
    "proxy_grpc_send",
    "proxy_grpc_stream",
    "proxy_http_call",
    "proxy_increment_metric",
    "proxy_log",
    "proxy_record_metric",
    "proxy_register_shared_queue",
    "proxy_remove_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_resolve_shared_queue",
    "proxy_send_local_response",
    "proxy_set_buffer_bytes",
    "proxy_set_effective_context",
    "proxy_set_header_map_pairs",
    "proxy_set_property",
    "proxy_set_shared_data",
    "proxy_set_tick_period_milliseconds",
];

#[derive(Default)]
struct Surface {
    imports: Vec<(String, String)>,
    functions: Vec<String>,
    /// The bytes of each piece of data that a VM copies at its start, and of each that it copies when asked to.
    active: Vec<usize>,
    passive: Vec<usize>,
}

fn surface() -> Surface {
    let bytes = std::fs::read(filter::path().unwrap()).unwrap();
    let mut surface = Surface::default();
    for payload in Parser::new(0).parse_all(&bytes) {
        match payload.unwrap() {
            Payload::ImportSection(section) => {
                let imports = section.into_imports().map(Result::unwrap);
                surface.imports.extend(imports.map(|i| (i.module.to_owned(), i.name.to_owned())));
            }
            Payload::ExportSection(section) => {
                let exports = section.into_iter().map(Result::unwrap);
                let functions = exports.filter(|export| export.kind == ExternalKind::Func);
                surface.functions.extend(functions.map(|export| export.name.to_owned()));
            }
            Payload::DataSection(section) => {
                for data in section.into_iter().map(Result::unwrap) {
                    match data.kind {
                        DataKind::Active { .. } => surface.active.push(data.data.len()),
                        DataKind::Passive => surface.passive.push(data.data.len()),
                    }
                }
            }
            _ => {}
        }
    }
    surface
}

#[test]
fn it_imports_nothing_that_some_host_lacks() {
    let imports = surface().imports;
    assert!(!imports.is_empty(), "a filter that calls no host does nothing");
    let unsafe_ones: Vec<_> =
        imports.iter().filter(|(module, name)| module != "env" || !SAFE.contains(&name.as_str())).collect();
    assert!(unsafe_ones.is_empty(), "not on every host: {unsafe_ones:?}");
}

#[test]
fn it_exports_what_every_host_looks_for() {
    let functions = surface().functions;
    for name in
        ["proxy_abi_version_0_2_1", "_initialize", "malloc", "proxy_on_context_create", "proxy_on_configure"]
    {
        assert!(functions.iter().any(|function| function == name), "`{name}` is missing: {functions:?}");
    }
    // A host that finds it starts the filter as a command, which it is not.
    assert!(!functions.iter().any(|function| function == "_start"));
}

#[test]
fn its_bytes_are_one_valid_module() {
    let bytes = std::fs::read(filter::path().unwrap()).unwrap();
    wasmparser::validate(&bytes).unwrap();
}

/// V8 copies what is active when a VM starts, once for each worker thread. The tables of the encodings, 3 MB, are copied
/// when a text is first counted with one; that counts are right then is for `cases/counts.json` to say.
#[test]
fn its_start_copies_no_table_of_an_encoding() {
    let tables = ["cl100k", "o200k"].map(|name| {
        let file = format!("{}/../tokens/tables/{name}.units", env!("CARGO_MANIFEST_DIR"));
        usize::try_from(std::fs::metadata(file).unwrap().len()).unwrap()
    });
    let surface = surface();
    assert_eq!(surface.passive, tables);
    assert!(surface.active.iter().sum::<usize>() < 900_000, "copied at start: {:?}", surface.active);
}
