//! Owns small filters written as text for the host's own tests. Used by `host_*.rs`; it must not know our plugin.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fmt::Write;
use tokenstile_host::host::{Error, LogLine, Module, Profile, Shared, Vm, VmConfig};

/// Every import that a test filter may use: the name after `$` is the ABI's without `proxy_`.
const IMPORTS: &[(&str, &str)] = &[
    ("log", "i32 i32 i32"),
    ("get_header_map_value", "i32 i32 i32 i32 i32"),
    ("get_header_map_pairs", "i32 i32 i32"),
    ("set_header_map_pairs", "i32 i32 i32"),
    ("add_header_map_value", "i32 i32 i32 i32 i32"),
    ("replace_header_map_value", "i32 i32 i32 i32 i32"),
    ("remove_header_map_value", "i32 i32 i32"),
    ("get_buffer_bytes", "i32 i32 i32 i32 i32"),
    ("set_buffer_bytes", "i32 i32 i32 i32 i32"),
    ("get_property", "i32 i32 i32 i32"),
    ("set_property", "i32 i32 i32 i32"),
    ("get_shared_data", "i32 i32 i32 i32 i32"),
    ("set_shared_data", "i32 i32 i32 i32 i32"),
    ("register_shared_queue", "i32 i32 i32"),
    ("resolve_shared_queue", "i32 i32 i32 i32 i32"),
    ("enqueue_shared_queue", "i32 i32 i32"),
    ("dequeue_shared_queue", "i32 i32 i32"),
    ("define_metric", "i32 i32 i32 i32"),
    ("increment_metric", "i32 i64"),
    ("record_metric", "i32 i64"),
    ("get_current_time_nanoseconds", "i32"),
    ("set_tick_period_milliseconds", "i32"),
    ("http_call", "i32 i32 i32 i32 i32 i32 i32 i32 i32 i32"),
    ("grpc_call", "i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32"),
    ("send_local_response", "i32 i32 i32 i32 i32 i32 i32 i32"),
    ("continue_stream", "i32"),
    ("close_stream", "i32"),
    ("set_effective_context", "i32"),
    ("done", ""),
    ("call_foreign_function", "i32 i32 i32 i32 i32 i32"),
];

/// Places in the filter's memory that host calls may write to.
pub(crate) const OUT: &str = "(i32.const 16)";
pub(crate) const OUT_LEN: &str = "(i32.const 20)";
pub(crate) const OUT_MORE: &str = "(i32.const 24)";

/// A filter in the making.
#[derive(Default)]
pub(crate) struct Filter {
    data: Vec<u8>,
    callbacks: String,
    extra: String,
}

const DATA_AT: usize = 1024;

impl Filter {
    /// Puts bytes into the filter's memory; the two arguments with which a host call takes them.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> String {
        let at = DATA_AT + self.data.len();
        self.data.extend(bytes);
        format!("(i32.const {at}) (i32.const {})", bytes.len())
    }

    pub(crate) fn text(&mut self, text: &str) -> String {
        self.bytes(text.as_bytes())
    }

    /// Puts headers into the filter's memory, as the ABI lays them out.
    pub(crate) fn map(&mut self, entries: &[(&str, &str)]) -> String {
        let mut bytes = (entries.len() as u32).to_le_bytes().to_vec();
        for (name, value) in entries {
            bytes.extend((name.len() as u32).to_le_bytes());
            bytes.extend((value.len() as u32).to_le_bytes());
        }
        for (name, value) in entries {
            bytes.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
        }
        self.bytes(&bytes)
    }

    /// Adds a callback of that many numbers. `body` leaves a number if the callback returns one.
    pub(crate) fn on(mut self, callback: &str, params: usize, returns: bool, body: &str) -> Self {
        let params = "i32 ".repeat(params);
        let result = if returns { "(result i32)" } else { "" };
        let _ = writeln!(self.callbacks, "(func (export \"{callback}\") (param {params}) {result} {body})");
        self
    }

    /// Adds anything else.
    pub(crate) fn with(mut self, extra: &str) -> Self {
        self.extra.push_str(extra);
        self
    }

    pub(crate) fn build(&self) -> Vec<u8> {
        let mut wat = String::from("(module\n");
        for (name, params) in IMPORTS {
            let used = self.callbacks.contains(&format!("${name} "))
                || self.callbacks.contains(&format!("${name})"))
                || *name == "log";
            if used {
                let _ = writeln!(
                    wat,
                    "(import \"env\" \"proxy_{name}\" (func ${name} (param {params}) (result i32)))"
                );
            }
        }
        let data: String = self.data.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let _ = write!(
            wat,
            r#"(memory (export "memory") 8)
            (global $heap (mut i32) (i32.const 131072))
            (data (i32.const {DATA_AT}) "{data}")
            (func (export "malloc") (param i32) (result i32) (global.get $heap)
              (global.set $heap (i32.add (global.get $heap) (local.get 0))))
            (func (export "proxy_abi_version_0_2_1"))
            ;; Logs a status as two digits.
            (func $say (param i32)
              (i32.store8 (i32.const 32) (i32.add (i32.const 48) (i32.div_u (local.get 0) (i32.const 10))))
              (i32.store8 (i32.const 33) (i32.add (i32.const 48) (i32.rem_u (local.get 0) (i32.const 10))))
              (drop (call $log (i32.const 2) (i32.const 32) (i32.const 2))))
            ;; Logs what a host call gave.
            (func $show (drop (call $log (i32.const 2)
              (i32.load (i32.const 16)) (i32.load (i32.const 20)))))
            {callbacks}
            {extra})"#,
            callbacks = self.callbacks,
            extra = self.extra,
        );
        wat::parse_str(&wat).unwrap_or_else(|error| panic!("{error}\n{wat}"))
    }

    pub(crate) fn module(&self) -> Module {
        Module::compile(&self.build()).unwrap()
    }

    pub(crate) fn vm(&self, profile: Profile) -> Vm {
        self.vm_with(&Shared::new(), VmConfig::new(profile, ""))
    }

    pub(crate) fn vm_with(&self, shared: &Shared, config: VmConfig) -> Vm {
        self.try_vm(shared, config).unwrap()
    }

    pub(crate) fn try_vm(&self, shared: &Shared, config: VmConfig) -> Result<Vm, Error> {
        Vm::new(&self.module(), shared, config)
    }
}

/// A host call whose status is logged.
pub(crate) fn say(call: &str) -> String {
    format!("(call $say {call})")
}

/// The lines of the log.
pub(crate) fn log(vm: &Vm) -> Vec<String> {
    vm.shared().log().lines().iter().map(LogLine::text).collect()
}
