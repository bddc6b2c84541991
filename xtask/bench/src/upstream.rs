//! The provider: a small fast server that answers chats as OpenAI does, whole or as 54 events.
//!
//! Called by [`crate::measure`] once a run. It looks for nothing in the request but the `stream`
//! flag, so that it costs the same whatever stands in front of it.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::{
    Request, Response,
    body::{Body, Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;

/// Events of one streamed answer: a role, words, the end, the usage and `[DONE]`.
pub(crate) const EVENTS: usize = 54;

type Answer = Response<Either<Full<Bytes>, Events>>;

/// Serves until the runtime ends.
pub(crate) async fn start() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let json = whole();
    let events: Arc<[Bytes]> = streamed().into();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (json, events) = (json.clone(), events.clone());
            // Small writes must leave at once, as a provider's tokens do.
            let _ = stream.set_nodelay(true);
            tokio::spawn(async move {
                let service = service_fn(|request| answer(request, json.clone(), events.clone()));
                // A proxy that goes away is the end of its connection and nothing more.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    Ok(address)
}

async fn answer(request: Request<Incoming>, json: Bytes, events: Arc<[Bytes]>) -> Result<Answer, Infallible> {
    let body =
        request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    // The flag stands at the end of what `scenario` writes: keys are sorted.
    let tail = &body[body.len().saturating_sub(80)..];
    let stream = tail.windows(13).any(|window| window == b"\"stream\":true");
    let (kind, body) = if stream {
        ("text/event-stream", Either::Right(Events { events, next: 0, pause: false }))
    } else {
        ("application/json", Either::Left(Full::new(json)))
    };
    let mut response = Response::new(body);
    response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static(kind));
    Ok(response)
}

/// A body whose events leave one by one: a pause after each makes the server write it out.
struct Events {
    events: Arc<[Bytes]>,
    next: usize,
    pause: bool,
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.pause = !self.pause;
        if !self.pause {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let event = self.events.get(self.next).cloned();
        self.next += 1;
        Poll::Ready(event.map(|bytes| Ok(Frame::data(bytes))))
    }
}

fn usage() -> serde_json::Value {
    json!({"prompt_tokens": 210, "completion_tokens": 50, "total_tokens": 260,
           "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
           "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0}})
}

fn whole() -> Bytes {
    let content = "Your second payment was found and will be returned within five working days. ".repeat(3);
    let answer = json!({
        "id": "chatcmpl-bench", "object": "chat.completion", "created": 1_780_000_000, "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content, "refusal": null},
                     "logprobs": null, "finish_reason": "stop"}],
        "usage": usage(), "service_tier": "default", "system_fingerprint": "fp_bench",
    });
    Bytes::from(answer.to_string())
}

fn streamed() -> Vec<Bytes> {
    let chunk = |choices: serde_json::Value, usage: serde_json::Value| {
        let event = json!({
            "id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1_780_000_000,
            "model": "gpt-4o-2024-08-06", "system_fingerprint": "fp_bench", "choices": choices, "usage": usage,
        });
        Bytes::from(format!("data: {event}\n\n"))
    };
    let delta = |delta: serde_json::Value, end: Option<&str>| {
        chunk(
            json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": end}]),
            serde_json::Value::Null,
        )
    };
    let mut events = vec![delta(json!({"role": "assistant", "content": ""}), None)];
    events.extend((0..EVENTS - 4).map(|_| delta(json!({"content": " payment"}), None)));
    events.push(delta(json!({}), Some("stop")));
    events.push(chunk(json!([]), usage()));
    events.push(Bytes::from_static(b"data: [DONE]\n\n"));
    events
}
