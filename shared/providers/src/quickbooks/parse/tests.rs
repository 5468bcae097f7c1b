//! Recorded objects, damaged objects, and pages that are none.

use domain::sync::{Entity, LedgerError};
use proptest::prelude::*;

use super::{super::entity::PAGE_SIZE, *};
use crate::ledger::samples;

fn page(body: &[u8], kind: Kind) -> Result<LedgerPage, LedgerError> {
    Ok(super::page(body, kind, PAGE_SIZE)?)
}

fn object(body: &[u8], kind: Kind, id: &RecordId) -> Result<Option<Record>, LedgerError> {
    Ok(super::object(body, kind, id)?)
}

/// The invoice of Intuit's recorded answer, with the members that were left out of the record filled in.
const INVOICE: &str = r#"{"Id":"130","SyncToken":"3","MetaData":{"CreateTime":"2026-04-08T13:16:17-07:00","LastModifiedByRef":{"value":"9341457021722234"},"LastUpdatedTime":"2026-05-05T03:13:29-07:00"},"domain":"QBO","sparse":false,"DocNumber":"1037","TxnDate":"2026-04-08","CurrencyRef":{"value":"USD","name":"United States Dollar"},"Line":[{"Id":"1","Amount":275.00}],"CustomerRef":{"value":"24","name":"Sonnenschein Family \u2013 Store"},"TotalAmt":362.07,"Balance":362.07}"#;

fn invoices() -> Kind {
    Kind::of(Entity::Invoices)
}

fn page_of(objects: &[&str]) -> Result<LedgerPage, LedgerError> {
    let body = format!(
        r#"{{"QueryResponse":{{"Invoice":[{}],"startPosition":1,"maxResults":1}},"time":"2026-05-05T03:28:39.892-07:00"}}"#,
        objects.join(",")
    );
    page(body.as_bytes(), invoices())
}

fn with(change: (&str, &str)) -> String {
    let changed = INVOICE.replace(change.0, change.1);
    assert_ne!(changed, INVOICE, "nothing was changed");
    changed
}

