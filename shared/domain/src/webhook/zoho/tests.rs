//! How Zoho's payloads are read.

use proptest::prelude::*;

use super::*;
use crate::{
    secret::WebhookSecret,
    webhook::{AddressKeys, SentTo},
};

fn address(company: &str) -> FoundAddress {
    let keys = AddressKeys::new(vec![WebhookSecret::new("master")]);
    let issued = keys.issue(&"conn_1".parse().unwrap(), &company.parse().unwrap()).unwrap();
    keys.find(&issued.company_key).unwrap()
}

fn request<'a>(query: &[(&str, &str)], body: &'a [u8], is_form: bool) -> WebhookRequest<'a> {
    let query = query.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    WebhookRequest { to: SentTo::Zoho("unused"), query, is_form, body, signature: None }
}

/// What a request says that came as the first delivery.
fn parse(request: &WebhookRequest<'_>, address: &FoundAddress) -> Result<Parsed, Unread> {
    super::parse(request, address, &"dlv_1".parse().unwrap())
}

fn read(query: &[(&str, &str)], body: &str, is_form: bool) -> Vec<WebhookEvent> {
    let Parsed { events, unknown } =
        parse(&request(query, body.as_bytes(), is_form), &address("60001")).unwrap();
    assert_eq!(unknown, 0, "{body}");
    events
}

fn json(body: &str) -> Vec<WebhookEvent> {
    read(&[], body, false)
}

/// Word and id of the one event.
fn told(events: &[WebhookEvent]) -> (&str, &str) {
    let [event] = events else { panic!("{events:?}") };
    (&event.entity, event.id.as_str())
}

