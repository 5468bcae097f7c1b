//! Providers bring deliveries to doors, and bring them again until they are answered 200.

use std::{collections::HashMap, sync::Arc, time::Duration};

use domain::{
    id::DeliveryId,
    secret::WebhookSecret,
    webhook::{ReceiveError, WebhookReceiver, WebhookRequest},
};
use futures::channel::oneshot;

use super::{
    company::PROVIDERS,
    ports::Caller,
    shop::Shop,
    wire::{OnTheWire, SECRET},
};

/// How long Intuit waits before each try; then always as long as before the last.
const WAITS: [Duration; 6] = [
    Duration::from_secs(10),
    Duration::from_secs(20),
    Duration::from_secs(30),
    Duration::from_mins(5),
    Duration::from_mins(20),
    Duration::from_hours(2),
];
/// How long Intuit waits for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a door answers.
#[derive(Debug)]
enum Answer {
    /// With the delivery, unless nothing of it was understood.
    Accepted(Option<DeliveryId>),
    Refused,
    Unavailable,
}

/// Brings a delivery until it is accepted; whether it was.
pub(super) async fn bring(shop: &Arc<Shop>, wire: &OnTheWire) -> bool {
    let mut waits = WAITS.into_iter();
    let mut wait = WAITS[0];
    loop {
        shop.told().attempts += 1;
        match knock(shop, wire.clone()).await {
            Some(Answer::Accepted(delivery)) => {
                shop.told().accepted.extend(delivery);
                return true;
            }
            Some(Answer::Refused) => return false,
            Some(Answer::Unavailable) | None => {}
        }
        wait = waits.next().unwrap_or(wait);
        shop.time.sleep(wait).await;
    }
}

/// Brings a delivery once; no answer comes from a door that died.
async fn knock(shop: &Arc<Shop>, wire: OnTheWire) -> Option<Answer> {
    let process = shop.process();
    let (tell, hear) = oneshot::channel();
    let of = shop.clone();
    shop.time.spawn(process, async move {
        let began_ms = of.time.now_ms();
        let caller = Caller::new(of.clone(), process);
        let answer = open(caller, &wire).await;
        // An answer that comes too late is not heard.
        if of.time.now_ms() - began_ms <= crate::provider::ms(PATIENCE) {
            drop(tell.send(answer));
        }
    });
    hear.await.ok()
}

/// The real receiver, in a function of its own.
async fn open(caller: Arc<Caller>, wire: &OnTheWire) -> Answer {
    let shop = caller.shop.clone();
    let receiver = WebhookReceiver::new(caller, shop.clock(), shop.chance.clone());
    let secrets = HashMap::from(PROVIDERS.map(|provider| (provider, vec![WebhookSecret::new(SECRET)])));
    let signature = wire.signature();
    let correlation = "corr_1".parse().unwrap();
    let request = WebhookRequest {
        to: wire.to(),
        query: wire.query(),
        is_form: wire.is_form,
        body: &wire.body,
        signature: signature.as_deref(),
    };
    let outcome = match request.verify(&secrets) {
        Ok(verified) => receiver.receive(&verified, &correlation).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(accepted) => Answer::Accepted(Some(accepted.delivery).filter(|_| accepted.events > 0)),
        Err(ReceiveError::Queue(_)) => Answer::Unavailable,
        Err(_) => Answer::Refused,
    }
}
