//! A worker that ends a tenant dies at each call that it makes, before or after it had its effect; those who come after
//! finish, and nothing of the tenant is left, nor anything of its neighbor gone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    api_key::{ApiKey, ApiKeyPage, ApiKeyStore, KeyChange},
    clock::Clock as _,
    erasure::{Erased, Eraser, ErasureMark, QUIET},
    id::{ApiKeyId, JobId, TenantId, UserId},
    limits::{Usage, UsageStore},
    provider::Provider,
    refresh::{
        DisconnectAnswer, DisconnectMessage, RefreshAnswer, RefreshInvoker, RefreshMessage, policy::later,
    },
    store::StoreError,
    sync::{BooksErasure, CatchUpMark, JobCounts, JobLog, JobRecord, Lane, RecordPlace, SyncJob, SyncQueue},
    tenant::{Tenant, TenantPage, TenantStore},
    user::{PutUser, User, UserStore},
};
use jiff::{Timestamp, civil::Date};

use super::deletion::Town;

const LONG: Duration = Duration::from_secs(295);

/// Everything that a worker calls to change something: one of its calls is its last, which has its effect or has it not.
struct Mortal {
    living: Eraser,
    calls: AtomicUsize,
    last: usize,
    has_effect: bool,
}

fn died() -> StoreError {
    StoreError::Unavailable { operation: "any", source: "the worker is dead".into() }
}

/// What ending a tenant does not ask for.
fn unasked() -> ! {
    panic!("ending a tenant does not take this")
}

impl Mortal {
    async fn call<T>(&self, act: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        match self.calls.fetch_add(1, Ordering::SeqCst) {
            call if call < self.last => act.await,
            call if call == self.last && self.has_effect => {
                act.await?;
                Err(died())
            }
            _ => Err(died()),
        }
    }

    fn is_dead(&self) -> bool {
        self.calls.load(Ordering::SeqCst) > self.last
    }

    /// A worker that calls all of this.
    fn worker(town: &Town, last: usize, has_effect: bool) -> (Arc<Self>, Eraser) {
        let calls = AtomicUsize::new(0);
        let mortal = Arc::new(Self { living: town.eraser(), calls, last, has_effect });
        let worker = Eraser {
            tenants: mortal.clone(),
            refresh: mortal.clone(),
            books: mortal.clone(),
            jobs: mortal.clone(),
            keys: mortal.clone(),
            users: mortal.clone(),
            usage: mortal.clone(),
            queue: mortal.clone(),
            ..town.eraser()
        };
        (mortal, worker)
    }
}

#[async_trait]
impl TenantStore for Mortal {
    async fn find(&self, id: &TenantId) -> Result<Option<Tenant>, StoreError> {
        self.call(self.living.tenants.find(id)).await
    }

    async fn remove(&self, id: &TenantId) -> Result<(), StoreError> {
        self.call(self.living.tenants.remove(id)).await
    }

    async fn insert(&self, _: &Tenant) -> Result<bool, StoreError> {
        unasked()
    }

    async fn list(&self, _: u32, _: Option<&str>) -> Result<TenantPage, StoreError> {
        unasked()
    }

    async fn replace(&self, _: &Tenant) -> Result<bool, StoreError> {
        unasked()
    }
}

#[async_trait]
impl RefreshInvoker for Mortal {
    async fn invoke(
        &self,
        _: &RefreshMessage,
        _: Duration,
    ) -> Result<Option<Vec<RefreshAnswer>>, StoreError> {
        unasked()
    }

    async fn disconnect(
        &self,
        message: &DisconnectMessage,
        wait: Duration,
    ) -> Result<Option<DisconnectAnswer>, StoreError> {
        self.call(self.living.refresh.disconnect(message, wait)).await
    }
}

#[async_trait]
impl BooksErasure for Mortal {
    async fn erase(&self, place: &RecordPlace) -> Result<bool, StoreError> {
        self.call(self.living.books.erase(place)).await
    }
}

#[async_trait]
impl JobLog for Mortal {
    async fn erase(&self, tenant: &TenantId) -> Result<bool, StoreError> {
        self.call(self.living.jobs.erase(tenant)).await
    }

