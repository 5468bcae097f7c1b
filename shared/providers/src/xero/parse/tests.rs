//! Recorded objects, damaged objects, and lists that are none.

use domain::sync::LedgerError;
use proptest::prelude::*;

use super::*;
use crate::ledger::samples;

/// An invoice in the form of Xero's documentation.
const INVOICE: &str = r#"{"Type":"ACCREC","InvoiceID":"243216c5-369e-4056-ac67-05388f86dc81","InvoiceNumber":"OIT00546","Reference":"","Payments":[],"AmountDue":2025.00,"Contact":{"ContactID":"025867f1-d741-4d6b-b1af-9ac774b59ba7","Name":"City Agency \u2013 Nord"},"DateString":"2026-04-16T00:00:00","Date":"/Date(1776297600000+0000)/","Status":"AUTHORISED","LineItems":[{"LineAmount":1800.00}],"Total":2025.00,"UpdatedDateUTC":"/Date(1776297600123+0000)/","CurrencyCode":"NZD"}"#;

fn body(name: &str, objects: &[&str], rest: &str) -> String {
    format!(r#"{{"Id":"x","Status":"OK"{rest},"{name}":[{}]}}"#, objects.join(","))
}

fn read(entity: Entity, object: &str) -> LedgerPage {
    let body = body(Resource::of(entity).name, &[object], "");
    page(body.as_bytes(), entity, 0).unwrap()
}

fn with(change: (&str, &str)) -> String {
    let changed = INVOICE.replace(change.0, change.1);
    assert_ne!(changed, INVOICE, "nothing was changed");
    changed
}

fn failure(read: Result<impl std::fmt::Debug, Trouble>) -> LedgerError {
    read.unwrap_err().into()
}

#[test]
fn an_invoice_becomes_a_record_with_its_bytes_as_they_came() {
    let page = read(Entity::Invoices, INVOICE);

    assert_eq!(page.records[0].raw, INVOICE);
    let shown = Record { raw: String::new(), digest: None, ..page.records[0].clone() };
    insta::assert_compact_debug_snapshot!(shown, @r#"Record { entity: Invoices, id: RecordId("243216c5-369e-4056-ac67-05388f86dc81"), updated_at: 2026-04-16T00:00:00.123Z, version: 0, deleted: false, document_number: Some("OIT00546"), total: Some("2025.00"), currency: Some("NZD"), counterparty: Some("City Agency – Nord"), status: Some("AUTHORISED"), raw: "", digest: None }"#);
    assert_eq!(page.newest.unwrap().to_string(), "2026-04-16T00:00:00Z", "Xero is asked in whole seconds");
}

#[test]
fn every_kind_has_its_own_names_for_the_same_things() {
    let at = r#""UpdatedDateUTC":"/Date(1776297600000)/""#;
    for (entity, object, expected) in [
        (
            Entity::Payments,
            format!(
                r#"{{"PaymentID":"p","PaymentType":"ACCRECPAYMENT","Amount":5.10,"Status":"AUTHORISED","Invoice":{{"CurrencyCode":"USD","Contact":{{"Name":"N"}}}},{at}}}"#
            ),
            (None, Some("5.10"), Some("USD"), Some("N"), Some("AUTHORISED")),
        ),
        (
            Entity::CreditNotes,
            format!(
                r#"{{"CreditNoteID":"c","CreditNoteNumber":"CN-1","Total":-0.0,"ID":"c","Contact":null,{at}}}"#
            ),
            (Some("CN-1"), Some("-0.0"), None, None, None),
        ),
        (
            Entity::Vendors,
            format!(
                r#"{{"ContactID":"c","Name":"A","IsSupplier":true,"ContactStatus":"ARCHIVED","DefaultCurrency":"EUR",{at}}}"#
            ),
            (None, None, Some("EUR"), None, Some("ARCHIVED")),
        ),
        (
            Entity::Items,
            format!(r#"{{"ItemID":"i","Code":"BOOK","Name":7,{at}}}"#),
            (Some("BOOK"), None, None, None, None),
        ),
        (
            Entity::Accounts,
            format!(r#"{{"AccountID":"a","Code":200,"Status":"ARCHIVED",{at}}}"#),
            (Some("200"), None, None, None, Some("ARCHIVED")),
        ),
    ] {
        let page = read(entity, &object);

        let record = page.records.first().unwrap_or_else(|| panic!("{entity}: {page:?}"));
        let text = |text: &Option<String>| text.clone();
        let (number, total, currency, party, status) = expected;
        assert_eq!(text(&record.document_number).as_deref(), number, "{entity}");
        assert_eq!(text(&record.total).as_deref(), total, "{entity}");
        assert_eq!(text(&record.currency).as_deref(), currency, "{entity}");
        assert_eq!(text(&record.counterparty).as_deref(), party, "{entity}");
        assert_eq!(text(&record.status).as_deref(), status, "{entity}");
        assert!(!record.deleted, "{entity}: archived is not deleted");
    }
}

#[test]
fn a_change_that_leaves_the_time_as_it_is_is_newer_and_the_same_object_is_not() {
    let resource = Resource::of(Entity::Invoices);
    let stored = read(Entity::Invoices, INVOICE).records.remove(0);
    let paid = read(Entity::Invoices, &with(("2025.00,\"Contact", "25.00,\"Contact"))).records.remove(0);
    let alone = body("Invoices", &[INVOICE], "");
    let alone = object(alone.as_bytes(), resource, &stored.id).unwrap().remove(0);

    assert_eq!(paid.updated_at, stored.updated_at);
    assert!(paid.is_newer_than(&stored));
    assert!(!alone.is_newer_than(&stored), "a webhook that tells of it once more changes nothing");
    assert!(paid.is_newer_than(&alone), "what a webhook brought is compared, too");
}

#[test]
fn only_deleted_is_deleted() {
    for (status, deleted) in [("VOIDED", false), ("DRAFT", false), ("DELETED", true)] {
        let page = read(Entity::Invoices, &with(("AUTHORISED", status)));

        assert_eq!((page.records[0].deleted, page.records[0].status.as_deref()), (deleted, Some(status)));
    }
}

#[test]
fn a_contact_is_what_its_flags_say_and_a_customer_without_any() {
    let resource = Resource::of(Entity::Customers);
    for (flags, expected) in [
        (r#""IsCustomer":true,"IsSupplier":false"#, vec!["customers"]),
        (r#""IsCustomer":false,"IsSupplier":true"#, vec!["vendors"]),
        (r#""IsCustomer":true,"IsSupplier":true"#, vec!["customers", "vendors"]),
        (r#""IsCustomer":false"#, vec!["customers"]),
    ] {
        let contact = format!(r#"{{"ContactID":"c",{flags},"UpdatedDateUTC":"/Date(1776297600000)/"}}"#);

        let found = found(body("Contacts", &[&contact], "").as_bytes(), resource).unwrap();
        let on_page = read(Entity::Vendors, &contact);

        let found: Vec<_> = found.iter().map(|record| record.entity.as_str()).collect();
        assert_eq!(found, expected, "{flags}");
        let is_vendor = usize::from(expected.contains(&"vendors"));
        assert_eq!((on_page.records.len(), on_page.passed_over), (is_vendor, 1 - is_vendor as u64));
    }
}

#[test]
fn a_moment_is_read_in_every_form_and_is_utc() {
    for (text, expected) in [
        ("/Date(1776297600000+0000)/", Some("2026-04-16T00:00:00Z")),
        ("/Date(1776297600000+1300)/", Some("2026-04-16T00:00:00Z")),
        ("/Date(1776297600000)/", Some("2026-04-16T00:00:00Z")),
        ("/Date(-1000-0500)/", Some("1969-12-31T23:59:59Z")),
        ("2026-04-16T00:00:00", Some("2026-04-16T00:00:00Z")),
        ("2026-04-16T00:00:00.5Z", Some("2026-04-16T00:00:00.5Z")),
        ("/Date(1776297600000+0000)", None),
        ("/Date()/", None),
        ("/Date(99999999999999999999)/", None),
        ("", None),
    ] {
        assert_eq!(time(text).map(|at| at.to_string()).as_deref(), expected, "{text}");
    }
    let second = with((
        r#""UpdatedDateUTC":"/Date(1776297600123+0000)/""#,
        r#""UpdatedDateUTCString":"2026-04-16T00:00:01""#,
    ));
    assert_eq!(read(Entity::Invoices, &second).records[0].updated_at.to_string(), "2026-04-16T00:00:01Z");
}

#[test]
fn an_object_that_cannot_be_read_is_counted_and_the_rest_stays() {
    for bad in [
        with(("InvoiceID", "InvoiceId")),
        with(("243216c5-369e-4056-ac67-05388f86dc81", "a#b")),
        with(("/Date(1776297600123+0000)/", "soon")),
        with(("ACCREC", "ACCOTHER")),
        "{}".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
    ] {
        let page = page(body("Invoices", &[&bad, INVOICE], "").as_bytes(), Entity::Invoices, 0).unwrap();

        assert_eq!((page.unreadable, page.records.len()), (1, 1), "{bad}");
    }
}

#[test]
fn a_page_out_of_order_lets_a_walk_only_count_on() {
    let earlier = with(("1776297600123", "1776297500000"));

    let page = page(body("Invoices", &[INVOICE, &earlier], "").as_bytes(), Entity::Invoices, 0).unwrap();

    assert_eq!((page.records.len(), page.newest), (2, None));
}

#[test]
fn another_page_follows_where_xero_says_so_and_pages_are_as_long_as_asked() {
    let follows = |pagination: &str, objects: &[&str], skip| {
        page(body("Invoices", objects, pagination).as_bytes(), Entity::Invoices, skip).map(|page| page.more)
    };
    let said = |page, size, count| {
        format!(r#","pagination":{{"page":{page},"pageSize":{size},"pageCount":{count},"itemCount":9}}"#)
    };

    assert!(!follows(&said(2, 500, 2), &[INVOICE], 0).unwrap());
    assert!(follows(&said(1, 500, 2), &[INVOICE], 0).unwrap());
    assert!(follows("", &[INVOICE], 0).unwrap(), "unsaid: until nothing new comes");
    assert!(!follows("", &[INVOICE], 1).unwrap());
    assert!(!follows("", &[], 0).unwrap());
    for odd in [follows(&said(1, 100, 2), &[INVOICE], 0), follows(&said(1, 500, 2), &[], 0)] {
        assert!(matches!(failure(odd), LedgerError::Unavailable(_)));
    }
}

#[test]
fn a_page_and_a_count_say_how_many_there_are_in_all() {
    let paged = r#","pagination":{"page":1,"pageSize":1,"pageCount":9,"itemCount":9}"#;
    let resource = Resource::of(Entity::Invoices);
    let counted = |rest: &str| count(body("Invoices", &[INVOICE], rest).as_bytes(), resource);

    assert_eq!(counted(paged).unwrap(), 9);
    for unsaid in ["", r#","pagination":null"#, r#","pagination":{"page":1,"pageSize":1,"pageCount":9}"#] {
        assert!(matches!(failure(counted(unsaid)), LedgerError::Unavailable(_)), "{unsaid}");
    }
    let whole = r#","pagination":{"page":1,"pageSize":500,"pageCount":1,"itemCount":1}"#;
    let read = |rest| page(body("Invoices", &[INVOICE], rest).as_bytes(), Entity::Invoices, 0).unwrap();
    assert_eq!((read(whole).total, read("").total), (Some(1), None));
}

#[test]
fn what_is_no_list_is_never_taken_for_an_empty_one() {
    for body in [
        "",
        "{}",
        "[]",
        "<Response/>",
        r#"{"Invoices":null}"#,
        r#"{"Invoices":{}}"#,
        r#"{"Items":[]}"#,
        r#"{"Invoices":[],"Invoices":[]}"#,
        r#"{"ErrorNumber":10,"Type":"ValidationException","Message":"hush"}"#,
    ] {
        let error = failure(page(body.as_bytes(), Entity::Invoices, 0));

        assert!(matches!(error, LedgerError::Unavailable(_)), "{body}");
        assert!(!format!("{error:?}").contains("hush"));
    }
    let many = vec![INVOICE; usize::try_from(PAGE_SIZE).unwrap() + 1];
    assert!(page(body("Invoices", &many, "").as_bytes(), Entity::Invoices, 0).is_err());
}

#[test]
fn an_object_is_the_one_asked_for_and_no_other_that_has_its_number() {
    let resource = Resource::of(Entity::Invoices);
    let id = "243216c5-369e-4056-ac67-05388f86dc81".parse().unwrap();
    let read = |objects: &[&str], id| object(body("Invoices", objects, "").as_bytes(), resource, id);

    assert_eq!(read(&[INVOICE], &id).unwrap()[0].raw, INVOICE);
    for (objects, id) in [(&[INVOICE][..], &"OIT00546".parse().unwrap()), (&[], &id), (&["{}"], &id)] {
        assert!(matches!(read(objects, id), Err(Trouble::Own(LedgerError::Unavailable(_)))));
    }
}

proptest! {
    #[test]
    fn money_ids_and_any_writing_survive_to_the_byte(
        id in "[0-9a-f]{8}-[0-9]{20}", (json, total) in samples::amount(), (name_json, name) in samples::name(), space in "[ \n\t]{0,3}",
    ) {
        let object = format!(
            r#"{{"InvoiceID":{space}"{id}","Type":"ACCPAY","Total":{space}{json},"Contact":{{"Name":{name_json}}},"Unknown":{space}{json},"UpdatedDateUTC":"/Date(1)/"{space}}}"#
        );

        let record = read(Entity::Bills, &object).records.remove(0);

        prop_assert_eq!(record.raw, object);
        prop_assert_eq!(record.total, Some(total));
        prop_assert_eq!(record.id.as_str(), id);
        prop_assert_eq!(record.counterparty, Some(name));
    }

    #[test]
    fn no_body_makes_the_parser_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(page(&body, Entity::Invoices, 0).is_err());
    }
}
