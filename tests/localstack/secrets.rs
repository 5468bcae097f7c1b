//! No secret is anywhere but in its seal: not in a table, not in a log, not in a queue that holds tokens.

use std::collections::HashSet;

use aws_smithy_types::base64;
use domain::provider::Provider;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::driver::{Books, Browser, Bundle, Connected, PATIENCE, Signed, eventually, parameter};

/// Twelve characters of a token are 72 bits: a piece of that length is nowhere by chance.
const PIECE: usize = 12;

/// What is searched for: every piece of every token, and other secrets whole; as they are and in base64 of both kinds.
#[derive(Default)]
struct Hunt {
    pieces: HashSet<[u8; PIECE]>,
    wholes: Vec<Vec<u8>>,
}

/// A secret as it is and in base64; at each of the three places within a group at which it could stand in a longer text.
fn disguises(secret: &str) -> Vec<String> {
    let mut disguises = vec![secret.to_owned()];
    for skipped in 0..3 {
        let encoded = base64::encode(&secret.as_bytes()[skipped..]);
        // The last group holds the end of the secret together with whatever followed it.
        let certain = encoded[..encoded.len() - 4].to_owned();
        disguises.push(certain.replace('+', "-").replace('/', "_"));
        disguises.push(certain);
    }
    disguises
}

impl Hunt {
    fn token(&mut self, token: &str) {
        for disguise in disguises(token) {
            let pieces = disguise.as_bytes().windows(PIECE);
            // A code of the provider tells when it was made, and so does much else.
            let pieces = pieces.filter(|piece| !piece.iter().all(u8::is_ascii_digit));
            self.pieces.extend(pieces.map(|piece| <[u8; PIECE]>::try_from(piece).unwrap()));
        }
    }

    fn whole(&mut self, secret: &str) {
        self.wholes.extend(disguises(secret).into_iter().map(String::into_bytes));
    }

    fn finds(&self, text: &[u8]) -> bool {
        text.windows(PIECE).any(|piece| self.pieces.contains(piece))
            || self.wholes.iter().any(|whole| text.windows(whole.len()).any(|window| window == whole))
    }
}

/// The verifier of a request whose browser has a cookie: what the function derives, and sends to the token endpoint alone.
fn verifier(state: &str, cookie: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(cookie.as_bytes()).unwrap();
    mac.update(b"ledgerbridge code_verifier\0");
    mac.update(state.as_bytes());
    let digest = base64::encode(mac.finalize().into_bytes());
    digest.trim_end_matches('=').replace('+', "-").replace('/', "_")
}

/// Whether a verifier is the one whose challenge the authorization request held (RFC 7636 section 4.2).
fn is_verifier(verifier: &str, authorize: &Url) -> bool {
    let challenge = base64::encode(Sha256::digest(verifier));
    let challenge = challenge.trim_end_matches('=').replace('+', "-").replace('/', "_");
    authorize.query_pairs().any(|(name, value)| name == "code_challenge" && value == challenge)
}

/// Connects, fails, connects again, refreshes, is told by webhook and disconnects at one provider; gives the secrets of the
/// browsers, and what webhooks are signed with.
async fn live_at(bundle: &Bundle, provider: Provider) -> Vec<String> {
    let mut secrets = vec![];
    let books = bundle.simulator.books(provider).await;
    let connection = bundle.tenant().await.connect_to(&books, false).await;
    for fault in [Some(json!({ "endpoint": "token", "kind": "truncated" })), None] {
        let link = connection.tenant.link(provider).await;
        let mut browser = Browser::new(bundle);
        let authorize = Url::parse(browser.open(&link).await.header("location")).unwrap();
        let callback = bundle.simulator.consent(authorize.as_str(), "approve", &books).await;
        let (cookie, state) =
            (browser.cookies.values().next().unwrap().clone(), parameter(&authorize, "state"));
        let verifier = verifier(&state, &cookie);
        assert!(
            provider != Provider::Xero || is_verifier(&verifier, &authorize),
            "the verifier is found out"
        );
        secrets.extend([cookie, state, verifier, parameter(&Url::parse(&link).unwrap(), "session")]);
        if let Some(fault) = fault.clone() {
            bundle.simulator.fault(&bundle.simulator.code_of(&callback).await, fault).await;
        }
        let status = browser.open(callback.as_str()).await.status;
        assert_eq!(status, if fault.is_some() { 400 } else { 200 });
    }
    assert_eq!(connection.refresh().await.status, 200);
    let address = connection.address().await;
    bundle.bring(&address.sign("nobody reads this".to_owned())).await;
    let forged = Signed { body: String::new(), ..address.sign("another".to_owned()) };
    assert_eq!(bundle.send(bundle.bringing(&forged)).await.status, 401);
    secrets.push(address.secret);
    let outage = bundle.simulator.refuse_to_end(&books).await;
    connection.disconnect(None).await.expect(202);
    for switch in outage {
        bundle.simulator.mend(switch).await;
    }
    connection.disconnect(None).await.expect(200);
    secrets
}

