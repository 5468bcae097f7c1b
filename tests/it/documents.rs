//! Documents that are made of the code, and stay as the code is: `make documents` writes them anew.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

use axum::http::StatusCode;
use domain::{
    api_key::{Role, Scope},
    error::ErrorCode,
};
use lambda_http::{Body, Request, RequestExt as _};
use serde_json::Value;
use utoipa::OpenApi as _;

use crate::{api_world::ApiWorld, world::World};

/// With this variable set, what differs is written and not refused.
const UPDATE: &str = "UPDATE_DOCUMENTS";

fn is_kept(name: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs").join(name);
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&path, made).unwrap();
        return;
    }
    let kept = fs::read_to_string(&path).unwrap();
    assert!(
        kept == made,
        "docs/{name} is not as the code is: run `make documents` and look at the difference"
    );
}

fn openapi() -> String {
    let mut document = api::Document::openapi().to_pretty_json().unwrap();
    document.push('\n');
    document
}

#[test]
fn the_openapi_document_is_as_the_code_is() {
    is_kept("openapi.json", &openapi());
}

#[test]
fn the_catalogue_of_errors_is_as_the_code_is() {
    let mut made = String::from(
        "# Errors\n\n\
         Every refusal has one JSON shape, whichever route it comes from, and the header `X-Correlation-Id` that finds its log lines:\n\n\
         ```json\n\
         {\"error\": {\"code\": \"VALIDATION_FAILED\", \"number\": 4001, \"message\": \"limit must be 1 to 100\", \"correlationId\": \"corr_…\", \"details\": {\"field\": \"limit\"}}}\n\
         ```\n\n\
         `code` and `number` never change meaning; `message` is for people and may; `details` is always an object.\n\
         Families: 1xxx authentication, 2xxx rate limits and quotas, 3xxx circuit breaker, 4xxx validation and tenancy, 5xxx provider, 6xxx webhooks, 7xxx storage and encryption.\n\
         An answer that has a `Retry-After` is worth repeating after as many seconds.\n\n\
         This page is made of the code by `make documents`.\n\n\
         | number | code | HTTP | what it means | what to do |\n|---|---|---|---|---|\n",
    );
    for code in ErrorCode::ALL {
        let (number, status) = (code.number(), code.http_status());
        let (name, meaning, remedy) = (code.name(), code.meaning(), code.remedy());
        writeln!(made, "| {number} | `{name}` | {status} | {meaning} | {remedy} |").unwrap();
    }

    is_kept("errors.md", &made);
}

/// The method and path of every operation of the document.
fn operations(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().keys().map(move |method| (method.clone(), path.clone()))
    });
    operations.collect()
}

#[test]
fn every_route_is_documented_and_nothing_else_is() {
    let document: Value = serde_json::from_str(&openapi()).unwrap();
    let of = |&(method, path, _): &(&str, &str, Scope)| {
        let path = path.replace("{*", "{");
        let methods =
            if method == "any" { vec!["get", "post", "put", "patch", "delete"] } else { vec![method] };
        methods.into_iter().map(move |method| (method.to_owned(), path.clone())).collect::<Vec<_>>()
    };

    assert_eq!(operations(&document), api::ROUTES.iter().flat_map(of).collect());
}

#[test]
fn operations_have_names_of_their_own_and_refusals_one_shape() {
    let document: Value = serde_json::from_str(&openapi()).unwrap();
    let mut names = BTreeSet::new();
    for (method, path) in operations(&document) {
        let operation = &document["paths"][&path][&method];
        assert!(names.insert(operation["operationId"].as_str().unwrap().to_owned()), "{method} {path}");
        for (status, answer) in operation["responses"].as_object().unwrap() {
            let schema = &answer["content"]["application/json"]["schema"]["$ref"];
            let is_own = path == "/api/tokens/health" && status == "503";
            if status.starts_with(['4', '5']) && !is_own {
                assert_eq!(schema, "#/components/schemas/Problem", "{method} {path} {status}");
            }
        }
    }
}

#[tokio::test]
async fn the_document_is_served_to_anybody_as_it_is_kept() {
    let api = ApiWorld::new(&World::new(), Role::Viewer, None).await;
    let path = "/api/openapi.json";
    let request = Request::new(Body::Empty);
    let (mut parts, body) = request.into_parts();
    parts.uri = path.parse().unwrap();
    let request = Request::from_parts(parts, body).with_raw_http_path(path);

    let (status, headers, body) = api.send_without_key(request).await;

    assert_eq!((status, &headers["content-type"]), (StatusCode::OK, &"application/json".parse().unwrap()));
    assert_eq!(String::from_utf8(body).unwrap(), openapi());
}
