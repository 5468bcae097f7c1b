//! The primitives of the format, against vectors that others published.

use aes_gcm::{
    Aes256Gcm, KeyInit as _, Nonce,
    aead::{Aead as _, Payload},
};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::{
    DataKey,
    envelope::{LABEL_COMMITMENT, derive},
};

fn bytes(digits: &str) -> Vec<u8> {
    hex::decode(digits).unwrap()
}

/// One case of AES-256-GCM, in hex.
struct GcmCase {
    key: &'static str,
    nonce: &'static str,
    aad: &'static str,
    plaintext: &'static str,
    ciphertext: &'static str,
    tag: &'static str,
}

/// The specification of GCM by its authors ("The Galois/Counter Mode of Operation (GCM)", submitted to NIST), appendix B, test
/// cases 13 to 16: those with a key of 256 bits and a nonce of 96, the length that NIST SP 800-38D recommends and the format
/// has. Cases 17 and 18 take nonces of 64 and 480 bits, which the format cannot hold.
const GCM: [GcmCase; 4] = [
    GcmCase {
        key: "0000000000000000000000000000000000000000000000000000000000000000",
        nonce: "000000000000000000000000",
        aad: "",
        plaintext: "",
        ciphertext: "",
        tag: "530f8afbc74536b9a963b4f1c4cb738b",
    },
    GcmCase {
        key: "0000000000000000000000000000000000000000000000000000000000000000",
        nonce: "000000000000000000000000",
        aad: "",
        plaintext: "00000000000000000000000000000000",
        ciphertext: "cea7403d4d606b6e074ec5d3baf39d18",
        tag: "d0d1c8a799996bf0265b98b5d48ab919",
    },
    GcmCase {
        key: "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        nonce: "cafebabefacedbaddecaf888",
        aad: "",
        plaintext: "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                    1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
        ciphertext: "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
                     8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
        tag: "b094dac5d93471bdec1a502270e3cc6c",
    },
    GcmCase {
        key: "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        nonce: "cafebabefacedbaddecaf888",
        aad: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        plaintext: "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                    1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        ciphertext: "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
                     8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        tag: "76fc6ece0f4e1768cddf8853bb2d551b",
    },
];

#[test]
fn aes_256_gcm_seals_and_opens_the_cases_of_its_authors() {
    for case in GCM {
        let key: [u8; 32] = bytes(case.key).try_into().unwrap();
        let nonce: [u8; 12] = bytes(case.nonce).try_into().unwrap();
        let (cipher, nonce) = (Aes256Gcm::new(&key.into()), Nonce::from(nonce));
        let (aad, plaintext) = (bytes(case.aad), bytes(case.plaintext));
        let expected = [bytes(case.ciphertext), bytes(case.tag)].concat();

        let sealed = cipher.encrypt(&nonce, Payload { msg: &plaintext, aad: &aad }).unwrap();

        assert_eq!(hex::encode(sealed), hex::encode(&expected));
        assert_eq!(cipher.decrypt(&nonce, Payload { msg: &expected, aad: &aad }).unwrap(), plaintext);
    }
}

/// One case of HKDF-SHA-256; the last two are in hex.
struct HkdfCase {
    ikm: Vec<u8>,
    salt: Option<Vec<u8>>,
    info: Vec<u8>,
    prk: &'static str,
    okm: &'static str,
}

/// RFC 5869, appendices A.1 to A.3.
fn hkdf_cases() -> [HkdfCase; 3] {
    [
        HkdfCase {
            ikm: vec![0x0b; 22],
            salt: Some((0x00..=0x0c).collect()),
            info: (0xf0..=0xf9).collect(),
            prk: "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
            okm: "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        },
        HkdfCase {
            ikm: (0x00..=0x4f).collect(),
            salt: Some((0x60..=0xaf).collect()),
            info: (0xb0..=0xff).collect(),
            prk: "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
            okm: "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09\
                  da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
        },
        HkdfCase {
            ikm: vec![0x0b; 22],
            salt: None,
            info: vec![],
            prk: "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
            okm: "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        },
    ]
}

#[test]
fn hkdf_sha_256_gives_what_its_standard_says() {
    for case in hkdf_cases() {
        let (prk, hkdf) = Hkdf::<Sha256>::extract(case.salt.as_deref(), &case.ikm);
        let mut okm = vec![0; case.okm.len() / 2];
        hkdf.expand(&case.info, &mut okm).unwrap();

        assert_eq!((hex::encode(prk).as_str(), hex::encode(okm).as_str()), (case.prk, case.okm));
    }
}

/// The commitment by the words of RFC 5869, sections 2.2 and 2.3, with HMAC alone: PRK = HMAC(salt, key) and, since 32 bytes
/// are one block, OKM = T(1) = HMAC(PRK, info | 0x01).
#[test]
fn the_commitment_is_derived_as_the_standard_says() {
    let hmac = |key: &[u8], parts: [&[u8]; 2]| -> [u8; 32] {
        let mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).unwrap();
        mac.chain_update(parts[0]).chain_update(parts[1]).finalize().into_bytes().into()
    };
    let (data_key, salt) = ([7; 32], [9; 32]);

    let (_, commitment) = derive(&DataKey::new(data_key), &salt);

    let prk = hmac(&salt, [&data_key, &[]]);
    assert_eq!(commitment, hmac(&prk, [LABEL_COMMITMENT, &[1]]));
}
