//! Owns the runner over the engine alone, without wasm: the same steps as the filter's shell, on a map. Called by
//! the tests. What differs from the wasmtime runner is a fault of the shell or of the host.

mod weigh;

pub use weigh::Used;

use super::body::{Answering, Sending, unescape};
use super::format::HangUp;
use super::world::TICK_MS;
use super::{Exchange as Given, Run, Runner, Seen, UpstreamSaw, Weighed};
use crate::host::HeaderMap;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use tokenstile_engine::alert::{Owed, settle_all};
use tokenstile_engine::dialect::{self, Edits, Recognised};
use tokenstile_engine::exchange::{Exchange, Next, Settlement};
use tokenstile_engine::learned::Learned;
use tokenstile_engine::ledger::{Hold, Level, Page, Settled, Store, StoreError, reserve_all};
use tokenstile_engine::memo::Memo;
use tokenstile_engine::policy::{Ask, Head, Header, Identity, IdentityReader, Policy, Verdict, is_ours};
use tokenstile_engine::quota::{self, Question};
use tokenstile_engine::refusal::{Reply, unknown_endpoint};
use tokenstile_engine::units::{Amount, EpochMs};

/// The engine without a proxy.
#[derive(Debug, Default)]
pub struct Native;

/// Where the clock stands at first, as in [`crate::host::Clock`]: 2026-11-22T12:00:00Z.
const START: EpochMs = EpochMs(1_795_348_800_000);

impl Runner for Native {
    fn name(&self) -> String {
        "native".to_owned()
    }

    fn tags(&self) -> Vec<&'static str> {
        vec!["native"]
    }

    fn begin(&self, policy: &Value) -> Result<Box<dyn Run>, String> {
        Ok(Box::new(World::of(policy)?))
    }
}

#[derive(Default)]
struct Pages(HashMap<u32, Page>);

impl Store for Pages {
    fn update<T>(&mut self, number: u32, mut change: impl FnMut(&mut Page) -> T) -> Result<T, StoreError> {
        Ok(change(self.0.entry(number).or_default()))
    }
}

struct World {
    policy: Arc<Policy>,
    pages: Pages,
    learned: Rc<RefCell<Learned>>,
    memo: Rc<RefCell<Memo>>,
    now: EpochMs,
    /// What is put into the ledger before the first call that meets these budgets.
    used: Vec<(String, Amount)>,
    /// What the budgets said of the call at hand.
    weighed: Vec<Weighed>,
    /// The alerts that are told since the last call.
    alerts: Vec<Value>,
    /// How long the call at hand is held back.
    delay_ms: i64,
}

/// A call that was begun.
enum Begun {
    /// Not ours, or let through: what the upstream got, and at what time.
    Upstream(Option<Exchange>, UpstreamSaw, Vec<Weighed>, EpochMs),
    Replied(Option<Exchange>, Reply, Vec<Weighed>),
    /// The client left before all was sent.
    Gone(Exchange),
}

impl Run for World {
    fn set_clock(&mut self, now_ms: i64) -> bool {
        self.now = EpochMs(now_ms);
        true
    }

    fn calls(&mut self, calls: &[Given]) -> Result<Vec<Seen>, String> {
        let begun = calls.iter().map(|given| self.begin(&given.call)).collect::<Result<Vec<_>, _>>()?;
        let given = begun.into_iter().zip(calls);
        given
            .map(|(begun, given)| {
                let seen = self.finish(begun, given)?;
                Ok(Seen { alerts: Some(std::mem::take(&mut self.alerts)), ..seen })
            })
            .collect()
    }
}

impl World {
    fn of(policy: &Value) -> Result<Self, String> {
        let policy = crate::check::policy(&policy.to_string()).map_err(|errors| errors.to_string())?;
        let policy = Arc::new(policy);
        let (pages, learned, memo) = (Pages::default(), Rc::default(), Rc::default());
        Ok(Self {
            policy,
            pages,
            learned,
            memo,
            now: START,
            used: Vec::new(),
            weighed: Vec::new(),
            alerts: Vec::new(),
            delay_ms: 0,
        })
    }

