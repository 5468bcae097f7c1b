//! Workers: each takes a batch of the queue, consumes it, and may die over it.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use domain::{
    refresh::policy::{earlier, later},
    sync::{DEFAULT_MAX_AGE, EventConsumer, Heard, Ledger},
};

use harness::memory::{InMemoryTenants, limits};

use super::{books::Shelf, company::PROVIDERS, ports::Caller, queue::Received, shop::Shop};
use crate::executor::{ENVIRONMENT, ProcessId};

/// After which a function is killed.
const FUNCTION_LIFE: Duration = Duration::from_mins(5);
/// Kept back from it.
const CLOSING_TIME: Duration = Duration::from_secs(5);
/// Batches that are worked on at once, as the template says.
const AT_ONCE: usize = 10;
/// How often the queue is asked.
const POLL: Duration = Duration::from_secs(1);

/// Hands out the queue's messages, for ever.
pub(super) async fn poll(shop: Arc<Shop>) {
    let busy = Arc::new(AtomicUsize::new(0));
    loop {
        shop.time.sleep(POLL).await;
        while busy.load(Ordering::Relaxed) < AT_ONCE {
            let batch = shop.queue.receive(&shop);
            if batch.is_empty() {
                break;
            }
            invoke(&shop, batch, busy.clone());
        }
    }
}

/// A worker that is busy until it has ended or died, which is seen when its time is over.
struct Busy(Arc<AtomicUsize>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn invoke(shop: &Arc<Shop>, batch: Vec<Received>, busy: Arc<AtomicUsize>) {
    busy.fetch_add(1, Ordering::Relaxed);
    let busy = Busy(busy);
    let (process, is_done) = (shop.process(), Arc::new(AtomicBool::new(false)));
    let (of, done) = (shop.clone(), is_done.clone());
    shop.time.spawn(process, async move {
        consume(&of, process, batch).await;
        done.store(true, Ordering::Relaxed);
        drop(busy);
    });
    let of = shop.clone();
    shop.time.spawn(ENVIRONMENT, async move {
        of.time.sleep(FUNCTION_LIFE).await;
        if !is_done.load(Ordering::Relaxed) {
            of.kill(process);
        }
    });
}

async fn consume(shop: &Arc<Shop>, process: ProcessId, batch: Vec<Received>) {
    let caller = Caller::new(shop.clone(), process);
    let shelf = |provider| {
        let shelf: Arc<dyn Ledger> = Arc::new(Shelf { caller: caller.clone(), provider });
        (PROVIDERS[provider], shelf)
    };
    let consumer = EventConsumer {
        tenants: Arc::new(InMemoryTenants::default()),
        access: shop.access.clone(),
        connections: shop.connections.clone(),
        ledgers: HashMap::from([0, 1, 2].map(shelf)),
        limits: limits(&shop.clock()),
        records: caller.clone(),
        seen: caller.clone(),
        log: caller.clone(),
        subscriptions: caller.clone(),
        bus: caller.clone(),
        clock: shop.clock(),
        entropy: shop.chance.clone(),
        max_age: DEFAULT_MAX_AGE,
        heard: Heard::default(),
    };
    let deadline = earlier(later(shop.now(), FUNCTION_LIFE), CLOSING_TIME);
    let incoming: Vec<_> = batch.iter().map(|received| received.incoming.clone()).collect();
    let ended = consumer.consume(&incoming, deadline).await;
    for (received, consumed) in batch.iter().zip(ended) {
        shop.queue.handled(shop, received, consumed.next);
    }
}
