//! Asking a token endpoint, once.

use domain::{
    clock::Clock,
    secret::RefreshToken,
    store::BoxError,
    token::{CodeGrant, Refusal, TokenEndpointError},
};
use reqwest::{
    RequestBuilder,
    header::{ACCEPT, HeaderMap, HeaderValue},
};

use super::{Dialect, Issued, Lost, TokenAnswer, ask};
use crate::http::{self, TOKEN_BODY_MAX};

/// What an exchange says (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
pub(crate) fn exchange_form<'a>(grant: &CodeGrant<'a>) -> Vec<(&'static str, &'a str)> {
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", grant.code.expose()),
        ("redirect_uri", grant.redirect_uri),
    ];
    form.extend(grant.verifier.map(|verifier| ("code_verifier", verifier.expose())));
    form
}

/// What a refresh says (RFC 6749 section 6).
pub(crate) fn refresh_form(token: &RefreshToken) -> Vec<(&'static str, &str)> {
    vec![("grant_type", "refresh_token"), ("refresh_token", token.expose())]
}

/// Sends a grant and judges the answer.
///
/// A request is sent once: whether it may be sent again depends on what the answer proves, which is the engine's to judge.
/// `kept` is the refresh token that stays good where the answer has none.
pub(crate) async fn grant(
    request: RequestBuilder,
    clock: &dyn Clock,
    dialect: &Dialect,
    kept: Option<&RefreshToken>,
) -> Result<Issued, TokenEndpointError> {
    // Lives are counted from before the request, so that a token is never believed to live longer than it does.
    let sent_at = clock.now();
    let request = request.header(ACCEPT, HeaderValue::from_static("application/json"));
    let trace_id =
        |headers: &HeaderMap| dialect.trace.as_ref().and_then(|name| http::trace_id(headers, name));
    let unknown = |refusal: Refusal, source: BoxError| {
        Err(TokenEndpointError::Unknown { refusal, source: Some(source) })
    };
    let answer = match ask(request, TOKEN_BODY_MAX).await {
        Ok(answer) => answer,
        Err(Lost::Unreached(error)) => return Err(TokenEndpointError::Unreached(error.into())),
        Err(Lost::Unanswered(error)) => return unknown(Refusal::default(), error.into()),
        Err(Lost::Body { status, headers, source }) => {
            let status = Some(status.as_u16());
            return unknown(Refusal { error: None, status, trace_id: trace_id(&headers) }, source.into());
        }
    };
    let judged = TokenAnswer {
        status: answer.status,
        body: &answer.body,
        trace_id: trace_id(&answer.headers),
        retry_after: http::retry_after(&answer.headers, clock.now()),
    };
    judged.judge(dialect, sent_at, kept)
}
