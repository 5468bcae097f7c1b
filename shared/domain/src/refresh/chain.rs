//! The hash chain of a connection's history: each entry covers the one before, and the newest one's hash is kept with the
//! connection, so that an entry that was changed, added or taken out later does not fit.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::RefreshAttempt;
use crate::connection::ChainHead;

/// What the hash of an entry begins with, so that it can be no other hash of ours.
const DOMAIN: &[u8] = b"ledgerbridge history v1";

/// The place of one entry in the chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ChainLink {
    /// The entry's number, counted from 1.
    pub sequence: u64,
    /// The hash of the entry before; zeros in the first.
    pub previous: [u8; 32],
    /// The hash of this entry: SHA-256 over its fields, each with its length before it, and the hash of the entry before.
    pub hash: [u8; 32],
}

impl ChainLink {
    /// The link of an entry that follows `head`.
    #[must_use]
    pub fn after(head: ChainHead, attempt: &RefreshAttempt) -> Self {
        let sequence = head.sequence + 1;
        Self { sequence, previous: head.hash, hash: hash(sequence, &head.hash, attempt) }
    }

    /// The head of a chain that ends with this entry.
    #[must_use]
    pub fn head(&self) -> ChainHead {
        ChainHead { sequence: self.sequence, hash: self.hash }
    }
}

fn hash(sequence: u64, previous: &[u8; 32], attempt: &RefreshAttempt) -> [u8; 32] {
    let mut hasher = Sha256::new();
    let mut field = |bytes: &[u8]| {
        hasher.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(bytes);
    };
    field(DOMAIN);
    field(previous);
    field(&sequence.to_be_bytes());
    field(attempt.id.as_str().as_bytes());
    field(attempt.key.tenant.as_str().as_bytes());
    field(attempt.key.connection.as_str().as_bytes());
    field(attempt.provider.as_str().as_bytes());
    field(attempt.trigger.as_str().as_bytes());
    field(&attempt.started_at.as_millisecond().to_be_bytes());
    field(&attempt.completed_at.as_millisecond().to_be_bytes());
    field(&attempt.retry.to_be_bytes());
    // How many fields follow says whether there was a failure, and what of it is known.
    if let Some(failure) = &attempt.failure {
        field(failure.class.as_str().as_bytes());
        for known in [&failure.code, &failure.trace_id] {
            field(&[u8::from(known.is_some())]);
            field(known.as_deref().unwrap_or_default().as_bytes());
        }
    }
    hasher.finalize().into()
}

/// What became of checking a history.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ChainReport {
    /// How many entries were checked.
    pub checked: u64,
    /// Whether all is as it was written, from the oldest entry that is still kept to the head.
    pub intact: bool,
    /// Entries that are not as they were written, or were never.
    pub altered: Vec<u64>,
    /// Entries that are not there. One whose worker was killed between settling and writing it is missing as well.
    pub missing: Vec<u64>,
}

/// Checks the entries of one connection, in any order, against the head of its chain. What lies before the oldest entry
/// has been forgotten by age.
#[must_use]
pub fn verify(head: ChainHead, attempts: &[RefreshAttempt]) -> ChainReport {
    let mut links = BTreeMap::<u64, Vec<(&RefreshAttempt, ChainLink)>>::new();
    for (attempt, link) in attempts.iter().filter_map(|attempt| Some((attempt, attempt.link?))) {
        links.entry(link.sequence).or_default().push((attempt, link));
    }
    let mut report = ChainReport::default();
    let oldest = links.keys().next().copied().unwrap_or(head.sequence);
    let mut before: Option<[u8; 32]> = (oldest == 1).then_some([0; 32]);
    for (&sequence, entries) in &links {
        report.checked += 1;
        let (attempt, link) = entries[0];
        let fits = link.hash == hash(sequence, &link.previous, attempt)
            && entries.len() == 1
            && sequence <= head.sequence
            && before.is_none_or(|before| before == link.previous)
            && (sequence != head.sequence || link.hash == head.hash);
        if !fits {
            report.altered.push(sequence);
        }
        let next_is_kept = links.contains_key(&sequence.saturating_add(1));
        before = next_is_kept.then_some(link.hash);
    }
    report.missing =
        (oldest.max(1)..=head.sequence).filter(|sequence| !links.contains_key(sequence)).collect();
    report.intact = report.altered.is_empty() && report.missing.is_empty();
    report
}

#[cfg(test)]
mod tests;
