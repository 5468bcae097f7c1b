//! A sealed token opens only in its own place.

use domain::connection::SealedTokens;

use crate::driver::{Bundle, Connected};

/// Puts sealed values in a connection's place, and keeps everything else.
async fn put(connection: &Connected<'_>, sealed: &SealedTokens) {
    let due = connection.stored().await.due;
    let (access, refresh) = (sealed.access.clone(), sealed.refresh.clone());
    let swapped = |tokens| SealedTokens { access, refresh, ..tokens };
    connection.bundle().replace_tokens(&connection.key(), due, swapped).await;
}

#[tokio::test]
async fn a_token_moved_to_another_connection_is_refused_and_never_sent() {
    let bundle = Bundle::deployed().await;
    let (one, other) = (bundle.tenant().await.connect().await, bundle.tenant().await.connect().await);
    let spent = [one.refresh_token().await, other.refresh_token().await];
    let ours = one.stored().await.tokens.unwrap();
    let theirs = other.stored().await.tokens.unwrap();
    put(&one, &theirs).await;
    put(&other, &ours).await;
    let swapped = one.stored().await;

    for connection in [&one, &other] {
        let refused = connection.refresh().await.expect_error(500, "SEAL_OPEN_FAILED");
        assert_eq!(refused["error"]["number"], 7002);
    }

    let after = one.stored().await;
    assert_eq!((after.state, after.tokens, after.lease), (swapped.state, swapped.tokens, None));
    assert_eq!(one.shown().await["state"], "active", "a customer is not disconnected by our own failure");
    for fingerprint in &spent {
        assert_eq!(one.spent(fingerprint).await, 0);
    }

    put(&one, &ours).await;
    put(&other, &theirs).await;
    for connection in [&one, &other] {
        assert_eq!(connection.refresh().await.expect(200)["refreshed"], true);
    }
}

#[tokio::test]
async fn an_access_token_in_the_place_of_a_refresh_token_is_refused() {
    let bundle = Bundle::deployed().await;
    let connection = bundle.tenant().await.connect().await;
    let tokens = connection.stored().await.tokens.unwrap();
    put(&connection, &SealedTokens { refresh: tokens.access.clone(), ..tokens.clone() }).await;

    connection.refresh().await.expect_error(500, "SEAL_OPEN_FAILED");

    assert_eq!(connection.spent(&connection.refresh_token().await).await, 0);
}

#[tokio::test]
async fn one_flipped_bit_anywhere_is_refused() {
    let bundle = Bundle::deployed().await;
    let connection = bundle.tenant().await.connect().await;
    let tokens = connection.stored().await.tokens.unwrap();

    // Version, wrapped key, and from the end: tag and ciphertext. Every byte in between is flipped in the unit tests.
    let last = tokens.refresh.len() - 1;
    for at in [0, 60, last - 40, last] {
        let mut refresh = tokens.refresh.clone();
        refresh[at] ^= 1;
        put(&connection, &SealedTokens { refresh, ..tokens.clone() }).await;

        connection.refresh().await.expect_error(500, "SEAL_OPEN_FAILED");
    }
    assert_eq!(connection.spent(&connection.refresh_token().await).await, 0);
}
