//! What signatures are accepted, and that nothing else is.

use proptest::prelude::*;

use super::*;

/// Verifies base64, as Intuit and Xero sign.
fn verify_base64(body: &[u8], presented: &str, secrets: &[WebhookSecret]) -> Result<(), SignatureMismatch> {
    verify(body, (presented, Encoding::Base64), secrets)
}

/// Published with Intuit's SDK tests (I-1 Java, I-2 .NET), by Xero in real traffic (X-1), and computed for the
/// CloudEvents example of Intuit's announcement and for a credit note as Xero's specification shows it.
const VECTORS: [(&str, &str, &str); 5] = [
    (
        "b5771f19b12ddb4bcdb9f08bdc50bc63878a",
        r#"{"eventNotifications":[{"realmId":"1185883450","dataChangeEvent":{"entities":[{"name":"Customer","id":"1","operation":"Create","lastUpdated":"2015-10-05T14:42:19-0700"}]}}]}"#,
        "JC2GUwciPmRBwEO7WvrRmKqu9tGOKL8FFallocTFi8Q=",
    ),
    (
        "00faeec4-08d0-4996-bb37-698ae19f0149",
        r#"{"eventNotifications":[{"realmId":"1269959970","dataChangeEvent":{"entities":[{"name":"Vendor","id":"40","operation":"Update","lastUpdated":"2016-10-05T03:09:04.000Z"},{"name":"Customer","id":"43","operation":"Create","lastUpdated":"2016-10-05T03:07:04.000Z"}]}}]}"#,
        "6q+xGyMirJupwKTh2/WBl2NcdxzxqdIbk3sneKTxLWM=",
    ),
    (
        "LR+QgKlbRciIPYpi65tTKLaZ3FzLLofCNEQWrRXqWXJeDFrfexzfVI9SmnVuCWDJ4jnjHB9ECtOyxZSofRxwWw==",
        r#"{"events":[],"firstEventSequence": 0,"lastEventSequence": 0, "entropy": "LUWDSUDGSWNZVALZXBEV"}"#,
        "BjzNbYUfrzg4g8wxm+dKHaZVrKxr2m75E296fUbD1E4=",
    ),
    (
        "00faeec4-08d0-4996-bb37-698ae19f0149",
        r#"[{"specversion":"1.0","id":"88cd52aa-33b6-4351-9aa4-47572edbd068","source":"intuit.dsnBgbseACLLRZNxo2dfc4evmEJdxde58xeeYcZliOU=","type":"qbo.account.created.v1","datacontenttype":"application/json","time":"2025-09-10T21:31:25.179851517Z","intuitentityid":"1234","intuitaccountid":"310687","data":{}}]"#,
        "uY2fPgCCdvdwPY2dNzWdXlhQCr5DqNwKJlUcQOJ0jFA=",
    ),
    (
        "LR+QgKlbRciIPYpi65tTKLaZ3FzLLofCNEQWrRXqWXJeDFrfexzfVI9SmnVuCWDJ4jnjHB9ECtOyxZSofRxwWw==",
        r#"{"events":[{"resourceUrl":"https://api.xero.com/api.xro/2.0/CreditNotes/55d84274-a3da-4829-a7c0-0cab601b95cc","resourceId":"55d84274-a3da-4829-a7c0-0cab601b95cc","tenantId":"aef86862-2015-4b6b-88bc-d89032cecc50","tenantType":"ORGANISATION","eventCategory":"CREDITNOTE","eventType":"CREATE","eventDateUtc":"2025-12-02T00:44:09.923","data":{"Type":"ACCPAYCREDIT","Status":"DRAFT"}}],"firstEventSequence":76,"lastEventSequence":76,"entropy":"FXNGWLCCGVANWHKILRUB"}"#,
        "DR14f1II8+jfFQdTFrGDsWmuCUGnRx04EHfsjZTiiMw=",
    ),
];

/// What Zoho signs, computed with the key `zohotestsecret12`: the query, a body that is no form, and the digest. The first
/// text is the example of Zoho's own documentation.
const ZOHO_VECTORS: [(&str, &str, &str); 2] = [
    (
        "subscription_id=90343&name=basic",
        r#"{"created_date":"2019-03-06","event_id":"5675"}"#,
        "da4f031c03e86c56ebd4e1af22ce0c72da0c5e743ca01c493e97e402c5888918",
    ),
    (
        "",
        r#"{"invoice":{"invoice_id":"460000000028144","status":"sent","last_modified_time":"2026-06-09T17:12:00-0400"}}"#,
        "8385ddcd344d40cd2977f79cbd96f697c74595ff2efcbc37f0f78476a0aff43c",
    ),
];
const ZOHO_KEY: &str = "zohotestsecret12";

