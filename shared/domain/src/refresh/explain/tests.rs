//! Each situation, with all that is said of it.

use super::*;
use crate::{
    connection::{AttemptCounters, ChainHead, Notices},
    refresh::{AttemptFailure, Breaker, Tally, Warmth},
    scope,
};

const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;

/// So many minutes after the present of these tests: 2026-11-21, 12:00.
fn at(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_795_262_400 + minutes * 60).unwrap()
}

fn attempt(number: u32) -> AttemptId {
    format!("att_{number}").parse().unwrap()
}

/// A connection to Xero that was refreshed ten minutes ago, used five minutes ago, and is kept warm in a slot.
fn connection() -> Connection {
    let slot = Slot { period: 20, minute: 3 };
    Connection {
        key: ConnectionKey { tenant: "acme".parse().unwrap(), connection: "conn_1".parse().unwrap() },
        provider: Provider::Xero,
        state: ConnectionState::Active,
        reason: None,
        scopes: vec![],
        location: None,
        created_at: at(-30 * DAY),
        tokens: Some(SealedTokens {
            generation: 7,
            access: vec![],
            refresh: vec![],
            refresh_fingerprint: String::new(),
            issued_at: at(-10),
            refreshed: true,
            access_expires_at: at(20),
            refresh_expires_at: Some(at(60 * DAY - 10)),
            hard_expires_at: None,
            keys_made_at: at(-30 * DAY),
            previous: None,
        }),
        fence: 12,
        lease: None,
        due: Some(Due::Slot(slot)),
        used_at: at(-5),
        warmth: None,
        attempts: AttemptCounters::default(),
        last: Some(LastAttempt { id: attempt(1), ended_at: at(-10), failure: None }),
        chain: ChainHead::default(),
        calls: vec![],
        notices: Notices::default(),
        write_id: String::new(),
    }
}

/// Everything that an explanation is made of.
struct Story {
    connection: Connection,
    health: ProviderHealth,
    policy: RefreshPolicy,
}

impl Story {
    fn explained(&self) -> Explanation {
        explain(&self.connection, (&self.health, &OutageSettings::default()), &self.policy, at(0))
    }

    /// Nobody has used it for two days, and its token ended yesterday.
    fn idle(&mut self) {
        self.issued_at(-20 * HOUR);
        self.connection.used_at = at(-2 * DAY);
        self.connection.due = Some(Due::At(at(3 * HOUR)));
    }

    /// The token set is from another time.
    fn issued_at(&mut self, minutes: i64) {
        let tokens = self.tokens();
        tokens.issued_at = at(minutes);
        tokens.access_expires_at = at(minutes + 30);
        tokens.refresh_expires_at = Some(at(minutes + 60 * DAY));
        self.connection.last.as_mut().unwrap().ended_at = at(minutes);
    }

    fn tokens(&mut self) -> &mut SealedTokens {
        self.connection.tokens.as_mut().unwrap()
    }

    /// The attempt of two minutes ago failed.
    fn failed(&mut self, class: FailureClass, code: Option<&str>) {
        let failure =
            AttemptFailure { class, code: code.map(str::to_owned), trace_id: Some("trace-1".to_owned()) };
        self.connection.last = Some(LastAttempt { id: attempt(2), ended_at: at(-2), failure: Some(failure) });
        self.connection.attempts.failed_in_a_row += 1;
        self.connection.due = Some(Due::At(at(1)));
    }

    fn lease(&mut self, number: u32, until: i64) {
        self.connection.lease = Some(Lease {
            owner: "worker".to_owned(),
            expires_at: at(until),
            attempt: attempt(number),
            spends: String::new(),
            started_at: at(until - 2),
        });
    }

    fn breaker(&mut self, state: BreakerState) {
        self.health.breaker =
            Breaker { state, failures: 3, changed_at: Some(at(-1)), version: 4, failed_for: None };
    }

