//! What all routes have in common in the OpenAPI document, and the document as it is served.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use domain::{
    api_key::Scope,
    id::{ConnectionId, CorrelationId, Ids, TenantId},
};
use edge::http::{correlation, document};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{
    IntoParams, Modify, PartialSchema as _, ToSchema,
    openapi::{
        Content, InfoBuilder, LicenseBuilder, OpenApi, Ref, RefOr, ResponseBuilder, SecurityRequirement,
        ServerBuilder,
        path::{Operation, PathItem},
        security::{ApiKey, ApiKeyValue, SecurityScheme},
    },
};

use crate::{Deps, routes::ROUTES};

/// The document as it was made of the code; a test keeps it so.
const DOCUMENT: &str = include_str!("../../../docs/openapi.json");
/// The name of the one security scheme.
const SCHEME: &str = "apiKey";
/// What any route may answer.
const EVERYWHERE: [(&str, &str); 6] = [
    ("400", "The request is not as documented."),
    ("401", "The API key is missing, malformed, unknown, expired or revoked."),
    ("403", "The API key may not do this."),
    ("429", "Too many requests, or the plan is used up."),
    ("500", "Something failed here."),
    ("503", "A store or a provider does not answer; nothing is lost by trying again."),
];
/// What routes may answer that take a body.
const WITH_BODY: [(&str, &str); 2] =
    [("413", "The body is too large."), ("415", "The body is not sent as `application/json`.")];

/// `GET /api/openapi.json`; it is no secret, so it takes no key.
pub(crate) async fn show(State(deps): State<Arc<Deps>>, headers: HeaderMap) -> Response {
    let correlation = correlation(&headers, Ids::new(&*deps.clock, &*deps.entropy));
    document(StatusCode::OK, DOCUMENT, &correlation).map(Into::into)
}

/// The connection of a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only the document is made of it")]
pub(crate) struct OneConnection {
    /// The connection's id.
    connection: ConnectionId,
}

/// The tenant that a query may name.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "only the document is made of it")]
pub(crate) struct OfTenant {
    /// Only things of this tenant. A key that is bound to one sees no others; with any other key a connection is found by
    /// its id alone a moment after it was made, and with its tenant at once.
    tenant_id: Option<TenantId>,
}

/// Where a page begins.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "only the document is made of it")]
pub(crate) struct FromCursor {
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// The one shape of refusals.
#[derive(Serialize, ToSchema)]
pub(crate) struct Problem {
    error: ProblemBody,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ProblemBody {
    /// The name of the failure, which never changes meaning; `docs/errors.md` lists them all.
    #[schema(example = "VALIDATION_FAILED")]
    code: String,
    /// Its number.
    #[schema(example = 4001)]
    number: u16,
    /// What is wrong and what to do, for people.
    message: String,
    /// Finds the log lines of this request.
    correlation_id: CorrelationId,
    /// More, by name; maybe empty.
    details: Map<String, Value>,
}

/// Adds what every operation has.
pub(crate) struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut OpenApi) {
        document.info = InfoBuilder::new()
            .title("Ledgerbridge")
            .version("1")
            .description(Some("Connects your customers to QuickBooks Online, Xero and Zoho Books."))
            .license(Some(LicenseBuilder::new().name("MIT OR Apache-2.0").build()))
            .build();
        let server = ServerBuilder::new().url("/").description(Some("Where the bundle is deployed"));
        document.servers = Some(vec![server.build()]);
        let key = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key")));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(SCHEME, key);
        components.schemas.insert(Problem::name().into_owned(), Problem::schema());
        let mut schemas = Vec::new();
        Problem::schemas(&mut schemas);
        components.schemas.extend(schemas);
        for (path, item) in &mut document.paths.paths {
            let PathItem { get, post, put, patch, delete, .. } = item;
            let methods = [("get", get), ("post", post), ("put", put), ("patch", patch), ("delete", delete)];
            for (method, operation) in methods {
                if let Some(operation) = operation {
                    complete(operation, (method, path));
                }
            }
        }
    }
}

fn complete(operation: &mut Operation, (method, path): (&str, &str)) {
    let is_this = |route: &&(&str, &str, Scope)| {
        (route.0 == method || route.0 == "any") && route.1.replace("{*", "{") == path
    };
    // For keys the scopes are what the document calls roles.
    let scopes = ROUTES.iter().find(is_this).map(|(.., scope)| scope.as_str());
    operation.operation_id = Some(operation_id(method, path));
    operation.tags = path.split('/').nth(2).map(|tag| vec![tag.to_owned()]);
    operation.security = Some(vec![SecurityRequirement::new(SCHEME, scopes)]);
    let answers = &mut operation.responses.responses;
    let with_body = operation.request_body.as_ref().map_or(&[][..], |_| &WITH_BODY);
    for &(status, meaning) in EVERYWHERE.iter().chain(with_body) {
        let problem = || ResponseBuilder::new().description(meaning).build().into();
        answers.entry(status.to_owned()).or_insert_with(problem);
    }
    // A refusal has the one shape, whichever route it comes from.
    for (status, answer) in answers {
        let RefOr::T(answer) = answer else { continue };
        if status.starts_with(['4', '5']) && answer.content.is_empty() {
            let problem = Content::new(Some(Ref::from_schema_name(Problem::name())));
            answer.content.insert("application/json".to_owned(), problem.into());
        }
    }
}

/// The name of an operation, for clients that are made from the document: its method and the words of its path.
fn operation_id(method: &str, path: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    let words = path.split(['/', '-', '.']).skip(2).filter(|word| !word.is_empty());
    let named = |word: &str| match word.strip_prefix('{').and_then(|word| word.strip_suffix('}')) {
        Some(parameter) => format!("By{}", capital(parameter)),
        None => capital(word),
    };
    words.fold(method.to_owned(), |name, word| name + &named(word))
}
