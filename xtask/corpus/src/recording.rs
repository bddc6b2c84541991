//! The recordings, read by the library of the replays, with this program's kind of errors.

use anyhow::{Error, Result};
use std::collections::HashMap;
use std::path::Path;
use tokenstile_host::replay::trace::recording;

pub use recording::{Exchange, Oracle, Price, header};

/// The oracle by the id of its exchange.
///
/// # Errors
/// A file cannot be read.
pub fn oracle(folder: &Path) -> Result<HashMap<String, Oracle>> {
    recording::oracle(folder).map_err(Error::msg)
}

/// Hands every exchange to `take`.
///
/// # Errors
/// A file cannot be read, or `take` fails.
pub fn exchanges(folder: &Path, mut take: impl FnMut(Exchange) -> Result<()>) -> Result<()> {
    recording::exchanges(folder)
        .map_err(Error::msg)?
        .try_for_each(|exchange| take(exchange.map_err(Error::msg)?))
}