    fn begin(&mut self, call: &super::Call) -> Result<Begun, String> {
        self.weighed.clear();
        self.delay_ms = 0;
        let sending = Sending::of(call)?;
        let header = |name: &str| sending.headers.first(name);
        let sent = |body| UpstreamSaw {
            headers: sending.headers.clone(),
            body,
            trailers: sending.trailers.clone().unwrap_or_default(),
        };
        let method = dialect::effective_method(header(":method").unwrap_or_default(), header);
        let host = header(":authority").unwrap_or_default();
        let path = header(":path").unwrap_or_default();
        if quota::is_asked(&self.policy, path) {
            return Ok(Begun::Replied(None, self.quota(method, path, &sending.headers, call)?, Vec::new()));
        }
        let route = match dialect::recognise(method, host, path) {
            Recognised::Metered(route) => route,
            Recognised::Unknown if self.policy.unknown == Verdict::Deny => {
                let reply = unknown_endpoint(self.now).ok_or("there is no dialect")?;
                return Ok(Begun::Replied(None, reply, Vec::new()));
            }
            _ => return Ok(Begun::Upstream(None, sent(sending.body()), Vec::new(), self.now)),
        };
        let headers: Vec<Header<'_>> = sending.headers.iter().collect();
        let head = Head { headers: &headers, path, dialect: route.dialect.name };
        let identity = identity(&self.policy, head, call)?;
        let mut exchange = Exchange::new(self.policy.clone(), route, identity, self.now);
        exchange.learns(self.learned.clone());
        exchange.remembers(self.memo.clone());
        exchange.offers(&headers);
        if let Some(languages) = header("accept-language") {
            exchange.accepts_language(languages);
        }
        let max = self.policy.max_body_bytes;
        let why = format!("its body is longer than {max} bytes");
        let too_long = |size: &usize| *size > max;
        let announced: Option<usize> =
            header("content-length").and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
        let pages = &self.pages.0;
        let level = |hold: &Hold| {
            Some(pages.get(&hold.key.page).map(|p| p.level(hold, self.now)).unwrap_or_default())
        };
        if let Some(Next::Reply(reply)) = exchange.head(announced, self.now, level) {
            return Ok(Begun::Replied(Some(exchange), reply, Vec::new()));
        }
        let mut next =
            announced.filter(too_long).map(|size| exchange.unread(&why, Some(size), true, self.now));
        if next.is_none() && call.hang_up == Some(HangUp::InRequest) {
            return Ok(Begun::Gone(exchange));
        }
        let body = sending.body();
        if next.is_none() {
            next =
                Some(body.len()).filter(too_long).map(|_| exchange.unread(&why, announced, true, self.now));
        }
        let encoded = is_encoded(&sending.headers);
        let next = next.unwrap_or_else(|| exchange.body(&body, encoded, self.now));
        match self.carry_out(&mut exchange, next, &body)? {
            Ok(edits) => {
                let mut saw = sent(dialect::splice(&body, &edits.body));
                saw.headers = headers.iter().filter(|(name, _)| !self.policy.strips(name)).cloned().collect();
                for (name, value) in &edits.headers {
                    saw.headers.replace(name.as_str(), value.as_str());
                }
                if !edits.path.is_empty() {
                    saw.headers.replace(":path", dialect::splice(path, &edits.path));
                }
                let goes_on = self.now.plus_ms(self.delay_ms);
                Ok(Begun::Upstream(Some(exchange), saw, std::mem::take(&mut self.weighed), goes_on))
            }
            Err(reply) => Ok(Begun::Replied(Some(exchange), reply, std::mem::take(&mut self.weighed))),
        }
    }

    fn quota(
        &mut self,
        method: &[u8],
        path: &[u8],
        headers: &HeaderMap,
        call: &super::Call,
    ) -> Result<Reply, String> {
        if let Some(reply) = quota::at_once(method, path) {
            return Ok(reply);
        }
        let headers: Vec<Header<'_>> = headers.iter().collect();
        let identity = identity(&self.policy, Head { headers: &headers, path, dialect: "" }, call)?;
        let question = Question::new(&self.policy, &identity, path, self.now);
        let level = |hold: &Hold| self.pages.0.get(&hold.key.page).map(|page| page.level(hold, self.now));
        let levels: Vec<Level> = question.holds().map(|hold| level(hold).unwrap_or_default()).collect();
        Ok(question.reply(&levels))
    }

