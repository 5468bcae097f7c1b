//! The events of one company: which of them count, which are ours to do, and what became of each.

use std::{collections::HashMap, iter};

use futures::{StreamExt as _, stream};
use jiff::Timestamp;

use super::{
    EventConsumer, Item, Slot,
    bring::{Bringing, FETCH_TIME, Objects, Reached, is_gone},
    outcome::{Outcome, Wait},
};
use crate::{
    connection::Route,
    id::{ConnectionId, ProviderCompanyId},
    limits::{Caller, Gate, Purpose},
    provider::Provider,
    refresh::policy::later,
    store::{StoreError, chain},
    sync::{Ledger, RunError, books::Books},
    tenant::halted,
    webhook::{Begin, IN_PROGRESS_LIFE, Operation},
};

/// Events of a company that are begun, or ended, side by side; each is one write.
const EVENTS_AT_ONCE: usize = 16;

/// An event that is ours to do.
struct Begun<'a> {
    item: Item<'a>,
    /// Whether a worker before was at it and never came to an end.
    again: bool,
}

/// A company with its books, by every connection that has a right to them.
struct Open<'a> {
    provider: Provider,
    connections: Vec<(&'a Route, Books<'a>)>,
    deadline: Timestamp,
}

type Outcomes = Vec<(Slot, Outcome)>;

impl EventConsumer {
    /// Consumes the events of one company.
    pub(super) async fn company(
        &self,
        (provider, company): (Provider, &ProviderCompanyId),
        items: Vec<Item<'_>>,
        deadline: Timestamp,
    ) -> Outcomes {
        let Some(ledger) = self.ledgers.get(&provider) else { return all(&items, &Outcome::UnknownType) };
        let mut ended = Outcomes::new();
        let mut items = sorted(items, &mut ended, |item| self.unwanted(&**ledger, item));
        if items.is_empty() {
            return ended;
        }
        if later(self.clock.now(), FETCH_TIME) > deadline {
            ended.extend(all(&items, &Outcome::Waiting(Wait::NO_TIME)));
            return ended;
        }
        let routes = match self.routes(provider, company).await {
            Ok(routes) => routes,
            Err(outcome) => {
                ended.extend(all(&items, &outcome));
                return ended;
            }
        };
        items = sorted(items, &mut ended, |item| {
            let has = |id: &ConnectionId| routes.iter().any(|route| route.key.connection == *id);
            let is_of_another = item.event.connection_id.as_ref().is_some_and(|id| !has(id));
            is_of_another.then_some(Outcome::Disconnected)
        });
        if items.is_empty() {
            return ended;
        }
        let gates: Vec<_> = routes.iter().map(|route| self.gate(route, (provider, company))).collect();
        let worked = match self.open(&routes, &gates, (&**ledger, company)).await {
            Ok(connections) => self.work(Open { provider, connections, deadline }, items).await,
            Err(outcome) => all(&items, &outcome),
        };
        for gate in &gates {
            gate.close().await;
        }
        ended.extend(worked);
        ended
    }

    /// Why an event needs no look at its company.
    fn unwanted(&self, ledger: &dyn Ledger, item: &Item<'_>) -> Option<Outcome> {
        let age = |at: Timestamp| item.received_at.duration_since(at);
        let is_stale = item.event.occurred_at.is_some_and(|at| {
            jiff::SignedDuration::try_from(self.max_age).is_ok_and(|max_age| age(at) > max_age)
        });
        match () {
            () if ledger.entities(&item.event.entity).is_empty() => Some(Outcome::UnknownType),
            () if is_stale => Some(Outcome::Stale),
            () => None,
        }
    }

