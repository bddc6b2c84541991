//! Where the board's numbers come from: records in a file that grows or on standard input, a Prometheus endpoint, and
//! the quota endpoint for budgets. Called by [`super::screen`]; each source reads on a thread of its own.

use super::board::{Board, Budget};
use super::scrape::Scraped;
use crate::records::Record;
use crate::replay::trace::{Recent, record_in};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::time::Duration;

/// How often a file is looked at, and an endpoint asked.
const LOOK: Duration = Duration::from_millis(200);
const ASK: Duration = Duration::from_secs(2);
/// An answer has this long, and no more bytes than this.
const ANSWER: Duration = Duration::from_secs(10);
const PAGE_MAX: usize = 64 << 20;

/// What is followed.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file that grows; `-` is standard input.
    Records(PathBuf),
    /// A page of metrics.
    Metrics(String),
}

/// Who asks the quota endpoint.
#[derive(Debug, Clone)]
pub struct Quota {
    /// Where it is.
    pub url: String,
    /// Who asks, as the policy's identity reads it.
    pub headers: Vec<(String, String)>,
}

/// What a source found.
#[derive(Debug)]
pub enum News {
    /// A record.
    Record(Box<Record>),
    /// A page of metrics.
    Metrics(String),
    /// The caller's budgets.
    Budgets(Vec<Budget>),
    /// The source does not answer, or does again.
    Trouble(Option<String>),
    /// There will be no more.
    End,
}

/// Adds news to a board.
#[derive(Debug, Default)]
pub struct Reader {
    scraped: Scraped,
    recent: Recent,
}

impl Reader {
    /// Adds one; `now` in seconds since 1970. A sink delivers at least once: a record that came before is not counted.
    pub fn add(&mut self, news: News, now: i64, board: &mut Board) {
        match news {
            News::Record(record) if !self.recent.is_new(&record.id) => {}
            News::Record(record) => board.record(&record),
            News::Metrics(page) => self.scraped.add(&page, now, board),
            News::Budgets(budgets) => board.budgets = budgets,
            News::Trouble(trouble) => board.trouble = trouble,
            News::End => {}
        }
    }
}

/// Follows a source until nobody listens. `once`: what is there now, and then the end.
pub fn follow(source: &Source, once: bool, news: &Sender<News>) {
    let done = match source {
        Source::Records(path) if path.as_os_str() == "-" => {
            lines(&mut std::io::stdin().lock(), news).map(drop)
        }
        Source::Records(path) => file(path, once, news),
        Source::Metrics(url) => ask(url, &[], once, news, |page| Ok(News::Metrics(page.to_owned()))),
    };
    if let Err(why) = done {
        let _ = news.send(News::Trouble(Some(why)));
    }
    let _ = news.send(News::End);
}

/// Asks the quota endpoint again and again.
pub fn follow_quota(quota: &Quota, once: bool, news: &Sender<News>) {
    if let Err(why) = ask(&quota.url, &quota.headers, once, news, budgets) {
        let _ = news.send(News::Trouble(Some(why)));
    }
    let _ = news.send(News::End);
}

/// Reads whole lines; a last one that is not whole yet is left. How many bytes were read.
fn lines(from: &mut impl BufRead, news: &Sender<News>) -> Result<u64, String> {
    let mut read = 0;
    loop {
        let mut line = Vec::new();
        let length = from.read_until(b'\n', &mut line).map_err(|error| error.to_string())?;
        if length == 0 || line.last() != Some(&b'\n') {
            return Ok(read);
        }
        read += u64::try_from(length).unwrap_or(0);
        let found = match record_in::<Record>(&line) {
            Ok(None) => continue,
            Ok(Some(record)) => News::Record(Box::new(record)),
            Err(why) => News::Trouble(Some(why)),
        };
        news.send(found).map_err(|_| "nobody listens".to_owned())?;
    }
}

/// A file from its beginning; one that became shorter has begun anew.
fn file(path: &Path, once: bool, news: &Sender<News>) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot read `{}`: {error}", path.display());
    let mut at = 0;
    loop {
        let mut file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        if length < at {
            at = 0;
        }
        if length > at {
            file.seek(SeekFrom::Start(at)).map_err(failed)?;
            at += lines(&mut BufReader::new(file.take(length - at)), news)?;
        }
        if once {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
}

/// Asks for a page every few seconds; what goes wrong meanwhile is told and tried again.
fn ask(
    url: &str,
    headers: &[(String, String)],
    once: bool,
    news: &Sender<News>,
    found: impl Fn(&str) -> Result<News, String>,
) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let client: Pages = Client::builder(TokioExecutor::new()).build_http();
    loop {
        let page = runtime.block_on(async {
            let page = tokio::time::timeout(ANSWER, page(&client, url, headers)).await;
            page.map_err(|_| "it does not answer".to_owned())?
        });
        match page.and_then(|page| found(&page)) {
            Ok(found) => {
                let told = news.send(News::Trouble(None)).and_then(|()| news.send(found));
                told.map_err(|_| "nobody listens".to_owned())?;
            }
            Err(why) if once => return Err(format!("{url}: {why}")),
            Err(why) => {
                let trouble = News::Trouble(Some(format!("{url}: {why}")));
                news.send(trouble).map_err(|_| "nobody listens".to_owned())?;
            }
        }
        if once {
            return Ok(());
        }
        std::thread::sleep(ASK);
    }
}

type Pages = Client<hyper_util::client::legacy::connect::HttpConnector, Empty<Bytes>>;

async fn page(client: &Pages, url: &str, headers: &[(String, String)]) -> Result<String, String> {
    let mut request = Request::get(url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = request.body(Empty::new()).map_err(|error| error.to_string())?;
    let answer = client.request(request).await.map_err(|error| error.to_string())?;
    if !answer.status().is_success() {
        return Err(format!("it answers {}", answer.status()));
    }
    let body =
        Limited::new(answer.into_body(), PAGE_MAX).collect().await.map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
}

/// The budgets of an answer of the quota endpoint.
fn budgets(page: &str) -> Result<News, String> {
    let page: Value = serde_json::from_str(page).map_err(|_| "it is no quota endpoint".to_owned())?;
    let all = page.get("budgets").and_then(Value::as_array).ok_or("it is no quota endpoint")?;
    let text = |budget: &Value, key: &str| match budget.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "–".to_owned(),
        Some(value) => value.to_string(),
    };
    let budget = |budget: &Value| Budget {
        name: text(budget, "name"),
        percent: budget.get("percent").and_then(Value::as_u64).unwrap_or(0),
        of: format!("{} of {} {}", text(budget, "used"), text(budget, "limit"), text(budget, "unit")),
        state: text(budget, "state"),
    };
    Ok(News::Budgets(all.iter().map(budget).collect()))
}