/// Lets the table refuse a new token set, and the consumer of the recovery queue not understand it; gives what was put into
/// that queue, and what is in its dead-letter queue.
async fn spilled(connection: &Connected<'_>) -> Vec<(String, String)> {
    let bundle = connection.bundle();
    let message = connection.spill().await;
    let misunderstood = message.replacen("\"v\":1", "\"v\":9", 1);
    bundle.send_to(bundle.stack.value("RECOVERY_QUEUE_URL"), &misunderstood).await;
    let buried = eventually("the message is buried", PATIENCE, async || {
        let dead = bundle.waiting_in(bundle.stack.value("RECOVERY_DLQ_URL")).await;
        dead.contains(&connection.tenant.id).then_some(dead)
    });
    vec![("recovery queue".to_owned(), message), ("recovery queue's dead letters".to_owned(), buried.await)]
}

/// Goes through everything that handles a secret, its failures included.
async fn live_through_everything(bundle: &Bundle) {
    let realm = bundle.simulator.company(1, 2).await;
    let connection = bundle.tenant().await.connect_to(&Books::realm(&realm), true).await;
    connection.synced("invoices", 2).await;
    let mut browser = Browser::new(bundle);
    let (_, callback) = connection.tenant.approve(&Books::realm(&realm)).await;
    browser.open(callback.as_str()).await.expect_page(400, "AUTH_STATE_INVALID");
    assert_eq!(connection.refresh().await.status, 200);
    let spent = connection.refresh_token().await;
    bundle.age(&connection.key(), None).await;
    bundle.simulator.fault(&spent, json!({ "endpoint": "token", "kind": "withoutAccessToken" })).await;
    assert_eq!(
        connection.refresh().await.status,
        202,
        "an answer that holds a refresh token and is not understood"
    );

    let other = bundle.tenant().await.connect().await;
    // The provider repeats a token that it no longer accepts in its answer.
    bundle.simulator.disconnect(other.realm()).await;
    let event = json!({ "realmId": other.realm(), "entity": "Invoice", "id": "2", "operation": "updated" });
    let webhook = json!({ "url": bundle.url("/webhooks/quickbooks"), "events": [event] });
    assert_eq!(bundle.simulator.webhook(webhook).await["status"], 200);
    eventually("the ended grant is noticed", PATIENCE, async || {
        (other.shown().await["state"] == "reconnect_required").then_some(())
    })
    .await;
    bundle.get_as(&format!("{}x", bundle.admin_key()), "/api/tokens/status").await;
}

/// What the API shows of a connection to whoever may see everything, refusals included; not the route that gives its token
/// out, nor what is shown once when a key is made.
async fn shown(bundle: &Bundle, connection: &Connected<'_>) -> Vec<(String, String)> {
    let (id, tenant, provider) = (&connection.id, &connection.tenant.id, connection.books.provider);
    let paths = [
        "/api/audit?limit=100".to_owned(),
        "/api/breakers".to_owned(),
        "/api/connections?limit=100".to_owned(),
        format!("/api/connections/{id}/explain"),
        format!("/api/connections/{id}/history"),
        format!("/api/connections/{id}/history/verification"),
        "/api/keys?limit=100".to_owned(),
        "/api/queues".to_owned(),
        format!("/api/records/customers?companyId={}", connection.realm()),
        "/api/tenants?limit=100".to_owned(),
        format!("/api/tenants/{tenant}"),
        "/api/tokens/health".to_owned(),
        format!("/api/tokens/history/{provider}?limit=100"),
        "/api/tokens/status?limit=100".to_owned(),
        format!("/api/usage?tenantId={tenant}"),
        "/api/webhooks/deliveries?limit=100".to_owned(),
        "/api/records/nothing?limit=x".to_owned(),
    ];
    let mut shown = vec![];
    for path in paths {
        let answer = bundle.get(&path).await;
        assert!(matches!(answer.status, 200 | 404), "{path}: {}", answer.text());
        shown.push((path, answer.text()));
    }
    shown
}

