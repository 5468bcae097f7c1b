//! What of a history can be changed unseen: nothing but how far back it goes.

use jiff::Timestamp;
use proptest::{prelude::*, sample::Index};

use super::*;
use crate::{
    connection::ConnectionKey,
    provider::Provider,
    refresh::{AttemptFailure, FailureClass, Trigger},
};

fn attempt(number: usize) -> RefreshAttempt {
    RefreshAttempt {
        id: format!("att_{number:04}").parse().unwrap(),
        key: ConnectionKey { tenant: "acme".parse().unwrap(), connection: "conn_1".parse().unwrap() },
        provider: Provider::QuickBooks,
        trigger: Trigger::Scheduled,
        started_at: Timestamp::UNIX_EPOCH,
        completed_at: Timestamp::UNIX_EPOCH,
        failure: None,
        retry: 0,
        link: None,
    }
}

fn failures() -> impl Strategy<Value = Option<AttemptFailure>> {
    let class =
        prop::sample::select(vec![FailureClass::Dead, FailureClass::Transient, FailureClass::Unknown]);
    let text = || prop::option::of("[a-z_]{0,6}");
    let failure = |(class, code, trace_id)| AttemptFailure { class, code, trace_id };
    prop::option::of((class, text(), text()).prop_map(failure))
}

fn attempts() -> impl Strategy<Value = Vec<RefreshAttempt>> {
    let fields = (failures(), 0..4_u32, 0..10_000_i64);
    prop::collection::vec(fields, 1..12).prop_map(|fields| {
        let attempts =
            fields.into_iter().enumerate().map(|(number, (failure, retry, lasted))| RefreshAttempt {
                completed_at: Timestamp::from_millisecond(lasted).unwrap(),
                failure,
                retry,
                ..attempt(number)
            });
        attempts.collect()
    })
}

/// Links attempts to a chain that begins behind `head`; gives the head they make.
fn linked(mut head: ChainHead, attempts: &mut [RefreshAttempt]) -> ChainHead {
    for attempt in attempts {
        let link = ChainLink::after(head, attempt);
        (attempt.link, head) = (Some(link), link.head());
    }
    head
}

/// Whole histories, with their heads.
fn histories() -> impl Strategy<Value = (ChainHead, Vec<RefreshAttempt>)> {
    attempts().prop_map(|mut attempts| (linked(ChainHead::default(), &mut attempts), attempts))
}

fn failure(attempt: &mut RefreshAttempt) -> &mut AttemptFailure {
    let passing = AttemptFailure { class: FailureClass::Throttled, code: None, trace_id: None };
    attempt.failure.get_or_insert(passing)
}

fn later_by_a_millisecond(at: &mut Timestamp) {
    *at = Timestamp::from_millisecond(at.as_millisecond() + 1).unwrap();
}

fn other(text: &mut Option<String>) {
    *text = match text {
        None => Some(String::new()),
        Some(text) if text.is_empty() => None,
        Some(text) => Some(text[1..].to_owned()),
    };
}

/// Each makes an entry another than it was.
const CHANGES: [fn(&mut RefreshAttempt); 16] = [
    |entry| entry.id = "att_other".parse().unwrap(),
    |entry| entry.key.tenant = "other".parse().unwrap(),
    |entry| entry.key.connection = "conn_2".parse().unwrap(),
    |entry| entry.provider = Provider::Xero,
    |entry| entry.trigger = Trigger::Manual,
    |entry| later_by_a_millisecond(&mut entry.started_at),
    |entry| later_by_a_millisecond(&mut entry.completed_at),
    |entry| entry.retry += 1,
    |entry| {
        if entry.failure.take().is_none() {
            failure(entry);
        }
    },
    |entry| failure(entry).class = FailureClass::Configuration,
    |entry| other(&mut failure(entry).code),
    |entry| other(&mut failure(entry).trace_id),
    |entry| entry.link.as_mut().unwrap().sequence += 1,
    |entry| entry.link.as_mut().unwrap().previous[0] ^= 1,
    |entry| entry.link.as_mut().unwrap().hash[31] ^= 0x80,
    |entry| entry.link = None,
];

/// What is wrong with a history.
fn wrong(head: ChainHead, attempts: &[RefreshAttempt]) -> Vec<u64> {
    let report = verify(head, attempts);
    let wrong = [report.altered, report.missing].concat();
    assert_eq!(report.intact, wrong.is_empty());
    wrong
}

