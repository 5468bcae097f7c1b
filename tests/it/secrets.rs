//! Secrets stay in their types: they print `[redacted]`, have no text form and do not serialize.

use std::fmt::{Debug, Display};

use domain::{
    sealing::DataKey,
    secret::{
        AccessToken, ApiKeyText, AuthorizationCode, ClientSecret, CodeVerifier, MasterSecret, OneTimeValue,
        RefreshToken, WebhookSecret,
    },
};
use serde::Serialize;

use crate::world::World;

/// Has one `check` for every type, and a second one for a type that can be shown: then the compiler cannot choose.
trait CannotBeShown<Reason> {
    fn check() {}
}

struct BySerializing;
struct ByDisplay;

impl<T> CannotBeShown<()> for T {}
impl<T: Serialize> CannotBeShown<BySerializing> for T {}
impl<T: Display> CannotBeShown<ByDisplay> for T {}

fn redacted(secret: &impl Debug, name: &str) {
    assert_eq!(format!("{secret:?}"), format!("{name}([redacted])"));
    assert_eq!(format!("{secret:#?}"), format!("{name}([redacted])"));
}

macro_rules! stays_secret {
    ($($name:ident),+) => {$(
        <$name as CannotBeShown<_>>::check();
        redacted(&$name::new("the secret"), stringify!($name));
    )+};
}

#[test]
fn no_secret_can_be_shown_by_accident() {
    stays_secret!(
        AccessToken,
        ApiKeyText,
        AuthorizationCode,
        ClientSecret,
        CodeVerifier,
        MasterSecret,
        OneTimeValue,
        RefreshToken,
        WebhookSecret
    );
    <DataKey as CannotBeShown<_>>::check();
    redacted(&DataKey::new([7; 32]), "DataKey");
}

#[tokio::test]
async fn what_holds_secrets_shows_none_of_them() {
    let world = World::new();
    let connection = world.find(&world.connected().await).await;
    let tokens = world.provider.fresh();
    let sealed = connection.tokens.as_ref().unwrap();
    let opened = world.refresher.sealer.open_refresh(&connection, sealed).await.unwrap();
    let secrets = [tokens.access.expose(), tokens.refresh.expose(), opened.token.expose()];

    let shown = format!("{tokens:?} {opened:?} {connection:?}");

    assert!(shown.contains("[redacted]"));
    assert!(secrets.iter().all(|secret| !shown.contains(secret)), "{shown}");
}
