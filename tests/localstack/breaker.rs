//! A provider that fails is left in peace by all workers, and found again when it is back.

use std::time::Duration;

use domain::{provider::Provider, refresh::Trigger};
use serde_json::{Value, json};

use crate::driver::{Answer, Bundle, FunctionCopy, PATIENCE, Resident, Room, eventually};

/// Long enough to look around while the breaker is open.
const RESET: &str = "10";
/// A connection that was held back comes again within this time after the breaker may close.
const AFTER_OPENING: u64 = 60;

/// A room with its API, whose breakers close soon and whose events come over a bus of its own.
struct World<'a> {
    room: Room<'a>,
    worker: FunctionCopy<'a>,
    api: FunctionCopy<'a>,
    key: String,
}

impl<'a> World<'a> {
    async fn new(bundle: &'a Bundle) -> Self {
        let bus = bundle.make_bus().await;
        let room =
            Room::open(bundle, PATIENCE, &[("BREAKER_RESET_SECONDS", RESET), ("EVENT_BUS", &bus)]).await;
        let worker = room.worker().await;
        let (api, key) = room.api(&worker).await;
        Self { room, worker, api, key }
    }

    /// `GET /api/breakers`, of one provider's token endpoint.
    async fn breaker(&self, provider: Provider) -> Value {
        let all = self.api.ask(("GET", "/api/breakers"), &self.key, None).await.expect(200);
        let mut all = all["breakers"].as_array().unwrap().iter();
        all.find(|breaker| breaker["provider"] == provider.as_str() && breaker["endpoint"] == "token")
            .unwrap()
            .clone()
    }

    /// `POST /api/tokens/refresh/{provider}`
    async fn refresh(&self, one: &Resident) -> Answer {
        let path = format!("/api/tokens/refresh/{}", one.books.provider);
        let body = json!({ "tenantId": one.key.tenant, "connectionId": one.key.connection });
        self.api.ask(("POST", &path), &self.key, Some(&body)).await
    }

    /// Listens on the room's bus until an event has come; gives it.
    async fn event(&self, kind: &str, act: impl Future<Output = ()>) -> Value {
        let listened = (self.room.setting("EVENT_BUS"), &json!({ "source": ["ledgerbridge"] }));
        let heard = self.room.bundle.listen(listened, &[kind], act).await;
        heard.into_iter().find(|event| event["detail-type"] == kind).unwrap()
    }
}

#[tokio::test]
async fn three_failing_connections_open_the_breaker_and_the_call_that_tries_closes_it() {
    let bundle = Bundle::deployed().await;
    let world = World::new(&bundle).await;
    let mut residents = vec![];
    for _ in 0..4 {
        residents.push(world.room.connect(Provider::QuickBooks).await);
    }
    let asking = residents.pop().unwrap();
    let down = json!({ "provider": "intuit", "endpoint": "token", "kind": "status", "status": 503, "untilCleared": true });
    let outage = world.room.providers.switch(down).await;

    let opened = world.event("circuit_breaker.opened", async {
        let failing = residents.iter().map(|one| one.key.clone()).collect();
        let answers = world.worker.refresh(failing, Trigger::Scheduled).await.unwrap();
        assert!(answers.iter().all(|answer| answer["result"] == "failed"), "{answers:?}");
    });
    let opened = Box::pin(opened).await;

    assert_eq!(opened["detail"]["provider"], "quickbooks");
    assert!(opened["detail"]["retryAt"].is_string() && opened["detail"]["tenantId"].is_null(), "{opened}");
    assert_eq!(world.breaker(Provider::QuickBooks).await["state"], "open");
    assert_eq!(world.breaker(Provider::Xero).await["state"], "closed", "each provider has its own");
    let sent = world.room.providers.refresh_calls(Provider::QuickBooks).await.len();
    let refused = world.refresh(&asking).await;
    refused.expect_error(503, "CIRCUIT_OPEN");
    let seconds: u64 = refused.header("retry-after").parse().unwrap();
    let reset: u64 = RESET.parse().unwrap();
    assert!((1..=reset + AFTER_OPENING).contains(&seconds), "{seconds}");
    let after = world.room.providers.refresh_calls(Provider::QuickBooks).await.len();
    assert_eq!(after, sent, "nothing is sent to it");

    world.room.providers.mend(outage).await;
    let closed = world.event("circuit_breaker.closed", async {
        eventually("one call tries", Duration::from_mins(1), async || {
            let answer = world.refresh(&asking).await;
            (answer.status == 200).then(|| assert_eq!(answer.json()["refreshed"], true))
        })
        .await;
    });
    let closed = Box::pin(closed).await;

    assert_eq!(closed["detail"]["provider"], "quickbooks");
    assert_eq!(world.breaker(Provider::QuickBooks).await["state"], "closed");
    let failing = residents.iter().map(|one| one.key.clone()).collect();
    let answers = world.worker.refresh(failing, Trigger::Manual).await.unwrap();
    assert!(answers.iter().all(|answer| answer["result"] == "refreshed"), "{answers:?}");
    for copy in [world.worker, world.api] {
        copy.remove().await;
    }
    world.room.close().await;
}
