//! The command line of the simulator; every argument is a default of the documentation made explicit.

use clap::Parser;
use simulator::{ConsentMode, Options};

const INTUIT: &str = "Intuit (QuickBooks Online), under /intuit";
const XERO: &str = "Xero, under /xero";
const ZOHO: &str = "Zoho Books, under /zoho/accounts/{data center} and /zoho/api/{data center}";

/// Simulates QuickBooks Online, Xero and Zoho Books on 127.0.0.1, with a virtual clock and fault switches under /_control.
#[derive(Debug, Parser)]
#[command(version, after_long_help = first_data())]
pub(crate) struct Arguments {
    /// Port on 127.0.0.1; 0 takes any free one.
    #[arg(long, env = "SIMULATOR_PORT", default_value_t = 9400)]
    port: u16,
    /// Makes every token and identifier repeatable.
    #[arg(long, env = "SIMULATOR_SEED")]
    seed: Option<u64>,
    /// What the authorize addresses do.
    #[arg(long, env = "SIMULATOR_CONSENT", value_enum, default_value_t)]
    consent: ConsentMode,
    /// OAuth client id of the Intuit app.
    #[arg(help_heading = INTUIT, long, env = "SIMULATOR_INTUIT_CLIENT_ID", default_value = Options::INTUIT_CLIENT_ID, value_name = "ID")]
    intuit_client_id: String,
    /// OAuth client secret of the Intuit app.
    #[arg(help_heading = INTUIT, long, env = "SIMULATOR_INTUIT_CLIENT_SECRET", default_value = Options::INTUIT_CLIENT_SECRET, hide_env_values = true, value_name = "SECRET")]
    intuit_client_secret: String,
    /// Webhook verifier token of the Intuit app.
    #[arg(help_heading = INTUIT, long, env = "SIMULATOR_INTUIT_VERIFIER_TOKEN", default_value = Options::INTUIT_VERIFIER_TOKEN, hide_env_values = true, value_name = "TOKEN")]
    intuit_verifier_token: String,
    /// Registered callback address of the Intuit app, repeatable; without one every http(s) address is accepted.
    #[arg(help_heading = INTUIT, long = "intuit-redirect-uri", env = "SIMULATOR_INTUIT_REDIRECT_URIS", value_delimiter = ',', value_name = "ADDRESS")]
    intuit_redirect_uris: Vec<String>,
    /// Realm id of the first company.
    #[arg(help_heading = INTUIT, long, default_value = Options::INTUIT_REALM_ID, value_name = "ID")]
    intuit_realm_id: String,
    /// Customers of the first company.
    #[arg(help_heading = INTUIT, long, default_value_t = 25, value_name = "NUMBER")]
    intuit_customers: usize,
    /// Invoices of the first company.
    #[arg(help_heading = INTUIT, long, default_value_t = 120, value_name = "NUMBER")]
    intuit_invoices: usize,
    /// OAuth client id of the Xero app.
    #[arg(help_heading = XERO, long, env = "SIMULATOR_XERO_CLIENT_ID", default_value = Options::XERO_CLIENT_ID, value_name = "ID")]
    xero_client_id: String,
    /// OAuth client secret of the Xero app.
    #[arg(help_heading = XERO, long, env = "SIMULATOR_XERO_CLIENT_SECRET", default_value = Options::XERO_CLIENT_SECRET, hide_env_values = true, value_name = "SECRET")]
    xero_client_secret: String,
    /// Webhook signing key of the Xero app.
    #[arg(help_heading = XERO, long, env = "SIMULATOR_XERO_WEBHOOK_KEY", default_value = Options::XERO_WEBHOOK_KEY, hide_env_values = true, value_name = "KEY")]
    xero_webhook_key: String,
    /// Registered callback address of the Xero app, repeatable; without one every http(s) address is accepted.
    #[arg(help_heading = XERO, long = "xero-redirect-uri", env = "SIMULATOR_XERO_REDIRECT_URIS", value_delimiter = ',', value_name = "ADDRESS")]
    xero_redirect_uris: Vec<String>,
    /// OAuth client id of the Zoho app.
    #[arg(help_heading = ZOHO, long, env = "SIMULATOR_ZOHO_CLIENT_ID", default_value = Options::ZOHO_CLIENT_ID, value_name = "ID")]
    zoho_client_id: String,
    /// OAuth client secret of the Zoho app, in every data center.
    #[arg(help_heading = ZOHO, long, env = "SIMULATOR_ZOHO_CLIENT_SECRET", default_value = Options::ZOHO_CLIENT_SECRET, hide_env_values = true, value_name = "SECRET")]
    zoho_client_secret: String,
    /// Registered callback address of the Zoho app, repeatable; without one every http(s) address is accepted.
    #[arg(help_heading = ZOHO, long = "zoho-redirect-uri", env = "SIMULATOR_ZOHO_REDIRECT_URIS", value_delimiter = ',', value_name = "ADDRESS")]
    zoho_redirect_uris: Vec<String>,
}

impl From<Arguments> for Options {
    fn from(arguments: Arguments) -> Self {
        let mut options = Self::local();
        options.port = arguments.port;
        options.seed = arguments.seed;
        options.intuit.consent = arguments.consent;
        options.intuit.app.client_id = arguments.intuit_client_id;
        options.intuit.app.client_secret = arguments.intuit_client_secret;
        options.intuit.app.webhook_key = arguments.intuit_verifier_token;
        options.intuit.app.redirect_uris = arguments.intuit_redirect_uris;
        options.intuit.company.realm_id = Some(arguments.intuit_realm_id);
        options.intuit.company.customers = arguments.intuit_customers;
        options.intuit.company.invoices = arguments.intuit_invoices;
        options.xero.consent = arguments.consent;
        options.xero.app.client_id = arguments.xero_client_id;
        options.xero.app.client_secret = arguments.xero_client_secret;
        options.xero.app.webhook_key = arguments.xero_webhook_key;
        options.xero.app.redirect_uris = arguments.xero_redirect_uris;
        options.zoho.consent = arguments.consent;
        options.zoho.app.client_id = arguments.zoho_client_id;
        options.zoho.app.client_secret = arguments.zoho_client_secret;
        options.zoho.app.redirect_uris = arguments.zoho_redirect_uris;
        options
    }
}

/// Says which companies there are when nothing else is asked for.
fn first_data() -> String {
    format!(
        "Companies at the start:\n  \
         Intuit  {} (see --intuit-realm-id)\n  \
         Xero    {} and {}, of one user\n  \
         Zoho    {} and {} of a user in us, {} of a user in eu\n\n\
         GET /_control/health tells whether it runs. README.md has all addresses, switches and examples.",
        Options::INTUIT_REALM_ID,
        Options::XERO_TENANT_ID,
        Options::XERO_SECOND_TENANT_ID,
        Options::ZOHO_US_ORGANIZATION_ID,
        Options::ZOHO_SECOND_US_ORGANIZATION_ID,
        Options::ZOHO_EU_ORGANIZATION_ID,
    )
}
