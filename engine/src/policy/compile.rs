//! From the policy as written to the policy as it runs: every meaning checked, all errors at once.

use super::errors::PolicyErrors;
use super::identity::{Dimension, Sources, check_header};
use super::named::Named;
use super::template::Template;
use super::wire::{self, Calendar, Document, Mode};
use super::{Action, Budget, DowngradeList, Policy, Step, Window};
use crate::ledger::SLOTS_PER_PAGE;
use crate::units::{Amount, Meter, NanoUsd};
use jiff::tz::TimeZoneDatabase;
use wildmatch::WildMatch;

/// OpenAI's Responses take no lower bound:
/// <https://platform.openai.com/docs/api-reference/responses/create#responses-create-max_output_tokens>.
const OUTPUT_BOUND_MIN: u64 = 16;
const WARN: &str =
    "You've used {percent} of {period}AI quota ({used} of {limit}{unit}). It resets {resets_at}.";
const EXHAUSTED: &str = WARN;
const SHORT: &str = "This request needs about {needed}{unit}, but {remaining} of {period}{limit}{unit} remain. \
                     Your AI quota resets {resets_at}.";
const TOKENS_MAX: u64 = 1_000_000_000_000;

pub(super) fn compile(json: &[u8]) -> Result<Policy, PolicyErrors> {
    let mut errors = PolicyErrors::default();
    let value: serde_json::Value = serde_json::from_slice(json).map_err(|error| {
        errors.add("", format!("not valid JSON: {error}"));
        errors.clone()
    })?;
    super::duplicates::find(json, &mut errors);
    let document: Document = deserr::deserialize::<_, _, PolicyErrors>(value)?;
    let policy = Compiler { errors: &mut errors }.policy(document);
    if errors.0.is_empty() { Ok(policy) } else { Err(errors) }
}

pub(super) struct Compiler<'e> {
    pub(super) errors: &'e mut PolicyErrors,
}

