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
    let party = match admit(&world, &headers) {
        Ok(party) => party,
        Err(problem) => return problem.into_answer(&world),
    };
    let parameters = form(query.unwrap_or_default().as_bytes());
    let wanted = parameters.get("authEventId");
    let connections = world.xero.connections.lock();
    let organizations = world.xero.organizations.lock();
    let shown: Vec<Value> = connections
        .0
        .iter()
        .filter(|known| known.party == party)
        .filter(|known| wanted.is_none_or(|wanted| known.auth_event_id == *wanted))
        .map(|known| {
            json!({
                "id": known.id,
                "authEventId": known.auth_event_id,
                "tenantId": known.tenant_id,
                "tenantType": "ORGANISATION",
                "tenantName": organizations.find(&known.tenant_id).map(|found| found.name.as_str()),
                "createdDateUtc": time::seven_digits(known.created_at),
                "updatedDateUtc": time::seven_digits(known.updated_at),
            })
        })
        .collect();
    json_answer(StatusCode::OK, &Value::Array(shown))
}

/// Serves `DELETE /connections/{id}`.
pub(crate) async fn remove(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    match admit(&world, &headers) {
        Err(problem) => problem.into_answer(&world),
        Ok(party) if world.xero.connections.lock().remove(&party, &id) => {
            StatusCode::NO_CONTENT.into_response()
        }
        Ok(_) => Problem::NotFound.into_answer(&world),
    }
}

fn admit(world: &World, headers: &HeaderMap) -> Result<Party, Problem> {
    let token = bearer(headers).unwrap_or_default();
    let (party, _) = world.xero.grants.lock().bearer(token, world.clock.now()).map_err(Problem::from)?;
    Ok(party)
}
