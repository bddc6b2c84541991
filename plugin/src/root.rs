//! One configured filter in one VM: its policy, its store, and what waits for the next tick.

use crate::host::{self, Buffer, Level};
use crate::store::{Pages, describe};
use crate::telemetry::Metrics;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use tokenstile_engine::alert::{Owed, settle_all};
use tokenstile_engine::batches::Batches;
use tokenstile_engine::exchange::{Exchange, Next};
use tokenstile_engine::learned::Learned;
use tokenstile_engine::ledger::{self, Denied, Hold, Reserved, Settled, StoreError, reserve_all};
use tokenstile_engine::memo::Memo;
use tokenstile_engine::outbox::Outbox;
use tokenstile_engine::policy::{Policy, Verdict};
use tokenstile_engine::units::EpochMs;

/// Settlements that the store did not take are kept up to here, to be tried again: about a megabyte.
const OWED_MAX: usize = 8192;
/// Requests that are held back at once in one VM: each keeps its body. Others are sent back to wait there.
const DELAYED_MAX: usize = 1024;
/// How often waiting requests and owed settlements are tried again. Envoy's ticks come no finer than
/// 4 ms, and cost something only while there is work.
const TICK_MS: u32 = 10;
/// How often alerts and records are looked after while some wait, and nothing else does.
const SEND_TICK_MS: u32 = 1_000;

/// The proxies, as far as they differ for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostKind {
    /// Envoy and its kin: bodies in slices, ticks resume, shared data.
    Envoy,
    /// Kong's ngx_wasm_module: whole bodies, no resuming from a tick.
    Wasmx,
    /// wasm-nginx-module: whole bodies on request, no clock call, no shared data.
    Apisix,
}

/// What a paused request waits for.
#[derive(Debug, Clone, Copy)]
enum Wait {
    /// The store, until then at most.
    Store(EpochMs),
    /// This time.
    Time(EpochMs),
}

/// One plugin configuration.
#[derive(Debug)]
pub(crate) struct Root {
    pub(crate) policy: Arc<Policy>,
    pub(crate) metrics: Metrics,
    pages: Pages,
    kind: Option<HostKind>,
    /// The host refused to replace a request body.
    pub(crate) bodies_read_only: bool,
    /// Paused requests by context.
    waiting: HashMap<u32, Wait>,
    owed: Vec<Owed>,
    /// Configurations of this VM that have ended, as long as they owe, or calls run under them that may come to owe.
    ended_before: Vec<Rc<RefCell<Self>>>,
    /// What answers came to on this worker.
    pub(crate) learned: Rc<RefCell<Learned>>,
    /// What calls have in common.
    pub(crate) memo: Rc<RefCell<Memo>>,
    /// Alerts on their way.
    pub(crate) outbox: Outbox,
    /// Cost records on theirs.
    pub(crate) batches: Batches,
    /// The period of the ticks; 0 without.
    ticking: u32,
    /// This configuration was replaced, or the filter ends.
    ended: bool,
    /// Who goes on where it ended, and the context that has its ticks.
    heir: Option<(u32, Weak<RefCell<Self>>)>,
    last_now: Option<EpochMs>,
    /// The same to the nanosecond, as far as the host tells it.
    last_ns: u64,
    /// Calls that this VM has seen.
    calls: u32,
}

impl Root {
    /// Reads the configuration. `None`: it is refused, and the log says why.
    pub(crate) fn configure() -> Option<Self> {
        let refuse = |why: &str| {
            host::log(Level::Error, &format!("tokenstile: configuration refused: {why}"));
            None
        };
        let json = match host::buffer(Buffer::PluginConfiguration) {
            Ok(json) => json,
            Err(status) => return refuse(&format!("the host answered status {status} for it")),
        };
        match Policy::parse(&json) {
            Ok(policy) => Some(Self::new(policy)),
            Err(errors) => refuse(&errors.to_string()),
        }
    }

