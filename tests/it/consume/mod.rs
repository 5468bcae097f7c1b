//! Webhook events: each has its effect once, whatever comes twice, late, in the wrong order or for nobody.

mod crashes;
mod desk;
mod failures;
mod log;
mod ports;

use std::time::Duration;

use domain::{
    provider::Provider,
    refresh::policy::{earlier, later},
    sync::{EVENT_RECEIVES, Entity, Incoming, LedgerError, Next, Record, RecordStore as _},
    webhook::{EventMessage, Tally, WebhookEvent},
};
use rstest::rstest;
use tests::sample;

use desk::{Desk, REALM, connect, deleted, delivery, event};

const DAY: Duration = Duration::from_hours(24);

fn tally(applied: u64) -> Tally {
    Tally { applied, ..Tally::default() }
}

#[tokio::test]
async fn an_event_has_its_effect_once_however_often_it_comes() {
    let desk = Desk::new().await;
    desk.ledger.put(sample::invoice("7", sample::at(-10), 3));
    let (one, other) = (delivery("dlv_1", &[event("e1", "7")]), delivery("dlv_2", &[event("e1", "7")]));

    let came = desk.consume(&[one.clone(), other.clone()]).await;
    let other_again = desk.consume(&[other]).await;

    let duplicate = Tally { duplicate: 1, ..Tally::default() };
    assert_eq!([came[0].tally, came[1].tally, other_again[0].tally], [tally(1), duplicate, duplicate]);
    assert_eq!((desk.ledger.fetches(), desk.announced()), (1, vec![(desk.key.clone(), 1)]));
    assert_eq!(desk.stored(Entity::Invoices).await, [("7".to_owned(), 3)]);
    assert_eq!(
        desk.once(&one, 2).await.tally,
        tally(1),
        "come again after a crash, it is still its own doing"
    );
}

#[tokio::test]
async fn a_whole_batch_of_one_company_is_one_fetch_and_one_announcement() {
    let desk = Desk::new().await;
    desk.ledger.fill(&["7", "8", "9"]);
    let batch = [
        delivery("dlv_1", &[event("e1", "7"), event("e2", "8"), event("e3", "7")]),
        delivery("dlv_2", &[event("e4", "9"), event("e5", "7")]),
    ];

    let came = desk.consume(&batch).await;

    assert_eq!([came[0].tally, came[1].tally], [tally(3), tally(2)]);
    assert!(came.iter().all(|came| came.next == Next::Done));
    let all = ["7", "8", "9"].map(str::to_owned).to_vec();
    assert_eq!(desk.ledger.asked(), [("invoice".to_owned(), all)]);
    assert_eq!(desk.announced(), [(desk.key.clone(), 3)]);
}

#[tokio::test]
async fn more_objects_than_one_fetch_takes_are_all_brought() {
    let desk = Desk::new().await;
    let ids: Vec<_> = (0..250).map(|id| format!("{id:03}")).collect();
    for id in &ids {
        desk.ledger.put(sample::invoice(id, sample::at(-10), 1));
    }
    let events: Vec<_> = ids.iter().map(|id| event(id, id)).collect();

    let came = desk.consume(&[delivery("dlv_1", &events)]).await;

    assert_eq!((came[0].tally, desk.ledger.fetches()), (tally(250), 3));
    assert_eq!(desk.stored(Entity::Invoices).await.len(), 250);
}

#[tokio::test]
async fn events_out_of_order_never_put_old_data_over_new() {
    let desk = Desk::new().await;
    desk.ledger.put(sample::invoice("7", sample::at(-5), 4));
    desk.consume(&[delivery("dlv_1", &[event("late", "7")])]).await;
    desk.ledger.put(sample::invoice("7", sample::at(-10), 3));

    let came = desk.consume(&[delivery("dlv_2", &[event("early", "7")])]).await;

    assert_eq!(came[0].tally, tally(1));
    assert_eq!(desk.stored(Entity::Invoices).await, [("7".to_owned(), 4)]);
    assert_eq!(desk.announced().len(), 1, "what did not change is not announced");
}

#[tokio::test]
async fn what_the_provider_no_longer_has_is_marked_deleted_and_kept() {
    let desk = Desk::new().await;
    desk.ledger.put(sample::invoice("7", sample::at(-10), 1));
    desk.consume(&[delivery("dlv_1", &[event("e1", "7")])]).await;
    desk.ledger.remove("7");

    desk.consume(&[delivery("dlv_2", &[deleted("e2", "7")])]).await;

    let page = desk.ports.records.list(&desk.place(), Entity::Invoices, 10, None).await.unwrap();
    assert!(page.records[0].deleted);
    assert_eq!(page.records[0].total.as_deref(), Some("1234.50"));
    assert_eq!(desk.announced().len(), 2);
}

