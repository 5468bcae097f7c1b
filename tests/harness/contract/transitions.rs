//! What changes of a connection's state without a lease keep.

use domain::connection::{ConfirmOutcome, Connection, ConnectionState, ConnectionStore, Due, MarkOutcome};

use super::connections::stored;
use crate::sample::{self, at, ids};

pub(super) async fn contract(store: &dyn ConnectionStore) {
    a_pending_connection_is_confirmed_and_again_is_harmless(store).await;
    what_is_not_pending_is_not_confirmed(store).await;
    a_connection_in_any_state_but_the_last_is_marked_and_due_at_once(store).await;
    marking_again_is_harmless(store).await;
    a_mark_for_what_changed_since_it_was_seen_is_refused(store).await;
    what_has_ended_stays_so(store).await;
    a_use_is_noted_and_nothing_else_moves(store).await;
}

async fn in_state(store: &dyn ConnectionStore, state: ConnectionState) -> Connection {
    let reason = Some("invalid_grant".to_owned());
    let connection = Connection { state, reason, due: None, ..sample::connection(&sample::key()) };
    stored(store, connection).await.connection
}

async fn a_pending_connection_is_confirmed_and_again_is_harmless(store: &dyn ConnectionStore) {
    let before = in_state(store, ConnectionState::Pending).await;
    let write_id = ids().write();

    assert_eq!(store.confirm(&before.key, &write_id).await.unwrap(), ConfirmOutcome::Active);

    let key = before.key.clone();
    let after = Connection { state: ConnectionState::Active, write_id: write_id.clone(), ..before };
    assert_eq!(store.find(&key).await.unwrap().as_ref(), Some(&after));
    for again in [write_id, ids().write()] {
        assert_eq!(store.confirm(&key, &again).await.unwrap(), ConfirmOutcome::Active);
        assert_eq!(store.find(&key).await.unwrap().as_ref(), Some(&after));
    }
}

async fn what_is_not_pending_is_not_confirmed(store: &dyn ConnectionStore) {
    for state in
        [ConnectionState::ReconnectRequired, ConnectionState::Disconnecting, ConnectionState::Disconnected]
    {
        let before = in_state(store, state).await;

        let outcome = store.confirm(&before.key, &ids().write()).await.unwrap();

        assert_eq!(outcome, ConfirmOutcome::NotPending(state));
        assert_eq!(store.find(&before.key).await.unwrap(), Some(before));
    }
    let missing = sample::key();
    assert_eq!(store.confirm(&missing, &ids().write()).await.unwrap(), ConfirmOutcome::Missing);
    assert_eq!(store.find(&missing).await.unwrap(), None, "nothing is made up");
}

async fn a_connection_in_any_state_but_the_last_is_marked_and_due_at_once(store: &dyn ConnectionStore) {
    for state in [
        ConnectionState::Pending,
        ConnectionState::Active,
        ConnectionState::ReconnectRequired,
        ConnectionState::Disconnecting,
    ] {
        let before = in_state(store, state).await;
        let (key, write_id) = (before.key.clone(), ids().write());

        let outcome = store.mark_disconnecting(&before, at(3), &write_id).await.unwrap();

        assert_eq!(outcome, MarkOutcome::Disconnecting);
        let after = Connection {
            state: ConnectionState::Disconnecting,
            reason: None,
            due: Some(Due::At(at(3))),
            write_id,
            ..before
        };
        assert_eq!(store.find(&key).await.unwrap(), Some(after));
    }
}

async fn marking_again_is_harmless(store: &dyn ConnectionStore) {
    let before = in_state(store, ConnectionState::Active).await;
    let write_id = ids().write();
    store.mark_disconnecting(&before, at(3), &write_id).await.unwrap();
    let after = store.find(&before.key).await.unwrap();

    let again = store.mark_disconnecting(&before, at(3), &write_id).await.unwrap();

    assert_eq!(again, MarkOutcome::Disconnecting);
    assert_eq!(store.find(&before.key).await.unwrap(), after);
}

async fn a_mark_for_what_changed_since_it_was_seen_is_refused(store: &dyn ConnectionStore) {
    let seen = in_state(store, ConnectionState::Pending).await;
    store.confirm(&seen.key, &ids().write()).await.unwrap();
    let changed = store.find(&seen.key).await.unwrap();

    let outcome = store.mark_disconnecting(&seen, at(3), &ids().write()).await.unwrap();

    assert_eq!(outcome, MarkOutcome::Changed);
    assert_eq!(store.find(&seen.key).await.unwrap(), changed);
}

async fn what_has_ended_stays_so(store: &dyn ConnectionStore) {
    let before = in_state(store, ConnectionState::Disconnected).await;

    let outcome = store.mark_disconnecting(&before, at(3), &ids().write()).await.unwrap();

    assert_eq!(outcome, MarkOutcome::Disconnected);
    assert_eq!(store.find(&before.key).await.unwrap(), Some(before));
    let missing = sample::connection(&sample::key());
    let outcome = store.mark_disconnecting(&missing, at(3), &ids().write()).await.unwrap();
    assert_eq!(outcome, MarkOutcome::Missing);
    assert_eq!(store.find(&missing.key).await.unwrap(), None, "nothing is made up");
}

async fn a_use_is_noted_and_nothing_else_moves(store: &dyn ConnectionStore) {
    for state in [ConnectionState::Active, ConnectionState::Disconnected] {
        let before = in_state(store, state).await;
        for again in [at(7), at(7), at(9)] {
            store.mark_used(&before.key, again).await.unwrap();

            let after = Connection { used_at: again, ..before.clone() };
            assert_eq!(store.find(&before.key).await.unwrap(), Some(after));
        }
    }
    let missing = sample::key();
    store.mark_used(&missing, at(7)).await.unwrap();
    assert_eq!(store.find(&missing).await.unwrap(), None, "nothing is made up");
}