    fn carry_out(
        &mut self,
        exchange: &mut Exchange,
        next: Next,
        body: &[u8],
    ) -> Result<Result<Edits, Reply>, String> {
        let mut next = next;
        let done = loop {
            next = match next {
                Next::Look => {
                    let looks = exchange.looks().iter().map(|look| (look.hold, look.budget));
                    let (holds, budgets): (Vec<_>, Vec<_>) = looks.unzip();
                    self.fill(&holds, &budgets);
                    let levels: Vec<_> = holds.iter().map(|hold| Some(self.level(hold))).collect();
                    exchange.looked(&levels, self.now)
                }
                Next::Reserve => {
                    let full_is_denied = self.policy.table_full == Verdict::Deny;
                    let (holds, budgets) = (exchange.holds(), exchange.budgets());
                    self.fill(&holds, &budgets);
                    let before: Vec<Level> = holds.iter().map(|hold| self.level(hold)).collect();
                    let mut owed = Vec::new();
                    let answer = reserve_all(&mut self.pages, &holds, self.now, full_is_denied, &mut owed);
                    let answer = answer.map_err(|error| format!("the map failed: {error:?}"))?;
                    let refused = answer.as_ref().err().map(|denied| denied.index);
                    self.weighed = self.weigh(&holds, &budgets, &before, refused);
                    exchange.reserved(&answer, self.now)
                }
                Next::Forward(splices) => break Ok(splices),
                // It goes on at the first tick after that; the clock moves when its turn comes.
                Next::Delay(until) => {
                    let ticks = until.0.saturating_sub(self.now.0).saturating_add(TICK_MS - 1) / TICK_MS;
                    self.delay_ms = ticks * TICK_MS;
                    exchange.delayed()
                }
                Next::Count => {
                    self.settle(exchange.take_owed());
                    exchange.count(body, self.now)
                }
                Next::Reply(reply) => break Err(reply),
                Next::Nothing => return Err("the engine has nothing to do with a fresh call".to_owned()),
            };
        };
        self.settle(exchange.take_owed());
        Ok(done)
    }

    fn settle(&mut self, mut owed: Vec<Owed>) -> Settled {
        let (settled, alerts) = settle_all(&mut self.pages, &mut owed, self.now);
        for alert in alerts {
            let sink = self.policy.sinks.get(alert.sink).map_or("", |sink| &sink.name);
            self.alerts.push(serde_json::from_str(&alert.line(sink)).unwrap_or_default());
        }
        settled
    }

    fn finish(&mut self, begun: Begun, given: &Given) -> Result<Seen, String> {
        let hang_up = given.call.hang_up;
        match begun {
            Begun::Gone(exchange) => {
                let records = Some(vec![self.end(exchange, false)?.0]);
                Ok(Seen { ended: "client_gone".to_owned(), records, ..Seen::default() })
            }
            Begun::Replied(exchange, reply, weighed) => {
                let records =
                    exchange.map(|exchange| self.end(exchange, true)).transpose()?.map(|(record, _)| record);
                let mut headers: HeaderMap =
                    reply.headers.iter().map(|(name, value)| (*name, value.clone())).collect();
                headers.replace("content-length", reply.body.len().to_string());
                Ok(Seen {
                    status: Some(reply.status),
                    headers,
                    body: reply.body,
                    ended: "complete".to_owned(),
                    records: Some(records.into_iter().collect()),
                    weighed,
                    ..Seen::default()
                })
            }
            Begun::Upstream(exchange, saw, weighed, goes_on) => {
                let delay = i64::try_from(given.answer.delay_ms).unwrap_or(i64::MAX);
                self.now = self.now.max(goes_on).plus_ms(delay);
                let seen = self.answer(exchange, saw, &Answering::of(&given.answer)?, hang_up)?;
                Ok(Seen { weighed, ..seen })
            }
        }
    }

