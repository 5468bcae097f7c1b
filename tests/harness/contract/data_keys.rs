//! What a key service keeps.

use domain::{
    entropy::SystemEntropy,
    provider::Provider,
    sealing::{DataKeys, KeyError, Purpose, SealingContext, open, seal},
};

use crate::sample;

/// What a key service keeps: a data key opens in its own place, whole, and nowhere else.
pub async fn data_keys_contract(keys: &dyn DataKeys) {
    let (key, other) = (sample::key(), sample::key());
    let context = SealingContext {
        environment: "contract",
        key: &key,
        provider: Provider::QuickBooks,
        purpose: Purpose::Refresh,
    };
    let (made, wrapped) = keys.generate(&context).await.unwrap();
    let (second, second_wrapped) = keys.generate(&context).await.unwrap();
    let sealed = seal(&made, &wrapped.0, (&context, 1), b"token", &SystemEntropy).unwrap();

    let unwrapped = keys.unwrap_key(&wrapped.0, &context).await.unwrap();

    let opened = open(&unwrapped, (&context, 1), &sealed).unwrap();
    assert_eq!(&opened[..], b"token", "the key that was made comes back");
    assert!(open(&second, (&context, 1), &sealed).is_err(), "each call makes a key of its own");
    assert_ne!(wrapped, second_wrapped);
    for elsewhere in [
        SealingContext { environment: "prod", ..context },
        SealingContext { key: &other, ..context },
        SealingContext { provider: Provider::Xero, ..context },
        SealingContext { purpose: Purpose::Access, ..context },
    ] {
        refused(keys, &wrapped.0, &elsewhere).await;
    }
    for at in [0, wrapped.0.len() / 2, wrapped.0.len() - 1] {
        let mut tampered = wrapped.0.clone();
        tampered[at] ^= 1;
        refused(keys, &tampered, &context).await;
    }
    refused(keys, &wrapped.0[..wrapped.0.len() - 1], &context).await;
    refused(keys, b"no key at all", &context).await;
}

async fn refused(keys: &dyn DataKeys, wrapped: &[u8], context: &SealingContext<'_>) {
    let unwrapped = keys.unwrap_key(wrapped, context).await;

    assert!(matches!(unwrapped, Err(KeyError::Refused(_))), "{unwrapped:?}");
}
