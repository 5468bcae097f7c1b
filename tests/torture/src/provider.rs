//! The providers' side: grants with their tokens, as three kinds of provider keep them.

use std::{collections::VecDeque, time::Duration};

use domain::{connection::SealedTokens, provider::Provider, sealing::fingerprint, secret::RefreshToken};
use jiff::Timestamp;

use crate::executor::ProcessId;

/// How a provider treats the refresh token that was used.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// It is dead at once: Intuit by its newer documentation.
    Strict,
    /// It stays good for 24 hours: Intuit by its older documentation.
    Grace24h,
    /// It stays good for half an hour: Xero.
    Grace30,
    /// It stays good: Zoho, which never rotates, and gives ten access tokens in ten minutes.
    Static,
}

/// All kinds, in the order of reports.
pub(crate) const KINDS: [Kind; 4] = [Kind::Strict, Kind::Grace24h, Kind::Grace30, Kind::Static];
/// How many access tokens Zoho gives for one refresh token within [`BUDGET_WINDOW_MS`].
const BUDGET: usize = 10;
/// See [`BUDGET`].
const BUDGET_WINDOW_MS: i64 = 10 * 60 * 1000;

impl Kind {
    /// The provider that is of this kind.
    pub(crate) fn provider(self) -> Provider {
        match self {
            Self::Strict | Self::Grace24h => Provider::QuickBooks,
            Self::Grace30 => Provider::Xero,
            Self::Static => Provider::Zoho,
        }
    }

    /// For how long a refresh token that was used is still accepted.
    fn grace(self) -> Duration {
        match self {
            Self::Strict | Self::Static => Duration::ZERO,
            Self::Grace24h => Duration::from_hours(24),
            Self::Grace30 => Duration::from_mins(30),
        }
    }

    /// How long an access token lives.
    pub(crate) fn access_life(self) -> Duration {
        match self {
            Self::Grace30 => Duration::from_mins(30),
            Self::Strict | Self::Grace24h | Self::Static => Duration::from_hours(1),
        }
    }

    /// How long a refresh token lives that is not used.
    pub(crate) fn refresh_life(self) -> Option<Duration> {
        match self {
            Self::Strict | Self::Grace24h => Some(Duration::from_hours(100 * 24)),
            Self::Grace30 => Some(Duration::from_hours(60 * 24)),
            Self::Static => None,
        }
    }

    /// The name in reports.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Grace24h => "grace 24 h",
            Self::Grace30 => "grace 30 min",
            Self::Static => "static",
        }
    }
}

/// Where a refresh token is that was issued.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// On its way to the worker.
    UnderWay,
    /// In the hand of a worker.
    InHand(ProcessId),
    /// In the table or on the recovery queue, at least once.
    Durable,
    /// Nowhere: its answer was lost or unreadable, or its worker was killed.
    Destroyed,
    /// Nowhere, although its worker had it in hand and lived.
    Dropped,
}

/// A refresh token that was issued.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    pub(crate) serial: u64,
    pub(crate) fingerprint: String,
    pub(crate) place: Place,
    used_at_ms: Option<i64>,
    ends_at_ms: i64,
}

/// One customer's grant.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) kind: Kind,
    /// The tokens that may still matter, oldest first.
    pub(crate) tokens: Vec<Issued>,
    grace: Duration,
    /// The first token: with a new grant everything begins anew.
    first: u64,
    /// Calls that are under way.
    calls: u32,
    /// The mark of the last settlement that the table took.
    pub(crate) settled: String,
    /// When the access token ends that the table has.
    access_ends_at: Timestamp,
    /// The newest envelopes of refresh tokens that the table took, each with its token's fingerprint.
    envelopes: VecDeque<(Vec<u8>, String)>,
    spent: VecDeque<i64>,
}

/// How many envelopes are remembered; only that of the stored token and the one before are looked for.
const ENVELOPES: usize = 4;

/// Why the provider gives no token set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refused {
    /// The token is not accepted.
    Dead,
    /// Too many calls.
    OverBudget,
}

