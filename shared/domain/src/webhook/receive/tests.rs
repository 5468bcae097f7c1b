//! How a delivery is cut into parts.

use super::*;
use crate::webhook::Operation;

fn event(company: &str, id: &str) -> WebhookEvent {
    WebhookEvent {
        key: format!("{company}-{id}"),
        provider_company_id: company.parse().unwrap(),
        connection_id: None,
        entity: "invoice".to_owned(),
        id: id.parse().unwrap(),
        operation: Operation::Updated,
        occurred_at: None,
    }
}

fn cut(events: Vec<WebhookEvent>, unknown: u64) -> Vec<EventMessage> {
    let empty = EventMessage {
        v: EVENTS_VERSION,
        delivery_id: "dlv_1".parse().unwrap(),
        part: 1,
        parts: 1,
        provider: Provider::QuickBooks,
        received_at: "2026-11-21T00:00:00Z".parse().unwrap(),
        correlation_id: "corr_1".parse().unwrap(),
        events: Vec::new(),
        unknown: 0,
        unreadable: None,
        refused: Vec::new(),
    };
    parts(&empty, Content { parsed: Parsed { events, unknown }, unreadable: None })
}

#[test]
fn each_company_gets_a_part_of_its_own_with_its_events_in_order() {
    let parts = cut(vec![event("1", "a"), event("2", "b"), event("1", "c")], 3);

    let told: Vec<_> = parts.iter().map(|part| (part.part, part.parts, part.unknown, part.line())).collect();
    assert_eq!(told, [(1, 2, 3, "quickbooks_1".to_owned()), (2, 2, 0, "quickbooks_2".to_owned())]);
    let ids: Vec<_> = parts[0].events.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids, ["a", "c"]);
}

#[test]
fn of_more_than_ten_companies_the_nine_with_most_events_keep_their_own_part() {
    let few = (0..15).map(|company| event(&format!("few{company}"), "1"));
    let many =
        (0..3).flat_map(|company| (0..5).map(move |id| event(&format!("many{company}"), &id.to_string())));
    let events: Vec<_> = few.chain(many).collect();

    let parts = cut(events.clone(), 0);

    assert_eq!(parts.len(), 10);
    let sizes: Vec<_> = parts.iter().map(|part| part.events.len()).collect();
    assert_eq!(sizes, [5, 5, 5, 1, 1, 1, 1, 1, 1, 9]);
    assert_eq!(parts[9].line(), "dlv_1-10", "who shares a part waits in no company's line");
    let mut keys: Vec<_> = parts.iter().flat_map(|part| &part.events).map(|event| &event.key).collect();
    let mut all: Vec<_> = events.iter().map(|event| &event.key).collect();
    keys.sort();
    all.sort();
    assert_eq!(keys, all, "nothing is lost and nothing is there twice");
}

#[test]
fn a_delivery_without_events_is_one_part() {
    let parts = cut(Vec::new(), 2);

    assert_eq!((parts.len(), parts[0].unknown, parts[0].line()), (1, 2, "dlv_1-1".to_owned()));
}

#[test]
fn as_many_events_as_are_taken_fit_one_call_however_long_they_are() {
    // SQS takes 1 MiB in one call, the attributes and the shell of each message among it.
    const ROOM: usize = 1024 * 1024 - MAX_MESSAGES * 1024;
    let longest = WebhookEvent {
        key: "k".repeat(43),
        provider_company_id: "c".repeat(48).parse().unwrap(),
        connection_id: Some("c".repeat(64).parse().unwrap()),
        entity: "e".repeat(64),
        id: "i".repeat(128).parse().unwrap(),
        operation: Operation::Updated,
        occurred_at: Some("-009999-01-02T01:59:59.999999999Z".parse().unwrap()),
    };
    assert!(serde_json::to_vec(&longest).unwrap().len() < 600);

    let parts = cut(vec![longest; MAX_EVENTS], 0);

    assert!(serde_json::to_vec(&parts).unwrap().len() < ROOM);
}
