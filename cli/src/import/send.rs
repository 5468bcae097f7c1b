//! Sending rows to the API in batches, and telling what became of them.

use std::{
    fmt,
    io::{Write as _, stdout},
    time::Duration,
};

use anyhow::{Context as _, bail};
use providers::http::{Client, client, read_bounded, wait_asked};
use serde::Deserialize;
use serde_json::{Map, Value};

/// What the API takes in one request.
const MAX_ROWS: usize = 50;
/// The API takes 256 KiB; the rest of the body is far smaller than what is left.
const MAX_BYTES: usize = 240 * 1024;
/// The gateway gives up after 29 seconds.
const TIMEOUT: Duration = Duration::from_secs(35);
/// What the answer about fifty rows never comes to.
const MAX_ANSWER: usize = 256 * 1024;
/// How often a request is sent that the API does not answer, or rows of which it gets to none: a few minutes of outage.
const TRIES: u32 = 6;
/// What the API says of rows that it could not get to, which may be sent again.
const AGAIN: [&str; 2] = ["STORAGE_UNAVAILABLE", "RATE_LIMIT_EXCEEDED"];

/// The API that takes rows.
pub(super) struct Api {
    client: Client,
    url: String,
    key: String,
    options: Map<String, Value>,
}

/// What became of all rows so far.
#[derive(Debug, Default)]
pub(super) struct Counts {
    imported: u64,
    skipped: u64,
    pub(super) failed: u64,
    /// The line behind the last one that was answered.
    pub(super) next_line: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { imported, skipped, failed, .. } = self;
        write!(f, "{imported} imported, {skipped} skipped, {failed} failed")
    }
}

/// Rows for one request.
#[derive(Default)]
pub(super) struct Batch {
    rows: Vec<Map<String, Value>>,
    bytes: usize,
    last_line: u64,
}

#[derive(Deserialize)]
struct Report {
    results: Vec<RowReport>,
}

#[derive(Deserialize)]
struct RowReport {
    line: u64,
    status: String,
    code: Option<String>,
    message: Option<String>,
    warnings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Refusal {
    code: String,
    message: String,
    correlation_id: String,
}

impl Batch {
    pub(super) fn has_room(&self, row: &Map<String, Value>) -> bool {
        self.rows.is_empty() || (self.rows.len() < MAX_ROWS && self.bytes + size(row) <= MAX_BYTES)
    }

    /// Whether a row can be sent at all.
    pub(super) fn fits(row: &Map<String, Value>) -> bool {
        size(row) <= MAX_BYTES
    }

    pub(super) fn add(&mut self, row: Map<String, Value>, line: u64) {
        self.bytes += size(&row);
        self.rows.push(row);
        self.last_line = line;
    }
}

fn size(row: &Map<String, Value>) -> usize {
    serde_json::to_string(row).map_or(usize::MAX, |text| text.len() + 1)
}

impl Api {
    pub(super) fn new(url: &str, key: String, options: Map<String, Value>) -> anyhow::Result<Self> {
        let url = format!("{}/api/import", url.trim_end_matches('/'));
        Ok(Self { client: client().context("there is no HTTP client")?, url, key, options })
    }

    /// Sends a batch until the API got to all of its rows, prints what failed, and leaves the batch empty.
    pub(super) async fn send(&self, batch: &mut Batch, counts: &mut Counts) -> anyhow::Result<()> {
        let Batch { mut rows, last_line, .. } = std::mem::take(batch);
        let mut tried = 1;
        while !rows.is_empty() {
            let report = self.post(&rows).await?;
            if report.results.len() != rows.len() {
                bail!("the API told of {} rows, and was sent {}", report.results.len(), rows.len());
            }
            let (left, done): (Vec<_>, Vec<_>) =
                rows.into_iter().zip(report.results).partition(|(_, result)| result.is_to_come_again());
            for (_, result) in &done {
                counts.tell(result)?;
            }
            // As long as the API gets to some of them, it gets to all.
            tried = if done.is_empty() { tried + 1 } else { 1 };
            if tried > TRIES {
                for (_, result) in &left {
                    counts.tell(result)?;
                }
                break;
            }
            rows = left.into_iter().map(|(row, _)| row).collect();
            if done.is_empty() {
                wait(backoff(tried - 1)).await;
            }
        }
        counts.next_line = counts.next_line.max(last_line + 1);
        Ok(())
    }

    async fn post(&self, rows: &[Map<String, Value>]) -> anyhow::Result<Report> {
        let mut body = self.options.clone();
        body.insert("rows".to_owned(), rows.iter().cloned().map(Value::from).collect());
        let mut tried = 1;
        loop {
            let request =
                self.client.post(&self.url).timeout(TIMEOUT).header("x-api-key", &self.key).json(&body);
            let (why, asked) = match request.send().await {
                Ok(response) if response.status().is_success() => {
                    let body = read_bounded(response, MAX_ANSWER).await.context("the answer was cut")?;
                    return serde_json::from_slice(&body).context("the answer is not one of this API");
                }
                Ok(response) => {
                    let (status, asked) = (response.status(), wait_asked(response.headers()));
                    let why = refusal(
                        status.as_u16(),
                        &read_bounded(response, MAX_ANSWER).await.unwrap_or_default(),
                    );
                    if !(status.is_server_error() || status.as_u16() == 429) {
                        bail!("{why}");
                    }
                    (why, asked)
                }
                // Its words name the address, and nothing of the request.
                Err(error) => (error.to_string(), None),
            };
            if tried == TRIES {
                bail!("{why}");
            }
            wait(asked.unwrap_or_else(|| backoff(tried))).await;
            tried += 1;
        }
    }
}

impl RowReport {
    fn is_to_come_again(&self) -> bool {
        self.code.as_deref().is_some_and(|code| AGAIN.contains(&code))
    }
}

impl Counts {
    fn tell(&mut self, result: &RowReport) -> anyhow::Result<()> {
        let RowReport { line, status, code, message, warnings } = result;
        match status.as_str() {
            "imported" | "would_import" => self.imported += 1,
            "skipped" => self.skipped += 1,
            _ => {
                self.failed += 1;
                let (code, message) =
                    (code.as_deref().unwrap_or(status), message.as_deref().unwrap_or_default());
                writeln!(stdout(), "line {line}: {code}: {message}")?;
            }
        }
        for warning in warnings {
            writeln!(stdout(), "line {line}: warning: {warning}: {}", advice(warning))?;
        }
        Ok(())
    }
}

/// What to do about a warning.
fn advice(warning: &str) -> &'static str {
    match warning {
        "shared_iv" => {
            "the other system encrypted both tokens with one IV, so have the customer connect again, which replaces them"
        }
        "refresh_token_expired" | "reconnect_required" => "the customer must connect again",
        _ => "look at the connection later",
    }
}

/// What the API said of a request that it refused as a whole.
fn refusal(status: u16, body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Shape {
        error: Refusal,
    }
    match serde_json::from_slice(body).ok() {
        Some(Shape { error: Refusal { code, message, correlation_id } }) => {
            format!("the API refuses the request: {code}: {message} ({correlation_id})")
        }
        None => format!("the API answers with status {status}"),
    }
}

fn backoff(tried: u32) -> Duration {
    Duration::from_secs(1 << tried.min(6))
}

async fn wait(time: Duration) {
    tokio::time::sleep(time).await;
}