    /// The live routes of a company, of tenants that work.
    async fn routes(&self, provider: Provider, company: &ProviderCompanyId) -> Result<Vec<Route>, Outcome> {
        let found = self.connections.find_routes(provider, company).await;
        let mut routes = found.map_err(|error| Outcome::Waiting(Wait::because(&RunError::Store(error))))?;
        if routes.is_empty() {
            return Err(Outcome::UnknownCompany);
        }
        routes.retain(|route| !route.released);
        if routes.is_empty() {
            return Err(Outcome::Disconnected);
        }
        let mut working = Vec::with_capacity(routes.len());
        for route in routes {
            let halted = halted(&*self.tenants, &route.key.tenant).await;
            if halted.map_err(|error| Outcome::Waiting(Wait::because(&RunError::Store(error))))?.is_none() {
                working.push(route);
            }
        }
        if working.is_empty() { Err(Outcome::Suspended) } else { Ok(working) }
    }

    /// The way of one connection to the company's books.
    fn gate(&self, route: &Route, (provider, company): (Provider, &ProviderCompanyId)) -> Gate {
        let tenant = route.key.tenant.clone();
        self.limits.gate(Caller { tenant, provider, company: company.clone(), purpose: Purpose::Webhook })
    }

    /// A token for each connection that may be used; all of them, since an event has its effect for each.
    async fn open<'a>(
        &'a self,
        routes: &'a [Route],
        gates: &'a [Gate],
        (ledger, company): (&'a dyn Ledger, &'a ProviderCompanyId),
    ) -> Result<Vec<(&'a Route, Books<'a>)>, Outcome> {
        let mut connections = Vec::new();
        for (route, gate) in iter::zip(routes, gates) {
            match Books::open(&self.access, &route.key, ledger, (company, gate)).await {
                Ok(books) => connections.push((route, books)),
                Err(error) if is_gone(&error) => {}
                Err(error) => {
                    tracing::warn!(companyId = %route.company, error = chain(&error), "Company could not be opened");
                    return Err(Outcome::Waiting(Wait::because(&error)));
                }
            }
        }
        if connections.is_empty() { Err(Outcome::Disconnected) } else { Ok(connections) }
    }

    /// Begins with the events, brings their objects up to date, and ends the events.
    async fn work(&self, open: Open<'_>, items: Vec<Item<'_>>) -> Outcomes {
        let until = open.deadline.min(later(self.clock.now(), IN_PROGRESS_LIFE));
        let (items, twins) = twins_apart(items);
        let provider = open.provider;
        let begins: Vec<_> = items.into_iter().map(|item| self.begin(provider, item)).collect();
        let begins: Vec<_> = stream::iter(begins).buffered(EVENTS_AT_ONCE).collect().await;
        let (mut begun, mut ended) = (Vec::new(), Outcomes::new());
        for begin in begins {
            match begin {
                Ok(ours) => begun.push(ours),
                Err(settled) => ended.push(settled),
            }
        }
        if !begun.is_empty() {
            let objects = wanted(&begun);
            let mut reached = HashMap::new();
            for (route, books) in open.connections {
                let mut bringing = Bringing { consumer: self, provider, route, books, until };
                for (object, came) in bringing.bring(&objects).await {
                    let worse = match reached.remove(&object) {
                        Some(before) => Reached::worse(before, came),
                        None => came,
                    };
                    reached.insert(object, worse);
                }
            }
            let ends = begun.iter().map(|ours| {
                let event = ours.item.event;
                self.end(provider, ours, reached.get(&(event.entity.as_str(), &event.id)).cloned())
            });
            let ends: Vec<_> = ends.collect();
            ended.extend(stream::iter(ends).buffer_unordered(EVENTS_AT_ONCE).collect::<Vec<_>>().await);
        }
        with_twins(ended, twins)
    }

    /// Begins with an event, unless it is done or another worker's.
    async fn begin<'a>(&self, provider: Provider, item: Item<'a>) -> Result<Begun<'a>, (Slot, Outcome)> {
        let outcome = match self.seen.begin(provider, &item.event.key, self.clock.now()).await {
            Ok(Begin::Started { again }) => return Ok(Begun { item, again }),
            // The message came again after all was done.
            Ok(Begin::Completed { by }) if by == *item.by => Outcome::Applied,
            Ok(Begin::Completed { .. }) => Outcome::Duplicate,
            Ok(Begin::InProgress) => Outcome::Waiting(Wait::IN_PROGRESS),
            Err(error) => lost("begin", &error),
        };
        Err((item.slot, outcome))
    }

    /// Completes an event that had its effect, and gives back one that had none; not one that had some by a worker before,
    /// for then nobody would know that it is still to be announced.
    async fn end(
        &self,
        provider: Provider,
        &Begun { item, again }: &Begun<'_>,
        reached: Option<Reached>,
    ) -> (Slot, Outcome) {
        let key = &item.event.key;
        let outcome = match reached {
            Some(Reached::Done) => {
                let completed = self.seen.complete(provider, key, item.by, self.clock.now()).await;
                let outcome = match completed {
                    Ok(()) => Outcome::Applied,
                    Err(error) => lost("complete", &error),
                };
                return (item.slot, outcome);
            }
            Some(Reached::Half(wait)) => return (item.slot, Outcome::Waiting(wait)),
            Some(Reached::Gone) => Outcome::Disconnected,
            Some(Reached::Refused(reason)) => Outcome::Failed { reason, entity: item.event.entity.clone() },
            Some(Reached::Untouched(wait)) => Outcome::Waiting(wait),
            None => Outcome::Waiting(Wait::NO_TIME),
        };
        if again && outcome != Outcome::Disconnected {
            return (item.slot, outcome);
        }
        if let Err(error) = self.seen.abandon(provider, key).await {
            // It runs out by itself, and is then begun as one that may be half done.
            tracing::warn!(error = chain(&error), "Event is not given back");
        }
        (item.slot, outcome)
    }
}

