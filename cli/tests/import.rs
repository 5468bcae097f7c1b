//! The import as an administrator runs it: the program itself, before an API that answers by script.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};

const KEY: &str = "lb_test_key1_the-api-key";
const SECRET: &str = "the-master-secret";

/// What the API was sent, and how often it does not answer first.
#[derive(Default)]
struct Heard {
    bodies: Vec<Value>,
    keys: Vec<String>,
    busy: usize,
}

type Shared = Arc<Mutex<Heard>>;

/// Imports each row, but those with a token that is `bad`; one that is `busy` is gotten to the second time.
async fn answer(State(heard): State<Shared>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let mut heard = heard.lock().unwrap();
    heard.keys.push(headers["x-api-key"].to_str().unwrap().to_owned());
    if heard.busy > 0 {
        heard.busy -= 1;
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")]).into_response();
    }
    let seen = heard.bodies.len();
    let result = |row: &Value| {
        let token = row["tokens"]["refreshToken"].as_str().unwrap_or_default();
        let (status, code, message) = match token {
            "bad" => ("failed", json!("IMPORT_UNREADABLE"), json!("the row does not open")),
            "busy" if seen == 0 => ("failed", json!("STORAGE_UNAVAILABLE"), json!("no time was left")),
            // The first row of a request is gotten to, and no other.
            "slow" if row != &body["rows"][0] => {
                ("failed", json!("RATE_LIMIT_EXCEEDED"), json!("too much work"))
            }
            "old" => ("skipped", Value::Null, json!("this row was imported before")),
            _ => ("imported", Value::Null, Value::Null),
        };
        let warnings = if token == "shared" { json!(["shared_iv"]) } else { json!([]) };
        json!({"line": row["line"], "status": status, "code": code, "message": message, "warnings": warnings})
    };
    let results: Vec<_> = body["rows"].as_array().unwrap().iter().map(result).collect();
    heard.bodies.push(body);
    Json(json!({"results": results})).into_response()
}

/// An API that listens, and a directory for files.
struct Desk {
    url: String,
    heard: Shared,
    directory: PathBuf,
}

impl Desk {
    async fn open(name: &str) -> Self {
        let heard = Shared::default();
        let router = Router::new().route("/api/import", post(answer)).with_state(heard.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&directory).unwrap();
        Self { url, heard, directory }
    }

    fn file(&self, name: &str, mode: u32, content: &[u8]) -> String {
        let path = self.directory.join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs the program with `input` on its standard input.
    async fn run(&self, arguments: &[&str], input: Vec<u8>) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ledgerbridge"));
        command.arg("import").args(["--api-url", &self.url]).args(arguments);
        command.env("LEDGERBRIDGE_API_KEY", KEY).env("LEGACY_SECRET", SECRET);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let run = move || {
            let mut child = command.spawn().unwrap();
            let mut stdin = child.stdin.take().unwrap();
            // A program that stops early reads no further.
            let writing = std::thread::spawn(move || stdin.write_all(&input).is_ok());
            let output = child.wait_with_output().unwrap();
            writing.join().unwrap();
            output
        };
        tokio::task::spawn_blocking(run).await.unwrap()
    }

    /// Every row that was sent.
    fn rows(&self) -> Vec<Value> {
        let heard = self.heard.lock().unwrap();
        heard.bodies.iter().flat_map(|body| body["rows"].as_array().unwrap().clone()).collect()
    }
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn plain(company: usize, token: &str) -> String {
    let row = json!({
        "tenantId": "acme", "provider": "quickbooks", "providerCompanyId": company.to_string(),
        "tokens": {"format": "plain", "refreshToken": token},
    });
    format!("{row}\n")
}

#[tokio::test]
async fn rows_on_standard_input_are_sent_in_batches_with_their_lines_and_the_key() {
    let desk = Desk::open("batches").await;
    let input: String = (1..=20_000).map(|number| plain(number, &format!("token-{number}"))).collect();

    let output = desk.run(&["--file", "-"], input.into_bytes()).await;

    assert!(output.status.success(), "{}", told(&output));
    assert!(told(&output).contains("20000 imported, 0 skipped, 0 failed"));
    assert!(told(&output).contains("destroy every copy"));
    let rows = desk.rows();
    assert!((1..=20_000_u64).zip(&rows).all(|(line, row)| row["line"] == line));
    let heard = desk.heard.lock().unwrap();
    assert!(heard.bodies.iter().all(|body| body["rows"].as_array().unwrap().len() <= 50));
    assert!(heard.bodies.len() == 400 && heard.keys.iter().all(|key| key == KEY));
}

#[tokio::test]
async fn rows_that_fail_are_told_with_line_and_code_and_fail_the_command_and_no_token_is_shown() {
    let desk = Desk::open("failures").await;
    let input = format!(
        "\u{feff}{}\r\n\r\n{}{}not json the-secret-token\n{}",
        plain(1, "good").trim(),
        plain(2, "bad"),
        plain(3, "old"),
        plain(4, "shared")
    );

    let output = desk.run(&["--file", "-"], input.into_bytes()).await;

    assert!(!output.status.success());
    let stdout = String::from_utf8(output.stdout.clone()).unwrap();
    let mut lines: Vec<_> = stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "line 3: IMPORT_UNREADABLE: the row does not open",
            "line 5: VALIDATION_FAILED: the line is no JSON object",
            "line 6: warning: shared_iv: the other system encrypted both tokens with one IV, so have the customer connect again, which replaces them",
        ]
    );
    assert!(told(&output).contains("2 imported, 1 skipped, 2 failed"));
    assert!(["the-secret-token", KEY, "good"].iter().all(|secret| !told(&output).contains(secret)));
}

