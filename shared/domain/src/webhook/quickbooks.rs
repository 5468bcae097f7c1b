//! Intuit's CloudEvents payload: an array whose elements may span several companies.

use jiff::Timestamp;
use serde::Deserialize;

use super::{Operation, WebhookEvent};

/// One element, with the attributes that are used; others are tolerated.
#[derive(Deserialize)]
struct CloudEvent {
    id: String,
    source: String,
    r#type: String,
    #[serde(default)]
    time: Option<String>,
    intuitentityid: String,
    intuitaccountid: String,
}

/// The events of a body, and how many elements were not understood.
pub(super) fn parse(body: &[u8]) -> Result<(Vec<WebhookEvent>, usize), serde_json::Error> {
    let elements: Vec<CloudEvent> = serde_json::from_slice(body)?;
    let count = elements.len();
    let events: Vec<_> = elements.iter().filter_map(event).collect();
    let unknown = count - events.len();
    Ok((events, unknown))
}

fn event(element: &CloudEvent) -> Option<WebhookEvent> {
    let (entity, operation) = element.r#type.strip_prefix("qbo.")?.strip_suffix(".v1")?.split_once('.')?;
    let operation = match operation {
        "created" => Operation::Created,
        "updated" | "emailed" | "void" | "voided" => Operation::Updated,
        "deleted" => Operation::Deleted,
        "merged" => Operation::Merged,
        _ => return None,
    };
    Some(WebhookEvent {
        // CloudEvents are unique by source and id; both are checked for length so that a key is bounded.
        key: bounded(&element.source, &element.id)?,
        provider_company_id: element.intuitaccountid.parse().ok()?,
        entity: entity.to_owned(),
        id: element.intuitentityid.parse().ok()?,
        operation,
        occurred_at: element.time.as_deref().and_then(|time| time.parse::<Timestamp>().ok()),
    })
}

fn bounded(source: &str, id: &str) -> Option<String> {
    const MAX: usize = 256;
    let fits = |text: &str| !text.is_empty() && text.len() <= MAX;
    (fits(source) && fits(id)).then(|| format!("{source}#{id}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(kind: &str) -> String {
        format!(
            r#"[{{"specversion":"1.0","id":"e1","source":"intuit.x","type":"{kind}","time":"2025-09-10T21:31:25.179851517Z","intuitentityid":"1234","intuitaccountid":"310687","data":{{}}}}]"#
        )
    }

    #[test]
    fn intuits_example_is_read_whole() {
        let (events, unknown) = parse(one("qbo.account.created.v1").as_bytes()).unwrap();

        assert_eq!(unknown, 0);
        insta::assert_json_snapshot!(events, @r#"
        [
          {
            "key": "intuit.x#e1",
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
    fn void_and_its_other_spelling_and_emailed_are_updates() {
        for operation in ["void", "voided", "emailed", "updated"] {
            let (events, _) = parse(one(&format!("qbo.invoice.{operation}.v1")).as_bytes()).unwrap();
            assert_eq!(events[0].operation, Operation::Updated, "{operation}");
        }
    }

    #[test]
    fn an_unknown_type_is_counted_and_does_not_spoil_the_rest() {
        let known = one("qbo.invoice.updated.v1");
        let unknown = one("qbo.invoice.petted.v1");
        let both = format!("{},{}", known.trim_end_matches(']'), unknown.trim_start_matches('['));

        let (events, unknown) = parse(both.as_bytes()).unwrap();

        assert_eq!((events.len(), unknown), (1, 1));
    }

    proptest! {
        #[test]
        fn no_body_makes_the_parser_panic(body in any::<Vec<u8>>()) {
            if let Ok((events, _)) = parse(&body) {
                prop_assert!(events.len() <= body.len());
            }
        }
    }
}
