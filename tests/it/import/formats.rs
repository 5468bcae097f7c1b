//! What the older systems encrypted opens as Node.js sealed it, and nothing else does.

use lambda_http::http::StatusCode;
use serde_json::{Value, json};
use tests::sample;

use super::{Importing, results, with};

const UNREADABLE: &str = "failed IMPORT_UNREADABLE";

/// What `vectors.mjs` made.
fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors.json")).unwrap()
}

/// A quick one, whose tags are appended.
const QUICK: &str = "pbkdf2, 1,000 iterations of SHA-256, one IV of 16 bytes, tags appended, hex";
/// A quick one in one column.
const COLUMN: &str = "scrypt with parameters of its own and the secret in hex, iv:tag:ciphertext";

/// A row of the vectors, with the secret that opens it.
fn encrypted(importing: &Importing, name: &str) -> (Value, Value) {
    let vectors = vectors();
    let vector = &vectors["rows"][name];
    let mut secret = json!({"masterSecret": vectors["masterSecret"]});
    secret.as_object_mut().unwrap().extend(vector["secret"].as_object().unwrap().clone());
    (with(importing.row(""), "/tokens", vector["tokens"].clone()), secret)
}

/// The statuses of rows sent as many at once as the API takes, each as one of a company of its own.
async fn sent(importing: &Importing, secret: &Value, rows: Vec<Value>) -> Vec<String> {
    let mut statuses = vec![];
    for (batch, rows) in rows.chunks(50).enumerate() {
        let own = |(number, row): (usize, &Value)| {
            with(row.clone(), "/providerCompanyId", json!(format!("{}", 1000 + batch * 50 + number)))
        };
        let rows: Vec<_> = rows.iter().enumerate().map(own).collect();
        let report = importing.import_with(json!({"secret": secret, "rows": rows})).await;
        statuses.extend(results(&report));
    }
    statuses
}

#[tokio::test]
async fn every_format_that_node_sealed_opens_and_is_sealed_anew() {
    let vectors = vectors();
    for name in vectors["rows"].as_object().unwrap().keys() {
        let importing = Importing::new().await;
        let (row, secret) = encrypted(&importing, name);
        let row = with(row, "/accessTokenExpiresAt", json!(sample::at(1800).to_string()));

        let report = importing.import_with(json!({"secret": secret, "rows": [row]})).await;

        assert_eq!(results(&report), ["imported"], "{name}: {report}");
        let shared = name.contains("one IV");
        assert_eq!(report["results"][0]["warnings"] == json!(["shared_iv"]), shared, "{name}: {report}");
        let connection = importing.connection(&report).await;
        assert_eq!(importing.refresh_token(&connection).await, vectors["refreshToken"]);
        let access = importing.world.access().access_token(&connection.key).await.unwrap();
        assert_eq!(access.token.expose(), vectors["accessToken"]);
    }
}

#[tokio::test]
async fn a_wrong_secret_salt_or_parameter_opens_nothing_and_stores_nothing() {
    let importing = Importing::new().await;
    let (row, secret) = encrypted(&importing, QUICK);
    let calls = importing.world.keys.calls();

    for (pointer, value) in [
        ("/masterSecret", json!("correct horse battery stapl")),
        ("/encoding", json!("base64")),
        ("/saltEncoding", json!("utf8")),
        ("/iterations", json!(1001)),
        ("/digest", json!("sha512")),
    ] {
        let secret = with(secret.clone(), pointer, value);
        let (status, answer) = importing.send(json!({"secret": secret, "rows": [row]})).await;
        if pointer == "/encoding" {
            assert_eq!(
                (status, &answer["error"]["details"]["field"]),
                (StatusCode::BAD_REQUEST, &json!("secret.masterSecret"))
            );
            continue;
        }
        assert_eq!(results(&answer), [UNREADABLE], "{pointer}");
    }
    let salted = with(row.clone(), "/tokens/salt", json!("00ff"));
    let otherwise = with(row, "/tokens/format", json!("scrypt"));
    for row in [salted, otherwise] {
        assert_eq!(sent(&importing, &secret, vec![row]).await, [UNREADABLE]);
    }

    assert_eq!((importing.count().await, importing.world.keys.calls()), (0, calls));
}

