//! How all connections of a tenant, or all there are, stand: counted now and then, not with each question.
//!
//! A refresh writes to its own connection and to nothing else, so no sum is kept up to date. Instead every connection is
//! read once by whoever asks first, and the sums are kept for those who ask soon after: the longer it took, the longer.
//! Where it takes more time than one caller has, it is made in parts by several, and the sums from before answer meanwhile.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{RefreshPolicy, TokenHealth, policy::later};
use crate::{
    clock::Clock,
    connection::{AttemptCounters, Connection, ConnectionState},
    entropy::Entropy,
    id::{Ids, TenantId},
    provider::Provider,
    store::StoreError,
};

/// Connections that are counted exactly with every question: one call reads them.
const EXACT: u32 = 100;
/// Connections of one step: ten calls side by side, some 0.1 s.
const STEP: u32 = 1000;
/// How long one caller counts: some ten thousand connections, well inside the gateway's 29 seconds.
const PART_TIME: Duration = Duration::from_secs(5);
/// How long a caller has the right to count; nothing is lost but its part should it end before it is done.
const CLAIM: Duration = Duration::from_secs(20);
/// Sums are good for this long at least.
const FRESH: Duration = Duration::from_mins(1);
/// And for this many times as long as it took to make them, so that counting takes a sixtieth of the time at most.
const FRESH_TIMES: u32 = 60;
/// A part that nobody went on with for so long is begun anew: its beginning would say little of the present.
const PART_KEPT: Duration = Duration::from_hours(1);

/// What is counted of one connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Standing {
    /// At which provider.
    pub provider: Provider,
    /// Its state.
    pub state: ConnectionState,
    /// When its access token was issued, and when it ends; none without tokens.
    pub token: Option<(Timestamp, Timestamp)>,
    /// What its attempts came to.
    pub attempts: AttemptCounters,
}

impl From<&Connection> for Standing {
    fn from(connection: &Connection) -> Self {
        let tokens = connection.tokens.as_ref();
        Self {
            provider: connection.provider,
            state: connection.state,
            token: tokens.map(|tokens| (tokens.issued_at, tokens.access_expires_at)),
            attempts: connection.attempts,
        }
    }
}

/// One page of standings.
#[derive(Clone, Debug, Default)]
pub struct StandingPage {
    /// In no order.
    pub standings: Vec<Standing>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// What attempts came to.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptTotals {
    /// Attempts that stored a new token set.
    pub succeeded: u64,
    /// Attempts that did not.
    pub failed: u64,
    /// The sum of the durations of all, in milliseconds.
    pub duration_ms: u64,
}

/// The sums.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenTally {
    /// Connections that have not ended.
    pub total: u64,
    /// Of them, those with more than the lead time left.
    pub healthy: u64,
    /// Those within the lead time.
    pub warning: u64,
    /// Those whose token has ended or is dead.
    pub expired: u64,
    /// Those of the expired that only their customer can bring back.
    pub reconnect_required: u64,
    /// What the attempts of all connections came to, also of those that have ended.
    pub attempts: BTreeMap<Provider, AttemptTotals>,
}

impl TokenTally {
    /// Counts one more connection, as it stands at `now`.
    pub fn count(&mut self, standing: &Standing, policy: &RefreshPolicy, now: Timestamp) {
        let sums = self.attempts.entry(standing.provider).or_default();
        sums.succeeded += standing.attempts.succeeded;
        sums.failed += standing.attempts.failed;
        sums.duration_ms += standing.attempts.duration_ms;
        if standing.state.is_ended() {
            return;
        }
        self.total += 1;
        match TokenHealth::of(standing, policy, now) {
            TokenHealth::Healthy => self.healthy += 1,
            TokenHealth::Warning => self.warning += 1,
            TokenHealth::Expired => self.expired += 1,
            TokenHealth::ReconnectRequired => {
                self.expired += 1;
                self.reconnect_required += 1;
            }
        }
    }
}

/// Sums with the time that they tell of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Counted {
    /// The sums.
    pub tally: TokenTally,
    /// Since when the connections were read; none while they were never all read yet, when the sums are of those read so far.
    pub as_of: Option<Timestamp>,
}

/// Sums of all connections.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WholeTally {
    /// The sums.
    pub tally: TokenTally,
    /// When counting began.
    pub began_at: Timestamp,
    /// When it was done.
    pub done_at: Timestamp,
    /// How long was counted, without the time between parts.
    pub took: Duration,
}

impl WholeTally {
    fn is_fresh(&self, now: Timestamp) -> bool {
        now < later(self.done_at, FRESH.max(self.took * FRESH_TIMES))
    }
}

/// Sums of the connections up to a place in their list.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartTally {
    /// The sums.
    pub tally: TokenTally,
    /// When counting began.
    pub began_at: Timestamp,
    /// When it was gone on with last.
    pub paused_at: Timestamp,
    /// How long was counted.
    pub took: Duration,
    /// Where it goes on.
    pub from: Option<String>,
}

/// What is kept of one tenant, or of all.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct KeptTally {
    /// The last sums of all connections.
    pub whole: Option<WholeTally>,
    /// How far the next ones are.
    pub part: Option<PartTally>,
}

