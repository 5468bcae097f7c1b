//! Answers to a batch of counts.

use domain::sync::LedgerError;

use super::*;

const EXPECTED: &[(Entity, u64)] = &[(Entity::Invoices, 41), (Entity::Customers, 0)];

fn read(items: &str) -> Result<Vec<Entity>, LedgerError> {
    let body = format!(r#"{{"BatchItemResponse":[{items}],"time":"2015-12-23T12:56:06.196-08:00"}}"#);
    Ok(miscounted(body.as_bytes(), EXPECTED)?)
}

fn count(kind: &str, total: u64) -> String {
    format!(r#"{{"bId":"{kind}","QueryResponse":{{"totalCount":{total}}}}}"#)
}

fn fault(kind: &str, code: u32, of: &str) -> String {
    format!(r#"{{"bId":"{kind}","Fault":{{"Error":[{{"Message":"hush","code":"{code}"}}],"type":"{of}"}}}}"#)
}

#[test]
fn all_kinds_are_counted_in_one_batch() {
    let question = question([Entity::Invoices, Entity::Customers].map(Kind::of).into_iter()).unwrap();

    insta::assert_snapshot!(String::from_utf8(question).unwrap(), @r#"{"BatchItemRequest":[{"bId":"invoice","Query":"SELECT COUNT(*) FROM Invoice"},{"bId":"customer","Query":"SELECT COUNT(*) FROM Customer WHERE Active IN (true, false)"}]}"#);
}

#[test]
fn a_kind_with_another_number_than_expected_is_miscounted() {
    for (invoices, customers, expected) in [
        (41, 0, vec![]),
        (40, 0, vec![Entity::Invoices]),
        (42, 0, vec![Entity::Invoices]),
        (41, 1, vec![Entity::Customers]),
        (0, 41, vec![Entity::Invoices, Entity::Customers]),
    ] {
        // In whichever order the answers come.
        let items = [count("customer", customers), count("invoice", invoices), count("bill", 9)];

        assert_eq!(read(&items.join(",")).unwrap(), expected);
    }
}

#[test]
fn a_kind_that_is_refused_says_nothing_and_hides_no_other() {
    let items = [fault("customer", 4001, "ValidationFault"), count("invoice", 1)];

    assert_eq!(read(&items.join(",")).unwrap(), [Entity::Invoices]);
}

#[test]
fn what_is_no_count_is_never_taken_for_one() {
    let whole = count("invoice", 41);
    for (item, expected) in [
        (fault("customer", 3001, "SERVICE"), "throttled"),
        (fault("customer", 3200, "AUTHENTICATION"), "unauthorized"),
        (fault("customer", 10000, "SystemFault"), "unavailable"),
        (r#"{"bId":"customer","QueryResponse":{}}"#.to_owned(), "unavailable"),
        (r#"{"bId":"customer"}"#.to_owned(), "unavailable"),
        (r#"{"bId":"customer","QueryResponse":{"totalCount":-1}}"#.to_owned(), "unavailable"),
        (r#"{"QueryResponse":{"totalCount":0}}"#.to_owned(), "unavailable"),
        (count("vendor", 0), "unavailable"),
    ] {
        let error = read(&format!("{whole},{item}")).unwrap_err();

        let class = match &error {
            LedgerError::Throttled { .. } => "throttled",
            LedgerError::Unauthorized => "unauthorized",
            LedgerError::Unavailable(_) => "unavailable",
            _ => "other",
        };
        assert_eq!(class, expected, "{item}");
        assert!(!format!("{error:?}").contains("hush"));
    }
    for body in ["", "{}", r#"{"BatchItemResponse":null}"#, r#"{"BatchItemResponse":{}}"#] {
        assert!(miscounted(body.as_bytes(), EXPECTED).is_err(), "{body}");
    }
    let outside = br#"{"Fault":{"Error":[{"code":"3001"}],"type":"SERVICE"}}"#;
    let outside = LedgerError::from(miscounted(outside, EXPECTED).unwrap_err());
    assert!(matches!(outside, LedgerError::Throttled { .. }), "{outside:?}");
}
