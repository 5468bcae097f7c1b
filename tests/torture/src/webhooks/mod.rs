//! A deterministic model test of webhooks, from the provider that sends them to the records that they change.
//!
//! The real receiver and the real consumer run between modeled providers, which send everything twice, late, in any order
//! and sometimes spoilt, and stores and queues that fail; doors and workers are killed wherever they wait.
//!
//! What must hold in the end: every event that was rightly signed had its effect and was announced, whatever came between;
//! what was spoilt had none; nothing that was acknowledged is lost; and only what the provider refuses is a dead letter.

mod books;
mod company;
mod door;
mod ports;
mod queue;
mod reckoning;
mod shop;
mod traffic;
mod wire;
mod worker;

use std::time::Duration;

use clap::ValueEnum;

pub use reckoning::WebhookReport;
use shop::Shop;

use crate::{
    FaultKind,
    executor::{ENVIRONMENT, Executor},
    provider::ms,
};

/// How much virtual time passes between two looks at what was done.
const STEP: Duration = Duration::from_mins(10);
/// How long nothing goes wrong before dead letters are put back, and again before the reckoning: longer than a message
/// waits in all.
const CALM: Duration = Duration::from_hours(8);

/// What is to be run: the same plan always tells the same story.
#[derive(Clone, Debug, PartialEq)]
pub struct WebhookPlan {
    /// From which everything follows that is left to chance.
    pub seed: u64,
    /// Deliveries that the providers send, each as often as it takes.
    pub deliveries: u64,
    /// Connected companies; each provider has its share.
    pub companies: usize,
    /// Objects of each kind that a company has and that change again and again.
    pub objects: usize,
    /// What goes wrong.
    pub faults: Vec<FaultKind>,
    /// How much more often than the usual rates say.
    pub strain: f64,
    /// What is broken on purpose, to see whether it is noticed.
    pub flaw: Option<WebhookFlaw>,
}

/// Something that the consumer relies on, taken away.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum WebhookFlaw {
    /// An event is complete as soon as somebody begins with it.
    CompletedBeforeEffect,
    /// Nobody sees that an event was done before.
    NothingSeen,
    /// Nobody sees that an event may be half done.
    IgnoredAgain,
    /// A write that is sent again does not know itself.
    UnknownWrites,
    /// Records take whatever is written, however old it is.
    NoVersionGate,
    /// The queue forgets a message as soon as it is handed out.
    AtMostOnce,
}

impl WebhookPlan {
    /// Every fault that concerns webhooks, some times as often as a refresh meets it.
    #[must_use]
    pub fn new(seed: u64, deliveries: u64) -> Self {
        use FaultKind::{Answers, Duplicates, Failures, Kills, Queue, Table, Throttling};
        let faults = vec![Answers, Duplicates, Failures, Kills, Queue, Table, Throttling];
        Self { seed, deliveries, companies: 60, objects: 40, faults, strain: 3.0, flaw: None }
    }
}

/// Runs a plan; `progress` hears now and then how many deliveries were sent.
#[must_use]
pub fn run(plan: WebhookPlan, mut progress: impl FnMut(u64)) -> WebhookReport {
    let shop = Shop::new(plan);
    let mut executor = Executor::new(shop.time.clone());
    shop.time.spawn(ENVIRONMENT, traffic::changes(shop.clone()));
    shop.time.spawn(ENVIRONMENT, worker::poll(shop.clone()));
    while shop.told().sent < shop.plan.deliveries {
        executor.run_until(shop.time.now_ms() + ms(STEP));
        progress(shop.told().sent);
    }
    shop.faults.end();
    executor.run_until(shop.time.now_ms() + ms(CALM));
    let put_back = shop.queue.put_back();
    executor.run_until(shop.time.now_ms() + ms(CALM));
    reckoning::reckoned(&shop, put_back)
}
