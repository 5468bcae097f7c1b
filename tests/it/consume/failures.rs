//! What fails is tried again, for a bounded number of times, and takes nothing with it.

use std::time::Duration;

use domain::{
    clock::Clock as _,
    limits::{Held, HeldBy},
    provider::Provider,
    refresh::policy::later,
    sync::{EVENT_RECEIVES, Entity, LedgerError, Next},
    webhook::{Begin, EventMessage, IN_PROGRESS_LIFE, IdempotencyStore as _, Tally, WebhookEvent},
};
use rstest::rstest;

use super::{
    desk::{Desk, delivery, event},
    ports::Fails,
    tally,
};
use crate::ledger::THROTTLE;

fn away() -> LedgerError {
    LedgerError::Unavailable("503".into())
}

fn refused() -> LedgerError {
    LedgerError::Refused { status: 400 }
}

/// A company with the invoices 7 and 8, and a delivery that names both.
async fn two() -> (Desk, EventMessage) {
    let desk = Desk::new().await;
    desk.ledger.fill(&["7", "8"]);
    (desk, delivery("dlv_1", &[event("e7", "7"), event("e8", "8")]))
}

#[rstest]
#[case::away(away(), "PROVIDER_API_ERROR", None)]
#[case::throttled(LedgerError::Throttled { retry_after: Some(Duration::from_secs(90)) }, "PROVIDER_RATE_LIMIT", Some(Duration::from_secs(90)))]
#[tokio::test]
async fn a_company_that_cannot_be_read_waits_and_is_buried_with_the_reason_in_the_end(
    #[case] error: LedgerError,
    #[case] reason: &str,
    #[case] after: Option<Duration>,
) {
    let again = match &error {
        LedgerError::Throttled { retry_after } => LedgerError::Throttled { retry_after: *retry_after },
        _ => away(),
    };
    let (desk, message) = two().await;
    desk.ledger.fail_next(error);
    let first = desk.once(&message, 1).await;
    assert_eq!(first.tally, Tally { waiting: 2, ..Tally::default() });
    assert_eq!(first.next, Next::Again { after });

    desk.ledger.fail_next(again);
    let last = desk.once(&message, EVENT_RECEIVES).await;
    assert_eq!(last.tally, Tally { failed: 2, ..Tally::default() });
    assert_eq!(last.next, Next::Bury(format!("{reason}: invoice")));

    // Put back from the dead letters it has its effect: nothing stands in its way.
    assert_eq!(desk.once(&message, 1).await.tally, tally(2));
}

#[tokio::test]
async fn what_came_before_a_throttle_has_its_effect_and_only_the_rest_waits_for_its_end() {
    let (desk, message) = two().await;
    desk.ledger.throttle_after(1);

    let first = desk.once(&message, 1).await;
    let second = desk.once(&message, 2).await;

    assert_eq!(first.tally, Tally { waiting: 1, ..tally(1) });
    assert_eq!(first.next, Next::Again { after: Some(THROTTLE) });
    assert_eq!((second.tally, second.next), (tally(2), Next::Done));
    let asked: Vec<_> = desk.ledger.asked().into_iter().map(|(_, ids)| ids).collect();
    assert_eq!(asked, [vec!["7", "8"], vec!["8"]], "nothing is asked for twice");
}

#[tokio::test]
async fn what_the_limits_hold_back_comes_again_when_they_allow_it_and_outlasts_most_of_a_day() {
    let (desk, message) = two().await;
    let minute = Duration::from_mins(1);
    let until = later(desk.world.clock.now(), minute);
    let mut outlasted = Duration::ZERO;
    for receives in 1..EVENT_RECEIVES {
        desk.ledger.fail_next(LedgerError::Held(Held { until, by: HeldBy::Budget }));

        let came = desk.once(&message, receives).await;

        let Next::Again { after: Some(after) } = came.next else { panic!("{came:?}") };
        assert_eq!(after, minute.max(Duration::from_mins(5) * (receives - 1)));
        outlasted += after;
    }
    assert!(outlasted > Duration::from_hours(14), "{outlasted:?}");
    let tomorrow = later(desk.world.clock.now(), Duration::from_hours(11));
    desk.ledger.fail_next(LedgerError::Held(Held { until: tomorrow, by: HeldBy::Throttle }));
    assert_eq!(desk.once(&message, 2).await.next, Next::Again { after: Some(Duration::from_hours(11)) });
}

