//! How Intuit's payloads are read.

use proptest::prelude::*;

use super::*;

fn one(kind: &str) -> String {
    format!(
        r#"[{{"specversion":"1.0","id":"e1","source":"intuit.x","type":"{kind}","time":"2025-09-10T21:31:25.179851517Z","intuitentityid":"1234","intuitaccountid":"310687","data":{{}}}}]"#
    )
}

fn both(one: &str, other: &str) -> String {
    format!("{},{}", one.trim_end_matches(']'), other.trim_start_matches('['))
}

fn read(body: &str) -> Vec<WebhookEvent> {
    let Parsed { events, unknown } = parse(body.as_bytes()).unwrap();
    assert_eq!(unknown, 0, "{body}");
    events
}

#[test]
fn intuits_example_is_read_whole() {
    insta::assert_json_snapshot!(read(&one("qbo.account.created.v1")), { "[].key" => "[key]" }, @r#"
    [
      {
        "key": "[key]",
        "providerCompanyId": "310687",
        "entity": "account",
        "id": "1234",
        "operation": "created",
        "occurredAt": "2025-09-10T21:31:25.179851517Z"
      }
    ]
    "#);
}

#[test]
fn the_older_form_is_read_with_its_offset_without_a_colon() {
    let body = r#"{"eventNotifications":[{"realmId":"1185883450","dataChangeEvent":{"entities":[{"name":"Invoice","id":"1","operation":"Void","lastUpdated":"2015-10-05T14:42:19-0700"},{"name":"Invoice"}]}},{}]}"#;

    let Parsed { events, unknown } = parse(body.as_bytes()).unwrap();

    assert_eq!(unknown, 2);
    insta::assert_json_snapshot!(events, { "[].key" => "[key]" }, @r#"
    [
      {
        "key": "[key]",
        "providerCompanyId": "1185883450",
        "entity": "invoice",
        "id": "1",
        "operation": "updated",
        "occurredAt": "2015-10-05T21:42:19Z"
      }
    ]
    "#);
}

#[test]
fn void_and_its_other_spelling_and_emailed_are_updates() {
    for operation in ["void", "voided", "emailed", "updated"] {
        let events = read(&one(&format!("qbo.invoice.{operation}.v1")));
        assert_eq!(events[0].operation, Operation::Updated, "{operation}");
    }
}

#[test]
fn a_merge_tells_also_of_the_object_that_is_no_more() {
    for name in ["deletedId", "deletedID", "DeletedId"] {
        let cloud = one("qbo.customer.merged.v1").replace("{}", &format!(r#"{{"{name}":"77"}}"#));
        let legacy = format!(
            r#"{{"eventNotifications":[{{"realmId":"310687","dataChangeEvent":{{"entities":[{{"name":"Customer","id":"1234","operation":"Merge","lastUpdated":"2025-09-10T21:31:25Z","{name}":"77"}}]}}}}]}}"#
        );
        for body in [cloud, legacy] {
            let events = read(&body);

            let told: Vec<_> = events.iter().map(|event| (event.id.as_str(), event.operation)).collect();
            assert_eq!(told, [("1234", Operation::Merged), ("77", Operation::Deleted)], "{body}");
            assert_eq!(events[1].entity, "customer");
            assert_ne!(events[0].key, events[1].key);
        }
    }
}

#[test]
fn an_id_that_is_lost_counts_only_with_a_merge_and_only_when_it_is_one() {
    for (kind, data) in [
        ("updated", r#"{"deletedId":"77"}"#),
        ("merged", r#"{"deletedId":"1234"}"#),
        ("merged", r#"{"deletedId":"7/7"}"#),
        ("merged", r#"{"deletedId":["77"]}"#),
        ("merged", "null"),
    ] {
        let body = one(&format!("qbo.customer.{kind}.v1")).replace("{}", data);
        assert_eq!(read(&body).len(), 1, "{kind} {data}");
    }
}

#[test]
fn one_event_has_one_key_and_another_content_under_its_id_has_another() {
    let body = one("qbo.invoice.updated.v1");
    let keys = |body: &str| read(body).into_iter().map(|event| event.key).collect::<Vec<_>>();
    // Attributes in another order, and one more that is not used, are the same event.
    let same = body
        .replace(r#""data":{}"#, r#""new":[1e400],"data":{"x":1}"#)
        .replace(r#""specversion":"1.0","id":"e1""#, r#""id":"e1","specversion":"1.0""#);

    assert_eq!(keys(&body), keys(&same));
    for (said, other) in [
        ("e1", "e2"),
        ("intuit.x", "intuit.y"),
        ("updated", "deleted"),
        ("1234", "1235"),
        ("310687", "310688"),
        ("25.179851517Z", "25.179851518Z"),
    ] {
        assert_ne!(keys(&body), keys(&body.replace(said, other)), "{said}");
    }
}

#[test]
fn what_may_be_missing_may_be_missing() {
    let body = r#"[{"id":"e1","source":"s","type":"qbo.invoice.updated.v1","intuitentityid":"1","intuitaccountid":"2"}]"#;

    let event = read(body).remove(0);

    assert_eq!(event.occurred_at, None);
    assert_eq!(read(&format!("\u{feff} {body}")), [event], "a byte order mark is passed over");
}

#[test]
fn what_is_not_understood_is_counted_and_does_not_spoil_the_rest() {
    let known = one("qbo.invoice.updated.v1");
    let without_entity =
        r#"[{"id":"e2","source":"s","type":"qbo.invoice.updated.v1","intuitaccountid":"1"}]"#;
    let repeated = known.replace(r#""id":"e1""#, r#""id":"e1","id":"e2""#);
    let deep = format!(r#"[{{"id":{}{}}}]"#, "[".repeat(10_000), "]".repeat(10_000));
    let long = one(&format!("qbo.{}.updated.v1", "x".repeat(65)));
    for other in [
        &one("qbo.invoice.petted.v1"),
        without_entity,
        "[null]",
        "[7]",
        "[1e400]",
        r#"[{"id":1}]"#,
        &repeated,
        &deep,
        &long,
        &known.replace("310687", "31/0687"),
    ] {
        let Parsed { events, unknown } = parse(both(&known, other).as_bytes()).unwrap();

        assert_eq!((events.len(), unknown), (1, 1), "{other:.200}");
    }
}

#[test]
fn what_is_no_delivery_at_all_is_not_read() {
    for body in ["", "{}", "null", "[", "\u{feff}", r#"{"eventNotifications":{}}"#, &"[".repeat(10_000)] {
        assert!(parse(body.as_bytes()).is_err(), "{body:.40}");
    }
    assert!(parse(b"[\"\xff\"]").is_err(), "bytes that are no text");
}

proptest! {
    #[test]
    fn no_body_makes_the_parser_panic(body in any::<Vec<u8>>()) {
        if let Ok(parsed) = parse(&body) {
            prop_assert!(parsed.events.len() <= body.len());
        }
    }
}
