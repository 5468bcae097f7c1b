//! Answers about what changed: whole, cut, faulty, and none.

use domain::sync::LedgerError;
use proptest::prelude::*;

use super::*;

const AT: &str = "2015-12-23T12:56:06.196-08:00";

fn object(id: u64) -> String {
    format!(r#"{{"Id":"{id}","SyncToken":"1","MetaData":{{"LastUpdatedTime":"2015-12-23T12:50:00-08:00"}}}}"#)
}

fn answer(groups: &str) -> String {
    format!(r#"{{"CDCResponse":[{{"QueryResponse":[{groups}]}}],"time":"{AT}"}}"#)
}

fn kinds() -> [Kind; 2] {
    [Entity::Customers, Entity::Invoices].map(Kind::of)
}

fn read(body: &str) -> Result<Changes, LedgerError> {
    Ok(changes(body.as_bytes(), &kinds())?)
}

/// The ids of what changed and what was deleted, each with its time.
fn told(changes: &Changes) -> (Vec<&str>, Vec<(Entity, &str, String)>) {
    (
        changes.records.iter().map(|record| record.id.as_str()).collect(),
        changes.deleted.iter().map(|(entity, id, at)| (*entity, id.as_str(), at.to_string())).collect(),
    )
}

#[test]
fn the_recorded_answer_tells_what_changed_and_what_was_deleted() {
    let stub = r#"{"status":"Deleted","domain":"QBO","Id":"979","MetaData":{"LastUpdatedTime":"2015-12-23T12:55:50-08:00"}}"#;
    let body = answer(&format!(
        r#"{{"Customer":[{}],"startPosition":1,"maxResults":1}},{{"Invoice":[{},{stub}],"startPosition":1,"maxResults":2,"totalCount":2}}"#,
        object(63),
        object(34)
    ));

    let changes = read(&body).unwrap();

    let deleted = (Entity::Invoices, "979", "2015-12-23T20:55:50Z".to_owned());
    assert_eq!(told(&changes), (vec!["63", "34"], vec![deleted]));
    assert_eq!((changes.unreadable, changes.complete), (0, vec![Entity::Customers, Entity::Invoices]));
    assert_eq!(changes.records[1].raw, object(34));
}

#[test]
fn a_deletion_without_a_time_was_at_the_latest_when_it_was_told() {
    let stubs = r#"{"Invoice":[{"status":"Deleted","Id":"1"},{"status":"Deleted","Id":"2","MetaData":{"LastUpdatedTime":"?"}}]}"#;
    let body = answer(stubs);

    let changes = read(&body).unwrap();

    let times: Vec<_> = changes.deleted.iter().map(|(.., at)| at.to_string()).collect();
    assert_eq!(times, ["2015-12-23T20:56:06.196Z"; 2]);
    let undated = read(&body.replace(AT, "soon")).unwrap();
    assert_eq!((undated.deleted.len(), undated.unreadable), (0, 2), "nobody says when");
}

#[test]
fn a_kind_of_which_nothing_changed_has_an_empty_group_or_none() {
    for groups in ["", "{}", "{},{}", r#"{"startPosition":1,"maxResults":0}"#, r#"{"Customer":[]}"#] {
        let changes = read(&answer(groups)).unwrap();

        assert_eq!(
            (changes.records.len(), changes.deleted.len(), changes.complete.len()),
            (0, 0, 2),
            "{groups}"
        );
    }
}

#[test]
fn what_else_an_answer_holds_is_passed_over() {
    let body = answer(&format!(
        r#"{{"Estimate":[{{"Id":1}}],"maxResults":"x","fault":null}},{{"Invoice":[{}],"new":{{"Invoice":7}}}}"#,
        object(1)
    ));
    let body = body.replacen('{', r#"{"CDCresponse":7,"warnings":null,"#, 1);

    assert_eq!(told(&read(&body).unwrap()).0, ["1"]);
}

#[test]
fn an_object_that_cannot_be_read_is_counted_and_the_rest_stays() {
    for bad in
        ["{}", "null", "7", r#"{"Id":"5"}"#, r#"{"status":"Deleted"}"#, r#"{"status":"Deleted","Id":"a#b"}"#]
    {
        let changes = read(&answer(&format!(r#"{{"Invoice":[{bad},{}]}}"#, object(1)))).unwrap();

        assert_eq!((changes.unreadable, changes.records.len()), (1, 1), "{bad}");
    }
}

#[test]
fn a_thousand_objects_of_all_kinds_together_may_not_be_all() {
    let of = |customers: u64, invoices: u64| {
        let list = |count| (0..count).map(object).collect::<Vec<_>>().join(",");
        let groups = format!(r#"{{"Customer":[{}]}},{{"Invoice":[{}]}}"#, list(customers), list(invoices));
        read(&answer(&groups)).unwrap()
    };

    let (all, cut) = (of(500, 499), of(500, 500));

    assert_eq!((all.records.len(), all.complete.len()), (999, 2));
    assert_eq!((cut.records.len(), cut.complete.len()), (1_000, 0));
}

#[test]
fn a_fault_within_a_success_is_an_error_wherever_it_stands() {
    let fault =
        |code: u32| format!(r#""Fault":{{"Error":[{{"Message":"hush","code":"{code}"}}],"type":"SERVICE"}}"#);
    for place in [
        |fault: &str| format!("{{{fault}}}"),
        |fault: &str| format!(r#"{{"CDCResponse":[{{{fault}}}]}}"#),
        |fault: &str| answer(&format!(r#"{{"Invoice":[]}},{{{fault}}}"#)),
    ] {
        let throttled = read(&place(&fault(3001))).unwrap_err();
        let dead = read(&place(&fault(3200))).unwrap_err();
        let failed = read(&place(&fault(10000))).unwrap_err();

        assert!(matches!(throttled, LedgerError::Throttled { .. }), "{throttled:?}");
        assert!(matches!(dead, LedgerError::Unauthorized), "{dead:?}");
        assert!(matches!(failed, LedgerError::Unavailable(_)), "{failed:?}");
        assert!(!format!("{failed:?}").contains("hush"));
    }
}

#[test]
fn what_tells_nothing_of_changes_is_never_taken_for_no_changes() {
    let cut = answer(&format!(r#"{{"Invoice":[{}"#, object(1)));
    for body in [
        "",
        "{}",
        "[]",
        "null",
        "stream timeout",
        r#"{"CDCResponse":[]}"#,
        r#"{"CDCResponse":[{}]}"#,
        r#"{"CDCResponse":null}"#,
        r#"{"CDCResponse":[{"QueryResponse":null}]}"#,
        r#"{"CDCResponse":[{"QueryResponse":{}}]}"#,
        r#"{"CDCResponse":[{"QueryResponse":[7]}]}"#,
        r#"{"CDCResponse":[{"QueryResponse":[{"Invoice":{}}]}]}"#,
        r#"{"QueryResponse":{}}"#,
        &format!("{} trailing", answer("{}")),
        &cut,
    ] {
        let read = read(body);

        assert!(matches!(read, Err(LedgerError::Unavailable(_))), "{body:.60} {read:?}");
    }
}

proptest! {
    #[test]
    fn no_body_makes_the_parser_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(changes(&body, &kinds()).is_err());
    }

    #[test]
    fn no_damage_to_an_answer_makes_the_parser_panic(at in 0_usize..200, byte in any::<u8>(), length in 0_usize..40) {
        let mut body = answer(&format!(r#"{{"Customer":[{}]}},{{"Invoice":[{{"status":"Deleted","Id":"1"}}]}}"#, object(1))).into_bytes();
        let start = at.min(body.len());
        let end = (start + length).min(body.len());
        body.splice(start..end, [byte]);
        if let Ok(changes) = changes(&body, &kinds()) {
            prop_assert!(changes.records.len() + changes.deleted.len() <= 3);
        }
    }
}
