//! The end of a tenant: its grants first, so that none of its tokens can be opened any more, then all else that is kept.
//!
//! The work is bounded: whatever does not fit into one invocation goes on in another, from what is stored, and each step
//! may be done again. Whoever dies in the middle is followed by its own message.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::future::join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    api_key::ApiKeyStore,
    audit::{self, AuditAction, AuditEntry, AuditLog},
    clock::Clock,
    connection::{Connection, ConnectionKey, ConnectionState, ConnectionStore},
    entropy::Entropy,
    id::{CompanyId, Ids, TenantId},
    limits::UsageStore,
    refresh::{DisconnectMessage, DisconnectResult, RefreshInvoker, policy::later},
    store::{StoreError, chain},
    sync::{BooksErasure, JobLog, Lane, RecordPlace, SyncQueue},
    tenant::{TenantState, TenantStore},
    user::UserStore,
};

/// Connections that are read, and that are ended side by side: each may keep a refresh function busy for as long as it may
/// run, and the rest of the deployment needs some, too.
const PAGE: u32 = 100;
const AT_ONCE: usize = 8;
/// How long an end is waited for: the time of the refresh function, which goes on all the same.
const WAIT: Duration = Duration::from_secs(75);
/// What a step may need at most; with less time left the work goes on in another invocation.
const STEP_TIME: Duration = Duration::from_secs(80);
/// When to look again where a provider has not ended a grant yet; the sweep drives those on meanwhile.
const LOOK: Duration = Duration::from_mins(1);
/// How long after the last grant has ended deleting begins: whoever opened an access token before it lives no longer than the
/// sync function's 300 s, and what it writes meanwhile is deleted with all else.
pub const QUIET: Duration = Duration::from_secs(330);

/// How far the end of a tenant has come; a message on the low lane.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErasureMark {
    /// Which tenant.
    #[serde(rename = "tenantId")]
    pub tenant: TenantId,
    /// When the last of its grants was found ended; none while some may not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

/// How an invocation's part of the work ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Erased {
    /// Nothing of the tenant is left, or it is not to be deleted.
    Done,
    /// The work goes on with another message, which is on its lane.
    Continued,
    /// The same message is to come again.
    Waits {
        /// After this time.
        after: Duration,
    },
}

