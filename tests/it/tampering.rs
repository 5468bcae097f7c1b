//! What an enemy of the table may do to sealed tokens: whatever it is, they do not open.

use std::{fmt::Debug, mem, ops::Range, sync::Arc, time::Duration};

use domain::{
    connection::{Connection, SealedTokens},
    provider::Provider,
    refresh::{AttemptFailure, FailureClass, RefreshOutcome},
    sealing::{CachedDataKeys, KeyError, OpenedRefresh, TokenSealer, UnsealError, wrapped_key},
};
use futures::FutureExt as _;
use proptest::{prelude::*, sample::Index};
use tests::SeededEntropy;

use crate::world::World;

/// The envelopes of a connection.
#[derive(Clone, Copy, Debug)]
enum Envelope {
    Access,
    Refresh,
    Previous,
}

impl Envelope {
    const ALL: [Self; 3] = [Self::Access, Self::Refresh, Self::Previous];

    fn of(self, tokens: &mut SealedTokens) -> &mut Vec<u8> {
        match self {
            Self::Access => &mut tokens.access,
            Self::Refresh => &mut tokens.refresh,
            Self::Previous => &mut tokens.previous.as_mut().unwrap().refresh,
        }
    }

    fn generation(self, tokens: &mut SealedTokens) -> &mut u64 {
        match self {
            Self::Access | Self::Refresh => &mut tokens.generation,
            Self::Previous => &mut tokens.previous.as_mut().unwrap().generation,
        }
    }

    /// Opens it; every fake answers at once.
    fn open(self, sealer: &TokenSealer, connection: &Connection) -> Result<String, UnsealError> {
        let tokens = connection.tokens.as_ref().unwrap();
        let text = |opened: OpenedRefresh| opened.token.expose().to_owned();
        match self {
            Self::Access => {
                let token = sealer.open_access(connection, tokens).now_or_never().unwrap()?;
                Ok(token.expose().to_owned())
            }
            Self::Refresh => sealer.open_refresh(connection, tokens).now_or_never().unwrap().map(text),
            Self::Previous => {
                let opened = sealer.open_previous(connection, tokens).now_or_never().unwrap()?;
                Ok(text(opened.unwrap()))
            }
        }
    }
}

/// A world with one connection that was refreshed, so that it has all three envelopes.
struct Sealed {
    world: World,
    connection: Connection,
    /// Has every right key in its cache.
    warm: TokenSealer,
}

impl Sealed {
    async fn new() -> Self {
        let world = World::new();
        let connection = refreshed(&world).await;
        let keys = Arc::new(CachedDataKeys::new(world.keys.clone(), world.clock.clone()));
        let warm = TokenSealer::new("test".to_owned(), keys, Arc::new(SeededEntropy::new(1)));
        for envelope in Envelope::ALL {
            envelope.open(&warm, &connection).unwrap();
        }
        Self { world, connection, warm }
    }

    /// The sealer of `environment`, without a cache.
    fn cold(&self, environment: &str) -> TokenSealer {
        let entropy = Arc::new(SeededEntropy::new(2));
        TokenSealer::new(environment.to_owned(), self.world.keys.clone(), entropy)
    }

    /// Asserts that `envelope` of `connection` is refused, with the key service asked and with every key at hand.
    fn refuses(&self, envelope: Envelope, connection: &Connection, what: &dyn Debug) {
        for sealer in [&self.cold("test"), &self.warm] {
            assert_refused(&envelope.open(sealer, connection), envelope, what);
        }
    }
}

fn assert_refused(opened: &Result<String, UnsealError>, envelope: Envelope, what: &dyn Debug) {
    let refused = matches!(opened, Err(UnsealError::Open(_) | UnsealError::Key(KeyError::Refused(_))));
    assert!(refused, "{envelope:?} after {what:?}: {opened:?}");
}

async fn refreshed(world: &World) -> Connection {
    let key = world.connected().await;
    assert_eq!(world.manual(&key).await, RefreshOutcome::Refreshed);
    world.find(&key).await
}

fn tokens_of(connection: &mut Connection) -> &mut SealedTokens {
    connection.tokens.as_mut().unwrap()
}

