//! `ledgerbridge keys`: the first key of a deployment is made here, with AWS credentials; others through the API.

use std::io::Write as _;

use anyhow::{Context as _, bail, ensure};
use aws::{DynamoApiKeys, clients, sdk_config};
use clap::{Args, Subcommand, ValueEnum};
use domain::{
    api_key::{ApiKeyStore as _, ENVIRONMENT_FORM, NewApiKey, Role, is_environment},
    clock::{Clock as _, SystemClock},
    entropy::SystemEntropy,
    id::TenantId,
};

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
    /// What the key may do.
    #[arg(long, value_enum)]
    role: RoleName,
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
    let role = match create.role {
        RoleName::Admin => Role::Admin,
        RoleName::Operator => Role::Operator,
        RoleName::Viewer => Role::Viewer,
    };
    let new = NewApiKey {
        name: name.to_owned(),
        scopes: role.scopes(),
        tenant: create.tenant,
        user: None,
        expires_at: None,
    };
    let (key, text) = new.issue(&create.environment, SystemClock.now(), &SystemEntropy);
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