impl KeptTally {
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.whole.as_ref().is_some_and(|whole| whole.is_fresh(now))
    }

    /// Whether the sums are of more connections than are counted with every question.
    fn is_of_many(&self) -> bool {
        self.whole.as_ref().is_some_and(|whole| whole.tally.total > u64::from(EXACT))
    }

    fn told(self) -> Counted {
        match (self.whole, self.part) {
            (Some(whole), _) => Counted { tally: whole.tally, as_of: Some(whole.began_at) },
            (None, part) => Counted { tally: part.map(|part| part.tally).unwrap_or_default(), as_of: None },
        }
    }
}

/// Where connections are read to be counted.
#[async_trait]
pub trait Standings: Send + Sync {
    /// The standings of one tenant's connections, or of all, in the order of their list, from where the page before ended.
    async fn list_standings(
        &self,
        tenant: Option<&TenantId>,
        limit: u32,
        from: Option<&str>,
    ) -> Result<StandingPage, StoreError>;
}

/// Where sums are kept; they are forgotten some days after nobody asked for them.
#[async_trait]
pub trait TallyStore: Send + Sync {
    /// What is kept; a moment old, perhaps.
    async fn find(&self, tenant: Option<&TenantId>) -> Result<KeptTally, StoreError>;

    /// Takes the right to count until a time, and gives what is kept; none while another has it.
    async fn claim(
        &self,
        tenant: Option<&TenantId>,
        owner: &str,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<Option<KeptTally>, StoreError>;

    /// Replaces what is kept and gives the right back; does nothing where another has taken it since.
    async fn save(&self, tenant: Option<&TenantId>, owner: &str, kept: &KeptTally) -> Result<(), StoreError>;
}

/// Counts connections.
pub struct Tallies {
    /// Where they are read.
    pub standings: Arc<dyn Standings>,
    /// Where the sums are kept.
    pub store: Arc<dyn TallyStore>,
    /// When a token is due.
    pub policy: RefreshPolicy,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
}

impl Tallies {
    /// The sums of these connections, which are all there are.
    #[must_use]
    pub fn exact(&self, standings: &[Standing]) -> Counted {
        let now = self.clock.now();
        let mut tally = TokenTally::default();
        for standing in standings {
            tally.count(standing, &self.policy, now);
        }
        Counted { tally, as_of: Some(now) }
    }

    /// The sums of a tenant's connections, or of all: exact where they are few.
    pub async fn figures(&self, tenant: Option<&TenantId>) -> Result<Counted, StoreError> {
        let kept = self.store.find(tenant).await?;
        if kept.is_of_many() && kept.is_fresh(self.clock.now()) {
            return Ok(kept.told());
        }
        let page = self.standings.list_standings(tenant, EXACT, None).await?;
        if page.next.is_none() {
            return Ok(self.exact(&page.standings));
        }
        self.renewed(tenant, kept).await
    }

    /// The sums that are kept, made anew when they are old.
    pub async fn of(&self, tenant: Option<&TenantId>) -> Result<Counted, StoreError> {
        let kept = self.store.find(tenant).await?;
        self.renewed(tenant, kept).await
    }

    async fn renewed(&self, tenant: Option<&TenantId>, kept: KeptTally) -> Result<Counted, StoreError> {
        let now = self.clock.now();
        if kept.is_fresh(now) {
            return Ok(kept.told());
        }
        let owner = Ids::new(&*self.clock, &*self.entropy).write();
        let Some(kept) = self.store.claim(tenant, &owner, (now, later(now, CLAIM))).await? else {
            return Ok(kept.told());
        };
        if kept.is_fresh(now) {
            return Ok(kept.told());
        }
        let kept = self.go_on(tenant, kept, now).await?;
        self.store.save(tenant, &owner, &kept).await?;
        Ok(kept.told())
    }

    /// Counts until all are counted or the time is up.
    async fn go_on(
        &self,
        tenant: Option<&TenantId>,
        kept: KeptTally,
        began: Timestamp,
    ) -> Result<KeptTally, StoreError> {
        let anew = || PartTally {
            tally: TokenTally::default(),
            began_at: began,
            paused_at: began,
            took: Duration::ZERO,
            from: None,
        };
        let going = kept.part.filter(|part| began < later(part.paused_at, PART_KEPT));
        let mut part = going.unwrap_or_else(anew);
        loop {
            let page = self.standings.list_standings(tenant, STEP, part.from.as_deref()).await?;
            let now = self.clock.now();
            for standing in &page.standings {
                part.tally.count(standing, &self.policy, now);
            }
            part.from = page.next;
            let spent = Duration::try_from(now.duration_since(began)).unwrap_or_default();
            let took = part.took + spent;
            if part.from.is_none() {
                let PartTally { tally, began_at, .. } = part;
                let whole = WholeTally { tally, began_at, done_at: now, took };
                return Ok(KeptTally { whole: Some(whole), part: None });
            }
            if spent >= PART_TIME {
                return Ok(KeptTally {
                    whole: kept.whole,
                    part: Some(PartTally { took, paused_at: now, ..part }),
                });
            }
        }
    }
}
