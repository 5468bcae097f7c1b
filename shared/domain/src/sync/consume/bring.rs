//! Bringing the records of one connection's company up to date with its books.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use jiff::Timestamp;

use super::{EventConsumer, outcome::Wait};
use crate::{
    access::AccessError,
    connection::Route,
    error::ErrorCode,
    event::{Event, EventKind},
    id::{Ids, RecordId},
    provider::Provider,
    refresh::policy::later,
    store::{StoreError, chain},
    sync::{Fetched, LedgerError, RecordPlace, RunError, books::Books},
};

/// Objects that are asked for with one call of a ledger: bounds what is in memory at once.
const FETCHED_AT_ONCE: usize = 100;
/// What a fetch and its writes may need at most.
pub(super) const FETCH_TIME: Duration = Duration::from_mins(1);

/// An object: the provider's word for its kind, and its id.
pub(super) type Object<'a> = (&'a str, &'a RecordId);

/// Why an object is to be fetched.
#[derive(Clone, Copy, Default)]
pub(super) struct Wanted {
    /// When the newest event about it happened.
    pub(super) at: Option<Timestamp>,
    /// Whether a worker before may have written it without saying so.
    pub(super) again: bool,
    /// Whether it is believed to be gone if the provider says so: an event told of its end, or it is asked for once more.
    /// Of what was just made or changed a provider may know nothing for a moment, and a mark of its deletion would then
    /// refuse it until it changes again.
    pub(super) may_be_gone: bool,
}

/// The objects of one company that are to be fetched, by the provider's word.
pub(super) type Objects<'a> = BTreeMap<&'a str, BTreeMap<&'a RecordId, Wanted>>;

/// How far it came with an object; of two connections the greater counts.
#[derive(Clone, Debug)]
pub(super) enum Reached {
    /// The connection has no right to the company any more, or never had one to objects of this kind.
    Gone,
    /// It is as it is in the books, and that is announced.
    Done,
    /// The provider refuses it, and would again.
    Refused(&'static str),
    /// It was not touched, or all that was done is announced.
    Untouched(Wait),
    /// It may be written without being announced.
    Half(Wait),
}

impl Reached {
    /// The one of two that says what is still to be done.
    pub(super) fn worse(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Gone => 0,
            Self::Done => 1,
            Self::Refused(_) => 2,
            Self::Untouched(_) => 3,
            Self::Half(_) => 4,
        }
    }

    fn because(error: &RunError) -> Self {
        match error {
            error if is_gone(error) => Self::Gone,
            RunError::Ledger(LedgerError::Refused { .. }) => Self::Refused(error.code().name()),
            error => Self::Untouched(Wait::because(error)),
        }
    }

    fn of_object(error: LedgerError) -> Self {
        let is_object = matches!(error, LedgerError::Unavailable(_));
        match Self::because(&RunError::Ledger(error)) {
            // Forbidden by itself, it is not the company that is gone.
            Self::Gone => Self::Refused(ErrorCode::ProviderApiError.name()),
            Self::Untouched(wait) => Self::Untouched(Wait { is_object, ..wait }),
            reached => reached,
        }
    }
}

/// Whether a connection has no books to read any more.
pub(super) fn is_gone(error: &RunError) -> bool {
    matches!(
        error,
        RunError::Access(AccessError::Missing | AccessError::NotUsable(_))
            | RunError::Ledger(LedgerError::Forbidden)
    )
}

/// A connection whose records are brought up to date.
pub(super) struct Bringing<'a> {
    pub(super) consumer: &'a EventConsumer,
    pub(super) provider: Provider,
    pub(super) route: &'a Route,
    pub(super) books: Books<'a>,
    /// Nothing is begun that might not end before.
    pub(super) until: Timestamp,
}

