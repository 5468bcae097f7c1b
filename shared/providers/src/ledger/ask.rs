//! One question to a data API, and what an answer that is none means for others.

use std::time::Duration;

use domain::{
    limits::{Gate, Heard},
    store::BoxError,
    sync::LedgerError,
};
use reqwest::{
    Client, Request, RequestBuilder, StatusCode,
    header::{ACCEPT, HeaderName, HeaderValue},
};
use thiserror::Error;

use super::heard::{Limited, heard, kind};
use crate::{
    http::{self, BodyError, ERROR_BODY_MAX},
    oauth::Answer,
};

/// How much an answer may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// From the request to the end of the body.
    pub(crate) timeout: Duration,
    /// The longest body.
    pub(crate) body: usize,
}

/// Why objects could not be had.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Others would meet it too.
    Common(LedgerError),
    /// It is about the objects that were asked for.
    Own(LedgerError),
}

/// A success whose body is not what was promised; no part of it is repeated.
#[derive(Clone, Copy, Debug, Error)]
pub(crate) enum Unreadable {
    /// It cannot be read.
    #[error("the answer is not the JSON that was promised")]
    Json,
    /// It can be read, and does not answer the question.
    #[error("the answer is about something else")]
    Other,
}

impl From<LedgerError> for Trouble {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Refused { .. } => Self::Own(error),
            _ => Self::Common(error),
        }
    }
}

impl From<Trouble> for LedgerError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Common(error) | Trouble::Own(error) => error,
        }
    }
}

/// Asks once for JSON, if the limits allow it, and tells those who keep them what came of it; the body of an error that is
/// cut or too long is empty, for its status says what matters.
pub(crate) async fn ask(
    (gate, limited): (Option<&Gate>, fn(&Answer) -> Limited),
    request: RequestBuilder,
    limits: Limits,
) -> Result<Answer, Trouble> {
    let request =
        request.header(ACCEPT, HeaderValue::from_static("application/json")).timeout(limits.timeout);
    let (client, request) = request.build_split();
    let request = request.map_err(|error| unavailable(error.without_url().into()))?;
    let Some(gate) = gate else { return send((&client, request), limits).await };
    let pass = gate.pass(kind(request.method(), request.url().path())).await;
    let _pass = pass.map_err(|held| Trouble::Common(held.into()))?;
    let answered = send((&client, request), limits).await;
    gate.heard(match &answered {
        Ok(answer) => heard(limited, answer, answer.body.len() as u64),
        Err(_) => Heard { failed: true, ..Heard::default() },
    })
    .await;
    answered
}

async fn send((client, request): (&Client, Request), limits: Limits) -> Result<Answer, Trouble> {
    let sent = client.execute(request).await;
    let response = sent.map_err(|error| unavailable(error.without_url().into()))?;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = if status.is_success() {
        http::read_bounded(response, limits.body).await.map_err(|error| match error {
            // The connection failed, and would have for another object.
            BodyError::Cut(_) => unavailable(error.into()),
            BodyError::TooLong { .. } => Trouble::Own(LedgerError::Unavailable(error.into())),
        })?
    } else {
        http::read_bounded(response, ERROR_BODY_MAX).await.unwrap_or_default()
    };
    Ok(Answer { status, headers, body })
}

fn unavailable(source: BoxError) -> Trouble {
    Trouble::Common(LedgerError::Unavailable(source))
}

/// What an error means that answers a question for one object, by its status: over a single object a provider stumbles with
/// 500, or with a success that is none; with other statuses when it is down.
pub(crate) fn about_one(status: StatusCode, error: LedgerError) -> Trouble {
    match error {
        LedgerError::Unavailable(_) if status == StatusCode::INTERNAL_SERVER_ERROR || status.is_success() => {
            Trouble::Own(error)
        }
        _ => error.into(),
    }
}

/// Whether an answer was not read to its end, since it is longer than is read at once.
pub(crate) fn is_too_long(trouble: &Trouble) -> bool {
    let Trouble::Own(LedgerError::Unavailable(source)) = trouble else { return false };
    matches!(source.downcast_ref(), Some(BodyError::TooLong { .. }))
}

/// A body that cannot be read.
pub(crate) fn unreadable(why: Unreadable) -> Trouble {
    Trouble::Own(LedgerError::Unavailable(why.into()))
}

/// A refusal carries only its status, so what the provider's support would ask for is said here.
pub(crate) fn refused(answer: &Answer, trace: Option<&HeaderName>) -> LedgerError {
    let status = answer.status.as_u16();
    let trace_id = trace.and_then(|name| http::trace_id(&answer.headers, name));
    tracing::warn!(status, trace_id, "The provider refuses a request");
    LedgerError::Refused { status }
}
