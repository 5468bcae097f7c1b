//! The budget of this app at one provider, taken in blocks, so that a walk of many pages seldom writes to it.

use jiff::Timestamp;
use tokio::sync::Mutex;

use super::{
    Allowed, Ask, Asked, Budget, BudgetPlace, Held, HeldBy, Kind, Purpose,
    plan::BLOCK_LIFE,
    shared::{Change, LimitPorts},
};
use crate::refresh::policy::later;

/// The most requests in a block; each is twice as long as the one before that was used up, so that one lookup takes one.
const BLOCK_MAX: u32 = 20;

/// What one process took of the app's budget, for one purpose: what is reserved for those who wait is not taken in store
/// for background work.
#[derive(Default)]
pub(super) struct AppBudget(Mutex<Taken>);

#[derive(Default)]
struct Taken {
    known: Option<Budget>,
    block: Option<Block>,
    /// How long the last block was that was used up.
    used_up: u32,
}

#[derive(Clone, Copy)]
struct Block {
    at: Timestamp,
    kind: Kind,
    left: u32,
}

impl AppBudget {
    /// Takes one request, of a block where there is one.
    pub(super) async fn take(
        &self,
        ports: &LimitPorts,
        (place, allowed): (&BudgetPlace, &Allowed),
        (purpose, kind): (Purpose, Kind),
    ) -> Result<(), Held> {
        if !allowed.limits.iter().any(|(span, _)| span.counts(kind)) {
            return Ok(());
        }
        let mut taken = self.0.lock().await;
        if let Some(block) = taken.live_block(ports.clock.now()) {
            block.left -= 1;
            if block.left == 0 {
                taken.block = None;
            }
            return Ok(());
        }
        let rest = taken.block.take().filter(|block| block.left > 0);
        if rest.is_some() {
            taken.used_up = 0;
        }
        let requests = taken.used_up.saturating_mul(2).clamp(1, BLOCK_MAX);
        let ask = Ask { purpose, kind, requests, slots: None };
        let asked = ports.change(place, &mut taken.known, |budget, now| {
            match with_back(budget, rest, now).take(allowed, &ask, now) {
                Asked::Granted(next, granted) => Change::Store(next, Ok((now, granted))),
                Asked::Wait(held) => Change::Leave(Err(held)),
                Asked::Full(until) => Change::Leave(Err(Held { until, by: HeldBy::Budget })),
            }
        });
        let asked = asked.await.and_then(|asked| asked);
        let (at, granted) = asked.inspect_err(|_| {
            // What was seen may be old, and what is left of the block is still to be given back.
            taken.known = None;
            taken.block = rest;
        })?;
        taken.used_up = granted;
        taken.block = (granted > 1).then_some(Block { at, kind, left: granted - 1 });
        Ok(())
    }

    /// Gives back what is left of the block.
    pub(super) async fn close(&self, ports: &LimitPorts, place: &BudgetPlace) {
        let mut taken = self.0.lock().await;
        let Some(rest) = taken.block.take().filter(|block| block.left > 0) else { return };
        let back = |budget: &Budget, now| Change::Store(with_back(budget, Some(rest), now), ());
        if ports.change(place, &mut taken.known, back).await.is_err() {
            // It is only lost to the budget.
            taken.known = None;
        }
    }

    /// Drops the block, since the provider throttles the app.
    pub(super) async fn drop_block(&self) {
        *self.0.lock().await = Taken::default();
    }
}

impl Taken {
    fn live_block(&mut self, now: Timestamp) -> Option<&mut Block> {
        self.block.as_mut().filter(|block| block.left > 0 && now < later(block.at, BLOCK_LIFE))
    }
}

fn with_back(budget: &Budget, rest: Option<Block>, now: Timestamp) -> Budget {
    match rest {
        Some(Block { at, kind, left }) => budget.with_back((at, left), kind, now),
        None => budget.clone(),
    }
}