/// An API key that was made over the API and used, and a row of another system with a master secret that opens nothing; gives
/// what is secret of them.
async fn administered(bundle: &Bundle, tenant: &str) -> Vec<String> {
    let new = json!({ "name": "hunted", "role": "viewer", "tenantId": tenant });
    let made = bundle.post("/api/keys", &new).await.expect(201);
    let key = made["key"].as_str().unwrap();
    bundle.get_as(key, "/api/tokens/status").await.expect(200);
    let rotated =
        bundle.post(&format!("/api/keys/{}/rotate", made["id"].as_str().unwrap()), &json!({})).await;
    let rotated = rotated.expect(201)["key"].as_str().unwrap().to_owned();
    let secret_of = |key: &str| key.rsplit('_').next().unwrap().to_owned();
    let (master, token) = ("correct-horse-battery-staple", "a-refresh-token-of-another-system");
    let row = |tokens| json!({ "tenantId": tenant, "provider": "xero", "providerCompanyId": "x", "tokens": tokens });
    let rows = [
        row(json!({ "format": "plain", "refreshToken": token })),
        row(json!({ "format": "pbkdf2", "salt": "00", "iv": "00", "refreshToken": "00" })),
    ];
    let import = json!({ "dryRun": true, "secret": { "masterSecret": master }, "rows": rows });
    let report = bundle.post("/api/import", &import).await;
    report.expect(200);
    let secrets = [secret_of(key), secret_of(&rotated), master.to_owned(), token.to_owned()];
    assert!(!secrets.iter().any(|secret| report.text().contains(secret)), "{}", report.text());
    secrets.into()
}

/// The tokens and codes that the provider handed out, and the part of the administrator's key that is secret.
async fn tokens(bundle: &Bundle) -> Vec<String> {
    let issued = bundle.simulator.issued().await;
    assert!(issued.len() >= 3, "a code, an access token and a refresh token at least");
    let issued = issued.iter().map(|issued| issued["value"].as_str().unwrap());
    issued.chain(bundle.admin_key().rsplit('_').next()).map(str::to_owned).collect()
}

fn hunt(tokens: &[String], others: &[String]) -> Hunt {
    let mut hunt = Hunt::default();
    for token in tokens {
        hunt.token(token);
    }
    for secret in others {
        hunt.whole(secret);
    }
    hunt
}

#[tokio::test]
async fn no_secret_is_in_any_table_log_or_queue_of_tokens() {
    let bundle = Bundle::deployed().await;
    live_through_everything(&bundle).await;
    let mut secrets = vec![];
    for provider in Provider::ALL {
        secrets.extend(live_at(&bundle, provider).await);
    }

    let spiller = bundle.tenant().await.connect().await;
    let queues = spilled(&spiller).await;

    secrets.extend(administered(&bundle, &spiller.tenant.id).await);
    let shown = shown(&bundle, &spiller).await;
    let (tables, logs) = (bundle.tables().await, bundle.logs().await);

    secrets.extend(tokens(&bundle).await);
    let hunt = hunt(&secrets, &bundle.provider_secrets().await);
    for (table, values) in &tables {
        assert!(!values.is_empty(), "{table}: there was nothing to search");
        assert!(!values.iter().any(|value| hunt.finds(value)), "{table} holds a secret");
    }
    let in_control = &tables.iter().find(|(table, _)| table == "CONTROL_TABLE").unwrap().1;
    assert!(in_control.iter().any(|value| value.starts_with(b"BREAKER#")), "a failure was counted");
    for (path, text) in &shown {
        assert!(!hunt.finds(text.as_bytes()), "{path} shows a secret");
    }
    for (queue, text) in &queues {
        assert!(!hunt.finds(text.as_bytes()), "{queue} holds a secret");
    }
    for (function, lines) in &logs {
        assert!(!lines.is_empty(), "{function}: there was nothing to search");
        let found = lines.iter().position(|line| hunt.finds(line.as_bytes()));
        assert_eq!(found, None, "{function}: this line of {} tells a secret", lines.len());
    }
}

#[tokio::test]
async fn the_search_for_secrets_finds_one_where_there_is_one() {
    let bundle = Bundle::deployed().await;
    bundle.tenant().await.connect().await;
    let (tokens, others) = (tokens(&bundle).await, bundle.provider_secrets().await);
    let hunt = hunt(&tokens, &others);

    // All tokens begin alike, so that only their second half proves that each of them is searched for.
    let halves = tokens.iter().map(|token| &token[token.len() / 2..]);
    for secret in halves.chain(others.iter().map(String::as_str)) {
        assert!(hunt.finds(format!("{{\"error\":\"{secret}\"}}").as_bytes()), "a secret as it is");
        for before in ["", "a", "bc"] {
            let encoded = base64::encode(format!("{before}{secret}:"));
            assert!(hunt.finds(format!("Basic {encoded}").as_bytes()), "a secret in base64");
            let url_safe = encoded.replace('+', "-").replace('/', "_");
            assert!(hunt.finds(url_safe.trim_end_matches('=').as_bytes()), "a secret in base64url");
        }
    }
    let (token, middle) = (&tokens[0], tokens[0].len() / 2);
    assert!(hunt.finds(format!("…{}…", &token[middle..middle + PIECE]).as_bytes()), "a piece of a token");
    assert!(
        !hunt.finds(b"Refresh ended, and nothing secret was said: corr_01a1fbfad671734b8285c800da6d07e1")
    );
}