fn fetched(object_json: &str) -> Result<Option<Record>, LedgerError> {
    object(
        format!(r#"{{"Invoice":{object_json},"time":"…"}}"#).as_bytes(),
        invoices(),
        &"130".parse().unwrap(),
    )
}

#[test]
fn the_recorded_invoice_becomes_a_record_with_its_bytes_as_they_came() {
    let page = page_of(&[INVOICE]).unwrap();

    assert_eq!((page.unreadable, page.more), (0, false));
    assert_eq!(page.records[0].raw, INVOICE);
    let shown = Record { raw: String::new(), ..page.records[0].clone() };
    insta::assert_debug_snapshot!(shown, @r#"
    Record {
        entity: Invoices,
        id: RecordId(
            "130",
        ),
        updated_at: 2026-05-05T10:13:29Z,
        version: 3,
        deleted: false,
        document_number: Some(
            "1037",
        ),
        total: Some(
            "362.07",
        ),
        currency: Some(
            "USD",
        ),
        counterparty: Some(
            "Sonnenschein Family – Store",
        ),
        status: None,
        raw: "",
        digest: None,
    }
    "#);
}

#[test]
fn spaces_and_the_spelling_of_numbers_are_kept_in_raw() {
    let object = INVOICE.replace("362.07", "3.6207e2").replace("\"DocNumber\":", "\"DocNumber\" : \n ");

    let page = page_of(&[&object]).unwrap();

    assert_eq!(page.records[0].raw, object);
    assert_eq!(page.records[0].total.as_deref(), Some("362.07"));
}

#[test]
fn amounts_never_pass_through_a_float() {
    for amount in ["0.1", "100.00", "9007199254740993", "12345678901234567.89", "-0.01", "0"] {
        let page = page_of(&[&with(("\"TotalAmt\":362.07", &format!("\"TotalAmt\":{amount}")))]).unwrap();

        assert_eq!(page.records[0].total.as_deref(), Some(amount));
    }
}

#[test]
fn a_time_of_change_is_an_instant_however_its_offset_is_written() {
    for text in [
        "2026-05-05T03:13:29-0700",
        "2026-05-05T03:13:29.000-07",
        "2026-05-05T10:13:29Z",
        "2026-05-05T10:13:29.000+00:00",
    ] {
        let page = page_of(&[&with(("2026-05-05T03:13:29-07:00", text))]).unwrap();

        assert_eq!(page.records[0].updated_at.to_string(), "2026-05-05T10:13:29Z", "{text}");
    }
}

#[test]
fn an_object_that_cannot_be_read_is_counted_and_the_rest_stays() {
    let unreadable = [
        with((r#""Id":"130","#, "")),
        with((r#""Id":"130""#, r#""Id":"""#)),
        with((r#""Id":"130""#, r#""Id":"1#3""#)),
        with((r#""Id":"130""#, r#""Id":130"#)),
        with(("2026-05-05T03:13:29-07:00", "yesterday")),
        with(("2026-05-05T03:13:29-07:00", "2026-05-05T03:13:29")),
        with((r#""SyncToken":"3""#, r#""SyncToken":"x""#)),
        with((r#""SyncToken":"3""#, r#""SyncToken":"-1""#)),
        "{}".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        "7".to_owned(),
    ];
    for bad in unreadable {
        let page = page_of(&[&bad, INVOICE]).unwrap();

        assert_eq!((page.unreadable, page.records.len()), (1, 1), "{bad}");
        assert_eq!(page.records[0].id.as_str(), "130");
    }
}

#[test]
fn a_vendor_is_a_counterparty_too_and_absent_members_are_absent() {
    let bill = with(("CustomerRef", "VendorRef"));
    let body = format!(
        r#"{{"QueryResponse":{{"Bill":[{bill},{{"Id":"2","MetaData":{{"LastUpdatedTime":"2026-05-05T03:13:29Z"}}}}]}}}}"#
    );

    let page = page(body.as_bytes(), Kind::of(Entity::Bills)).unwrap();

    assert_eq!(page.records[0].counterparty.as_deref(), Some("Sonnenschein Family – Store"));
    let bare = &page.records[1];
    assert_eq!((bare.version, bare.deleted), (0, false));
    assert!(bare.document_number.is_none() && bare.total.is_none() && bare.currency.is_none());
    assert!(bare.counterparty.is_none() && bare.status.is_none());
}

#[test]
fn an_empty_page_has_the_answer_without_the_kind() {
    let page = page(br#"{"QueryResponse":{},"time":"2026-05-05T03:28:39.892-07:00"}"#, invoices()).unwrap();

    assert_eq!((page.records.len(), page.unreadable, page.more), (0, 0, false));
}

#[test]
fn a_full_page_says_that_there_may_be_more_even_when_an_object_is_unreadable() {
    let mut objects = vec![INVOICE; usize::try_from(PAGE_SIZE).unwrap() - 1];
    assert!(!page_of(&objects).unwrap().more);

    objects.push("{}");
    let page = page_of(&objects).unwrap();
    assert_eq!((page.more, page.unreadable), (true, 1));

    objects.push(INVOICE);
    assert!(matches!(page_of(&objects), Err(LedgerError::Unavailable(_))), "more than was asked for");
}

#[test]
fn what_is_no_page_is_never_taken_for_an_empty_one() {
    let cut = format!(r#"{{"QueryResponse":{{"Invoice":[{INVOICE}"#);
    let after = format!(r#"{{"QueryResponse":{{"Invoice":[{INVOICE}]}}}} trailing"#);
    let twice = r#"{"QueryResponse":{"Invoice":[],"Invoice":[]}}"#;
    let deep = format!(r#"{{"QueryResponse":{}"#, "[".repeat(100_000));
    for body in [
        "",
        "{}",
        "[]",
        "null",
        "ok",
        "<html></html>",
        "stream timeout",
        r#"{"QueryResponse":null}"#,
        r#"{"QueryResponse":[]}"#,
        r#"{"QueryResponse":{"Invoice":{}}}"#,
        r#"{"QueryResponse":{"Invoice":null}}"#,
        r#"{"CDCResponse":[]}"#,
        r#"{"Fault":{"Error":[{"code":"10000"}]}}"#,
        &cut,
        &after,
        twice,
        &deep,
    ] {
        let read = page(body.as_bytes(), invoices());

        assert!(matches!(read, Err(LedgerError::Unavailable(_))), "{body:.60}");
    }
    let foreign = br#"{"fault":{"error":[{"code":"3200"}],"type":"AUTHENTICATION"}}"#;
    assert!(matches!(page(foreign, invoices()), Err(LedgerError::Unauthorized)));
}

#[test]
fn a_fetched_object_is_the_one_asked_for() {
    assert_eq!(fetched(INVOICE).unwrap().unwrap().raw, INVOICE);

    for other in [with((r#""Id":"130""#, r#""Id":"131""#)), "{}".to_owned(), "null".to_owned()] {
        assert!(matches!(fetched(&other), Err(LedgerError::Unavailable(_))), "{other}");
    }
    let absent = object(br#"{"time":"now"}"#, invoices(), &"130".parse().unwrap());
    assert!(matches!(absent, Err(LedgerError::Unavailable(_))));
}

#[test]
fn a_fetched_stub_of_a_deleted_object_is_none() {
    assert_eq!(fetched(r#"{"domain":"QBO","status":"Deleted","Id":"130"}"#).unwrap(), None);
}

#[test]
fn a_deleted_object_on_a_page_is_a_deleted_record() {
    let page = page_of(&[&with((r#""domain":"QBO""#, r#""status":"Deleted""#))]).unwrap();

    assert!(page.records[0].deleted);
    assert_eq!(page.records[0].status.as_deref(), Some("Deleted"));
}

#[test]
fn a_transaction_with_nothing_in_it_that_is_noted_as_voided_is_void() {
    let status = |total: &str, note: &str| {
        let object = with(("\"TotalAmt\":362.07", &format!("\"TotalAmt\":{total},\"PrivateNote\":{note}")));
        page_of(&[&object]).unwrap().records.remove(0).status
    };
    for (total, note) in [("0", r#""Voided""#), ("0.00", r#""Voided - for Amy""#), ("-0.0", r#""Voided""#)] {
        assert_eq!(status(total, note).as_deref(), Some("Voided"), "{total} {note}");
    }
    for (total, note) in [
        ("362.07", r#""Voided""#),
        ("0", r#""Was voided""#),
        ("0", "null"),
        ("null", r#""Voided""#),
        ("0", "7"),
    ] {
        assert_eq!(status(total, note), None, "{total} {note}");
    }
}

#[test]
fn no_error_tells_what_the_books_say() {
    let body = r#"{"QueryResponse":{"Invoice":"hush"}}"#;

    let error = page(body.as_bytes(), invoices()).unwrap_err();

    let told = format!("{error:?} {}", domain::store::chain(&error));
    assert!(!told.contains("hush"), "{told}");
}

proptest! {
    #[test]
    fn money_ids_and_any_writing_survive_to_the_byte(
        id in "[1-9][0-9]{18,25}", (json, total) in samples::amount(), (name_json, name) in samples::name(), space in "[ \n\t]{0,3}",
    ) {
        let object = format!(
            r#"{{"Id":{space}"{id}","SyncToken":"18446744073709551615","TotalAmt":{space}{json},"VendorRef":{{"name":{name_json}}},"Unknown":{space}{json},"MetaData":{{"LastUpdatedTime":"2026-05-05T03:13:29-07:00"}}{space}}}"#
        );

        let record = page_of(&[&object]).unwrap().records.remove(0);

        prop_assert_eq!(record.raw, object);
        prop_assert_eq!(record.total, Some(total));
        prop_assert_eq!((record.id.as_str(), record.version), (&*id, u64::MAX));
        prop_assert_eq!(record.counterparty, Some(name));
    }

    #[test]
    fn no_body_makes_the_parser_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(page(&body, invoices()).is_err());
        prop_assert!(object(&body, invoices(), &"1".parse().unwrap()).is_err());
    }

    #[test]
    fn no_damage_to_an_object_makes_the_parser_panic(at in 0..INVOICE.len(), byte in any::<u8>(), length in 0_usize..40) {
        let mut body = format!(r#"{{"QueryResponse":{{"Invoice":[{INVOICE}]}}}}"#).into_bytes();
        let start = at + r#"{"QueryResponse":{"Invoice":["#.len();
        let end = (start + length).min(body.len());
        body.splice(start..end, [byte]);
        if let Ok(page) = page(&body, invoices()) {
            prop_assert!(page.records.len() + usize::try_from(page.unreadable).unwrap() <= 3);
        }
    }
}
