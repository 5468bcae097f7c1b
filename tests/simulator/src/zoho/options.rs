//! How the Zoho side is started: its app, its users and their organizations.

use serde::{Deserialize, Serialize};

use super::locations::Location;
use crate::options::{ConsentMode, Options};

/// Settings of the Zoho side.
#[derive(Clone, Debug)]
pub struct ZohoOptions {
    /// The app that is registered at the start.
    pub app: ZohoAppOptions,
    /// What the authorize addresses do.
    pub consent: ConsentMode,
    /// The organizations that exist at the start.
    pub organizations: Vec<ZohoOrganizationOptions>,
    /// The users that exist at the start.
    pub users: Vec<ZohoUserOptions>,
}

/// One registered client of the API console.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ZohoAppOptions {
    /// OAuth client id, the same in every data center.
    pub client_id: String,
    /// OAuth client secret of every data center without one of its own.
    pub client_secret: String,
    /// Secrets of single data centers.
    #[serde(default)]
    pub location_secrets: std::collections::BTreeMap<Location, String>,
    /// The data centers in which the client is enabled. Empty: all of them.
    #[serde(default)]
    pub locations: Vec<Location>,
    /// Registered callback addresses, compared exactly. Empty: every http(s) address is accepted.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
}

/// One user, whose account is in one data center.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ZohoUserOptions {
    /// The name by which settings and grants call the user.
    pub user_id: String,
    /// The data center of the account.
    pub location: Location,
    /// Ids of the organizations that the user sees; the first one is the default organization.
    #[serde(default)]
    pub organizations: Vec<String>,
}

/// One organization to make.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ZohoOrganizationOptions {
    /// The organization's id, 6 to 19 digits; made up when absent.
    #[serde(default)]
    pub organization_id: Option<String>,
    /// The data center of the organization.
    pub location: Location,
    /// The organization's name.
    #[serde(default = "default_name")]
    pub name: String,
    /// How many contacts to make.
    #[serde(default)]
    pub contacts: usize,
    /// How many invoices to make.
    #[serde(default)]
    pub invoices: usize,
}

impl ZohoOptions {
    /// Returns the defaults: one app, a user with two organizations in us, another one with one in eu.
    pub(crate) fn local() -> Self {
        let user = |user_id: &str, location, organizations: &[&str]| ZohoUserOptions {
            user_id: user_id.to_owned(),
            location,
            organizations: organizations.iter().map(|&id| id.to_owned()).collect(),
        };
        let organization = |id: &str, location, name: &str, (contacts, invoices)| ZohoOrganizationOptions {
            organization_id: Some(id.to_owned()),
            location,
            name: name.to_owned(),
            contacts,
            invoices,
        };
        let (first, second, third) = (
            Options::ZOHO_US_ORGANIZATION_ID,
            Options::ZOHO_SECOND_US_ORGANIZATION_ID,
            Options::ZOHO_EU_ORGANIZATION_ID,
        );
        Self {
            app: ZohoAppOptions {
                client_id: Options::ZOHO_CLIENT_ID.to_owned(),
                client_secret: Options::ZOHO_CLIENT_SECRET.to_owned(),
                location_secrets: std::collections::BTreeMap::new(),
                locations: Vec::new(),
                redirect_uris: Vec::new(),
            },
            consent: ConsentMode::default(),
            organizations: vec![
                organization(first, Location::Us, "Zylker US", (25, 120)),
                organization(second, Location::Us, "Zylker Subsidiary US", (3, 5)),
                organization(third, Location::Eu, "Zylker EU", (10, 20)),
            ],
            users: vec![user("us", Location::Us, &[first, second]), user("eu", Location::Eu, &[third])],
        }
    }
}

impl Options {
    /// Client id of the Zoho app that exists by default.
    pub const ZOHO_CLIENT_ID: &str = "1000.SIMULATORZOHOCLIENTID0000000001";
    /// Client secret of the Zoho app that exists by default, in every data center.
    pub const ZOHO_CLIENT_SECRET: &str = "simulatorzohoclientsecret0000000000001";
    /// Key of webhook signatures, unless the webhook has its own.
    pub const ZOHO_WEBHOOK_SECRET: &str = "zohotestsecret12";
    /// The default organization of the user `us`.
    pub const ZOHO_US_ORGANIZATION_ID: &str = "880000101";
    /// The other organization of the user `us`.
    pub const ZOHO_SECOND_US_ORGANIZATION_ID: &str = "880000102";
    /// The organization of the user `eu`.
    pub const ZOHO_EU_ORGANIZATION_ID: &str = "20080000201";
}

fn default_name() -> String {
    "Zylker".to_owned()
}
