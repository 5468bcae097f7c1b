//! The way of one worker to a provider's data API: through the budgets and the breaker.

use std::{
    fmt,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use jiff::{Timestamp, tz::TimeZone};
use thiserror::Error;
use tokio::sync::{Mutex, Notify};

use super::{
    Ask, Asked, Budget, BudgetPlace, DayTold, Kind, Plans, Purpose, Usage,
    app::AppBudget,
    shared::{Change, LimitPorts},
};
use crate::{
    id::{ProviderCompanyId, TenantId},
    provider::Provider,
    refresh::policy::later,
    store::chain,
};

/// How long a request waits for the limits where that is all it takes; for longer its worker does something else.
const PATIENCE: Duration = Duration::from_secs(2);

/// The limits as one process keeps them.
pub struct Limits {
    ports: LimitPorts,
    plans: Plans,
    /// What is taken of the apps' budgets, for background work and for others.
    apps: [[AppBudget; 2]; Provider::ALL.len()],
    /// How many gates there are.
    gates: AtomicU32,
}

/// Who asks for what.
#[derive(Clone, Debug)]
pub struct Caller {
    /// For whom.
    pub tenant: TenantId,
    /// Which provider.
    pub provider: Provider,
    /// Which company.
    pub company: ProviderCompanyId,
    /// What for.
    pub purpose: Purpose,
}

/// Nothing was sent, and nothing is to be sent before a time.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("nothing may be sent to the provider before {until}: {by}")]
pub struct Held {
    /// That time.
    pub until: Timestamp,
    /// What holds it.
    pub by: HeldBy,
}

/// What holds requests back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HeldBy {
    /// The provider's data API fails: its breaker is open.
    Breaker,
    /// The limits would be exceeded.
    Budget,
    /// The table that holds the limits does not answer.
    Store,
    /// The provider throttled somebody just now.
    Throttle,
}

impl fmt::Display for HeldBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Breaker => "it is failing",
            Self::Budget => "its limits are used up",
            Self::Store => "its limits are not known",
            Self::Throttle => "it throttles",
        })
    }
}

/// What came of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heard {
    /// Bytes of the answer.
    pub bytes: u64,
    /// Whether the provider failed, rather than refused.
    pub failed: bool,
    /// That it asks to wait, where it throttles.
    pub throttled: Option<Throttled>,
    /// What it says of the company's day.
    pub day: Option<DayTold>,
}

/// A provider asks to wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Throttled {
    /// For how long.
    pub wait: Duration,
    /// Whom.
    pub whom: Throttle,
}

/// Whom a provider asks to wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Throttle {
    /// This app, whatever it asks for.
    App,
    /// Everybody who asks for the company.
    Company,
    /// The same, since its day is used up, until a new one begins.
    Day,
}

/// The way of one worker to one company's books.
pub struct Gate {
    limits: Arc<Limits>,
    caller: Caller,
    /// The worker, as budgets know it.
    holder: u64,
    mine: Mutex<Mine>,
    under_way: AtomicU32,
    ended: Notify,
}

#[derive(Default)]
struct Mine {
    known: Option<Budget>,
    /// Whether the budget holds places of this worker.
    holds: bool,
    /// What the provider said of the company's day since, and when.
    told: Option<(DayTold, Timestamp)>,
    used: Usage,
}

/// The right to one request, for as long as it is under way.
#[derive(Debug)]
#[must_use = "the request is under way for as long as this is held"]
pub struct Pass<'a>(&'a Gate);

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
        self.0.ended.notify_waiters();
    }
}

/// Why no request may be sent now.
enum Refusal {
    Held(Held),
    /// As many are under way as are allowed, all by others; to be looked at again at a time.
    Full(Timestamp),
    /// The same, and some of them are own ones: until one of these ends.
    Own,
}

impl From<Held> for Refusal {
    fn from(held: Held) -> Self {
        Self::Held(held)
    }
}

impl Limits {
    /// Limits by `plans`.
    #[must_use]
    pub fn new(ports: LimitPorts, plans: Plans) -> Self {
        Self { ports, plans, apps: Default::default(), gates: AtomicU32::new(0) }
    }