#[test]
fn the_default_payload_is_the_record_under_its_word() {
    let body = r#"{"invoice":{"invoice_id":"460000000028144","status":"sent","customer_id":"7","last_modified_time":"2026-06-09T17:12:00-0400"}}"#;

    insta::assert_json_snapshot!(json(body), { "[].key" => "[key]" }, @r#"
    [
      {
        "key": "[key]",
        "providerCompanyId": "60001",
        "connectionId": "conn_1",
        "entity": "invoice",
        "id": "460000000028144",
        "operation": "updated",
        "occurredAt": "2026-06-09T21:12:00Z"
      }
    ]
    "#);
}

#[test]
fn every_kind_is_found_by_its_own_word() {
    for (body, expected) in [
        (r#"{"payment":{"payment_id":"1","invoice_id":"2"}}"#, ("payment", "1")),
        (r#"{"customerpayment":{"payment_id":"1"}}"#, ("customerpayment", "1")),
        (r#"{"vendorpayment":{"payment_id":"1"}}"#, ("vendorpayment", "1")),
        (r#"{"creditnote":{"creditnote_id":"1","invoice_id":"2"}}"#, ("creditnote", "1")),
        (r#"{"Contact":{"Contact_ID":"1"}}"#, ("contact", "1")),
        (r#"{"item":{"item_id":"1"}}"#, ("item", "1")),
        (r#"{"bill":{"bill_id":"1"}}"#, ("bill", "1")),
        (r#"{"chart_of_account":{"account_id":"1"}}"#, ("chart_of_account", "1")),
        (r#"{"organization_id":"9","invoice":{"invoice_id":"1"},"user":{"name":"x"}}"#, ("invoice", "1")),
        // A kind that nobody thought of is its own word; whether it is kept is decided where events are consumed.
        (r#"{"retainerinvoice":{"retainerinvoice_id":"1"}}"#, ("retainerinvoice", "1")),
    ] {
        assert_eq!(told(&json(body)), expected, "{body}");
    }
}

#[test]
fn a_flat_payload_is_about_the_kind_that_names_the_others() {
    for (body, expected) in [
        (r#"{"invoice_id":"1","item_id":"2","contact_id":"3","last_modified_time":"x"}"#, ("invoice", "1")),
        (r#"{"payment_id":"1","invoice_id":"2"}"#, ("payment", "1")),
        (r#"{"payment_id":"1","bill_id":"2","vendor_id":"3"}"#, ("vendorpayment", "1")),
        (r#"{"creditnote_id":"1","invoice_id":"2"}"#, ("creditnote", "1")),
        (r#"{"invoice_id":"","contact_id":"3"}"#, ("contact", "3")),
        (r#"{"entity":"Contact","invoice_id":"1","contact_id":"3"}"#, ("contact", "3")),
    ] {
        assert_eq!(told(&json(body)), expected, "{body}");
    }
    let query = [("entity", "contact")];
    assert_eq!(told(&read(&query, r#"{"invoice_id":"1","contact_id":"3"}"#, false)), ("contact", "3"));
}

#[test]
fn a_form_holds_the_default_payload_or_the_fields_themselves() {
    let packed = "JSONString=%7B%22invoice%22%3A%7B%22invoice_id%22%3A%221%22%7D%7D";
    assert_eq!(told(&read(&[], packed, true)), ("invoice", "1"));

    let flat = read(&[], "invoice_id=1&last_modified_time=2026-06-09T17%3A12%3A00-0400", true);
    assert_eq!(told(&flat), ("invoice", "1"));
    assert_eq!(flat[0].occurred_at.unwrap().to_string(), "2026-06-09T21:12:00Z");

    let query = [("bill_id", "1"), ("operation", "created")];
    assert_eq!(told(&read(&query, "", false)), ("bill", "1"), "parameters of the address alone");
}

#[test]
fn an_id_that_is_a_number_keeps_every_digit() {
    assert_eq!(told(&json(r#"{"invoice":{"invoice_id":9007199254740993}}"#)).1, "9007199254740993");
    assert_eq!(told(&json(r#"{"invoice_id":460000000000000028145}"#)).1, "460000000000000028145");
}

#[test]
fn what_happened_is_what_a_rule_says_with_a_parameter_of_its_own() {
    let body = r#"{"invoice":{"invoice_id":"1"}}"#;
    for (query, operation) in [
        (vec![("operation", "created")], Operation::Created),
        (vec![("Operation", "Edited")], Operation::Updated),
        (vec![("operation", "deleted")], Operation::Deleted),
        (vec![("operation", "petted")], Operation::Updated),
        (vec![], Operation::Updated),
    ] {
        assert_eq!(read(&query, body, false)[0].operation, operation, "{query:?}");
    }
    assert_eq!(json(r#"{"invoice_id":"1","operation":"deleted"}"#)[0].operation, Operation::Deleted);
    assert_eq!(read(&[], "invoice_id=1&operation=created", true)[0].operation, Operation::Created);
}

#[test]
fn company_and_connection_come_from_the_address_whatever_else_is_said() {
    let query = [("organization_id", "60002"), ("connection_id", "conn_2")];
    let body = r#"{"organization_id":"60002","companyId":"60002","invoice":{"invoice_id":"1","organization_id":"60002"}}"#;

    let event = read(&query, body, false).remove(0);

    assert_eq!(event.provider_company_id.as_str(), "60001");
    assert_eq!(event.connection_id.unwrap().as_str(), "conn_1");
}

#[test]
fn the_same_event_has_one_key_and_whatever_is_signed_differently_another() {
    let body =
        r#"{"invoice":{"invoice_id":"1","last_modified_time":"2026-06-09T17:12:00-0400","status":"sent"}}"#;
    let key = |events: Vec<WebhookEvent>| events[0].key.clone();

    let mut keys = vec![key(json(body))];
    assert_eq!(keys[0], key(json(body)));
    keys.push(key(json(&body.replace("sent", "paid"))));
    keys.push(key(json(&body.replace("17:12:00", "17:12:01"))));
    keys.push(key(read(&[("operation", "created")], body, false)));
    let elsewhere = parse(&request(&[], body.as_bytes(), false), &address("60002")).unwrap().events;
    keys.push(key(elsewhere));
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 5);
}

#[test]
fn a_change_that_says_no_time_is_another_event_with_every_delivery() {
    let key = |(query, body): (&[(&str, &str)], &str), delivery: &str| {
        let request = request(query, body.as_bytes(), false);
        let parsed = super::parse(&request, &address("60001"), &delivery.parse().unwrap());
        parsed.unwrap().events.remove(0).key
    };
    for timeless in [
        (&[][..], r#"{"invoice_id":"1"}"#),
        (&[], r#"{"invoice":{"invoice_id":"1","last_modified_time":""}}"#),
        (&[("invoice_id", "1"), ("operation", "edited")], ""),
    ] {
        assert_ne!(key(timeless, "dlv_1"), key(timeless, "dlv_2"), "the second change would be lost");
        assert_eq!(key(timeless, "dlv_1"), key(timeless, "dlv_1"));
    }
    let timed =
        (&[][..], r#"{"invoice":{"invoice_id":"1","last_modified_time":"2026-06-09T17:12:00-0400"}}"#);
    assert_eq!(key(timed, "dlv_1"), key(timed, "dlv_2"));
}

/// Were all that is signed hashed for every record, this would take hours, of a function as of this test.
#[test]
fn the_greatest_body_full_of_records_is_read_in_one_go() {
    let record = |number| format!(r#""{number:05}":{{"{number:05}_id":{number}}}"#);
    let records: Vec<_> = (10_000..48_000).map(record).collect();
    let body = format!("{{{}}}", records.join(","));
    assert!(body.len() <= crate::webhook::MAX_BODY_BYTES);

    assert_eq!(json(&body).len(), 38_000);
}

#[test]
fn what_names_no_record_is_counted_and_what_is_no_payload_is_not_read() {
    for body in ["{}", r#"{"invoice":{}}"#, r#"{"invoice":{"invoice_id":"a/b"}}"#, r#"{"invoice_id":1.5}"#] {
        let Parsed { events, unknown } =
            parse(&request(&[], body.as_bytes(), false), &address("60001")).unwrap();
        assert_eq!((events.len(), unknown), (0, 1), "{body}");
    }
    for body in ["[]", "null", "{", "invoice_id=1", r#"{"a":1,"a":2}"#] {
        assert!(parse(&request(&[], body.as_bytes(), false), &address("60001")).is_err(), "{body}");
    }
}

proptest! {
    #[test]
    fn no_body_makes_the_parser_panic(body in any::<Vec<u8>>(), is_form in any::<bool>()) {
        let parsed = parse(&request(&[("entity", "invoice")], &body, is_form), &address("60001"));
        prop_assert!(parsed.map_or(0, |parsed| parsed.events.len()) <= body.len());
    }
}
