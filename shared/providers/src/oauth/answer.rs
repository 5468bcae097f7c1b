//! What an answer of a token endpoint proves.
//!
//! Only a complete answer that is an error proves that nothing was committed; only the provider's own code for it, in the
//! form in which that provider sends it, says that a grant is dead. Whatever cannot be read after a success may have been
//! committed.

use std::{borrow::Cow, time::Duration};

use domain::{
    secret::{AccessToken, RefreshToken},
    token::{Refusal, TokenEndpointError, TokenSet},
};
use jiff::{Span, Timestamp};
use reqwest::{StatusCode, header::HeaderName};
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

/// The longest life of an access token that is relied on: those of all three providers live an hour at most, and what
/// another server promises for longer is renewed earlier.
const ACCESS_LIFE_MAX: u64 = 24 * 60 * 60;
/// The life of an access token of which nothing is said (RFC 6749 section 5.1 only recommends it): the shortest of the
/// three providers'.
const ACCESS_LIFE_UNSAID: u64 = 30 * 60;
/// The longest life of a grant that is believed: Intuit's is five years.
const GRANT_LIFE_MAX: u64 = 10 * 366 * 24 * 60 * 60;
/// The longest error code that is kept: those of RFC 6749 have at most 25 characters.
const ERROR_CODE_MAX: usize = 64;
/// The longest scope that is kept: the longest of any provider has 60 characters.
const SCOPE_MAX: usize = 128;
/// The most scopes that are kept: no provider has as many.
const SCOPES_MAX: usize = 100;
/// The error codes of RFC 6749 section 5.2 that say that our app or its request is wrong, not the grant.
pub(crate) const BASE_APP_ERRORS: &[&str] =
    &["invalid_client", "invalid_request", "invalid_scope", "unauthorized_client", "unsupported_grant_type"];

/// How one provider speaks.
pub(crate) struct Dialect {
    /// The code with which it says that a grant is dead.
    pub(crate) dead: &'static str,
    /// The statuses with which it says so; with any other the code is no verdict.
    pub(crate) dead_statuses: &'static [u16],
    /// The codes with which it says that our app or its request is wrong.
    pub(crate) app_errors: &'static [&'static str],
    /// How it throttles, besides with the status 429.
    pub(crate) throttle: Option<Throttle>,
    /// What `expires_in` counts.
    pub(crate) expires_in: ExpiresIn,
    /// Whether a success must name its token type.
    pub(crate) names_token_type: bool,
    /// The header with its name for a request.
    pub(crate) trace: Option<HeaderName>,
}

/// A throttle that is said in words.
pub(crate) struct Throttle {
    /// What stands as `error`.
    pub(crate) error: &'static str,
    /// What `error_description` contains, in lower case.
    pub(crate) words: &'static str,
    /// The code that is kept of it.
    pub(crate) code: &'static str,
    /// How long it lasts.
    pub(crate) pause: Duration,
}

/// The unit of `expires_in`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ExpiresIn {
    /// Seconds (RFC 6749 section 5.1).
    Seconds,
    /// Seconds, or milliseconds where they would be more than a day.
    SecondsOrMilliseconds,
}

/// A complete answer.
pub(crate) struct TokenAnswer<'a> {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its body; empty where an error's was longer than is read.
    pub(crate) body: &'a [u8],
    /// The provider's trace id.
    pub(crate) trace_id: Option<String>,
    /// How long it asks to wait.
    pub(crate) retry_after: Option<Duration>,
}

/// A success.
#[derive(Debug)]
pub(crate) struct Issued {
    /// The tokens.
    pub(crate) tokens: TokenSet,
    /// Where they are good, where the answer says so; what is no text is as it stands, quotes and all, and equals nothing.
    pub(crate) api_domain: Option<String>,
}

/// Why a success is none: without any part of the body, which may hold tokens.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub(crate) enum Unusable {
    #[error("the answer has both tokens and an error")]
    Contradiction,
    #[error("expires_in is absurd")]
    Expiry,
    #[error("the answer has no usable {0}")]
    Missing(&'static str),
    #[error("the answer is not the JSON that was promised")]
    Unparsable,
    #[error("the token type is not bearer")]
    TokenType,
}

