//! The policy as written: one type for each JSON object, every key known.
//!
//! Only shapes are checked here; [`super::compile`] checks meanings. deserr gives all errors at once.

use super::PolicyErrors;
use super::condition::Wanted;
use super::effort::Effort;
use super::language::Message;
use super::named::Named;
use deserr::Deserr;

/// The whole policy document.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct Document {
    #[deserr(rename = "$schema", default)]
    pub(super) schema: Option<String>,
    pub(super) version: u32,
    pub(super) name: String,
    #[deserr(default)]
    pub(super) mode: Mode,
    #[deserr(default)]
    pub(super) hold_headers: bool,
    #[deserr(default)]
    pub(super) on_error: Verdict,
    #[deserr(default)]
    pub(super) opaque: Verdict,
    #[deserr(default)]
    pub(super) unread: Unread,
    #[deserr(default)]
    pub(super) unknown: Verdict,
    #[deserr(default)]
    pub(super) stream_usage: StreamUsageRule,
    #[deserr(default)]
    pub(super) stream_notes: bool,
    #[deserr(default)]
    pub(super) count: CountRule,
    #[deserr(default)]
    pub(super) hold: HoldRule,
    #[deserr(default)]
    pub(super) provider: Option<String>,
    #[deserr(default)]
    pub(super) prices: super::prices::Wire,
    #[deserr(default)]
    pub(super) table_full: Verdict,
    #[deserr(default = 1 << 20)]
    pub(super) max_body_bytes: u32,
    #[deserr(default = 512)]
    pub(super) expected_output_tokens: u32,
    #[deserr(default)]
    pub(super) learned_output: Option<LearnedOutput>,
    #[deserr(default = 65_536)]
    pub(super) table_slots: u32,
    #[deserr(default)]
    pub(super) hash_seed: u64,
    #[deserr(default)]
    pub(super) quota_path: Option<String>,
    #[deserr(default)]
    pub(super) identity: Named<Vec<String>>,
    #[deserr(default)]
    pub(super) jwt: Jwt,
    #[deserr(default)]
    pub(super) trusted_hops: u8,
    #[deserr(default)]
    pub(super) strip_request_headers: Vec<String>,
    #[deserr(default)]
    pub(super) overrides: Vec<Override>,
    #[deserr(default)]
    pub(super) exempt: Vec<Exempt>,
    #[deserr(default)]
    pub(super) blocks: Vec<super::rules::WireBlock>,
    #[deserr(default)]
    pub(super) request_limits: Vec<super::rules::WireLimit>,
    #[deserr(default)]
    pub(super) routes: Vec<super::routes::WireRoute>,
    #[deserr(default)]
    pub(super) confirm: super::confirm::WireConfirmations,
    #[deserr(default)]
    pub(super) downgrades: Named<Vec<Downgrade>>,
    #[deserr(default)]
    pub(super) alerts: serde_json::Value,
    #[deserr(default)]
    pub(super) budgets: Vec<Budget>,
    #[deserr(default)]
    pub(super) metrics: Metrics,
    #[deserr(default)]
    pub(super) records: Records,
}

/// Where cost records go.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct Records {
    #[deserr(default = true)]
    pub(super) log: bool,
    #[deserr(default)]
    pub(super) filter_state: bool,
    #[deserr(default)]
    pub(super) http: serde_json::Value,
    #[deserr(default)]
    pub(super) prompt_prefix: bool,
}

impl Default for Records {
    fn default() -> Self {
        Self { log: true, filter_state: false, http: serde_json::Value::Null, prompt_prefix: false }
    }
}

/// What metrics are told apart by, beside what is of a bounded number by itself.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct Metrics {
    #[deserr(default)]
    pub(super) labels: Vec<String>,
    #[deserr(default = Metrics::default().max_values)]
    pub(super) max_values: u32,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { labels: Vec::new(), max_values: 100 }
    }
}

/// Whether decisions are carried out, or only recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserr)]
#[deserr(error = PolicyErrors, rename_all = lowercase)]
pub enum Mode {
    /// Carried out.
    #[default]
    Enforce,
    /// Recorded and counted; the call goes on as it was.
    Shadow,
}

/// What happens to a call in a case that budgets do not decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserr)]
#[deserr(error = PolicyErrors, rename_all = lowercase)]
pub enum Verdict {
    /// It goes on.
    #[default]
    Allow,
    /// It is refused, and told why.
    Deny,
}

