//! A worker dies at any of its calls, before or after it is done; the next one ends what it began.

use domain::{
    refresh::policy::later,
    sync::{Entity, Incoming, Next},
    webhook::{DeliveryLog as _, DeliveryStatus, IN_PROGRESS_LIFE, WebhookEvent},
};
use futures::FutureExt as _;
use rstest::rstest;
use tests::sample;

use super::{
    desk::{Desk, connect, delivery, event},
    ports::Fails,
};

#[rstest]
#[tokio::test]
async fn wherever_a_worker_dies_every_effect_comes_and_is_announced(
    #[values(Fails::Before, Fails::After)] fails: Fails,
) {
    for call in 0.. {
        let desk = Desk::new().await;
        connect(&desk.world, super::REALM).await;
        desk.ledger.fill(&["7", "8"]);
        let messages = [
            delivery("dlv_1", &[event("e1", "7"), event("e2", "8")]),
            delivery(
                "dlv_2",
                &[WebhookEvent { id: "9".parse().unwrap(), ..event("e3", "7") }, event("e1", "7")],
            ),
        ];
        let incoming = messages.clone().map(|message| Incoming { message, receives: 1 });
        desk.ports.cut_after(call, fails);

        let deadline = later(sample::NOW, IN_PROGRESS_LIFE);
        let is_dead = desk.consumer.consume(&incoming, deadline).now_or_never().is_none();
        if desk.ports.is_uncut() {
            assert!(!is_dead && call > 10, "every call was cut once");
            return;
        }
        desk.world.clock.advance(IN_PROGRESS_LIFE);
        let came = desk.receive(&messages, 2).await;

        assert!(is_dead && came.iter().all(|came| came.next == Next::Done), "{call}: {came:?}");
        assert_eq!(desk.stored(Entity::Invoices).await.len(), 2, "{call}");
        let announced = desk.announced();
        assert!(announced.iter().map(|(_, records)| records).sum::<u64>() >= 4, "{call}: {announced:?}");
        for id in ["dlv_1", "dlv_2"] {
            let noted = desk.ports.log.find(&id.parse().unwrap()).await.unwrap().unwrap();
            assert_eq!(noted.status(), DeliveryStatus::Processed, "{call}");
        }
    }
}