    /// The way to one company's books.
    #[must_use]
    pub fn gate(self: &Arc<Self>, caller: Caller) -> Gate {
        self.gates.fetch_add(1, Ordering::SeqCst);
        Gate {
            holder: self.ports.number(),
            limits: self.clone(),
            caller,
            mine: Mutex::default(),
            under_way: AtomicU32::new(0),
            ended: Notify::new(),
        }
    }

    fn app(&self, provider: Provider, purpose: Purpose) -> &AppBudget {
        let [background, others] = match provider {
            Provider::QuickBooks => &self.apps[0],
            Provider::Xero => &self.apps[1],
            Provider::Zoho => &self.apps[2],
        };
        if purpose == Purpose::Background { background } else { others }
    }
}

impl Gate {
    /// Takes one request from the budgets, waiting for a moment where that is all it takes.
    pub async fn pass(&self, kind: Kind) -> Result<Pass<'_>, Held> {
        let patience = later(self.limits.ports.clock.now(), PATIENCE);
        loop {
            // Listened for from here on, lest one that ends meanwhile is missed.
            let mut ended = pin!(self.ended.notified());
            ended.as_mut().enable();
            let held = match self.try_pass(kind).await {
                Ok(pass) => return Ok(pass),
                Err(Refusal::Own) => {
                    ended.await;
                    continue;
                }
                Err(Refusal::Full(until)) => Held { until, by: HeldBy::Budget },
                Err(Refusal::Held(held)) => held,
            };
            if held.until > patience {
                return Err(held);
            }
            let wait = held.until.duration_since(self.limits.ports.clock.now());
            self.limits.ports.clock.sleep(wait.try_into().unwrap_or_default()).await;
        }
    }

    async fn try_pass(&self, kind: Kind) -> Result<Pass<'_>, Refusal> {
        let Limits { ports, plans, .. } = &*self.limits;
        let provider = self.caller.provider;
        let by_breaker = |until| Refusal::Held(Held { until, by: HeldBy::Breaker });
        if let Some(until) = ports.breakers.open_until(provider).await {
            return Err(by_breaker(until));
        }
        // Of the two the company's is the one that is used up now and then, and then nothing is taken of the app's.
        let pass = self.take(kind).await?;
        let app = (&BudgetPlace::App(provider), &plans.of(provider).app);
        self.limits.app(provider, self.caller.purpose).take(ports, app, (self.caller.purpose, kind)).await?;
        // Last, since this may make it the one that tries whether the provider is back.
        match ports.breakers.held_back(provider).await {
            Some(until) => Err(by_breaker(until)),
            None => Ok(pass),
        }
    }

    /// Takes one request from the company's budget.
    async fn take(&self, kind: Kind) -> Result<Pass<'_>, Refusal> {
        let Limits { ports, plans, .. } = &*self.limits;
        let (place, allowed) = (self.place(), &plans.of(self.caller.provider).company);
        let mut mine = self.mine.lock().await;
        let (was_known, told) = (mine.known.is_some(), mine.told);
        let under_way = self.under_way.load(Ordering::SeqCst);
        let ask = Ask {
            purpose: self.caller.purpose,
            kind,
            requests: 1,
            slots: Some((self.holder, under_way.saturating_add(1))),
        };
        let decide = |budget: &Budget, now: Timestamp| {
            let budget = told.map_or_else(|| budget.clone(), |told| budget.told(told, allowed, now));
            match budget.take(allowed, &ask, now) {
                Asked::Granted(next, _) => Change::Store(next, Ok(())),
                Asked::Full(_) if under_way > 0 => Change::Leave(Err(Refusal::Own)),
                Asked::Full(until) => Change::Leave(Err(Refusal::Full(until))),
                Asked::Wait(held) => Change::Leave(Err(held.into())),
            }
        };
        let mut asked = ports.change(&place, &mut mine.known, decide).await?;
        let patience = later(ports.clock.now(), PATIENCE);
        let is_worth_a_look = match &asked {
            Err(Refusal::Full(_)) => true,
            Err(Refusal::Held(held)) => held.until > patience,
            Err(Refusal::Own) | Ok(()) => false,
        };
        if was_known && is_worth_a_look {
            // Others may have given back since, or learned that a day begins anew.
            mine.known = None;
            asked = ports.change(&place, &mut mine.known, decide).await?;
        }
        asked?;
        (mine.holds, mine.told) = (true, None);
        self.under_way.fetch_add(1, Ordering::SeqCst);
        Ok(Pass(self))
    }

    /// Takes note of what came of it.
    pub async fn heard(&self, heard: Heard) {
        let (breakers, now) = (&self.limits.ports.breakers, self.limits.ports.clock.now());
        if heard.failed {
            breakers.failed(self.caller.provider, self.caller.company.as_str()).await;
        } else {
            breakers.answered(self.caller.provider).await;
        }
        let mut mine = self.mine.lock().await;
        mine.used.calls += 1;
        mine.used.bytes = mine.used.bytes.saturating_add(heard.bytes);
        mine.told = heard.day.map(|day| (day, now)).or(mine.told);
        if let Some(throttled) = heard.throttled {
            self.throttled(&mut mine, throttled).await;
        }
    }

    /// Has everybody wait.
    async fn throttled(&self, mine: &mut Mine, Throttled { wait, whom }: Throttled) {
        let Limits { ports, plans, .. } = &*self.limits;
        let provider = self.caller.provider;
        tracing::warn!(
            provider = provider.as_str(),
            providerCompanyId = %self.caller.company,
            waitSeconds = wait.as_secs(),
            ?whom,
            "The provider throttles"
        );
        let allowed = &plans.of(provider).company;
        let decide = |budget: &Budget, now: Timestamp| {
            let budget = match whom {
                Throttle::Day => {
                    let used_up = DayTold { limit: None, left: 0, ends_in: Some(wait) };
                    budget.told((used_up, now), allowed, now)
                }
                Throttle::App | Throttle::Company => budget.clone(),
            };
            match budget.throttled(later(now, wait), now) {
                Some(next) => Change::Store(next, ()),
                None => Change::Leave(()),
            }
        };
        let noted = if whom == Throttle::App {
            for purpose in [Purpose::Background, Purpose::Interactive] {
                self.limits.app(provider, purpose).drop_block().await;
            }
            ports.change(&BudgetPlace::App(provider), &mut None, decide).await
        } else {
            ports.change(&self.place(), &mut mine.known, decide).await
        };
        if let Err(held) = noted {
            tracing::error!(error = chain(&held), "The others do not know of a throttle");
        }
    }

    /// Gives back what was taken and not used, and adds what was used to the tenant's usage; what is not closed is given
    /// back by time. A closed gate may be passed again.
    pub async fn close(&self) {
        let Limits { ports, gates, .. } = &*self.limits;
        let provider = self.caller.provider;
        let mut mine = self.mine.lock().await;
        if std::mem::take(&mut mine.holds) {
            let back = |budget: &Budget, now| Change::Store(budget.without(self.holder, now), ());
            if let Err(held) = ports.change(&self.place(), &mut mine.known, back).await {
                tracing::warn!(error = chain(&held), "A way to a provider is given back by time");
            }
        }
        let used = std::mem::take(&mut mine.used);
        if used.calls > 0 {
            let day = ports.clock.now().to_zoned(TimeZone::UTC).date();
            if let Err(error) = ports.usage.add(&self.caller.tenant, (provider, day), &used).await {
                tracing::error!(error = chain(&error), "Usage is not metered");
            }
        }
        // Of several gates at once the last one gives back what they all took.
        if gates.load(Ordering::SeqCst) <= 1 {
            let app = self.limits.app(provider, self.caller.purpose);
            app.close(ports, &BudgetPlace::App(provider)).await;
        }
    }

    fn place(&self) -> BudgetPlace {
        BudgetPlace::Company(self.caller.provider, self.caller.company.clone())
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.limits.gates.fetch_sub(1, Ordering::SeqCst);
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("caller", &self.caller).finish_non_exhaustive()
    }
}