/// A delivery that names a contact and an invoice of one company.
async fn of_two_kinds() -> (Desk, EventMessage) {
    let (desk, _) = two().await;
    let contact = WebhookEvent { entity: "contact".to_owned(), ..event("c", "c1") };
    (desk, delivery("dlv_1", &[contact, event("e7", "7")]))
}

#[tokio::test]
async fn a_kind_that_the_provider_forbids_takes_no_other_kind_with_it() {
    let (desk, message) = of_two_kinds().await;
    desk.ledger.fail_next(LedgerError::Forbidden);

    let came = desk.once(&message, 1).await;

    assert_eq!(came.tally, Tally { disconnected: 1, ..tally(1) });
    assert_eq!(desk.stored(Entity::Invoices).await, [("7".to_owned(), 1)]);
}

#[tokio::test]
async fn what_the_grant_leaves_out_is_not_asked_for_and_costs_no_token() {
    let (desk, message) = of_two_kinds().await;
    desk.ledger.close(Entity::Customers);
    desk.ledger.close(Entity::Vendors);

    let came = desk.once(&message, 1).await;

    assert_eq!((came.tally, came.next), (Tally { disconnected: 1, ..tally(1) }, Next::Done));
    assert_eq!(desk.ledger.asked(), [("invoice".to_owned(), vec!["7".to_owned()])]);
}

#[tokio::test]
async fn an_object_that_the_provider_refuses_is_buried_without_its_neighbors() {
    let (desk, message) = two().await;
    desk.ledger.break_object("7", refused);

    let came = desk.once(&message, 1).await;

    assert_eq!(came.tally, Tally { failed: 1, ..tally(1) });
    assert_eq!(came.next, Next::Bury("PROVIDER_API_ERROR: invoice".to_owned()));
    assert_eq!(desk.stored(Entity::Invoices).await, [("8".to_owned(), 1)]);
    desk.ledger.mend();
    assert_eq!(desk.once(&message, 1).await.tally, tally(2));
}

#[tokio::test]
async fn an_object_that_fails_alone_does_not_hold_its_company_for_long() {
    let (desk, message) = two().await;
    desk.ledger.break_object("7", away);

    let waits = Tally { waiting: 1, ..tally(1) };
    for receives in 1..=2 {
        let came = desk.once(&message, receives).await;
        assert_eq!((came.tally, came.next), (waits, Next::Again { after: None }));
    }
    let third = desk.once(&message, 3).await;

    assert_eq!(third.next, Next::Bury("PROVIDER_API_ERROR: invoice".to_owned()));
    assert_eq!(third.tally, Tally { failed: 1, ..tally(1) });
}

#[tokio::test]
async fn an_object_that_fails_with_nobody_beside_it_may_be_a_provider_that_is_away() {
    let (desk, _) = two().await;
    desk.ledger.break_object("7", away);
    let message = delivery("dlv_1", &[event("e7", "7")]);

    assert_eq!(desk.once(&message, 4).await.next, Next::Again { after: None });
    let beside = delivery("dlv_2", &[event("e8", "8")]);
    let came = desk.receive(&[message.clone(), beside], 4).await;
    assert_eq!(
        came[0].next,
        Next::Bury("PROVIDER_API_ERROR: invoice".to_owned()),
        "not where others can be had"
    );
    assert_eq!(came[1].tally, tally(1));
}

#[tokio::test]
async fn what_still_waits_is_not_buried_with_what_failed() {
    let (desk, message) = two().await;
    desk.ledger.break_object("7", refused);
    let began = desk.ports.seen.begin(Provider::QuickBooks, "e8", desk.world.clock.now()).await.unwrap();
    assert_eq!(began, Begin::Started { again: false });

    let while_another_is_at_it = desk.once(&message, 1).await;
    desk.world.clock.advance(IN_PROGRESS_LIFE);
    let afterwards = desk.once(&message, 2).await;

    assert_eq!(while_another_is_at_it.tally, Tally { failed: 1, waiting: 1, ..Tally::default() });
    assert_eq!(while_another_is_at_it.next, Next::Again { after: None });
    assert_eq!(afterwards.tally, Tally { failed: 1, ..tally(1) });
    assert!(matches!(afterwards.next, Next::Bury(_)));
}

