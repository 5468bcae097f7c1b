//! What the log of deliveries keeps.

use domain::{
    id::DeliveryId,
    provider::Provider,
    store::StoreError,
    webhook::{
        Delivery, DeliveryLog, DeliveryPart, DeliveryQuery, DeliveryStatus, RefusalReason, Refused, Tally,
        Unreadable,
    },
};
use futures::future::join_all;

use crate::sample::{at, ids};

/// What a log of deliveries keeps; nobody else may use it.
pub async fn delivery_log_contract(log: &dyn DeliveryLog) {
    a_delivery_is_all_of_its_parts_and_a_part_that_comes_again_replaces_itself(log).await;
    parts_noted_at_the_same_time_lose_nothing(log).await;
    a_body_that_could_not_be_read_is_shown_where_one_delivery_is_asked_for(log).await;
    the_list_is_newest_first_and_every_page_begins_where_the_one_before_ended(log).await;
    a_search_for_a_status_finds_every_delivery_that_has_it(log).await;
    a_cursor_of_another_making_is_refused(log).await;
    refused_deliveries_are_counted_by_day_and_reason(log).await;
}

/// The only part of a delivery whose only event was applied.
fn part(provider: Provider, delivery: DeliveryId) -> DeliveryPart {
    DeliveryPart {
        delivery,
        part: (1, 1),
        provider,
        received_at: at(0),
        correlation: "corr_1.a-b".parse().unwrap(),
        tally: Tally { applied: 1, ..Tally::default() },
        reason: None,
        unreadable: None,
        noted_at: at(5),
    }
}

/// A delivery of one part, as the log must know it.
fn whole(part: &DeliveryPart) -> Delivery {
    Delivery::of(vec![part.clone()]).unwrap()
}

async fn a_delivery_is_all_of_its_parts_and_a_part_that_comes_again_replaces_itself(log: &dyn DeliveryLog) {
    let id = ids().delivery();
    assert_eq!(log.find(&id).await.unwrap(), None);
    let waiting = Tally { waiting: 7, ..Tally::default() };
    let every = Tally {
        applied: 1,
        duplicate: 200,
        stale: 3,
        unknown_company: 4,
        disconnected: 5,
        unknown_type: 6,
        failed: 70_000,
        waiting: 8,
    };
    let first = DeliveryPart { part: (1, 10), tally: every, ..part(Provider::Xero, id.clone()) };
    let reason = Some("Größe: unknown_company".to_owned());
    let last = DeliveryPart { part: (10, 10), reason, noted_at: at(-9), ..first.clone() };

    log.note(&last).await.unwrap();
    assert_eq!(log.find(&id).await.unwrap(), Delivery::of(vec![last.clone()]), "one part of ten");
    log.note(&DeliveryPart { tally: waiting, ..first.clone() }).await.unwrap();
    log.note(&first).await.unwrap();

    let found = log.find(&id).await.unwrap();
    assert_eq!(found, Delivery::of(vec![first, last]));
    assert_eq!(found.unwrap().parts, (10, 2));
}

async fn parts_noted_at_the_same_time_lose_nothing(log: &dyn DeliveryLog) {
    let id = ids().delivery();
    let parts = (1..=10).map(|number| DeliveryPart {
        part: (number, 10),
        tally: Tally { applied: u64::from(number), ..Tally::default() },
        ..part(Provider::Zoho, id.clone())
    });
    let parts: Vec<_> = parts.collect();

    for noted in join_all(parts.iter().map(|part| log.note(part))).await {
        noted.unwrap();
    }

    let found = log.find(&id).await.unwrap().unwrap();
    assert_eq!((found.tally.applied, found.parts), (55, (10, 10)));
    assert_eq!(found.status(), DeliveryStatus::Processed);
}

async fn a_body_that_could_not_be_read_is_shown_where_one_delivery_is_asked_for(log: &dyn DeliveryLog) {
    let id = ids().delivery();
    let unreadable = Unreadable { body: "eyI=".to_owned(), size: 2, reason: "not whole".to_owned() };
    let unreadable = Some(unreadable);
    let noted = DeliveryPart { unreadable, ..part(Provider::QuickBooks, id.clone()) };

    log.note(&noted).await.unwrap();

    assert_eq!(log.find(&id).await.unwrap(), Some(whole(&noted)));
    let (newest, _) = list(log, (None, None), 1, None).await;
    let listed = newest[0].unreadable.as_ref().unwrap();
    assert_eq!((listed.body.as_str(), listed.size, listed.reason.as_str()), ("", 2, "not whole"));
    assert_eq!(newest[0].status(), DeliveryStatus::Failed, "the list knows all the same");
    log.note(&DeliveryPart { unreadable: None, ..noted }).await.unwrap();
    assert_eq!(log.find(&id).await.unwrap().unwrap().unreadable, None, "replaced as a whole");
}

