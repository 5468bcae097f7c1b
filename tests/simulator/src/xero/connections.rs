//! Which organizations a user has connected to an app.

use std::sync::Arc;

use axum::{
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    answers::{Problem, json_answer},
    api::{show_remaining, with_correlation},
    books::Organization,
    grants::Party,
    time,
};
use crate::{
    chance::Chance,
    oauth::{bearer, form},
    world::World,
};

/// All connections of all users and apps, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Connections(Vec<Connection>);

/// One organization that one user has connected to one app.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) id: String,
    pub(crate) auth_event_id: String,
    pub(crate) party: Party,
    pub(crate) tenant_id: String,
    pub(crate) created_at: Timestamp,
    updated_at: Timestamp,
}

impl Connection {
    fn shown(&self, organization: Option<&Organization>) -> Value {
        json!({
            "id": self.id,
            "authEventId": self.auth_event_id,
            "tenantId": self.tenant_id,
            "tenantType": "ORGANISATION",
            "tenantName": organization.map(|organization| organization.name.as_str()),
            "createdDateUtc": time::seven_digits(self.created_at),
            "updatedDateUtc": time::seven_digits(self.updated_at),
        })
    }
}

impl Connections {
    /// Connects an organization, once more if it was connected before: then only its first time stays.
    pub(crate) fn connect(
        &mut self,
        party: &Party,
        (tenant_id, auth_event_id): (&str, &str),
        chance: &Chance,
        now: Timestamp,
    ) {
        let before = self.0.iter().position(|known| known.party == *party && known.tenant_id == tenant_id);
        let created_at = before.map_or(now, |at| self.0.remove(at).created_at);
        self.0.push(Connection {
            id: chance.uuid().to_string(),
            auth_event_id: auth_event_id.to_owned(),
            party: party.clone(),
            tenant_id: tenant_id.to_owned(),
            created_at,
            updated_at: now,
        });
    }

    pub(crate) fn all(&self) -> &[Connection] {
        &self.0
    }

    /// Finds the connection by which a user's app reaches an organization.
    pub(crate) fn find(&self, party: &Party, tenant_id: &str) -> Option<&Connection> {
        self.0.iter().find(|known| known.party == *party && known.tenant_id == tenant_id)
    }

    /// Tells whether a user has connected anything to an app.
    pub(crate) fn has_any(&self, party: &Party) -> bool {
        self.0.iter().any(|known| known.party == *party)
    }

    /// Removes one connection of a user's app by its id; false if there is none.
    pub(crate) fn remove(&mut self, party: &Party, id: &str) -> bool {
        self.remove_where(|known| known.party == *party && known.id == id) > 0
    }

    /// Removes every connection of a user's app.
    pub(crate) fn remove_all_of(&mut self, party: &Party) -> usize {
        self.remove_where(|known| known.party == *party)
    }

    /// Removes an organization from every user and app; returns how many connections ended.
    pub(crate) fn remove_tenant(&mut self, tenant_id: &str) -> usize {
        self.remove_where(|known| known.tenant_id == tenant_id)
    }

    fn remove_where(&mut self, goes: impl Fn(&Connection) -> bool) -> usize {
        let before = self.0.len();
        self.0.retain(|known| !goes(known));
        before - self.0.len()
    }
}

/// Serves `GET /connections`.
pub(crate) async fn list(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let parameters = form(query.unwrap_or_default().as_bytes());
    let wanted = parameters.get("authEventId");
    answer(&world, &headers, |party| {
        let connections = world.xero.connections.lock();
        let organizations = world.xero.organizations.lock();
        let shown: Vec<Value> = connections
            .0
            .iter()
            .filter(|known| known.party == *party)
            .filter(|known| wanted.is_none_or(|wanted| known.auth_event_id == *wanted))
            .map(|known| known.shown(organizations.find(&known.tenant_id)))
            .collect();
        Ok(json_answer(StatusCode::OK, &Value::Array(shown)))
    })
}

/// Serves `DELETE /connections/{id}`.
pub(crate) async fn remove(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    answer(&world, &headers, |party| {
        if world.xero.connections.lock().remove(party, &id) {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        Err(Problem::NotFound)
    })
}

/// Answers a request that names no organization: only the limit of the app holds for it.
fn answer(
    world: &World,
    headers: &HeaderMap,
    serve: impl FnOnce(&Party) -> Result<Response, Problem>,
) -> Response {
    let now = world.clock.now();
    let known = world.xero.grants.lock().bearer(bearer(headers).unwrap_or_default(), now);
    let party = match known {
        Ok((party, _)) => party,
        Err(refusal) => return with_correlation(world, Problem::from(refusal).into_answer(world, true)),
    };
    let settings = world.xero.settings.lock().clone();
    let (left, admission) = world.xero.limits.lock().admit((&party.client_id, None), 0, &settings, now);
    let outcome = admission.and_then(|()| serve(&party));
    let mut answer = outcome.unwrap_or_else(|problem| problem.into_answer(world, true));
    show_remaining(&mut answer, left);
    with_correlation(world, answer)
}
