//! Makes `target/tokenstile.wasm`, by the first of three ways that works on this machine.
//!
//! Called by every command that needs the filter, so that none of them ever runs a stale one. The
//! build has a target folder of its own (`target/wasm`): a native build beside it neither waits nor
//! throws its work away. It knows nothing of what the filter does.

pub(crate) mod on_demand;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::{debian, root, sh};

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
const PACKAGE: &str = "tokenstile-plugin";

/// Bytes of stack in the linear memory of each VM.
///
/// The default of 1 MiB is paid once a worker thread and is far more than a filter needs, whose
/// calls are shallow and which keeps its tables and buffers elsewhere. 128 KiB leaves room for a
/// regular expression or a JSON value nested as deep as serde allows (128 levels).
const STACK_BYTES: u32 = 128 * 1024;

/// How long `rustup target add` may wait for its network.
const RUSTUP_LIMIT: Duration = Duration::from_secs(180);

/// How the standard library for the target is come by.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Way {
    /// The target is installed for the active toolchain.
    Installed,
    /// `rustup target add` installs it.
    Rustup,
    /// Debian's rustc-web builds it from source (no rustup, or no way to its server).
    Debian,
}

/// Builds the filter and gives its path. `only` forbids the other ways.
pub(crate) fn build(only: Option<Way>) -> Result<PathBuf> {
    let (way, toolchain) = first_way(only)?;
    println!("building tokenstile.wasm: {} …", describe(way));
    sh::run(&mut toolchain.command("build", PACKAGE))?;
    publish(way, &toolchain)
}

/// Builds another package of ours in the same way, and gives the path of its module.
pub(crate) fn build_package(package: &str) -> Result<PathBuf> {
    let (_, toolchain) = first_way(None)?;
    sh::run(&mut toolchain.command("build", package))?;
    let wasm = root().join("target/wasm").join(package).with_extension("wasm");
    fs::write(&wasm, linked(&made(package), on_demand::TABLES)?)?;
    Ok(wasm)
}

/// Where cargo puts the module of a package.
fn made(package: &str) -> PathBuf {
    let name = format!("{}.wasm", package.replace('-', "_"));
    root().join("target/wasm").join(TARGET).join("release").join(name)
}

/// What the linker made, its tables loaded on demand.
///
/// That takes `memory.init`, of the operations on memory in bulk. Who runs the filter has had them from the start: before
/// the first `memory.init` rustc put 1,330 `memory.copy` and 100 `memory.fill` into it. V8 has them since 7.5 (of 2019),
/// wasmtime by default since 2020 (bytecodealliance/wasmtime#2118).
pub(crate) fn linked(made: &Path, tables: &[on_demand::Table]) -> Result<Vec<u8>> {
    let bytes = fs::read(made)
        .with_context(|| format!("cargo made no `{}`; is its package a cdylib?", sh::pretty(made)))?;
    on_demand::load_on_demand(&bytes, tables)
}

/// Checks the filter as it is compiled for wasm32, warnings denied: by clippy, or by the compiler
/// alone where clippy lacks the target's library.
pub(crate) fn lint() -> Result<()> {
    let (way, toolchain) = first_way(None)?;
    let word = if way == Way::Debian { "rustc" } else { "clippy" };
    sh::run(toolchain.command(word, PACKAGE).args(["--", "--deny", "warnings"]))
}

/// The first way whose preparation succeeds.
///
/// Only the preparation may fall through to the next way: an error in our code is the same in all
/// three, and shall be shown once.
fn first_way(only: Option<Way>) -> Result<(Way, Toolchain)> {
    let ways = match only {
        Some(way) => vec![way],
        // Unpacked by an earlier build: rustup failed then, and may take minutes to fail again.
        None if debian::is_unpacked() => vec![Way::Installed, Way::Debian],
        None => vec![Way::Installed, Way::Rustup, Way::Debian],
    };
    let mut refusals = Vec::new();
    for way in ways {
        match prepare(way) {
            Ok(toolchain) => return Ok((way, toolchain)),
            Err(why) => {
                let refusal = format!("{}: {why:#}", describe(way));
                println!("not this way: {refusal}");
                refusals.push(refusal);
            }
        }
    }
    bail!(
        "no way to compile for {TARGET}; install it with `rustup target add {TARGET}`. {}",
        refusals.join("; ")
    )
}

fn describe(way: Way) -> &'static str {
    match way {
        Way::Installed => "installed target",
        Way::Rustup => "rustup target add",
        Way::Debian => "Debian's rustc-web with build-std",
    }
}

