//! What the `api` function is made of, over a world in memory.

use std::{collections::BTreeMap, sync::Arc};

use api::Probes;
use domain::{
    access::AccessTokens,
    probe::{KeyState, QueueDepth},
    proxy::Proxy,
    refresh::{RefreshPolicy, Tallies},
    sealing::{CachedDataKeys, TokenSealer},
};
use providers::{
    http,
    proxy::{ApiHosts, HttpUpstream},
    zoho::DataCentres,
};
use tests::memory::{InMemoryFlights, InProcessRefresh, Scripted};
use url::Url;

use crate::world::World;

/// What a test says of that which is asked whether it can be used.
pub(crate) struct Scripts {
    /// Each table by its name.
    pub(crate) tables: BTreeMap<&'static str, Arc<Scripted<()>>>,
    pub(crate) token_key: Arc<Scripted<KeyState>>,
    pub(crate) events_queue: Arc<Scripted<QueueDepth>>,
}

impl Default for Scripts {
    fn default() -> Self {
        Self {
            tables: ["connections", "control"].map(|name| (name, Arc::new(Scripted::new(())))).into(),
            token_key: Arc::new(Scripted::new(KeyState::Usable)),
            events_queue: Arc::new(Scripted::new(QueueDepth::default())),
        }
    }
}

impl World {
    /// How connections stand, counted.
    pub(crate) fn tallies(&self) -> Tallies {
        Tallies {
            standings: self.connections.clone(),
            store: self.tallies.clone(),
            policy: RefreshPolicy::default(),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
        }
    }

    /// What can be asked whether it can be used.
    pub(crate) fn probes(&self) -> Probes {
        Probes {
            tables: self.scripts.tables.iter().map(|(name, table)| (*name, table.clone() as _)).collect(),
            key: self.scripts.token_key.clone(),
            queues: vec![("events", self.scripts.events_queue.clone())],
        }
    }

    /// Where the providers are said to be; nothing listens there.
    pub(crate) fn api_hosts() -> ApiHosts {
        let nowhere: Url = "http://127.0.0.1:1".parse().unwrap();
        ApiHosts {
            quickbooks_api_base_url: nowhere.clone(),
            xero_api_base_url: nowhere,
            zoho_data_centres: DataCentres::default(),
        }
    }

    /// Access tokens as `sync` gets them, with a warm-key cache in front of the key service.
    pub(crate) fn access(&self) -> AccessTokens {
        let keys = Arc::new(CachedDataKeys::new(self.keys.clone(), self.clock.clone()));
        AccessTokens {
            connections: self.connections.clone(),
            sealer: TokenSealer::new("test".to_owned(), keys, self.entropy.clone()),
            refresh: Arc::new(InProcessRefresh(self.refresher.clone())),
            clock: self.clock.clone(),
            policy: RefreshPolicy::default(),
        }
    }

    /// Calls of providers for others, over the network; nothing listens there until a test says where.
    pub(crate) fn proxy(&self) -> Proxy {
        let upstream = HttpUpstream { http: http::client().unwrap(), hosts: Self::api_hosts() };
        Proxy {
            access: Arc::new(self.access()),
            limits: self.limits(),
            upstream: Arc::new(upstream),
            flights: Arc::new(InMemoryFlights::default()),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
        }
    }
}
