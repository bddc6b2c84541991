//! The load: connections that send one scenario, as fast as they can or at a fixed rate.
//!
//! Called by [`crate::measure`]. Every answer is read to its end and checked against what the
//! scenario promises; one wrong answer is an error, because a fast wrong proxy is no result.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Full};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinSet};

use crate::scenario::{Expected, Scenario};

/// Connections of both kinds of load: enough to keep one core busy.
pub(crate) const CONNECTIONS: u32 = 16;

/// What one connection sends again and again.
#[derive(Clone)]
struct Call {
    address: SocketAddr,
    path: &'static str,
    tier: &'static str,
    body: bytes::Bytes,
    expected: Option<Expected>,
}

/// `expected` is `None` for a proxy without our filter: any 200 will do.
fn call(address: SocketAddr, scenario: &Scenario, ours: bool) -> Call {
    Call {
        address,
        path: scenario.path,
        tier: scenario.tier,
        body: scenario.body.clone(),
        expected: ours.then_some(scenario.ours),
    }
}

/// Requests completed when each connection sends its next as soon as the last was answered.
pub(crate) async fn closed(
    address: SocketAddr,
    scenario: &Scenario,
    ours: bool,
    duration: Duration,
) -> Result<u64> {
    let end = Instant::now() + duration;
    let mut connections = JoinSet::new();
    for number in 0..CONNECTIONS {
        let call = call(address, scenario, ours);
        connections.spawn(async move {
            let mut connection = Connection::open(call, number).await?;
            let mut completed = 0_u64;
            while Instant::now() < end {
                connection.send().await?;
                completed += 1;
            }
            Ok::<_, anyhow::Error>(completed)
        });
    }
    let mut completed = 0;
    while let Some(joined) = connections.join_next().await {
        completed += joined??;
    }
    Ok(completed)
}

/// Latencies at a fixed rate, each from when the request was due: a stalled proxy also delays those
/// behind, and pays for them.
pub(crate) async fn open(
    address: SocketAddr,
    scenario: &Scenario,
    ours: bool,
    duration: Duration,
    rate: u32,
) -> Result<Vec<Duration>> {
    let interval = Duration::from_secs(1) / rate;
    let start = Instant::now() + Duration::from_millis(50);
    let mut connections = JoinSet::new();
    for number in 0..CONNECTIONS {
        let call = call(address, scenario, ours);
        connections.spawn(async move {
            let mut connection = Connection::open(call, number).await?;
            let mut latencies = Vec::new();
            let mut due = start + interval * number;
            while due < start + duration {
                // Late because the answer before was late: that counts. Late because the timer has
                // a grain of a millisecond: that is ours.
                let late = Instant::now() >= due;
                tokio::time::sleep_until(due.into()).await;
                let began = if late { due } else { Instant::now() };
                connection.send().await?;
                latencies.push(began.elapsed());
                due += interval * CONNECTIONS;
            }
            Ok::<_, anyhow::Error>(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(joined) = connections.join_next().await {
        latencies.extend(joined??);
    }
    latencies.sort();
    Ok(latencies)
}

struct Connection {
    call: Call,
    user: String,
    sender: http1::SendRequest<Full<bytes::Bytes>>,
}

impl Connection {
    async fn open(call: Call, number: u32) -> Result<Self> {
        let sender = connect(call.address).await?;
        Ok(Self { call, user: format!("user-{number}"), sender })
    }

    async fn send(&mut self) -> Result<()> {
        // A refusal before the upload makes Envoy close the connection.
        if self.sender.ready().await.is_err() {
            self.sender = connect(self.call.address).await?;
        }
        let call = &self.call;
        let request = Request::post(call.path)
            .header("host", "bench")
            .header("content-type", "application/json")
            .header("authorization", "Bearer sk-bench")
            .header("x-user-id", &self.user)
            .header("x-tier", call.tier)
            .body(Full::new(call.body.clone()))?;
        let answer = self.sender.send_request(request).await.context("the proxy broke off")?;
        let status = answer.status().as_u16();
        let decided = answer.headers().contains_key("x-tokenstile-decision");
        let body = answer.into_body().collect().await.context("the answer broke off")?.to_bytes();
        let right = match call.expected {
            None => status == 200,
            Some(Expected::Decided) => status == 200 && decided,
            Some(Expected::Refused) => status == 429,
            Some(Expected::Untouched) => status == 200 && !decided,
        };
        if !right {
            let text = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
            bail!("{} answered {status}, decision header: {decided}: {text}", call.path);
        }
        Ok(())
    }
}

async fn connect(address: SocketAddr) -> Result<http1::SendRequest<Full<bytes::Bytes>>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its end is seen by the sender.
    tokio::spawn(connection);
    Ok(sender)
}