    fn new(policy: Policy) -> Self {
        // The layout's version is in the key: another release's pages are not misread.
        let prefix = format!("tokenstile/3/{}/", policy.name);
        let policy = Arc::new(policy);
        Self {
            metrics: Metrics::new(policy.clone()),
            policy,
            pages: Pages::Shared { prefix, lost: 0 },
            kind: None,
            bodies_read_only: false,
            waiting: HashMap::new(),
            owed: Vec::new(),
            ended_before: Vec::new(),
            learned: Rc::default(),
            memo: Rc::default(),
            outbox: Outbox::default(),
            batches: Batches::default(),
            ticking: 0,
            ended: false,
            heir: None,
            last_now: None,
            last_ns: 0,
            calls: 0,
        }
    }

    /// Microseconds since the clock was last asked.
    pub(crate) fn microseconds_passed(&mut self) -> u64 {
        let before = self.last_ns;
        self.now();
        self.last_ns.saturating_sub(before) / 1_000
    }

    /// Which proxy this is, told by how it states the time of a request; asked within a stream.
    pub(crate) fn kind(&mut self) -> HostKind {
        if let Some(kind) = self.kind {
            return kind;
        }
        let found = match host::property(&["request", "time"]) {
            Ok(time) if time.len() == 8 => Some(HostKind::Envoy),
            Ok(time) if time.contains(&b'.') => Some(HostKind::Wasmx),
            _ if has_no_clock() || has_no_clock() => Some(HostKind::Apisix),
            // Not told, or the question failed once: the common case, asked again next time.
            _ => None,
        };
        self.kind = found;
        if found == Some(HostKind::Apisix) {
            self.count_per_worker();
        }
        found.unwrap_or(HostKind::Envoy)
    }

    /// A name for a call that no other call has: two workers are told apart by the nanosecond.
    pub(crate) fn call_id(&mut self, context: u32) -> String {
        self.calls = self.calls.wrapping_add(1);
        format!("{:x}-{context:x}-{:x}", self.last_ns, self.calls)
    }

    /// Whether a request may stay paused with nothing to come: APISIX's worker crashes on one, and a host
    /// that is not known yet may be it.
    pub(crate) fn can_hold(&self) -> bool {
        self.kind.is_some_and(|kind| kind != HostKind::Apisix)
    }

    fn count_per_worker(&mut self) {
        host::log(
            Level::Warn,
            "tokenstile: this host has no shared data, so each worker counts its own budgets: \
             divide the limits by the number of workers",
        );
        self.pages = Pages::Local(HashMap::new());
    }

    /// The time. A host whose call fails once keeps the last one known.
    pub(crate) fn now(&mut self) -> Option<EpochMs> {
        let from_call = clock().ok().filter(|ns| *ns != 0);
        let from_call_ms = from_call.and_then(|ns| i64::try_from(ns / 1_000_000).ok());
        let now = from_call_ms.or_else(nginx_time).map(EpochMs);
        self.last_now = now.or(self.last_now);
        let in_ns = |ms: EpochMs| ms.0.unsigned_abs().saturating_mul(1_000_000);
        self.last_ns = from_call.or_else(|| now.map(in_ns)).unwrap_or(self.last_ns);
        self.last_now
    }

    /// Asks the store, and what it answers the exchange; as far as that goes without waiting.
    /// `None`: the store is busy, and the request waits for a tick.
    pub(crate) fn reserve(&mut self, exchange: &mut Exchange, now: EpochMs, may_wait: bool) -> Option<Next> {
        let full_is_denied = self.policy.table_full == Verdict::Deny;
        let mut owed = Vec::new();
        let answer = reserve_all(&mut self.pages, &exchange.holds(), now, full_is_denied, &mut owed);
        self.metrics.add("settlements_deferred", &[], owed.len() as u64);
        self.owed.extend(owed.into_iter().map(Owed::from));
        self.metrics.add("lost_swaps", &[], self.pages.take_lost());
        match answer {
            Ok(answer) => {
                self.metrics.add("reserves_without_room", &[], without_room(&answer));
                Some(exchange.reserved(&answer, now))
            }
            Err(StoreError::Busy) if may_wait => {
                self.metrics.add("waiting_reserves", &[], 1);
                None
            }
            Err(error) => {
                let why = describe(error);
                self.metrics.failed("store", &why);
                Some(exchange.store_failed(&why, now))
            }
        }
    }

    /// What stands against a hold, without taking it; `None` if there is nothing, or it cannot be told.
    pub(crate) fn level(&self, hold: &Hold, now: EpochMs) -> Option<ledger::Level> {
        self.pages.level(hold, now).ok().flatten()
    }

