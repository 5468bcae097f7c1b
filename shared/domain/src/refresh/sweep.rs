//! The sweep: once a minute, finds connections that are due and puts them on the refresh queue.
//!
//! For each provider it goes on from where the sweep before it stopped, to now: first over those with a time of their own,
//! the most urgent first, then over the slots of each minute, the oldest first. How far it came is noted after each chunk,
//! so that a sweep that dies loses nothing and its successor goes on with the chunk that it was at. Nothing is written to a
//! connection: a page of thousands costs one read, a chunk one note, and a hundred connections one message.
//!
//! A provider whose breaker is open is not walked at all. When it answers again, the walk over everything missed is one
//! walk as any other, its messages spread over some minutes.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use jiff::Timestamp;

use super::{
    BreakerState, Breakers, ClaimOutcome, Delayed, DueIndex, MAX_BATCH, MAX_CONNECTIONS, RefreshMessage,
    RefreshQueue, SweepLog, SweepProgress, Trigger,
    outage::minute,
    policy::{earlier, later},
};
use crate::{
    clock::Clock,
    connection::{ConnectionKey, DuePartition, Slot, WHEELS},
    provider::Provider,
    store::{StoreError, chain},
};

/// A sweep that is not heard of for this long has died; the function lives for less.
const CLAIM: Duration = Duration::from_secs(80);
/// How many connections are read before they are enqueued; together they are spread evenly, and noted once.
const CHUNK: usize = 5000;
/// What a chunk may need at most, from its reading to its note.
const CHUNK_TIME: Duration = Duration::from_secs(20);
/// The sweep comes once a minute: what is due meanwhile is spread over so much of it, to leave room for the last.
const SPREAD: Duration = Duration::from_secs(50);
/// What was missed for longer is spread over more: soon enough for tokens that have ended, and no rush for a provider that
/// has only just come back.
const CATCH_UP_SPREAD: Duration = Duration::from_secs(170);
/// From so many minutes on, something was missed.
const CATCH_UP: usize = 3;
/// For so long after a breaker closed, a provider is treated gently.
const RECOVERING: Duration = Duration::from_mins(10);
/// Connections of which one tries whether a provider is back: some may have been refreshed on demand before it failed.
const PROBES: usize = 5;
/// What was enqueued and is still due after this time was lost on its way: it is looked for as often.
const LOST: Duration = Duration::from_mins(15);
/// A time may be written by a worker whose write takes a while.
const LATE_WRITES: Duration = Duration::from_secs(5);

/// Finds what is due.
pub struct Sweep {
    /// The due index.
    pub index: Arc<dyn DueIndex>,
    /// Where due connections go.
    pub queue: Arc<dyn RefreshQueue>,
    /// Where the sweep leaves its marks.
    pub log: Arc<dyn SweepLog>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// How many shards the due index has.
    pub shards: u32,
    /// Names this sweep in claims.
    pub owner: String,
}

/// What one sweep did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SweepReport {
    /// Connections enqueued.
    pub enqueued: usize,
    /// Providers whose breaker is open.
    pub open: usize,
    /// Providers whose walk another sweep has, or did not come to its end; the next goes on with it.
    pub unfinished: usize,
    /// How far the walk that is furthest behind is behind: a few seconds when every walk came to its end.
    pub lag: Duration,
}

/// A walk over the connections of one provider.
struct Walk {
    steps: Vec<Step>,
    through: Timestamp,
    target: Timestamp,
    step: usize,
    from: Option<String>,
    /// Whether something was missed.
    catches_up: bool,
}

/// Connections that are enqueued together, between two times from now.
#[derive(Default)]
struct Chunk {
    keys: Vec<ConnectionKey>,
    begins: Option<Duration>,
    ends: Duration,
}

/// One partition of a walk, and between which times from now its messages come.
struct Step {
    partition: DuePartition,
    times: (Timestamp, Timestamp),
    spread: (Duration, Duration),
}

impl Sweep {
    /// Walks the connections of every provider, side by side, until `deadline` is near; what goes wrong with one does not
    /// stop the others.
    pub async fn run(&self, breakers: &Breakers, deadline: Timestamp) -> Result<SweepReport, StoreError> {
        let walks = Provider::ALL.map(|provider| self.provider(provider, breakers, deadline));
        let mut report = SweepReport::default();
        for (provider, walked) in Provider::ALL.into_iter().zip(join_all(walks).await) {
            match walked {
                Ok(walked) => {
                    report.enqueued += walked.enqueued;
                    report.open += walked.open;
                    report.unfinished += walked.unfinished;
                    report.lag = report.lag.max(walked.lag);
                }
                Err(error) => {
                    tracing::error!(
                        error = chain(&error),
                        provider = provider.as_str(),
                        "Sweep did not come to its end"
                    );
                    report.unfinished += 1;
                }
            }
        }
        self.log.note(self.clock.now()).await?;
        Ok(report)
    }

