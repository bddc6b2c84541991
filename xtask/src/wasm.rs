//! Makes `target/tokenstile.wasm`, by the first of three ways that works on this machine.
//!
//! Called by every command that needs the filter, so that none of them ever runs a stale one. The
//! build has a target folder of its own (`target/wasm`): a native build beside it neither waits nor
//! throws its work away. It knows nothing of what the filter does.

use std::{env, fs, path::PathBuf, process::Command, time::Duration};

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
    let ways = only.map_or_else(|| vec![Way::Installed, Way::Rustup, Way::Debian], |way| vec![way]);
    let mut refusals = Vec::new();
    for way in ways {
        // Only the preparation may fall through to the next way: an error in our code is the same
        // in all three, and shall be shown once.
        match prepare(way) {
            Ok(cargo) => return compile(cargo, way),
            Err(why) => refusals.push(format!("  {}: {why:#}", describe(way))),
        }
    }
    bail!(
        "no way to compile for {TARGET}:\n{}\ninstall the target with `rustup target add {TARGET}`",
        refusals.join("\n")
    )
}

fn describe(way: Way) -> &'static str {
    match way {
        Way::Installed => "installed target",
        Way::Rustup => "rustup target add",
        Way::Debian => "Debian's rustc-web with build-std",
    }
}

/// A cargo command that can compile for the target, without its arguments for the package.
fn prepare(way: Way) -> Result<Command> {
    match way {
        Way::Installed => {
            require_target()?;
            Ok(build_command(sh::cargo(), &[]))
        }
        Way::Rustup => {
            if !sh::answers("rustup") {
                bail!("rustup is not on PATH");
            }
            println!("adding {TARGET} with rustup …");
            let mut rustup = Command::new("rustup");
            rustup.args(["target", "add", TARGET]).env("RUSTUP_MAX_RETRIES", "1").current_dir(root());
            sh::run_within(&mut rustup, RUSTUP_LIMIT)?;
            require_target()?;
            Ok(build_command(sh::cargo(), &[]))
        }
        Way::Debian => {
            let tools = debian::toolchain()?;
            let mut cargo = sh::cargo();
            // build-std is unstable, and this compiler is a released one.
            cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTC", &tools.rustc);
            let linker = format!("-Clinker={}", tools.linker.display());
            let mut cargo = build_command(cargo, &[&linker]);
            cargo.arg("-Zbuild-std=std,panic_abort");
            Ok(cargo)
        }
    }
}

/// Whether the standard library for the target lies in the active toolchain.
pub(crate) fn require_target() -> Result<()> {
    let dir = sh::read(sh::rustc().args(["--print", "target-libdir", "--target", TARGET]))?;
    let found = fs::read_dir(&dir).is_ok_and(|entries| {
        entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
    });
    if !found {
        bail!("{TARGET} is not installed for the active toolchain");
    }
    Ok(())
}

fn build_command(mut cargo: Command, extra_flags: &[&str]) -> Command {
    cargo
        .args(["build", "--release", "--package", PACKAGE, "--target", TARGET, "--target-dir"])
        .arg(root().join("target/wasm"))
        // Set as a whole, so that the flags of a caller (CI denies warnings by RUSTFLAGS) neither
        // reach the module nor recompile it.
        .env("CARGO_ENCODED_RUSTFLAGS", flags(extra_flags).join("\x1f"))
        .env_remove("RUSTFLAGS");
    cargo
}

fn flags(extra: &[&str]) -> Vec<String> {
    let mut flags = vec![format!("-Clink-arg=-zstack-size={STACK_BYTES}")];
    // Paths inside panic messages: the same module from any checkout, and no home folder in it.
    flags.push(format!("--remap-path-prefix={}=tokenstile", root().display()));
    if let Some(home) = cargo_home() {
        flags.push(format!("--remap-path-prefix={}=cargo", home.display()));
    }
    flags.extend(extra.iter().map(|&flag| flag.to_owned()));
    flags
}

fn cargo_home() -> Option<PathBuf> {
    let from_user = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    env::var_os("CARGO_HOME").map(PathBuf::from).or_else(from_user)
}

fn compile(mut cargo: Command, way: Way) -> Result<PathBuf> {
    println!("building tokenstile.wasm: {} …", describe(way));
    sh::run(&mut cargo)?;
    let built = root().join("target/wasm").join(TARGET).join("release/tokenstile_plugin.wasm");
    let bytes = fs::read(&built)
        .with_context(|| format!("cargo made no `{}`; is {PACKAGE} a cdylib?", sh::pretty(&built)))?;
    let wasm = root().join("target/tokenstile.wasm");
    // Renamed into place: an Envoy or a test that reads it now sees the old or the new, whole.
    let fresh = root().join(format!("target/tokenstile.wasm.{}", std::process::id()));
    fs::write(&fresh, &bytes)?;
    fs::rename(&fresh, &wasm)?;
    println!(
        "{}: {} KiB, {} ({})",
        sh::pretty(&wasm),
        bytes.len().div_ceil(1024),
        describe(way),
        version(&cargo)?
    );
    Ok(wasm)
}

/// The version of the compiler that this command uses.
fn version(cargo: &Command) -> Result<String> {
    let chosen = cargo.get_envs().find_map(|(name, value)| (name == "RUSTC").then_some(value).flatten());
    let mut rustc = chosen.map_or_else(sh::rustc, Command::new);
    let line = sh::read(rustc.arg("--version"))?;
    Ok(line.split(" (").next().unwrap_or_default().to_owned())
}
