//! Walks over a company's books: how far each came, and what it saw.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Entity, RecordPlace, digest};
use crate::{
    id::{JobId, RecordId},
    store::StoreError,
};

/// How far one entity of one company is synced.
///
/// Pages are asked for by time of change, from `after` on. Only where more objects than a page holds changed in the very
/// same moment does `position` count within that moment: an object that changes during the walk moves to its end, and
/// positions over the whole list would then skip another.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SyncCursor {
    /// The job that moved it last, so that a job that comes back goes on and a new one begins.
    pub job: Option<JobId>,
    /// Everything changed before this moment is stored.
    pub after: Option<Timestamp>,
    /// How many objects of exactly that moment are to be skipped.
    pub skip: u64,
    /// Records written by this job so far.
    pub records: u64,
    /// When the walk began: what changed later may not be stored.
    pub began_at: Option<Timestamp>,
    /// When the walk last reached its end; none while it is under way.
    pub completed_at: Option<Timestamp>,
    /// Where the walk stands, beside `after`.
    pub walk: Walk,
    /// When everything was last read whole and compared.
    pub whole_at: Option<Timestamp>,
    /// When counting last led to that: what can never be counted right must not lead to it every time.
    pub miscounted_at: Option<Timestamp>,
}

/// Where a walk stands.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Walk {
    /// Among what changed since a moment.
    #[default]
    Changes,
    /// Behind what changed: the provider did not tell of deletions, and the objects are to be counted.
    Count,
    /// Among everything, noting what is seen.
    Whole {
        /// The job that began it: what it saw is noted under this name.
        name: JobId,
        /// How many pages it noted.
        pages: u64,
    },
    /// Among what is stored, looking for what the walk over everything did not see.
    Sweep {
        /// The walk over everything that it follows.
        name: JobId,
        /// How many pages that noted.
        pages: u64,
        /// The page of what is stored with which it goes on.
        from: Option<String>,
    },
}

impl Walk {
    /// The name of a walk over everything, also while what it did not see is looked for.
    #[must_use]
    pub fn whole(&self) -> Option<&JobId> {
        match self {
            Self::Whole { name, .. } | Self::Sweep { name, .. } => Some(name),
            Self::Changes | Self::Count => None,
        }
    }
}

/// One page of the ids of stored records.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct IdPage {
    /// The ids of those on it that are not deleted.
    pub ids: Vec<RecordId>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// The objects that a walk saw.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SeenIds(BTreeSet<u64>);

impl SeenIds {
    /// What stands for an id: eight bytes of a hash. Two ids that meet in one hide at worst a deletion, never an object.
    #[must_use]
    pub fn digest(id: &RecordId) -> u64 {
        digest(id.as_str())
    }

    /// Whether an object was seen.
    #[must_use]
    pub fn contains(&self, id: &RecordId) -> bool {
        self.0.contains(&Self::digest(id))
    }
}

impl FromIterator<u64> for SeenIds {
    fn from_iter<T: IntoIterator<Item = u64>>(digests: T) -> Self {
        Self(digests.into_iter().collect())
    }
}

/// Where walks are kept, beside the records that they are over.
#[async_trait]
pub trait WalkStore: Send + Sync {
    /// Lists the ids of stored records that are not deleted, from where the page before ended. One that changes while the
    /// list is read may come twice, and none is passed over.
    async fn list_ids(
        &self,
        place: &RecordPlace,
        entity: Entity,
        from: Option<&str>,
    ) -> Result<IdPage, StoreError>;

    /// How many records of a kind are stored and not deleted.
    async fn count(&self, place: &RecordPlace, entity: Entity) -> Result<u64, StoreError>;

    /// Notes the objects that a walk saw on one of its pages; the same page again replaces it.
    async fn note_seen(
        &self,
        place: &RecordPlace,
        (entity, walk): (Entity, &JobId),
        page: u64,
        ids: &[RecordId],
    ) -> Result<(), StoreError>;

    /// The objects that a walk saw on its first `pages` pages, and on no other.
    async fn find_seen(
        &self,
        place: &RecordPlace,
        (entity, walk): (Entity, &JobId),
        pages: u64,
    ) -> Result<SeenIds, StoreError>;

    /// The cursor of an entity.
    async fn find_cursor(
        &self,
        place: &RecordPlace,
        entity: Entity,
    ) -> Result<Option<SyncCursor>, StoreError>;

    /// Moves the cursor of an entity, called only after the records it stands for are written; false when a newer job
    /// moved it meanwhile, which is not to be set back. Ids of jobs are in the order of time, so the greater is newer.
    async fn save_cursor(
        &self,
        place: &RecordPlace,
        entity: Entity,
        cursor: &SyncCursor,
    ) -> Result<bool, StoreError>;
}
