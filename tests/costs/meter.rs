//! A way to the stack that counts every call to AWS, with the capacity that `DynamoDB` charges for it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use aws_smithy_types::base64;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
};
use reqwest::Client;
use serde_json::Value;
use tokio::{net::TcpListener, sync::Notify};

/// The length of a data key as KMS wraps it. The stack's are shorter, and what a connection weighs depends on them, so they
/// are filled up on the way.
const WRAPPED_KEY: usize = 184;

/// What was used since the last [`Meter::take`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Usage {
    calls: BTreeMap<String, usize>,
    /// Write units, of tables and indexes.
    pub(crate) writes: f64,
    /// Those of them that indexes took.
    pub(crate) index_writes: f64,
    /// Read units, of tables and indexes.
    pub(crate) reads: f64,
}

impl Usage {
    /// Calls of all services.
    pub(crate) fn total(&self) -> usize {
        self.calls.values().sum()
    }

    /// Calls whose target begins so, as `TrentService` or `DynamoDB_20120810.Query`.
    pub(crate) fn calls(&self, target: &str) -> usize {
        self.calls.iter().filter(|(name, _)| name.starts_with(target)).map(|(_, count)| count).sum()
    }

    /// Calls by what they do, without the names of the services.
    pub(crate) fn by_operation(&self) -> impl Iterator<Item = (&str, usize)> {
        self.calls.iter().map(|(target, count)| (target.rsplit('.').next().unwrap_or(target), *count))
    }

    fn add(&mut self, target: &str, answer: &Value) {
        *self.calls.entry(target.to_owned()).or_default() += 1;
        let charged = &answer["ConsumedCapacity"];
        let all: Vec<_> = charged.as_array().map_or_else(|| vec![charged], |tables| tables.iter().collect());
        for table in all {
            let units = table["CapacityUnits"].as_f64().unwrap_or_default();
            if is_read(target) {
                self.reads += units;
            } else {
                self.writes += units;
                self.index_writes += units - table["Table"]["CapacityUnits"].as_f64().unwrap_or(units);
            }
        }
    }
}

fn is_read(target: &str) -> bool {
    ["GetItem", "Query", "Scan"].iter().any(|operation| target.ends_with(operation))
}

/// The way, for as long as the test runs.
pub(crate) struct Meter {
    pub(crate) url: String,
    seen: Arc<Seen>,
}

struct Seen {
    upstream: String,
    http: Client,
    usage: Mutex<Usage>,
    /// The wrapped keys as the stack knows them, by what they were filled up to.
    wrapped: Mutex<HashMap<String, String>>,
    /// How many calls still pass.
    left: Mutex<usize>,
    /// Told of each call that does not.
    cut: Notify,
}

impl Meter {
    /// A way to the stack at `upstream`.
    pub(crate) async fn to(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Seen {
            upstream: upstream.to_owned(),
            http: providers::http::client().unwrap(),
            usage: Mutex::default(),
            wrapped: Mutex::default(),
            left: Mutex::new(usize::MAX),
            cut: Notify::new(),
        });
        let router = Router::new().fallback(pass).with_state(seen.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, seen }
    }

    /// What was used since the last time.
    pub(crate) fn take(&self) -> Usage {
        std::mem::take(&mut self.seen.usage.lock().unwrap())
    }

    /// Does `work` until it is about to make one call more than `calls`, and leaves it there, as a machine that ends would;
    /// none when it needed no more.
    pub(crate) async fn cut_after<T>(&self, calls: usize, work: impl Future<Output = T>) -> Option<T> {
        *self.seen.left.lock().unwrap() = calls;
        let done = tokio::select! {
            done = work => Some(done),
            () = self.seen.cut.notified() => None,
        };
        *self.seen.left.lock().unwrap() = usize::MAX;
        done
    }
}

/// Passes one call on, and its answer back.
async fn pass(
    State(seen): State<Arc<Seen>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap, Vec<u8>) {
    if !seen.admits() {
        seen.cut.notify_one();
        std::future::pending::<()>().await;
    }
    let target = headers.get("x-amz-target").map_or(uri.path(), |target| target.to_str().unwrap());
    let mut forwarded = headers.clone();
    for own in [header::HOST, header::CONTENT_LENGTH, header::ACCEPT_ENCODING] {
        forwarded.remove(own);
    }
    let request = seen.http.request(method, format!("{}{uri}", seen.upstream)).headers(forwarded);
    let answer = request.body(seen.asked(target, &body)).send().await.expect("the stack answers");
    let (status, date) = (answer.status(), answer.headers().get(header::DATE).cloned());
    let body = seen.answered(target, answer.bytes().await.unwrap().to_vec());
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    headers.extend(date.map(|date| (header::DATE, date)));
    (status, headers, body)
}

impl Seen {
    fn admits(&self) -> bool {
        let mut left = self.left.lock().unwrap();
        let admits = *left > 0;
        *left = left.saturating_sub(1);
        admits
    }

    /// A request as the stack is to get it: it answers with what it charges, and knows its own wrapped keys.
    fn asked(&self, target: &str, body: &[u8]) -> Vec<u8> {
        let Ok(mut request) = serde_json::from_slice::<Value>(body) else { return body.to_vec() };
        if target.starts_with("DynamoDB_") {
            request["ReturnConsumedCapacity"] = "INDEXES".into();
        }
        if let Some(filled) = request["CiphertextBlob"].as_str() {
            let own = self.wrapped.lock().unwrap().get(filled).expect("a key that came this way").clone();
            request["CiphertextBlob"] = own.into();
        }
        request.to_string().into_bytes()
    }

    /// An answer as it is passed back, once it is counted.
    fn answered(&self, target: &str, body: Vec<u8>) -> Vec<u8> {
        let mut answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        self.usage.lock().unwrap().add(target, &answer);
        let Some(own) = answer["CiphertextBlob"].as_str().map(str::to_owned) else { return body };
        let mut wrapped = base64::decode(&own).unwrap();
        wrapped.resize(WRAPPED_KEY.max(wrapped.len()), 0);
        let filled = base64::encode(wrapped);
        self.wrapped.lock().unwrap().insert(filled.clone(), own);
        answer["CiphertextBlob"] = filled.into();
        answer.to_string().into_bytes()
    }
}