    async fn provider(
        &self,
        provider: Provider,
        breakers: &Breakers,
        deadline: Timestamp,
    ) -> Result<SweepReport, StoreError> {
        let mut report = SweepReport::default();
        let now = self.clock.now();
        let health = breakers.health(provider).await;
        let state = health.breaker.state;
        let recovers = health.breaker.changed_at.is_some_and(|at| now < later(at, RECOVERING));
        let is_gentle = recovers || breakers.has_many_failing(&health.tally);
        let ClaimOutcome::Claimed(progress) =
            self.log.claim(provider, &self.owner, (now, later(now, CLAIM))).await?
        else {
            report.unfinished = 1;
            return Ok(report);
        };
        let mut walk = Walk::new(provider, progress, now, self.shards);
        if state != BreakerState::Closed {
            report.open = 1;
            report.enqueued = self.probe(&walk, state, now).await?;
            self.log.advance(provider, &self.owner, (&walk.progress(), true)).await?;
            report.lag = self.lag(&walk);
            return Ok(report);
        }
        while !walk.is_at_end() {
            if later(self.clock.now(), CHUNK_TIME) > deadline {
                tracing::warn!(
                    provider = provider.as_str(),
                    "No time is left for the rest; the next sweep goes on"
                );
                report.unfinished = 1;
                break;
            }
            let chunk = self.chunk(&mut walk).await?;
            self.enqueue(&chunk, is_gentle || walk.catches_up).await?;
            report.enqueued += chunk.keys.len();
            if !self.log.advance(provider, &self.owner, (&walk.progress(), walk.is_at_end())).await? {
                tracing::warn!(provider = provider.as_str(), "Another sweep took over");
                report.unfinished = 1;
                break;
            }
        }
        report.lag = self.lag(&walk);
        Ok(report)
    }

    /// The time since which a walk has not enqueued all that was due.
    fn lag(&self, walk: &Walk) -> Duration {
        let lag = self.clock.now().duration_since(walk.progress().through);
        Duration::try_from(lag).unwrap_or_default()
    }

    /// Reads the next connections of a walk: as many as [`CHUNK`], or to its end, or to a page that cannot be read. What
    /// was read before that one is kept: else each minute that was missed would make it less likely to ever catch up.
    async fn chunk(&self, walk: &mut Walk) -> Result<Chunk, StoreError> {
        let mut chunk = Chunk::default();
        while let Some(step) = walk.steps.get(walk.step).filter(|_| chunk.keys.len() < CHUNK) {
            let page = match self.index.list_due(step.partition, step.times, walk.from.as_deref()).await {
                Ok(page) => page,
                Err(error) if chunk.begins.is_some() => {
                    tracing::warn!(error = chain(&error), "Page of due connections is read again");
                    break;
                }
                Err(error) => return Err(error),
            };
            let (begins, ends) = step.spread;
            chunk.begins = chunk.begins.map_or(Some(begins), |earliest| Some(earliest.min(begins)));
            chunk.ends = chunk.ends.max(ends);
            chunk.keys.extend(page.keys);
            walk.step += usize::from(page.next.is_none());
            walk.from = page.next;
        }
        Ok(chunk)
    }

    /// Puts connections on the queue, spread over their time: in as few messages as hold them, or, during and after an
    /// outage, one by one; what falls into the same second is one message then.
    async fn enqueue(&self, chunk: &Chunk, is_gentle: bool) -> Result<(), StoreError> {
        let begins = chunk.begins.unwrap_or_default();
        let lasts = chunk.ends.saturating_sub(begins);
        let parts = if is_gentle { chunk.keys.len() } else { chunk.keys.len().div_ceil(MAX_CONNECTIONS) };
        let second = |part| (begins + share(lasts, part, parts)).as_secs();
        let placed = even_parts(&chunk.keys, parts).enumerate().map(|(part, keys)| (second(part), keys));
        let placed: Vec<_> =
            placed.flat_map(|(second, keys)| keys.iter().map(move |key| (second, key))).collect();
        let messages =
            placed.chunk_by(|one, next| one.0 == next.0).flat_map(|keys| keys.chunks(MAX_CONNECTIONS));
        let delayed: Vec<_> = messages
            .map(|keys| Delayed {
                delay: Duration::from_secs(keys[0].0),
                message: RefreshMessage::new(
                    keys.iter().map(|(_, key)| (*key).clone()).collect(),
                    Trigger::Scheduled,
                ),
            })
            .collect();
        for batch in delayed.chunks(MAX_BATCH) {
            self.queue.send(batch).await?;
        }
        Ok(())
    }