/// What happens to a call whose body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserr)]
#[deserr(error = PolicyErrors, rename_all = lowercase)]
pub enum Unread {
    /// It goes on, and pays by what the answer states.
    #[default]
    Charge,
    /// It is refused where that is known before the upload.
    Deny,
}

/// Whether streams are asked for their usage where the client did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserr)]
#[deserr(error = PolicyErrors, rename_all = lowercase)]
pub enum StreamUsageRule {
    /// Where the provider is known to take it.
    #[default]
    Ask,
    /// Never: what such a stream used is counted from its text.
    Leave,
}

/// How exactly prompts are counted before a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserr)]
#[deserr(error = PolicyErrors)]
pub enum CountRule {
    /// As exactly as the decision needs: where the certain bounds decide already, the hold is estimated.
    #[default]
    #[deserr(rename = "as_needed")]
    AsNeeded,
    /// Always exactly.
    #[deserr(rename = "always")]
    Always,
}

/// How much output a hold assumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserr)]
#[deserr(error = PolicyErrors)]
pub enum HoldRule {
    /// What is expected, never more than the request's own bound.
    #[default]
    #[deserr(rename = "expected")]
    Expected,
    /// The request's own bound; what is expected where it has none.
    #[deserr(rename = "worst_case")]
    WorstCase,
}

/// How the output that a hold assumes is learned.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct LearnedOutput {
    pub(super) quantile: String,
    pub(super) per: Vec<String>,
}

/// One line of a downgrade list.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct Downgrade {
    pub(super) from: String,
    pub(super) to: String,
    #[deserr(default)]
    pub(super) can: Vec<String>,
    #[deserr(default)]
    pub(super) cannot: Vec<String>,
}

/// Where the payload of a verified token stands.
#[derive(Debug, Default, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct Jwt {
    #[deserr(default)]
    pub(super) payload_in_metadata: Option<String>,
    #[deserr(default)]
    pub(super) payload_header: Option<String>,
}

/// Another limit for some callers.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct Override {
    #[deserr(rename = "match")]
    pub(super) matches: Named<String>,
    pub(super) budget: String,
    pub(super) limit: Limit,
    #[deserr(default)]
    pub(super) until: Option<String>,
}

/// Callers whom no budget restricts.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct Exempt {
    #[deserr(rename = "match")]
    pub(super) matches: Named<String>,
    #[deserr(default)]
    pub(super) until: Option<String>,
}

/// One budget.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct Budget {
    pub(super) name: String,
    #[deserr(default)]
    pub(super) mode: Option<Mode>,
    #[deserr(default)]
    pub(super) on_error: Option<Verdict>,
    #[deserr(rename = "match", default)]
    pub(super) matches: Named<Wanted>,
    pub(super) per: Vec<String>,
    #[deserr(default)]
    pub(super) limit: Option<Limit>,
    #[deserr(default)]
    pub(super) tiers: Named<Limit>,
    #[deserr(default)]
    pub(super) window: Option<Window>,
    #[deserr(default)]
    pub(super) bucket: Option<Bucket>,
    #[deserr(default)]
    pub(super) since: Option<String>,
    #[deserr(default)]
    pub(super) until: Option<String>,
    pub(super) ladder: Vec<Step>,
}

/// An amount of one meter.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct Limit {
    #[deserr(default)]
    pub(super) tokens: Option<u64>,
    #[deserr(default)]
    pub(super) input_tokens: Option<u64>,
    #[deserr(default)]
    pub(super) output_tokens: Option<u64>,
    #[deserr(default)]
    pub(super) usd: Option<String>,
    #[deserr(default)]
    pub(super) requests: Option<u64>,
    #[deserr(default)]
    pub(super) requests_in_flight: Option<u64>,
}

/// A window: of the calendar, or rolling.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct Window {
    #[deserr(default)]
    pub(super) calendar: Option<Calendar>,
    #[deserr(default)]
    pub(super) day: Option<u8>,
    #[deserr(default)]
    pub(super) timezone: Option<String>,
    #[deserr(default)]
    pub(super) rolling: Option<String>,
}

/// The calendar units that a window may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserr)]
#[deserr(error = PolicyErrors, rename_all = lowercase)]
pub(super) enum Calendar {
    /// By the clock of the window's zone.
    Hour,
    /// From midnight to midnight in the window's zone.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first to the first.
    Month,
    /// From a day of the month to the same of the next.
    #[deserr(rename = "billing_month")]
    BillingMonth,
}

