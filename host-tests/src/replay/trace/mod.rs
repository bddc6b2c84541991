//! What has happened, read call by call: our own cost records, recorded exchanges, HAR, Envoy's access logs, token
//! counts as CSV. Called by `tokenstile replay` and `suggest`, and by the programs that measure over recordings. It
//! owns the formats, and knows neither policy nor engine, but for what a usage is.
//!
//! Nothing is kept of a trace but the call at hand, so that its length does not matter. A line that cannot be read is
//! told with its place, and one that is left out with the reason: nothing is dropped in silence.

mod access;
mod counts;
mod har;
mod open;
mod order;
pub mod overlay;
mod recent;
pub mod recording;
mod records;
mod time;

pub use open::{Fields, Format, Progress, Setting, open, records as cost_records};
pub use order::{Ordered, Timing};
pub use recent::Recent;
pub use records::whole as record_in;

use std::sync::Arc;
use tokenstile_engine::units::EpochMs;
use tokenstile_engine::usage::Usage;

/// What a reader met.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "almost all are calls, and one is there at a time")]
pub enum Read {
    /// A call.
    Call(Call),
    /// Something that cannot be read.
    Bad(Bad),
    /// Something that is no call that can be replayed: why.
    Left(&'static str),
}

/// The source of a trace.
pub type Reads = Box<dyn Iterator<Item = Read>>;

/// What cannot be read, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad {
    /// `file:line`.
    pub place: String,
    /// What is wrong.
    pub why: String,
}

/// One call.
#[derive(Debug, Clone)]
pub struct Call {
    /// When it began, if the trace says so.
    pub at: Option<EpochMs>,
    /// How long it took, if the trace says so.
    pub duration_ms: Option<i64>,
    /// What is known of it.
    pub what: What,
}

/// What is known of a call.
#[derive(Debug, Clone)]
#[allow(
    clippy::large_enum_variant,
    reason = "millions are counted, and none of them needs a place of its own"
)]
pub enum What {
    /// Its numbers.
    Counted(Counted),
    /// Request and answer.
    Whole(Arc<Whole>),
}

/// Values of dimensions, by their names.
pub type Dimensions = Vec<(Arc<str>, Arc<str>)>;

/// A call of which the numbers are known.
#[derive(Debug, Clone)]
pub struct Counted {
    /// Who called, by the names of dimensions.
    pub dimensions: Dimensions,
    /// The API spoken, by our name of it.
    pub dialect: Arc<str>,
    /// Who served, as the price book names it; empty if unknown.
    pub provider: Arc<str>,
    /// The model asked for.
    pub model: Arc<str>,
    /// The model that answered; empty if unknown, or if it was not the one asked for.
    pub answered: Arc<str>,
    /// The service tier that it asked for and whose price it had, by our name of it; empty if it is not known, or the
    /// standard one.
    pub tier: Arc<str>,
    /// The request's own bound for its output.
    pub output_bound: Option<u64>,
    /// What it held before it began, in tokens, if the trace says so.
    pub held: Option<u64>,
    /// What came of it.
    pub used: Used,
    /// Whether its answer streamed, if the trace says so.
    pub streams: Option<bool>,
    /// The status of the answer.
    pub status: u16,
}

/// What a recorded call used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Used {
    /// Nothing: it failed.
    Nothing,
    /// This.
    Stated(Usage),
    /// It was refused then; so many tokens were expected of it.
    Refused(u64),
}

/// More tokens than any call has: the longest contexts are of some millions.
const TOKENS_MOST: u64 = 1_000_000_000;

/// Whether a call can have used so much. What is more is a slip of whoever wrote it, and would be the whole of any sum.
///
/// # Errors
/// It cannot.
pub(crate) fn plausible(usage: &Usage) -> Result<(), String> {
    let Usage { input, output, web_searches, .. } = *usage;
    let parts = [
        usage.cache_read,
        usage.cache_write,
        usage.cache_write_1h,
        usage.input_audio,
        usage.input_image,
        usage.input_video,
        usage.cache_read_audio,
        usage.cache_read_image,
        usage.reasoning,
        usage.output_audio,
        usage.output_image,
    ];
    match parts.into_iter().chain([input, output, web_searches]).find(|count| *count > TOKENS_MOST) {
        Some(count) => Err(format!("{count} tokens are more than a call has")),
        None => Ok(()),
    }
}

/// A call of which request and answer are known.
#[derive(Debug, Clone, Default)]
pub struct Whole {
    /// `:method`.
    pub method: String,
    /// `:authority`.
    pub host: String,
    /// `:path`.
    pub path: String,
    /// Names in lower case.
    pub request_headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub request: Vec<u8>,
    /// The status of the answer.
    pub status: u16,
    /// Names in lower case.
    pub answer_headers: Vec<(String, Vec<u8>)>,
    /// The body of the answer.
    pub answer: Vec<u8>,
}

impl Whole {
    /// About how many bytes it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.request.len() + self.answer.len()
    }

    /// A header of the answer.
    #[must_use]
    pub fn answer_header(&self, name: &str) -> Option<&[u8]> {
        self.answer_headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
    }
}

/// Whether a recorded header fits a recorded body: those are whole and unpacked, and connections are not recorded.
fn fits(name: &str) -> bool {
    const NOT: [&str; 7] = [
        "content-length",
        "content-encoding",
        "transfer-encoding",
        "connection",
        "host",
        "expect",
        "accept-encoding",
    ];
    !name.starts_with(':') && !NOT.contains(&name)
}
