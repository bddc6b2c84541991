//! The engine in wasmtime, and a table of that beside what `engine/benches/engine.rs` measured natively before:
//! `cargo xtask bench engine`. `TOKENSTILE_ENGINE_WASM` names the module, `CRITERION_HOME` the measurements.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark may stop where it fails"
)]

#[path = "../../engine/benches/bodies/mod.rs"]
mod bodies;
#[path = "../../engine/benches/cpu/mod.rs"]
mod cpu;

use bodies::Body;
use criterion::Throughput;
use serde_json::Value;
use std::hint::black_box;
use std::path::PathBuf;
use wasmtime::{Engine, Instance, Memory, Module, Store, TypedFunc};

const PARTS: [&str; 4] = ["read", "count", "splice", "usage"];

struct Vm {
    store: Store<()>,
    instance: Instance,
    memory: Memory,
}

impl Vm {
    fn new(module: &PathBuf) -> Self {
        let engine = Engine::default();
        let module = Module::from_file(&engine, module).expect("a module that compiles");
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("a module without imports");
        let memory = instance.get_memory(&mut store, "memory").expect("its memory");
        Self { store, instance, memory }
    }

    fn open(&mut self, body: &[u8]) {
        let buffer: TypedFunc<u32, u32> = self.instance.get_typed_func(&mut self.store, "buffer").unwrap();
        let at = buffer.call(&mut self.store, u32::try_from(body.len()).unwrap()).unwrap();
        self.memory.write(&mut self.store, at as usize, body).unwrap();
        let open: TypedFunc<(), ()> = self.instance.get_typed_func(&mut self.store, "open").unwrap();
        open.call(&mut self.store, ()).unwrap();
    }

    fn part(&mut self, name: &str) -> TypedFunc<(), u64> {
        self.instance.get_typed_func(&mut self.store, name).unwrap()
    }
}

fn main() {
    let module = PathBuf::from(
        std::env::var_os("TOKENSTILE_ENGINE_WASM").expect("start me by `cargo xtask bench engine`"),
    );
    let mut criterion = cpu::criterion().configure_from_args();
    let mut vm = Vm::new(&module);
    for part in PARTS {
        let mut group = criterion.benchmark_group(format!("wasm {part}"));
        let run = vm.part(part);
        for (name, body) in bodies_of(part) {
            vm.open(&body);
            assert_ne!(run.call(&mut vm.store, ()).unwrap(), 0, "{part} does nothing with {name}");
            group.throughput(Throughput::Bytes(body.len() as u64));
            group.bench_function(&name, |bencher| {
                bencher.iter(|| black_box(run.call(&mut vm.store, ()).unwrap()));
            });
        }
    }
    criterion.final_summary();
    report();
}

fn bodies_of(part: &str) -> Vec<Body> {
    if part == "usage" { bodies::answers() } else { bodies::requests() }
}

/// Nanoseconds a byte, as measured; the median of criterion's samples.
fn cost(place: &str, part: &str, body: &Body) -> Option<f64> {
    let home = PathBuf::from(std::env::var_os("CRITERION_HOME")?);
    let file = home.join(format!("{place} {part}")).join(&body.0).join("new/estimates.json");
    let estimates: Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    Some(estimates["median"]["point_estimate"].as_f64()? / body.1.len() as f64)
}

fn report() {
    println!("\nMB/s, native / wasm (wasmtime):\n\n| body | {} |", PARTS.join(" | "));
    println!("| --- |{}", " --- |".repeat(PARTS.len()));
    let names: Vec<String> = bodies::requests().into_iter().map(|(name, _)| name).collect();
    let cell = |place: &str, part: &str, name: &str| {
        let body = bodies_of(part).into_iter().find(|(other, _)| other == name);
        body.and_then(|body| cost(place, part, &body))
    };
    for name in &names {
        let cells = PARTS.map(|part| {
            let speed =
                |place| cell(place, part, name).map_or("–".to_owned(), |cost| format!("{:.0}", 1e3 / cost));
            format!("{} / {}", speed("native"), speed("wasm"))
        });
        println!("| {name} | {} |", cells.join(" | "));
    }
    println!("\nLinear? What a byte costs at 1 MB against 10 KB, and against 100 KB; native / wasm:\n");
    println!("| text | {} |", PARTS.join(" | "));
    println!("| --- |{}", " --- |".repeat(PARTS.len()));
    for text in names.iter().filter_map(|name| name.strip_suffix(" 1 MB")) {
        let cells = PARTS.map(|part| {
            let growth = |place, from: &str| {
                let small = cell(place, part, &format!("{text} {from}"));
                let large = cell(place, part, &format!("{text} 1 MB"));
                small.zip(large).map_or("–".to_owned(), |(small, large)| format!("{:.1}", large / small))
            };
            let both = |from| format!("{} / {}", growth("native", from), growth("wasm", from));
            format!("{}, {}", both("10 KB"), both("100 KB"))
        });
        println!("| {text} | {} |", cells.join(" | "));
    }
    println!("\nµs a body in the VM, beside what a prototype of the whole filter cost in Envoy (V8):\n");
    for (name, prototype) in [("chat 1 KB", 65), ("chat 10 KB", 105), ("chat 100 KB", 153)] {
        let bytes = |part: &str| {
            bodies_of(part).into_iter().find(|(other, _)| other == name).map(|body| body.1.len())
        };
        let micros = |part: &str| Some(cell("wasm", part, name)? * bytes(part)? as f64 / 1e3);
        let all = PARTS.map(|part| format!("{part} {:.1}", micros(part).unwrap_or(f64::NAN)));
        println!("{name}: {}; prototype + {prototype}", all.join(", "));
    }
}
