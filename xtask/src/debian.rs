//! A compiler for wasm32 out of Debian's packages, unpacked under `target/` and never installed.
//!
//! Called by [`crate::wasm`] when neither the toolchain nor rustup has the target. Debian's
//! `rustc-web` ships the sources of the standard library (`rust-web-src`), from which cargo's
//! build-std makes the one for wasm32; the linker is the `rust-lld` of the installed toolchain.
//! Nothing here needs to be root but a first `apt-get update`.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{root, sh};

/// What cargo needs beside itself.
pub(crate) struct Toolchain {
    /// A script that starts Debian's rustc with its own shared libraries, and nobody else with them.
    pub(crate) rustc: PathBuf,
    /// rust-lld.
    pub(crate) linker: PathBuf,
}

/// Unpacks the compiler, unless it is there already.
pub(crate) fn toolchain() -> Result<Toolchain> {
    let linker = rust_lld()?;
    let rustc = dir().join("rustc");
    if !is_unpacked() {
        unpack(&dir(), &rustc)?;
    }
    Ok(Toolchain { rustc, linker })
}

/// Whether the compiler is there and starts.
pub(crate) fn is_unpacked() -> bool {
    sh::read(Command::new(dir().join("rustc")).arg("--version")).is_ok()
}

fn dir() -> PathBuf {
    root().join("target/debian-rustc")
}

fn unpack(dir: &Path, rustc: &Path) -> Result<()> {
    for tool in ["apt-get", "apt-cache", "dpkg", "dpkg-query"] {
        if sh::which(tool).is_none() {
            bail!("`{tool}` is not on PATH; this way is for Debian and its children");
        }
    }
    refresh_lists()?;
    let packages = packages()?;
    println!("unpacking {} under {} …", packages.join(", "), sh::pretty(dir));
    let debs = dir.join("debs");
    fs::create_dir_all(&debs)?;
    // Its notes on a missing sandbox user are of no interest; an error is carried by `read`.
    sh::read(Command::new("apt-get").arg("download").args(&packages).current_dir(&debs))?;
    for deb in fs::read_dir(&debs)? {
        sh::run(Command::new("dpkg").arg("-x").arg(deb?.path()).arg(dir))?;
    }
    fs::remove_dir_all(&debs)?;
    write_wrapper(dir, rustc)?;
    let version =
        sh::read(Command::new(rustc).arg("--version")).context("the unpacked rustc does not start")?;
    println!("unpacked {version}");
    Ok(())
}

/// Fresh machines and images carry no package lists.
fn refresh_lists() -> Result<()> {
    if depends("libstd-rust-web-dev").is_ok_and(|found| !found.is_empty()) {
        return Ok(());
    }
    println!("no package lists here: `apt-get update` is needed …");
    if sh::read(Command::new("id").arg("-u"))? != "0" {
        bail!("run `apt-get update` as root once, then this again");
    }
    sh::run(Command::new("apt-get").args(["update", "-qq"]))?;
    if depends("libstd-rust-web-dev")?.is_empty() {
        bail!("this distribution has no package `libstd-rust-web-dev`");
    }
    Ok(())
}

/// The compiler, its library's sources, and each shared library that this machine lacks.
fn packages() -> Result<Vec<String>> {
    let library = depends("libstd-rust-web-dev")?
        .into_iter()
        .find(|name| name.starts_with("libstd-rust-web-"))
        .context("`libstd-rust-web-dev` depends on no `libstd-rust-web-…`")?;
    let mut wanted: Vec<String> =
        ["rustc-web", "rust-web-src", "libstd-rust-web-dev"].map(str::to_owned).to_vec();
    wanted.push(library.clone());
    let shared = read_depends(&["--recurse", &library])?;
    wanted.extend(shared.into_iter().filter(|name| name.starts_with("lib") && !installed(name)));
    wanted.sort();
    wanted.dedup();
    Ok(wanted)
}

fn depends(package: &str) -> Result<Vec<String>> {
    read_depends(&[package])
}

fn read_depends(args: &[&str]) -> Result<Vec<String>> {
    let mut command = Command::new("apt-cache");
    command.arg("depends").args(["--important", "--no-pre-depends"]).args(args);
    let text = sh::read(&mut command)?;
    let names = text.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    // Names in angle brackets are virtual: another line names who provides them.
    Ok(names.filter(|name| !name.starts_with('<')).map(str::to_owned).collect())
}

fn installed(package: &str) -> bool {
    let query = sh::read(Command::new("dpkg-query").args(["-W", "-f=${Status}", package]));
    query.is_ok_and(|status| status.ends_with(" installed"))
}

fn write_wrapper(dir: &Path, rustc: &Path) -> Result<()> {
    let script = format!(
        "#!/bin/sh\nhere='{}'\n\
         LD_LIBRARY_PATH=\"$here/usr/lib/x86_64-linux-gnu:$here/usr/lib/aarch64-linux-gnu:$here/usr/lib\"\n\
         export LD_LIBRARY_PATH\nexec \"$here/usr/bin/rustc\" \"$@\"\n",
        dir.display()
    );
    fs::write(rustc, script)?;
    fs::set_permissions(rustc, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// The linker lies in each toolchain, and cargo's own is the one that surely exists here.
fn rust_lld() -> Result<PathBuf> {
    let sysroot = PathBuf::from(sh::read(sh::rustc().args(["--print", "sysroot"]))?);
    let host = sh::read(sh::rustc().args(["--print", "host-tuple"]))?;
    let path = sysroot.join("lib/rustlib").join(host).join("bin/rust-lld");
    if !path.is_file() {
        bail!("the toolchain has no `{}`", path.display());
    }
    Ok(path)
}