#[tokio::test]
async fn any_flipped_bit_in_either_token_iv_or_tag_is_refused() {
    for name in [QUICK, COLUMN] {
        let importing = Importing::new().await;
        let (row, secret) = encrypted(&importing, name);
        let mut rows = vec![];
        for field in ["iv", "accessToken", "refreshToken"] {
            let Some(text) = row["tokens"][field].as_str() else { continue };
            for (at, digit) in text.char_indices() {
                let Some(digit) = digit.to_digit(16) else { continue };
                for bit in [1, 2, 4, 8] {
                    let mut flipped = text.to_owned();
                    let other = char::from_digit(digit ^ bit, 16).unwrap();
                    flipped.replace_range(at..=at, &other.to_string());
                    rows.push(with(row.clone(), &format!("/tokens/{field}"), json!(flipped)));
                }
            }
        }
        assert!(rows.len() > 900);

        let statuses = sent(&importing, &secret, rows).await;

        assert!(statuses.iter().all(|status| status == UNREADABLE), "{statuses:?}");
        assert_eq!((importing.count().await, importing.world.keys.calls()), (0, 0));
    }
}

#[tokio::test]
async fn whatever_is_cut_off_or_appended_is_refused() {
    for name in [QUICK, COLUMN] {
        let importing = Importing::new().await;
        let (row, secret) = encrypted(&importing, name);
        let mut rows = vec![];
        for field in ["iv", "accessToken", "refreshToken"] {
            let Some(text) = row["tokens"][field].as_str() else { continue };
            let longer = ["00", "0", ":", "=", "ü", ":00"].map(|more| format!("{text}{more}"));
            // An access token that is not there at all is none that was cut.
            let shorter = (usize::from(field == "accessToken")..text.len()).map(|end| text[..end].to_owned());
            let changed = shorter.chain(longer);
            rows.extend(changed.map(|text| with(row.clone(), &format!("/tokens/{field}"), json!(text))));
        }

        let statuses = sent(&importing, &secret, rows).await;

        assert!(statuses.iter().all(|status| status.starts_with("failed ")), "{statuses:?}");
        assert_eq!((importing.count().await, importing.world.keys.calls()), (0, 0));
    }
}

#[tokio::test]
async fn a_row_whose_tag_or_iv_or_secret_is_missing_is_told_what_it_lacks() {
    let importing = Importing::new().await;
    let (row, secret) = encrypted(&importing, QUICK);
    let lacks = |field: &str| with(row.clone(), &format!("/tokens/{field}"), Value::Null);
    let text = row["tokens"]["refreshToken"].as_str().unwrap();
    let untagged = with(row.clone(), "/tokens/refreshToken", json!(text[..text.len() - 32]));
    let only_tag = with(row.clone(), "/tokens/refreshToken", json!(text[..32]));

    let rows = [lacks("iv"), lacks("salt"), lacks("refreshToken"), untagged, only_tag];
    let mut told = vec![];
    for row in rows {
        let report = importing.import_with(json!({"secret": secret, "rows": [row]})).await;
        told.push(report["results"][0]["message"].as_str().unwrap().to_owned());
    }
    let report = importing.import(json!([row])).await;
    told.push(report["results"][0]["message"].as_str().unwrap().to_owned());

    insta::assert_snapshot!(told.join("\n"), @r"
    tokens.refreshToken has no IV: write iv:tag:ciphertext, or iv in a field of its own
    the row has no salt, and secret.salt is not set
    tokens.refreshToken is missing
    the row does not open: its master secret, salt or parameters are others, or it was changed or cut
    tokens.refreshToken is too short: a tag of 16 bytes belongs to it
    the row is encrypted: send secret.masterSecret
    ");
}

#[tokio::test]
async fn parameters_that_would_take_too_much_or_protect_nothing_are_refused_for_the_whole_request() {
    let importing = Importing::new().await;
    let (row, secret) = encrypted(&importing, QUICK);

    for (field, value) in
        [("iterations", 999), ("iterations", 1_000_001), ("n", 3), ("r", 0), ("r", 4096), ("p", 5)]
    {
        let secret = with(secret.clone(), &format!("/{field}"), json!(value));
        let (status, answer) = importing.send(json!({"secret": secret, "rows": [row]})).await;

        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(answer["error"]["details"]["field"], format!("secret.{field}"));
    }
}
