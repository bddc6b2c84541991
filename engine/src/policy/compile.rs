//! From the policy as written to the policy as it runs: every meaning checked, all errors at once.

use super::amounts::{amount_at, per_mille};
use super::condition::{Asker, RESERVED};
use super::deny::EXHAUSTED;
use super::errors::PolicyErrors;
use super::identity::{Dimension, Sources, check_header};
use super::named::Named;
use super::reading;
use super::standing::Asked;
use super::wire::{self, Document, Mode, Verdict};
use super::{Action, Budget, Downgrade, DowngradeList, Policy, RouteRule, Scope, Step};
use crate::dialect::{Features, Recognised, recognise};
use crate::ledger::{SLOTS_PER_PAGE, WARNINGS_MAX};
use crate::units::{Amount, Meter};
use wildmatch::WildMatch;

const ONE_ACTION: &str = "exactly one of `warn`, `clamp`, `downgrade`, `overage`, `delay`, `confirm` and `deny` is needed, or an `alert`";
const ASK: &str = "You've used {percent} of {period}AI quota ({used} of {limit}{unit}), and this request needs about {needed}{unit}.";
const IN_FLIGHT: &str = "You have {used} of at most {limit}{unit}.";

pub(super) fn compile(json: &[u8]) -> Result<Policy, PolicyErrors> {
    let mut errors = PolicyErrors::default();
    let value: serde_json::Value = serde_json::from_slice(json).map_err(|error| {
        errors.add("", format!("not valid JSON: {error}"));
        errors.clone()
    })?;
    super::duplicates::find(json, &mut errors);
    let (document, unclear) = reading::document(value, json, &mut errors)?;
    let told = errors.0.len();
    let policy = Compiler {
        errors: &mut errors,
        own_providers: Vec::new(),
        route_names: Vec::new(),
        budgets: Vec::new(),
        rule_names: Vec::new(),
        confirm_headers: Vec::new(),
        sinks: Vec::new(),
    }
    .policy(document);
    let of_meaning = errors.0.split_off(told);
    errors.0.extend(of_meaning.into_iter().filter(|error| unclear.leaves(error)));
    if errors.0.is_empty() { Ok(policy) } else { Err(errors) }
}

pub(super) struct Compiler<'e> {
    pub(super) errors: &'e mut PolicyErrors,
    /// Providers that the price book does not know, and the policy does.
    pub(super) own_providers: Vec<String>,
    /// The names of the policy's routes.
    pub(super) route_names: Vec<String>,
    /// The policy's budgets, as far as routes may ask for them.
    pub(super) budgets: Vec<Asked>,
    /// The names that budgets and rules have so far.
    pub(super) rule_names: Vec<String>,
    /// The headers by which callers confirm.
    pub(super) confirm_headers: Vec<String>,
    /// The names of the policy's sinks.
    pub(super) sinks: Vec<String>,
}

