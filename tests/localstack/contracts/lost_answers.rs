//! Answers lost on the wire: the write arrives, the connection breaks, the SDK sends the write again.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use aws::{DynamoApiKeys, DynamoConnections, DynamoRecords, clients};
use aws_sdk_dynamodb::Client;
use domain::{
    api_key::{ApiKeyStore, NewApiKey, Role},
    connection::{
        ChainHead, ConfirmOutcome, ConnectOutcome, Connection, ConnectionState, ConnectionStore, Due,
        LastAttempt, MarkOutcome, Notices,
    },
    entropy::SystemEntropy,
    refresh::{
        Attempted, CompleteOutcome, Ending, LeaseOutcome, LeasePurpose, RefreshLease, RefreshStore,
        SPILL_VERSION, Settlement, SpilledTokens,
    },
    sync::{Entity, RecordStore as _},
};
use tests::sample::{self, at, ids};

use super::{DUE_SHARDS, sdk_at};
use crate::{
    driver::{Fate, Request, Way},
    stack::Stack,
};

/// A way to the stack that passes every request on and loses the answer that it is told to lose.
pub(super) struct LossyWay {
    way: Way,
    /// Which of the answers to come is lost, counted from 1; 0 when none is.
    to_lose: Arc<AtomicUsize>,
}

impl LossyWay {
    async fn to(endpoint: &str) -> Self {
        let to_lose = Arc::new(AtomicUsize::new(0));
        let told = to_lose.clone();
        let fate = move |_: &Request| {
            let left = told.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if left == Ok(1) { Fate::Lose } else { Fate::Pass }
        };
        Self { way: Way::to(endpoint, fate).await, to_lose }
    }

    pub(super) fn lose_next_answer(&self) {
        self.lose_answer_after(0);
    }

    /// Lets so many answers pass, and loses the next.
    pub(super) fn lose_answer_after(&self, passed: usize) {
        self.way.forget();
        self.to_lose.store(passed + 1, Ordering::SeqCst);
    }

    /// Whether the answer was lost and the request came again.
    pub(super) fn was_sent_twice(&self) -> bool {
        self.was_sent(2)
    }

    /// Whether an answer was lost and there were so many requests.
    pub(super) fn was_sent(&self, requests: usize) -> bool {
        let (lost, passed) = (self.way.met(Fate::Lose), self.way.met(Fate::Pass));
        lost == 1 && lost + passed == requests
    }
}

/// A client of the stack's tables that goes a lossy way.
pub(super) async fn lossy_client() -> (LossyWay, Client) {
    let stack = Stack::running();
    let way = LossyWay::to(stack.value("AWS_ENDPOINT_URL")).await;
    let client = clients::dynamodb(&sdk_at(&stack, &way.way.address).await);
    (way, client)
}

async fn lossy() -> (LossyWay, DynamoConnections, DynamoApiKeys) {
    let stack = Stack::running();
    let (way, client) = lossy_client().await;
    let connections =
        DynamoConnections::new(client.clone(), stack.value("CONNECTIONS_TABLE").to_owned(), DUE_SHARDS);
    (way, connections, DynamoApiKeys::new(client, stack.value("CONTROL_TABLE").to_owned()))
}

#[tokio::test]
async fn a_connection_is_stored_once_and_known_to_be() {
    let (way, store, _) = lossy().await;
    let new = sample::new_connection(sample::connection(&sample::key()));
    way.lose_next_answer();

    assert_eq!(store.connect(&new).await.unwrap(), ConnectOutcome::Stored);

    assert!(way.was_sent_twice());
    assert_eq!(store.find(&new.connection.key).await.unwrap(), Some(new.connection));
}

#[tokio::test]
async fn a_lease_is_taken_once_and_nothing_unfinished_is_made_up() {
    let (way, store, _) = lossy().await;
    let connection = sample::connection(&sample::key());
    store.connect(&sample::new_connection(connection.clone())).await.unwrap();
    way.lose_next_answer();

    let outcome =
        store.take_lease(&connection.key, &sample::lease(at(0)), LeasePurpose::Refresh).await.unwrap();

    assert!(way.was_sent_twice());
    let LeaseOutcome::Taken { lease, before } = outcome else { panic!("{outcome:?}") };
    assert_eq!(lease.fence, connection.fence + 1);
    assert_eq!(*before, connection);
}