    async fn create(&self, _: &[JobRecord]) -> Result<(), StoreError> {
        unasked()
    }

    async fn find(&self, _: &JobId) -> Result<Option<JobRecord>, StoreError> {
        unasked()
    }

    async fn save(&self, _: &JobRecord) -> Result<bool, StoreError> {
        unasked()
    }

    async fn counts(&self, _: Provider, _: Timestamp) -> Result<JobCounts, StoreError> {
        unasked()
    }
}

#[async_trait]
impl UsageStore for Mortal {
    async fn erase(&self, tenant: &TenantId) -> Result<(), StoreError> {
        self.call(self.living.usage.erase(tenant)).await
    }

    async fn add(&self, _: &TenantId, _: (Provider, Date), _: &Usage) -> Result<(), StoreError> {
        unasked()
    }

    async fn list(&self, _: &TenantId, _: (Date, Date)) -> Result<Vec<(Date, Provider, Usage)>, StoreError> {
        unasked()
    }
}

#[async_trait]
impl UserStore for Mortal {
    async fn clear(&self, tenant: &TenantId) -> Result<(), StoreError> {
        self.call(self.living.users.clear(tenant)).await
    }

    async fn put(&self, _: &User, _: u64) -> Result<PutUser, StoreError> {
        unasked()
    }

    async fn find(&self, _: &TenantId, _: &UserId) -> Result<Option<User>, StoreError> {
        unasked()
    }

    async fn list(&self, _: &TenantId) -> Result<Vec<User>, StoreError> {
        unasked()
    }

    async fn remove(&self, _: &TenantId, _: &UserId) -> Result<bool, StoreError> {
        unasked()
    }
}

#[async_trait]
impl ApiKeyStore for Mortal {
    async fn list(
        &self,
        tenant: Option<&TenantId>,
        limit: u32,
        from: Option<&str>,
    ) -> Result<ApiKeyPage, StoreError> {
        self.call(self.living.keys.list(tenant, limit, from)).await
    }

    async fn remove(&self, key: &ApiKey) -> Result<(), StoreError> {
        self.call(self.living.keys.remove(key)).await
    }

    async fn insert(&self, _: &ApiKey) -> Result<bool, StoreError> {
        unasked()
    }

    async fn find(&self, _: &ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        unasked()
    }

    async fn update(&self, _: &ApiKey, _: &KeyChange) -> Result<(), StoreError> {
        unasked()
    }

    async fn mark_used(&self, _: &ApiKeyId, _: Timestamp) -> Result<(), StoreError> {
        unasked()
    }
}

#[async_trait]
impl SyncQueue for Mortal {
    async fn send(&self, _: Lane, _: &[SyncJob]) -> Result<(), StoreError> {
        unasked()
    }

    async fn send_mark(&self, _: Lane, _: &CatchUpMark) -> Result<(), StoreError> {
        unasked()
    }

    async fn send_erasure(&self, lane: Lane, mark: &ErasureMark) -> Result<(), StoreError> {
        self.call(self.living.queue.send_erasure(lane, mark)).await
    }
}

/// Lets a worker end the tenant that dies at its call number `last`; whether it came so far. Its message then comes again.
async fn died_at(last: usize, has_effect: bool) -> bool {
    let town = Town::new().await;
    let (mortal, worker) = Mortal::worker(&town, last, has_effect);
    let mut waiting = vec![town.condemned()];
    while let Some(mark) = waiting.pop() {
        match worker.run(&mark, later(town.world.clock.now(), LONG)).await {
            Ok(Erased::Done | Erased::Continued) => {}
            Ok(Erased::Waits { after }) => {
                town.world.clock.advance(after.max(QUIET));
                waiting.push(mark);
            }
            Err(_) => {
                assert!(mortal.is_dead());
                waiting.push(mark);
                break;
            }
        }
        waiting.extend(town.marks());
    }
    town.work_off(waiting).await;
    town.assert_one_is_gone().await;
    mortal.is_dead()
}

#[tokio::test]
async fn wherever_a_worker_dies_the_next_one_finishes() {
    for has_effect in [false, true] {
        let mut last = 0;
        while died_at(last, has_effect).await {
            last += 1;
        }
        assert!(last > 20, "it was killed at each of its calls: {last}");
    }
}
