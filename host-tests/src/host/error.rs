//! Owns what can go wrong with a VM. Returned by `Vm` and `Driver`; the host itself never panics.

use super::LogLine;
use std::fmt;

/// A callback that did not come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trap {
    /// The callback in which it happened, such as `proxy_on_request_headers`.
    pub callback: String,
    /// Why.
    pub message: String,
    /// Whether the proxy's worker process dies of it, with all its connections, and not the VM alone.
    pub worker_crashed: bool,
}

/// Why a VM cannot be made or does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The bytes are no module, or the module does not load on this proxy.
    Load(String),
    /// The filter answered false to `proxy_on_vm_start` or `proxy_on_configure`, and logged this.
    Refused {
        /// The callback that answered false.
        callback: String,
        /// What the filter said meanwhile.
        log: Vec<LogLine>,
    },
    /// The filter or a host call trapped.
    Trap(Trap),
    /// The VM trapped before, and this proxy does not use it again.
    Dead,
    /// There is no such stream, or no such call outstanding.
    Unknown(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Load(why) => write!(f, "the filter does not load: {why}"),
            Error::Refused { callback, log } => {
                write!(f, "the filter answered false in `{callback}`")?;
                log.iter().try_for_each(|line| write!(f, "\n  {:?}: {}", line.level, line.text()))
            }
            Error::Trap(trap) => {
                let what = if trap.worker_crashed { "the worker crashed" } else { "the filter trapped" };
                write!(f, "{what} in `{}`: {}", trap.callback, trap.message)
            }
            Error::Dead => f.write_str("the filter trapped before and this proxy does not use it again"),
            Error::Unknown(what) => write!(f, "there is no {what}"),
        }
    }
}

impl std::error::Error for Error {}
