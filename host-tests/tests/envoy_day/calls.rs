//! The calls of a day, and who makes them.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokenstile_host::replay::trace::{Counted, Progress, Read, Setting, Used, What, open};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// So many at once.
const CALLERS: usize = 16;
/// Every second call streams; of so many streams one is hung up on.
const STREAMS_A_CUT: usize = 100;
/// No call takes so long.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, Clone)]
pub(crate) struct Call {
    headers: Vec<(String, String)>,
    model: String,
    input: u64,
    output: u64,
    streams: bool,
    /// The caller leaves after so many tokens.
    leaves_after: Option<u64>,
}

/// Reads a trace of token counts.
pub(crate) fn read(path: &Path) -> Vec<Call> {
    let reads = open(path, &Setting::default(), &Progress::default()).unwrap();
    let counted = reads.filter_map(|read| match read {
        Read::Call(call) => match call.what {
            What::Counted(counted) => Some(counted),
            What::Whole(_) => panic!("a day is a trace of token counts"),
        },
        Read::Bad(bad) => panic!("{}: {}", bad.place, bad.why),
        Read::Left(_) => None,
    });
    counted.enumerate().map(|(number, counted)| call(number, &counted)).collect()
}

fn call(number: usize, counted: &Counted) -> Call {
    let Used::Stated(usage) = counted.used else { panic!("a call without token counts") };
    let header = |(name, value): &(Arc<str>, Arc<str>)| {
        let name = if **name == *"user" { "x-user-id".to_owned() } else { format!("x-{name}") };
        (name, value.to_string())
    };
    let (streams, output) = (number.is_multiple_of(2), usage.output.max(1));
    let is_left = streams && (number / 2) % STREAMS_A_CUT == STREAMS_A_CUT / 2 && output > 1;
    Call {
        headers: counted.dimensions.iter().map(header).collect(),
        model: counted.model.to_string(),
        input: usage.input,
        output,
        streams,
        leaves_after: is_left.then_some(output / 2),
    }
}

impl Call {
    fn request(&self, url: &str) -> Request<Full<Bytes>> {
        // About as many tokens; how many the provider and the filter count, each for itself.
        let prompt = "hello ".repeat(usize::try_from(self.input.saturating_sub(8)).unwrap()) + "world";
        let body = json!({"model": self.model, "stream": self.streams, "messages": [{"role": "user", "content": prompt}]});
        let mut request = Request::post(format!("{url}/v1/chat/completions"))
            .header("content-type", "application/json")
            .header("x-sim-output-tokens", self.output.to_string());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(tokens) = self.leaves_after {
            // What the provider has sent when the caller leaves is known: it sends no more.
            request = request.header("x-sim-stall-after", tokens.to_string());
        }
        request.body(Full::new(body.to_string().into())).unwrap()
    }
}

type Http = Client<HttpConnector, Full<Bytes>>;

/// Callers at work.
pub(crate) struct Sender {
    runtime: Runtime,
    callers: Vec<JoinHandle<()>>,
    next: Arc<AtomicUsize>,
    url: Arc<RwLock<String>>,
    sent: Sent,
}

/// What was sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) streams: usize,
    pub(crate) cut: usize,
}

impl Sender {
    pub(crate) fn start(calls: Vec<Call>, url: &str) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let sent = Sent {
            streams: calls.iter().filter(|call| call.streams).count(),
            cut: calls.iter().filter(|call| call.leaves_after.is_some()).count(),
        };
        let (calls, next) = (Arc::new(calls), Arc::new(AtomicUsize::new(0)));
        let url = Arc::new(RwLock::new(url.to_owned()));
        let http: Http = Client::builder(TokioExecutor::new()).build_http();
        let caller = |_| {
            let (calls, next, url, http) = (calls.clone(), next.clone(), url.clone(), http.clone());
            runtime.spawn(async move {
                while let Some(call) = calls.get(next.fetch_add(1, Ordering::Relaxed)) {
                    tokio::time::timeout(PATIENCE, make(&http, &url, call))
                        .await
                        .expect("a call takes for ever");
                }
            })
        };
        let callers = (0..CALLERS).map(caller).collect();
        Self { callers, next, url, sent, runtime }
    }

    /// Waits until so many calls have begun.
    pub(crate) fn wait_until(&self, calls: usize) {
        while self.next.load(Ordering::Relaxed) < calls {
            assert!(!self.callers.iter().all(JoinHandle::is_finished), "the callers have ended");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Later calls go there.
    pub(crate) fn goes_to(&self, url: &str) {
        url.clone_into(&mut self.url.write().unwrap());
    }

    pub(crate) fn finish(self) -> Sent {
        for caller in self.callers {
            self.runtime.block_on(caller).unwrap();
        }
        self.sent
    }
}

/// Makes a call. One that found nobody to talk to was not sent, and is made again.
async fn make(http: &Http, url: &RwLock<String>, call: &Call) {
    let answer = loop {
        let target = url.read().unwrap().clone();
        match http.request(call.request(&target)).await {
            Ok(answer) => break answer,
            Err(error) if error.is_connect() => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(error) => panic!("{error:?}"),
        }
    };
    let status = answer.status();
    let mut body = answer.into_body();
    let Some(leaves_after) = call.leaves_after else {
        let body = body.collect().await.unwrap().to_bytes();
        assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
        return;
    };
    assert_eq!(status, StatusCode::OK);
    let mut read = String::new();
    while (read.matches("\"content\":\" ").count() as u64) < leaves_after {
        let frame = body.frame().await.expect("the stream goes on").expect("the connection holds");
        read.push_str(&String::from_utf8_lossy(frame.data_ref().unwrap()));
    }
    // The body is dropped here, and with it the connection.
}

/// What the quota endpoint says.
pub(crate) fn quota(url: &str) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let http: Http = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::get(format!("{url}/.well-known/llm-quota")).body(Full::default()).unwrap();
    let body =
        runtime.block_on(async { http.request(request).await.unwrap().into_body().collect().await.unwrap() });
    serde_json::from_slice(&body.to_bytes()).unwrap()
}