proptest! {
    #[test]
    fn a_history_as_it_was_written_is_intact_in_any_order(
        (head, attempts) in histories(),
        order in any::<u64>(),
    ) {
        let mut shuffled = attempts.clone();
        shuffled.sort_by_key(|entry| entry.link.unwrap().hash[0] ^ order.to_be_bytes()[0]);

        let checked = u64::try_from(attempts.len()).unwrap();
        let expected = ChainReport { checked, intact: true, ..ChainReport::default() };
        prop_assert_eq!(verify(head, &attempts), expected.clone());
        prop_assert_eq!(verify(head, &shuffled), expected);
    }

    #[test]
    fn whatever_is_changed_in_an_entry_is_reported_there(
        (head, mut attempts) in histories(),
        place in any::<Index>(),
        change in prop::sample::select(&CHANGES[..]),
    ) {
        let place = place.index(attempts.len());
        change(&mut attempts[place]);

        let sequence = u64::try_from(place).unwrap() + 1;
        let wrong = wrong(head, &attempts);
        // Without its link the oldest entry may as well have been forgotten by age, and this one never have been in it.
        let is_forgotten = place == 0 && attempts[0].link.is_none() && attempts.len() > 1;
        prop_assert_eq!(wrong.is_empty(), is_forgotten, "{:?}", wrong);
        let has_its_number = attempts[place].link.is_some_and(|link| link.sequence == sequence);
        prop_assert!(!has_its_number || wrong.contains(&sequence), "{wrong:?}");
    }

    #[test]
    fn an_entry_that_is_taken_out_is_missed_unless_it_is_the_oldest(
        (head, mut attempts) in histories(),
        place in any::<Index>(),
    ) {
        let place = place.index(attempts.len());
        attempts.remove(place);

        let expected = if place == 0 && !attempts.is_empty() { vec![] } else { vec![place as u64 + 1] };
        prop_assert_eq!(wrong(head, &attempts), expected);
    }

    #[test]
    fn what_was_forgotten_by_age_is_not_missed(
        (head, attempts) in histories(),
        kept in any::<Index>(),
    ) {
        let forgotten = kept.index(attempts.len());

        prop_assert_eq!(wrong(head, &attempts[forgotten..]), Vec::<u64>::new());
    }

    #[test]
    fn an_entry_that_stands_twice_is_reported(
        (head, mut attempts) in histories(),
        place in any::<Index>(),
        is_changed in any::<bool>(),
    ) {
        let mut twin = attempts[place.index(attempts.len())].clone();
        let sequence = twin.link.unwrap().sequence;
        if is_changed {
            twin.retry += 1;
        }
        attempts.push(twin);

        prop_assert_eq!(wrong(head, &attempts), [sequence]);
    }

    #[test]
    fn two_entries_that_change_places_are_reported_both(
        (head, mut attempts) in histories(),
        (one, another) in any::<(Index, Index)>(),
    ) {
        let (one, another) = (one.index(attempts.len()), another.index(attempts.len()));
        prop_assume!(one != another);
        let (first, second) = (attempts[one].link, attempts[another].link);
        (attempts[one].link, attempts[another].link) = (second, first);

        let wrong = wrong(head, &attempts);
        for place in [one, another] {
            prop_assert!(wrong.contains(&(place as u64 + 1)), "{wrong:?}");
        }
    }

    #[test]
    fn entries_that_are_added_or_rewritten_with_hashes_that_fit_do_not_fit_the_head(
        (head, mut attempts) in histories(),
        from in any::<Index>(),
        change in prop::sample::select(&CHANGES[..12]),
    ) {
        let mut added = attempts.clone();
        added.push(attempt(99));
        linked(head, &mut added[attempts.len()..]);
        prop_assert_eq!(wrong(head, &added), [head.sequence + 1]);

        let from = from.index(attempts.len());
        let before = attempts[..from].last().map_or(ChainHead::default(), |entry| entry.link.unwrap().head());
        change(&mut attempts[from]);
        let mut alone = attempts.clone();
        linked(before, &mut alone[from..=from]);
        let next = (from as u64 + 2).min(head.sequence);
        prop_assert_eq!(wrong(head, &alone), [next], "nor the one that follows");

        linked(before, &mut attempts[from..]);
        prop_assert_eq!(wrong(head, &attempts), [head.sequence]);
    }
}

#[test]
fn a_history_of_which_nothing_is_left_is_missed() {
    let mut attempts = [attempt(1), attempt(2)];
    let head = linked(ChainHead::default(), &mut attempts);

    assert_eq!(wrong(head, &[]), [2]);
    assert!(wrong(ChainHead::default(), &[]).is_empty(), "there never was one");
}

#[test]
fn an_attempt_that_lost_its_lease_has_no_place_in_the_chain() {
    let mut attempts = vec![attempt(1), attempt(2)];
    let head = linked(ChainHead::default(), &mut attempts);
    attempts.insert(1, attempt(3));

    assert!(wrong(head, &attempts).is_empty());
}

#[test]
fn text_that_moves_from_one_field_to_the_next_is_another_entry() {
    let entry = |id: &str, tenant: &str, (code, trace_id): (&str, &str)| {
        let mut attempt = RefreshAttempt { id: id.parse().unwrap(), ..attempt(1) };
        attempt.key.tenant = tenant.parse().unwrap();
        failure(&mut attempt).code = Some(code.to_owned());
        failure(&mut attempt).trace_id = Some(trace_id.to_owned());
        ChainLink::after(ChainHead::default(), &attempt).hash
    };

    assert_ne!(entry("att_1", "acme", ("ab", "c")), entry("att_1", "acme", ("a", "bc")));
    assert_ne!(entry("att_1", "acme", ("a", "")), entry("att_1", "acme", ("", "a")));
    assert_ne!(entry("att_1", "acme", ("a", "")), entry("att_1a", "cme", ("a", "")));
}

#[test]
fn numbers_that_no_chain_reaches_are_reported_and_nothing_worse() {
    let mut attempts = vec![attempt(1), attempt(2)];
    let head = linked(ChainHead::default(), &mut attempts);
    let mut forged = attempts[1].clone();
    forged.link.as_mut().unwrap().sequence = u64::MAX;
    attempts.push(forged);

    assert_eq!(wrong(head, &attempts), [u64::MAX]);
}
