//! Recorded rows, damaged rows, and lists that are none.

use domain::sync::LedgerError;
use proptest::prelude::*;

use super::*;
use crate::ledger::samples;

/// The invoice row of a recorded answer.
const INVOICE: &str = r#"{"invoice_id":"260815000000103001","customer_id":"260815000000097001","customer_name":"Acme Corp","status":"paid","invoice_number":"INV-000001","reference_number":"","date":"2026-06-09","due_date":"2026-07-09","total":598,"balance":0,"currency_code":"USD","exchange_rate":1,"created_time":"2026-06-09T09:46:21-0400","last_modified_time":"2026-06-09T09:47:43-0400","updated_time":"2026-06-09T09:47:43-0400","custom_fields":[],"tags":[]}"#;

fn body(name: &str, rows: &[&str], context: &str) -> String {
    format!(
        r#"{{"code":0,"message":"success","{name}":[{}],"page_context":{{"page":1,{context}}}}}"#,
        rows.join(",")
    )
}

fn last(name: &str, rows: &[&str]) -> String {
    body(name, rows, r#""per_page":200,"has_more_page":false"#)
}

fn read(entity: Entity, row: &str) -> LedgerPage {
    page(last(Resource::of(entity).path, &[row]).as_bytes(), entity, 0).unwrap()
}

fn with(change: (&str, &str)) -> String {
    let changed = INVOICE.replace(change.0, change.1);
    assert_ne!(changed, INVOICE, "nothing was changed");
    changed
}

#[test]
fn the_recorded_row_becomes_a_record_with_its_bytes_as_they_came() {
    let page = read(Entity::Invoices, INVOICE);

    assert_eq!((page.records[0].raw.as_str(), page.more, page.newest), (INVOICE, false, None));
    let shown = Record { raw: String::new(), digest: None, ..page.records[0].clone() };
    insta::assert_compact_debug_snapshot!(shown, @r#"Record { entity: Invoices, id: RecordId("260815000000103001"), updated_at: 2026-06-09T13:47:43Z, version: 0, deleted: false, document_number: Some("INV-000001"), total: Some("598"), currency: Some("USD"), counterparty: Some("Acme Corp"), status: Some("paid"), raw: "", digest: None }"#);
}

#[test]
fn every_kind_has_its_own_names_for_the_same_things() {
    let at = r#""last_modified_time":"2026-06-09T09:47:43-0400""#;
    for (entity, row, number, total, party) in [
        (
            Entity::Bills,
            r#""bill_id":"1","bill_number":"B-1","total":1.50,"vendor_name":"V""#,
            Some("B-1"),
            Some("1.50"),
            Some("V"),
        ),
        (
            Entity::CreditNotes,
            r#""creditnote_id":"1","creditnote_number":"CN-1","total":0"#,
            Some("CN-1"),
            Some("0"),
            None,
        ),
        (
            Entity::Payments,
            r#""payment_id":"1","payment_number":2,"amount":99.90,"customer_name":"C""#,
            Some("2"),
            Some("99.90"),
            Some("C"),
        ),
        (
            Entity::BillPayments,
            r#""payment_id":"1","amount":7,"vendor_name":"V","payment_number":"""#,
            None,
            Some("7"),
            Some("V"),
        ),
        (Entity::Customers, r#""contact_id":"1","contact_type":"customer""#, None, None, None),
        (Entity::Vendors, r#""contact_id":"1","contact_type":"vendor""#, None, None, None),
        (Entity::Items, r#""item_id":"1","rate":3"#, None, None, None),
        (Entity::Accounts, r#""account_id":"1","account_code":"400""#, Some("400"), None, None),
    ] {
        let page = read(entity, &format!("{{{row},{at}}}"));

        let record = page.records.first().unwrap_or_else(|| panic!("{entity}: {page:?}"));
        assert_eq!((record.entity, record.id.as_str()), (entity, "1"));
        assert_eq!(record.document_number.as_deref(), number, "{entity}");
        assert_eq!(record.total.as_deref(), total, "{entity}");
        assert_eq!(record.counterparty.as_deref(), party, "{entity}");
    }
}

#[test]
fn a_contact_of_the_other_type_is_passed_over() {
    let vendor = r#"{"contact_id":"1","contact_type":"vendor","created_time":"2026-06-09T09:46:21-0400"}"#;

    let page = read(Entity::Customers, vendor);

    assert_eq!((page.records.len(), page.passed_over, page.unreadable), (0, 1, 0));
}

#[test]
fn a_row_that_cannot_be_read_is_counted_and_the_rest_stays() {
    for bad in [
        with(("invoice_id", "id")),
        with(("260815000000103001", "../x")),
        INVOICE.replace("_time\":\"2026", "_time\":\"soon"),
        "{}".to_owned(),
        "null".to_owned(),
    ] {
        let page = page(last("invoices", &[&bad, INVOICE]).as_bytes(), Entity::Invoices, 0).unwrap();

        assert_eq!((page.unreadable, page.records.len()), (1, 1), "{bad}");
    }
}

#[test]
fn a_page_begins_behind_what_is_skipped_and_tells_whether_another_follows() {
    let context = r#""per_page":200,"has_more_page":true"#;
    let rows = [INVOICE, &with(("103001", "103002"))];

    let page = page(body("invoices", &rows, context).as_bytes(), Entity::Invoices, 1).unwrap();

    assert_eq!((page.records.len(), page.records[0].id.as_str()), (1, "260815000000103002"));
    assert!(page.more);
}

#[test]
fn what_is_no_page_is_never_taken_for_an_empty_one() {
    let short = body("invoices", &[INVOICE], r#""per_page":100,"has_more_page":true"#);
    let endless = body("invoices", &[], r#""per_page":200,"has_more_page":true"#);
    let many = last("invoices", &vec![INVOICE; usize::try_from(PAGE_SIZE).unwrap() + 1]);
    for body in [
        "",
        "{}",
        r#"{"code":0,"message":"hush"}"#,
        r#"{"code":0,"invoices":[]}"#,
        r#"{"code":0,"bills":[],"page_context":{"has_more_page":false}}"#,
        r#"{"code":0,"invoices":null,"page_context":{"has_more_page":false}}"#,
        &short,
        &endless,
        &many,
    ] {
        let error = page(body.as_bytes(), Entity::Invoices, 0).unwrap_err();

        let Trouble::Own(LedgerError::Unavailable(why)) = error else { panic!("{body}: {error:?}") };
        assert!(!format!("{why:?}").contains("hush"));
    }
}

#[test]
fn a_second_change_within_one_second_is_newer_and_the_same_row_is_not() {
    let row = |row: &str| read(Entity::Invoices, row).records.remove(0);
    let (first, again, second) = (row(INVOICE), row(INVOICE), row(&with(("\"balance\":0", "\"balance\":1"))));
    let single = format!(r#"{{"invoice":{}}}"#, with(("\"balance\":0", "\"balance\":2")));
    let single = object(single.as_bytes(), Resource::of(Entity::Invoices), &first.id).unwrap();

    assert!(second.is_newer_than(&first) && !again.is_newer_than(&first));
    assert_eq!(single.digest, None, "a single object has more in it than a row and is not compared with one");
    assert!(!single.is_newer_than(&first) && !first.is_newer_than(&single));
}

#[test]
fn only_of_what_is_read_whole_each_time_an_object_may_lack_the_time_of_its_change() {
    let payment = |amount: u32| {
        let row = format!(r#"{{"payment_id":"1","amount":{amount}}}"#);
        let listed = read(Entity::Payments, &row).records.remove(0);
        let single = format!(r#"{{"payment":{row}}}"#);
        assert_eq!(object(single.as_bytes(), Resource::of(Entity::Payments), &listed.id).unwrap(), listed);
        listed
    };

    assert!(payment(2).is_newer_than(&payment(1)) && payment(1).is_newer_than(&payment(2)));
    for row in
        [r#"{"invoice_id":"1","total":1}"#, r#"{"invoice_id":"1","total":1,"last_modified_time":"soon"}"#]
    {
        assert_eq!(read(Entity::Invoices, row).unreadable, 1, "{row}");
    }
    let odd = r#"{"payment_id":"1","amount":1,"last_modified_time":"soon"}"#;
    assert_eq!(read(Entity::Payments, odd).unreadable, 1);
}

#[test]
fn an_object_is_the_one_asked_for() {
    let resource = Resource::of(Entity::Invoices);
    let read = |row: &str, id: &str| {
        object(
            format!(r#"{{"code":0,"message":"success","invoice":{row}}}"#).as_bytes(),
            resource,
            &id.parse().unwrap(),
        )
    };

    assert_eq!(read(INVOICE, "260815000000103001").unwrap().raw, INVOICE);
    for (row, id) in [(INVOICE, "1"), ("{}", "1"), ("null", "1")] {
        assert!(matches!(read(row, id), Err(Trouble::Own(LedgerError::Unavailable(_)))), "{row}");
    }
    assert!(object(br#"{"code":0,"bill":{}}"#, resource, &"1".parse().unwrap()).is_err());
}

proptest! {
    #[test]
    fn money_ids_and_any_writing_survive_to_the_byte(
        id in "[1-9][0-9]{18,25}", (json, total) in samples::amount(), (name_json, name) in samples::name(), space in "[ \n\t]{0,3}",
    ) {
        let row = format!(
            r#"{{"bill_id":{space}"{id}","total":{space}{json},"vendor_name":{name_json},"custom":{space}{json},"created_time":"2026-06-09T09:46:21-0400"{space}}}"#
        );

        let record = read(Entity::Bills, &row).records.remove(0);

        prop_assert_eq!(record.raw, row);
        prop_assert_eq!(record.total, Some(total));
        prop_assert_eq!(record.id.as_str(), id);
        prop_assert_eq!(record.counterparty, Some(name));
    }

    #[test]
    fn no_body_makes_the_parser_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(page(&body, Entity::Invoices, 0).is_err());
    }
}