/// Ends tenants.
pub struct Eraser {
    /// Tenants.
    pub tenants: Arc<dyn TenantStore>,
    /// Connections, to be read: ending and forgetting them is for the refresh function.
    pub connections: Arc<dyn ConnectionStore>,
    /// That function.
    pub refresh: Arc<dyn RefreshInvoker>,
    /// What is kept of the books.
    pub books: Arc<dyn BooksErasure>,
    /// What became of jobs.
    pub jobs: Arc<dyn JobLog>,
    /// API keys.
    pub keys: Arc<dyn ApiKeyStore>,
    /// Users.
    pub users: Arc<dyn UserStore>,
    /// What the tenant used.
    pub usage: Arc<dyn UsageStore>,
    /// Where the work goes on that needs more time.
    pub queue: Arc<dyn SyncQueue>,
    /// The audit log.
    pub audit: Arc<dyn AuditLog>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// Why an invocation stops before its work is done.
enum Stop {
    /// No time is left.
    TimeUp,
    /// Something is not at its end yet.
    Waits,
    /// A store did not answer.
    Failed(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl Eraser {
    /// Ends a tenant that is being deleted, as far as that goes before `deadline`.
    pub async fn run(&self, mark: &ErasureMark, deadline: Timestamp) -> Result<Erased, StoreError> {
        let found = self.tenants.find(&mark.tenant).await?;
        if found.is_none_or(|tenant| tenant.state != TenantState::Deleting) {
            return Ok(Erased::Done);
        }
        let stopped = match self.end_grants(&mark.tenant, deadline).await {
            Ok(()) => match mark.ended_at {
                None => return self.grants_ended(mark).await,
                Some(ended_at) if self.clock.now() < later(ended_at, QUIET) => {
                    let left = later(ended_at, QUIET).duration_since(self.clock.now());
                    return Ok(Erased::Waits { after: left.try_into().unwrap_or(QUIET) });
                }
                Some(_) => self.delete(&mark.tenant, deadline).await,
            },
            Err(stop) => Err(stop),
        };
        match stopped {
            Ok(()) => Ok(Erased::Done),
            Err(Stop::Waits) => Ok(Erased::Waits { after: LOOK }),
            Err(Stop::Failed(error)) => Err(error),
            Err(Stop::TimeUp) => {
                self.queue.send_erasure(Lane::Low, mark).await?;
                Ok(Erased::Continued)
            }
        }
    }

    /// Notes that no token of the tenant can be opened any more.
    async fn grants_ended(&self, mark: &ErasureMark) -> Result<Erased, StoreError> {
        tracing::info!(tenantId = %mark.tenant, "Grants of the tenant have ended");
        let ended = ErasureMark { ended_at: Some(self.clock.now()), ..mark.clone() };
        self.queue.send_erasure(Lane::Low, &ended).await?;
        Ok(Erased::Continued)
    }

    /// Has every connection ended. One that is marked is left to the sweep, which tries it until its provider answers: so
    /// those of a provider that is out keep nobody from ending the others.
    async fn end_grants(&self, tenant: &TenantId, deadline: Timestamp) -> Result<(), Stop> {
        let (mut from, mut all_ended) = (None, true);
        loop {
            let page = self.connections.list(Some(tenant), PAGE, from.as_deref()).await?;
            let mut living = vec![];
            for Connection { key, state, .. } in page.connections {
                match state {
                    ConnectionState::Disconnected => {}
                    ConnectionState::Disconnecting => all_ended = false,
                    _ => living.push(key),
                }
            }
            for some in living.chunks(AT_ONCE) {
                self.in_time(deadline)?;
                let ended = join_all(some.iter().map(|key| self.end(key))).await;
                all_ended &= ended.into_iter().all(|ended| ended);
            }
            match page.next {
                Some(next) => from = Some(next),
                None if all_ended => return Ok(()),
                None => return Err(Stop::Waits),
            }
        }
    }

    /// Has one connection ended; false where it is not yet, for whatever reason: it is looked at again.
    async fn end(&self, key: &ConnectionKey) -> bool {
        match self.refresh.disconnect(&DisconnectMessage::of(key.clone()), WAIT).await {
            Ok(answer) => answer.is_some_and(|answer| answer.result == DisconnectResult::Disconnected),
            Err(error) => {
                tracing::warn!(connectionId = %key.connection, error = chain(&error), "Connection is not ended yet");
                false
            }
        }
    }

    /// Deletes all that is kept of a tenant whose grants have ended; the tenant itself last, by which it is known that there
    /// may be more.
    async fn delete(&self, tenant: &TenantId, deadline: Timestamp) -> Result<(), Stop> {
        let mut from: Option<String> = None;
        loop {
            let page = self.connections.list(Some(tenant), PAGE, from.as_deref()).await?;
            for connection in page.connections {
                self.forget(&connection.key, deadline).await?;
            }
            match page.next {
                Some(next) => from = Some(next),
                None => break,
            }
        }
        while !self.jobs.erase(tenant).await? {
            self.in_time(deadline)?;
        }
        self.usage.erase(tenant).await?;
        self.users.clear(tenant).await?;
        self.forget_keys(tenant, deadline).await?;
        // Before the tenant is gone: whoever dies in between tells of it twice, and never not at all.
        let id = Ids::new(&*self.clock, &*self.entropy).audit();
        let gone = AuditEntry::new(id, self.clock.now(), Some(tenant.clone()), AuditAction::TenantDeleted);
        audit::record(&*self.audit, &gone).await;
        self.tenants.remove(tenant).await?;
        tracing::info!(tenantId = %tenant, "Tenant is gone");
        Ok(())
    }

    /// Deletes what was synced by a connection, and then the connection, which says what there is to delete.
    async fn forget(&self, key: &ConnectionKey, deadline: Timestamp) -> Result<(), Stop> {
        let listed = self.connections.list_companies(key).await?.into_iter().map(|company| company.id);
        let mut companies: BTreeSet<CompanyId> = listed.collect();
        companies.extend(self.connections.list_left(key).await?);
        for company in companies {
            let place = RecordPlace { tenant: key.tenant.clone(), company };
            self.in_time(deadline)?;
            while !self.books.erase(&place).await? {
                self.in_time(deadline)?;
            }
        }
        self.in_time(deadline)?;
        let message = DisconnectMessage { forget: true, ..DisconnectMessage::of(key.clone()) };
        match self.refresh.disconnect(&message, WAIT).await?.map(|answer| answer.result) {
            Some(DisconnectResult::Forgotten | DisconnectResult::Missing) => Ok(()),
            _ => Err(Stop::Waits),
        }
    }

    /// Keys of a tenant that is being deleted open nothing any more; those of one that is made anew are others.
    async fn forget_keys(&self, tenant: &TenantId, deadline: Timestamp) -> Result<(), Stop> {
        let mut from: Option<String> = None;
        loop {
            self.in_time(deadline)?;
            let page = self.keys.list(Some(tenant), PAGE, from.as_deref()).await?;
            for key in &page.keys {
                self.keys.remove(key).await?;
            }
            match page.next {
                Some(next) => from = Some(next),
                None => return Ok(()),
            }
        }
    }

    fn in_time(&self, deadline: Timestamp) -> Result<(), Stop> {
        if later(self.clock.now(), STEP_TIME) > deadline { Err(Stop::TimeUp) } else { Ok(()) }
    }
}