#[test]
fn every_published_vector_is_accepted() {
    for (secret, body, signature) in VECTORS {
        assert_eq!(
            verify_base64(body.as_bytes(), signature, &[WebhookSecret::new(secret)]),
            Ok(()),
            "{body}"
        );
    }
}

#[test]
fn zohos_vectors_are_accepted_in_either_case_of_hexadecimal_and_in_base64_where_that_is_agreed() {
    let secrets = [WebhookSecret::new(ZOHO_KEY)];
    for (query, body, digest) in ZOHO_VECTORS {
        let text = zoho_text(form_fields(query.as_bytes()), body.as_bytes());
        let base64 = STANDARD.encode(hex::decode(digest).unwrap());

        for hexadecimal in [digest.to_owned(), digest.to_uppercase()] {
            assert_eq!(verify(&text, (&hexadecimal, Encoding::Hex), &secrets), Ok(()), "{query}");
            assert_eq!(verify(&text, (&hexadecimal, Encoding::Base64), &secrets), Err(SignatureMismatch));
        }
        assert_eq!(verify(&text, (&base64, Encoding::Base64), &secrets), Ok(()), "{query}");
        assert_eq!(verify(&text, (&base64, Encoding::Hex), &secrets), Err(SignatureMismatch));
    }
}

#[test]
fn what_zoho_signs_is_sorted_by_name_and_has_nothing_between() {
    for (form, text) in [
        ("subscription_id=90343&name=basic", "namebasicsubscription_id90343"),
        // The order of values of one name is kept.
        ("b=2&a=z&b=1&a=y", "azayb2b1"),
        ("empty=&bare&x=1", "bareemptyx1"),
        ("&&a=b=c&", "ab=c"),
        ("a=one+two%20three%2B", "aone two three+"),
        ("a=%zz%4&b=%", "a%zz%4b%"),
        ("", ""),
    ] {
        assert_eq!(zoho_text(form_fields(form.as_bytes()), b""), text.as_bytes(), "{form}");
    }
    assert_eq!(zoho_text(form_fields(b"a=%ff%00"), b"\xfe"), b"a\xff\0\xfe", "bytes that are no text");
}

#[test]
fn letters_that_move_between_a_name_and_its_value_do_not_change_what_zoho_signs() {
    // This is why nothing that matters is taken from parameters.
    let text = |form: &str| zoho_text(form_fields(form.as_bytes()), b"{}");

    assert_eq!(text("name=basic"), text("namebas=ic"));
}

