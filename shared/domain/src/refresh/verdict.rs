//! What the token endpoint's answer means for a connection.

use std::time::Duration;

use super::{AttemptFailure, FailureClass, RefreshAttempt};
use crate::{
    provider::Provider,
    store::chain,
    token::{Refusal, TokenEndpointError},
};

/// The class of a failure with what is safe to keep of it, and how long the provider asked us to wait.
pub(super) fn of(error: &TokenEndpointError) -> (AttemptFailure, Option<Duration>) {
    let (class, refusal, asked) = match error {
        TokenEndpointError::GrantRefused(refusal) => (FailureClass::Dead, Some(refusal), None),
        TokenEndpointError::AppRefused(refusal) => (FailureClass::Configuration, Some(refusal), None),
        TokenEndpointError::Throttled { refusal, retry_after } => {
            (FailureClass::Throttled, Some(refusal), *retry_after)
        }
        TokenEndpointError::Failed(refusal) => (FailureClass::Transient, Some(refusal), None),
        TokenEndpointError::Unreached(_) => (FailureClass::Transient, None, None),
        TokenEndpointError::Unknown { refusal, .. } => (FailureClass::Unknown, Some(refusal), None),
    };
    (failure(class, refusal.cloned().unwrap_or_default()), asked)
}

pub(super) fn failure(class: FailureClass, refusal: Refusal) -> AttemptFailure {
    let code = refusal.error.or_else(|| refusal.status.map(|status| format!("http_{status}")));
    AttemptFailure { class, code, trace_id: refusal.trace_id }
}

/// The record of an attempt that came too late to be stored.
pub(super) fn lost_race(record: RefreshAttempt) -> RefreshAttempt {
    let failure = AttemptFailure { class: FailureClass::LostRace, code: None, trace_id: None };
    RefreshAttempt { failure: Some(failure), link: None, ..record }
}

/// How the attempt of a worker failed that was killed before it could say.
pub(super) fn worker_lost() -> AttemptFailure {
    AttemptFailure { class: FailureClass::Unknown, code: Some("worker_lost".to_owned()), trace_id: None }
}

/// A failure of our own side, which says nothing about the grant.
pub(super) fn own(class: FailureClass, error: &dyn std::error::Error) -> AttemptFailure {
    tracing::error!(error = chain(error), class = class.as_str(), "Refresh could not be attempted");
    AttemptFailure { class, code: None, trace_id: None }
}

/// How long a provider may still accept the refresh token before the current one.
///
/// Intuit: 24 hours by its older documentation, nothing by its newer; trying is harmless once the current one was refused.
/// Xero: 30 minutes. Zoho never rotates.
pub(super) fn grace(provider: Provider) -> Duration {
    match provider {
        Provider::QuickBooks => Duration::from_hours(24),
        Provider::Xero => Duration::from_mins(30),
        Provider::Zoho => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(error: &TokenEndpointError) -> FailureClass {
        of(error).0.class
    }

    #[test]
    fn only_the_providers_own_word_is_a_death_sentence() {
        let refusal = Refusal { error: Some("invalid_grant".to_owned()), ..Refusal::default() };

        assert_eq!(class(&TokenEndpointError::GrantRefused(refusal.clone())), FailureClass::Dead);
        assert_eq!(class(&TokenEndpointError::AppRefused(refusal.clone())), FailureClass::Configuration);
        assert_eq!(class(&TokenEndpointError::Failed(refusal.clone())), FailureClass::Transient);
        assert_eq!(class(&TokenEndpointError::Unreached("refused".into())), FailureClass::Transient);
        let throttled = TokenEndpointError::Throttled { refusal: refusal.clone(), retry_after: None };
        assert_eq!(class(&throttled), FailureClass::Throttled);
        assert_eq!(class(&TokenEndpointError::Unknown { refusal, source: None }), FailureClass::Unknown);
    }

    #[test]
    fn a_failure_without_an_error_code_is_named_by_its_status() {
        let error = TokenEndpointError::Failed(Refusal { status: Some(503), ..Refusal::default() });

        assert_eq!(of(&error).0.code.as_deref(), Some("http_503"));
    }
}