#[tokio::test]
async fn each_bit_of_each_envelope_counts() {
    let sealed = Sealed::new().await;

    for envelope in Envelope::ALL {
        let mut forged = sealed.connection.clone();
        for at in 0..envelope.of(tokens_of(&mut forged)).len() {
            for bit in 0..8 {
                envelope.of(tokens_of(&mut forged))[at] ^= 1 << bit;
                sealed.refuses(envelope, &forged, &(at, bit));
                envelope.of(tokens_of(&mut forged))[at] ^= 1 << bit;
            }
        }
        assert_eq!(forged, sealed.connection, "each flip was taken back");
    }
}

#[tokio::test]
async fn each_truncation_of_each_envelope_is_refused() {
    let sealed = Sealed::new().await;

    for envelope in Envelope::ALL {
        let mut forged = sealed.connection.clone();
        while envelope.of(tokens_of(&mut forged)).pop().is_some() {
            let left = envelope.of(tokens_of(&mut forged)).len();
            sealed.refuses(envelope, &forged, &left);
        }
    }
}

/// What is done to an envelope, or to the place in which it stands.
#[derive(Clone, Debug)]
enum Tampering {
    Flip(Index, u32),
    Overwrite(Index, Vec<u8>),
    Truncate(Index),
    Extend(Vec<u8>),
    Header(usize, u8),
    /// Some of its parts are those of another envelope.
    Transplant(Donor, [bool; PARTS]),
    Tenant(String),
    Connection(String),
    Provider(Provider),
    Environment(String),
    Generation(u64),
    /// The access envelope stands where a refresh envelope belongs, and the other way around.
    Purpose,
}

/// Whose parts are transplanted.
#[derive(Clone, Copy, Debug)]
enum Donor {
    /// An envelope of another connection, for the same purpose.
    Stranger,
    /// The envelope of the other purpose of the same connection and token set.
    OtherPurpose,
    /// An envelope of the same connection and purpose, of the next token set, under the same data key.
    Next,
    /// The same, of a token set under a later data key.
    Renewed,
}

/// Wrapped key (with its length), salt, commitment, nonce, ciphertext, tag.
const PARTS: usize = 6;

fn parts(envelope: &[u8]) -> [Range<usize>; PARTS] {
    let salt = 5 + wrapped_key(envelope).unwrap().len();
    let (nonce, tag) = (salt + 64, envelope.len() - 16);
    [3..salt, salt..salt + 32, salt + 32..nonce, nonce..nonce + 12, nonce + 12..tag, tag..envelope.len()]
}

fn tampering() -> impl Strategy<Value = Tampering> {
    let word = "[A-Za-z0-9_-]{1,64}";
    let donor = prop::sample::select(vec![Donor::Stranger, Donor::OtherPurpose, Donor::Next, Donor::Renewed]);
    prop_oneof![
        (any::<Index>(), 0..8_u32).prop_map(|(at, bit)| Tampering::Flip(at, bit)),
        (any::<Index>(), prop::collection::vec(any::<u8>(), 1..64))
            .prop_map(|(at, bytes)| Tampering::Overwrite(at, bytes)),
        any::<Index>().prop_map(Tampering::Truncate),
        prop::collection::vec(any::<u8>(), 1..64).prop_map(Tampering::Extend),
        (0..3_usize, any::<u8>()).prop_map(|(at, value)| Tampering::Header(at, value)),
        (donor, any::<[bool; PARTS]>()).prop_map(|(donor, parts)| Tampering::Transplant(donor, parts)),
        word.prop_map(Tampering::Tenant),
        word.prop_map(Tampering::Connection),
        prop::sample::select(Provider::ALL.to_vec()).prop_map(Tampering::Provider),
        any::<String>().prop_map(Tampering::Environment),
        any::<u64>().prop_map(Tampering::Generation),
        Just(Tampering::Purpose),
    ]
}

/// What could be put into a connection's envelopes.
struct Donors {
    stranger: Connection,
    next: Connection,
    renewed: Connection,
}

impl Donors {
    async fn of(sealed: &Sealed) -> Self {
        let (world, key) = (&sealed.world, &sealed.connection.key);
        let mut later = Vec::new();
        for wait in [Duration::from_mins(1), Duration::from_hours(91 * 24)] {
            world.clock.advance(wait);
            assert_eq!(world.manual(key).await, RefreshOutcome::Refreshed);
            later.push(world.find(key).await);
        }
        let [next, renewed] = later.try_into().unwrap();
        Self { stranger: refreshed(world).await, next, renewed }
    }

