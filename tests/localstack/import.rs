//! Connections of another system: their tokens, encrypted as it did, work here.

use aes_gcm::{
    Aes256Gcm, AesGcm, KeyInit as _, Nonce,
    aead::{Aead as _, consts::U16},
    aes::Aes256,
};
use domain::{provider::Provider, token::TokenSet};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::driver::{Bundle, PATIENCE, Room};

const MASTER: &str = "correct horse battery staple";
const SALT: [u8; 16] = *b"a salt of theirs";
/// As few as are taken: the derivation itself has vectors of its own.
const ITERATIONS: u32 = 1000;

/// Encrypts tokens as another system did.
type Format = fn(&TokenSet) -> Value;

/// One IV for both tokens, as one of the older systems had it; the tags appended; hex.
fn by_pbkdf2(tokens: &TokenSet) -> Value {
    let mut key = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(MASTER.as_bytes(), &SALT, ITERATIONS, &mut key);
    let (cipher, iv) = (AesGcm::<Aes256, U16>::new(&key.into()), [9; 16]);
    let seal = |text: &str| hex::encode(cipher.encrypt(&Nonce::from(iv), text.as_bytes()).unwrap());
    json!({
        "format": "pbkdf2", "salt": hex::encode(SALT), "iv": hex::encode(iv),
        "accessToken": seal(tokens.access.expose()), "refreshToken": seal(tokens.refresh.expose()),
    })
}

/// In one column, as the other had it.
fn by_scrypt(tokens: &TokenSet) -> Value {
    let mut key = [0; 32];
    let params = scrypt::Params::new(10, 8, 1).unwrap();
    scrypt::scrypt(MASTER.as_bytes(), &SALT, &params, &mut key).unwrap();
    let seal = |text: &str, iv: [u8; 12]| {
        let sealed = Aes256Gcm::new(&key.into()).encrypt(&Nonce::from(iv), text.as_bytes()).unwrap();
        let (ciphertext, tag) = sealed.split_at(sealed.len() - 16);
        [iv.as_slice(), tag, ciphertext].map(hex::encode).join(":")
    };
    json!({
        "format": "scrypt", "salt": hex::encode(SALT),
        "accessToken": seal(tokens.access.expose(), [1; 12]), "refreshToken": seal(tokens.refresh.expose(), [2; 12]),
    })
}

fn plain(tokens: &TokenSet) -> Value {
    json!({
        "format": "plain",
        "accessToken": tokens.access.expose(), "refreshToken": tokens.refresh.expose(),
    })
}

/// What the grant opens of a company's books.
fn books(provider: Provider, company: &str) -> String {
    match provider {
        Provider::QuickBooks => format!("companyinfo/{company}"),
        Provider::Xero => "Invoices".to_owned(),
        Provider::Zoho => "contacts".to_owned(),
    }
}

#[tokio::test]
async fn a_grant_of_each_provider_in_each_format_is_imported_refreshed_and_opens_its_books() {
    let bundle = Bundle::deployed().await;
    let room = Room::open(&bundle, PATIENCE, &[]).await;
    let worker = room.worker().await;
    let (api, key) = room.api(&worker).await;
    let formats: [(Provider, Format); 3] =
        [(Provider::QuickBooks, by_pbkdf2), (Provider::Xero, by_scrypt), (Provider::Zoho, plain)];
    let (mut rows, mut owned) = (vec![], vec![]);
    for (provider, format) in formats {
        let (books, location, tokens) = room.granted(provider).await;
        rows.push(json!({
            "tenantId": format!("imported-{provider}"), "provider": provider, "providerCompanyId": books.company(),
            "location": location, "scopes": tokens.scopes, "accessTokenExpiresAt": tokens.access_expires_at,
            "tokens": format(&tokens),
        }));
        owned.push((provider, books));
    }
    let secret =
        json!({ "masterSecret": MASTER, "saltEncoding": "hex", "iterations": ITERATIONS, "n": 1024 });
    let mut body =
        json!({ "dryRun": true, "createTenants": true, "verify": "company", "secret": secret, "rows": rows });

    let dry = api.ask(("POST", "/api/import"), &key, Some(&body)).await.expect(200);
    assert_eq!(dry["imported"], 3, "{dry}");
    body["dryRun"] = json!(false);
    let report = api.ask(("POST", "/api/import"), &key, Some(&body)).await.expect(200);

    assert_eq!(report["imported"], 3, "{report}");
    assert_eq!(report["results"][0]["warnings"], json!(["shared_iv"]));
    for (result, (provider, books_of)) in report["results"].as_array().unwrap().iter().zip(&owned) {
        let (tenant, connection) = (&result["tenantId"], result["connectionId"].as_str().unwrap());
        let wanted = json!({ "tenantId": tenant, "connectionId": connection });
        let path = format!("/api/tokens/refresh/{provider}");
        let refreshed = api.ask(("POST", &path), &key, Some(&wanted)).await.expect(200);
        assert_eq!(refreshed["refreshed"], true, "{provider} {refreshed}");
        let path = format!("/api/proxy/{connection}/{}", books(*provider, books_of.company()));
        api.ask(("GET", &path), &key, None).await.expect(200);
    }
    let again = api.ask(("POST", "/api/import"), &key, Some(&body)).await.expect(200);
    assert_eq!(again["imported"], 0, "{again}");

    api.remove().await;
    worker.remove().await;
    room.close().await;
}
