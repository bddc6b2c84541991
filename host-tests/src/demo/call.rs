//! The client: one chat call as an SDK makes it, and what it sees of the answer.

use super::story::Step;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request, Response, body::Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::error::Error;
use std::time::Duration;

const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// What the client saw.
pub(super) struct Answered {
    pub(super) status: u16,
    headers: HeaderMap,
    /// The answer as JSON; null for a stream.
    pub(super) body: Value,
}

impl Answered {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Sends the step's call to the proxy and reads the answer, or as much of it as the user waits for.
pub(super) fn send(proxy: &str, step: &Step) -> Result<Answered, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| why.to_string())?;
    let call = async { tokio::time::timeout(ANSWER_WITHIN, exchange(proxy, step)).await };
    let answered = runtime.block_on(call).map_err(|_| "the call is not answered")?;
    answered.map_err(|why| format!("the call of {} failed: {why}", step.who))
}

async fn exchange(proxy: &str, step: &Step) -> Result<Answered, Box<dyn Error + Send + Sync>> {
    let streams = step.leaves_after.is_some();
    let call = json!({"model": step.model, "stream": streams,
        "messages": [{"role": "user", "content": step.prompt}]});
    let mut request = Request::post(format!("{proxy}/v1/chat/completions"))
        .header("content-type", "application/json")
        .header("x-user-id", step.who.to_lowercase())
        .header("x-tier", step.plan)
        .header("x-sim-output-tokens", step.answer_tokens);
    if let Some(tokens) = step.leaves_after {
        // The simulated model falls silent where the user leaves, so that both know how much was written.
        request = request.header("x-sim-stall-after", tokens);
    }
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(request.body(Full::new(Bytes::from(call.to_string())))?).await?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let body = match step.leaves_after.filter(|_| status == 200) {
        Some(tokens) => read_until(answer, tokens).await?,
        None => serde_json::from_slice(&answer.into_body().collect().await?.to_bytes())?,
    };
    Ok(Answered { status, headers, body })
}

/// Reads a stream until so many tokens are there, then hangs up by dropping the connection.
async fn read_until(answer: Response<Incoming>, tokens: u32) -> Result<Value, Box<dyn Error + Send + Sync>> {
    let mut body = answer.into_body();
    let (mut text, mut seen) = (String::new(), 0);
    while seen < tokens {
        let frame = body.frame().await.ok_or("the stream ended early")??;
        text.push_str(&String::from_utf8_lossy(frame.data_ref().map_or(&[], |data| data)));
        while let Some((event, rest)) = text.split_once("\n\n") {
            let chunk: Value = serde_json::from_str(event.trim_start_matches("data: "))?;
            let content = chunk["choices"][0]["delta"]["content"].as_str().unwrap_or("");
            seen += u32::from(!content.is_empty());
            text = rest.to_owned();
        }
    }
    Ok(Value::Null)
}
