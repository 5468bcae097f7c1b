//! The budgets of the providers' limits in `DynamoDB`.
//!
//! A budget is one item, packed, since every request to a provider writes it: a few hundred bytes, one write unit.

use async_trait::async_trait;
use aws_sdk_dynamodb::{Client, types::ReturnValuesOnConditionCheckFailure};
use domain::{
    limits::{Budget, BudgetPlace, BudgetStore, Counts, Slots, Span},
    store::StoreError,
};
use jiff::Timestamp;

use crate::{
    failure::{Conditional, conditional, unavailable},
    item::{Item, Put as _, Reader, names, number},
    keys::{Key, PK, TTL},
    packed::{NotWhole, Packer, Unpacker},
};

const VERSION: &str = "version";
const BUDGET: &str = "budget";

/// The table that holds budgets.
#[derive(Clone, Debug)]
pub struct DynamoBudgets {
    client: Client,
    table: String,
}

impl DynamoBudgets {
    /// Uses `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }
}

#[async_trait]
impl BudgetStore for DynamoBudgets {
    async fn load(&self, place: &BudgetPlace) -> Result<Budget, StoreError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let request = request.set_key(Some(Key::budget(place).into_item()));
        let output = request.send().await.map_err(unavailable("load"))?;
        read(output.item.as_ref())
    }

    async fn replace(
        &self,
        place: &BudgetPlace,
        before: u64,
        next: &Budget,
    ) -> Result<Option<Budget>, StoreError> {
        let (condition, values) = if before == 0 {
            (format!("attribute_not_exists(#{PK})"), None)
        } else {
            (format!("#{VERSION} = :before"), Some([(":before".to_owned(), number(before))].into()))
        };
        let item = Key::budget(place)
            .into_item()
            .put(VERSION, number(next.version))
            .put(BUDGET, pack(next).into_value())
            .put_if(TTL, next.ends_at().map(|at| number(at.as_second() + 1)));
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .set_expression_attribute_names(Some(names([&condition])))
            .set_expression_attribute_values(values)
            .condition_expression(condition)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match conditional("replace", request.send().await)? {
            Conditional::Written(_) => Ok(None),
            Conditional::Refused(item) => {
                let stored = read(Some(&item).filter(|item| !item.is_empty()))?;
                // After a lost answer the write meets itself.
                Ok((stored.version != next.version).then_some(stored))
            }
        }
    }
}

fn read(item: Option<&Item>) -> Result<Budget, StoreError> {
    let Some(item) = item else { return Ok(Budget::default()) };
    let reader = Reader::new("budget", item);
    let version = reader.number(VERSION)?;
    let budget = unpack(reader.bytes(BUDGET)?).map_err(|error| reader.value(BUDGET, error))?;
    Ok(Budget { version, ..budget })
}

/// Times, in milliseconds since 1970, and the number of each bucket are positive: nothing is older than this program.
fn pack(budget: &Budget) -> Packer {
    let positive = |number: i64| u64::try_from(number).unwrap_or_default();
    let time = |at: Timestamp| positive(at.as_millisecond());
    let mut packer = Packer::default()
        .number(budget.throttled_until.map_or(0, time))
        .number(budget.day_ends_at.map_or(0, time))
        .number(budget.day_limit.map_or(0, |limit| u64::from(limit) + 1))
        .number(budget.slots.len() as u64);
    for Slots { holder, count, until } in &budget.slots {
        packer = packer.number(*holder).number(u64::from(*count)).number(time(*until));
    }
    for (span, Counts(counts)) in &budget.counts {
        packer = packer.number(code(*span)).number(counts.len() as u64);
        let mut last = 0;
        for (&bucket, &count) in counts {
            packer = packer.number(positive(bucket - last)).number(u64::from(count));
            last = bucket;
        }
    }
    packer
}

