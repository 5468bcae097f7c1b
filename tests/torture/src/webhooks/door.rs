//! Providers bring deliveries to doors, and bring them again until they are answered 200.

use std::{collections::HashMap, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::{
    id::DeliveryId,
    provider::Provider,
    secret::WebhookSecret,
    webhook::{ReceiveError, SentTo, WebhookReceiver, WebhookRequest},
};
use futures::channel::oneshot;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{ports::Caller, shop::Shop};

const SECRET: &str = "b5771f19b12ddb4bcdb9f08bdc50bc63878a";
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

/// A delivery as it is on the wire.
#[derive(Clone, Debug)]
pub(super) struct OnTheWire {
    pub(super) body: Vec<u8>,
    pub(super) signature: Option<String>,
}

impl OnTheWire {
    /// A rightly signed body.
    pub(super) fn signed(body: String) -> Self {
        let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(&body);
        let signature = Some(STANDARD.encode(mac.finalize().into_bytes()));
        Self { body: body.into_bytes(), signature }
    }

    /// The same with one bit of its body or its signature turned, a byte lost, or no signature at all.
    pub(super) fn spoilt(mut self, shop: &Shop) -> Self {
        let bit = 1 << shop.chance.below(8);
        match (shop.chance.below(4), &mut self.signature) {
            (0, signature) => *signature = None,
            (1, _) => drop(self.body.remove(shop.chance.below(self.body.len()))),
            (2, Some(signature)) => {
                let mut mac = STANDARD.decode(&*signature).unwrap();
                let place = shop.chance.below(mac.len());
                mac[place] ^= bit;
                *signature = STANDARD.encode(mac);
            }
            _ => {
                let place = shop.chance.below(self.body.len());
                self.body[place] ^= bit;
            }
        }
        self
    }
}

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
        let caller = Arc::new(Caller { shop: of.clone(), process });
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
    let secrets = HashMap::from([(Provider::QuickBooks, vec![WebhookSecret::new(SECRET)])]);
    let correlation = "corr_1".parse().unwrap();
    let request = WebhookRequest {
        to: SentTo::QuickBooks,
        query: vec![],
        is_form: false,
        body: &wire.body,
        signature: wire.signature.as_deref(),
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
