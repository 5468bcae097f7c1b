//! What one refresh costs, by provider and by what brings it about.

use std::{fmt::Write as _, iter, sync::Arc, time::Duration};

use domain::{
    clock::{Clock as _, SystemClock},
    connection::{
        AttemptCounters, ChainHead, Connection, ConnectionKey, Due, LastAttempt, PreviousRefresh,
        SealedTokens, Slot,
    },
    provider::Provider,
    refresh::{
        RefreshMessage, RefreshOutcome, Trigger,
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
    is_full,
    measured::{Measured, alone},
    meter::Usage,
    prices,
    table::Table,
};

/// What a refresh may cost at most, but for those below that say otherwise.
const MAX_WRITES: f64 = 8.0;
/// What is shown of a usage.
pub(crate) const COLUMNS: [&str; 9] =
    ["AWS calls", "DynamoDB", "writes", "of indexes", "reads", "KMS", "SQS", "events", "$ a million"];
/// The function's own.
const LIFE: Duration = Duration::from_secs(75);
const DAY: Duration = Duration::from_hours(24);

/// What brings a worker to a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Visit {
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
}

/// What a provider gives out.
pub(crate) struct Kind {
    provider: Provider,
    /// How long its tokens are, and how long the access token lives.
    tokens: (usize, usize, Duration),
    scopes: Vec<&'static str>,
    /// How long the refresh token before may still be good; none where it stays the same.
    grace: Option<Duration>,
}

impl Kind {
    pub(crate) fn of(provider: Provider) -> Self {
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

    /// A token endpoint that gives out so many.
    fn endpoint(&self, count: usize) -> Arc<dyn TokenEndpoint> {
        let endpoint = ScriptedTokenEndpoint::new(Arc::new(SystemClock));
        for number in 0..count {
            endpoint.answer(Ok(self.token_set(3 + number, SystemClock.now())));
        }
        Arc::new(endpoint)
    }

    /// The slot of a connection that is kept warm.
    fn slot(&self, key: &ConnectionKey) -> Due {
        let (.., life) = self.tokens;
        let period = if life < Duration::from_hours(1) { 20 } else { 40 };
        Due::Slot(Slot::of(&key.connection, period))
    }

    /// A connection as such a visit finds it.
    pub(crate) async fn connection(&self, deps: &refresh::Deps, visit: Visit) -> Connection {
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
    alone(&mut deps.refresher).endpoints = [(kind.provider, kind.endpoint(1))].into();
    let key = measured.store(kind.connection(&deps, visit).await).await;
    measured.meter.take();

    let deadline = later(SystemClock.now(), LIFE);
    let report = deps.refresher.refresh(&key, visit.trigger(), deadline).await.unwrap();

    let expected = if visit.refreshes() { RefreshOutcome::Refreshed } else { RefreshOutcome::Fresh };
    assert_eq!(report.outcome, expected, "{visit:?}");
    measured.meter.take()
}

/// A usage as cells, divided by how many shared it.
pub(crate) fn cells(used: &Usage, count: usize) -> [String; 9] {
    let shared = |all: f64| all / f64::from(u32::try_from(count).unwrap());
    let calls = |calls: usize| f64::from(u32::try_from(calls).unwrap());
    let of = |target| calls(used.calls(target));
    let figures = [
        calls(used.total()),
        of("DynamoDB_"),
        used.writes,
        used.index_writes,
        used.reads,
        of("TrentService"),
        of("AmazonSQS"),
        of("AWSEvents"),
        prices::of_a_million(used),
    ];
    figures.map(|all| format!("{:.2}", shared(all)).trim_end_matches(".00").to_owned())
}

/// What a visit may cost at most: write units, and calls to KMS.
fn budget(visit: Visit) -> (f64, usize) {
    let writes = match visit {
        // Out of one index entry and into another, beside the refresh itself.
        Visit::OnDemand | Visit::KeepAlive => MAX_WRITES + 2.0,
        _ => MAX_WRITES,
    };
    let kms = match visit {
        Visit::NotDue | Visit::FallsIdle => 0,
        Visit::NewKeys => 3,
        _ => 1,
    };
    (writes, kms)
}

#[tokio::test]
async fn a_refresh_costs_one_call_to_kms_and_eight_write_units_and_a_move_in_the_index_two_more() {
    let measured = Measured::new().await;
    let mut table = Table::new(&[&["visit"], &COLUMNS[..]].concat());
    let mut summary = String::new();
    for kind in Provider::ALL.map(Kind::of) {
        let mut line = kind.provider.to_string();
        for visit in VISITS {
            let used = visited(&measured, &kind, visit).await;
            let (writes, kms) = budget(visit);
            assert!(used.writes <= writes, "{} {visit:?}: {used:?}", kind.provider);
            assert_eq!(used.calls("TrentService"), kms, "{} {visit:?}: {used:?}", kind.provider);
            table.row(iter::once(format!("{} {visit:?}", kind.provider)).chain(cells(&used, 1)));
            write!(line, " {visit:?} {}", used.writes).unwrap();
        }
        summary += &(line + "\n");
    }
    table.print("One visit to one connection, the first of its process");
    // So that none of them grows unseen, though it be within its budget.
    insta::assert_snapshot!(summary, @r"
    quickbooks Wheel 8 First 7 NewKeys 8 Manual 8 OnDemand 10 KeepAlive 10 NotDue 6 FallsIdle 8
    xero Wheel 8 First 8 NewKeys 8 Manual 8 OnDemand 10 KeepAlive 10 NotDue 6 FallsIdle 8
    zoho Wheel 6 First 6 NewKeys 6 Manual 6 OnDemand 8 KeepAlive 8 NotDue 4 FallsIdle 6
    ");
}

#[tokio::test]
async fn a_batch_costs_what_its_refreshes_cost_and_a_look_at_the_breakers() {
    let measured = Measured::new().await;
    let kind = Kind::of(Provider::Xero);
    let count = if is_full() { 100 } else { 10 };
    let mut deps = measured.worker();
    alone(&mut deps.refresher).endpoints = [(kind.provider, kind.endpoint(count))].into();
    let mut keys = vec![];
    for _ in 0..count {
        keys.push(measured.store(kind.connection(&deps, Visit::Wheel).await).await);
    }
    measured.meter.take();

    let message = RefreshMessage::new(keys, Trigger::Scheduled);
    let body = serde_json::to_string(&message).unwrap();
    let event = serde_json::json!({ "Records": [{ "messageId": "1", "body": body }] });
    let reply = refresh::handle(&deps, event, later(SystemClock.now(), LIFE)).await.unwrap();

    let used = measured.meter.take();
    assert_eq!(serde_json::to_value(reply).unwrap(), serde_json::json!({ "batchItemFailures": [] }));
    for (operation, each) in [("UpdateItem", 2), ("PutItem", 1), ("Decrypt", 1), ("PutEvents", 1)] {
        let calls = used.by_operation().find(|(name, _)| *name == operation).map_or(0, |(_, calls)| calls);
        assert_eq!(calls, each * count, "{used:?}");
    }
    // Read again every few seconds; how many those are is a matter of the machine.
    let reads = used.total() - used.calls("DynamoDB_20120810.Query");
    assert_eq!(reads, 5 * count, "{used:?}");
    let mut table = Table::new(&[&["a batch"], &COLUMNS[..]].concat());
    table.row(iter::once(format!("of {count} at xero, each")).chain(cells(&used, count)));
    table.print("One refresh of many in one invocation");
}
