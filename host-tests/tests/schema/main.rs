//! The JSON Schemas of policies, scenarios and cost records. `TOKENSTILE_UPDATE=1 cargo test -p tokenstile-host --test
//! schema` writes them anew.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by a panic")]

mod policy;
mod record;
mod scenario;
mod types;

use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// The file says what the types say, and so does `tokenstile schema` with these words.
fn assert_ships(place: &Path, generated: &Value, words: &[&str]) {
    let text = format!("{generated:#}\n");
    if std::env::var_os("TOKENSTILE_UPDATE").is_some() {
        std::fs::write(place, text).unwrap();
        // The command has the one before it in it.
        return;
    }
    let shipped = std::fs::read_to_string(place).unwrap_or_default();
    assert!(
        shipped == text,
        "{} is not what the types say; `TOKENSTILE_UPDATE=1 cargo test -p tokenstile-host --test schema` writes it",
        place.display()
    );
    let said = Command::new(env!("CARGO_BIN_EXE_tokenstile")).arg("schema").args(words).output().unwrap();
    assert!(said.status.success());
    assert_eq!(String::from_utf8(said.stdout).unwrap(), shipped);
}