#[tokio::test]
async fn a_deletion_that_claims_to_come_from_the_future_does_not_refuse_what_changes_until_then() {
    let desk = Desk::new().await;
    let future = WebhookEvent { occurred_at: Some(later(sample::NOW, DAY)), ..deleted("e1", "7") };
    desk.consume(&[delivery("dlv_1", &[future])]).await;
    desk.ledger.put(sample::invoice("7", sample::at(60), 2));

    desk.consume(&[delivery("dlv_2", &[event("e2", "7")])]).await;

    assert_eq!(desk.stored(Entity::Invoices).await, [("7".to_owned(), 2)]);
}

/// A contact as the books have it in one of their lists.
fn contact(entity: Entity, version: u64) -> Record {
    Record { entity, ..sample::invoice("c1", sample::at(-10), version) }
}

#[tokio::test]
async fn a_contact_is_written_wherever_it_is_and_deleted_wherever_it_may_be() {
    let desk = Desk::new().await;
    let changed = |key| WebhookEvent { entity: "contact".to_owned(), ..event(key, "c1") };
    desk.ledger.put(contact(Entity::Customers, 1));
    desk.ledger.put(contact(Entity::Vendors, 1));
    desk.consume(&[delivery("dlv_1", &[changed("e1")])]).await;
    let both = [desk.stored(Entity::Customers).await, desk.stored(Entity::Vendors).await];
    assert_eq!(both.map(|stored| stored.len()), [1, 1]);
    assert_eq!(desk.ports.calls("mark_deleted"), 0, "no tombstone for where it is not");

    desk.ledger.remove("c1");
    let ended = WebhookEvent { entity: "contact".to_owned(), ..deleted("e2", "c1") };
    desk.consume(&[delivery("dlv_2", &[ended])]).await;

    let both = [desk.stored(Entity::Customers).await, desk.stored(Entity::Vendors).await];
    assert_eq!(both.map(|stored| stored.len()), [0, 0]);
}

#[rstest]
#[case::of_30_days(30 * DAY, false)]
#[case::older(30 * DAY + Duration::from_millis(1), true)]
#[case::of_three_years(3 * 365 * DAY, true)]
#[tokio::test]
async fn an_event_that_was_too_old_when_it_came_is_recorded_and_not_applied(
    #[case] age: Duration,
    #[case] is_stale: bool,
) {
    let desk = Desk::new().await;
    desk.ledger.put(sample::invoice("7", sample::at(-10), 1));
    let old = WebhookEvent { occurred_at: Some(earlier(sample::NOW, age)), ..event("e1", "7") };
    // Time that it spent in the queue does not count.
    desk.world.clock.advance(DAY);

    let came = desk.consume(&[delivery("dlv_1", &[old])]).await;

    let stale = Tally { stale: 1, ..Tally::default() };
    assert_eq!(came[0].tally, if is_stale { stale } else { tally(1) });
    assert_eq!(came[0].next, Next::Done);
    assert_eq!(desk.is_untouched("e1").await, is_stale);
}

#[tokio::test]
async fn an_event_of_tomorrow_or_of_no_time_is_applied() {
    let desk = Desk::new().await;
    desk.ledger.put(sample::invoice("7", sample::at(-10), 1));
    let events = [
        WebhookEvent { occurred_at: Some(later(sample::NOW, DAY)), ..event("e1", "7") },
        WebhookEvent { occurred_at: None, ..event("e2", "7") },
    ];

    assert_eq!(desk.consume(&[delivery("dlv_1", &events)]).await[0].tally, tally(2));
}

#[tokio::test]
async fn events_of_strangers_and_of_kinds_that_are_not_kept_cost_neither_a_fetch_nor_a_write() {
    let desk = Desk::new().await;
    let stranger = WebhookEvent { provider_company_id: "404".parse().unwrap(), ..event("e1", "7") };
    let other = WebhookEvent { entity: "budget".to_owned(), ..event("e2", "7") };
    let message = EventMessage { unknown: 3, ..delivery("dlv_1", &[stranger, other]) };

    let came = desk.consume(&[message]).await;

    let expected = Tally { unknown_company: 1, unknown_type: 4, ..Tally::default() };
    assert_eq!((came[0].tally, &came[0].next), (expected, &Next::Done));
    assert_eq!((desk.ledger.fetches(), desk.ports.calls("begin")), (0, 0));
}

#[tokio::test]
async fn events_of_a_company_that_was_disconnected_are_dropped() {
    let desk = Desk::new().await;
    desk.world.disconnect(&desk.key, None).await;

    let came = desk.consume(&[delivery("dlv_1", &[event("e1", "7")])]).await;

    assert_eq!(came[0].tally, Tally { disconnected: 1, ..Tally::default() });
    assert_eq!((&came[0].next, desk.ledger.fetches(), desk.ports.calls("begin")), (&Next::Done, 0, 0));
}

