//! What a policy does as it says, and what may surprise all the same: callers who share a budget because nothing says who
//! they are, and headers of routes that clients can send themselves. Called by `mod.rs`.

use super::Warnings;
use super::routes::{choices, is_on, name};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use tokenstile_engine::policy::{Ask, Scope, Source};

impl Warnings<'_> {
    pub(super) fn hints(&mut self) {
        self.shared_budgets();
        self.clients_headers();
    }

    /// Dimensions that may have no value: callers without one are one subject.
    fn shared_budgets(&mut self) {
        let mut budgets: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for (_, budget) in self.declared() {
            for scope in &budget.per {
                if let Scope::Dimension(place) = scope {
                    budgets.entry(*place).or_default().push(&budget.name);
                }
            }
        }
        let always =
            |source: &Source| matches!(source, Source::Constant(_) | Source::Asked(Ask::ClientAddress));
        let identity = &self.sound.policy.identity;
        let may_have_none = budgets.into_iter().filter_map(|(place, budgets)| {
            let dimension = identity.get(place).filter(|dimension| !dimension.sources.iter().any(always))?;
            let budgets: Vec<String> = budgets.iter().map(|name| format!("`{name}`")).collect();
            Some((dimension.name.clone(), budgets.join(", ")))
        });
        for (dimension, budgets) in may_have_none.collect::<Vec<_>>() {
            let message = format!(
                "callers without a `{dimension}` are one subject: they share what each has in {budgets}"
            );
            let help =
                "end its sources with `client_ip` to tell them apart, or with `value:…` to give them a name";
            self.hint("shared-budget", format!("identity.{dimension}"), message, help.to_owned());
        }
    }

    /// Headers by which a route speaks to the proxy, and which a client can send without it.
    fn clients_headers(&mut self) {
        let mut found: BTreeMap<String, (String, String)> = BTreeMap::new();
        for (i, route) in self.written_routes().iter().enumerate().filter(|(_, route)| is_on(route)) {
            for choice in choices(i, route) {
                let headers =
                    choice.set.get("headers").and_then(Value::as_object).into_iter().flat_map(Map::keys);
                for header in headers.filter(|header| !self.sound.policy.strips(header.as_bytes())) {
                    let place = || (format!("{}.headers.{header}", choice.path), name(route).to_owned());
                    found.entry(header.to_ascii_lowercase()).or_insert_with(place);
                }
            }
        }
        for (header, (path, route)) in found {
            let message = format!(
                "a client that sends `{header}` itself goes where `{route}` would send it, whatever `{route}` asks for"
            );
            let help = format!(
                "write `\"strip_request_headers\": [\"{header}\"]`, or let the proxy remove it first"
            );
            self.hint("clients-header", path, message, help);
        }
    }
}
