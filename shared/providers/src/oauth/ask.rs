//! One request, and its complete answer or the way in which there is none.

use reqwest::{
    RequestBuilder, StatusCode,
    header::{HeaderMap, HeaderName},
};
use serde::Deserialize;
use thiserror::Error;
use url::Url;

use crate::http::{self, BodyError};

/// A complete answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Empty where an error's was longer than is read.
    pub(crate) body: Vec<u8>,
}

/// Why there is no complete answer; the address is left out, since it may hold a token.
#[derive(Debug, Error)]
pub(crate) enum Lost {
    /// The connection never came up, so that it carried nothing.
    #[error("the provider could not be reached")]
    Unreached(#[source] reqwest::Error),
    /// The request may have arrived.
    #[error("there was no answer")]
    Unanswered(#[source] reqwest::Error),
    /// The answer began and cannot be read to its end.
    #[error("the answer cannot be read")]
    Body {
        status: StatusCode,
        headers: HeaderMap,
        #[source]
        source: BodyError,
    },
}

/// A complete answer that is not the expected one, in words that are safe to log.
#[derive(Clone, Debug, Error)]
#[error("the provider answered {status}, request {trace}", trace = trace_id.as_deref().unwrap_or("unnamed"))]
pub(crate) struct Unexpected {
    status: u16,
    trace_id: Option<String>,
}

/// A success whose body is not what was promised; no part of it is repeated.
#[derive(Clone, Copy, Debug, Error)]
#[error("the answer is not the JSON that was promised")]
pub(crate) struct NotAsPromised;

/// Asks once; an error answer with more than `limit` bytes has lost nothing of worth.
pub(crate) async fn ask(request: RequestBuilder, limit: usize) -> Result<Answer, Lost> {
    let response = request.send().await.map_err(|error| {
        let carried_nothing = error.is_connect() || error.is_builder();
        let error = error.without_url();
        if carried_nothing { Lost::Unreached(error) } else { Lost::Unanswered(error) }
    })?;
    let (status, headers) = (response.status(), response.headers().clone());
    match http::read_bounded(response, limit).await {
        Ok(body) => Ok(Answer { status, headers, body }),
        Err(BodyError::TooLong { .. }) if !status.is_success() => {
            Ok(Answer { status, headers, body: Vec::new() })
        }
        Err(source) => Err(Lost::Body { status, headers, source }),
    }
}

impl Answer {
    /// The body as JSON; the parser's own error is dropped, since it would quote what it did not expect.
    pub(crate) fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, NotAsPromised> {
        serde_json::from_slice(&self.body).map_err(|_| NotAsPromised)
    }

    /// What is safe to tell of it.
    pub(crate) fn unexpected(&self, trace: Option<&HeaderName>) -> Unexpected {
        let trace_id = trace.and_then(|name| http::trace_id(&self.headers, name));
        Unexpected { status: self.status.as_u16(), trace_id }
    }
}

/// An address with more segments at its end. Those configured are of http or https, which can always carry them.
pub(crate) fn segments_below(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}
