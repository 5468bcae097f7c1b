//! What every call of the API has in common: correlation, the key check, strict bodies, one shape of errors.

use std::sync::{Arc, OnceLock};

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, FromRequestParts, Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use domain::{
    api_key::Scope,
    audit::{self, AuditAction, AuditEntry},
    caller::Caller,
    error::ErrorCode,
    id::{CorrelationId, Ids, TenantId},
    store::StoreError,
};
use edge::{
    http::{ApiError, correlation, json},
    public_url,
    query::Query,
    telemetry::count_error,
};
use serde::{
    Deserialize as _, Deserializer, Serialize,
    de::{DeserializeOwned, Error as _},
};
use serde_json::{Map, Value};
use tracing::Instrument as _;

use crate::{Deps, admission, quota, tenancy::Within};

/// Who calls, and under which correlation id.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) caller: Caller,
    pub(crate) correlation: CorrelationId,
    /// What the answer warns of, once the call came upon a quota that is nearly used up.
    warning: Arc<OnceLock<HeaderValue>>,
}

/// A refusal on its way out; [`admit`] gives it its correlation id.
#[derive(Clone, Debug)]
pub(crate) struct Refusal(pub(crate) Box<ApiError>);

/// What a route answers.
pub(crate) type Outcome = Result<Response, Refusal>;

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self(Box::new(error))
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::InvalidCursor(_) => {
                ApiError::invalid("cursor", "send a cursor as nextCursor gave it").into()
            }
            error => ApiError::failure(ErrorCode::StorageUnavailable, &error).into(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(self);
        response
    }
}

/// Lets a call through to its route when its key is good, and turns refusals into answers.
pub(crate) async fn admit(State(deps): State<Arc<Deps>>, request: Request, next: Next) -> Response {
    let correlation = correlation(request.headers(), Ids::new(&*deps.clock, &*deps.entropy));
    let span = tracing::info_span!(
        "call", correlationId = %correlation, method = %request.method(), path = request.uri().path()
    );
    let attempt = admission::Attempt::of(&deps, &request);
    async {
        let caller = match admission::authenticate(&deps, attempt, &correlation).await {
            Ok(caller) => caller,
            Err(error) => return refuse(&error, &correlation),
        };
        let rate = admission::count_call(&deps, &caller).await;
        let mut response = match rate.as_ref().and_then(admission::Rate::refusal) {
            Some(error) => refuse(&error, &correlation),
            None => answer(caller, &correlation, request, next).await,
        };
        if let Some(rate) = rate {
            rate.write(response.headers_mut());
        }
        response
    }
    .instrument(span)
    .await
}

/// Lets a call through to its handler when its key has the scope that the route takes.
pub(crate) async fn with_scope(
    State(scope): State<Scope>,
    call: Call,
    request: Request,
    next: Next,
) -> Outcome {
    call.require(scope)?;
    Ok(next.run(request).await)
}

/// What the route answers to a caller who is let in.
async fn answer(caller: Caller, correlation: &CorrelationId, mut request: Request, next: Next) -> Response {
    tracing::debug!(keyId = %caller.key(), "Call admitted");
    let warning = Arc::<OnceLock<HeaderValue>>::default();
    let call = Call { caller, correlation: correlation.clone(), warning: warning.clone() };
    request.extensions_mut().insert(call);
    let mut response = next.run(request).await;
    if let Some(Refusal(error)) = response.extensions_mut().remove::<Refusal>() {
        response = refuse(&error, correlation);
    }
    if let Some(warning) = warning.get() {
        response.headers_mut().insert(quota::WARNING_HEADER, warning.clone());
    }
    response
}

fn refuse(error: &ApiError, correlation: &CorrelationId) -> Response {
    count_error(error.code);
    error.response(correlation).map(Body::from)
}

impl<S: Sync> FromRequestParts<S> for Call {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let call = parts.extensions.get::<Self>().cloned();
        call.ok_or_else(|| admission::no_key().into())
    }
}

impl Call {
    /// Refuses a caller whose key lacks `scope`.
    pub(crate) fn require(&self, scope: Scope) -> Result<(), ApiError> {
        if self.caller.may(scope) {
            return Ok(());
        }
        let message = format!("the API key lacks the scope {}", scope.as_str());
        Err(ApiError::new(ErrorCode::AuthScopeMissing, message).with("scope", scope.as_str()))
    }

    /// The same call by its key as it is at this moment, if that has `scope` still: for what gives rights to others.
    pub(crate) async fn renewed(self, deps: &Deps, scope: Scope) -> Result<Self, ApiError> {
        let renewed = Self { caller: admission::renewed(deps, &self.caller).await?, ..self };
        renewed.require(scope)?;
        Ok(renewed)
    }