    /// Enqueues the most urgent connections alone, for the moment at which one call may try: the first that still needs a
    /// refresh then does.
    async fn probe(&self, walk: &Walk, state: BreakerState, now: Timestamp) -> Result<usize, StoreError> {
        let soon = later(now, Duration::from_mins(1));
        let Some(until) = state.until().filter(|until| *until < soon) else { return Ok(0) };
        let mut keys = vec![];
        for step in &walk.steps {
            keys.extend(self.index.list_due(step.partition, step.times, None).await?.keys);
            if keys.len() >= PROBES {
                break;
            }
        }
        keys.truncate(PROBES);
        if keys.is_empty() {
            return Ok(0);
        }
        let count = keys.len();
        let delay = Duration::try_from(until.duration_since(now)).unwrap_or_default();
        self.queue.send(&[Delayed { message: RefreshMessage::new(keys, Trigger::Scheduled), delay }]).await?;
        Ok(count)
    }
}

impl Walk {
    /// The walk that goes on from `progress`: to its own target, or to now.
    fn new(provider: Provider, progress: Option<SweepProgress>, now: Timestamp, shards: u32) -> Self {
        let SweepProgress { through, target, step, from } = progress.unwrap_or_else(|| SweepProgress {
            through: earlier(now, Duration::from_mins(1)),
            target: None,
            step: 0,
            from: None,
        });
        let target = target.unwrap_or_else(|| earlier(now, LATE_WRITES).max(through));
        let steps = steps(provider, (through, target), shards);
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        let catches_up = minutes(through, target) >= CATCH_UP;
        Self { steps, through, target, step, from, catches_up }
    }

    fn is_at_end(&self) -> bool {
        self.step >= self.steps.len()
    }

    fn progress(&self) -> SweepProgress {
        if self.is_at_end() {
            return SweepProgress { through: self.target, target: None, step: 0, from: None };
        }
        let step = u32::try_from(self.step).unwrap_or(u32::MAX);
        // A walk of which nothing is done yet goes on to whatever is now when it does.
        let is_begun = step > 0 || self.from.is_some();
        SweepProgress {
            through: self.through,
            target: is_begun.then_some(self.target),
            step,
            from: self.from.clone(),
        }
    }
}

/// The partitions of a walk over a window of time, in the order of their urgency; the same for the same window.
fn steps(provider: Provider, (through, target): (Timestamp, Timestamp), shards: u32) -> Vec<Step> {
    let (first, last) = (minute(through) + 1, minute(target));
    let minutes = minutes(through, target);
    let spread = if minutes >= CATCH_UP { CATCH_UP_SPREAD } else { SPREAD };
    let mut windows = vec![(through, target)];
    // Across a quarter of an hour, also what should have been done long before.
    if quarter(through) != quarter(target) {
        windows.insert(0, (Timestamp::MIN, earlier(target, LOST).min(through)));
    }
    let timed = |times| {
        (0..shards).map(move |shard| Step {
            partition: DuePartition::Timed { provider, shard },
            times,
            spread: (Duration::ZERO, spread),
        })
    };
    let slots = (first..=last).enumerate().flat_map(|(number, minute)| {
        let from = share(spread, number, minutes);
        let until = share(spread, number + 1, minutes);
        // Each slot once, however often its wheel has turned since.
        let turning = WHEELS.into_iter().filter(move |&period| number < usize::from(period));
        turning.map(move |period| Step {
            partition: DuePartition::Slot { provider, slot: Slot::at(period, minute) },
            times: (through, target),
            spread: (from, until),
        })
    });
    windows.into_iter().flat_map(timed).chain(slots).collect()
}

/// How many minutes begin within a window.
fn minutes(through: Timestamp, target: Timestamp) -> usize {
    usize::try_from(minute(target) - minute(through)).unwrap_or_default()
}

fn quarter(at: Timestamp) -> i64 {
    minute(at).div_euclid(15)
}

/// Where the part with a number begins, when a span is cut into so many equal parts.
fn share(span: Duration, number: usize, parts: usize) -> Duration {
    let (number, parts) =
        (u32::try_from(number).unwrap_or(u32::MAX), u32::try_from(parts).unwrap_or(u32::MAX));
    span.saturating_mul(number) / parts.max(1)
}

/// Cuts a slice into so many parts, none of which has more than one element more than another.
fn even_parts(keys: &[ConnectionKey], parts: usize) -> impl Iterator<Item = &[ConnectionKey]> {
    (0..parts).map(move |part| &keys[part * keys.len() / parts..(part + 1) * keys.len() / parts])
}
