//! What goes wrong, and how often.
//!
//! The rates are chosen so that a run of a million refreshes meets every fault hundreds of times, alone and with others,
//! and yet only some per mille of the refreshes need a second call: rarer than that nothing would be learned, and much
//! more often the figure that is asserted, calls per expiry, would say nothing about the engine.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use clap::ValueEnum;

use crate::{chance::Chance, executor::Scheduler};

/// What may go wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum FaultKind {
    /// Requests to a provider, and its answers, are lost, late or unreadable.
    Answers,
    /// A provider fails (503), alone and for minutes, or cannot be reached.
    Failures,
    /// A provider asks for patience (429).
    Throttling,
    /// The table refuses, is slow, or its answer is lost; and for minutes all of that.
    Table,
    /// The key service does not answer.
    Keys,
    /// The queues refuse, and for minutes.
    Queue,
    /// Queues deliver twice.
    Duplicates,
    /// Workers are killed where they wait.
    Kills,
    /// Workers' clocks are wrong by up to two minutes.
    Clocks,
    /// The sweep does not come for minutes, or comes twice at once.
    Sweeps,
    /// Customers connect again while a refresh is under way.
    Reconnects,
}

/// Of a thousand calls to a provider so many whose request is lost on its way, so that nothing is committed.
const LOST_REQUESTS: f64 = 0.15;
/// So many whose answer is lost on its way back: at a provider without a grace each costs a grant.
const LOST_ANSWERS: f64 = 0.25;
/// So many whose answer, a good one, cannot be read.
const UNREADABLE: f64 = 0.15;
/// So many that take seconds; they cost nothing but time, and the longer they take the more happens beside them.
const SLOW_ANSWERS: f64 = 10.0;
/// So many that fail alone.
const FAILURES: f64 = 0.2;
/// So many that never reach the provider.
const UNREACHED: f64 = 0.2;
/// So many with which an outage of the provider begins: each costs some ten calls until its breaker has opened, and one a
/// minute until it has ended.
const PROVIDER_OUTAGES: f64 = 0.02;
/// So many that are throttled alone.
const THROTTLED: f64 = 0.2;
/// So many with which the provider begins to throttle everybody.
const THROTTLINGS: f64 = 0.01;
/// So many during which the table goes away; frequent, since nothing is sent without a lease, and because only those calls
/// are of interest that are under way when it does.
const TABLE_OUTAGES: f64 = 0.5;
/// So many during which the key service, or the queues, go away.
const OTHER_OUTAGES: f64 = 0.1;
/// So many during which the customer connects again.
const RECONNECTS: f64 = 0.1;
/// Of a thousand calls of the table, the queues or the key service so many are refused.
const REFUSED: f64 = 3.0;
/// So many whose answer is lost for good.
const LOST: f64 = 2.0;
/// So many whose answer is lost, so that the SDK sends them again.
const TWICE: f64 = 3.0;
/// So many that take seconds.
const SLOW: f64 = 5.0;
/// Of a thousand calls of any kind so many in which the worker is killed. A killed worker takes all its refreshes with it,
/// and those that were waiting for a provider are what costs calls.
const KILLS: f64 = 0.03;
/// Of a thousand messages so many that come twice; SQS gives no figure.
const DUPLICATES: f64 = 20.0;

/// How long outages of the table, the key service and the queues last.
const OUTAGE_LASTS: [Duration; 2] = [Duration::from_secs(2), Duration::from_mins(5)];
/// How long outages of a provider last.
const PROVIDER_OUTAGE_LASTS: [Duration; 2] = [Duration::from_secs(20), Duration::from_mins(15)];
/// How long slow answers of a provider take; below the 45 s after which nobody listens.
const SLOW_ANSWER_TAKES: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(44)];
/// How long slow calls of the table take: three tries of the SDK, each given up after five seconds.
const SLOW_TAKES: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(12)];

/// A service of AWS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Service {
    /// The tables.
    Table,
    /// The key service.
    Keys,
    /// The queues.
    Queue,
    /// The bus, of which nothing depends.
    Bus,
}