/// RFC 4231, sections 4.2 to 4.8: key, data and HMAC-SHA-256 in hex; of case 5 the standard gives the first 128 bits.
fn standard_cases() -> [(Vec<u8>, Vec<u8>, &'static str); 7] {
    let text = |text: &str| text.as_bytes().to_vec();
    [
        (
            vec![0x0b; 20],
            text("Hi There"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        ),
        (
            text("Jefe"),
            text("what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (vec![0xaa; 20], vec![0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        (
            (0x01..=0x19).collect(),
            vec![0xcd; 50],
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
        ),
        (vec![0x0c; 20], text("Test With Truncation"), "a3b6167473100ee06e0c796c2955552b"),
        (
            vec![0xaa; 131],
            text("Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            vec![0xaa; 131],
            text(
                "This is a test using a larger than block-size key and a larger than block-size data. \
                 The key needs to be hashed before being used by the HMAC algorithm.",
            ),
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        ),
    ]
}

#[test]
fn hmac_sha_256_gives_what_its_standard_says() {
    for (key, data, expected) in standard_cases() {
        let mac = Hmac::<Sha256>::new_from_slice(&key).unwrap().chain_update(&data);

        let digest = hex::encode(mac.finalize().into_bytes());

        assert!(digest.starts_with(expected), "{digest} {expected}");
    }
}

#[test]
fn a_case_of_the_standard_is_accepted_whole_and_refused_cut() {
    let mut accepted = 0;
    for (key, data, digest) in standard_cases() {
        // A secret is text; the keys of cases 3, 6 and 7 are none.
        let Ok(secret) = String::from_utf8(key) else { continue };
        let secrets = [WebhookSecret::new(secret)];
        let digest = hex::decode(digest).unwrap();

        let verified = verify_base64(&data, &STANDARD.encode(&digest), &secrets);

        assert_eq!(verified.is_ok(), digest.len() == 32, "only a whole digest is a signature");
        accepted += usize::from(verified.is_ok());
        for length in 0..digest.len() {
            let cut = STANDARD.encode(&digest[..length]);
            assert_eq!(verify_base64(&data, &cut, &secrets), Err(SignatureMismatch), "{length} bytes");
        }
    }
    assert_eq!(accepted, 3, "cases 1, 2 and 4");
}

#[test]
fn xeros_wrong_handshake_is_refused_although_one_character_differs() {
    let (secret, body, _) = VECTORS[2];
    let wrong = "/jzNbYUfrzg4g8wxm+dKHaZVrKxr2m75E296fUbD1E4=";

    assert_eq!(verify_base64(body.as_bytes(), wrong, &[WebhookSecret::new(secret)]), Err(SignatureMismatch));
}

#[test]
fn either_of_two_live_secrets_is_enough() {
    let (secret, body, signature) = VECTORS[0];
    let secrets = [WebhookSecret::new("new"), WebhookSecret::new(secret)];

    assert_eq!(verify_base64(body.as_bytes(), signature, &secrets), Ok(()));
}

#[test]
fn without_a_secret_nothing_is_accepted() {
    let (_, body, signature) = VECTORS[0];

    assert_eq!(verify_base64(body.as_bytes(), signature, &[]), Err(SignatureMismatch));
    // HMAC of the empty body under the empty key: an unset secret must not fail open.
    let empty = "thNnmggU2ex3L5XXeMNfxf8Wl8STcVZTxscSFEKSxa0=";
    assert_eq!(verify_base64(b"", empty, &[WebhookSecret::new("")]), Err(SignatureMismatch));
}

proptest! {
    #[test]
    fn one_flipped_bit_anywhere_is_refused(vector in 0..VECTORS.len(), part in 0..3_usize, at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let (secret, body, signature) = VECTORS[vector];
        let (mut secret, mut body) = (secret.as_bytes().to_vec(), body.as_bytes().to_vec());
        let mut digest = STANDARD.decode(signature).unwrap();
        let changed = [&mut secret, &mut body, &mut digest][part].as_mut_slice();
        let at = at.index(changed.len());
        changed[at] ^= 1_u8 << bit;
        // A key is text; a flip that leaves it no text cannot be configured.
        if let Ok(secret) = String::from_utf8(secret) {
            let presented = STANDARD.encode(&digest);
            prop_assert_eq!(verify_base64(&body, &presented, &[WebhookSecret::new(secret)]), Err(SignatureMismatch));
        }
    }

    #[test]
    fn one_flipped_bit_anywhere_in_zohos_is_refused(vector in 0..ZOHO_VECTORS.len(), part in 0..4_usize, at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let (query, body, digest) = ZOHO_VECTORS[vector];
        let mut fields = form_fields(query.as_bytes());
        let (mut secret, mut body) = (ZOHO_KEY.as_bytes().to_vec(), body.as_bytes().to_vec());
        let mut digest = hex::decode(digest).unwrap();
        let changed = match (part, fields.first_mut()) {
            (0, _) => &mut secret,
            (1, _) => &mut body,
            (2, Some((_, value))) => value,
            _ => &mut digest,
        };
        let at = at.index(changed.len());
        changed[at] ^= 1_u8 << bit;
        if let Ok(secret) = String::from_utf8(secret) {
            let presented = hex::encode(digest);
            let text = zoho_text(fields, &body);
            prop_assert_eq!(verify(&text, (&presented, Encoding::Hex), &[WebhookSecret::new(secret)]), Err(SignatureMismatch));
        }
    }

    #[test]
    fn a_form_is_read_as_the_standard_of_the_web_reads_it(form in "[a-z%+=&0-9é]{0,40}") {
        let ours: Vec<_> = form_fields(form.as_bytes())
            .into_iter()
            .map(|(name, value)| (String::from_utf8_lossy(&name).into_owned(), String::from_utf8_lossy(&value).into_owned()))
            .collect();
        prop_assert_eq!(ours, url::form_urlencoded::parse(form.as_bytes()).into_owned().collect::<Vec<_>>());
    }

    #[test]
    fn any_text_as_a_signature_is_refused_without_panic(presented in ".{0,200}", body in any::<Vec<u8>>()) {
        prop_assert_eq!(verify_base64(&body, &presented, &[WebhookSecret::new("key")]), Err(SignatureMismatch));
    }
}
