//! A provider that answers by script and remembers what it was asked.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::Response,
};
use futures::stream;
use tokio::net::TcpListener;

/// One request as it came.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// What a request is answered with.
pub(super) enum Script {
    /// This.
    Answer(u16, Vec<(&'static str, &'static str)>, Vec<u8>),
    /// The beginning of an answer, and then nothing more.
    Cut,
}

/// Answers that are still to be given, and the requests that came.
#[derive(Default)]
struct Book {
    script: Mutex<VecDeque<Script>>,
    asked: Mutex<Vec<Asked>>,
}

pub(super) struct Provider {
    pub(super) url: String,
    book: Arc<Book>,
}

impl Provider {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let book = Arc::<Book>::default();
        let router = Router::new().fallback(answer).with_state(book.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, book }
    }

    /// What the next request that has no answer yet is answered with; without a script all are `{"ok":true}`.
    pub(super) fn then(&self, script: Script) {
        self.book.script.lock().unwrap().push_back(script);
    }

    /// The requests that came since it was asked last.
    pub(super) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.book.asked.lock().unwrap())
    }
}

async fn answer(
    State(book): State<Arc<Book>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    book.asked.lock().unwrap().push(Asked { method, uri, headers, body });
    let script = book.script.lock().unwrap().pop_front();
    let ok = || Script::Answer(200, vec![("content-type", "application/json")], br#"{"ok":true}"#.to_vec());
    let mut response = Response::new(Body::empty());
    match script.unwrap_or_else(ok) {
        Script::Answer(status, headers, body) => {
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            for (name, value) in headers {
                response.headers_mut().append(name, value.parse().unwrap());
            }
            *response.body_mut() = body.into();
        }
        Script::Cut => {
            let parts = [Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("cut"))];
            *response.body_mut() = Body::from_stream(stream::iter(parts));
        }
    }
    response
}
