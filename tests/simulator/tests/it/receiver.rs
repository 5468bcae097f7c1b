//! A receiver of webhooks, as the system under test would be.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Bytes,
    extract::{RawQuery, State},
    http::{HeaderMap, Method, StatusCode},
    response::IntoResponse,
    routing::any,
};

/// Notes every request and answers with the next status of a list.
#[derive(Clone, Default)]
pub(crate) struct Receiver {
    received: Arc<Mutex<Vec<Received>>>,
    statuses: Arc<Mutex<Vec<u16>>>,
}

/// One received webhook.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) signature: Option<String>,
    pub(crate) content_type: String,
    pub(crate) method: Method,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Receiver {
    /// Starts a receiver that answers with the given statuses, then with 200; returns it with its address.
    pub(crate) async fn start(statuses: &[u16]) -> (Self, String) {
        let receiver = Self::default();
        *receiver.statuses.lock().unwrap() = statuses.iter().rev().copied().collect();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let app = Router::new().route("/hook", any(receive)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (receiver, url)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

async fn receive(
    State(receiver): State<Receiver>,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    receiver.received.lock().unwrap().push(Received {
        signature: header("intuit-signature"),
        content_type: header("content-type").unwrap_or_default(),
        method,
        query,
        body: String::from_utf8(body.to_vec()).unwrap(),
        headers,
    });
    let status = receiver.statuses.lock().unwrap().pop().unwrap_or(200);
    (StatusCode::from_u16(status).unwrap(), [("x-answer", "yes")], "noted")
}
