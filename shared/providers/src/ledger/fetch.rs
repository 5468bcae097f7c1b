//! Objects by id: what came of each, and which are to be asked for one by one.

use domain::{
    id::RecordId,
    sync::{Fetched, LedgerError, Record},
};
use futures::stream::{self, StreamExt as _};

use super::Trouble;

/// Sorts what came of asking for several at once, and gives the ids of which nothing came: each of those is to be asked for
/// alone before it counts as missing.
pub(crate) fn left_of<'a>(
    fetched: &mut Fetched,
    asked: &[&'a RecordId],
    found: Result<Vec<Record>, Trouble>,
) -> Result<Vec<&'a RecordId>, LedgerError> {
    let found = match found {
        Ok(found) => found,
        Err(Trouble::Common(error)) => return Err(error),
        // One among them may have spoiled the answer for all.
        Err(Trouble::Own(_)) => Vec::new(),
    };
    let left = |id: &&RecordId| !found.iter().any(|record| record.id == **id);
    let left = asked.iter().copied().filter(left).collect();
    fetched.records.extend(found.into_iter().filter(|record| asked.contains(&&record.id)));
    Ok(left)
}

/// Gives what came before it ended. An error that leaves nothing is the answer, and so is one that another token or nobody
/// gets over.
pub(crate) fn as_far_as_it_came(
    fetched: Fetched,
    ended: Result<(), LedgerError>,
) -> Result<Fetched, LedgerError> {
    let has_come = !(fetched.records.is_empty() && fetched.missing.is_empty() && fetched.failed.is_empty());
    match ended {
        Err(error @ (LedgerError::Throttled { .. } | LedgerError::Unavailable(_))) if has_come => {
            Ok(Fetched { stopped: Some(error), ..fetched })
        }
        ended => ended.map(|()| fetched),
    }
}

/// Asks for objects one by one, `width` of them side by side, and sorts what came of each: no record says that there is no
/// such object, and an error that others would meet ends it.
pub(crate) async fn each<'a, F>(
    fetched: &mut Fetched,
    (ids, width): (Vec<&'a RecordId>, usize),
    object: impl Fn(&'a RecordId) -> F,
) -> Result<(), LedgerError>
where
    F: Future<Output = Result<Vec<Record>, Trouble>>,
{
    let asked: Vec<_> = ids.iter().map(|id| object(id)).collect();
    let mut answers = stream::iter(ids).zip(stream::iter(asked).buffered(width));
    while let Some((id, outcome)) = answers.next().await {
        match outcome {
            Ok(records) if records.is_empty() => fetched.missing.push(id.clone()),
            Ok(records) => fetched.records.extend(records),
            Err(Trouble::Own(error)) => fetched.failed.push((id.clone(), error)),
            Err(Trouble::Common(error)) => return Err(error),
        }
    }
    Ok(())
}

/// An id as it can stand in a path: no address can be made of dots alone, which would climb out of it.
pub(crate) fn id_in_path(id: &RecordId) -> Result<&str, Trouble> {
    if id.as_str().bytes().all(|byte| byte == b'.') {
        return Err(LedgerError::Refused { status: 400 }.into());
    }
    Ok(id.as_str())
}