    /// The same for somebody who asks: nothing is told where it cannot be told.
    pub(crate) fn told_level(&self, hold: &Hold, now: EpochMs) -> Result<ledger::Level, String> {
        self.pages.level(hold, now).map(Option::unwrap_or_default).map_err(describe)
    }

    /// Lets a paused request wait for the store. Says whether this host can.
    pub(crate) fn wait(&mut self, context: u32, until: EpochMs) -> bool {
        if self.tick(TICK_MS) {
            self.waiting.entry(context).or_insert(Wait::Store(until));
            return true;
        }
        false
    }

    /// Holds a paused request back until then. Says whether this host can, and whether there is room.
    pub(crate) fn delay(&mut self, context: u32, until: EpochMs) -> bool {
        let can = self.waiting.len() < DELAYED_MAX && self.tick(TICK_MS);
        if can {
            self.waiting.insert(context, Wait::Time(until));
        }
        can
    }

    /// Until when a request waits for the store, if it does.
    pub(crate) fn waits_until(&self, context: u32) -> Option<EpochMs> {
        match self.waiting.get(&context) {
            Some(Wait::Store(until)) => Some(*until),
            _ => None,
        }
    }

    /// The request goes on, was answered, or its client left.
    pub(crate) fn no_longer_waits(&mut self, context: u32) {
        self.waiting.remove(&context);
    }

    /// The requests that wait for a tick at this time; all that wait if there is no time.
    pub(crate) fn waiting(&self, now: Option<EpochMs>) -> Vec<u32> {
        let due = |wait: &Wait| match (wait, now) {
            (Wait::Time(due), Some(now)) => *due <= now,
            _ => true,
        };
        self.waiting.iter().filter(|(_, wait)| due(wait)).map(|(context, _)| *context).collect()
    }

    /// The heir goes on where that one ended: what it owes is tried again with every settlement and tick of the heir,
    /// whose context this is.
    pub(crate) fn succeed(heir: &Rc<RefCell<Self>>, context: u32, ended: &Rc<RefCell<Self>>) {
        let mut all = std::mem::take(&mut ended.borrow_mut().ended_before);
        all.push(ended.clone());
        for ended in &all {
            if let Ok(mut ended) = ended.try_borrow_mut() {
                ended.heir = Some((context, Rc::downgrade(heir)));
            }
        }
        let mut heir = heir.borrow_mut();
        let kind = ended.borrow().kind;
        if kind == Some(HostKind::Envoy) {
            // Its ticks may be asked for before the first stream tells whose they are.
            heir.kind = kind;
        }
        heir.ended_before.append(&mut all);
        if heir.ended_owe() {
            heir.tick(TICK_MS);
        }
    }

    /// What a stream of a configuration that has ended comes to owe wakes the heir, of which no tick may be on its way.
    /// `stream`: the stream's context.
    pub(crate) fn wake_heir(&self, stream: u32) {
        if !self.ended || self.owed.is_empty() || self.kind != Some(HostKind::Envoy) {
            return;
        }
        let heir = self.heir.as_ref().and_then(|(context, heir)| Some((*context, heir.upgrade()?)));
        let Some((context, heir)) = heir else { return };
        // One that is at work looks after it by itself.
        let Ok(mut heir) = heir.try_borrow_mut() else { return };
        // Ticks are the context's that asks for them.
        if host::set_effective_context(context).is_ok() {
            heir.kind = self.kind;
            heir.tick(TICK_MS);
            let _ = host::set_effective_context(stream);
        }
    }

    /// Whether configurations that ended still owe something.
    fn ended_owe(&self) -> bool {
        self.ended_before.iter().any(|root| root.try_borrow().is_ok_and(|root| !root.owed.is_empty()))
    }

    /// Tries what configurations that ended still owe.
    fn settle_ended(&mut self, now: EpochMs) {
        self.ended_before.retain(|ended| {
            let Ok(mut root) = ended.try_borrow_mut() else { return true };
            root.settle(Vec::new(), now);
            // Streams have it too as long as they run.
            !root.owed.is_empty() || Rc::strong_count(ended) > 1
        });
    }