    /// What the request is about: things of the tenant that it names, or else all that the caller may see. A call about one
    /// tenant counts against its quota. An attempt on another tenant's things is audited.
    pub(crate) async fn within<'a>(
        &self,
        deps: &'a Deps,
        named: Option<TenantId>,
    ) -> Result<Within<'a>, ApiError> {
        let things = self.administers(deps, named).await?;
        if let Some(tenant) = things.tenant_id() {
            self.counts_for(deps, tenant).await?;
        }
        Ok(things)
    }

    /// As [`Self::within`], for what is no use of a tenant's plan: whoever is over a quota must still be able to see to it.
    pub(crate) async fn administers<'a>(
        &self,
        deps: &'a Deps,
        named: Option<TenantId>,
    ) -> Result<Within<'a>, ApiError> {
        if let Some(scope) = self.caller.scope(named) {
            return Ok(deps.tenancy.within(scope, deps.clock.now()));
        }
        self.refused_elsewhere(deps).await;
        Err(ApiError::new(ErrorCode::TenantNotFound, "there is no such tenant"))
    }

    /// Counts the call against a tenant's quota: of a route that finds out only later whom it is about.
    pub(crate) async fn counts_for(&self, deps: &Deps, tenant: &TenantId) -> Result<(), ApiError> {
        let warning = quota::count_call(deps, tenant).await?;
        self.warn(warning);
        Ok(())
    }

    /// Has the answer warn of a quota; of several the first.
    pub(crate) fn warn(&self, warning: Option<HeaderValue>) {
        if let Some(warning) = warning {
            let _first_stands = self.warning.set(warning);
        }
    }

    /// Audits an attempt on the things of another tenant than the key's own.
    pub(crate) async fn refused_elsewhere(&self, deps: &Deps) {
        let entry = self.audit_entry(deps, self.caller.bound_to(), AuditAction::AccessRefused);
        audit::record(&*deps.audit, &entry).await;
    }

    /// An entry of the audit log about what the caller did, to a tenant's things or to the deployment.
    pub(crate) fn audit_entry(
        &self,
        deps: &Deps,
        tenant: Option<&TenantId>,
        action: AuditAction,
    ) -> AuditEntry {
        let id = Ids::new(&*deps.clock, &*deps.entropy).audit();
        let mut entry = AuditEntry::new(id, deps.clock.now(), tenant.cloned(), action);
        entry.actor = Some(self.caller.key().clone());
        entry.correlation = Some(self.correlation.clone());
        entry
    }

    /// Refuses a key that is bound to a tenant where `things` are about all of them.
    pub(crate) fn require_all_tenants(&self, things: &str) -> Result<(), ApiError> {
        if self.caller.bound_to().is_none() {
            return Ok(());
        }
        let message = format!("{things} are about all tenants, and the API key is bound to one");
        Err(ApiError::new(ErrorCode::AuthScopeMissing, message))
    }

    /// A JSON answer.
    pub(crate) fn json<T: Serialize>(&self, status: StatusCode, body: &T) -> Response {
        json(status, body, &self.correlation).map(Body::from)
    }
}

/// The address under which the bundle is reached; unknown only where `PUBLIC_URL` is unset and no gateway stands before us.
pub(crate) struct PublicUrl(pub(crate) String);

impl FromRequestParts<Arc<Deps>> for PublicUrl {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, deps: &Arc<Deps>) -> Result<Self, Refusal> {
        Ok(Self(public_url(deps.public_url.as_deref(), parts)?))
    }
}

/// The query of a request, in which every name may stand once.
pub(crate) struct Parameters(pub(crate) Query);

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Ok(Self(Query::parse(parts.uri.query().unwrap_or_default())?))
    }
}

/// The one variable part of a path; one that is no text names nothing that exists.
pub(crate) struct Name(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(_) => Err(not_found().await),
        }
    }
}

/// A JSON body of one known shape: unknown fields are refused by the shapes themselves.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let bytes = json_bytes(request, state, crate::MAX_BODY_BYTES).await?;
        // A list would be read as the fields in their order, which nobody documented.
        if !bytes.trim_ascii_start().starts_with(b"{") {
            return Err(ApiError::invalid("body", "the body must be a JSON object").into());
        }
        let parsed = serde_json::from_slice(&bytes);
        // The parser's words name fields and positions of the caller's own body, never values of ours.
        parsed.map(Self).map_err(|error| {
            ApiError::invalid("body", format!("the body is not as documented: {error}")).into()
        })
    }
}

/// The bytes of a body that says to be JSON; `limit` is what its route reads at most, for the message of a refusal.
pub(crate) async fn json_bytes<S: Send + Sync>(
    request: Request,
    state: &S,
    limit: usize,
) -> Result<Bytes, Refusal> {
    if !is_json(request.headers()) {
        let message = "send the body as application/json";
        return Err(ApiError::new(ErrorCode::ValidationMediaType, message).into());
    }
    Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::new(ErrorCode::ValidationBodyTooLarge, format!("send at most {limit} bytes")).into()
        }
        _ => ApiError::invalid("body", "the body could not be read").into(),
    })
}

/// A field that is an object: a list would be read as its fields in their order.
pub(crate) fn object<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<T, D::Error> {
    let object = Map::<String, Value>::deserialize(deserializer)?;
    serde_json::from_value(Value::Object(object)).map_err(D::Error::custom)
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

/// An answer that says where its outcome will be seen.
pub(crate) fn located(mut response: Response, address: &str) -> Response {
    if let Ok(address) = HeaderValue::from_str(address) {
        response.headers_mut().insert(header::LOCATION, address);
    }
    response
}

/// Nothing is at this address.
pub(crate) async fn not_found() -> Refusal {
    ApiError::new(ErrorCode::ValidationNotFound, "there is nothing at this address").into()
}

/// The address is there, but not for this method.
pub(crate) async fn method_not_allowed() -> Refusal {
    ApiError::new(ErrorCode::ValidationMethodNotAllowed, "this address does not take this method").into()
}
