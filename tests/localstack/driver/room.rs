//! A place apart for the refresh engine: the deployed code with tables, queues and providers that no other test has, since
//! here providers fail as a whole and workers are killed.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws_sdk_dynamodb::types::{BillingMode, GlobalSecondaryIndex};
use domain::{
    api_key::{NewApiKey, Role},
    clock::{Clock as _, SystemClock},
    connection::{
        AttemptCounters, ChainHead, Company, ConnectOutcome, Connection, ConnectionKey, ConnectionState, Due,
        NewConnection, Notices, PlacedCompany, SealedTokens,
    },
    entropy::SystemEntropy,
    id::{CompanyId, Ids, Location},
    provider::Provider,
    refresh::{RefreshAttempt, Refresher, chain},
    sealing::fingerprint,
    secret::AuthorizationCode,
    token::{CodeGrant, TokenSet},
};
use edge::config::with_secret;
use url::Url;

use super::{Books, Bundle, FunctionCopy, Simulator, parameter};

/// The tables of the refresh function, by the variables that name them.
const TABLES: [&str; 3] = ["CONNECTIONS_TABLE", "CONTROL_TABLE", "HISTORY_TABLE"];
/// Intuit's one scope for books.
const ACCOUNTING: &str = "com.intuit.quickbooks.accounting";
/// Where a browser would come back.
const CALLBACK: &str = "http://localhost:3000/callback";
/// More attempts on one connection than a test makes.
const HISTORY: u32 = 100;

/// Whether a variable is about what all workers know of a provider, which the stack's own have other values of.
fn is_of_providers(variable: &str) -> bool {
    variable.starts_with("BREAKER_") || variable.starts_with("OUTAGE_")
}

/// A place apart.
pub(crate) struct Room<'a> {
    pub(crate) bundle: &'a Bundle,
    pub(crate) providers: Simulator,
    /// The environment of its refresh function.
    pub(crate) settings: HashMap<String, String>,
    /// What the function works with, in this process.
    pub(crate) refresher: Arc<Refresher>,
    served: simulator::Simulator,
}

/// A connection in a room.
#[derive(Clone, Debug)]
pub(crate) struct Resident {
    pub(crate) key: ConnectionKey,
    pub(crate) books: Books,
}

impl<'a> Room<'a> {
    /// Makes a room, whose function has some settings of its own; a message of its refresh queue that is not acknowledged
    /// comes again after `invisible_for`.
    pub(crate) async fn open(bundle: &'a Bundle, invisible_for: Duration, own: &[(&str, &str)]) -> Self {
        let served = simulator::Simulator::start(simulator::Options::local()).await.unwrap();
        let theirs = bundle.simulator.url.as_str();
        let mut settings = bundle.settings_of("REFRESH_FUNCTION").await;
        settings.retain(|name, _| !is_of_providers(name));
        for value in settings.values_mut() {
            *value = value.replace(theirs, served.base_url());
        }
        for variable in TABLES {
            settings.insert(variable.to_owned(), bundle.table_like(variable).await);
        }
        let dead_letters = bundle.make_queue(invisible_for).await;
        for variable in ["REFRESH_QUEUE_URL", "RECOVERY_QUEUE_URL"] {
            settings.insert(variable.to_owned(), bundle.make_queue(invisible_for).await);
        }
        for variable in ["REFRESH_DLQ_URL", "RECOVERY_DLQ_URL"] {
            settings.insert(variable.to_owned(), dead_letters.clone());
        }
        settings.extend(own.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let refresher = bundle.refresher(&settings).await;
        let providers = Simulator::new(bundle.http.clone(), served.base_url());
        Self { bundle, providers, settings, refresher, served }
    }

    /// The room's setting of a variable.
    pub(crate) fn setting(&self, name: &str) -> &str {
        &self.settings[name]
    }

    /// A function that works in this room.
    pub(crate) async fn worker(&self) -> FunctionCopy<'a> {
        self.bundle.copy_with("REFRESH_FUNCTION", self.settings.clone()).await
    }

    /// The API for those who call `worker`, with a key that opens it.
    pub(crate) async fn api(&self, worker: &FunctionCopy<'_>) -> (FunctionCopy<'a>, String) {
        let mut settings = self.bundle.settings_of("API_FUNCTION").await;
        settings.retain(|name, _| !is_of_providers(name));
        for value in settings.values_mut() {
            *value = value.replace(&self.bundle.simulator.url, &self.providers.url);
        }
        for (name, value) in &self.settings {
            if TABLES.contains(&name.as_str()) || is_of_providers(name) {
                settings.insert(name.clone(), value.clone());
            }
        }
        settings.insert("REFRESH_FUNCTION".to_owned(), worker.name.clone());
        let scopes = Role::Admin.scopes();
        let key = NewApiKey { name: "room".to_owned(), scopes, tenant: None, user: None, expires_at: None };
        let key = self.bundle.issue_into(self.setting("CONTROL_TABLE"), key).await;
        (self.bundle.copy_with("API_FUNCTION", settings).await, key)
    }

    /// A grant of books of their own that nobody has stored: a person says yes, and the code is exchanged.
    pub(crate) async fn granted(&self, provider: Provider) -> (Books, Option<Location>, TokenSet) {
        let books = self.providers.books(provider).await;
        let callback = self.providers.consent(&self.authorize_url(provider).await, "approve", &books).await;
        let location = (provider == Provider::Zoho).then(|| "us".parse().unwrap());
        let grant = CodeGrant {
            code: &AuthorizationCode::new(parameter(&callback, "code")),
            redirect_uri: CALLBACK,
            verifier: None,
            location: location.as_ref(),
        };
        let tokens = self.refresher.endpoints[&provider].exchange(grant).await.unwrap();
        (books, location, tokens)
    }

