//! The SDKs under `target/`, installed when they are missing or others than those named here; and their programs run.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

const REQUIREMENTS: &str = include_str!("requirements.txt");
const PACKAGES: &str = include_str!("package.json");

/// Tests of one process install one after the other.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Runs a program of this folder with the proxy's address and gives what it printed.
pub(crate) fn run(program: &str, url: &str) -> Value {
    let mut command = command(program);
    // A proxy of the machine's network is not for 127.0.0.1.
    command.arg(url).env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
    serde_json::from_str(&output(&mut command)).expect("the program prints JSON")
}

fn command(program: &str) -> Command {
    let _one = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let venv = python_sdks();
    if Path::new(program).extension().is_some_and(|end| end == "py") {
        let mut python = Command::new(venv.join("bin/python"));
        python.arg(sources().join(program)).env("PYTHONDONTWRITEBYTECODE", "1");
        return python;
    }
    let folder = node_sdks(&venv);
    // Node looks for packages from where the program stands.
    for file in [program, "scenarios.json"] {
        let text = std::fs::read(sources().join(file)).unwrap();
        if std::fs::read(folder.join(file)).ok().as_ref() != Some(&text) {
            std::fs::write(folder.join(file), text).unwrap();
        }
    }
    let mut node = Command::new(venv.join("bin/node"));
    node.arg(folder.join(program));
    node
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk")
}

fn target(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("target").join(name)
}

fn python_sdks() -> PathBuf {
    let venv = target("sdk-venv");
    let installed = venv.join("installed.txt");
    if std::fs::read_to_string(&installed).is_ok_and(|text| text == REQUIREMENTS) {
        return venv;
    }
    println!("installing Python's SDKs into {} …", venv.display());
    output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
    let mut pip = Command::new(venv.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    output(pip.arg(sources().join("requirements.txt")));
    std::fs::write(installed, REQUIREMENTS).unwrap();
    venv
}

fn node_sdks(venv: &Path) -> PathBuf {
    let folder = target("sdk-node");
    let installed = folder.join("installed.json");
    if std::fs::read_to_string(&installed).is_ok_and(|text| text == PACKAGES) {
        return folder;
    }
    println!("installing Node's SDKs into {} …", folder.display());
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("package.json"), PACKAGES).unwrap();
    let mut npm = Command::new(venv.join("bin/npm"));
    npm.args(["install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"]);
    output(npm.current_dir(&folder));
    std::fs::write(installed, PACKAGES).unwrap();
    folder
}

/// What a program that must succeed prints.
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}: {errors}", output.status);
    String::from_utf8(output.stdout).unwrap()
}