    fn answer(
        &mut self,
        exchange: Option<Exchange>,
        saw: UpstreamSaw,
        answer: &Answering,
        hang_up: Option<HangUp>,
    ) -> Result<Seen, String> {
        let mut exchange = exchange;
        let mut seen = Seen { upstream: Some(saw), records: Some(Vec::new()), ..Seen::default() };
        let mut complete = hang_up.is_none() && !answer.cut;
        if hang_up != Some(HangUp::BeforeAnswer) {
            let (status, body) =
                if answer.unreachable { (503, b"no upstream".to_vec()) } else { (answer.status, Vec::new()) };
            let pieces = match hang_up {
                _ if answer.unreachable => vec![body],
                Some(HangUp::AfterPieces(count)) => answer.pieces.iter().take(count).cloned().collect(),
                _ => answer.pieces.clone(),
            };
            complete |= answer.unreachable;
            seen.status = Some(status);
            let theirs = |(name, _): &(&[u8], &[u8])| exchange.is_none() || !is_ours(name);
            seen.headers = answer.headers.iter().filter(theirs).collect();
            let told = exchange.as_mut().map(|exchange| {
                let kind = answer.headers.first("content-type").unwrap_or_default();
                let stated = exchange
                    .answer_headers()
                    .iter()
                    .filter_map(|name| answer.headers.first(name).map(|value| (*name, value.to_vec())));
                let stated: Vec<_> = stated.collect();
                exchange.answer_head(status, kind, is_encoded(&answer.headers), &stated, self.now)
            });
            for (name, value) in told.into_iter().flatten() {
                seen.headers.add(name, value);
            }
            if let Some(exchange) = exchange.as_mut().filter(|_| !pieces.is_empty()) {
                exchange.answer_began(self.now);
            }
            let last = pieces.len().saturating_sub(1);
            for (i, piece) in pieces.into_iter().enumerate() {
                let last = i == last && complete;
                let changed = exchange.as_mut().and_then(|exchange| exchange.answer_chunk(&piece, last));
                seen.body.extend(changed.unwrap_or(piece));
                seen.body
                    .extend(exchange.as_mut().map(|exchange| exchange.stop(self.now)).unwrap_or_default());
            }
        }
        seen.ended = match hang_up {
            Some(_) => "client_gone",
            None if complete => "complete",
            None => "cut",
        }
        .to_owned();
        if let Some(exchange) = exchange {
            let (record, note) = self.end(exchange, complete)?;
            seen.records = Some(vec![record]);
            seen.body.extend(note.filter(|_| complete && !seen.body.is_empty()).unwrap_or_default());
        }
        Ok(seen)
    }

    fn end(&mut self, mut exchange: Exchange, complete: bool) -> Result<(Value, Option<Vec<u8>>), String> {
        let settled = exchange.end(complete, self.now);
        let mut settled = settled.ok_or("a call ended twice")?;
        let booked = self.settle(exchange.take_owed());
        exchange.booked(&mut settled, &booked.before);
        let note = exchange.stream_note(&settled);
        let Settlement { record, .. } = settled;
        let record = serde_json::from_str(&record.to_json()).map_err(|error| error.to_string())?;
        Ok((record, note))
    }
}

/// Reads who pays, and answers for the proxy with what the case says.
fn identity(policy: &Policy, head: Head<'_>, call: &super::Call) -> Result<Identity, String> {
    let mut reader = IdentityReader::new(policy, head);
    while let Some(ask) = reader.wants() {
        let name = match ask {
            Ask::ClientAddress => "source.address".to_owned(),
            Ask::PeerSubject => "connection.subject_peer_certificate".to_owned(),
            Ask::PeerUriSan => "connection.uri_san_peer_certificate".to_owned(),
            Ask::Property(path) => path.join("."),
        };
        let told = call.properties.get(&name).map(|text| unescape(text)).transpose()?;
        let told = told.or_else(|| (*ask == Ask::ClientAddress).then(|| b"127.0.0.1:50000".to_vec()));
        reader.answer(told.as_deref());
    }
    Ok(reader.finish())
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers.first("content-encoding").is_some_and(|v| !v.is_empty() && !v.eq_ignore_ascii_case(b"identity"))
}
