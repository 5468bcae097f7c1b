//! The organizations that a person chose at Xero's consent page.

use std::time::Duration;

use async_trait::async_trait;
use domain::{
    authorization::{Companies, CompanyError, GrantedCompanies, NewGrant},
    connection::{Company, MAX_COMPANIES},
    id::{CompanyId, ProviderCompanyId},
    provider::Provider,
};
use reqwest::Client;
use url::Url;

use super::{
    TRACE_HEADER,
    claims::{self, Event},
    connections::{Connection, Connections},
};
use crate::{company, oauth::NotAsPromised};

/// How long the list may take: a person waits for the page, and the API gateway gives up after 29 seconds of which the
/// exchange of the code took its part.
const LIST_TIMEOUT: Duration = Duration::from_secs(8);

/// Xero's organizations over HTTP.
pub struct XeroCompanies {
    connections: Connections,
}

impl XeroCompanies {
    /// Asks at `connections_url` over the bounded client.
    #[must_use]
    pub fn new(http: Client, connections_url: Url) -> Self {
        Self { connections: Connections::new(http, connections_url) }
    }
}

#[async_trait]
impl Companies for XeroCompanies {
    async fn granted(&self, grant: NewGrant<'_>) -> Result<GrantedCompanies, CompanyError> {
        let answer = self.connections.list(grant.access, LIST_TIMEOUT).await;
        let answer = answer.map_err(|lost| CompanyError::Unavailable(lost.into()))?;
        if !answer.status.is_success() {
            return Err(CompanyError::Unavailable(answer.unexpected(Some(&TRACE_HEADER)).into()));
        }
        let list: Vec<Connection> = answer.json().map_err(|why| CompanyError::Unavailable(why.into()))?;
        chosen(&list, &claims::event(grant.access))
    }
}

/// Those that this authorization made, among all that the person ever connected.
fn chosen(list: &[Connection], event: &Event) -> Result<GrantedCompanies, CompanyError> {
    let mut granted = GrantedCompanies::default();
    for connection in list.iter().filter(|connection| connection.is_organization()) {
        let id: ProviderCompanyId =
            connection.tenant_id.parse().map_err(|_| CompanyError::Unavailable(NotAsPromised.into()))?;
        if granted.reachable.contains(&id) {
            continue;
        }
        let made_it = connection.auth_event_id.as_deref();
        let is_chosen = match event {
            Event::Id(event) => made_it.is_some_and(|made_it| made_it.eq_ignore_ascii_case(event)),
            Event::Unreadable => false,
            Event::Unsaid => true,
        };
        if is_chosen {
            granted.chosen.push(named(&id, connection.tenant_name.as_deref()));
        }
        granted.reachable.push(id);
    }
    match granted.chosen.len() {
        0 => Err(CompanyError::NoCompany),
        found if found > MAX_COMPANIES => Err(CompanyError::TooMany { found }),
        _ => Ok(granted),
    }
}

fn named(id: &ProviderCompanyId, name: Option<&str>) -> Company {
    let name = company::name(name).unwrap_or_else(|| format!("Organization {id}"));
    Company { id: CompanyId::of(Provider::Xero, id), provider_id: id.clone(), name }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn granted(list: &Value, event: &Event) -> Result<GrantedCompanies, CompanyError> {
        let list: Vec<Connection> = serde_json::from_value(list.clone()).unwrap();
        chosen(&list, event)
    }

    fn event() -> Event {
        Event::Id("29398389-1728-4766-8f2a-dc6b6e966f9f".to_owned())
    }

    fn connection(tenant: &str, event: &str, name: &Value) -> Value {
        json!({ "id": "c", "authEventId": event, "tenantId": tenant, "tenantType": "ORGANISATION", "tenantName": name,
            "createdDateUtc": "2026-04-20T11:47:10.3365440" })
    }

    #[test]
    fn only_what_this_authorization_connected_is_chosen() {
        let list = json!([
            connection("t-old", "00000000-0000-0000-0000-000000000000", &json!("Old")),
            connection("t-new", "29398389-1728-4766-8F2A-DC6B6E966F9F", &json!("Demo Company (Global)")),
        ]);

        let granted = granted(&list, &event()).unwrap();

        assert_eq!(granted.chosen.len(), 1);
        assert_eq!(granted.chosen[0].name, "Demo Company (Global)");
        assert_eq!(granted.chosen[0].id.as_str(), "xero_t-new");
        assert_eq!(
            granted.reachable.iter().map(ProviderCompanyId::as_str).collect::<Vec<_>>(),
            ["t-old", "t-new"]
        );
    }

    #[test]
    fn a_token_that_names_no_authorization_chose_all() {
        let list = json!([{ "tenantId": "a" }, connection("b", "x", &json!("B")), { "tenantId": "a" }]);

        let granted = granted(&list, &Event::Unsaid).unwrap();

        let names: Vec<_> = granted.chosen.iter().map(|company| company.name.as_str()).collect();
        assert_eq!(names, ["Organization a", "B"]);
    }

    #[test]
    fn what_is_no_organization_is_left_out() {
        let list = json!([
            { "tenantId": "p#", "tenantType": "PRACTICE" },
            { "tenantId": "o", "tenantType": "organisation", "tenantName": null },
        ]);

        assert_eq!(granted(&list, &Event::Unsaid).unwrap().chosen[0].name, "Organization o");
    }

    #[test]
    fn the_first_of_a_list_is_never_taken_for_want_of_a_chosen_one() {
        let one = json!([connection("t", "another", &json!("T"))]);
        for (list, event) in [(json!([]), Event::Unsaid), (one.clone(), event()), (one, Event::Unreadable)] {
            let granted = granted(&list, &event);

            assert!(matches!(granted, Err(CompanyError::NoCompany)), "{granted:?}");
        }
    }

    #[test]
    fn more_than_a_connection_can_have_is_refused_whole() {
        let list = |count| (0..count).map(|id| json!({ "tenantId": format!("t{id}") })).collect::<Value>();

        assert_eq!(granted(&list(MAX_COMPANIES), &Event::Unsaid).unwrap().chosen.len(), MAX_COMPANIES);
        let granted = granted(&list(40), &Event::Unsaid);
        assert!(matches!(granted, Err(CompanyError::TooMany { found: 40 })), "{granted:?}");
    }

    #[test]
    fn an_id_that_cannot_be_a_key_confirms_nothing() {
        for id in ["", "a#b", "../x", &"a".repeat(49)] {
            let granted = granted(&json!([{ "tenantId": id }]), &Event::Unsaid);

            assert!(matches!(granted, Err(CompanyError::Unavailable(_))), "{id}: {granted:?}");
        }
    }
}