impl Grant {
    /// A grant with its first token.
    pub(crate) fn new(kind: Kind, (connection, serial): (usize, u64), now_ms: i64) -> Self {
        let mut grant = Self {
            kind,
            grace: kind.grace(),
            tokens: vec![],
            first: serial,
            calls: 0,
            settled: String::new(),
            access_ends_at: Timestamp::MAX,
            envelopes: VecDeque::new(),
            spent: VecDeque::new(),
        };
        grant.issue((connection, serial), now_ms);
        grant
    }

    /// The same of a provider that gives no grace.
    pub(crate) fn without_grace(self) -> Self {
        Self { grace: Duration::ZERO, ..self }
    }

    /// The table took a token set; whether the access token before it had ended by then.
    pub(crate) fn is_stored(&mut self, tokens: &SealedTokens, now: Timestamp) -> bool {
        if let Some(token) = self.named(&tokens.refresh_fingerprint) {
            token.place = Place::Durable;
        }
        self.envelopes.push_back((tokens.refresh.clone(), tokens.refresh_fingerprint.clone()));
        if self.envelopes.len() > ENVELOPES {
            self.envelopes.pop_front();
        }
        let is_late = self.access_ends_at <= now;
        self.access_ends_at = tokens.access_expires_at;
        is_late
    }

    /// The fingerprint of the refresh token in an envelope that the table took.
    pub(crate) fn named_by(&self, envelope: &[u8]) -> Option<&str> {
        self.envelopes
            .iter()
            .find(|(known, _)| known == envelope)
            .map(|(_, fingerprint)| fingerprint.as_str())
    }

    /// A call begins for one of its tokens; false while another is under way.
    pub(crate) fn begins_call(&mut self, serial: u64) -> bool {
        if !self.gave(serial) {
            return true;
        }
        self.calls += 1;
        self.calls == 1
    }

    /// A call ends.
    pub(crate) fn ends_call(&mut self, serial: u64) {
        if self.gave(serial) {
            self.calls = self.calls.saturating_sub(1);
        }
    }

    /// Whether a token is of this grant, and not of one before it.
    pub(crate) fn gave(&self, serial: u64) -> bool {
        serial >= self.first
    }

    /// Says where a token is.
    pub(crate) fn put(&mut self, serial: u64, place: Place) {
        for token in self.tokens.iter_mut().filter(|token| token.serial == serial) {
            token.place = place;
        }
    }

    /// Spends a refresh token: the serial of the one that is good from now on.
    pub(crate) fn spend(
        &mut self,
        (connection, serial): (usize, u64),
        next: u64,
        now_ms: i64,
    ) -> Result<u64, Refused> {
        if !self.accepts(serial, now_ms) {
            return Err(Refused::Dead);
        }
        if self.kind == Kind::Static {
            self.spent.retain(|at| at + BUDGET_WINDOW_MS > now_ms);
            if self.spent.len() >= BUDGET {
                return Err(Refused::OverBudget);
            }
            self.spent.push_back(now_ms);
            return Ok(serial);
        }
        for token in self.tokens.iter_mut().filter(|token| token.serial == serial) {
            token.used_at_ms.get_or_insert(now_ms);
        }
        self.issue((connection, next), now_ms);
        Ok(next)
    }

    /// Whether a refresh token would be accepted.
    pub(crate) fn accepts(&self, serial: u64, now_ms: i64) -> bool {
        let Some(token) = self.token(serial) else { return false };
        self.is_good(token, now_ms)
    }

    /// Whether the refresh token with this fingerprint would be accepted.
    pub(crate) fn accepts_named(&self, fingerprint: &str, now_ms: i64) -> bool {
        self.tokens.iter().any(|token| token.fingerprint == fingerprint && self.is_good(token, now_ms))
    }

    /// The refresh token with this fingerprint.
    pub(crate) fn named(&mut self, fingerprint: &str) -> Option<&mut Issued> {
        self.tokens.iter_mut().find(|token| token.fingerprint == fingerprint)
    }

