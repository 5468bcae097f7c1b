//! What an answer of Intuit's token endpoint proves.
//!
//! Only a complete answer that is an error proves that nothing was committed; only `invalid_grant` says anything about the
//! grant. Whatever cannot be read after a success may have been committed.

use std::{borrow::Cow, time::Duration};

use domain::{
    secret::{AccessToken, RefreshToken},
    token::{Refusal, TokenEndpointError, TokenSet},
};
use jiff::{Span, Timestamp};
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

/// The longest life of an access token that is believed: Intuit's is an hour, and more than a day is a mistaken unit.
const ACCESS_LIFE_MAX: u64 = 24 * 60 * 60;
/// The longest life of a grant that is believed: Intuit's is five years.
const GRANT_LIFE_MAX: u64 = 10 * 366 * 24 * 60 * 60;
/// The longest error code that is kept: those of RFC 6749 have at most 25 characters.
const ERROR_CODE_MAX: usize = 64;
/// Error codes that say that our app or its request is wrong, not the grant.
const APP_ERRORS: &[&str] =
    &["invalid_client", "invalid_request", "invalid_scope", "unauthorized_client", "unsupported_grant_type"];

/// A complete answer.
pub(super) struct TokenAnswer<'a> {
    /// Its status.
    pub(super) status: StatusCode,
    /// Its body; empty where an error's was longer than is read.
    pub(super) body: &'a [u8],
    /// Intuit's trace id.
    pub(super) trace_id: Option<String>,
    /// How long it asks to wait.
    pub(super) retry_after: Option<Duration>,
}

/// Why a success is none: without any part of the body, which may hold tokens.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub(super) enum Unusable {
    #[error("the answer has both tokens and an error")]
    Contradiction,
    #[error("expires_in is missing or absurd")]
    Expiry,
    #[error("the answer has no usable {0}")]
    Missing(&'static str),
    #[error("the answer is not the JSON that was promised")]
    Unparsable,
    #[error("the token type is not bearer")]
    TokenType,
}

/// The members that are used; RFC 6749 sections 5.1 and 5.2, and Intuit's own.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
    #[serde(borrow)]
    token_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    access_token: Option<Cow<'a, str>>,
    #[serde(borrow)]
    refresh_token: Option<Cow<'a, str>>,
    #[serde(borrow)]
    expires_in: Option<&'a RawValue>,
    #[serde(borrow)]
    x_refresh_token_expires_in: Option<&'a RawValue>,
    #[serde(borrow)]
    x_refresh_token_hard_expires_in: Option<&'a RawValue>,
}

impl TokenAnswer<'_> {
    /// Judges the answer to a request that was sent at `sent_at` for `scopes`.
    pub(super) fn judge(self, sent_at: Timestamp, scopes: &[String]) -> Result<TokenSet, TokenEndpointError> {
        // The parser's own error is dropped: it would quote what it did not expect, which may be a token.
        let members: Option<Members<'_>> = serde_json::from_slice(self.body).ok();
        let error = members.as_ref().and_then(|members| members.error.as_deref()).and_then(error_code);
        let status = self.status;
        let refusal = Refusal { error, status: Some(status.as_u16()), trace_id: self.trace_id };
        if !status.is_success() {
            return Err(refused(status, refusal, self.retry_after));
        }
        let unusable =
            |refusal, why: Unusable| TokenEndpointError::Unknown { refusal, source: Some(why.into()) };
        let Some(members) = members else { return Err(unusable(refusal, Unusable::Unparsable)) };
        match (&members.error, &members.access_token, &members.refresh_token) {
            (None, _, _) => {}
            (Some(_), None, None) => return Err(refused(status, refusal, self.retry_after)),
            (Some(_), _, _) => return Err(unusable(refusal, Unusable::Contradiction)),
        }
        members.token_set(sent_at, scopes).map_err(|why| unusable(refusal, why))
    }
}

impl Members<'_> {
    fn token_set(&self, sent_at: Timestamp, scopes: &[String]) -> Result<TokenSet, Unusable> {
        let access = token(self.access_token.as_deref(), "access_token")?;
        // Intuit always returns one; without it the next refresh could not be made.
        let refresh = token(self.refresh_token.as_deref(), "refresh_token")?;
        if !self.token_type.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
            return Err(Unusable::TokenType);
        }
        let access_expires_at = ends(self.expires_in, sent_at, ACCESS_LIFE_MAX).ok_or(Unusable::Expiry)?;
        Ok(TokenSet {
            access: AccessToken::new(access),
            refresh: RefreshToken::new(refresh),
            access_expires_at,
            // For information only: an absurd value is left out rather than the tokens lost for it.
            refresh_expires_at: ends(self.x_refresh_token_expires_in, sent_at, GRANT_LIFE_MAX),
            hard_expires_at: ends(self.x_refresh_token_hard_expires_in, sent_at, GRANT_LIFE_MAX),
            scopes: scopes.to_vec(),
        })
    }
}

/// What a complete error answer means.
fn refused(status: StatusCode, refusal: Refusal, retry_after: Option<Duration>) -> TokenEndpointError {
    // An error code counts only with a status that RFC 6749 gives it, or with the success that some servers send instead.
    let code = match status {
        StatusCode::TOO_MANY_REQUESTS => return TokenEndpointError::Throttled { refusal, retry_after },
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED => refusal.error.as_deref(),
        _ if status.is_success() => refusal.error.as_deref(),
        _ => None,
    };
    match code {
        Some("invalid_grant") if status != StatusCode::UNAUTHORIZED => {
            TokenEndpointError::GrantRefused(refusal)
        }
        Some(code) if APP_ERRORS.contains(&code) => TokenEndpointError::AppRefused(refusal),
        _ => TokenEndpointError::Failed(refusal),
    }
}

/// An error code in the alphabet that may be logged and stored; anything else is not repeated.
fn error_code(text: &str) -> Option<String> {
    let safe =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.' | b'-');
    let fits = !text.is_empty() && text.len() <= ERROR_CODE_MAX && text.bytes().all(safe);
    fits.then(|| text.to_owned())
}

/// A token of visible characters (RFC 6749 appendix A.12), so that it can stand in a header.
fn token<'a>(text: Option<&'a str>, name: &'static str) -> Result<&'a str, Unusable> {
    text.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()))
        .ok_or(Unusable::Missing(name))
}

/// The end of a life that began, at the latest, when the request was sent; none unless it is a whole number up to `max`.
fn ends(seconds: Option<&RawValue>, sent_at: Timestamp, max: u64) -> Option<Timestamp> {
    let seconds: u64 = seconds?.get().parse().ok()?;
    let seconds = i64::try_from(seconds).ok().filter(|_| (1..=max).contains(&seconds))?;
    sent_at.checked_add(Span::new().try_seconds(seconds).ok()?).ok()
}

#[cfg(test)]
mod tests;