impl Bringing<'_> {
    /// Fetches and writes the objects, and announces what changed.
    pub(super) async fn bring<'o>(&mut self, objects: &Objects<'o>) -> HashMap<Object<'o>, Reached> {
        let (mut reached, mut changed) = (HashMap::new(), 0);
        let mut stopped = None;
        for (word, of_word) in objects {
            let ids: Vec<_> = of_word.keys().copied().collect();
            for ids in ids.chunks(FETCHED_AT_ONCE) {
                let came = match stopped.clone() {
                    Some(stopped) => Err(stopped),
                    // To ask all the same costs a token, and at Zoho looks as if the token had ended.
                    None if self.books.leaves_out(word) => Err(Reached::Gone),
                    None => self.fetch(word, ids).await,
                };
                match came {
                    Ok(mut fetched) => {
                        stopped = fetched.stopped.take().map(|error| self.met(word, &error.into()));
                        let pairs = ids.iter().map(|id| ((*word, *id), of_word[id]));
                        let came = (fetched, stopped.clone());
                        changed += self.write(came, &pairs.collect(), &mut reached).await;
                    }
                    Err(all) => {
                        reached.extend(ids.iter().map(|id| ((*word, *id), all.clone())));
                        // A right that is lacking for objects of one kind may be there for others.
                        stopped = Some(all).filter(|all| !matches!(all, Reached::Refused(_) | Reached::Gone));
                    }
                }
            }
        }
        self.announce(objects, &mut reached, changed).await;
        reached
    }

    /// Objects as they are now, or what stands in the way of all of them.
    async fn fetch(&mut self, word: &str, ids: &[&RecordId]) -> Result<Fetched, Reached> {
        if later(self.consumer.clock.now(), FETCH_TIME) > self.until {
            return Err(Reached::Untouched(Wait::NO_TIME));
        }
        let ids: Vec<_> = ids.iter().copied().cloned().collect();
        let fetched = self.books.fetch(word, &ids).await;
        fetched.map_err(|error| self.met(word, &error))
    }

    /// How far it came with objects that met this.
    fn met(&self, word: &str, error: &RunError) -> Reached {
        let company = self.route.company.as_str();
        tracing::warn!(companyId = company, word, error = chain(error), "Objects could not be read");
        Reached::because(error)
    }

    /// Writes what came, where the rest came as far as is said; gives how many records that changed.
    async fn write<'o>(
        &self,
        (fetched, rest): (Fetched, Option<Reached>),
        wanted: &HashMap<Object<'o>, Wanted>,
        reached: &mut HashMap<Object<'o>, Reached>,
    ) -> u64 {
        let place =
            RecordPlace { tenant: self.route.key.tenant.clone(), company: self.route.company.clone() };
        let mut by_id: HashMap<&RecordId, Object<'o>> = HashMap::new();
        for object in wanted.keys() {
            by_id.insert(object.1, *object);
            // One that the ledger says nothing of is asked for again.
            let silent = || LedgerError::Unavailable("the ledger said nothing of it".into());
            let untold = rest.clone().unwrap_or_else(|| Reached::of_object(silent()));
            reached.insert(*object, untold);
        }
        let mut changed = 0;
        let write_id = Ids::new(&*self.consumer.clock, &*self.consumer.entropy).write();
        let put = self.consumer.records.put_if_newer(&place, &fetched.records, &write_id).await;
        let put = written(put, &mut changed);
        let found = fetched.records.iter().filter_map(|record| by_id.get(&record.id));
        reached.extend(found.map(|object| (*object, put.clone())));
        for id in &fetched.missing {
            let Some(object) = by_id.get(id) else { continue };
            if !wanted[object].may_be_gone {
                reached.insert(*object, Reached::Untouched(Wait::NOT_THERE_YET));
                continue;
            }
            let marked = self.mark_deleted(&place, *object, wanted[object].at, &write_id).await;
            reached.insert(*object, written(marked, &mut changed));
        }
        for (id, error) in fetched.failed {
            let Some(object) = by_id.get(&id) else { continue };
            tracing::warn!(companyId = %place.company, word = object.0, recordId = %id, error = chain(&error), "Object could not be read");
            reached.insert(*object, Reached::of_object(error));
        }
        changed
    }

    /// Marks an object as deleted in every list that may hold it; gives how many did.
    ///
    /// An object that came back is in no other list to be deleted from: an invoice of Xero never becomes a bill, and a
    /// contact that is a customer does not cease to be one by becoming a vendor. A mark for each list in which it is not
    /// would leave a tombstone for every object of the books.
    async fn mark_deleted(
        &self,
        place: &RecordPlace,
        (word, id): Object<'_>,
        at: Option<Timestamp>,
        write_id: &str,
    ) -> Result<u64, StoreError> {
        let now = self.consumer.clock.now();
        // A deletion in the future would refuse what changes until then.
        let at = at.map_or(now, |at| at.min(now));
        let mut marked = 0;
        for &entity in self.books.ledger.entities(word) {
            let is_changed = self.consumer.records.mark_deleted(place, (entity, id), at, write_id).await?;
            marked += u64::from(is_changed);
        }
        Ok(marked)
    }

    /// Announces what changed, and what a worker before may have changed in silence.
    async fn announce<'o>(
        &self,
        objects: &Objects<'o>,
        reached: &mut HashMap<Object<'o>, Reached>,
        changed: u64,
    ) {
        let is_done = |object: &Object<'_>| matches!(reached.get(object), Some(Reached::Done));
        let all =
            objects.iter().flat_map(|(word, ids)| ids.iter().map(|(id, wanted)| ((*word, *id), *wanted)));
        let (mut done, mut again) = (0_u64, 0_u64);
        for ((word, _), wanted) in all.filter(|(object, _)| is_done(object)) {
            done += 1;
            // It may be a record in each list that its word may mean.
            again += if wanted.again { self.books.ledger.entities(word).len() as u64 } else { 0 };
        }
        for reached in reached.values_mut() {
            if let Reached::Untouched(wait) = reached {
                wait.is_alone = done > 0;
            }
        }
        // One that changed once more is counted twice, which is better than not at all.
        let records = changed + again;
        if records == 0 {
            return;
        }
        let consumer = self.consumer;
        let mut event =
            Event::new(EventKind::RecordsChanged, &self.route.key, self.provider, consumer.clock.now());
        event.company_id = Some(self.route.company.clone());
        event.records = Some(records);
        if let Err(error) = consumer.bus.publish(&event).await {
            tracing::warn!(companyId = %self.route.company, error = chain(&error), "Changed records are not announced");
            for reached in reached.values_mut().filter(|reached| matches!(reached, Reached::Done)) {
                *reached = Reached::Half(Wait::half_done());
            }
        }
    }
}

/// How far it came with what was written, and how many records that changed.
fn written(came: Result<u64, StoreError>, changed: &mut u64) -> Reached {
    match came {
        Ok(newer) => {
            *changed += newer;
            Reached::Done
        }
        Err(error) => {
            tracing::warn!(error = chain(&error), "Records could not be written");
            Reached::Half(Wait::half_done())
        }
    }
}