#[tokio::test]
async fn tokens_in_the_clear_come_from_no_file_that_others_may_read() {
    let desk = Desk::open("modes").await;
    let rows = plain(1, "good").into_bytes();
    for mode in [0o644, 0o640, 0o604] {
        let file = desk.file("open.ndjson", mode, &rows);
        let output = desk.run(&["--file", &file], vec![]).await;
        assert!(!output.status.success() && told(&output).contains("run `chmod 600"), "{}", told(&output));
    }
    assert!(desk.rows().is_empty());

    let file = desk.file("own.ndjson", 0o600, &rows);
    assert!(desk.run(&["--file", &file], vec![]).await.status.success());
    assert_eq!(desk.rows().len(), 1);
}

#[tokio::test]
async fn encrypted_rows_may_lie_open_and_their_secret_comes_from_the_environment_or_a_file_of_ones_own() {
    let desk = Desk::open("secrets").await;
    let csv = "\u{feff}tenant_id,Provider,realm,salt,iv,access_token,refresh_token,note\r\n\
               acme,QBO,\"4620816365\",00ff,0011,aa,\"bb\r\ncc\",hello\r\n\
               acme,QBO,2,00ff,0011,aa,bb,\r\n";
    let file = desk.file("rows.csv", 0o644, csv.as_bytes());
    let maps = ["--format", "pbkdf2", "--map", "realm=providerCompanyId", "--map", "note=-"];
    let arguments = |more: &[&str]| {
        [&["--file", file.as_str()], &maps[..], more]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let run = async |more: &[&str]| {
        let arguments = arguments(more);
        desk.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), vec![]).await
    };

    let output = run(&["--secret-env", "LEGACY_SECRET", "--iterations", "20000", "--dry-run"]).await;
    assert!(output.status.success(), "{}", told(&output));
    assert!(told(&output).contains("dry run") && !told(&output).contains(SECRET));
    let body = desk.heard.lock().unwrap().bodies.remove(0);
    assert_eq!(body["secret"], json!({"masterSecret": SECRET, "iterations": 20_000}));
    assert_eq!((&body["dryRun"], &body["verify"]), (&json!(true), &json!("none")));
    let tokens = json!({"format": "pbkdf2", "salt": "00ff", "iv": "0011", "accessToken": "aa", "refreshToken": "bb\r\ncc"});
    assert_eq!(
        body["rows"][0],
        json!({"line": 2, "tenantId": "acme", "provider": "QBO", "providerCompanyId": "4620816365", "tokens": tokens})
    );
    assert_eq!(body["rows"][1]["line"], 4, "a row may have several lines");

    let open = desk.file("open.secret", 0o644, SECRET.as_bytes());
    let output = run(&["--secret-file", &open]).await;
    assert!(!output.status.success() && told(&output).contains("chmod 600"));
    let own = desk.file("own.secret", 0o600, format!("{SECRET}\n").as_bytes());
    assert!(run(&["--secret-file", &own]).await.status.success());
    assert_eq!(desk.heard.lock().unwrap().bodies[0]["secret"]["masterSecret"], SECRET);
}

#[tokio::test]
async fn a_column_that_nobody_knows_stops_the_import_before_a_row_is_sent_and_a_value_is_not_shown() {
    let desk = Desk::open("columns").await;
    let known = "tenantId,provider,providerCompanyId,refreshToken";
    for (header, shows) in [
        (format!("{known},pepper"), "(pepper)"),
        (format!("{known},{}", "AB1173".repeat(8)), "column 5 is none"),
    ] {
        let file = desk.file("rows.csv", 0o600, format!("{header}\nacme,qbo,1,a,b\n").as_bytes());
        let output = desk.run(&["--file", &file, "--format", "plain"], vec![]).await;
        assert!(!output.status.success() && told(&output).contains(shows), "{}", told(&output));
        assert!(!told(&output).contains("AB1173AB1173"));
    }
    assert!(desk.rows().is_empty());
}