/// The members that are used; RFC 6749 sections 5.1 and 5.2, Intuit's own and Zoho's own. What is used only where it makes
/// sense stays raw, so that its form costs no tokens.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
    #[serde(borrow)]
    error_description: Option<&'a RawValue>,
    #[serde(borrow)]
    token_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    access_token: Option<Cow<'a, str>>,
    #[serde(borrow)]
    refresh_token: Option<Cow<'a, str>>,
    #[serde(borrow)]
    expires_in: Option<&'a RawValue>,
    #[serde(borrow)]
    scope: Option<&'a RawValue>,
    #[serde(borrow)]
    x_refresh_token_expires_in: Option<&'a RawValue>,
    #[serde(borrow)]
    x_refresh_token_hard_expires_in: Option<&'a RawValue>,
    #[serde(borrow)]
    api_domain: Option<&'a RawValue>,
}

impl TokenAnswer<'_> {
    /// Judges the answer to a request that was sent at `sent_at`; a refresh token that is `kept` need not be in it.
    pub(crate) fn judge(
        self,
        dialect: &Dialect,
        sent_at: Timestamp,
        kept: Option<&RefreshToken>,
    ) -> Result<Issued, TokenEndpointError> {
        // The parser's own error is dropped: it would quote what it did not expect, which may be a token.
        let members: Option<Members<'_>> = serde_json::from_slice(self.body).ok();
        let error = members.as_ref().and_then(|members| members.error.as_deref()).and_then(error_code);
        let status = self.status;
        let refusal = Refusal { error, status: Some(status.as_u16()), trace_id: self.trace_id };
        let issues = members.as_ref().is_some_and(Members::has_tokens);
        if !issues && let Some(throttle) = members.as_ref().and_then(|members| members.throttled(dialect)) {
            let refusal = Refusal { error: Some(throttle.code.to_owned()), ..refusal };
            let retry_after = self.retry_after.max(Some(throttle.pause));
            return Err(TokenEndpointError::Throttled { refusal, retry_after });
        }
        let unusable =
            |refusal, why: Unusable| TokenEndpointError::Unknown { refusal, source: Some(why.into()) };
        let says_error = members.as_ref().is_some_and(|members| members.error.is_some());
        if says_error && issues {
            return Err(unusable(refusal, Unusable::Contradiction));
        }
        if says_error || !status.is_success() {
            return Err(refused(dialect, status, refusal, self.retry_after));
        }
        let Some(members) = members else { return Err(unusable(refusal, Unusable::Unparsable)) };
        members.issued(dialect, sent_at, kept).map_err(|why| unusable(refusal, why))
    }
}

impl Members<'_> {
    fn has_tokens(&self) -> bool {
        self.access_token.is_some() || self.refresh_token.is_some()
    }

    fn throttled<'d>(&self, dialect: &'d Dialect) -> Option<&'d Throttle> {
        let throttle = dialect.throttle.as_ref()?;
        let said = self.error.as_deref()?.eq_ignore_ascii_case(throttle.error);
        (said && text(self.error_description)?.to_ascii_lowercase().contains(throttle.words))
            .then_some(throttle)
    }

    fn issued(
        &self,
        dialect: &Dialect,
        sent_at: Timestamp,
        kept: Option<&RefreshToken>,
    ) -> Result<Issued, Unusable> {
        let access = token(self.access_token.as_deref(), "access_token")?;
        // Without one the next refresh could not be made.
        let refresh = match (self.refresh_token.as_deref(), kept) {
            (None, Some(kept)) => kept.clone(),
            (issued, _) => RefreshToken::new(token(issued, "refresh_token")?),
        };
        let is_bearer = |kind: &str| kind.eq_ignore_ascii_case("bearer");
        if !self.token_type.as_deref().map_or(!dialect.names_token_type, is_bearer) {
            return Err(Unusable::TokenType);
        }
        let access_expires_at =
            access_ends(self.expires_in, sent_at, dialect.expires_in).ok_or(Unusable::Expiry)?;
        let tokens = TokenSet {
            access: AccessToken::new(access),
            refresh,
            access_expires_at,
            // For information only: an absurd value is left out rather than the tokens lost for it.
            refresh_expires_at: ends(seconds(self.x_refresh_token_expires_in), sent_at, GRANT_LIFE_MAX),
            hard_expires_at: ends(seconds(self.x_refresh_token_hard_expires_in), sent_at, GRANT_LIFE_MAX),
            scopes: text(self.scope).and_then(|scope| scopes(&scope)),
        };
        let as_it_stands =
            |raw: &RawValue| text(Some(raw)).map_or_else(|| raw.get().to_owned(), Cow::into_owned);
        Ok(Issued { tokens, api_domain: self.api_domain.map(as_it_stands) })
    }
}