/// Two events whose objects are written already, by a worker that died before it said so, longer ago than others wait.
async fn two_whose_worker_died() -> (Desk, EventMessage) {
    let (desk, message) = two().await;
    desk.consume(&[delivery("dlv_0", &[event("f7", "7"), event("f8", "8")])]).await;
    desk.announced();
    for key in ["e7", "e8"] {
        desk.ports.seen.begin(Provider::QuickBooks, key, desk.world.clock.now()).await.unwrap();
    }
    desk.world.clock.advance(IN_PROGRESS_LIFE);
    (desk, message)
}

#[tokio::test]
async fn what_a_worker_wrote_before_it_died_is_announced_by_the_next() {
    let (desk, message) = two_whose_worker_died().await;

    let came = desk.once(&message, 2).await;

    assert_eq!(came.tally, tally(2));
    assert_eq!(desk.announced(), [(desk.key.clone(), 2)], "although nothing changed that this worker saw");
}

#[tokio::test]
async fn what_a_dead_worker_wrote_is_announced_though_the_next_one_finds_the_provider_away() {
    let (desk, message) = two_whose_worker_died().await;
    desk.ledger.fail_next(away());
    desk.once(&message, 2).await;
    assert_eq!(desk.announced(), []);
    desk.world.clock.advance(IN_PROGRESS_LIFE);

    let came = desk.once(&message, 3).await;

    assert_eq!(came.tally, tally(2));
    assert_eq!(desk.announced(), [(desk.key.clone(), 2)]);
}

#[rstest]
#[case::records_not_written("put", Fails::Before)]
#[case::records_written_and_the_answer_lost("put", Fails::After)]
#[case::not_announced("publish", Fails::Before)]
#[case::announced_and_the_answer_lost("publish", Fails::After)]
#[case::not_begun("begin", Fails::Before)]
#[case::begun_and_the_answer_lost("begin", Fails::After)]
#[case::not_completed("complete", Fails::Before)]
#[case::completed_and_the_answer_lost("complete", Fails::After)]
#[tokio::test]
async fn whatever_store_fails_the_effect_comes_and_is_announced(
    #[case] call: &'static str,
    #[case] fails: Fails,
) {
    let (desk, message) = two().await;
    desk.ports.fail_next(call, fails);

    let first = desk.once(&message, 1).await;
    let Next::Again { after: Some(after) } = first.next else { panic!("{first:?}") };
    assert_eq!(after, IN_PROGRESS_LIFE);
    desk.world.clock.advance(after);
    let second = desk.once(&message, 2).await;

    assert_eq!((second.tally, second.next), (tally(2), Next::Done));
    assert_eq!(desk.stored(Entity::Invoices).await.len(), 2);
    let announced: u64 = desk.announced().into_iter().map(|(_, records)| records).sum();
    assert!(announced >= 2, "{announced}");
}

#[tokio::test]
async fn an_event_that_could_not_be_given_back_is_begun_again_when_its_time_has_run_out() {
    let (desk, message) = two().await;
    desk.ledger.fail_next(away());
    desk.ports.fail_next("abandon", Fails::Before);

    desk.once(&message, 1).await;
    assert_eq!(desk.once(&message, 2).await.tally, Tally { waiting: 1, ..tally(1) });
    desk.world.clock.advance(IN_PROGRESS_LIFE);

    assert_eq!(desk.once(&message, 3).await.tally, tally(2));
}

#[tokio::test]
async fn a_token_refused_in_the_middle_is_replaced_once() {
    let (desk, message) = two().await;
    desk.ledger.fail_next(LedgerError::Unauthorized);

    assert_eq!(desk.once(&message, 1).await.tally, tally(2));
    assert_eq!((desk.world.refreshes(), desk.ledger.fetches()), (1, 2));
}

#[tokio::test]
async fn what_was_just_made_and_is_not_there_yet_is_asked_for_once_more_before_it_counts_as_gone() {
    let desk = Desk::new().await;
    let message = delivery("dlv_1", &[event("e1", "7")]);

    let first = desk.once(&message, 1).await;

    assert_eq!((first.tally.waiting, desk.stored(Entity::Invoices).await.len()), (1, 0));
    desk.ledger.fill(&["7"]);
    let second = desk.once(&message, 2).await;
    assert_eq!((second.next, second.tally.applied), (Next::Done, 1));
    assert_eq!(desk.stored(Entity::Invoices).await.len(), 1);
}
