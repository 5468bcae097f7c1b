//! What a row meets: nothing yet, a connection that it may be stored over, or one that stays as it is.

use super::{report::Problem, row::Row};
use crate::{
    connection::{Company, Connection, ConnectionKey, ConnectionState, ConnectionStore},
    error::ErrorCode,
    id::ConnectionId,
    store::StoreError,
};

/// What a row meets.
pub(super) enum Stand {
    /// Nothing of its tenant.
    New {
        /// Whether other tenants have its company.
        elsewhere: bool,
    },
    /// A connection that it may be stored over, with the companies that stay with it.
    Over(Box<Connection>, Vec<Company>),
    /// One that stays as it is.
    Stays(ConnectionId, &'static str),
}

/// What is wanted of the look at what a row meets.
pub(super) struct Look<'a> {
    pub(super) row: &'a Row,
    /// The fingerprint of the row's refresh token.
    pub(super) fingerprint: &'a str,
    /// The tenant's connection that has this refresh token, where one was seen.
    pub(super) has_grant: Option<&'a ConnectionKey>,
    /// Whether a row goes over what is newer.
    pub(super) force: bool,
}

impl Look<'_> {
    /// Reads what is there now.
    pub(super) async fn at(&self, connections: &dyn ConnectionStore) -> Result<Stand, LookError> {
        let row = self.row;
        let routes = connections.find_routes(row.provider, &row.company).await?;
        let (own, others): (Vec<_>, Vec<_>) =
            routes.into_iter().partition(|route| route.key.tenant == row.tenant);
        let mut met = None;
        if let Some(route) = own.into_iter().next()
            && let Some(found) = connections.find(&route.key).await?
        {
            if let Some(why) = self.stays(&found, route.released) {
                return Ok(Stand::Stays(found.key.connection, why));
            }
            met = Some(found);
        }
        if let Some(key) = self.has_grant
            && met.as_ref().is_none_or(|met| met.key != *key)
        {
            met = connections.find(key).await?.filter(|found| self.has_its_token(found));
            if met.is_none() {
                return Err(LookError::Row(renewed_meanwhile()));
            }
        }
        let Some(met) = met else {
            return Ok(Stand::New { elsewhere: others.iter().any(|route| !route.released) });
        };
        // What an ended connection gave up it does not get back by the way.
        let keeps = !met.state.is_ended();
        let companies = if keeps { connections.list_companies(&met.key).await? } else { vec![] };
        Ok(Stand::Over(Box::new(met), companies))
    }

    /// Why a connection of the row's company stays as it is, if it does.
    fn stays(&self, found: &Connection, released: bool) -> Option<&'static str> {
        if !released && self.has_its_token(found) {
            return Some("this row was imported before");
        }
        if self.force {
            return None;
        }
        let issued_at = found.tokens.as_ref().map(|tokens| tokens.issued_at);
        match found.state {
            _ if released => Some("the company was disconnected here; force imports it all the same"),
            ConnectionState::Disconnecting | ConnectionState::Disconnected => {
                Some("the connection was ended here; force imports it all the same")
            }
            ConnectionState::Pending | ConnectionState::Active if self.row.changed_at <= issued_at => {
                Some("the connection here is newer; force puts the row in its place")
            }
            // A dead grant is worth no protection.
            ConnectionState::Pending | ConnectionState::Active | ConnectionState::ReconnectRequired => None,
        }
    }

    fn has_its_token(&self, found: &Connection) -> bool {
        found.tokens.as_ref().is_some_and(|tokens| tokens.refresh_fingerprint == self.fingerprint)
    }
}

/// Why it is not known what a row meets.
pub(super) enum LookError {
    Row(Problem),
    Store(StoreError),
}

impl From<StoreError> for LookError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The refresh token went to a connection, and was spent there since: stored a second time, it would end that one.
fn renewed_meanwhile() -> Problem {
    let message =
        "the connection that has this grant was refreshed meanwhile: have the customer connect this company";
    Problem::new(ErrorCode::ChangedMeanwhile, message)
}
