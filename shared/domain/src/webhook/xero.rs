//! Xero's payload: thin events of every organization that our app is connected to.
//!
//! An event names its object and says nothing about it; the address it gives for that is never asked.

use serde_json::value::RawValue;

use super::{
    WebhookEvent,
    reading::{Members, Parsed, Unread, entity, instant, key, operation},
};

/// The one kind of Xero tenant that has books; an event of an `APPLICATION` is about our subscription at Xero.
const ORGANIZATION: &str = "ORGANISATION";

/// What a body says. An empty list, by which Xero tries whether we verify signatures, says nothing.
pub(super) fn parse(body: &[u8]) -> Result<Parsed, Unread> {
    let mut parsed = Parsed::default();
    for element in Members::read(body)?.elements("events")? {
        parsed.add(event(element).map(Some));
    }
    Ok(parsed)
}

fn event(element: &RawValue) -> Option<WebhookEvent> {
    let element = Members::of(element)?;
    let is_organization =
        element.text("tenanttype").is_none_or(|kind| kind.eq_ignore_ascii_case(ORGANIZATION));
    if !is_organization {
        return None;
    }
    // Ids are GUIDs, in which letters have no case.
    let [tenant, id] = ["tenantid", "resourceid"].map(|name| Some(element.text(name)?.to_ascii_lowercase()));
    let (tenant, id) = (tenant?, id?);
    let (word, what) = (entity(&element.text("eventcategory")?)?, element.text("eventtype")?);
    let time = element.text("eventdateutc").unwrap_or_default();
    Some(WebhookEvent {
        // There is no event id: the same change of the same object at the same time is the same event.
        key: key(&[&tenant, &word, &id, &what.to_ascii_lowercase(), &time].map(String::as_bytes)),
        provider_company_id: tenant.parse().ok()?,
        connection_id: None,
        entity: word,
        id: id.parse().ok()?,
        operation: operation(&what)?,
        occurred_at: instant(&time),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::webhook::Operation;

    /// The event that Xero's specification shows, with what is to be replaced in it.
    fn one(replaced: &[(&str, &str)]) -> String {
        let example = r#"{"resourceUrl":"https://api.xero.com/api.xro/2.0/Invoices/44aa0707-f718-4f1c-8d53-f2da9ca59533","resourceId":"44aa0707-f718-4f1c-8d53-f2da9ca59533","eventDateUtc":"2024-06-21T01:15:39.902","eventType":"UPDATE","eventCategory":"INVOICE","tenantId":"e629a03c-7ffe-4913-bc94-ff2fdb7f2b2c","tenantType":"ORGANISATION"}"#;
        replaced.iter().fold(example.to_owned(), |text, (from, to)| text.replace(from, to))
    }

    fn body(events: &[String]) -> Vec<u8> {
        let events = events.join(",");
        format!(r#"{{"events":[{events}],"firstEventSequence":1,"lastEventSequence":1,"entropy":"S0m3r4Nd0mt3xt"}}"#)
            .into_bytes()
    }

    fn read(event: String) -> Option<WebhookEvent> {
        parse(&body(&[event])).unwrap().events.pop()
    }

    #[test]
    fn xeros_example_is_read_whole() {
        insta::assert_json_snapshot!(read(one(&[])), { ".key" => "[key]" }, @r#"
        {
          "key": "[key]",
          "providerCompanyId": "e629a03c-7ffe-4913-bc94-ff2fdb7f2b2c",
          "entity": "invoice",
          "id": "44aa0707-f718-4f1c-8d53-f2da9ca59533",
          "operation": "updated",
          "occurredAt": "2024-06-21T01:15:39.902Z"
        }
        "#);
    }

    #[test]
    fn letters_have_no_case_and_an_event_is_the_same_in_either() {
        let quiet = one(&[("UPDATE", "Update"), ("INVOICE", "Invoice"), ("44aa0707", "44AA0707")]);

        assert_eq!(read(quiet), read(one(&[])));
    }

    #[test]
    fn a_kind_that_xero_adds_one_day_is_an_event_of_that_kind() {
        let added = one(&[("\"INVOICE\"", "\"CREDITNOTE\""), ("UPDATE", "CREATE")])
            .replace("\"tenantId\"", r#""data":{"Type":"ACCPAYCREDIT","Status":"DRAFT"},"tenantId""#);

        let event = read(added).unwrap();

        assert_eq!((event.entity.as_str(), event.operation), ("creditnote", Operation::Created));
    }

    #[test]
    fn what_is_about_no_company_or_not_understood_is_counted() {
        let events = [
            one(&[("ORGANISATION", "APPLICATION"), ("\"INVOICE\"", "\"SUBSCRIPTION\"")]),
            one(&[("UPDATE", "PETTED")]),
            one(&[("\"tenantId\"", "\"otherId\"")]),
            one(&[("e629a03c-", "e629a03c/")]),
            "null".to_owned(),
            one(&[]),
        ];

        let Parsed { events, unknown } = parse(&body(&events)).unwrap();

        assert_eq!((events.len(), unknown), (1, 5));
    }

    #[test]
    fn whatever_an_event_says_differently_makes_it_another_event() {
        for (said, other) in [
            ("44aa0707", "44aa0708"),
            ("UPDATE", "CREATE"),
            ("INVOICE", "CONTACT"),
            ("e629a", "e629b"),
            ("39.902", "39.903"),
        ] {
            assert_ne!(read(one(&[(said, other)])).unwrap().key, read(one(&[])).unwrap().key, "{said}");
        }
    }

    #[test]
    fn an_intent_to_receive_says_nothing_and_what_is_no_delivery_is_not_read() {
        let Parsed { events, unknown } = parse(&body(&[])).unwrap();
        assert_eq!((events.len(), unknown), (0, 0));

        for body in ["", "[]", "{}", r#"{"events":null}"#, r#"{"events":[],"events":[]}"#] {
            assert!(parse(body.as_bytes()).is_err(), "{body}");
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_the_parser_panic(body in any::<Vec<u8>>()) {
            prop_assert!(parse(&body).map_or(0, |parsed| parsed.events.len()) <= body.len());
        }
    }
}