#[tokio::test]
async fn an_import_goes_on_where_it_was_told_to_and_says_where_it_stopped() {
    let desk = Desk::open("resumed").await;
    let input: String = (1..=120).map(|number| plain(number, "good")).collect();

    let output = desk.run(&["--file", "-", "--from-line", "101"], input.clone().into_bytes()).await;
    assert!(output.status.success());
    assert_eq!(desk.rows().len(), 20);

    let headerless = format!("{input}\n{}", "{\"tokens\": 1}\n");
    let file = desk.file("open.ndjson", 0o644, headerless.as_bytes());
    let output = desk.run(&["--file", &file, "--from-line", "7"], vec![]).await;
    assert!(
        !output.status.success() && told(&output).contains("go on with --from-line 7"),
        "{}",
        told(&output)
    );
}

#[tokio::test]
async fn an_api_that_is_busy_is_asked_again_and_so_are_rows_that_it_did_not_get_to() {
    let desk = Desk::open("busy").await;
    desk.heard.lock().unwrap().busy = 1;
    let input = plain(1, "good") + &plain(2, "busy");

    let output = desk.run(&["--file", "-"], input.into_bytes()).await;

    assert!(output.status.success(), "{}", told(&output));
    assert!(told(&output).contains("2 imported, 0 skipped, 0 failed"));
    let sent: Vec<_> =
        desk.heard.lock().unwrap().bodies.iter().map(|body| body["rows"].as_array().unwrap().len()).collect();
    assert_eq!(sent, [2, 1], "only what was left");
}

#[tokio::test]
async fn without_its_variables_the_command_says_which() {
    let desk = Desk::open("variables").await;

    for arguments in
        [["--file", "-", "--key-env", "NOBODY_SET_THIS"], ["--file", "-", "--secret-env", "NOBODY_SET_THIS"]]
    {
        let output = desk.run(&arguments, vec![]).await;
        assert!(!output.status.success() && told(&output).contains("set the variable NOBODY_SET_THIS"));
    }
}

#[tokio::test]
async fn rows_are_sent_again_as_long_as_the_api_gets_to_some_of_them() {
    let desk = Desk::open("slow").await;
    let input: String = (1..=8).map(|number| plain(number, "slow")).collect();

    let output = desk.run(&["--file", "-"], input.into_bytes()).await;

    assert!(output.status.success(), "{}", told(&output));
    assert!(told(&output).contains("8 imported, 0 skipped, 0 failed"));
}

#[tokio::test]
async fn a_field_that_is_there_twice_is_refused_since_nobody_can_tell_which_is_right() {
    let desk = Desk::open("twice").await;
    let csv = "tenantId,provider,providerCompanyId,refreshToken,refresh_token\nacme,qbo,1,good,other\n";
    let file = desk.file("rows.csv", 0o600, csv.as_bytes());
    let output = desk.run(&["--file", &file, "--format", "plain"], vec![]).await;
    assert!(
        !output.status.success() && told(&output).contains("column 5 is refreshToken"),
        "{}",
        told(&output)
    );

    let row = json!({"tenantId": "acme", "tenant_id": "other", "provider": "qbo", "providerCompanyId": "1", "refreshToken": "good"});
    let output = desk.run(&["--file", "-", "--format", "plain"], row.to_string().into_bytes()).await;
    assert!(
        !output.status.success() && told(&output).contains("tenantId is there twice"),
        "{}",
        told(&output)
    );
    assert!(desk.rows().is_empty());
}

#[tokio::test]
async fn a_format_is_read_as_the_api_reads_it() {
    let desk = Desk::open("formats").await;
    let blanks = plain(1, "good").replace("\"plain\"", "\" plain \"");
    let file = desk.file("open.ndjson", 0o644, blanks.as_bytes());
    let output = desk.run(&["--file", &file], vec![]).await;
    assert!(!output.status.success() && told(&output).contains("run `chmod 600"), "{}", told(&output));
    assert!(desk.rows().is_empty());

    let csv = "tenantId,provider,providerCompanyId,refreshToken,format\nacme,qbo,1,good,\n";
    let file = desk.file("rows.csv", 0o600, csv.as_bytes());
    assert!(desk.run(&["--file", &file, "--format", "plain"], vec![]).await.status.success());
    assert_eq!(desk.rows()[0]["tokens"]["format"], "plain");
}

#[tokio::test]
async fn a_row_that_fits_into_no_request_keeps_none_of_the_others_from_being_sent() {
    let desk = Desk::open("long").await;
    let csv = format!(
        "tenantId,provider,providerCompanyId,refreshToken\nacme,qbo,1,{}\nacme,qbo,2,good\n",
        "\u{1}".repeat(60_000)
    );
    let file = desk.file("rows.csv", 0o600, csv.as_bytes());

    let output = desk.run(&["--file", &file, "--format", "plain"], vec![]).await;

    assert!(
        told(&output).contains("line 2: VALIDATION_FAILED") && told(&output).contains("1 imported"),
        "{}",
        told(&output)
    );
    assert_eq!(desk.rows().len(), 1);
}
