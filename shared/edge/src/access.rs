//! Access tokens of connections, for whoever calls a data API.

use std::sync::Arc;

use aws::{KmsDataKeys, SdkConfig, clients};
use domain::{
    access::AccessTokens,
    clock::Clock,
    connection::ConnectionStore,
    entropy::SystemEntropy,
    refresh::{RefreshInvoker, RefreshPolicy},
    sealing::{CachedDataKeys, TokenSealer},
};

/// The access tokens of connections in this environment, whose data keys the KMS key `token_key_id` wraps.
#[must_use]
pub fn access_tokens(
    sdk: &SdkConfig,
    (environment, token_key_id): (String, String),
    (connections, refresh): (&Arc<dyn ConnectionStore>, Arc<dyn RefreshInvoker>),
    (clock, policy): (&Arc<dyn Clock>, RefreshPolicy),
) -> Arc<AccessTokens> {
    let keys = Arc::new(KmsDataKeys::new(clients::kms(sdk), token_key_id));
    let keys = Arc::new(CachedDataKeys::new(keys, clock.clone()));
    Arc::new(AccessTokens {
        connections: connections.clone(),
        sealer: TokenSealer::new(environment, keys, Arc::new(SystemEntropy)),
        refresh,
        clock: clock.clone(),
        policy,
    })
}