/// What becomes of one call of a service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    /// It is done and answered.
    Done,
    /// Nothing happens, and the caller is told so.
    Refused,
    /// Nothing happens, and the caller hears nothing.
    Down,
    /// It is done, and the caller hears nothing.
    Lost,
    /// It is done, its answer is lost, and it is sent again.
    Twice,
    /// It is done and answered after seconds.
    Slow,
}

/// What becomes of one call of a provider.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Course {
    /// It is answered.
    Answered,
    /// The request is lost.
    RequestLost,
    /// The answer is lost.
    AnswerLost,
    /// The answer cannot be read.
    Unreadable,
    /// No connection is made.
    Unreached,
    /// The provider fails.
    Failed,
    /// The provider asks for patience of so long.
    Throttled(Option<Duration>),
}

/// A time during which something is out.
#[derive(Clone, Copy, Debug, Default)]
struct Outage {
    from_ms: i64,
    until_ms: i64,
}

impl Outage {
    fn is_at(self, now_ms: i64) -> bool {
        (self.from_ms..self.until_ms).contains(&now_ms)
    }
}

#[derive(Default)]
struct Outages {
    services: [Outage; 3],
    failing: [Outage; 3],
    throttling: [Outage; 3],
}

/// What goes wrong in one world.
pub(crate) struct Faults {
    kinds: Vec<FaultKind>,
    /// How much more often than the rates say.
    strain: f64,
    is_calm: AtomicBool,
    chance: Arc<Chance>,
    time: Arc<Scheduler>,
    outages: Mutex<Outages>,
}

impl Faults {
    pub(crate) fn new(
        (kinds, strain): (Vec<FaultKind>, f64),
        chance: Arc<Chance>,
        time: Arc<Scheduler>,
    ) -> Self {
        let is_calm = AtomicBool::new(false);
        Self { kinds, strain, is_calm, chance, time, outages: Mutex::default() }
    }

    /// Nothing goes wrong any more, except that clocks that are wrong stay so.
    pub(crate) fn end(&self) {
        self.is_calm.store(true, Ordering::Relaxed);
        *self.outages.lock().unwrap() = Outages::default();
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.is_calm.load(Ordering::Relaxed)
    }

    /// Whether faults of a kind happen.
    pub(crate) fn has(&self, kind: FaultKind) -> bool {
        !self.is_calm() && self.kinds.contains(&kind)
    }

    /// Whether something of a kind happens that does so in so many of a thousand cases.
    fn strikes(&self, kind: FaultKind, in_a_thousand: f64) -> bool {
        self.has(kind) && self.chance.happens(in_a_thousand / 1000.0 * self.strain)
    }

    pub(crate) fn kills(&self) -> bool {
        self.strikes(FaultKind::Kills, KILLS)
    }

    pub(crate) fn duplicates(&self) -> bool {
        self.strikes(FaultKind::Duplicates, DUPLICATES)
    }

    pub(crate) fn reconnects(&self) -> bool {
        self.strikes(FaultKind::Reconnects, RECONNECTS)
    }

    /// How long a call of a service takes, and what becomes of it.
    pub(crate) fn of_call(&self, service: Service) -> (Fate, Duration) {
        let kind = match service {
            Service::Table => FaultKind::Table,
            Service::Keys => FaultKind::Keys,
            Service::Queue | Service::Bus => FaultKind::Queue,
        };
        let usual = Duration::from_millis(u64::try_from(self.chance.within(2..=20)).unwrap_or_default());
        if !self.has(kind) {
            return (Fate::Done, usual);
        }
        let is_out = {
            let outages = self.outages.lock().unwrap();
            outages.services.get(service as usize).is_some_and(|outage| outage.is_at(self.time.now_ms()))
        };
        let slow = || self.chance.lasting(SLOW_TAKES[0]..=SLOW_TAKES[1]);
        if is_out {
            return (Fate::Down, slow());
        }
        let [refused, lost, twice, is_slow] =
            [REFUSED, LOST, TWICE, SLOW].map(|rate| self.chance.happens(rate / 1000.0 * self.strain));
        match () {
            () if refused => (Fate::Refused, usual),
            () if lost => (Fate::Lost, slow()),
            () if twice => (Fate::Twice, slow()),
            () if is_slow => (Fate::Slow, slow()),
            () => (Fate::Done, usual),
        }
    }

