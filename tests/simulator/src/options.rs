//! How a simulator is started: everything here can also be changed later over the control API.

use serde::{Deserialize, Serialize};

use crate::xero::XeroOptions;

/// Settings of a simulator; [`Options::local`] gives the documented defaults.
#[derive(Clone, Debug)]
pub struct Options {
    /// Port on 127.0.0.1; 0 takes any free one.
    pub port: u16,
    /// Makes every random value repeatable. Without it, tokens differ from run to run.
    pub seed: Option<u64>,
    /// The Intuit side.
    pub intuit: IntuitOptions,
    /// The Xero side.
    pub xero: XeroOptions,
}

/// Settings of the Intuit side.
#[derive(Clone, Debug)]
pub struct IntuitOptions {
    /// The app that is registered at the start.
    pub app: AppOptions,
    /// What the authorize address does.
    pub consent: ConsentMode,
    /// The company that exists at the start.
    pub company: CompanyOptions,
}

/// One registered app with its credentials.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AppOptions {
    /// OAuth client id.
    pub client_id: String,
    /// OAuth client secret.
    pub client_secret: String,
    /// Key of webhook signatures; Intuit calls it the verifier token.
    #[serde(alias = "verifierToken")]
    pub webhook_key: String,
    /// Registered callback addresses, compared exactly. Empty: every http(s) address is accepted.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
}

/// One company to make.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompanyOptions {
    /// The company's id, 10 to 19 digits; made up when absent.
    #[serde(default)]
    pub realm_id: Option<String>,
    /// The company's name.
    #[serde(default = "default_name")]
    pub name: String,
    /// How many customers to make.
    #[serde(default)]
    pub customers: usize,
    /// How many invoices to make.
    #[serde(default)]
    pub invoices: usize,
}

/// What the authorize address does with a valid request.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum ConsentMode {
    /// Shows a page on which a person chooses a company and decides.
    #[default]
    Page,
    /// Redirects back at once with a code.
    Approve,
    /// Redirects back at once with `access_denied`.
    Deny,
}

impl Options {
    /// Client id of the app that exists by default.
    pub const INTUIT_CLIENT_ID: &str = "ABSimulatorIntuitClientId0000000000000000000000001";
    /// Client secret of the app that exists by default.
    pub const INTUIT_CLIENT_SECRET: &str = "SimulatorIntuitClientSecret0000000000001";
    /// Webhook verifier token of the app that exists by default.
    pub const INTUIT_VERIFIER_TOKEN: &str = "00000000-51b0-4000-8000-000000000001";
    /// Realm id of the company that exists by default.
    pub const INTUIT_REALM_ID: &str = "4620816365000000001";

    /// Returns the defaults: any free port, a consent page, and for each provider one app and the companies of a demo.
    #[must_use]
    pub fn local() -> Self {
        Self {
            port: 0,
            seed: None,
            intuit: IntuitOptions {
                app: AppOptions {
                    client_id: Self::INTUIT_CLIENT_ID.to_owned(),
                    client_secret: Self::INTUIT_CLIENT_SECRET.to_owned(),
                    webhook_key: Self::INTUIT_VERIFIER_TOKEN.to_owned(),
                    redirect_uris: Vec::new(),
                },
                consent: ConsentMode::default(),
                company: CompanyOptions {
                    realm_id: Some(Self::INTUIT_REALM_ID.to_owned()),
                    name: default_name(),
                    customers: 25,
                    invoices: 120,
                },
            },
            xero: XeroOptions::local(),
        }
    }
}

fn default_name() -> String {
    "Sandbox Company_US_1".to_owned()
}