    fn parts_of(&self, donor: Donor, envelope: Envelope, own: &Connection) -> Vec<u8> {
        let (mut from, other) = match (donor, envelope) {
            (Donor::Stranger, _) => (self.stranger.clone(), envelope),
            (Donor::Next, _) => (self.next.clone(), envelope),
            (Donor::Renewed, _) => (self.renewed.clone(), envelope),
            (Donor::OtherPurpose, Envelope::Access) => (own.clone(), Envelope::Refresh),
            (Donor::OtherPurpose, _) => (own.clone(), Envelope::Access),
        };
        mem::take(other.of(tokens_of(&mut from)))
    }
}

/// Does it, to `connection` and to the name of its deployment.
fn tamper(
    (connection, environment): (&mut Connection, &mut String),
    envelope: Envelope,
    tampering: &Tampering,
    donors: &Donors,
) {
    let before = connection.clone();
    let bytes = envelope.of(connection.tokens.as_mut().unwrap());
    match tampering {
        Tampering::Flip(at, bit) => {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        Tampering::Overwrite(at, new) => {
            let at = at.index(bytes.len());
            bytes.iter_mut().skip(at).zip(new).for_each(|(byte, new)| *byte = *new);
        }
        Tampering::Truncate(to) => bytes.truncate(to.index(bytes.len())),
        Tampering::Extend(by) => bytes.extend(by),
        Tampering::Header(at, value) => bytes[*at] = *value,
        Tampering::Transplant(donor, chosen) => {
            let donor = donors.parts_of(*donor, envelope, &before);
            let (ours, theirs) = (parts(bytes), parts(&donor));
            let mut chimera = bytes[..3].to_vec();
            for part in 0..PARTS {
                let (from, range) = if chosen[part] { (&donor, &theirs) } else { (&*bytes, &ours) };
                chimera.extend(&from[range[part].clone()]);
            }
            *bytes = chimera;
        }
        Tampering::Tenant(id) => connection.key.tenant = id.parse().unwrap(),
        Tampering::Connection(id) => connection.key.connection = id.parse().unwrap(),
        Tampering::Provider(provider) => connection.provider = *provider,
        Tampering::Environment(name) => environment.clone_from(name),
        Tampering::Generation(number) => *envelope.generation(tokens_of(connection)) = *number,
        Tampering::Purpose => {
            let mut other = before;
            let tokens = tokens_of(&mut other);
            *bytes = if matches!(envelope, Envelope::Access) {
                mem::take(&mut tokens.refresh)
            } else {
                mem::take(&mut tokens.access)
            };
        }
    }
}

#[tokio::test]
async fn no_tampering_with_an_envelope_or_its_place_goes_unseen() {
    let sealed = Sealed::new().await;
    let donors = Donors::of(&sealed).await;
    let envelope = prop::sample::select(Envelope::ALL.to_vec());

    proptest!(ProptestConfig::with_cases(2000), |(envelope in envelope, tampering in tampering())| {
        let (mut forged, mut environment) = (sealed.connection.clone(), "test".to_owned());
        tamper((&mut forged, &mut environment), envelope, &tampering, &donors);
        prop_assume!(forged != sealed.connection || environment != "test");

        assert_refused(&envelope.open(&sealed.cold(&environment), &forged), envelope, &tampering);
        if environment == "test" {
            sealed.refuses(envelope, &forged, &tampering);
        }
    });
}

#[tokio::test]
async fn whatever_was_done_the_answer_is_the_same() {
    let sealed = Sealed::new().await;
    let (world, key) = (&sealed.world, &sealed.connection.key);
    let stranger = refreshed(world).await.tokens.unwrap().refresh;
    let whole = sealed.connection.tokens.clone().unwrap().refresh;
    let last = whole.len() - 1;
    let spent = world.refreshes();
    // So long after the last refresh that nobody joins it.
    world.clock.advance(Duration::from_mins(1));

    let mut failures = Vec::new();
    for forged in [
        stranger,
        [&whole[..last], &[whole[last] ^ 1]].concat(),
        [&[2], &whole[1..]].concat(),
        whole[..last].to_vec(),
        vec![],
    ] {
        world.connections.edit(key, |connection| tokens_of(connection).refresh = forged);
        match world.manual(key).await {
            RefreshOutcome::Failed { failure, .. } => failures.push(failure),
            other => panic!("{other:?}"),
        }
    }

    assert!(failures.iter().all(|failure| *failure == failures[0]), "{failures:?}");
    assert_eq!(failures[0], AttemptFailure { class: FailureClass::Sealing, code: None, trace_id: None });
    assert_eq!(world.refreshes(), spent, "nothing was sent");
}
