//! Finding what is gone: a feed that tells of deletions, a count, and a comparison of ids.
//!
//! Nothing is marked deleted for being missing from a list: what a comparison misses is asked for by its id, and only what
//! the provider itself says it does not have is gone.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Changes, Entity, Fetched, LedgerError, Record, RunError, SyncCursor, Told, Walk,
    begin::{self, OVERLAP},
    walker::{Stop, Track, Walker},
};
use crate::{
    id::RecordId,
    refresh::policy::{earlier, later},
};

/// Objects that are asked for at once: bounds what is done again after a stop.
const ASKED_AT_ONCE: usize = 100;
/// How long after what was just written the index is sure to count it.
const SETTLE: Duration = Duration::from_secs(2);

impl Walker<'_> {
    /// Asks the provider's feed of changes, where it has one, for all kinds whose last walk it reaches back to. Where it
    /// tells of everything those kinds are done with it.
    pub(super) async fn read_feed(&mut self, tracks: &mut [Track]) -> Result<(), Stop> {
        let Some(reach) = self.books.ledger.changes_reach() else { return Ok(()) };
        let asked_at = self.now();
        let is_reached = |track: &Track| {
            let is_new = track.cursor.walk == Walk::Changes && track.cursor.skip == 0;
            let known = track.known.filter(|_| is_new && track.cursor.completed_at.is_none());
            known.map(|known| earlier(known, OVERLAP)).filter(|since| later(*since, reach) > asked_at)
        };
        let Some(since) = tracks.iter().filter_map(is_reached).min() else { return Ok(()) };
        let reached: Vec<&mut Track> =
            tracks.iter_mut().filter(|track| is_reached(track).is_some()).collect();
        let entities: Vec<Entity> = reached.iter().map(|track| track.entity).collect();
        self.pause().await?;
        let mut changes = self.books.changes(&entities, since).await?;
        for track in reached {
            let newest = self.take_changes(track, &mut changes).await?;
            if changes.complete.contains(&track.entity) {
                let after = newest.max(track.cursor.after);
                let cursor = SyncCursor { after, began_at: Some(asked_at), ..track.cursor.clone() };
                let cursor = begin::behind_changes(cursor, self.job, Told::All, self.now());
                self.save(track, cursor).await?;
            }
        }
        Ok(())
    }

    /// Takes what the feed told of one kind and writes it; gives the newest time of change.
    async fn take_changes(
        &mut self,
        track: &mut Track,
        changes: &mut Changes,
    ) -> Result<Option<Timestamp>, Stop> {
        let entity = track.entity;
        let records: Vec<_> = changes.records.extract_if(.., |record| record.entity == entity).collect();
        let mut newer = self.runner.records.put_if_newer(self.place, &records, &self.write_id()).await?;
        for (_, id, at) in changes.deleted.iter().filter(|(of, ..)| *of == entity) {
            newer += u64::from(self.mark_deleted((entity, id), *at).await?);
        }
        self.wrote(track, newer);
        Ok(records.iter().map(|record| record.updated_at).max())
    }

    /// Compares the number of objects with the provider's where that did not tell of deletions; a kind that has another
    /// number is walked over whole.
    pub(super) async fn count(&mut self, tracks: &mut [Track]) -> Result<(), Stop> {
        let mut off: Vec<Entity> =
            tracks.iter().filter(|track| track.is_to_count()).map(|t| t.entity).collect();
        if off.is_empty() {
            return Ok(());
        }
        off = self.miscounted(&off).await?;
        if !off.is_empty() {
            // What was just written may not be counted yet, and what was just made may not be written.
            self.runner.clock.sleep(SETTLE).await;
            off = self.miscounted(&off).await?;
        }
        for track in tracks.iter_mut().filter(|track| track.is_to_count()) {
            let now = self.now();
            let cursor = if off.contains(&track.entity) {
                tracing::info!(entity = track.entity.as_str(), "Objects are not as many as the provider's");
                begin::miscounted(track.cursor.clone(), self.job, now)
            } else {
                begin::done(track.cursor.clone(), now)
            };
            self.save(track, cursor).await?;
        }
        Ok(())
    }

    async fn miscounted(&mut self, entities: &[Entity]) -> Result<Vec<Entity>, Stop> {
        self.pause().await?;
        let mut expected = Vec::with_capacity(entities.len());
        for &entity in entities {
            expected.push((entity, self.runner.walks.count(self.place, entity).await?));
        }
        match self.books.miscounted(&expected).await {
            // Whoever reads a kind may count it; what cannot be counted is left as it is.
            Err(RunError::Ledger(error @ LedgerError::Refused { .. })) => {
                tracing::warn!(%error, "Objects cannot be counted");
                Ok(Vec::new())
            }
            off => Ok(off?),
        }
    }

    /// Looks at a page of what is stored for objects that the walk over everything did not see.
    pub(super) async fn sweep(&mut self, track: &mut Track) -> Result<(), Stop> {
        let Walk::Sweep { name, pages, from } = track.cursor.walk.clone() else { return Ok(()) };
        let walks = &self.runner.walks;
        let seen = match track.seen.take() {
            Some(seen) => seen,
            None => walks.find_seen(self.place, (track.entity, &name), pages).await?,
        };
        let page = walks.list_ids(self.place, track.entity, from.as_deref()).await?;
        let unseen: Vec<RecordId> = page.ids.into_iter().filter(|id| !seen.contains(id)).collect();
        track.seen = Some(seen);
        for ids in unseen.chunks(ASKED_AT_ONCE) {
            self.pause().await?;
            self.ask_for(track, ids).await?;
        }
        let is_last = page.next.is_none();
        let mut cursor = track.cursor.clone();
        if let Walk::Sweep { from, .. } = &mut cursor.walk {
            *from = page.next;
        }
        let cursor = if is_last { begin::done(cursor, self.now()) } else { cursor };
        self.save(track, cursor).await
    }

    /// Asks for objects that a walk did not see: what the provider does not have is marked deleted, what it has is written.
    async fn ask_for(&mut self, track: &mut Track, ids: &[RecordId]) -> Result<(), Stop> {
        let entity = track.entity;
        let word = self.books.ledger.word(entity);
        let Fetched { records, missing, failed, stopped } = self.books.fetch(word, ids).await?;
        let mut newer = self.runner.records.put_if_newer(self.place, &records, &self.write_id()).await?;
        let now = self.now();
        for id in &missing {
            newer += u64::from(self.mark_deleted((entity, id), now).await?);
        }
        let is_here =
            |id: &&RecordId| records.iter().any(|record| record.id == **id && record.entity == entity);
        // A contact that is no vendor any more is found, and among the vendors it is gone.
        for record in records.iter().filter(|record| !is_here(&&record.id)) {
            newer += u64::from(self.mark_moved(entity, record).await?);
        }
        self.wrote(track, newer);
        for (id, error) in &failed {
            tracing::warn!(entity = entity.as_str(), recordId = id.as_str(), %error, "Object cannot be compared");
        }
        let there = ids.iter().filter(is_here).chain(failed.iter().map(|(id, _)| id)).cloned().collect();
        self.saw(track, there).await?;
        stopped.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Notes objects that are there although the walk did not see them: a sweep that stops amid a page, as where the limits
    /// of a minute are used up, would ask for the same ones for ever.
    async fn saw(&mut self, track: &mut Track, ids: Vec<RecordId>) -> Result<(), Stop> {
        let mut cursor = track.cursor.clone();
        let Walk::Sweep { name, pages, .. } = &mut cursor.walk else { return Ok(()) };
        if ids.is_empty() {
            return Ok(());
        }
        self.runner.walks.note_seen(self.place, (track.entity, name), *pages, &ids).await?;
        *pages += 1;
        self.save(track, cursor).await
    }

    /// Marks an object as deleted that is of another kind now. It is stored as it was found, at its own time: should it be
    /// of this kind again, its time may be the same, and only its content tells that it came back.
    async fn mark_moved(&self, entity: Entity, found: &Record) -> Result<bool, Stop> {
        let gone = Record { entity, deleted: true, ..found.clone() };
        let write_id = self.write_id();
        let records = &self.runner.records;
        records.put_if_newer(self.place, std::slice::from_ref(&gone), &write_id).await?;
        let moved = (entity, &gone.id);
        Ok(records.mark_deleted(self.place, moved, gone.updated_at, &write_id).await?)
    }

    async fn mark_deleted(&self, record: (Entity, &RecordId), at: Timestamp) -> Result<bool, Stop> {
        let write_id = self.write_id();
        Ok(self.runner.records.mark_deleted(self.place, record, at, &write_id).await?)
    }
}