impl Compiler<'_> {
    fn policy(&mut self, document: Document) -> Policy {
        let _ = document.schema;
        if document.version != 1 {
            self.errors
                .add("version", format!("unknown version `{}`; this release reads 1", document.version));
        }
        if document.name.is_empty() || document.name.chars().count() > 64 {
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
        let quota_path = self.quota_path(document.quota_path);
        let sinks = self.sinks(&document.alerts);
        self.sinks = sinks.iter().map(|sink| sink.name.clone()).collect();
        let records_to = self.record_sink(&document.records.http);
        let prices = super::prices::compile(document.prices, document.provider.as_deref(), self.errors);
        self.own_providers.extend(document.provider.clone());
        self.own_providers.extend(prices.overrides.iter().filter_map(|own| own.provider.clone()));
        self.route_names = document.routes.iter().map(|route| route.name.clone()).collect();
        self.budgets = document.budgets.iter().map(Asked::of).collect();
        let mut budgets: Vec<Budget> = Vec::with_capacity(document.budgets.len());
        let mut tiers = Vec::with_capacity(document.budgets.len());
        for (i, mut wire) in document.budgets.into_iter().enumerate() {
            let path = format!("budgets[{i}]");
            self.rule_name(&path, &wire.name);
            let table = std::mem::take(&mut wire.tiers);
            if let Some(budget) =
                self.budget(&path, wire, (document.mode, document.on_error), &identity, &downgrades)
            {
                budgets.push(budget);
                tiers.push(table);
            }
        }
        let blocks = self.blocks(document.blocks, document.mode, &identity);
        let request_limits = self.request_limits(document.request_limits, document.mode, &identity);
        let routes = self.routes(document.routes, document.mode, &identity, &downgrades);
        let routes_ask_budgets = routes.iter().flat_map(RouteRule::budgets).next().is_some();
        let confirmations = self.confirmations(document.confirm);
        let metric_labels = self.metric_labels(&document.metrics.labels, &identity);
        let learned_output = document.learned_output.map(|wire| self.learned(&wire, &identity));
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
            stream_notes: document.stream_notes,
            count: document.count,
            hold: document.hold,
            provider: document.provider,
            prices,
            table_full: document.table_full,
            max_body_bytes: document.max_body_bytes as usize,
            expected_output_tokens: u64::from(document.expected_output_tokens),
            quota_path,
            learned_output,
            identity,
            pointers: sources.pointers.into(),
            exempt,
            strip_request_headers,
            downgrades,
            sinks,
            blocks,
            request_limits,
            routes,
            routes_ask_budgets,
            confirmations,
            budgets,
            declared,
            records_to_log: document.records.log,
            records_to_filter_state: document.records.filter_state,
            records_to,
            records_prompt_prefix: document.records.prompt_prefix,
            metric_labels,
            metric_values_max: document.metrics.max_values as usize,
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

    /// A path that is no LLM call's.
    fn quota_path(&mut self, path: Option<String>) -> Option<String> {
        let path = path?;
        let is_plain = path.starts_with('/')
            && path.len() <= 256
            && path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'%'));
        if !is_plain {
            let wrong = "a path without a query is needed, such as `/.well-known/llm-quota`";
            self.errors.add("quota_path", wrong);
        } else if !matches!(recognise(b"POST", b"", path.as_bytes()), Recognised::Unknown) {
            self.errors.add(
                "quota_path",
                "calls to an LLM go to this path; choose another, such as `/.well-known/llm-quota`",
            );
        }
        Some(path)
    }

    /// Dimensions that are labels: their places.
    fn metric_labels(&mut self, names: &[String], identity: &[Dimension]) -> Vec<usize> {
        /// Labels that metrics have anyway.
        const TAKEN: [&str; 8] =
            ["decision", "dialect", "ending", "kind", "model", "provider", "rule", "type"];
        let mut places = Vec::with_capacity(names.len());
        for (i, name) in names.iter().enumerate() {
            let path = format!("metrics.labels[{i}]");
            match identity.iter().position(|dimension| dimension.name == *name) {
                Some(_) if TAKEN.contains(&name.as_str()) => {
                    self.errors
                        .add(path, format!("metrics have a label `{name}` already; rename the dimension"));
                }
                Some(place) => places.push(place),
                None => self.errors.add(path, format!("`{name}` is no dimension of `identity`")),
            }
        }
        places
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
            if RESERVED.contains(&name.as_str()) {
                self.errors.add(&path, format!("every call has a `{name}` already; choose another name"));
            }
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
            let mut compiled = Vec::with_capacity(rules.len());
            for (i, rule) in rules.into_iter().enumerate() {
                let path = format!("downgrades.{name}[{i}]");
                compiled.push(Downgrade {
                    from: WildMatch::new_case_insensitive(&rule.from),
                    is_one: !rule.from.contains(['*', '?']),
                    to: rule.to,
                    can: self.features(&format!("{path}.can"), &rule.can),
                    cannot: self.features(&format!("{path}.cannot"), &rule.cannot),
                });
            }
            lists.push(DowngradeList { name, rules: compiled });
        }
        lists
    }

    /// A list of `downgrades` by its name: its place.
    pub(super) fn list(&mut self, path: &str, name: &str, lists: &[DowngradeList]) -> Option<usize> {
        let list = lists.iter().position(|list| list.name == name);
        if list.is_none() {
            self.errors.add(path, format!("no list `{name}` in `downgrades`"));
        }
        list
    }

    fn learned(&mut self, wire: &wire::LearnedOutput, identity: &[Dimension]) -> (u64, Vec<Scope>) {
        let quantile = per_mille(&wire.quantile).filter(|quantile| (1..1_000).contains(quantile));
        if quantile.is_none() {
            let wrong = format!("`{}` is no quantile; write it like `90%`", wire.quantile);
            self.errors.add("learned_output.quantile", wrong);
        }
        let scopes = self.scopes("learned_output.per", &wire.per, identity);
        (u64::from(quantile.unwrap_or_default()), scopes)
    }

    /// What requests use and models can do, by name.
    pub(super) fn features(&mut self, path: &str, names: &[String]) -> Features {
        let mut all = Features::default();
        for (i, name) in names.iter().enumerate() {
            match Features::named(name) {
                Some(feature) => all = all.and(feature),
                None => {
                    let known = Features::NAMES.join("`, `");
                    let wrong = format!("unknown feature `{name}`; known are `{known}`");
                    self.errors.add(format!("{path}[{i}]"), wrong);
                }
            }
        }
        all
    }

    fn budget(
        &mut self,
        path: &str,
        wire: wire::Budget,
        (mode, on_error): (Mode, Verdict),
        identity: &[Dimension],
        lists: &[DowngradeList],
    ) -> Option<Budget> {
        let scopes = self.scopes(&format!("{path}.per"), &wire.per, identity);
        let matches = self.conditions(&format!("{path}.match"), wire.matches, identity, Asker::Budget);
        let amount = super::amounts::compile(path, wire.limit, wire.window, wire.bucket, self.errors);
        let (meter, limit) = amount.as_ref().map_or((Meter::Tokens, 0), |(meter, limit, _)| (*meter, *limit));
        let ladder = self.ladder(&format!("{path}.ladder"), wire.ladder, meter, limit, lists);
        let (_, _, window) = amount?;
        Some(Budget {
            name: wire.name,
            shadow: wire.mode.unwrap_or(mode) == Mode::Shadow || mode == Mode::Shadow,
            on_error: wire.on_error.unwrap_or(on_error),
            counted: format!("{} {} {}", window.identity(), meter.unit(), wire.per.join(",")),
            matches,
            term: self.term(path, wire.since.as_deref(), wire.until.as_deref()),
            per: scopes,
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

    /// What tells subjects apart; an unknown name is an error, and one that stands twice.
    fn scopes(&mut self, path: &str, names: &[String], identity: &[Dimension]) -> Vec<Scope> {
        for (i, name) in names.iter().enumerate() {
            if names.iter().take(i).any(|before| before == name) {
                self.errors.add(path, format!("`{name}` stands twice"));
            }
        }
        names.iter().filter_map(|name| self.scope(path, name, identity)).collect()
    }

    pub(super) fn scope(&mut self, path: &str, name: &str, identity: &[Dimension]) -> Option<Scope> {
        let dimension = || identity.iter().position(|dimension| dimension.name == name).map(Scope::Dimension);
        let scope = match name {
            "model" => Some(Scope::Model),
            "provider" => Some(Scope::Provider),
            "route" => {
                if self.route_names.is_empty() {
                    let wrong = "the policy has no `routes`; the proxy's own route is a dimension with the source `property:xds.route_name`";
                    self.errors.add(path, wrong);
                }
                Some(Scope::Route)
            }
            _ => dimension(),
        };
        if scope.is_none() {
            let known = identity.iter().map(|d| format!("`{}`", d.name)).collect::<Vec<_>>().join(", ");
            let known = if known.is_empty() { "none is".to_owned() } else { format!("{known} are") };
            self.errors.add(
                path,
                format!(
                    "unknown dimension `{name}`; {known} declared in `identity`, and `model`, `provider` and `route` always"
                ),
            );
        }
        scope
    }

    fn ladder(
        &mut self,
        path: &str,
        steps: Vec<wire::Step>,
        meter: Meter,
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
                    format!(
                        "`{}` is no percentage; write it like `90%` or `99.5%`, with one decimal at most, up to `10000%`",
                        step.at
                    ),
                );
                last.0
            });
            if at < last.0 {
                self.errors
                    .add(format!("{path}.at"), "steps must climb: this one stands below the step before it");
            }
            let alert = step.alert.as_deref().map(|name| self.sink(&path, name));
            let is_alert = alert.is_some() && step.does_nothing();
            // What is settled may pass a refusal: a debt is worth telling.
            if last.1 && !is_alert {
                self.errors.add(&path, "never reached: the step before it refuses already");
            }
            let shadow = step.mode == Mode::Shadow;
            let action = if is_alert { Some(Action::Alert) } else { self.action(&path, step, meter, lists) };
            let Some(action) = action else { continue };
            last = (at, last.1 || !shadow && matches!(action, Action::Deny { .. }));
            let (at, per_mille, alert) = (amount_at(limit, at), at, alert.flatten());
            ladder.push(Step { at, per_mille, shadow, action, alert });
        }
        let once = ladder.iter().filter(|step| matches!(step.action, Action::Warn { once: true, .. }));
        if once.count() > WARNINGS_MAX {
            self.errors.add(path, format!("at most {WARNINGS_MAX} warnings may be given `once`"));
        }
        self.overages(path, &ladder);
        ladder
    }

    fn action(
        &mut self,
        path: &str,
        step: wire::Step,
        meter: Meter,
        lists: &[DowngradeList],
    ) -> Option<Action> {
        let warning = if meter == Meter::RequestsInFlight { IN_FLIGHT } else { EXHAUSTED };
        let steps = (&step.warn, &step.clamp, &step.downgrade, &step.overage, &step.delay, &step.deny);
        if let Some(confirm) = step.confirm {
            let alone = matches!(steps, (None, None, None, None, None, None));
            let confirm = self.confirm(&format!("{path}.confirm"), confirm, ASK, None);
            if !alone {
                self.errors.add(path, ONE_ACTION);
            }
            return Some(Action::Confirm(confirm));
        }
        match (step.warn, step.clamp, step.downgrade, step.overage, step.delay, step.deny) {
            (Some(warn), None, None, None, None, None) => Some(Action::Warn {
                message: self.messages(&format!("{path}.warn.message"), warn.message.as_ref(), warning),
                once: warn.repeat == wire::Repeat::Once,
            }),
            (None, Some(clamp), None, None, None, None) => {
                Some(self.clamp(&format!("{path}.clamp"), &clamp, meter))
            }
            (None, None, None, Some(overage), None, None) => {
                self.overage(&format!("{path}.overage"), &overage, meter)
            }
            (None, None, None, None, Some(delay), None) => self.delay(&format!("{path}.delay"), &delay),
            (None, None, Some(name), None, None, None) => {
                self.list(&format!("{path}.downgrade"), &name, lists).map(|list| Action::Downgrade { list })
            }
            (None, None, None, None, None, Some(deny)) => {
                Some(self.deny(&format!("{path}.deny"), deny, meter))
            }
            _ => {
                self.errors.add(path, ONE_ACTION);
                None
            }
        }
    }
}

/// Whether a text may be a name in headers, records and metrics.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64 && name.bytes().all(is_name_byte)
}

pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}