    fn state(&mut self, state: ConnectionState, reason: &str) {
        (self.connection.state, self.connection.reason) = (state, Some(reason.to_owned()));
    }
}

type Case = (&'static str, fn(&mut Story));

const WELL: &[Case] = &[
    ("kept warm in a slot", |_| {}),
    ("kept warm, with a time of its own", |story| story.connection.due = Some(Due::At(at(10)))),
    ("idle, its token ended", Story::idle),
    ("idle in its slot until the sweep comes by", |story| {
        story.issued_at(-40);
        story.connection.used_at = at(-25 * HOUR);
    }),
    ("always warm by policy", |story| {
        story.connection.used_at = at(-2 * DAY);
        story.policy.warmth = Warmth::Always;
    }),
    ("waits to be confirmed", |story| story.connection.state = ConnectionState::Pending),
    ("granted with fewer scopes", |story| story.state(ConnectionState::Active, scope::INSUFFICIENT)),
    ("its grant ends within a month", |story| {
        story.connection.provider = Provider::QuickBooks;
        story.tokens().hard_expires_at = Some(at(20 * DAY));
    }),
    ("a token set was stored after the failure", |story| {
        story.failed(FailureClass::Transient, Some("http_503"));
        story.tokens().issued_at = at(-1);
    }),
    ("a verdict that was taken back", |story| {
        story.failed(FailureClass::Dead, Some("invalid_grant"));
        story.connection.due = Some(Due::Slot(Slot { period: 20, minute: 3 }));
    }),
];

const HINDERED: &[Case] = &[
    ("due and not yet refreshed", |story| {
        story.issued_at(-45);
        story.connection.due = Some(Due::At(at(-15)));
    }),
    ("the provider failed", |story| story.failed(FailureClass::Transient, Some("http_503"))),
    ("failed for the fourth time, its token ended", |story| {
        story.issued_at(-HOUR);
        story.failed(FailureClass::Transient, None);
        story.connection.attempts.failed_in_a_row = 4;
    }),
    ("throttled", |story| story.failed(FailureClass::Throttled, Some("http_429"))),
    ("the app is refused", |story| story.failed(FailureClass::Configuration, Some("invalid_client"))),
    ("the key cannot be used", |story| story.failed(FailureClass::Sealing, None)),
    ("the key service did not answer", |story| {
        story.failed(FailureClass::Transient, Some("key_service_unavailable"));
    }),
    ("the breaker is open", |story| {
        story.failed(FailureClass::Transient, Some("http_503"));
        story.breaker(BreakerState::Open { until: at(1) });
    }),
    ("the breaker is open, and nothing is wanted meanwhile", |story| {
        story.breaker(BreakerState::Open { until: at(1) });
    }),
    ("the breaker may be tried", |story| {
        story.issued_at(-45);
        story.breaker(BreakerState::Open { until: at(-1) });
    }),
    ("the breaker is open, and nobody uses the connection", |story| {
        story.idle();
        story.breaker(BreakerState::Open { until: at(1) });
    }),
    ("another call tries the breaker", |story| {
        story.issued_at(-45);
        story.breaker(BreakerState::HalfOpen { until: at(1) });
    }),
    ("the call that tried the breaker was lost", |story| {
        story.breaker(BreakerState::HalfOpen { until: at(-1) });
    }),
    ("the provider is out, and refuses everybody", |story| {
        story.failed(FailureClass::Transient, Some("invalid_grant"));
        story.health.tally = Tally::default();
        for number in 0..10 {
            story.health.tally.count(&format!("conn_{number}").parse().unwrap(), true);
        }
    }),
    ("Zoho's calls are spent", |story| {
        story.connection.provider = Provider::Zoho;
        story.idle();
        story.tokens().refresh_expires_at = None;
        story.connection.calls = (0..10).map(|call| at(call - 9)).collect();
        story.connection.due = Some(Due::At(at(1)));
    }),
];

const UNDER_WAY: &[Case] = &[
    ("a worker is at it", |story| story.lease(2, 1)),
    ("a worker was lost", |story| story.lease(2, -1)),
    ("the answer was lost", |story| {
        story.failed(FailureClass::Unknown, None);
        story.lease(2, 1);
    }),
    ("the answer was lost, and its lease has ended", |story| {
        story.failed(FailureClass::Unknown, None);
        story.lease(2, 0);
        story.connection.due = Some(Due::At(at(0)));
    }),
];

const OVER: &[Case] = &[
    ("the grant is dead", |story| {
        story.failed(FailureClass::Dead, Some("invalid_grant"));
        story.state(ConnectionState::ReconnectRequired, "invalid_grant");
        story.connection.due = None;
    }),
    ("being ended", |story| {
        story.connection.state = ConnectionState::Disconnecting;
        story.connection.due = Some(Due::At(at(1)));
    }),
    ("being ended, and the provider does not answer", |story| {
        story.state(ConnectionState::Disconnecting, "http_503");
        story.connection.due = Some(Due::At(at(8)));
    }),
    ("being ended without credentials", |story| {
        story.state(ConnectionState::Disconnecting, "provider_not_configured");
        story.connection.due = Some(Due::At(at(8)));
    }),
    ("ended", |story| {
        story.connection.state = ConnectionState::Disconnected;
        (story.connection.tokens, story.connection.due) = (None, None);
    }),
];

fn story(change: fn(&mut Story)) -> Story {
    let mut story = Story {
        connection: connection(),
        health: ProviderHealth::default(),
        policy: RefreshPolicy::default(),
    };
    change(&mut story);
    story
}

/// What a person reads of each case.
fn told(cases: &[Case]) -> String {
    let tell = |(name, change): &Case| {
        let explained = story(*change).explained();
        let lines: Vec<_> = explained.explanation.iter().map(|line| format!("  - {line}\n")).collect();
        let action = serde_json::to_value(&explained.next_action).unwrap();
        let (next, health) = (
            serde_json::to_value(explained.next_attempt).unwrap(),
            serde_json::to_value(explained.health).unwrap(),
        );
        format!(
            "# {name}\n{}\n{}  {}: {}\n  {} {next}\n",
            explained.summary,
            lines.concat(),
            action["kind"].as_str().unwrap(),
            action["message"].as_str().unwrap(),
            health.as_str().unwrap(),
        )
    };
    cases.iter().map(tell).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_said_of_a_connection_that_is_well() {
    insta::assert_snapshot!(told(WELL));
}

#[test]
fn what_is_said_of_a_connection_that_something_stands_in_the_way_of() {
    insta::assert_snapshot!(told(HINDERED));
}

#[test]
fn what_is_said_of_a_connection_with_an_attempt_under_way() {
    insta::assert_snapshot!(told(UNDER_WAY));
}

#[test]
fn what_is_said_of_a_connection_that_is_over() {
    insta::assert_snapshot!(told(OVER));
}

#[test]
fn all_fields_of_an_explanation() {
    let story = story(|story| {
        story.failed(FailureClass::Unknown, Some("http_502"));
        story.lease(2, 1);
        story.breaker(BreakerState::Open { until: at(1) });
    });

    insta::assert_json_snapshot!(story.explained());
}

#[test]
fn what_there_is_not_is_left_out() {
    let explained = story(|story| {
        story.connection.state = ConnectionState::Disconnected;
        (story.connection.tokens, story.connection.due, story.connection.last) = (None, None, None);
    });

    let shown = serde_json::to_value(explained.explained()).unwrap();

    for absent in ["reason", "accessExpiresAt", "refreshExpiresAt", "grantExpiresAt", "lastAttempt", "lease"]
    {
        assert!(shown.get(absent).is_none(), "{absent}");
    }
    assert_eq!(shown["breaker"], serde_json::json!({"state": "closed"}));
}
