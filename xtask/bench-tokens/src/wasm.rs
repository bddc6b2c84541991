//! The counters in wasmtime.

use crate::speeds::{self, Way, median, timed};
use anyhow::{Context, Result};
use std::path::PathBuf;
use wasmtime::{Engine, Instance, Memory, Module, Store, TypedFunc};

/// A module of `tokens/vm-bench` that runs.
struct Vm {
    store: Store<()>,
    memory: Memory,
    buffer: TypedFunc<u32, u32>,
    count: TypedFunc<(u32, u32), u64>,
}

/// So often each module is started; the median is told.
const STARTS: usize = 50;

/// Prints starts, memory and speeds.
pub(crate) fn measure(modules: &[(&'static str, PathBuf)]) -> Result<()> {
    let engine = Engine::default();
    println!(
        "\n| wasmtime | instance, ms | then the first count of cl100k | then of o200k | memory, MB |\n| --- | --- | --- | --- | --- |"
    );
    let mut vms = Vec::new();
    for (name, file) in modules {
        let module = Module::from_file(&engine, file).map_err(|error| anyhow::anyhow!("{error:#}"))?;
        // The others take seconds.
        let starts = if name.starts_with("tokenstile") { STARTS } else { 2 };
        let mut times = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..starts {
            let (instance, vm) = timed(|| Vm::new(&engine, &module));
            let mut vm = vm?;
            let (cl100k, counted) = timed(|| vm.count(0, "first"));
            counted?;
            let (o200k, counted) = timed(|| vm.count(1, "first"));
            counted?;
            for (times, seconds) in times.iter_mut().zip([instance, cl100k, o200k]) {
                times.push(1000.0 * seconds);
            }
        }
        let mut vm = Vm::new(&engine, &module)?;
        vm.count(0, "first").and_then(|_| vm.count(1, "first"))?;
        let memory = vm.memory.data_size(&vm.store) as f64 / 1e6;
        let [instance, cl100k, o200k] = times.map(median);
        println!("| {name} | {instance:.3} | {cl100k:.3} | {o200k:.3} | {memory:.2} |");
        vms.push((*name, vm));
    }
    let mut ways: Vec<Way<'_>> = vms
        .iter_mut()
        .map(|(name, vm)| Way {
            name,
            count: Box::new(|encoding, text| vm.count(encoding, text).expect("the module counts")),
        })
        .collect();
    speeds::print("wasmtime", &mut ways);
    Ok(())
}

impl Vm {
    fn new(engine: &Engine, module: &Module) -> Result<Self> {
        let mut store = Store::new(engine, ());
        let new = |store: &mut Store<()>| -> wasmtime::Result<_> {
            let instance = Instance::new(&mut *store, module, &[])?;
            let (buffer, count) = (
                instance.get_typed_func(&mut *store, "buffer")?,
                instance.get_typed_func(&mut *store, "count")?,
            );
            Ok((instance.get_memory(&mut *store, "memory"), buffer, count))
        };
        let (memory, buffer, count) = new(&mut store).map_err(|error| anyhow::anyhow!("{error:#}"))?;
        Ok(Self { memory: memory.context("the module has a memory")?, store, buffer, count })
    }

    /// The seconds that counting takes, and the tokens; copying the text is not measured.
    fn count(&mut self, encoding: u32, text: &str) -> Result<(f64, u64)> {
        let bytes = u32::try_from(text.len())?;
        let failed = |error: wasmtime::Error| anyhow::anyhow!("{error:#}");
        let at = self.buffer.call(&mut self.store, bytes).map_err(failed)?;
        self.memory.write(&mut self.store, at as usize, text.as_bytes())?;
        let (seconds, tokens) = timed(|| self.count.call(&mut self.store, (encoding, bytes)));
        Ok((seconds, tokens.map_err(failed)?))
    }
}