/// An answer was lost, so that the event may be in progress: it is waited for until that has run out.
fn lost(what: &'static str, error: &StoreError) -> Outcome {
    tracing::warn!(what, error = chain(error), "Event could not be noted");
    Outcome::Waiting(Wait::half_done())
}

/// The same outcome for all.
fn all(items: &[Item<'_>], outcome: &Outcome) -> Outcomes {
    items.iter().map(|item| (item.slot, outcome.clone())).collect()
}

/// The items for which nothing is said.
fn sorted<'a>(
    items: Vec<Item<'a>>,
    ended: &mut Outcomes,
    said: impl Fn(&Item<'a>) -> Option<Outcome>,
) -> Vec<Item<'a>> {
    let kept = items.into_iter().filter(|item| match said(item) {
        Some(outcome) => {
            ended.push((item.slot, outcome));
            false
        }
        None => true,
    });
    kept.collect()
}

/// Apart from the first of each event those that are the same event once more, each with the slot of its first.
fn twins_apart(items: Vec<Item<'_>>) -> (Vec<Item<'_>>, Vec<(Slot, Slot)>) {
    let mut firsts: HashMap<&str, Slot> = HashMap::new();
    let mut twins = Vec::new();
    let kept = items.into_iter().filter(|item| {
        let first = *firsts.entry(item.event.key.as_str()).or_insert(item.slot);
        if first != item.slot {
            twins.push((item.slot, first));
        }
        first == item.slot
    });
    (kept.collect(), twins)
}

/// A twin of an event that had its effect is a duplicate; any other shares its fate.
fn with_twins(mut ended: Outcomes, twins: Vec<(Slot, Slot)>) -> Outcomes {
    let by_slot: HashMap<Slot, Outcome> = ended.iter().cloned().collect();
    ended.extend(twins.into_iter().filter_map(|(twin, first)| {
        let outcome = match by_slot.get(&first)? {
            Outcome::Applied => Outcome::Duplicate,
            outcome => outcome.clone(),
        };
        Some((twin, outcome))
    }));
    ended
}

/// The objects that events are about, each once however many they are.
fn wanted<'a>(begun: &[Begun<'a>]) -> Objects<'a> {
    let mut objects = Objects::new();
    for Begun { item, again } in begun {
        let of_word = objects.entry(item.event.entity.as_str()).or_default();
        let wanted = of_word.entry(&item.event.id).or_default();
        wanted.at = wanted.at.max(item.event.occurred_at);
        wanted.again |= again;
        wanted.may_be_gone |= item.event.operation == Operation::Deleted || !item.is_first;
    }
    objects
}