    /// Books what a call owes, and what earlier ones still do.
    pub(crate) fn settle(&mut self, owed: Vec<Owed>, now: EpochMs) -> Settled {
        self.settle_ended(now);
        let before = self.owed.len();
        self.owed.extend(owed);
        if self.owed.is_empty() {
            return Settled::default();
        }
        let (settled, alerts) = settle_all(&mut self.pages, &mut self.owed, now);
        self.metrics.add("lost_swaps", &[], self.pages.take_lost());
        let after = self.owed.len();
        self.metrics.add("settlements_deferred", &[], after.saturating_sub(before) as u64);
        self.metrics.add("settlements_recovered", &[], before.saturating_sub(after) as u64);
        if settled.without_room > 0 {
            self.metrics.add("settlements_without_room", &[], settled.without_room as u64);
        }
        self.tell(&alerts, now);
        let dropped = self.owed.len().saturating_sub(OWED_MAX);
        if dropped > 0 {
            self.owed.drain(..dropped);
            self.metrics
                .failed("settlement", &format!("{dropped} settlements dropped: the store stays unreachable"));
        }
        if !self.owed.is_empty() || self.ended_owe() {
            self.tick(TICK_MS);
        } else if !self.outbox.is_empty() {
            self.ticks_to_send();
        }
        settled
    }

    /// This configuration ends, and no tick comes any more: what calls owe is tried once more, then by whoever succeeds;
    /// what waits to be sent is logged. Streams that run go on under it. Says whether it had not ended yet.
    pub(crate) fn end(&mut self) -> bool {
        if std::mem::replace(&mut self.ended, true) {
            return false;
        }
        if let Some(now) = self.now() {
            self.settle(Vec::new(), now);
        }
        self.close();
        self.close_records();
        true
    }

    /// Whether it was replaced, or the filter ends.
    pub(crate) const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Makes sure that what is to be sent meets a tick. Says whether this host has them.
    pub(crate) fn ticks_to_send(&mut self) -> bool {
        !self.ended && (self.ticking != 0 || self.tick(SEND_TICK_MS))
    }

    /// Slows the ticks down when only alerts and records wait for them, and ends them when nothing does.
    pub(crate) fn rest(&mut self) {
        if self.waiting.is_empty() && self.owed.is_empty() && !self.ended_owe() {
            let nothing = self.outbox.is_empty() && self.batches.is_empty();
            self.tick(if nothing { 0 } else { SEND_TICK_MS });
        }
    }

    /// Whether this host makes requests from a tick: Envoy. WasmX takes a tick's period in the root's callbacks
    /// alone, where it is not known yet; APISIX has neither ticks nor requests without a call.
    pub(crate) fn calls_out(&self) -> bool {
        self.kind == Some(HostKind::Envoy) && !self.ended
    }

    /// Sets the ticks' period, 0 to end them, where a tick can resume a request: only on Envoy. WasmX traps when
    /// the period is set twice and crashes when a tick resumes; APISIX has no ticks. Says whether it is set.
    fn tick(&mut self, period_ms: u32) -> bool {
        if self.kind != Some(HostKind::Envoy) || self.ended {
            return false;
        }
        if self.ticking != period_ms && host::set_tick_period(period_ms).is_ok() {
            self.ticking = period_ms;
        }
        self.ticking == period_ms
    }
}

/// Holds that the table had no room for.
fn without_room(answer: &Result<Vec<Reserved>, Denied>) -> u64 {
    match answer {
        Ok(taken) => taken.iter().filter(|reserved| reserved.receipt.is_none()).count() as u64,
        Err(denied) => u64::from(denied.level.is_none()),
    }
}

fn has_no_clock() -> bool {
    host::time_nanoseconds() == Err(host::UNIMPLEMENTED)
}

/// The host's clock; asked once more if it fails: a call without a time has no window to be booked in.
fn clock() -> Result<u64, host::Status> {
    host::time_nanoseconds().or_else(|_| host::time_nanoseconds())
}

/// nginx's `$msec`, where a host has no clock call: `1795380656.840`.
fn nginx_time() -> Option<i64> {
    let text = String::from_utf8(host::property(&["msec"]).ok()?).ok()?;
    let (seconds, ms) = text.split_once('.')?;
    seconds.parse::<i64>().ok()?.checked_mul(1000)?.checked_add(ms.get(..3)?.parse().ok()?)
}