    /// How long a call of a provider takes, and what becomes of it.
    pub(crate) fn of_provider(&self, provider: usize) -> (Course, Duration) {
        let usual = self.chance.lasting(Duration::from_millis(150)..=Duration::from_secs(2));
        let slow = || self.chance.lasting(SLOW_ANSWER_TAKES[0]..=SLOW_ANSWER_TAKES[1]);
        let takes = if self.strikes(FaultKind::Answers, SLOW_ANSWERS) { slow() } else { usual };
        self.begin_outages((provider, takes));
        let now_ms = self.time.now_ms();
        let (failing, throttling) = {
            let outages = self.outages.lock().unwrap();
            (outages.failing[provider].is_at(now_ms), outages.throttling[provider].is_at(now_ms))
        };
        let course = match () {
            () if failing || self.strikes(FaultKind::Failures, FAILURES) => Course::Failed,
            () if throttling || self.strikes(FaultKind::Throttling, THROTTLED) => {
                Course::Throttled(self.asked())
            }
            () if self.strikes(FaultKind::Failures, UNREACHED) => Course::Unreached,
            () if self.strikes(FaultKind::Answers, LOST_REQUESTS) => Course::RequestLost,
            () if self.strikes(FaultKind::Answers, LOST_ANSWERS) => Course::AnswerLost,
            () if self.strikes(FaultKind::Answers, UNREADABLE) => Course::Unreadable,
            () => Course::Answered,
        };
        (course, takes)
    }

    /// Whether a sweep comes, and how many at once.
    pub(crate) fn sweeps(&self) -> usize {
        if self.strikes(FaultKind::Sweeps, 20.0) { 2 } else { 1 }
    }

    /// For how many minutes no sweep comes.
    pub(crate) fn sweepless_minutes(&self) -> usize {
        let range = 1..=12;
        if !self.strikes(FaultKind::Sweeps, 5.0) {
            return 0;
        }
        usize::try_from(self.chance.within(range)).unwrap_or_default()
    }

    /// How long a throttling provider asks to wait, if it says so.
    fn asked(&self) -> Option<Duration> {
        let says = self.chance.happens(0.7);
        says.then(|| self.chance.lasting(Duration::from_secs(1)..=Duration::from_mins(3)))
    }

    /// Begins what is to begin during a call of a provider that takes so long.
    fn begin_outages(&self, (provider, takes): (usize, Duration)) {
        let outage = |lasts: [Duration; 2]| {
            let takes_ms = i64::try_from(takes.as_millis()).unwrap_or_default();
            let from_ms = self.time.now_ms() + self.chance.within(0..=takes_ms.max(1));
            let lasts = self.chance.lasting(lasts[0]..=lasts[1]);
            Outage { from_ms, until_ms: from_ms + i64::try_from(lasts.as_millis()).unwrap_or_default() }
        };
        for (kind, rate, service) in [
            (FaultKind::Table, TABLE_OUTAGES, Service::Table),
            (FaultKind::Keys, OTHER_OUTAGES, Service::Keys),
            (FaultKind::Queue, OTHER_OUTAGES, Service::Queue),
        ] {
            if self.strikes(kind, rate) {
                let begins = outage(OUTAGE_LASTS);
                let mut outages = self.outages.lock().unwrap();
                // One service at a time: a token set that the table does not take is safe only while the queue does.
                if outages.services.iter().all(|other| other.until_ms <= self.time.now_ms()) {
                    outages.services[service as usize] = begins;
                }
            }
        }
        for (kind, rate) in [(FaultKind::Failures, PROVIDER_OUTAGES), (FaultKind::Throttling, THROTTLINGS)] {
            if self.strikes(kind, rate) {
                let begins = outage(PROVIDER_OUTAGE_LASTS);
                let mut outages = self.outages.lock().unwrap();
                match kind {
                    FaultKind::Failures => outages.failing[provider] = begins,
                    _ => outages.throttling[provider] = begins,
                }
            }
        }
    }
}
