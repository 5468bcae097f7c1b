//! `ledgerbridge keys`: the first key of a deployment is made here, with AWS credentials; others through the API.

use std::io::Write as _;

use anyhow::{Context as _, bail, ensure};
use aws::{DynamoApiKeys, clients, sdk_config};
use clap::{Args, Subcommand, ValueEnum};
use domain::{
    api_key::{ApiKeyStore as _, ENVIRONMENT_FORM, NewApiKey, Role, Scope, is_environment},
    clock::{Clock as _, SystemClock},
    entropy::SystemEntropy,
    id::TenantId,
};
use jiff::Timestamp;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes a key and prints it, this once.
    Create(Create),
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// What the key is for; shown in lists.
    #[arg(long)]
    name: String,
    /// What the key may do, by the name of a set of scopes.
    #[arg(long, value_enum, required_unless_present = "scopes")]
    role: Option<RoleName>,
    /// What the key may do, scope by scope, with commas between them.
    #[arg(long, value_delimiter = ',', conflicts_with = "role")]
    scopes: Vec<Scope>,
    /// When the key stops working, as in `2027-01-01T00:00:00Z`; never when left out.
    #[arg(long)]
    expires_at: Option<Timestamp>,
    /// The one tenant the key is for; all when left out.
    #[arg(long)]
    tenant: Option<TenantId>,
    /// The control table of the deployment (output `ControlTable` of its stack).
    #[arg(long, env = "CONTROL_TABLE")]
    control_table: String,
    /// The deployment's name (parameter `Environment` of its stack).
    #[arg(long, env = "ENVIRONMENT")]
    environment: String,
    /// What to print.
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleName {
    Admin,
    Operator,
    Viewer,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// The key, with a reminder that it is shown only once.
    Text,
    /// A line for a file of variables: `API_KEY=…`.
    Env,
}

pub(crate) async fn run(Command::Create(create): Command) -> anyhow::Result<()> {
    let name = create.name.trim();
    ensure!(!name.is_empty(), "--name must not be empty");
    ensure!(is_environment(&create.environment), "--environment must be {ENVIRONMENT_FORM}");
    let now = SystemClock.now();
    ensure!(
        create.expires_at.is_none_or(|expires_at| expires_at > now),
        "--expires-at must be in the future"
    );
    let scopes = match create.role {
        Some(RoleName::Admin) => Role::Admin.scopes(),
        Some(RoleName::Operator) => Role::Operator.scopes(),
        Some(RoleName::Viewer) => Role::Viewer.scopes(),
        None => create.scopes,
    };
    let new = NewApiKey {
        name: name.to_owned(),
        scopes,
        tenant: create.tenant,
        user: None,
        expires_at: create.expires_at,
    };
    let (key, text) = new.issue(&create.environment, now, &SystemEntropy);
    let sdk = sdk_config().await;
    let store = DynamoApiKeys::new(clients::dynamodb(&sdk), create.control_table);
    if !store.insert(&key).await.context("the key could not be stored")? {
        bail!("the key's id is taken; run the command again");
    }
    let mut out = std::io::stdout().lock();
    match create.output {
        Output::Env => writeln!(out, "API_KEY={}", text.expose())?,
        Output::Text => {
            writeln!(out, "{}\nThis key is shown only now: keep it in a safe place.", text.expose())?;
        }
    }
    Ok(())
}
