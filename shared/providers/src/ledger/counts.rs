//! Whether there are as many objects as expected, asked for each kind alone.

use domain::sync::{Entity, Ledger, LedgerError, Told};
use futures::stream::{self, StreamExt as _};

use super::Trouble;

/// Those of these kinds of which `is_as_many` says no, `width` of them asked for side by side; kinds that `ledger` reads
/// whole each time are not counted. A kind that is refused, such as one that the company's plan does not have, is not told
/// to be miscounted: reading it says what is wrong.
pub(crate) async fn miscounted<F>(
    ledger: &impl Ledger,
    (expected, width): (&[(Entity, u64)], usize),
    is_as_many: impl Fn(Entity, u64) -> F,
) -> Result<Vec<Entity>, LedgerError>
where
    F: Future<Output = Result<bool, Trouble>>,
{
    let is_counted = |(entity, _): &(Entity, u64)| ledger.told(*entity) != Told::Nothing;
    let expected: Vec<_> = expected.iter().copied().filter(is_counted).collect();
    let asked: Vec<_> = expected.iter().map(|&(entity, count)| is_as_many(entity, count)).collect();
    let kinds = stream::iter(expected.into_iter().map(|(entity, _)| entity));
    let mut answers = kinds.zip(stream::iter(asked).buffered(width));
    let mut miscounted = Vec::new();
    while let Some((entity, answer)) = answers.next().await {
        match answer.map_err(LedgerError::from) {
            Ok(true) | Err(LedgerError::Refused { .. }) => {}
            Ok(false) => miscounted.push(entity),
            Err(error) => return Err(error),
        }
    }
    Ok(miscounted)
}
