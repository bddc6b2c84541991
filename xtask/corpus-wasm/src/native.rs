//! The engine alone, on a map: what the filter is held against.

use crate::Outcome;
use anyhow::{Context as _, Result, bail};
use std::collections::HashMap;
use std::sync::Arc;
use tokenstile_corpus::recording::{Exchange, header};
use tokenstile_engine::alert::settle_all;
use tokenstile_engine::dialect::{recognise, splice};
use tokenstile_engine::exchange::{Exchange as Call, Next};
use tokenstile_engine::ledger::{Page, Store, StoreError, reserve_all};
use tokenstile_engine::policy::{Head, Identity, Policy};
use tokenstile_engine::units::EpochMs;

#[derive(Default)]
struct Pages(HashMap<u32, Page>);

impl Store for Pages {
    fn update<T>(&mut self, number: u32, mut change: impl FnMut(&mut Page) -> T) -> Result<T, StoreError> {
        Ok(change(self.0.entry(number).or_default()))
    }
}

/// The engine under one policy.
pub(crate) struct Engine {
    policy: Arc<Policy>,
    pages: Pages,
}

impl Engine {
    pub(crate) fn new(policy: Policy) -> Self {
        Self { policy: Arc::new(policy), pages: Pages::default() }
    }

    /// One exchange, its answer in one piece.
    pub(crate) fn run(
        &mut self,
        exchange: &Exchange,
        request: &[u8],
        response: &[u8],
        now: EpochMs,
    ) -> Result<Outcome> {
        let (method, host, path) = (&exchange.method, &exchange.url_host, &exchange.url_path);
        let route = recognise(method.as_bytes(), host.as_bytes(), path.as_bytes()).metered();
        let Some(route) = route else {
            return Ok(Outcome {
                record: None,
                path: path.clone().into_bytes(),
                upstream: request.to_vec(),
                client: response.to_vec(),
            });
        };
        let identity = Identity::of(&self.policy, Head::default());
        let mut call = Call::new(self.policy.clone(), route, identity, now);
        let mut next = call.body(request, false, now);
        let edits = loop {
            next = match next {
                Next::Reserve => {
                    let held = reserve_all(&mut self.pages, &call.holds(), now, false, &mut Vec::new());
                    call.reserved(&held.map_err(|error| anyhow::anyhow!("the map failed: {error:?}"))?, now)
                }
                Next::Forward(edits) => break edits,
                other => bail!("the engine wants {other:?} of a policy that refuses nothing"),
            };
        };
        let kind = header(&exchange.response_headers, "content-type").unwrap_or_default();
        let stated = call.answer_headers().iter();
        let stated = stated.filter_map(|name| {
            header(&exchange.response_headers, name).map(|value| (*name, value.as_bytes().to_vec()))
        });
        let stated: Vec<_> = stated.collect();
        call.answer_head(exchange.response_status, kind.as_bytes(), false, &stated, now);
        let changed = (!response.is_empty()).then(|| call.answer_chunk(response, true)).flatten();
        let settlement = call.end(true, now).context("the call did not end")?;
        settle_all(&mut self.pages, &mut call.take_owed(), now);
        Ok(Outcome {
            record: Some(serde_json::from_str(&settlement.record.to_json())?),
            path: splice(path.as_bytes(), &edits.path),
            upstream: splice(request, &edits.body),
            client: changed.unwrap_or_else(|| response.to_vec()),
        })
    }
}
