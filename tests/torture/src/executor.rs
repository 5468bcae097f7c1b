//! Virtual time: tasks that wait until it is their turn, on one thread, in an order that only chance decides.
//!
//! Time passes only while every task waits, and then jumps to the next moment at which one of them wakes.

use std::{
    cmp::Ordering as Order,
    collections::{BTreeMap, BinaryHeap},
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use crate::chance::Chance;

/// To whom a task belongs: it dies with its process.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct ProcessId(pub(crate) u64);

/// The world around the workers, which nobody kills.
pub(crate) const ENVIRONMENT: ProcessId = ProcessId(0);

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What tasks see of the executor: the time, and how to wait, to begin and to kill.
pub(crate) struct Scheduler {
    now_ms: AtomicI64,
    chance: Arc<Chance>,
    changes: Mutex<Changes>,
    ready: Arc<Ready>,
}

#[derive(Default)]
struct Changes {
    timers: BinaryHeap<Timer>,
    spawned: Vec<(ProcessId, Task)>,
    killed: Vec<ProcessId>,
}

#[derive(Default)]
struct Ready(Mutex<Vec<u64>>);

/// A moment at which a task wakes; of two at the same moment chance takes one first.
struct Timer {
    at_ms: i64,
    tie: u64,
    waker: Waker,
}

impl Ord for Timer {
    /// The earliest is the greatest, which the heap gives first.
    fn cmp(&self, other: &Self) -> Order {
        (other.at_ms, other.tie).cmp(&(self.at_ms, self.tie))
    }
}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl Eq for Timer {}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Order::Equal
    }
}

impl Scheduler {
    /// A scheduler at the beginning of time.
    pub(crate) fn new(chance: Arc<Chance>) -> Self {
        Self { now_ms: AtomicI64::new(0), chance, changes: Mutex::default(), ready: Arc::default() }
    }

    /// Milliseconds since the beginning of time.
    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    /// Returns after so much virtual time.
    pub(crate) async fn sleep(&self, duration: Duration) {
        let at_ms = self.now_ms().saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX));
        Sleep { scheduler: self, at_ms, is_set: false }.await;
    }

    /// Begins a task of a process.
    pub(crate) fn spawn(&self, process: ProcessId, task: impl Future<Output = ()> + Send + 'static) {
        self.changes().spawned.push((process, Box::pin(task)));
    }

    /// Ends all tasks of a process where they wait.
    pub(crate) fn kill(&self, process: ProcessId) {
        self.changes().killed.push(process);
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap()
    }
}

struct Sleep<'a> {
    scheduler: &'a Scheduler,
    at_ms: i64,
    is_set: bool,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.scheduler.now_ms() >= self.at_ms {
            return Poll::Ready(());
        }
        if !self.is_set {
            self.is_set = true;
            let timer = Timer {
                at_ms: self.at_ms,
                tie: self.scheduler.chance.number(),
                waker: context.waker().clone(),
            };
            self.scheduler.changes().timers.push(timer);
        }
        Poll::Pending
    }
}

struct TaskWaker {
    task: u64,
    is_ready: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_ready.swap(true, Ordering::Relaxed) {
            self.ready.0.lock().unwrap().push(self.task);
        }
    }
}

/// Runs tasks.
pub(crate) struct Executor {
    scheduler: Arc<Scheduler>,
    tasks: BTreeMap<u64, Running>,
    begun: u64,
}

struct Running {
    process: ProcessId,
    task: Task,
    waker: Arc<TaskWaker>,
}

impl Executor {
    /// An executor without tasks.
    pub(crate) fn new(scheduler: Arc<Scheduler>) -> Self {
        Self { scheduler, tasks: BTreeMap::new(), begun: 0 }
    }

    /// Runs every task until virtual time has come to `until_ms`.
    pub(crate) fn run_until(&mut self, until_ms: i64) {
        loop {
            self.take_changes();
            if let Some(task) = self.next_ready() {
                self.poll(task);
                continue;
            }
            let mut changes = self.scheduler.changes();
            match changes.timers.pop() {
                Some(timer) if timer.at_ms <= until_ms => {
                    drop(changes);
                    self.scheduler.now_ms.fetch_max(timer.at_ms, Ordering::Relaxed);
                    timer.waker.wake();
                }
                timer => {
                    changes.timers.extend(timer);
                    self.scheduler.now_ms.fetch_max(until_ms, Ordering::Relaxed);
                    return;
                }
            }
        }
    }

    /// Takes in who was begun and who was killed since.
    fn take_changes(&mut self) {
        let (spawned, killed) = {
            let mut changes = self.scheduler.changes();
            (std::mem::take(&mut changes.spawned), std::mem::take(&mut changes.killed))
        };
        for (process, task) in spawned {
            self.begun += 1;
            let ready = self.scheduler.ready.clone();
            let waker = Arc::new(TaskWaker { task: self.begun, is_ready: AtomicBool::new(false), ready });
            waker.wake_by_ref();
            self.tasks.insert(self.begun, Running { process, task, waker });
        }
        for process in killed {
            self.tasks.retain(|_, running| running.process != process);
        }
    }

    /// Any of the tasks that are ready.
    fn next_ready(&self) -> Option<u64> {
        let mut ready = self.scheduler.ready.0.lock().unwrap();
        let place = match ready.len() {
            0 => return None,
            1 => 0,
            several => self.scheduler.chance.below(several),
        };
        Some(ready.swap_remove(place))
    }

    fn poll(&mut self, number: u64) {
        let Some(running) = self.tasks.get_mut(&number) else { return };
        running.waker.is_ready.store(false, Ordering::Relaxed);
        let waker = Waker::from(running.waker.clone());
        if running.task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            self.tasks.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    fn told(seed: u64) -> Vec<(i64, u64)> {
        let scheduler = Arc::new(Scheduler::new(Arc::new(Chance::new(seed))));
        let mut executor = Executor::new(scheduler.clone());
        let story = Arc::new(Mutex::new(vec![]));
        for number in 0..8 {
            let (time, story) = (scheduler.clone(), story.clone());
            scheduler.spawn(ProcessId(number), async move {
                time.sleep(Duration::from_secs(number / 4)).await;
                if number == 5 {
                    time.kill(ProcessId(5));
                    pending::<()>().await;
                }
                story.lock().unwrap().push((time.now_ms(), number));
            });
        }
        executor.run_until(1_000_000);
        assert_eq!(scheduler.now_ms(), 1_000_000);
        story.lock().unwrap().clone()
    }

    #[test]
    fn chance_alone_orders_what_happens_at_one_moment_and_the_killed_tell_nothing() {
        let story = told(1);

        let mut sorted = story.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [(0, 0), (0, 1), (0, 2), (0, 3), (1000, 4), (1000, 6), (1000, 7)]);
        assert_eq!(story, told(1), "the same seed tells the same story");
        assert!((2..20).any(|seed| told(seed) != story), "another seed another");
    }
}