/// What a complete error answer means.
fn refused(
    dialect: &Dialect,
    status: StatusCode,
    refusal: Refusal,
    retry_after: Option<Duration>,
) -> TokenEndpointError {
    // An error code counts only with a status that RFC 6749 gives it, or with the success that some servers send instead.
    let code = match status {
        StatusCode::TOO_MANY_REQUESTS => return TokenEndpointError::Throttled { refusal, retry_after },
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED => refusal.error.as_deref(),
        _ if status.is_success() => refusal.error.as_deref(),
        _ => None,
    };
    match code {
        Some(code) if code == dialect.dead && dialect.dead_statuses.contains(&status.as_u16()) => {
            TokenEndpointError::GrantRefused(refusal)
        }
        Some(code) if dialect.app_errors.contains(&code) => TokenEndpointError::AppRefused(refusal),
        _ => TokenEndpointError::Failed(refusal),
    }
}

/// An error code in the alphabet that may be logged and stored; anything else is not repeated.
pub(crate) fn error_code(text: &str) -> Option<String> {
    let safe =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.' | b'-');
    let fits = !text.is_empty() && text.len() <= ERROR_CODE_MAX && text.bytes().all(safe);
    fits.then(|| text.to_owned())
}

/// A member that is text.
fn text(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    // Not a `Cow` itself, which would refuse to borrow a text with an escape in it.
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str(raw?.get()).ok().map(|Text(text)| text)
}

/// The scopes of an answer, between blanks (RFC 6749 section 3.3) or commas (Zoho); none where it names none.
fn scopes(text: &str) -> Option<Vec<String>> {
    let is_scope = |scope: &&str| {
        let allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        !scope.is_empty() && scope.len() <= SCOPE_MAX && scope.bytes().all(allowed)
    };
    let scopes = text.split([' ', ',']).filter(is_scope).take(SCOPES_MAX);
    let scopes: Vec<_> = scopes.map(str::to_owned).collect();
    (!scopes.is_empty()).then_some(scopes)
}

/// A token of visible characters (RFC 6749 appendix A.12), so that it can stand in a header.
fn token<'a>(text: Option<&'a str>, name: &'static str) -> Result<&'a str, Unusable> {
    text.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()))
        .ok_or(Unusable::Missing(name))
}

/// The end of an access token; none where its life is no number of seconds, or an absurd one.
fn access_ends(life: Option<&RawValue>, sent_at: Timestamp, unit: ExpiresIn) -> Option<Timestamp> {
    let life = match life {
        None => ACCESS_LIFE_UNSAID,
        Some(life) => seconds(Some(life))?,
    };
    let life = match life {
        long if long > ACCESS_LIFE_MAX && unit == ExpiresIn::SecondsOrMilliseconds => long / 1_000,
        life => life,
    };
    let believed = (1..=GRANT_LIFE_MAX).contains(&life);
    ends(Some(life.min(ACCESS_LIFE_MAX)).filter(|_| believed), sent_at, ACCESS_LIFE_MAX)
}

fn seconds(raw: Option<&RawValue>) -> Option<u64> {
    raw?.get().parse().ok()
}

/// The end of a life that began, at the latest, when the request was sent; none unless it is a whole number up to `max`.
fn ends(seconds: Option<u64>, sent_at: Timestamp, max: u64) -> Option<Timestamp> {
    let seconds = seconds.filter(|seconds| (1..=max).contains(seconds))?;
    sent_at.checked_add(Span::new().try_seconds(i64::try_from(seconds).ok()?).ok()?).ok()
}

#[cfg(test)]
mod table;
#[cfg(test)]
mod tests;
