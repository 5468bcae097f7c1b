//! What an envelope must withstand.

use proptest::prelude::*;

use super::*;
use crate::{connection::ConnectionKey, entropy::SystemEntropy, provider::Provider, sealing::Purpose};

const WRAPPED: &[u8] = b"a key as KMS wrapped it";

/// Counts upwards, so that the published vector can be made again.
struct Counting;

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for (value, byte) in (0..).zip(bytes) {
            *byte = value;
        }
    }
}

fn key(tenant: &str, connection: &str) -> ConnectionKey {
    ConnectionKey { tenant: tenant.parse().unwrap(), connection: connection.parse().unwrap() }
}

fn context(key: &ConnectionKey) -> SealingContext<'_> {
    SealingContext { environment: "test", key, provider: Provider::QuickBooks, purpose: Purpose::Access }
}

fn data_key() -> DataKey {
    DataKey::new([7; 32])
}

fn sealed(key: &ConnectionKey) -> Vec<u8> {
    seal(&data_key(), WRAPPED, (&context(key), 1), b"an access token", &SystemEntropy).unwrap()
}

#[test]
fn what_was_sealed_opens_in_its_place() {
    let key = key("tenant", "connection");

    let opened = open(&data_key(), (&context(&key), 1), &sealed(&key)).unwrap();

    assert_eq!(&*opened, b"an access token");
    assert_eq!(wrapped_key(&sealed(&key)), Ok(WRAPPED));
}

/// The bytes that the documentation writes in hex below `label`, in one fenced block after "## Test vector".
fn documented(label: &str) -> Vec<u8> {
    let page = include_str!("../../../../../docs/sealing.md");
    let (_, vector) = page.split_once("\n## Test vector\n").unwrap();
    let (_, block) = vector.split_once(&format!("\n{label}\n\n```\n")).unwrap();
    let (digits, _) = block.split_once("```").unwrap();
    hex::decode(digits.replace('\n', "")).unwrap()
}

#[test]
fn the_vector_of_the_documentation_is_what_is_sealed_and_opened() {
    let key = key("acme", "conn_1");
    let place = (&context(&key), 3);

    let envelope = seal(&data_key(), b"wrapped", place, b"token", &Counting).unwrap();

    assert_eq!(hex::encode(&envelope), hex::encode(documented("envelope")));
    assert_eq!(hex::encode(place.0.associated_data(HEADER, 3)), hex::encode(documented("associated data")));
    assert_eq!(&*open(&data_key(), place, &documented("envelope")).unwrap(), b"token");
}

#[test]
fn a_ciphertext_moved_to_any_other_place_is_refused() {
    let home = key("tenant", "connection");
    let envelope = sealed(&home);
    let (other_tenant, other_connection) = (key("other", "connection"), key("tenant", "other"));
    let places = [
        (SealingContext { environment: "prod", ..context(&home) }, 1),
        (context(&other_tenant), 1),
        (context(&other_connection), 1),
        (SealingContext { provider: Provider::Xero, ..context(&home) }, 1),
        (SealingContext { purpose: Purpose::Refresh, ..context(&home) }, 1),
        (context(&home), 2),
    ];

    for (place, generation) in places {
        assert_eq!(
            open(&data_key(), (&place, generation), &envelope),
            Err(OpenError),
            "{place:?} {generation}"
        );
    }
}

#[test]
fn the_border_between_two_ids_cannot_be_moved() {
    // Each pair of places spells the same letters in the same order.
    let (a, ta) = (key("a", "c"), key("ta", "c"));
    let (home, away) = (key("a", "quickbooksc"), key("aquickbooks", "c"));
    for (one, other) in [
        (context(&a), SealingContext { environment: "tes", ..context(&ta) }),
        (context(&home), context(&away)),
    ] {
        let envelope = seal(&data_key(), WRAPPED, (&one, 1), b"an access token", &SystemEntropy).unwrap();

        assert_eq!(open(&data_key(), (&other, 1), &envelope), Err(OpenError), "{other:?}");
    }
}

#[test]
fn another_data_key_is_refused() {
    let home = key("tenant", "connection");

    assert_eq!(open(&DataKey::new([8; 32]), (&context(&home), 1), &sealed(&home)), Err(OpenError));
}

#[test]
fn every_flipped_bit_is_refused() {
    let home = key("tenant", "connection");
    let envelope = sealed(&home);
    // The wrapped key is bound by KMS, which refuses to unwrap it when a bit is flipped; here it is not looked at. The tests
    // of whole token sets flip its bits, too.
    let wrapped = 5..5 + WRAPPED.len();

    for at in (0..envelope.len()).filter(|at| !wrapped.contains(at)) {
        for bit in 0..8 {
            let mut forged = envelope.clone();
            forged[at] ^= 1 << bit;
            assert_eq!(
                open(&data_key(), (&context(&home), 1), &forged),
                Err(OpenError),
                "byte {at} bit {bit}"
            );
        }
    }
}