/// A bucket: so much at most, refilled steadily.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct Bucket {
    #[deserr(default)]
    pub(super) tokens: Option<u64>,
    #[deserr(default)]
    pub(super) input_tokens: Option<u64>,
    #[deserr(default)]
    pub(super) output_tokens: Option<u64>,
    #[deserr(default)]
    pub(super) usd: Option<String>,
    #[deserr(default)]
    pub(super) requests: Option<u64>,
    pub(super) refill: Refill,
}

/// How fast a bucket fills: so much of what it holds, in this time.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct Refill {
    #[deserr(default)]
    pub(super) tokens: Option<u64>,
    #[deserr(default)]
    pub(super) input_tokens: Option<u64>,
    #[deserr(default)]
    pub(super) output_tokens: Option<u64>,
    #[deserr(default)]
    pub(super) usd: Option<String>,
    #[deserr(default)]
    pub(super) requests: Option<u64>,
    pub(super) every: String,
}

impl Bucket {
    /// Its size, and what it gets back each time.
    pub(super) fn amounts(self) -> (Limit, Limit, String) {
        let Self { tokens, input_tokens, output_tokens, usd, requests, refill } = self;
        let size = Limit { tokens, input_tokens, output_tokens, usd, requests, requests_in_flight: None };
        let Refill { tokens, input_tokens, output_tokens, usd, requests, every } = refill;
        let refill = Limit { tokens, input_tokens, output_tokens, usd, requests, requests_in_flight: None };
        (size, refill, every)
    }
}

/// One step of a ladder: a percentage and one action.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct Step {
    pub(super) at: String,
    #[deserr(default)]
    pub(super) mode: Mode,
    #[deserr(default)]
    pub(super) warn: Option<Warn>,
    #[deserr(default)]
    pub(super) clamp: Option<Clamp>,
    #[deserr(default)]
    pub(super) downgrade: Option<String>,
    #[deserr(default)]
    pub(super) confirm: Option<super::confirm::WireConfirm>,
    #[deserr(default)]
    pub(super) overage: Option<Overage>,
    #[deserr(default)]
    pub(super) delay: Option<Delay>,
    #[deserr(default)]
    pub(super) deny: Option<super::deny::WireDeny>,
    #[deserr(default)]
    pub(super) alert: Option<String>,
}

impl Step {
    /// It has no action.
    pub(super) const fn does_nothing(&self) -> bool {
        self.warn.is_none()
            && self.clamp.is_none()
            && self.downgrade.is_none()
            && self.overage.is_none()
            && self.delay.is_none()
            && self.confirm.is_none()
            && self.deny.is_none()
    }
}

/// The `clamp` action.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct Clamp {
    #[deserr(default)]
    pub(super) max_output_tokens: Option<u64>,
    #[deserr(default)]
    pub(super) to: Option<ClampTo>,
    #[deserr(default)]
    pub(super) at_least: Option<u64>,
    #[deserr(default)]
    pub(super) reasoning_effort: Option<Effort>,
}

/// A bound that is worked out for each call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserr)]
#[deserr(error = PolicyErrors, rename_all = lowercase)]
pub(super) enum ClampTo {
    /// What is left of the budget.
    Remaining,
}

/// The `overage` action: what is used beyond the step, at a price.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct Overage {
    #[deserr(default)]
    pub(super) usd_per_1k_tokens: Option<String>,
    #[deserr(default)]
    pub(super) usd_per_request: Option<String>,
    #[deserr(default)]
    pub(super) usd_per_usd: Option<String>,
    #[deserr(default)]
    pub(super) up_to: Option<Dollars>,
}

/// An amount of money.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct Dollars {
    pub(super) usd: String,
}

/// The `delay` action.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct Delay {
    pub(super) up_to: String,
}

/// The `warn` action.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct Warn {
    #[deserr(default)]
    pub(super) message: Option<Message>,
    #[deserr(default)]
    pub(super) repeat: Repeat,
}

/// How often a caller is warned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserr)]
#[deserr(error = PolicyErrors, rename_all = lowercase)]
pub(super) enum Repeat {
    /// With every answer beyond the threshold.
    #[default]
    Always,
    /// With one answer in each window.
    Once,
}
