//! What the log says of deliveries, and when subscriptions were heard.

use std::time::Duration;

use domain::{
    provider::Provider,
    refresh::policy::later,
    sync::{EVENT_RECEIVES, LedgerError, Next},
    webhook::{
        DeliveryLog as _, DeliveryStatus, EventMessage, RefusalReason, Refused, Subscription,
        Subscriptions as _, Tally, Unreadable, WebhookEvent,
    },
};
use tests::sample;

use super::{
    desk::{Desk, delivery, event},
    ports::Fails,
    tally,
};

/// What the log says of a delivery.
async fn noted(desk: &Desk, id: &str) -> (DeliveryStatus, Tally, Option<String>) {
    let delivery = desk.ports.log.find(&id.parse().unwrap()).await.unwrap().unwrap();
    (delivery.status(), delivery.tally, delivery.reason)
}

#[tokio::test]
async fn the_log_says_of_each_delivery_what_became_of_it_and_why() {
    let desk = Desk::new().await;
    desk.ledger.fill(&["7", "8"]);
    desk.ledger.break_object("8", || LedgerError::Refused { status: 400 });
    let stranger = WebhookEvent { provider_company_id: "404".parse().unwrap(), ..event("e2", "7") };

    desk.consume(&[delivery("dlv_1", &[event("e1", "7")]), delivery("dlv_2", &[event("e1", "7")])]).await;
    desk.consume(&[delivery("dlv_3", &[stranger])]).await;
    desk.consume(&[delivery("dlv_4", &[event("e3", "7"), event("e4", "8")])]).await;

    let none = Tally::default();
    let reason = |word: &str| Some(word.to_owned());
    assert_eq!(noted(&desk, "dlv_1").await, (DeliveryStatus::Processed, tally(1), None));
    let duplicate = Tally { duplicate: 1, ..none };
    assert_eq!(noted(&desk, "dlv_2").await, (DeliveryStatus::Duplicate, duplicate, None));
    let unknown = Tally { unknown_company: 1, ..none };
    assert_eq!(noted(&desk, "dlv_3").await, (DeliveryStatus::Rejected, unknown, reason("unknown_company")));
    let failed = Tally { failed: 1, ..tally(1) };
    assert_eq!(noted(&desk, "dlv_4").await, (DeliveryStatus::Failed, failed, reason("PROVIDER_API_ERROR")));
}

#[tokio::test]
async fn a_delivery_that_waits_is_enqueued_with_the_reason_until_it_is_processed() {
    let desk = Desk::new().await;
    desk.ledger.put(sample::invoice("7", sample::at(-10), 1));
    desk.ledger.fail_next(LedgerError::Throttled { retry_after: None });
    let message = delivery("dlv_1", &[event("e1", "7")]);

    desk.once(&message, 1).await;
    let (status, tally, reason) = noted(&desk, "dlv_1").await;
    assert_eq!((status, tally.waiting), (DeliveryStatus::Enqueued, 1));
    assert_eq!(reason.as_deref(), Some("PROVIDER_RATE_LIMIT"));

    desk.once(&message, 2).await;
    assert_eq!(noted(&desk, "dlv_1").await, (DeliveryStatus::Processed, super::tally(1), None));
}

#[tokio::test]
async fn while_the_log_is_away_a_delivery_comes_again_and_no_effect_is_repeated() {
    let desk = Desk::new().await;
    desk.ledger.put(sample::invoice("7", sample::at(-10), 1));
    let message = delivery("dlv_1", &[event("e1", "7")]);

    for receives in 1..=2 {
        desk.ports.fail_next("note", Fails::Before);
        let came = desk.once(&message, receives).await;
        assert_eq!((came.tally, came.next), (tally(1), Next::Again { after: None }));
    }
    assert_eq!(desk.once(&message, 3).await.next, Next::Done);
    assert_eq!(noted(&desk, "dlv_1").await, (DeliveryStatus::Processed, tally(1), None));
    assert_eq!((desk.ledger.fetches(), desk.announced().len()), (1, 1));

    desk.ports.fail_next("note", Fails::Before);
    let last = desk.once(&message, EVENT_RECEIVES).await.next;
    assert_eq!(last, Next::Bury("STORAGE_UNAVAILABLE: deliveries".to_owned()));
}

#[tokio::test]
async fn a_body_that_could_not_be_read_is_kept_in_the_log_and_is_no_dead_letter() {
    let desk = Desk::new().await;
    let unreadable = Unreadable { body: "e30=".to_owned(), size: 2, reason: "expected an array".to_owned() };
    let message = EventMessage { unreadable: Some(unreadable.clone()), ..delivery("dlv_1", &[]) };

    assert_eq!(desk.once(&message, 1).await.next, Next::Done);

    assert_eq!(noted(&desk, "dlv_1").await.0, DeliveryStatus::Failed);
    let found = desk.ports.log.find(&"dlv_1".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((found.unreadable, found.reason.as_deref()), (Some(unreadable), Some("unreadable")));
}

#[tokio::test]
async fn what_was_refused_at_the_door_is_counted_once_however_often_its_message_comes() {
    let desk = Desk::new().await;
    let refused = Refused { provider: Provider::QuickBooks, reason: RefusalReason::BadSignature, count: 7 };
    let message = EventMessage { refused: vec![refused.clone()], ..delivery("dlv_1", &[event("e1", "7")]) };
    desk.ledger.fail_next(LedgerError::Unavailable("503".into()));

    desk.once(&message, 1).await;
    desk.once(&message, 2).await;

    let counted = desk.ports.log.list_refused(Provider::QuickBooks).await.unwrap();
    assert_eq!(counted.into_iter().map(|on_day| on_day.refused).collect::<Vec<_>>(), [refused]);
}

#[tokio::test]
async fn a_subscription_is_heard_with_its_first_message_and_noted_twice_an_hour() {
    let desk = Desk::new().await;
    let app = Subscription::of(Provider::QuickBooks, &super::REALM.parse().unwrap());
    let at = |minutes| later(sample::NOW, Duration::from_mins(minutes));
    let message = |key: &str, minutes| EventMessage {
        received_at: at(minutes),
        ..delivery(&format!("dlv_{key}"), &[event(key, "7")])
    };

    desk.ports.fail_next("note_heard", Fails::Before);
    desk.once(&message("e0", 0), 1).await;
    assert_eq!(desk.ports.subscriptions.last_heard(&app).await.unwrap(), None);
    for minute in 1..=40 {
        desk.once(&message(&format!("e{minute}"), minute), 1).await;
    }

    assert_eq!(desk.ports.calls("note_heard"), 3);
    assert_eq!(desk.ports.subscriptions.last_heard(&app).await.unwrap(), Some(at(32)));
}