#[test]
fn every_truncation_and_any_extension_is_refused() {
    let home = key("tenant", "connection");
    let envelope = sealed(&home);

    for length in 0..envelope.len() {
        assert_eq!(open(&data_key(), (&context(&home), 1), &envelope[..length]), Err(OpenError), "{length}");
    }
    let longer = [envelope.as_slice(), &[0]].concat();
    assert_eq!(open(&data_key(), (&context(&home), 1), &longer), Err(OpenError));
}

#[test]
fn an_unknown_version_suite_or_key_source_is_refused_before_any_key_is_touched() {
    let envelope = sealed(&key("tenant", "connection"));

    for at in 0..3 {
        for value in (0..=255).filter(|value| *value != envelope[at]) {
            let mut forged = envelope.clone();
            forged[at] = value;
            assert_eq!(wrapped_key(&forged), Err(OpenError), "byte {at} = {value}");
        }
    }
}

#[test]
fn a_claimed_length_of_the_wrapped_key_is_checked_against_what_is_there() {
    let envelope = sealed(&key("tenant", "connection"));

    for claimed in [0_u16, 6145, u16::MAX] {
        let mut forged = envelope.clone();
        forged[3..5].copy_from_slice(&claimed.to_be_bytes());
        assert_eq!(wrapped_key(&forged), Err(OpenError), "{claimed}");
    }
}

#[test]
fn what_could_not_be_opened_is_not_sealed() {
    let home = key("tenant", "connection");
    let seal = |wrapped: usize, plaintext: usize| {
        seal(&data_key(), &vec![1; wrapped], (&context(&home), 1), &vec![2; plaintext], &SystemEntropy)
    };

    for wrapped in [0, 6145, usize::from(u16::MAX) + 1] {
        assert_eq!(seal(wrapped, 1), Err(SealError::WrappedKeyLength), "{wrapped}");
    }
    assert_eq!(seal(1, 16 * 1024 + 1), Err(SealError::TooLong));
    for (wrapped, plaintext) in [(1, 0), (6144, 16 * 1024)] {
        let opened = open(&data_key(), (&context(&home), 1), &seal(wrapped, plaintext).unwrap());
        assert_eq!(opened.map(|value| value.len()), Ok(plaintext));
    }
}

#[test]
fn an_envelope_longer_than_the_format_allows_is_refused_before_any_key_is_touched() {
    let home = key("tenant", "connection");
    let longest = seal(&data_key(), WRAPPED, (&context(&home), 1), &[2; 16 * 1024], &SystemEntropy).unwrap();

    assert_eq!(wrapped_key(&longest), Ok(WRAPPED));
    assert_eq!(wrapped_key(&[&longest[..], &[0]].concat()), Err(OpenError));
}

#[test]
fn an_envelope_commits_to_the_one_key_that_sealed_it() {
    let envelope = sealed(&key("tenant", "connection"));

    assert!(commits_to(&envelope, &data_key()));
    assert!(!commits_to(&envelope, &DataKey::new([8; 32])));
    assert!(!commits_to(&envelope[..80], &data_key()), "what is no envelope commits to nothing");
}

#[test]
fn the_same_value_sealed_twice_looks_different_everywhere_it_may() {
    let home = key("tenant", "connection");
    let (one, two) = (sealed(&home), sealed(&home));

    let salt = 5 + WRAPPED.len();
    for (part, from, length) in
        [("salt", salt, 32), ("commitment", salt + 32, 32), ("nonce", salt + 64, 12), ("text", salt + 76, 31)]
    {
        assert_ne!(one[from..from + length], two[from..from + length], "{part}");
    }
}

proptest! {
    #[test]
    fn any_value_comes_back(plaintext in proptest::collection::vec(any::<u8>(), 0..5000), generation in any::<u64>(), wrapped in proptest::collection::vec(any::<u8>(), 1..300)) {
        let home = key("tenant", "connection");
        let place = (&context(&home), generation);

        let envelope = seal(&data_key(), &wrapped, place, &plaintext, &SystemEntropy).unwrap();

        prop_assert_eq!(&*open(&data_key(), place, &envelope).unwrap(), &plaintext);
    }

    #[test]
    fn no_bytes_make_opening_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let home = key("tenant", "connection");

        prop_assert_eq!(open(&data_key(), (&context(&home), 1), &bytes), Err(OpenError));
    }
}
