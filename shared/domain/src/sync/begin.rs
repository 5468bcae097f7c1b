//! Where a job begins with a kind of object.

use std::{cmp::Ordering, time::Duration};

use jiff::Timestamp;

use super::{JobOrigin, SyncCursor, SyncJob, SyncMode, Told, Walk};
use crate::{
    id::JobId,
    refresh::policy::{earlier, later},
};

/// An incremental run reads this much again, since providers' clocks and commits are not in one order.
pub(super) const OVERLAP: Duration = Duration::from_mins(5);
/// A count that is off leads to a whole walk once in this time: what can never be counted right, such as an object that
/// cannot be read, costs a walk a day at most.
const RECOUNT: Duration = Duration::from_hours(20);

/// What the provider says of a kind of object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    /// How much pages since a moment tell.
    pub(super) told: Told,
    /// How often it is to be read whole.
    pub(super) whole_every: Option<Duration>,
}

/// Where a job begins with a kind of object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Begin {
    /// The cursor, of this job from now on.
    pub(super) cursor: SyncCursor,
    /// When the walk before began, if it came to its end: what is found newer was changed since, and a feed of changes is
    /// to be asked from there.
    pub(super) known: Option<Timestamp>,
}

/// Where `job` begins, given how far others came: where it was, if it comes back; at the start or at the cursor, if it is
/// new; amid a whole walk that another job left unfinished. Nowhere where a newer job walks the same objects, for two that
/// took turns would never come to an end, or has walked them as thoroughly.
pub(super) fn begin(job: &SyncJob, found: Option<SyncCursor>, facts: Facts, now: Timestamp) -> Option<Begin> {
    let found = found.unwrap_or_default();
    // Ids of jobs are in the order of time.
    match found.job.as_ref().map(|mover| mover.cmp(&job.job_id)) {
        Some(Ordering::Greater) => return beside_a_newer(job, found, now),
        Some(Ordering::Equal) => return Some(Begin { cursor: found, known: None }),
        Some(Ordering::Less) | None => {}
    }
    let known = found.completed_at.and(found.began_at.or(found.completed_at));
    let (whole_at, miscounted_at) = (found.whole_at, found.miscounted_at);
    let new = SyncCursor {
        job: Some(job.job_id.clone()),
        began_at: Some(now),
        whole_at,
        miscounted_at,
        ..SyncCursor::default()
    };
    let is_under_way = found.completed_at.is_none() && found.walk.whole().is_some();
    let cursor = match (job.mode, found.after) {
        (SyncMode::Incremental, _) if is_under_way => SyncCursor { job: new.job, records: 0, ..found },
        (SyncMode::Incremental, Some(after)) if !needs_whole(whole_at, facts, now) => {
            SyncCursor { after: Some(earlier(after, OVERLAP)), ..new }
        }
        _ => whole(new, &job.job_id),
    };
    Some(Begin { cursor, known })
}

/// Where a job begins after a newer one: nowhere, unless it is to read everything, and the newer one, which is done, did not.
/// The cursor stays in the newer one's name, so that it is not set back.
fn beside_a_newer(job: &SyncJob, found: SyncCursor, now: Timestamp) -> Option<Begin> {
    if found.completed_at.is_none() {
        let is_mine = found.walk.whole() == Some(&job.job_id);
        return is_mine.then_some(Begin { cursor: found, known: None });
    }
    let made_at = job.job_id.made_at()?;
    let is_read = job.mode != SyncMode::Full || found.whole_at.is_some_and(|whole_at| whole_at >= made_at);
    let known = found.began_at.or(found.completed_at);
    let anew = SyncCursor { records: 0, began_at: Some(now), completed_at: None, ..found };
    (!is_read).then(|| Begin { cursor: whole(anew, &job.job_id), known })
}

/// A cursor at the beginning of a walk over everything, of this name.
fn whole(cursor: SyncCursor, name: &JobId) -> SyncCursor {
    let walk = Walk::Whole { name: name.clone(), pages: 0 };
    SyncCursor { after: None, skip: 0, walk, ..cursor }
}

/// Whether pages since a moment would leave something out.
fn needs_whole(whole_at: Option<Timestamp>, facts: Facts, now: Timestamp) -> bool {
    let is_over = |every| whole_at.is_none_or(|whole_at| later(whole_at, every) <= now);
    facts.told == Told::Nothing || facts.whole_every.is_some_and(is_over)
}

/// The cursor once everything that changed is read: done, unless the objects are to be counted.
pub(super) fn behind_changes(cursor: SyncCursor, job: &SyncJob, told: Told, now: Timestamp) -> SyncCursor {
    if told == Told::All && job.origin != Some(JobOrigin::CatchUp) {
        done(cursor, now)
    } else {
        SyncCursor { walk: Walk::Count, ..cursor }
    }
}

/// The cursor at the end of its walk.
pub(super) fn done(cursor: SyncCursor, now: Timestamp) -> SyncCursor {
    let whole_at = if matches!(cursor.walk, Walk::Sweep { .. }) { cursor.began_at } else { cursor.whole_at };
    SyncCursor { completed_at: Some(now), walk: Walk::Changes, skip: 0, whole_at, ..cursor }
}

/// The cursor where the objects are not as many as they should be: at the beginning of a walk over everything, unless
/// that was lately tried.
pub(super) fn miscounted(cursor: SyncCursor, job: &SyncJob, now: Timestamp) -> SyncCursor {
    if cursor.miscounted_at.is_some_and(|at| later(at, RECOUNT) > now) {
        return done(cursor, now);
    }
    whole(SyncCursor { miscounted_at: Some(now), began_at: Some(now), ..cursor }, &job.job_id)
}

#[cfg(test)]
mod tests;