fn unpack(bytes: &[u8]) -> Result<Budget, NotWhole> {
    let mut packed = Unpacker::new(bytes);
    let mut budget = Budget {
        throttled_until: time_if(packed.number()?)?,
        day_ends_at: time_if(packed.number()?)?,
        day_limit: packed.number()?.checked_sub(1).map(small).transpose()?,
        ..Budget::default()
    };
    for _ in 0..packed.number()? {
        let (holder, count) = (packed.number()?, small(packed.number()?)?);
        budget.slots.push(Slots { holder, count, until: time(packed.number()?)? });
    }
    while !packed.is_empty() {
        let code_of = packed.number()?;
        let span = Span::ALL.into_iter().find(|span| code(*span) == code_of).ok_or(NotWhole)?;
        let Counts(counts) = budget.counts.entry(span).or_default();
        let mut bucket = 0_i64;
        for _ in 0..packed.number()? {
            let further = i64::try_from(packed.number()?).map_err(|_| NotWhole)?;
            bucket = bucket.checked_add(further).ok_or(NotWhole)?;
            counts.insert(bucket, small(packed.number()?)?);
        }
    }
    Ok(budget)
}

fn small(number: u64) -> Result<u32, NotWhole> {
    u32::try_from(number).map_err(|_| NotWhole)
}

fn time(milliseconds: u64) -> Result<Timestamp, NotWhole> {
    let milliseconds = i64::try_from(milliseconds).map_err(|_| NotWhole)?;
    Timestamp::from_millisecond(milliseconds).map_err(|_| NotWhole)
}

fn time_if(milliseconds: u64) -> Result<Option<Timestamp>, NotWhole> {
    if milliseconds == 0 { Ok(None) } else { time(milliseconds).map(Some) }
}

/// What stands for a span in what is stored.
fn code(span: Span) -> u64 {
    match span {
        Span::Second => 1,
        Span::Minute => 2,
        Span::BatchMinute => 3,
        Span::BlockMinute => 4,
        Span::Day => 5,
        Span::Month => 6,
    }
}

#[cfg(test)]
mod tests {
    use domain::limits::{Ask, Asked, Kind, Plans, Purpose};

    use super::*;
    use crate::item::weight;

    /// A budget of a company that is asked all day.
    fn busy() -> Budget {
        let mut plan = Plans::default().of(domain::provider::Provider::QuickBooks).company.clone();
        plan.limits.push((Span::Day, 100_000));
        plan.limits.push((Span::Month, 1_000_000));
        let mut budget = Budget::default();
        for step in 0..100_000_i64 {
            let now = Timestamp::from_millisecond(1_795_000_000_000 + step * 997).unwrap();
            let slots = Some((u64::MAX - u64::try_from(step % 8).unwrap(), 1));
            let ask = Ask { purpose: Purpose::Interactive, kind: Kind::Batch, requests: 7, slots };
            if let Asked::Granted(next, _) = budget.take(&plan, &ask, now) {
                budget = next;
            }
        }
        budget
    }

    #[test]
    fn a_budget_comes_back_as_it_was_and_costs_one_write_unit() {
        let at = |ms: i64| Some(Timestamp::from_millisecond(1_795_000_000_000 + ms).unwrap());
        let budget =
            Budget { throttled_until: at(1), day_ends_at: at(86_400_000), day_limit: Some(0), ..busy() };

        let item = Item::new().put(VERSION, number(u64::MAX)).put(BUDGET, pack(&budget).into_value());

        assert_eq!(read(Some(&item)).unwrap(), Budget { version: u64::MAX, ..budget });
        assert!(weight(&item) < 512, "{} bytes", weight(&item));
    }

    #[test]
    fn what_is_cut_off_is_corrupt_and_not_an_empty_budget() {
        let whole = pack(&busy()).into_value();
        let whole = whole.as_b().unwrap().as_ref();
        for bytes in [&whole[..whole.len() - 1], &[], &[0, 0, 0, 0, 9], &[0, 0, 0, 255, 255]] {
            assert!(unpack(bytes).is_err(), "{bytes:?}");
        }
    }
}
