//! Customers: they connect, use their connections, and connect again when they must.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::{
    clock::Clock as _,
    connection::{
        AttemptCounters, ChainHead, ConnectOutcome, Connection, ConnectionKey, ConnectionState,
        ConnectionStore as _, NewConnection, Notices, Replaces, SealedTokens,
    },
    id::Ids,
    refresh::Budget,
    sealing::{DataKey, DataKeys, KeyError, SealingContext, TokenSealer, WrappedKey},
    token::TokenSet,
};
use futures::FutureExt as _;

use crate::{
    chance::Chance,
    endpoint,
    executor::ENVIRONMENT,
    marks::{new_key, unwrapped},
    provider::{Kind, Place},
    world::{World, index, kind},
};

/// The deployment that all tokens are sealed for.
pub(crate) const DEPLOYMENT: &str = "torture";
/// How long a customer takes who has to connect again.
const RECONNECT_TAKES: [Duration; 2] = [Duration::from_mins(1), Duration::from_hours(2)];
/// How often it is looked whether a token set is still on the recovery queue that would take a verdict back.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// A key service that never fails.
struct Keyring(Arc<Chance>);

#[async_trait]
impl DataKeys for Keyring {
    async fn generate(&self, _context: &SealingContext<'_>) -> Result<(DataKey, WrappedKey), KeyError> {
        Ok(new_key(&*self.0))
    }

    async fn unwrap_key(&self, wrapped: &[u8], _context: &SealingContext<'_>) -> Result<DataKey, KeyError> {
        unwrapped(wrapped)
    }
}

/// A connection as it is.
pub(crate) fn stored(world: &World, key: &ConnectionKey) -> Connection {
    world.connections.find(key).now_or_never().unwrap().unwrap().unwrap()
}

/// Whether a token set is stored from which the connection could go on.
pub(crate) fn is_alive(world: &World, connection: usize) -> bool {
    let stored = stored(world, &world.keys[connection]);
    let Some(tokens) = &stored.tokens else { return false };
    let (grants, now_ms) = (world.grants(), world.time.now_ms());
    let grant = &grants[connection];
    let previous = tokens.previous.as_ref().and_then(|previous| grant.named_by(&previous.refresh));
    let names = [Some(tokens.refresh_fingerprint.as_str()), previous];
    names.into_iter().flatten().any(|name| grant.accepts_named(name, now_ms))
}

/// The engine declared a connection dead: was it right, and will the customer have to connect again?
pub(crate) fn condemned(world: &Arc<World>, connection: usize) {
    if is_alive(world, connection) {
        world.incident(connection, "is declared dead with a good token in the table");
        world.count(connection, |row| row.false_deaths += 1);
    }
    let world = world.clone();
    world.time.clone().spawn(ENVIRONMENT, async move {
        while world.queues.recovers(&world.keys[connection]) {
            world.time.sleep(LOOK_AGAIN).await;
        }
        if stored(&world, &world.keys[connection]).state != ConnectionState::ReconnectRequired {
            return;
        }
        let place = world.grants()[connection].newest().place;
        world.tell(connection, || format!("is lost: its newest token is {place:?}"));
        if place != Place::Destroyed || kind(connection) != Kind::Strict {
            world.incident(connection, "is lost");
        }
        world.count(connection, |row| {
            row.lost += 1;
            row.unexplained += u64::from(place != Place::Destroyed);
        });
        world.time.sleep(world.chance.lasting(RECONNECT_TAKES[0]..=RECONNECT_TAKES[1])).await;
        connect(&world, connection);
    });
}

/// A customer gives a new grant for a connection, for the first time or again: at once, since nothing of interest can come
/// between.
pub(crate) fn connect(world: &World, connection: usize) {
    let key = &world.keys[connection];
    let former = world.connections.find(key).now_or_never().unwrap().unwrap();
    let grant = world.new_grant(connection);
    let tokens = endpoint::token_set((connection, grant.newest().serial), world.now());
    let new = new_connection(world, key, (former, &tokens));
    world.grants()[connection] = grant;
    world.grants()[connection].is_stored(new.connection.tokens.as_ref().unwrap(), world.now());
    world.tell(connection, || "is connected".to_owned());
    world.ledger().totals.reconnects += u64::from(new.replaces.is_some());
    let outcome = world.connections.connect(&new).now_or_never().unwrap().unwrap();
    assert_eq!(outcome, ConnectOutcome::Stored, "nothing came between");
}

fn new_connection(
    world: &World,
    key: &ConnectionKey,
    (former, tokens): (Option<Connection>, &TokenSet),
) -> NewConnection {
    let (now, provider) = (world.now(), kind(index(key)).provider());
    let generation =
        former.as_ref().and_then(|former| former.tokens.as_ref()).map_or(1, |old| old.generation + 1);
    let keyring = Arc::new(Keyring(world.chance.clone()));
    let pair = TokenSealer::new(DEPLOYMENT.to_owned(), keyring, world.entropy())
        .seal_under_new_keys((key, provider), generation, tokens)
        .now_or_never()
        .unwrap()
        .unwrap();
    let sealed = SealedTokens {
        generation,
        access: pair.access,
        refresh: pair.refresh,
        refresh_fingerprint: domain::sealing::fingerprint(&tokens.refresh),
        issued_at: now,
        refreshed: false,
        access_expires_at: tokens.access_expires_at,
        refresh_expires_at: tokens.refresh_expires_at,
        hard_expires_at: None,
        keys_made_at: now,
        previous: None,
    };
    let due = world.policy().next(&key.connection, &sealed, now, &*world.chance);
    let connection = Connection {
        key: key.clone(),
        provider,
        state: ConnectionState::Active,
        reason: None,
        scopes: vec![],
        location: None,
        created_at: former.as_ref().map_or(now, |former| former.created_at),
        tokens: Some(sealed),
        fence: former.as_ref().map_or(0, |former| former.fence + 1),
        lease: None,
        due: Some(due),
        used_at: now,
        warmth: None,
        attempts: AttemptCounters::default(),
        last: former.as_ref().and_then(|former| former.last.clone()),
        chain: former.as_ref().map_or_else(ChainHead::default, |former| former.chain),
        calls: Budget::of(provider).map(|_| now).into_iter().collect(),
        notices: Notices::default(),
        write_id: Ids::new(world, &*world.chance).write(),
    };
    let replaces = former.map(|former| Replaces { fence: former.fence, write_id: former.write_id });
    NewConnection { connection, companies: vec![], replaces, shared: false }
}
