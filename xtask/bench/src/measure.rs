//! The order of a run: who is measured when, and what is kept.
//!
//! Called by `main`. It computes nothing but sums; medians and ratios are [`crate::report`]'s.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::{
    Plan,
    envoy::{Envoy, Filter},
    load,
    scenario::{self, Scenario},
    upstream,
};

/// One measurement of throughput.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) requests: u64,
    /// Time on a processor for one request.
    pub(crate) cpu: Duration,
    pub(crate) per_second: f64,
}

/// All rounds of one scenario through one filter.
pub(crate) struct Throughput {
    pub(crate) scenario: &'static str,
    pub(crate) filter: Filter,
    pub(crate) samples: Vec<Sample>,
}

/// Latencies of all rounds together, sorted; one for each filter, in their order.
pub(crate) struct Latency {
    pub(crate) scenario: &'static str,
    pub(crate) sorted: Vec<Duration>,
}

/// What an Envoy that has just started takes; those with one worker come before those with four.
pub(crate) struct Start {
    pub(crate) filter: Filter,
    pub(crate) ready: Vec<Duration>,
    pub(crate) rss: u64,
}

/// Memory of an Envoy with one worker that has served the whole run.
pub(crate) struct End {
    pub(crate) filter: Filter,
    pub(crate) requests: u64,
    pub(crate) rss: u64,
}

/// Everything that the report tells.
pub(crate) struct Figures {
    pub(crate) filters: Vec<Filter>,
    pub(crate) starts: Vec<Start>,
    pub(crate) throughput: Vec<Throughput>,
    pub(crate) latency: Vec<Latency>,
    pub(crate) ends: Vec<End>,
    pub(crate) rounds: u32,
    pub(crate) seconds: f32,
    pub(crate) rate: u32,
    pub(crate) wasm_bytes: u64,
}

/// The whole run.
pub(crate) async fn all(plan: &Plan) -> Result<Figures> {
    let upstream = upstream::start().await?;
    let mut scenarios = scenario::all();
    scenarios.retain(|scenario| scenario.name.contains(&plan.only));
    println!("starts, with 1 and 4 workers …");
    let starts = starts(plan, upstream).await?;
    let filters = Filter::all(plan);
    let start = |&filter: &Filter| Envoy::start(plan, filter, 1, upstream);
    let envoys = filters.iter().map(start).collect::<Result<Vec<_>>>()?;
    warm(&envoys, &scenarios).await?;
    let throughput = throughput(plan, &envoys, &scenarios).await?;
    let latency = latency(plan, &envoys, &scenarios).await?;
    let ends = envoys.iter().map(|envoy| end(envoy, &throughput)).collect::<Result<Vec<_>>>()?;
    Ok(Figures {
        filters,
        starts,
        throughput,
        latency,
        ends,
        rounds: plan.rounds,
        seconds: plan.duration.as_secs_f32(),
        rate: plan.rate,
        wasm_bytes: std::fs::metadata(&plan.ours)?.len(),
    })
}

async fn starts(plan: &Plan, upstream: std::net::SocketAddr) -> Result<Vec<Start>> {
    let first = &scenario::all()[0];
    let mut starts = Vec::new();
    for workers in [1, 4] {
        let mut kinds: Vec<Start> = [Filter::None, Filter::Empty, Filter::Ours]
            .map(|filter| Start { filter, ready: Vec::new(), rss: 0 })
            .into();
        for _ in 0..plan.rounds {
            for kind in &mut kinds {
                let envoy = Envoy::start(plan, kind.filter, workers, upstream)?;
                // Every worker has served once or twice: what is made on first use is counted.
                load::closed(envoy.address, first, kind.filter.is_ours(), Duration::from_millis(100)).await?;
                kind.ready.push(envoy.ready);
                kind.rss = kind.rss.max(envoy.rss()?);
            }
        }
        starts.append(&mut kinds);
    }
    Ok(starts)
}

/// V8 compiles again what runs often: some ten thousand calls later that is over, and a proxy serves for days.
async fn warm(envoys: &[Envoy], scenarios: &[Scenario]) -> Result<()> {
    for envoy in envoys {
        for scenario in scenarios {
            let duration = Duration::from_millis(if envoy.filter.is_ours() { 4_000 } else { 300 });
            load::closed(envoy.address, scenario, envoy.filter.is_ours(), duration)
                .await
                .with_context(|| format!("{}, {}", envoy.filter.name(), scenario.name))?;
        }
    }
    Ok(())
}

async fn throughput(plan: &Plan, envoys: &[Envoy], scenarios: &[Scenario]) -> Result<Vec<Throughput>> {
    let mut all = Vec::new();
    for (number, scenario) in (1..).zip(scenarios) {
        println!("[{number}/{}] {} …", scenarios.len(), scenario.name);
        let mut rows: Vec<Throughput> = envoys
            .iter()
            .map(|envoy| Throughput { scenario: scenario.name, filter: envoy.filter, samples: Vec::new() })
            .collect();
        for _ in 0..plan.rounds {
            for (envoy, row) in envoys.iter().zip(&mut rows) {
                row.samples.push(sample(plan, envoy, scenario).await?);
            }
        }
        all.append(&mut rows);
    }
    Ok(all)
}

async fn sample(plan: &Plan, envoy: &Envoy, scenario: &Scenario) -> Result<Sample> {
    let before = envoy.cpu()?;
    let start = Instant::now();
    let requests = load::closed(envoy.address, scenario, envoy.filter.is_ours(), plan.duration).await?;
    let took = start.elapsed();
    let cpu = envoy.cpu()?.saturating_sub(before);
    let count = u32::try_from(requests)?.max(1);
    Ok(Sample { requests, cpu: cpu / count, per_second: f64::from(count) / took.as_secs_f64() })
}

async fn latency(plan: &Plan, envoys: &[Envoy], scenarios: &[Scenario]) -> Result<Vec<Latency>> {
    let mut all = Vec::new();
    for scenario in scenarios.iter().filter(|scenario| scenario.name.starts_with("1 KB")) {
        println!("latency at {} requests a second, {} …", plan.rate, scenario.name);
        let mut rows: Vec<Latency> =
            envoys.iter().map(|_| Latency { scenario: scenario.name, sorted: Vec::new() }).collect();
        for _ in 0..plan.rounds {
            for (envoy, row) in envoys.iter().zip(&mut rows) {
                let ours = envoy.filter.is_ours();
                row.sorted
                    .extend(load::open(envoy.address, scenario, ours, plan.duration * 2, plan.rate).await?);
            }
        }
        rows.iter_mut().for_each(|row| row.sorted.sort());
        all.append(&mut rows);
    }
    Ok(all)
}

fn end(envoy: &Envoy, throughput: &[Throughput]) -> Result<End> {
    let rows = throughput.iter().filter(|row| row.filter == envoy.filter);
    let requests = rows.flat_map(|row| &row.samples).map(|sample| sample.requests).sum();
    Ok(End { filter: envoy.filter, requests, rss: envoy.rss()? })
}