async fn list(
    log: &dyn DeliveryLog,
    (provider, status): (Option<Provider>, Option<DeliveryStatus>),
    limit: u32,
    from: Option<&str>,
) -> (Vec<Delivery>, Option<String>) {
    let page = log.list(DeliveryQuery { provider, status }, limit, from).await.unwrap();
    (page.deliveries, page.next)
}

/// The ids of all deliveries that a query lists, page by page.
async fn all(
    log: &dyn DeliveryLog,
    query: (Option<Provider>, Option<DeliveryStatus>),
    limit: u32,
) -> Vec<DeliveryId> {
    let (mut found, mut from) = (vec![], None);
    loop {
        let (page, next) = list(log, query, limit, from.as_deref()).await;
        assert!(page.len() <= limit as usize, "{} of {limit}", page.len());
        found.extend(page.into_iter().map(|delivery| delivery.id));
        if next.is_none() {
            return found;
        }
        assert_ne!(next, from, "the list goes on");
        from = next;
    }
}

async fn the_list_is_newest_first_and_every_page_begins_where_the_one_before_ended(log: &dyn DeliveryLog) {
    let mut made = vec![];
    for number in 0..12 {
        let provider = [Provider::Xero, Provider::QuickBooks, Provider::Xero, Provider::Zoho][number % 4];
        let noted = part(provider, ids().delivery());
        log.note(&noted).await.unwrap();
        made.insert(0, noted);
    }
    let newest: Vec<_> = made.iter().map(whole).collect();
    let (page, next) = list(log, (None, None), 12, None).await;
    assert_eq!(page, newest);
    assert!(next.is_some(), "there are older ones");

    for limit in [1, 2, 5, 12, 100] {
        let found = all(log, (None, None), limit).await;
        assert_eq!(found[..12], made.iter().map(|part| part.delivery.clone()).collect::<Vec<_>>(), "{limit}");
        let of_xero = made.iter().filter(|part| part.provider == Provider::Xero);
        let of_xero: Vec<_> = of_xero.map(|part| part.delivery.clone()).collect();
        assert_eq!(all(log, (Some(Provider::Xero), None), limit).await[..6], of_xero, "{limit}");
    }
}

async fn a_search_for_a_status_finds_every_delivery_that_has_it(log: &dyn DeliveryLog) {
    let mut stale = vec![];
    for number in 0..9 {
        let provider = Provider::ALL[number % 3];
        let noted = part(provider, ids().delivery());
        let is_stale = number % 4 == 0;
        let tally = if is_stale { Tally { stale: 1, ..Tally::default() } } else { noted.tally };
        log.note(&DeliveryPart { tally, ..noted.clone() }).await.unwrap();
        if is_stale {
            stale.insert(0, noted.delivery);
        }
    }

    for limit in [1, 2, 50] {
        assert_eq!(all(log, (None, Some(DeliveryStatus::Rejected)), limit).await, stale, "{limit}");
    }
    let of_zoho = (Some(Provider::Zoho), Some(DeliveryStatus::Rejected));
    assert_eq!(all(log, of_zoho, 1).await, stale[..1], "the newest is Zoho's");
    assert_eq!(all(log, (None, Some(DeliveryStatus::Received)), 9).await, []);
}

async fn a_cursor_of_another_making_is_refused(log: &dyn DeliveryLog) {
    let page = log.list(DeliveryQuery::default(), 1, Some("not a cursor/")).await;

    assert!(matches!(page, Err(StoreError::InvalidCursor(_))), "{page:?}");
}

async fn refused_deliveries_are_counted_by_day_and_reason(log: &dyn DeliveryLog) {
    let refused = |reason, count| Refused { provider: Provider::Zoho, reason, count };
    let (signature, large) = (RefusalReason::BadSignature, RefusalReason::TooLarge);
    assert_eq!(log.list_refused(Provider::Zoho).await.unwrap(), []);
    let another = Refused { provider: Provider::Xero, ..refused(large, 9) };

    log.count_refused(&[refused(large, 2), refused(signature, 1), another], at(0)).await.unwrap();
    log.count_refused(&[refused(signature, 40)], at(86_399)).await.unwrap();
    log.count_refused(&[refused(signature, 5)], at(86_400)).await.unwrap();
    log.count_refused(&[], at(0)).await.unwrap();

    let found = log.list_refused(Provider::Zoho).await.unwrap();
    let found: Vec<_> = found.into_iter().map(|on_day| (on_day.day.to_string(), on_day.refused)).collect();
    let day = |day: &str, refused| (day.to_owned(), refused);
    assert_eq!(
        found,
        [
            day("2100-01-02", refused(signature, 5)),
            day("2100-01-01", refused(signature, 41)),
            day("2100-01-01", refused(large, 2)),
        ]
    );
}
