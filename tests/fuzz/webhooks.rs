//! The door for webhooks of all three providers, before whatever bytes a fuzzer thinks of.
//!
//! The first byte says which provider and which form of body, the others are the body. It is brought once with a right
//! signature, so that it is read, and once with itself as the signature, which must verify nothing.

#![no_main]
#![expect(clippy::unwrap_used, reason = "a finding is a panic")]

use std::{collections::HashMap, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::{
    clock::SystemClock,
    entropy::SystemEntropy,
    provider::Provider,
    secret::WebhookSecret,
    store::StoreError,
    webhook::{
        AddressKeys, EventMessage, EventQueue, ReceiveError, RefusalReason, SentTo, WebhookReceiver, WebhookRequest,
        signature::{form_fields, zoho_text},
    },
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use libfuzzer_sys::fuzz_target;
use sha2::Sha256;

const SECRET: &str = "key";
/// What SQS takes in one call.
const MAX_MESSAGES: usize = 10;
const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// A queue that takes what SQS would, and only what the consumer understands.
struct Queue;

#[async_trait::async_trait]
impl EventQueue for Queue {
    async fn send(&self, messages: &[EventMessage]) -> Result<(), StoreError> {
        assert!((1..=MAX_MESSAGES).contains(&messages.len()));
        let bodies: Vec<_> = messages.iter().map(|message| serde_json::to_string(message).unwrap()).collect();
        assert!(bodies.iter().map(String::len).sum::<usize>() < MAX_BATCH_BYTES);
        for (message, body) in messages.iter().zip(&bodies) {
            assert_eq!(EventMessage::parse(body).unwrap(), *message);
        }
        Ok(())
    }
}

fn digest(secret: &str, text: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.chain_update(text).finalize().into_bytes().to_vec()
}

fuzz_target!(|input: &[u8]| {
    let Some((first, body)) = input.split_first() else { return };
    let keys = vec![WebhookSecret::new(SECRET)];
    let company = ("conn_1".parse().unwrap(), "60001".parse().unwrap());
    let address = AddressKeys::new(keys.clone()).issue(&company.0, &company.1).unwrap();
    let is_form = first % 4 == 3;
    let (to, signature) = match first % 4 {
        0 => (SentTo::QuickBooks, STANDARD.encode(digest(SECRET, body))),
        1 => (SentTo::Xero, STANDARD.encode(digest(SECRET, body))),
        _ => {
            let fields = if is_form { form_fields(body) } else { Vec::new() };
            let text = zoho_text(fields, if is_form { b"" } else { body });
            (SentTo::Zoho(&address.company_key), hex::encode(digest(address.secret.expose(), &text)))
        }
    };
    let secrets: HashMap<_, _> = Provider::ALL.into_iter().map(|provider| (provider, keys.clone())).collect();
    let itself = String::from_utf8_lossy(body);
    let mut request = WebhookRequest { to, query: Vec::new(), is_form, body, signature: Some(&itself) };
    let refused = request.verify(&secrets).unwrap_err();
    assert!(matches!(refused, ReceiveError::Refused(RefusalReason::BadSignature)));

    request.signature = Some(&signature);
    let receiver = WebhookReceiver::new(Arc::new(Queue), Arc::new(SystemClock), Arc::new(SystemEntropy));
    let verified = request.verify(&secrets).unwrap();
    let received = futures::executor::block_on(receiver.receive(&verified, &"corr_1".parse().unwrap()));
    assert!(matches!(received, Ok(_) | Err(ReceiveError::Refused(RefusalReason::TooLarge))));
});
