//! What one refresh costs, by provider and by what brings it about.

use std::{sync::Arc, time::Duration};

use domain::{
    clock::{Clock as _, SystemClock},
    connection::{
        AttemptCounters, ChainHead, Connection, ConnectionKey, Due, LastAttempt, PreviousRefresh,
        SealedTokens, Slot,
    },
    provider::Provider,
    refresh::{
        RefreshOutcome, Trigger,
        policy::{earlier, later},
    },
    sealing::{SealedPair, fingerprint},
    secret::{AccessToken, RefreshToken},
    token::{TokenEndpoint, TokenSet},
};
use jiff::Timestamp;
use providers::settings::{QUICKBOOKS_ACCOUNTING_SCOPE, XERO_SCOPES, ZOHO_SCOPES};
use tests::{ScriptedTokenEndpoint, sample};

use crate::{
    measured::{Measured, alone},
    meter::Usage,
    prices,
    table::Table,
};

/// What a refresh may cost at most, but for those below that say otherwise.
const MAX_WRITES: f64 = 8.0;
/// The function's own.
const LIFE: Duration = Duration::from_secs(75);
const DAY: Duration = Duration::from_hours(24);

/// What brings a worker to a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Visit {
    /// The wheel comes by, and the token is due.
    Wheel,
    /// The same, for the first time since the connection was made.
    First,
    /// The same, a quarter of a year after its data keys were made.
    NewKeys,
    /// A person asks.
    Manual,
    /// A user of its tokens asks, after days in which there was none: it goes from its time to a slot.
    OnDemand,
    /// Its time has come, and nobody uses it: it goes from one time to the next.
    KeepAlive,
    /// The wheel comes by, and somebody else refreshed it a moment ago.
    NotDue,
    /// The wheel comes by, and nobody uses it any more: it goes from its slot to a time.
    FallsIdle,
}

const VISITS: [Visit; 8] = [
    Visit::Wheel,
    Visit::First,
    Visit::NewKeys,
    Visit::Manual,
    Visit::OnDemand,
    Visit::KeepAlive,
    Visit::NotDue,
    Visit::FallsIdle,
];

impl Visit {
    fn trigger(self) -> Trigger {
        match self {
            Self::Manual => Trigger::Manual,
            Self::OnDemand => Trigger::OnDemand,
            _ => Trigger::Scheduled,
        }
    }

    /// How long ago the token set was issued that it finds, of such a life.
    fn age(self, life: Duration) -> Duration {
        match self {
            Self::NotDue => Duration::from_mins(1),
            Self::OnDemand | Self::KeepAlive => DAY,
            _ => life * 2 / 3,
        }
    }

    fn is_idle(self) -> bool {
        matches!(self, Self::OnDemand | Self::KeepAlive | Self::FallsIdle)
    }

    fn refreshes(self) -> bool {
        !matches!(self, Self::NotDue | Self::FallsIdle)
    }

    /// Whether it takes the connection to another place in the index of due connections: out of one entry, into another.
    fn moves(self) -> bool {
        matches!(self, Self::OnDemand | Self::KeepAlive | Self::FallsIdle)
    }
}

/// What a provider gives out.
struct Kind {
    provider: Provider,
    /// How long its tokens are, and how long the access token lives.
    tokens: (usize, usize, Duration),
    scopes: Vec<&'static str>,
    /// How long the refresh token before may still be good; none where it stays the same.
    grace: Option<Duration>,
}

impl Kind {
    fn of(provider: Provider) -> Self {
        let (tokens, scopes, grace) = match provider {
            Provider::QuickBooks => {
                ((1000, 50, Duration::from_hours(1)), vec![QUICKBOOKS_ACCOUNTING_SCOPE], Some(DAY))
            }
            // A JWT.
            Provider::Xero => {
                let minutes = Duration::from_mins(30);
                ((1500, 50, minutes), XERO_SCOPES.to_vec(), Some(minutes))
            }
            Provider::Zoho => ((70, 70, Duration::from_hours(1)), ZOHO_SCOPES.to_vec(), None),
        };
        Self { provider, tokens, scopes, grace }
    }

    fn token_set(&self, number: usize, issued_at: Timestamp) -> TokenSet {
        let (access, refresh, life) = self.tokens;
        let number = if self.grace.is_some() { number } else { 0 };
        TokenSet {
            access: AccessToken::new("a".repeat(access)),
            refresh: RefreshToken::new(format!("{number:0>refresh$}")),
            access_expires_at: later(issued_at, life),
            refresh_expires_at: self.grace.map(|_| later(issued_at, DAY * 60)),
            hard_expires_at: (self.provider == Provider::QuickBooks).then(|| later(issued_at, DAY * 1800)),
            scopes: None,
        }
    }

    /// The slot of a connection that is kept warm.
    fn slot(&self, key: &ConnectionKey) -> Due {
        let (.., life) = self.tokens;
        let period = if life < Duration::from_hours(1) { 20 } else { 40 };
        Due::Slot(Slot::of(&key.connection, period))
    }

