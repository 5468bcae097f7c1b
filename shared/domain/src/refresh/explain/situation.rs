//! The one situation that a connection is in, what it comes to in a sentence, and what the reader should do.

use jiff::Timestamp;

use super::{ActionKind, Facts, NextAction, sentences::at};
use crate::{
    connection::ConnectionState,
    refresh::{FailureClass, notice::AHEAD, policy::earlier},
};

/// What is most worth knowing of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Situation {
    /// It has ended.
    Ended,
    /// It is being ended.
    Ending,
    /// The customer must connect again.
    Dead,
    /// A worker is at it.
    Refreshing,
    /// The answer to the last attempt was lost.
    AnswerLost {
        /// When the lease ends that was kept for it.
        until: Timestamp,
    },
    /// A worker was lost with its attempt.
    WorkerLost,
    /// The provider does not accept our credentials.
    Misconfigured,
    /// The sealed token or its key cannot be used.
    Unsealable,
    /// The breaker of its provider holds it back.
    HeldBack {
        /// Until when.
        until: Timestamp,
    },
    /// The provider's budget of calls is spent.
    OverBudget {
        /// When the next call is within it.
        until: Timestamp,
    },
    /// The last attempt failed, in a way that passes.
    Failing,
    /// The access token has ended and should not have.
    Late,
    /// The product's backend has not confirmed it.
    Unconfirmed,
    /// The access token has ended and nobody needs one.
    Idle,
    /// All is well.
    Working,
}

