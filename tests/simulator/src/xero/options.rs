//! How the Xero side is started.

use serde::{Deserialize, Serialize};

use crate::options::{AppOptions, ConsentMode, Options};

/// Settings of the Xero side.
#[derive(Clone, Debug)]
pub struct XeroOptions {
    /// The app that is registered at the start.
    pub app: AppOptions,
    /// What the authorize address does.
    pub consent: ConsentMode,
    /// The organizations that exist at the start.
    pub organizations: Vec<XeroOrganizationOptions>,
    /// The users that exist at the start.
    pub users: Vec<XeroUserOptions>,
}

/// One organization to make.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct XeroOrganizationOptions {
    /// The organization's id, a UUID; made up when absent.
    #[serde(default)]
    pub tenant_id: Option<String>,
    /// The organization's name.
    #[serde(default = "default_name")]
    pub name: String,
    /// How many contacts to make.
    #[serde(default)]
    pub contacts: usize,
    /// How many invoices to make; every fifth one is a bill.
    #[serde(default)]
    pub invoices: usize,
}

/// One person who can sign in.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct XeroUserOptions {
    /// The user's id, a UUID; made up when absent.
    #[serde(default)]
    pub user_id: String,
    /// First and last name.
    #[serde(default = "default_user_name")]
    pub name: String,
    /// The address to sign in with.
    #[serde(default = "default_email")]
    pub email: String,
    /// The organizations that the user may connect.
    #[serde(default)]
    pub tenant_ids: Vec<String>,
}

impl Options {
    /// Client id of the Xero app that exists by default.
    pub const XERO_CLIENT_ID: &str = "SIMULATORXEROCLIENTID00000000001";
    /// Client secret of the Xero app that exists by default.
    pub const XERO_CLIENT_SECRET: &str = "SimulatorXeroClientSecret000000000000000000000001";
    /// Webhook signing key of the Xero app that exists by default; its text is the key, undecoded.
    pub const XERO_WEBHOOK_KEY: &str =
        "LR+SimulatorXeroWebhookKey0000000000000000000000000000000000000000000000000000000000000w==";
    /// The Xero user that exists by default.
    pub const XERO_USER_ID: &str = "51b00000-0000-4000-8000-0000000000aa";
    /// The first organization of the default user.
    pub const XERO_TENANT_ID: &str = "51b00000-0000-4000-8000-000000000001";
    /// The second organization of the default user.
    pub const XERO_SECOND_TENANT_ID: &str = "51b00000-0000-4000-8000-000000000002";
}

impl XeroOptions {
    /// Returns the defaults: one app, and one user with two organizations.
    pub(crate) fn local() -> Self {
        let organization = |tenant_id: &str, name: &str, (contacts, invoices)| XeroOrganizationOptions {
            tenant_id: Some(tenant_id.to_owned()),
            name: name.to_owned(),
            contacts,
            invoices,
        };
        Self {
            app: AppOptions {
                client_id: Options::XERO_CLIENT_ID.to_owned(),
                client_secret: Options::XERO_CLIENT_SECRET.to_owned(),
                webhook_key: Options::XERO_WEBHOOK_KEY.to_owned(),
                redirect_uris: Vec::new(),
            },
            consent: ConsentMode::default(),
            organizations: vec![
                organization(Options::XERO_TENANT_ID, &default_name(), (25, 120)),
                organization(Options::XERO_SECOND_TENANT_ID, "Demo Company (UK)", (5, 10)),
            ],
            users: vec![XeroUserOptions {
                user_id: Options::XERO_USER_ID.to_owned(),
                name: default_user_name(),
                email: default_email(),
                tenant_ids: vec![
                    Options::XERO_TENANT_ID.to_owned(),
                    Options::XERO_SECOND_TENANT_ID.to_owned(),
                ],
            }],
        }
    }
}

fn default_name() -> String {
    "Demo Company (Global)".to_owned()
}

fn default_user_name() -> String {
    "Sam Simulated".to_owned()
}

fn default_email() -> String {
    "sam@example.com".to_owned()
}