impl Compiler<'_> {
    fn policy(&mut self, document: Document) -> Policy {
        let _ = document.schema;
        if document.version != 1 {
            self.errors
                .add("version", format!("unknown version `{}`; this release reads 1", document.version));
        }
        if document.name.is_empty() || document.name.len() > 64 {
            self.errors.add(
                "name",
                "a name of 1 to 64 characters is needed: it keeps budgets of two policies apart",
            );
        }
        let mut sources = self.sources(document.jwt, document.trusted_hops);
        let identity = self.identity(document.identity, &mut sources);
        let strip_request_headers = self.stripped(&document.strip_request_headers);
        let exempt = self.exempt(document.exempt, &identity);
        let downgrades = self.downgrades(document.downgrades);
        let prices = super::prices::compile(document.prices, document.provider.as_deref(), self.errors);
        let mut budgets: Vec<Budget> = Vec::with_capacity(document.budgets.len());
        let mut tiers = Vec::with_capacity(document.budgets.len());
        for (i, mut wire) in document.budgets.into_iter().enumerate() {
            let path = format!("budgets[{i}]");
            if wire.name.is_empty() || wire.name.len() > 64 || !wire.name.bytes().all(is_name_byte) {
                self.errors.add(
                    format!("{path}.name"),
                    "a name of 1 to 64 letters, digits, `-`, `_` and `.` is needed: it stands in headers and metrics",
                );
            }
            if budgets.iter().any(|budget| budget.name == wire.name) {
                self.errors.add(
                    format!("{path}.name"),
                    format!("`{}` names two budgets; names are unique", wire.name),
                );
            }
            let table = std::mem::take(&mut wire.tiers);
            if let Some(budget) = self.budget(&path, wire, document.mode, &identity, &downgrades) {
                budgets.push(budget);
                tiers.push(table);
            }
        }
        let declared = budgets.len();
        self.limits(&mut budgets, tiers, document.overrides, &identity);
        Policy {
            name: document.name,
            hold_headers: document.hold_headers,
            on_error: document.on_error,
            opaque: document.opaque,
            unread: document.unread,
            unknown: document.unknown,
            stream_usage: document.stream_usage,
            count: document.count,
            hold: document.hold,
            provider: document.provider,
            prices,
            table_full: document.table_full,
            max_body_bytes: document.max_body_bytes as usize,
            expected_output_tokens: u64::from(document.expected_output_tokens),
            identity,
            pointers: sources.pointers.into(),
            exempt,
            strip_request_headers,
            downgrades,
            budgets,
            declared,
            pages: document.table_slots.div_ceil(SLOTS_PER_PAGE as u32).max(1),
            seed: document.hash_seed,
        }
    }

    fn sources(&mut self, jwt: wire::Jwt, trusted_hops: u8) -> Sources {
        if jwt.payload_header.is_some() && jwt.payload_in_metadata.is_some() {
            self.errors
                .add("jwt", "either `payload_header` or `payload_in_metadata`: a token has one payload");
        }
        let payload_header = jwt.payload_header.and_then(|name| {
            check_header(&name).map_err(|message| self.errors.add("jwt.payload_header", message)).ok()
        });
        Sources {
            payload_header,
            payload_in_metadata: jwt.payload_in_metadata.unwrap_or_else(|| "jwt_payload".to_owned()),
            trusted_hops: usize::from(trusted_hops),
            pointers: Vec::new(),
        }
    }

    /// Names of headers, which may end in `*`. What a request cannot go without stays.
    fn stripped(&mut self, names: &[String]) -> Vec<WildMatch> {
        const NEEDED: [&str; 5] =
            ["host", "content-type", "content-length", "transfer-encoding", "connection"];
        let mut patterns = Vec::with_capacity(names.len());
        for (i, name) in names.iter().enumerate() {
            let path = format!("strip_request_headers[{i}]");
            let pattern = name.to_ascii_lowercase();
            let start = pattern.strip_suffix('*').unwrap_or(&pattern);
            let matcher = WildMatch::new(&pattern);
            if let Err(message) = check_header(start) {
                self.errors.add(path, message);
            } else if start.contains('*') {
                self.errors.add(path, "a `*` stands at the end, such as `x-acme-*`");
            } else if let Some(needed) = NEEDED.iter().find(|needed| matcher.matches(needed)) {
                self.errors.add(path, format!("a request cannot go without `{needed}`"));
            } else {
                patterns.push(matcher);
            }
        }
        patterns
    }

    fn identity(&mut self, wire: Named<Vec<String>>, known: &mut Sources) -> Vec<Dimension> {
        let mut dimensions = Vec::with_capacity(wire.len());
        for (name, sources) in wire {
            let path = format!("identity.{name}");
            if sources.is_empty() {
                self.errors.add(&path, "no source; name at least one, such as `header:x-user-id`");
            }
            let sources = sources.iter().enumerate().filter_map(|(i, text)| {
                known.read(text).map_err(|message| self.errors.add(format!("{path}[{i}]"), message)).ok()
            });
            let sources = sources.collect();
            dimensions.push(Dimension { name, sources });
        }
        dimensions
    }

    fn downgrades(&mut self, wire: Named<Vec<wire::Downgrade>>) -> Vec<DowngradeList> {
        let mut lists = Vec::with_capacity(wire.len());
        for (name, rules) in wire {
            for (i, rule) in rules.iter().enumerate() {
                for (key, text) in [("from", &rule.from), ("to", &rule.to)] {
                    if text.is_empty() {
                        self.errors.add(format!("downgrades.{name}[{i}].{key}"), "a model name is needed");
                    }
                }
                if rule.to.contains('*') {
                    self.errors
                        .add(format!("downgrades.{name}[{i}].to"), "one model is needed, not a pattern");
                }
            }
            let rules = rules.into_iter().map(|rule| (WildMatch::new(&rule.from), rule.to)).collect();
            lists.push(DowngradeList { name, rules });
        }
        lists
    }

    fn budget(
        &mut self,
        path: &str,
        wire: wire::Budget,
        mode: Mode,
        identity: &[Dimension],
        lists: &[DowngradeList],
    ) -> Option<Budget> {
        let per = self.places(&format!("{path}.per"), wire.per.iter(), identity);
        let keys = self.places(&format!("{path}.match"), wire.matches.keys(), identity);
        let amount = self.amount(path, wire.limit, wire.window, wire.bucket);
        let (meter, limit) = amount.as_ref().map_or((Meter::Tokens, 0), |(meter, limit, _)| (*meter, *limit));
        let ladder = self.ladder(&format!("{path}.ladder"), wire.ladder, limit, lists);
        let (_, _, window) = amount?;
        Some(Budget {
            name: wire.name,
            shadow: wire.mode.unwrap_or(mode) == Mode::Shadow || mode == Mode::Shadow,
            matches: keys.into_iter().zip(wire.matches.into_iter().map(|(_, value)| value)).collect(),
            per,
            meter,
            limit,
            window,
            ladder,
            alternatives: Vec::new(),
        })
    }

    /// The places of named dimensions; an unknown name is an error and becomes place 0.
    pub(super) fn places<'n>(
        &mut self,
        path: &str,
        names: impl Iterator<Item = &'n String>,
        identity: &[Dimension],
    ) -> Vec<usize> {
        let known = || identity.iter().map(|d| format!("`{}`", d.name)).collect::<Vec<_>>().join(", ");
        let place = |name: &String| {
            identity.iter().position(|dimension| dimension.name == *name).unwrap_or_else(|| {
                let known =
                    if identity.is_empty() { "none is".to_owned() } else { format!("{} are", known()) };
                self.errors.add(path, format!("unknown dimension `{name}`; {known} declared in `identity`"));
                0
            })
        };
        names.map(place).collect()
    }

    fn amount(
        &mut self,
        path: &str,
        limit: Option<wire::Limit>,
        window: Option<wire::Window>,
        bucket: Option<wire::Bucket>,
    ) -> Option<(Meter, Amount, Window)> {
        match (limit, window, bucket) {
            (Some(limit), Some(window), None) => {
                let limit = self.limit(&format!("{path}.limit"), &limit);
                let window = self.window(&format!("{path}.window"), &window);
                let (meter, amount) = limit?;
                Some((meter, amount, window?))
            }
            (None, None, Some(bucket)) => self.bucket(&format!("{path}.bucket"), &bucket),
            (Some(_), None, None) => {
                self.errors.add(path, "`limit` needs a `window`, such as {\"calendar\": \"day\"}");
                None
            }
            _ => {
                self.errors.add(path, "either `limit` with `window`, or `bucket`, is needed");
                None
            }
        }
    }

    pub(super) fn limit(&mut self, path: &str, limit: &wire::Limit) -> Option<(Meter, Amount)> {
        match (limit.tokens, limit.usd.as_deref()) {
            (Some(tokens), None) => self.tokens(&format!("{path}.tokens"), tokens),
            (None, Some(text)) => {
                let money = NanoUsd::parse(text);
                if money.is_none() {
                    let wrong =
                        format!("`{text}` is no amount of dollars; write it like \"500\" or \"0.02\"");
                    self.errors.add(format!("{path}.usd"), wrong);
                }
                money.map(|NanoUsd(nano)| (Meter::Usd, nano))
            }
            _ => {
                self.errors.add(path, "exactly one of `tokens` and `usd` is needed");
                None
            }
        }
    }

    fn tokens(&mut self, path: &str, tokens: u64) -> Option<(Meter, Amount)> {
        if tokens > TOKENS_MAX {
            self.errors.add(path, format!("`{tokens}` is more than the largest limit, {TOKENS_MAX}"));
            return None;
        }
        Some((Meter::Tokens, Meter::Tokens.amount(tokens)))
    }

    fn window(&mut self, path: &str, window: &wire::Window) -> Option<Window> {
        let Calendar::Day = window.calendar;
        let zone = TimeZoneDatabase::bundled().get(&window.timezone).ok();
        if zone.is_none() {
            let wrong =
                format!("unknown time zone `{}`; use an IANA name such as `Europe/Berlin`", window.timezone);
            self.errors.add(format!("{path}.timezone"), wrong);
        }
        Some(Window::CalendarDay { zone: zone? })
    }

    fn bucket(&mut self, path: &str, bucket: &wire::Bucket) -> Option<(Meter, Amount, Window)> {
        let every_ms = duration_ms(&bucket.refill.every);
        if every_ms.is_none() {
            let wrong =
                format!("`{}` is no duration; write it like `30s`, `1m` or `1h`", bucket.refill.every);
            self.errors.add(format!("{path}.refill.every"), wrong);
        }
        if bucket.refill.tokens == 0 {
            self.errors.add(
                format!("{path}.refill.tokens"),
                "a bucket that is never refilled; use a `limit` instead",
            );
        }
        let (meter, limit) = self.tokens(&format!("{path}.tokens"), bucket.tokens)?;
        let (_, refill) = self.tokens(&format!("{path}.refill.tokens"), bucket.refill.tokens)?;
        Some((meter, limit, Window::Bucket { refill, every_ms: every_ms? }))
    }

    fn ladder(
        &mut self,
        path: &str,
        steps: Vec<wire::Step>,
        limit: Amount,
        lists: &[DowngradeList],
    ) -> Vec<Step> {
        if steps.is_empty() {
            self.errors.add(path, "no step; a budget that does nothing is a mistake");
        }
        let mut ladder: Vec<Step> = Vec::with_capacity(steps.len());
        let mut last = (0, false);
        for (i, step) in steps.into_iter().enumerate() {
            let path = format!("{path}[{i}]");
            let at = per_mille(&step.at).unwrap_or_else(|| {
                self.errors.add(
                    format!("{path}.at"),
                    format!("`{}` is no percentage; write it like `90%`", step.at),
                );
                last.0
            });
            if at < last.0 {
                self.errors
                    .add(format!("{path}.at"), "steps must climb: this one stands below the step before it");
            }
            if last.1 {
                self.errors.add(&path, "never reached: the step before it refuses already");
            }
            let Some(action) = self.action(&path, step, lists) else { continue };
            last = (at, matches!(action, Action::Deny { .. }));
            ladder.push(Step { at: amount_at(limit, at), per_mille: at, action });
        }
        ladder
    }

    fn action(&mut self, path: &str, step: wire::Step, lists: &[DowngradeList]) -> Option<Action> {
        match (step.warn, step.clamp, step.downgrade, step.deny) {
            (Some(warn), None, None, None) => Some(Action::Warn {
                message: self.template(&format!("{path}.warn.message"), warn.message.as_deref(), WARN),
            }),
            (None, Some(clamp), None, None) => {
                let max_output_tokens = clamp.max_output_tokens;
                if max_output_tokens < OUTPUT_BOUND_MIN {
                    let least = format!("at least {OUTPUT_BOUND_MIN}: some APIs refuse less");
                    self.errors.add(format!("{path}.clamp.max_output_tokens"), least);
                }
                Some(Action::Clamp { max_output_tokens })
            }
            (None, None, Some(name), None) => {
                let list = lists.iter().position(|list| list.name == name);
                if list.is_none() {
                    let wrong = format!("no list `{name}` in `downgrades`");
                    self.errors.add(format!("{path}.downgrade"), wrong);
                }
                list.map(|list| Action::Downgrade { list })
            }
            (None, None, None, Some(deny)) => {
                let path = format!("{path}.deny.message");
                Some(Action::Deny {
                    short: self.template(&path, deny.message.as_deref(), SHORT),
                    exhausted: self.template(&path, deny.message.as_deref(), EXHAUSTED),
                    upgrade_url: deny.upgrade_url,
                })
            }
            _ => {
                self.errors.add(path, "exactly one of `warn`, `clamp`, `downgrade` and `deny` is needed");
                None
            }
        }
    }

    fn template(&mut self, path: &str, text: Option<&str>, default: &str) -> Template {
        Template::parse(text.unwrap_or(default)).unwrap_or_else(|message| {
            self.errors.add(path, message);
            Template::default()
        })
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// So many thousandths of a limit.
pub(super) fn amount_at(limit: Amount, per_mille: u32) -> Amount {
    let at = i128::from(limit).saturating_mul(i128::from(per_mille)) / 1000;
    i64::try_from(at).unwrap_or(i64::MAX)
}

/// `90%` or `99.5%` in thousandths of the limit.
fn per_mille(text: &str) -> Option<u32> {
    let number = text.strip_suffix('%')?;
    let (whole, tenth) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || tenth.len() != 1 || !whole.bytes().chain(tenth.bytes()).all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let value = whole.parse::<u32>().ok()?.checked_mul(10)?.checked_add(tenth.parse().ok()?)?;
    (value <= 100_000).then_some(value)
}

fn duration_ms(text: &str) -> Option<i64> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let scale = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(scale).filter(|ms| *ms > 0)
}
