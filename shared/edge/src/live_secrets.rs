//! Secrets that are held for a bounded time: a rotation is seen without a deployment, and a flood of requests is no flood of
//! fetches.

use std::{sync::Arc, time::Duration};

use aws::{FetchSecretError, SdkConfig, refetch_secret};
use domain::{clock::Clock, store::chain};
use jiff::{SignedDuration, Timestamp};
use thiserror::Error;
use tokio::sync::Mutex;

use crate::config::{ConfigError, Lookup, environment, with_secret};

/// What is older is fetched again, as AWS's own caches do.
const FRESH: Duration = Duration::from_mins(5);
/// Between two fetches, whatever came of the first: a rotation is seen by the first request under the new secret, and
/// forged requests cost one fetch a minute.
const BETWEEN_FETCHES: Duration = Duration::from_mins(1);
/// What is older is not used any more: a secret that was withdrawn must end, even while none can be fetched.
const LIFE: Duration = Duration::from_hours(1);

/// How the variables of a function are read as what is held.
pub type Read<T> = fn(Lookup<'_>) -> Result<T, ConfigError>;

/// The secret of Secrets Manager that variables come from.
#[derive(Clone, Debug)]
pub struct SecretSource {
    /// How Secrets Manager is called.
    pub sdk: SdkConfig,
    /// Its name or ARN (`PROVIDER_SECRETS_ID`).
    pub id: String,
}

/// Secrets of this process; without a source they are the environment's, which never changes.
pub struct LiveSecrets<T> {
    source: Option<(SecretSource, Read<T>)>,
    clock: Arc<dyn Clock>,
    held: Mutex<Held<T>>,
}

struct Held<T> {
    value: Arc<T>,
    fetched_at: Timestamp,
    tried_at: Timestamp,
}

/// Secrets are too old to be used, and newer ones could not be fetched.
#[derive(Clone, Copy, Debug, Error)]
#[error("the secrets are too old, and could not be fetched again")]
pub struct SecretsTooOld;

#[derive(Debug, Error)]
enum RefetchError {
    #[error("the secret could not be fetched again")]
    Fetch(#[from] FetchSecretError),
    #[error("the secret that was fetched again does not serve")]
    Config(#[from] ConfigError),
}

impl<T> LiveSecrets<T> {
    /// Holds what was read at the start of the process, just now.
    #[must_use]
    pub fn new(value: T, source: Option<(SecretSource, Read<T>)>, clock: Arc<dyn Clock>) -> Self {
        let now = clock.now();
        let held = Held { value: Arc::new(value), fetched_at: now, tried_at: now };
        Self { source, clock, held: Mutex::new(held) }
    }

    /// The secrets as they were at most five minutes ago; while they cannot be fetched, as they were within the hour.
    pub async fn current(&self) -> Result<Arc<T>, SecretsTooOld> {
        // Whoever comes during a fetch waits for it, so that there is one at a time.
        let mut held = self.held.lock().await;
        if self.is_older(held.fetched_at, FRESH) {
            self.fetch(&mut held).await;
        }
        if self.is_too_old(&held) {
            return Err(SecretsTooOld);
        }
        Ok(held.value.clone())
    }

    /// Newer secrets than those in `used`, which verified nothing; none where there are none yet.
    pub async fn newer(&self, used: &Arc<T>) -> Option<Arc<T>> {
        let mut held = self.held.lock().await;
        if Arc::ptr_eq(&held.value, used) {
            self.fetch(&mut held).await;
        }
        (!Arc::ptr_eq(&held.value, used)).then(|| held.value.clone())
    }

    /// Fetches, unless that was tried less than a minute ago and what is held can be used.
    async fn fetch(&self, held: &mut Held<T>) {
        let Some((source, read)) = &self.source else { return };
        if !self.is_older(held.tried_at, BETWEEN_FETCHES) && !self.is_too_old(held) {
            return;
        }
        held.tried_at = self.clock.now();
        match refetch(source, *read).await {
            Ok(value) => {
                held.value = Arc::new(value);
                held.fetched_at = held.tried_at;
            }
            Err(error) => tracing::error!(error = chain(&error), "Secrets could not be fetched again"),
        }
    }

    fn is_too_old(&self, held: &Held<T>) -> bool {
        self.source.is_some() && self.is_older(held.fetched_at, LIFE)
    }

    fn is_older(&self, at: Timestamp, age: Duration) -> bool {
        SignedDuration::try_from(age).is_ok_and(|age| self.clock.now().duration_since(at) > age)
    }
}

async fn refetch<T>(source: &SecretSource, read: Read<T>) -> Result<T, RefetchError> {
    let secret = refetch_secret(&source.sdk, &source.id).await?;
    Ok(read(&with_secret(&secret, environment)?)?)
}
