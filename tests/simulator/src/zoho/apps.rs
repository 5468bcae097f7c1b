//! Registered clients: their secrets per data center, and where users may be sent back to.

use super::{locations::Location, options::ZohoAppOptions};
use crate::kept::put;

/// The registered clients.
#[derive(Clone, Debug)]
pub(crate) struct Apps(Vec<ZohoAppOptions>);

/// Why a client is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ClientRefusal {
    /// Nobody knows it, or it is not enabled in the data center.
    Unknown,
    /// The secret is wrong, perhaps because it is another data center's.
    WrongSecret,
}

impl Apps {
    pub(crate) fn new(first: ZohoAppOptions) -> Self {
        Self(vec![first])
    }

    /// Registers a client, replacing the one with the same client id.
    pub(crate) fn put(&mut self, app: ZohoAppOptions) {
        put(&mut self.0, app, |app| &app.client_id);
    }

    pub(crate) fn list(&self) -> &[ZohoAppOptions] {
        &self.0
    }

    /// Finds a client that is enabled in a data center.
    pub(crate) fn find(&self, client_id: &str, location: Location) -> Option<&ZohoAppOptions> {
        let enabled = |app: &&ZohoAppOptions| app.locations.is_empty() || app.locations.contains(&location);
        self.0.iter().find(|app| app.client_id == client_id).filter(enabled)
    }

    /// Checks a client's secret at a data center.
    pub(crate) fn authenticate(
        &self,
        (client_id, client_secret): (&str, &str),
        location: Location,
    ) -> Result<(), ClientRefusal> {
        let app = self.find(client_id, location).ok_or(ClientRefusal::Unknown)?;
        let secret = app.location_secrets.get(&location).unwrap_or(&app.client_secret);
        if secret == client_secret { Ok(()) } else { Err(ClientRefusal::WrongSecret) }
    }
}