    /// Connects books of their own, due now: a person says yes, the code is exchanged, and what came is sealed and stored.
    pub(crate) async fn connect(&self, provider: Provider) -> Resident {
        let (books, location, tokens) = self.granted(provider).await;
        let ids = Ids::new(&SystemClock, &SystemEntropy);
        let key = ConnectionKey { tenant: ids.write().parse().unwrap(), connection: ids.connection() };
        let connection = Connection {
            key: key.clone(),
            provider,
            state: ConnectionState::Active,
            reason: None,
            // Intuit does not say what it granted: what was asked for.
            scopes: tokens.scopes.clone().unwrap_or_else(|| vec![ACCOUNTING.to_owned()]),
            location,
            created_at: SystemClock.now(),
            tokens: Some(self.sealed((&key, provider), &tokens).await),
            fence: 0,
            lease: None,
            due: Some(Due::At(SystemClock.now())),
            used_at: SystemClock.now(),
            warmth: None,
            attempts: AttemptCounters::default(),
            last: None,
            chain: ChainHead::default(),
            calls: vec![],
            notices: Notices::default(),
            write_id: ids.write(),
        };
        let provider_id = books.company().parse().unwrap();
        let id = CompanyId::of(provider, &provider_id);
        let company = Company { id, provider_id, name: "Apart".to_owned() };
        let companies = vec![PlacedCompany { company, from: None }];
        let new = NewConnection { connection, companies, replaces: None, shared: false };
        assert_eq!(self.refresher.connections.connect(&new).await.unwrap(), ConnectOutcome::Stored);
        Resident { key, books }
    }

    async fn sealed(&self, owner: (&ConnectionKey, Provider), tokens: &TokenSet) -> SealedTokens {
        let pair = self.refresher.sealer.seal_under_new_keys(owner, 1, tokens).await.unwrap();
        SealedTokens {
            generation: 1,
            access: pair.access,
            refresh: pair.refresh,
            refresh_fingerprint: fingerprint(&tokens.refresh),
            issued_at: SystemClock.now(),
            refreshed: false,
            access_expires_at: tokens.access_expires_at,
            refresh_expires_at: tokens.refresh_expires_at,
            hard_expires_at: tokens.hard_expires_at,
            keys_made_at: SystemClock.now(),
            previous: None,
        }
    }

    async fn authorize_url(&self, provider: Provider) -> String {
        let (path, scope) = match provider {
            Provider::QuickBooks => ("intuit/connect/oauth2", ACCOUNTING),
            Provider::Xero => ("xero/identity/connect/authorize", "offline_access accounting.invoices"),
            Provider::Zoho => ("zoho/accounts/us/oauth/v2/auth", "ZohoBooks.fullaccess.all"),
        };
        let app = &self.providers.apps(provider).await[0];
        let query = [
            ("client_id", app["clientId"].as_str().unwrap()),
            ("response_type", "code"),
            ("redirect_uri", CALLBACK),
            ("scope", scope),
            ("state", "s"),
            ("access_type", "offline"),
            ("prompt", "consent"),
        ];
        Url::parse_with_params(&format!("{}/{path}", self.providers.url), query).unwrap().into()
    }

    /// A connection as it is stored.
    pub(crate) async fn stored(&self, key: &ConnectionKey) -> Connection {
        self.refresher.connections.find(key).await.unwrap().expect("the connection is stored")
    }

    /// The history of a connection, newest first, once it is found to be as it was written.
    pub(crate) async fn history(&self, connection: &Connection) -> Vec<RefreshAttempt> {
        let listed = self.refresher.attempts.list_of(connection.provider, &connection.key, HISTORY).await;
        let history = listed.unwrap();
        let report = chain::verify(connection.chain, &history);
        assert!(report.intact, "{}: {report:?}, {history:?}", connection.provider);
        history
    }

    /// Closes the room's providers.
    pub(crate) async fn close(self) {
        self.served.shutdown().await;
    }
}

impl Bundle {
    /// What the refresh function works with in an environment.
    async fn refresher(&self, settings: &HashMap<String, String>) -> Arc<Refresher> {
        let secret = aws::fetch_secret(&self.sdk, &settings["PROVIDER_SECRETS_ID"]).await.unwrap();
        let lookup = with_secret(&secret, |name: &str| settings.get(name).cloned()).unwrap();
        let config = refresh::Config::from_lookup(&lookup).unwrap();
        refresh::wire(config, &self.sdk).unwrap().refresher
    }

    /// Makes an empty table like one of the stack's; gives its name.
    async fn table_like(&self, variable: &str) -> String {
        let dynamodb = aws::clients::dynamodb(&self.sdk);
        let found = dynamodb.describe_table().table_name(self.stack.value(variable)).send().await.unwrap();
        let table = found.table.unwrap();
        let indexes = table.global_secondary_indexes.unwrap_or_default().into_iter().map(|index| {
            GlobalSecondaryIndex::builder()
                .set_index_name(index.index_name)
                .set_key_schema(index.key_schema)
                .set_projection(index.projection)
                .build()
                .unwrap()
        });
        let indexes: Vec<_> = indexes.collect();
        let name = Ids::new(&SystemClock, &SystemEntropy).write();
        let request = dynamodb
            .create_table()
            .table_name(&name)
            .billing_mode(BillingMode::PayPerRequest)
            .set_key_schema(table.key_schema)
            .set_attribute_definitions(table.attribute_definitions)
            .set_global_secondary_indexes(Some(indexes).filter(|indexes| !indexes.is_empty()));
        request.send().await.unwrap();
        name
    }
}