#[tokio::test]
async fn a_lease_after_an_unfinished_attempt_still_tells_of_it() {
    let (way, store, _) = lossy().await;
    let key = sample::key();
    store.connect(&sample::new_connection(sample::connection(&key))).await.unwrap();
    let unfinished = sample::lease(at(0));
    store.take_lease(&key, &unfinished, LeasePurpose::Refresh).await.unwrap();
    let between = store.find(&key).await.unwrap().unwrap();
    way.lose_next_answer();

    let outcome = store.take_lease(&key, &sample::lease(at(200)), LeasePurpose::Refresh).await.unwrap();

    assert!(way.was_sent_twice());
    let LeaseOutcome::Taken { before, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(*before, between);
}

/// A lease taken on a new sample in the first state of its purpose, with the sample as it was before.
async fn leased(store: &DynamoConnections, purpose: LeasePurpose) -> (RefreshLease, Connection) {
    let key = sample::key();
    let connection = Connection { state: purpose.states()[0], ..sample::connection(&key) };
    store.connect(&sample::new_connection(connection)).await.unwrap();
    let outcome = store.take_lease(&key, &sample::lease(at(0)), purpose).await.unwrap();
    let LeaseOutcome::Taken { lease, before } = outcome else { panic!("{outcome:?}") };
    (lease, *before)
}

fn settlement(ending: Ending) -> Settlement {
    let attempt = Attempted {
        duration_ms: 10,
        last: LastAttempt { id: ids().attempt(), ended_at: at(1), failure: None },
        chain: ChainHead { sequence: 1, hash: [1; 32] },
        calls: vec![],
        notices: Notices::default(),
    };
    Settlement { ending, due: None, used_at: at(0), attempt: Some(attempt), write_id: ids().write() }
}

/// Settles an attempt while the answer is lost; gives the connection before and after.
async fn settled_without_answer(purpose: LeasePurpose, ending: Ending) -> (Connection, Connection) {
    let (way, store, _) = lossy().await;
    let (lease, before) = leased(&store, purpose).await;
    way.lose_next_answer();

    store.settle(&lease, &settlement(ending)).await.unwrap();

    assert!(way.was_sent_twice());
    (before, store.find(&lease.key).await.unwrap().unwrap())
}

#[tokio::test]
async fn a_rotated_token_set_is_stored_once_and_known_to_be() {
    let tokens = sample::tokens(2, at(1), 80);

    let ending = Ending::Rotated(Box::new(tokens.clone()));
    let (before, after) = settled_without_answer(LeasePurpose::Refresh, ending).await;

    assert_eq!(after.tokens, Some(tokens));
    assert_eq!(after.attempts.succeeded, before.attempts.succeeded + 1, "counted once");
}

#[tokio::test]
async fn an_unknown_outcome_keeps_its_lease_and_is_counted_once() {
    let (before, after) = settled_without_answer(LeasePurpose::Refresh, Ending::Unknown).await;

    assert!(after.lease.is_some());
    assert_eq!(after.attempts.failed, before.attempts.failed + 1);
}

#[tokio::test]
async fn a_verdict_is_passed_once_and_known_to_be() {
    let dead = Ending::Dead { reason: "invalid_grant".to_owned(), generation: 1 };
    let (before, after) = settled_without_answer(LeasePurpose::Refresh, dead).await;

    assert_eq!(after.state, ConnectionState::ReconnectRequired);
    assert_eq!(after.attempts.failed, before.attempts.failed + 1, "counted once");
}

#[tokio::test]
async fn a_spilled_token_set_is_stored_once_and_known_to_be() {
    let (way, store, _) = lossy().await;
    let (lease, before) = leased(&store, LeasePurpose::Refresh).await;
    let spilled = SpilledTokens {
        v: SPILL_VERSION,
        key: lease.key.clone(),
        fence: lease.fence,
        replaces: before.tokens.unwrap().refresh_fingerprint,
        tokens: sample::tokens(2, at(1), 80),
    };
    // The read comes first.
    way.lose_answer_after(1);

    let outcome = store.complete(&spilled, Due::At(at(60)), &ids().write()).await.unwrap();

    assert!(way.was_sent(3), "read, written, and written again");
    assert_eq!(outcome, CompleteOutcome::Stored);
    let after = store.find(&lease.key).await.unwrap().unwrap();
    assert_eq!((after.tokens, after.lease), (Some(spilled.tokens), None));
}

#[tokio::test]
async fn a_use_is_noted_although_nobody_hears_of_it() {
    let (way, store, _) = lossy().await;
    let connection = sample::connection(&sample::key());
    store.connect(&sample::new_connection(connection.clone())).await.unwrap();
    way.lose_next_answer();

    store.mark_used(&connection.key, at(7)).await.unwrap();

    assert!(way.was_sent_twice());
    let after = store.find(&connection.key).await.unwrap();
    assert_eq!(after, Some(Connection { used_at: at(7), ..connection }));
}

#[tokio::test]
async fn a_connection_is_ended_once_and_known_to_be() {
    let (_, after) = settled_without_answer(LeasePurpose::Disconnect, Ending::Disconnected).await;

    assert_eq!((after.state, after.tokens, after.lease), (ConnectionState::Disconnected, None, None));
}

#[tokio::test]
async fn a_connection_is_marked_and_confirmed_although_nobody_hears_of_it() {
    let (way, store, _) = lossy().await;
    for is_marked in [false, true] {
        let connection = Connection { state: ConnectionState::Pending, ..sample::connection(&sample::key()) };
        store.connect(&sample::new_connection(connection.clone())).await.unwrap();
        let (key, write_id) = (&connection.key, ids().write());
        way.lose_next_answer();

        let state = if is_marked {
            let outcome = store.mark_disconnecting(&connection, at(3), &write_id).await.unwrap();
            assert_eq!(outcome, MarkOutcome::Disconnecting);
            ConnectionState::Disconnecting
        } else {
            assert_eq!(store.confirm(key, &write_id).await.unwrap(), ConfirmOutcome::Active);
            ConnectionState::Active
        };

        assert!(way.was_sent_twice());
        let after = store.find(key).await.unwrap().unwrap();
        assert_eq!((after.state, after.write_id), (state, write_id));
    }
}

#[tokio::test]
async fn an_api_key_is_made_once_and_known_to_be() {
    let (way, _, store) = lossy().await;
    let new = NewApiKey {
        name: "lossy".to_owned(),
        scopes: Role::Viewer.scopes(),
        tenant: None,
        user: None,
        expires_at: None,
    };
    let (key, _) = new.issue("test", at(0), &SystemEntropy);
    way.lose_next_answer();

    assert!(store.insert(&key).await.unwrap());

    assert!(way.was_sent_twice());
}

async fn lossy_records() -> (LossyWay, DynamoRecords) {
    let (way, client) = lossy_client().await;
    (way, DynamoRecords::new(client, Stack::running().value("RECORDS_TABLE").to_owned()))
}

#[tokio::test]
async fn a_record_is_written_once_and_known_to_be() {
    let (way, store) = lossy_records().await;
    let place = sample::place();
    way.lose_next_answer();

    assert_eq!(
        store.put_if_newer(&place, &[sample::invoice("1", at(10), 3)], &ids().write()).await.unwrap(),
        1
    );

    assert!(way.was_sent_twice());
}

#[tokio::test]
async fn a_record_is_marked_as_deleted_once_and_known_to_be() {
    let (way, store) = lossy_records().await;
    // Of a record that changed after its deletion the time must not fall: the second of two writes marks it.
    for (deleted_at, passed) in [(at(20), 0), (at(5), 1)] {
        let (place, id) = (sample::place(), "1".parse().unwrap());
        store.put_if_newer(&place, &[sample::invoice("1", at(10), 3)], &ids().write()).await.unwrap();
        way.lose_answer_after(passed);

        let write_id = ids().write();
        assert!(store.mark_deleted(&place, (Entity::Invoices, &id), deleted_at, &write_id).await.unwrap());

        assert!(way.was_sent(passed + 2));
        let again = store.mark_deleted(&place, (Entity::Invoices, &id), deleted_at, &ids().write()).await;
        assert!(!again.unwrap(), "by another it was deleted already");
    }
}