    /// A connection as such a visit finds it.
    async fn connection(&self, deps: &refresh::Deps, visit: Visit) -> Connection {
        let (key, now) = (sample::key(), SystemClock.now());
        let (.., life) = self.tokens;
        let issued_at = earlier(now, visit.age(life));
        let due = match visit {
            Visit::KeepAlive => Due::At(now),
            Visit::OnDemand => Due::At(later(now, Duration::from_hours(1))),
            _ => self.slot(&key),
        };
        let mut connection = Connection {
            provider: self.provider,
            scopes: self.scopes.iter().map(|&scope| scope.to_owned()).collect(),
            location: (self.provider == Provider::Zoho).then(|| "us".parse().unwrap()),
            due: Some(due),
            used_at: if visit.is_idle() { earlier(now, DAY * 2) } else { now },
            attempts: AttemptCounters::default(),
            ..sample::connection(&key)
        };
        let sealer = &deps.refresher.sealer;
        let first = self.token_set(1, issued_at);
        let pair = sealer.seal_under_new_keys((&key, self.provider), 1, &first).await.unwrap();
        let keys_made_at = if visit == Visit::NewKeys { earlier(now, DAY * 91) } else { issued_at };
        let tokens = sealed(&first, pair, (issued_at, keys_made_at));
        if visit == Visit::First {
            return Connection { tokens: Some(tokens), ..connection };
        }
        let opened = sealer.open_refresh(&connection, &tokens).await.unwrap();
        let second = self.token_set(2, issued_at);
        let pair = sealer.reseal(&connection, &opened, 2, &second).unwrap();
        let previous = self.grace.map(|grace| PreviousRefresh {
            refresh: tokens.refresh,
            generation: 1,
            usable_until: later(issued_at, grace),
        });
        let tokens = sealed(&second, pair, (issued_at, keys_made_at));
        connection.tokens = Some(SealedTokens { generation: 2, refreshed: true, previous, ..tokens });
        connection.attempts =
            AttemptCounters { succeeded: 12_345, duration_ms: 9_876_543, ..connection.attempts };
        connection.last =
            Some(LastAttempt { id: sample::ids().attempt(), ended_at: issued_at, failure: None });
        connection.chain = ChainHead { sequence: 12_345, hash: [9; 32] };
        connection
    }
}

fn sealed(
    set: &TokenSet,
    pair: SealedPair,
    (issued_at, keys_made_at): (Timestamp, Timestamp),
) -> SealedTokens {
    SealedTokens {
        generation: 1,
        access: pair.access,
        refresh: pair.refresh,
        refresh_fingerprint: fingerprint(&set.refresh),
        issued_at,
        refreshed: false,
        access_expires_at: set.access_expires_at,
        refresh_expires_at: set.refresh_expires_at,
        hard_expires_at: set.hard_expires_at,
        keys_made_at,
        previous: None,
    }
}

/// What one visit uses, the first of its process.
async fn visited(measured: &Measured, kind: &Kind, visit: Visit) -> Usage {
    let mut deps = measured.worker();
    let endpoint = Arc::new(ScriptedTokenEndpoint::new(Arc::new(SystemClock)));
    endpoint.answer(Ok(kind.token_set(3, SystemClock.now())));
    let endpoint: Arc<dyn TokenEndpoint> = endpoint;
    alone(&mut deps.refresher).endpoints = [(kind.provider, endpoint)].into();
    let key = measured.store(kind.connection(&deps, visit).await).await;
    measured.meter.take();

    let deadline = later(SystemClock.now(), LIFE);
    let report = deps.refresher.refresh(&key, visit.trigger(), deadline).await.unwrap();

    let expected = if visit.refreshes() { RefreshOutcome::Refreshed } else { RefreshOutcome::Fresh };
    assert_eq!(report.outcome, expected, "{visit:?}");
    measured.meter.take()
}

#[tokio::test]
async fn a_refresh_costs_one_call_to_kms_and_eight_write_units_at_most() {
    let measured = Measured::new().await;
    let header = [
        "visit",
        "AWS calls",
        "DynamoDB",
        "writes",
        "of indexes",
        "reads",
        "KMS",
        "SQS",
        "events",
        "$ a million",
    ];
    let mut table = Table::new(&header);
    for kind in Provider::ALL.map(Kind::of) {
        for visit in VISITS {
            let used = visited(&measured, &kind, visit).await;
            table.row(
                [format!("{} {visit:?}", kind.provider), used.total().to_string()]
                    .into_iter()
                    .chain([used.calls("DynamoDB_").to_string(), used.writes.to_string()])
                    .chain([
                        used.index_writes.to_string(),
                        used.reads.to_string(),
                        used.calls("TrentService").to_string(),
                        used.calls("AmazonSQS").to_string(),
                        used.calls("AWSEvents").to_string(),
                        format!("{:.2}", prices::of_a_million(&used)),
                    ]),
            );
        }
    }
    table.print("One refresh, the first of its process");
}