#[tokio::test]
async fn an_event_for_the_address_of_a_connection_that_has_the_company_no_longer_is_dropped() {
    let desk = Desk::new().await;
    desk.ledger.put(sample::invoice("7", sample::at(-10), 1));
    let of = |id: &str, key| WebhookEvent { connection_id: Some(id.parse().unwrap()), ..event(key, "7") };
    let message = delivery("dlv_1", &[of("conn_of_before", "e1"), of(desk.key.connection.as_str(), "e2")]);

    let came = desk.consume(&[message]).await;

    assert_eq!(came[0].tally, Tally { disconnected: 1, ..tally(1) });
    assert!(desk.is_untouched("e1").await);
}

#[tokio::test]
async fn a_company_whose_provider_forbids_it_is_as_good_as_disconnected() {
    let desk = Desk::new().await;
    desk.ledger.fail_next(LedgerError::Forbidden);

    let came = desk.consume(&[delivery("dlv_1", &[event("e1", "7")])]).await;

    assert_eq!(came[0].tally, Tally { disconnected: 1, ..Tally::default() });
    assert!(desk.is_untouched("e1").await, "given back: a new grant may allow it");
}

#[tokio::test]
async fn one_delivery_for_three_tenants_brings_each_only_its_own() {
    let desk = Desk::new().await;
    let realms = ["100", "200"];
    for realm in realms {
        connect(&desk.world, realm).await;
    }
    desk.ledger.put(sample::invoice("7", sample::at(-10), 1));
    let of = |realm: &str| WebhookEvent {
        provider_company_id: realm.parse().unwrap(),
        ..event(&format!("e{realm}"), "7")
    };

    let came = desk.consume(&[delivery("dlv_1", &[of("100"), of("200"), of(REALM)])]).await;

    assert_eq!((came[0].tally, desk.ledger.fetches()), (tally(3), 3));
    let mut tenants: Vec<_> = desk.announced().into_iter().map(|(key, _)| key.tenant).collect();
    tenants.sort();
    tenants.dedup();
    assert_eq!(tenants.len(), 3);
}

#[tokio::test]
async fn an_event_of_a_shared_company_has_its_effect_for_every_tenant_or_is_tried_again_for_all() {
    let desk = Desk::new().await;
    let other = connect(&desk.world, REALM).await;
    desk.ledger.put(sample::invoice("7", sample::at(-10), 1));
    desk.ledger.fail_next(LedgerError::Unavailable("503".into()));
    let message = delivery("dlv_1", &[event("e1", "7")]);

    let first = desk.once(&message, 1).await;
    let second = desk.once(&message, 2).await;

    assert_eq!((first.tally.waiting, first.next), (1, Next::Again { after: None }));
    assert_eq!((second.tally, second.next), (tally(1), Next::Done));
    for key in [&desk.key, &other] {
        assert_eq!(desk.stored_of(key, Entity::Invoices).await, [("7".to_owned(), 1)]);
    }
    assert_eq!(desk.announced().len(), 2, "each tenant hears of it once");
}

#[tokio::test]
async fn what_cannot_be_begun_in_time_comes_again_soon() {
    let desk = Desk::new().await;
    desk.ledger.put(sample::invoice("7", sample::at(-10), 1));
    let soon = later(sample::NOW, Duration::from_secs(30));
    let incoming = Incoming { message: delivery("dlv_1", &[event("e1", "7")]), receives: 1 };

    let came = desk.consumer.consume(&[incoming], soon).await;

    assert_eq!(came[0].tally, Tally { waiting: 1, ..Tally::default() });
    assert_eq!(came[0].next, Next::Again { after: Some(Duration::from_secs(5)) });
    assert_eq!((desk.ledger.fetches(), desk.is_untouched("e1").await), (0, true));
}

#[tokio::test]
async fn a_provider_that_is_not_configured_keeps_nothing() {
    let desk = Desk::new().await;
    let message = EventMessage { provider: Provider::Xero, ..delivery("dlv_1", &[event("e1", "7")]) };

    assert_eq!(desk.consume(&[message]).await[0].tally, Tally { unknown_type: 1, ..Tally::default() });
}

#[test]
fn the_queue_hands_a_message_out_as_often_as_the_consumer_counts() {
    let template = include_str!("../../../infra/template.yaml");
    let events = template.split("  EventsQueue:").nth(1).unwrap().split("  EventsDlq:").next().unwrap();

    assert!(events.contains(&format!("maxReceiveCount: {EVENT_RECEIVES}}}")), "{events}");
}
