//! Users: each has an account in one data center and sees some organizations.

use super::{locations::Location, options::ZohoUserOptions, settings::Settings};
use crate::kept::put;

/// All users, oldest first.
#[derive(Clone, Debug)]
pub(crate) struct Users(Vec<ZohoUserOptions>);

impl Users {
    pub(crate) fn new(users: Vec<ZohoUserOptions>) -> Self {
        Self(users)
    }

    /// Adds a user, or replaces the one of that name.
    pub(crate) fn put(&mut self, user: ZohoUserOptions) {
        put(&mut self.0, user, |user| &user.user_id);
    }

    pub(crate) fn list(&self) -> &[ZohoUserOptions] {
        &self.0
    }

    pub(crate) fn find(&self, user_id: &str) -> Option<&ZohoUserOptions> {
        self.0.iter().find(|user| user.user_id == user_id)
    }

    /// Returns the users who can sign in at an accounts server.
    pub(crate) fn reached_from(&self, accounts: Location) -> impl Iterator<Item = &ZohoUserOptions> {
        self.0.iter().filter(move |user| accounts.reaches(user.location))
    }

    /// Returns the user that automatic approval at an accounts server chooses.
    pub(crate) fn consenting(&self, accounts: Location, settings: &Settings) -> Option<&ZohoUserOptions> {
        if let Some(user_id) = &settings.consent_user_id {
            return self.reached_from(accounts).find(|user| user.user_id == *user_id);
        }
        if let Some(location) = settings.consent_location {
            return self.reached_from(accounts).find(|user| user.location == location);
        }
        let at_home = self.0.iter().find(|user| user.location == accounts);
        at_home.or_else(|| self.reached_from(accounts).next())
    }

    /// Removes an organization from everyone's sight.
    pub(crate) fn forget_organization(&mut self, organization_id: &str) {
        for user in &mut self.0 {
            user.organizations.retain(|id| id != organization_id);
        }
    }
}