    /// The newest refresh token.
    pub(crate) fn newest(&self) -> &Issued {
        &self.tokens[self.tokens.len() - 1]
    }

    fn token(&self, serial: u64) -> Option<&Issued> {
        self.tokens.iter().find(|token| token.serial == serial)
    }

    fn is_good(&self, token: &Issued, now_ms: i64) -> bool {
        let used_up = match token.used_at_ms {
            None => false,
            Some(at) => now_ms >= at + ms(self.grace),
        };
        now_ms < token.ends_at_ms && !used_up
    }

    fn issue(&mut self, (connection, serial): (usize, u64), now_ms: i64) {
        let ends_at_ms = self.kind.refresh_life().map_or(i64::MAX, |life| now_ms + ms(life));
        let keep: Vec<_> = self.tokens.iter().map(|token| self.is_good(token, now_ms)).collect();
        // The one before the newest matters for what a loss is put down to.
        let newest = self.tokens.len().saturating_sub(1);
        let mut place = 0..;
        self.tokens.retain(|_| place.next().is_some_and(|place| place >= newest || keep[place]));
        self.tokens.push(Issued {
            serial,
            fingerprint: fingerprint(&refresh_token(connection, serial)),
            place: Place::UnderWay,
            used_at_ms: None,
            ends_at_ms,
        });
    }
}

/// A refresh token as the provider writes it.
pub(crate) fn refresh_token(connection: usize, serial: u64) -> RefreshToken {
    RefreshToken::new(format!("refresh.{connection}.{serial}"))
}

/// Which connection and token a refresh token is of.
pub(crate) fn parse(token: &RefreshToken) -> Option<(usize, u64)> {
    let (connection, serial) = token.expose().strip_prefix("refresh.")?.split_once('.')?;
    Some((connection.parse().ok()?, serial.parse().ok()?))
}

/// A span in milliseconds.
pub(crate) fn ms(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn spent(kind: Kind) -> Grant {
        let mut grant = Grant::new(kind, (0, 1), 0);
        grant.spend((0, 1), 2, 0).unwrap();
        grant
    }

    #[test]
    fn a_strict_provider_refuses_what_was_used_and_the_others_their_grace_later() {
        assert!(!spent(Kind::Strict).accepts(1, 0));
        assert!(spent(Kind::Grace30).accepts(1, 30 * MINUTE - 1));
        assert!(!spent(Kind::Grace30).accepts(1, 30 * MINUTE));
        assert!(spent(Kind::Grace24h).accepts(1, 24 * 60 * MINUTE - 1));
        assert!(spent(Kind::Static).accepts(1, i64::MAX - 1));
    }

    #[test]
    fn a_token_in_its_grace_brings_a_new_token_set_again_and_again() {
        let mut grant = spent(Kind::Grace30);

        assert_eq!(grant.spend((0, 1), 3, MINUTE), Ok(3));
        assert_eq!(grant.spend((0, 1), 4, 29 * MINUTE), Ok(4));
        assert_eq!(grant.spend((0, 1), 5, 30 * MINUTE), Err(Refused::Dead), "counted from its first use");
        assert!(grant.accepts(2, 31 * MINUTE) && grant.accepts(4, 31 * MINUTE), "nobody used these");
    }

    #[test]
    fn the_eleventh_call_within_ten_minutes_is_over_zohos_budget() {
        let mut grant = Grant::new(Kind::Static, (0, 1), 0);
        for _ in 0..10 {
            assert_eq!(grant.spend((0, 1), 2, 0), Ok(1));
        }

        assert_eq!(grant.spend((0, 1), 2, 10 * MINUTE - 1), Err(Refused::OverBudget));
        assert_eq!(grant.spend((0, 1), 2, 10 * MINUTE), Ok(1));
    }

    #[test]
    fn a_refresh_token_names_its_connection_and_itself() {
        assert_eq!(parse(&refresh_token(17, 4)), Some((17, 4)));
    }
}