fn prepare(way: Way) -> Result<Toolchain> {
    match way {
        Way::Installed => {
            require_target()?;
            Ok(Toolchain::Active)
        }
        Way::Rustup => {
            if !sh::answers("rustup") {
                bail!("rustup is not on PATH");
            }
            println!("adding {TARGET} with rustup …");
            let mut rustup = Command::new("rustup");
            rustup.args(["target", "add", TARGET]).current_dir(root());
            // No second try without a network, and no stack of its own in an error.
            rustup.env("RUSTUP_MAX_RETRIES", "1").env("RUST_BACKTRACE", "0");
            sh::run_within(&mut rustup, RUSTUP_LIMIT)?;
            require_target()?;
            Ok(Toolchain::Active)
        }
        Way::Debian => debian::toolchain().map(Toolchain::Debian),
    }
}

/// What compiles for the target.
enum Toolchain {
    /// The toolchain that runs this program.
    Active,
    Debian(debian::Toolchain),
}

impl Toolchain {
    /// `cargo word` with all that both kinds of toolchain need to compile a package of ours.
    fn command(&self, word: &str, package: &str) -> Command {
        let mut cargo = sh::cargo();
        cargo
            .args([word, "--release", "--package", package, "--target", TARGET, "--target-dir"])
            .arg(root().join("target/wasm"));
        let mut flags = flags();
        if let Self::Debian(tools) = self {
            // build-std is unstable, and this compiler is a released one.
            cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTC", &tools.rustc).arg("-Zbuild-std=std,panic_abort");
            flags.push(format!("-Clinker={}", tools.linker.display()));
        }
        // Set as a whole, so that the flags of a caller neither reach the module nor recompile it.
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f")).env_remove("RUSTFLAGS");
        cargo
    }

    fn version(&self) -> Result<String> {
        let line = match self {
            Self::Active => sh::read(sh::rustc().arg("--version")),
            Self::Debian(tools) => sh::read(Command::new(&tools.rustc).arg("--version")),
        }?;
        Ok(line.split(" (").next().unwrap_or_default().to_owned())
    }
}

/// Whether the standard library for the target lies in the active toolchain.
fn require_target() -> Result<()> {
    let dir = sh::read(sh::rustc().args(["--print", "target-libdir", "--target", TARGET]))?;
    let found = fs::read_dir(&dir).is_ok_and(|entries| {
        entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
    });
    if !found {
        bail!("{TARGET} is not installed for the active toolchain");
    }
    Ok(())
}

/// Operations on 16 bytes at once, which counting tokens is made of.
///
/// Every engine of a supported host has them switched on: V8 since 9.1 (of 2021; Envoy), and wasmtime since 0.33 by
/// default (bytecodealliance/wasmtime#3601, WebAssembly/website#259), which is what APISIX's wasm-nginx-module
/// (0.38.1, `wasm_engine_new()` and so the defaults) and WasmX (26) run. On x86-64 they take SSE4.1, of 2008.
pub(crate) const SIMD: &str = "-Ctarget-feature=+simd128";

fn flags() -> Vec<String> {
    let mut flags = vec![format!("-Clink-arg=-zstack-size={STACK_BYTES}"), SIMD.to_owned()];
    // Paths inside panic messages: the same module from any checkout, and no home folder in it.
    flags.push(format!("--remap-path-prefix={}=tokenstile", root().display()));
    if let Some(home) = cargo_home() {
        flags.push(format!("--remap-path-prefix={}=cargo", home.display()));
    }
    flags
}

fn cargo_home() -> Option<PathBuf> {
    let from_user = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    env::var_os("CARGO_HOME").map(PathBuf::from).or_else(from_user)
}

/// Puts the module where everybody looks for it.
fn publish(way: Way, toolchain: &Toolchain) -> Result<PathBuf> {
    let bytes = linked(&made(PACKAGE), on_demand::TABLES)?;
    let wasm = root().join("target/tokenstile.wasm");
    // Renamed into place: an Envoy or a test that reads it now sees the old or the new, whole.
    let fresh = root().join(format!("target/tokenstile.wasm.{}", std::process::id()));
    fs::write(&fresh, &bytes)?;
    fs::rename(&fresh, &wasm)?;
    let size = bytes.len().div_ceil(1024);
    println!("{}: {size} KiB, {} ({})", sh::pretty(&wasm), describe(way), toolchain.version()?);
    Ok(wasm)
}
