//! A day in the life of three users, for people who have never heard of proxy-wasm.
//!
//! Owns the order of things: the simulated provider, the proxy before it, the calls, the report. Called by
//! `tokenstile demo`. Every figure in the report comes from an answer's headers, a cost record or the provider's
//! bill; the story only says who asks what, and when.

mod call;
mod proxy;
mod report;
mod story;

pub use proxy::Way;

use crate::upstream::Upstream;
use call::Answered;
use proxy::Proxy;
use serde_json::Value;
use std::net::SocketAddr;
use story::Step;

/// One call of the day and what came of it.
struct Told {
    step: Step,
    answered: Answered,
    record: Value,
}

/// Plays the day and prints it; gives its cost records.
///
/// # Errors
/// The proxy does not start, a call goes unanswered, or the provider billed something else than was recorded.
pub fn run(way: Way) -> Result<Vec<Value>, String> {
    let upstream = Upstream::start(SocketAddr::from(([127, 0, 0, 1], 0)))
        .map_err(|why| format!("cannot start the simulated provider: {why}"))?;
    println!("Starting {} with policies/demo.json in front of a simulated OpenAI …", way.name());
    let proxy = Proxy::start(way, story::POLICY, upstream.addr())?;
    if proxy.can_wait() {
        println!(
            "The clock jumps from call to call; it shows Pacific time, where quotas begin anew at midnight."
        );
    }
    let steps: Vec<Step> = story::day().into_iter().filter(|step| step.today || proxy.can_wait()).collect();
    let count = steps.len();
    let mut told = Vec::new();
    for (number, step) in steps.into_iter().enumerate() {
        println!("  {}/{count}  {}", number + 1, step.says(proxy.can_wait()));
        told.push(play(&proxy, step, number)?);
    }
    println!("\n{}", report::table(&told, proxy.can_wait()));
    println!("{}", report::refusal(&told));
    let totals = report::totals(&told, upstream.ledger().billed());
    println!("{totals}");
    let records = told.into_iter().map(|told| told.record).collect();
    if totals.agree() { Ok(records) } else { Err("the provider's bill and the records differ".to_owned()) }
}

fn play(proxy: &Proxy, step: Step, number: usize) -> Result<Told, String> {
    proxy.at(step.minute);
    let answered = call::send(&proxy.url(), &step)?;
    let record = proxy.record(number).ok_or("the filter wrote no cost record for this call")?;
    Ok(Told { step, answered, record })
}