impl Facts<'_> {
    pub(super) fn situation(&self) -> Situation {
        match self.connection.state {
            ConnectionState::Disconnected => Situation::Ended,
            ConnectionState::Disconnecting => Situation::Ending,
            ConnectionState::ReconnectRequired => Situation::Dead,
            ConnectionState::Pending | ConnectionState::Active if self.tokens().is_none() => Situation::Dead,
            ConnectionState::Pending | ConnectionState::Active => {
                self.under_lease().or_else(|| self.impeded()).unwrap_or_else(|| self.unimpeded())
            }
        }
    }

    fn under_lease(&self) -> Option<Situation> {
        let lease = self.connection.lease.as_ref()?;
        Some(match (self.is_lease_settled(lease), lease.expires_at > self.now) {
            (true, _) => Situation::AnswerLost { until: lease.expires_at },
            (false, true) => Situation::Refreshing,
            (false, false) => Situation::WorkerLost,
        })
    }

    /// What stands in the way of a refresh; what only a person can mend comes before what passes.
    fn impeded(&self) -> Option<Situation> {
        let failure = self.standing_failure();
        match failure {
            Some(FailureClass::Configuration) => return Some(Situation::Misconfigured),
            Some(FailureClass::Sealing) => return Some(Situation::Unsealable),
            _ => {}
        }
        let is_wanted = self.is_wanted() || failure.is_some();
        if let (true, Some(until)) = (is_wanted, self.breaker.until()) {
            return Some(Situation::HeldBack { until });
        }
        if let (true, Some((_, until))) = (self.is_expired(), self.budget()) {
            return Some(Situation::OverBudget { until });
        }
        failure.map(|_| Situation::Failing)
    }

    fn unimpeded(&self) -> Situation {
        if self.is_expired() && self.is_warm() {
            return Situation::Late;
        }
        if self.connection.state == ConnectionState::Pending {
            return Situation::Unconfirmed;
        }
        if self.is_expired() { Situation::Idle } else { Situation::Working }
    }

    /// All in one sentence.
    pub(super) fn summary(&self, situation: Situation) -> String {
        let name = self.provider();
        let what = match situation {
            Situation::Ended => return "The connection has ended.".to_owned(),
            Situation::Ending => {
                return format!("The connection is being ended: {name} has not confirmed it yet.");
            }
            Situation::Dead => {
                return format!("The customer must connect again: {name} refuses the refresh token.");
            }
            Situation::Working => "The connection works".to_owned(),
            Situation::Unconfirmed => "The connection waits to be confirmed".to_owned(),
            Situation::Idle => {
                return "The connection works and is idle: whoever uses it gets a new access token at once."
                    .to_owned();
            }
            Situation::Late => {
                return format!(
                    "The access token ended at {} and is about to be replaced.",
                    at(self.access_ends())
                );
            }
            Situation::Refreshing => "A worker has the connection's tokens in hand right now".to_owned(),
            Situation::AnswerLost { until } if until > self.now => {
                format!("The answer to the last refresh was lost, which is recovered from {} on", at(until))
            }
            Situation::AnswerLost { .. } => {
                "The answer to the last refresh was lost, which the next attempt recovers".to_owned()
            }
            Situation::WorkerLost => {
                "A refresh was lost with its worker, which the next attempt recovers".to_owned()
            }
            Situation::Misconfigured => format!("{name} does not accept this product's credentials"),
            Situation::Unsealable => "The sealed token or its key cannot be used".to_owned(),
            Situation::HeldBack { until } if until > self.now => {
                format!("{name} is failing, and nothing is sent to it before {}", at(until))
            }
            Situation::HeldBack { .. } => format!("{name} has been failing, and the next call tries it"),
            Situation::OverBudget { until } => {
                format!("{name} allows no more calls for this connection before {}", at(until))
            }
            Situation::Failing => "The last refresh failed in a way that passes".to_owned(),
        };
        let ends = at(self.access_ends());
        if self.is_expired() {
            format!("{what}; its access token ended at {ends}.")
        } else {
            format!("{what}; its access token is good until {ends}.")
        }
    }

    /// What the reader should do.
    pub(super) fn next_action(&self, situation: Situation) -> NextAction {
        let name = self.provider();
        let (kind, message) = match situation {
            Situation::Ended => (ActionKind::None, "Nothing is left to do.".to_owned()),
            Situation::Ending => return self.action_while_ending(),
            Situation::Dead => (ActionKind::Reconnect, RECONNECT.to_owned()),
            Situation::Misconfigured => (ActionKind::CheckConfiguration, check_configuration(name)),
            Situation::Unsealable => (ActionKind::CheckKey, CHECK_KEY.to_owned()),
            Situation::Unconfirmed => (
                ActionKind::Confirm,
                "Confirm it with POST /api/connections/{id}/confirm, if the right person consented."
                    .to_owned(),
            ),
            Situation::HeldBack { .. } => {
                let message = format!(
                    "Nothing can be done here: it goes on by itself when {name} answers again. Look at its status page."
                );
                (ActionKind::Wait, message)
            }
            Situation::Late => (
                ActionKind::Wait,
                "Nothing, as long as GET /api/tokens/health says that the scheduler is running.".to_owned(),
            ),
            Situation::Refreshing
            | Situation::AnswerLost { .. }
            | Situation::WorkerLost
            | Situation::OverBudget { .. }
            | Situation::Failing => (ActionKind::Wait, WAIT.to_owned()),
            Situation::Idle | Situation::Working => return self.action_while_well(),
        };
        NextAction { kind, message }
    }

    /// While all is well only an end that no refresh puts off calls for something.
    fn action_while_well(&self) -> NextAction {
        let ends = self.tokens().and_then(|tokens| tokens.hard_expires_at);
        match ends.filter(|&ends| earlier(ends, AHEAD[0]) <= self.now) {
            Some(ends) => {
                let message = format!("{RECONNECT} It has to be before {}.", at(ends));
                NextAction { kind: ActionKind::Reconnect, message }
            }
            None => NextAction { kind: ActionKind::None, message: "Nothing is to be done.".to_owned() },
        }
    }

    fn action_while_ending(&self) -> NextAction {
        let (kind, message) = match self.connection.reason.as_deref() {
            Some("provider_not_configured" | "invalid_client" | "unauthorized_client" | "configuration") => {
                (ActionKind::CheckConfiguration, check_configuration(self.provider()))
            }
            Some("sealing") => (ActionKind::CheckKey, CHECK_KEY.to_owned()),
            _ => (ActionKind::Wait, WAIT.to_owned()),
        };
        NextAction { kind, message }
    }

    pub(super) fn access_ends(&self) -> Timestamp {
        self.tokens().map_or(self.now, |tokens| tokens.access_expires_at)
    }

    pub(super) fn provider(&self) -> &'static str {
        self.connection.provider.display_name()
    }
}

const RECONNECT: &str =
    "Let the customer connect again: POST /api/connect-sessions with this connectionId makes the link.";
const WAIT: &str = "Nothing can be done here, and nothing needs to be: it goes on by itself.";
const CHECK_KEY: &str = "Check that the KMS key is enabled and that the refresh function may use it; the customer need not do anything.";

fn check_configuration(name: &str) -> String {
    format!(
        "Check the client id and secret that are configured for {name}; the customer need not do anything."
    )
}
