//! Objects by id: what came of each, and which are to be asked for one by one.

use std::time::Duration;

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

/// What a fetch may take in all: whoever asks begins nothing that needs more than a minute, and has still to write it.
const FETCH_TIME: Duration = Duration::from_secs(45);

/// Ends what takes too long; what came until then stands.
pub(crate) async fn in_time(
    gathering: impl Future<Output = Result<(), LedgerError>>,
) -> Result<(), LedgerError> {
    let ended = tokio::time::timeout(FETCH_TIME, gathering).await;
    ended.unwrap_or_else(|_| Err(LedgerError::Unavailable("the objects did not all come in time".into())))
}

/// Gives what came before it ended. An error that leaves nothing is the answer, and so is one that another token or nobody
/// gets over.
pub(crate) fn as_far_as_it_came(
    fetched: Fetched,
    ended: Result<(), LedgerError>,
) -> Result<Fetched, LedgerError> {
    let has_come = !(fetched.records.is_empty() && fetched.missing.is_empty() && fetched.failed.is_empty());
    match ended {
        Err(error @ (LedgerError::Throttled { .. } | LedgerError::Held(_) | LedgerError::Unavailable(_)))
            if has_come =>
        {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_came_in_time_stands_and_the_rest_is_asked_for_again() {
        let ids: Vec<RecordId> = ["1", "2", "3"].map(|id| id.parse().unwrap()).to_vec();
        let mut fetched = Fetched::default();
        let object = async |id: &RecordId| {
            let time = if id.as_str() == "1" { Duration::ZERO } else { Duration::from_secs(30) };
            tokio::time::sleep(time).await;
            Ok(Vec::new())
        };

        let ended = in_time(each(&mut fetched, (ids.iter().collect(), 1), object)).await;

        let fetched = as_far_as_it_came(fetched, ended).unwrap();
        assert_eq!(fetched.missing, ids[..2]);
        assert!(matches!(fetched.stopped, Some(LedgerError::Unavailable(_))));
    }
}
