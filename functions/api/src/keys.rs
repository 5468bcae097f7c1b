//! API keys: made, shown once, listed, rotated, revoked.

use std::{sync::Arc, time::Duration};

use axum::{extract::State, http::StatusCode, response::Response};
use domain::{
    api_key::{ApiKey, KeyChange, NewApiKey, Role, Scope},
    audit::{self, AuditAction},
    error::ErrorCode,
    id::{ApiKeyId, TenantId, UserId},
    refresh::policy::later,
    secret::ApiKeyText,
    tenant::TenantState,
};
use edge::http::ApiError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Deps,
    call::{Call, JsonBody, Name, Outcome, Parameters, Refusal, located},
    cursors::List,
    openapi::FromCursor,
    tenancy::Within,
    tenant_settings::printable,
    tokens::MAX_LIMIT,
};

/// Long enough to say what a key is for.
const MAX_NAME: usize = 100;
/// How long the old key works beside the new one where the caller does not say: long enough for a deployment of whoever
/// uses it, in office hours.
const OVERLAP: Duration = Duration::from_hours(24);
/// The longest overlap, in seconds: 30 days. Whoever needs longer makes a second key.
const MAX_OVERLAP_SECONDS: u64 = 30 * 86_400;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewKey {
    /// What it is for.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What it may do: some of the caller's own scopes. Either these or a role.
    #[schema(min_items = 1)]
    scopes: Option<Vec<Scope>>,
    /// What it may do, by the name of a set of scopes.
    role: Option<Role>,
    /// The one tenant it is for; a key that is bound to a tenant must name its own.
    tenant_id: Option<TenantId>,
    /// The person of that tenant whom it is for: it may do no more than that person's role, and ends with it.
    user_id: Option<UserId>,
    /// When it stops working; never when left out.
    expires_at: Option<Timestamp>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Rotation {
    /// How long the old key works beside the new one: 24 hours when left out, 30 days at most.
    #[schema(maximum = 2_592_000)]
    overlap_seconds: Option<u64>,
}

/// A key, without its text.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct KeyBody {
    id: ApiKeyId,
    name: String,
    scopes: Vec<Scope>,
    /// The role that has just these scopes.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_id: Option<TenantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<UserId>,
    created_at: Timestamp,
    /// When it stops working, by itself or since another replaced it.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    /// When it was last used, up to an hour late.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Timestamp>,
}

/// A new key, with its text.
#[derive(Serialize, ToSchema)]
struct IssuedKeyBody {
    /// The key itself, shown this once.
    key: String,
    #[serde(flatten)]
    of: KeyBody,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct KeysBody {
    keys: Vec<KeyBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// The key in a path.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only the document is made of it")]
struct OneKey {
    /// Its id: the part of the key behind the deployment's name.
    key: ApiKeyId,
}

/// `POST /api/keys`
#[utoipa::path(
    post,
    path = "/api/keys",
    request_body = NewKey,
    responses(
        (status = 201, description = "The key was made; its text is shown this once", body = IssuedKeyBody),
        (status = 404, description = "There is no such tenant or user"),
        (status = 409, description = "The tenant is being deleted"),
    ),
)]
pub(crate) async fn create(
    State(deps): State<Arc<Deps>>,
    call: Call,
    JsonBody(new): JsonBody<NewKey>,
) -> Outcome {
    let call = call.renewed(&deps, Scope::KeysWrite).await?;
    if call.caller.bound_to().is_some_and(|bound| new.tenant_id.as_ref() != Some(bound)) {
        if new.tenant_id.is_some() {
            call.refused_elsewhere(&deps).await;
        }
        let message = "a key that is bound to a tenant makes only keys that are bound to the same; name it";
        return Err(ApiError::new(ErrorCode::AuthScopeExceeded, message).into());
    }
    let things = call.administers(&deps, new.tenant_id.clone()).await?;
    let new = checked(new, deps.clock.now())?;
    may_give(&call, &new.scopes)?;
    fits(&things, (new.tenant.as_ref(), new.user.as_ref()), &new.scopes).await?;
    let (key, text) = issue(&deps, &things, new).await?;
    audited(&deps, &call, &key, AuditAction::KeyCreated).await;
    Ok(issued(&call, key, &text))
}

/// `GET /api/keys?tenantId=&limit=&cursor=`
#[utoipa::path(
    get,
    path = "/api/keys",
    params(
        ("tenantId" = Option<TenantId>, Query, description = "Only keys that are bound to this tenant"),
        ("limit" = Option<u32>, Query, description = "How many at most; 100 when left out", minimum = 1, maximum = 100),
        FromCursor,
    ),
    responses(
        (status = 200, description = "Keys by id; those that have ended for 90 days more", body = KeysBody),
        (status = 404, description = "The key is bound to another tenant"),
    ),
)]
pub(crate) async fn list(
    State(deps): State<Arc<Deps>>,
    Parameters(query): Parameters,
    call: Call,
) -> Outcome {
    let things = call.administers(&deps, query.parsed("tenantId")?).await?;
    let limit = query.limit("limit", MAX_LIMIT, MAX_LIMIT)?;
    let list = List::of("keys").with("tenant", things.tenant_id().map(TenantId::as_str));
    let from = deps.cursors.open(&list, &query).await?;
    let page = things.keys(limit, from.as_deref()).await?;
    let keys = page.keys.into_iter().map(body).collect();
    let next_cursor = deps.cursors.seal(&list, page.next).await?;
    Ok(call.json(StatusCode::OK, &KeysBody { keys, next_cursor }))
}

/// `GET /api/keys/{key}`
#[utoipa::path(
    get,
    path = "/api/keys/{key}",
    params(OneKey),
    responses(
        (status = 200, description = "The key, without its text", body = KeyBody),
        (status = 404, description = "There is no such key"),
    ),
)]
pub(crate) async fn show(State(deps): State<Arc<Deps>>, Name(id): Name, call: Call) -> Outcome {
    let things = call.administers(&deps, None).await?;
    Ok(call.json(StatusCode::OK, &body(find(&things, &id).await?)))
}

/// `POST /api/keys/{key}/rotate`
#[utoipa::path(
    post,
    path = "/api/keys/{key}/rotate",
    params(OneKey),
    request_body = Rotation,
    responses(
        (status = 201, description = "A key that may do the same; its text is shown this once. The old one ends after the overlap", body = IssuedKeyBody),
        (status = 404, description = "There is no such key"),
        (status = 409, description = "The key has ended, or its tenant is being deleted"),
    ),
)]
pub(crate) async fn rotate(
    State(deps): State<Arc<Deps>>,
    Name(id): Name,
    call: Call,
    JsonBody(Rotation { overlap_seconds }): JsonBody<Rotation>,
) -> Outcome {
    let overlap = overlap_seconds.map_or(OVERLAP, Duration::from_secs);
    if overlap_seconds.is_some_and(|seconds| seconds > MAX_OVERLAP_SECONDS) {
        let message = format!("overlapSeconds must be 0 to {MAX_OVERLAP_SECONDS}");
        return Err(ApiError::invalid("overlapSeconds", message).into());
    }
    let call = call.renewed(&deps, Scope::KeysWrite).await?;
    let things = call.administers(&deps, None).await?;
    let old = find(&things, &id).await?;
    let now = deps.clock.now();
    if old.has_ended(now) {
        return Err(ApiError::new(ErrorCode::KeyEnded, "the key has ended and cannot be replaced").into());
    }
    may_give(&call, &old.scopes)?;
    fits(&things, (old.tenant.as_ref(), old.user.as_ref()), &old.scopes).await?;
    let (key, text) = issue(&deps, &things, old.successor(now)).await?;
    // The old one ends only once there is another.
    things.update_key(&old, &KeyChange::Retires(later(now, overlap))).await?;
    deps.admission.forget(&old.id);
    audited(&deps, &call, &old, AuditAction::KeyRotated).await;
    audited(&deps, &call, &key, AuditAction::KeyCreated).await;
    Ok(issued(&call, key, &text))
}

/// `DELETE /api/keys/{key}`
#[utoipa::path(
    delete,
    path = "/api/keys/{key}",
    params(OneKey),
    responses(
        (status = 200, description = "The key is revoked, since now or before; no instance takes it after a minute", body = KeyBody),
        (status = 404, description = "There is no such key"),
    ),
)]
pub(crate) async fn revoke(State(deps): State<Arc<Deps>>, Name(id): Name, call: Call) -> Outcome {
    let things = call.administers(&deps, None).await?;
    let key = find(&things, &id).await?;
    let revoked = end(&deps, &things, key, &call).await?;
    Ok(call.json(StatusCode::OK, &body(revoked)))
}

/// Revokes a key, where that was not done before.
pub(crate) async fn end(
    deps: &Deps,
    things: &Within<'_>,
    mut key: ApiKey,
    call: &Call,
) -> Result<ApiKey, Refusal> {
    if key.revoked_at.is_none() {
        let revoked = KeyChange::Revoked(deps.clock.now());
        things.update_key(&key, &revoked).await?;
        revoked.apply(&mut key);
        deps.admission.forget(&key.id);
        audited(deps, call, &key, AuditAction::KeyRevoked).await;
    }
    Ok(key)
}

/// Refuses a caller who would give what it does not have.
pub(crate) fn may_give(call: &Call, scopes: &[Scope]) -> Result<(), ApiError> {
    let Some(lacking) = scopes.iter().find(|scope| !call.caller.may(**scope)) else { return Ok(()) };
    let message = format!("the API key cannot give the scope {}, which it does not have", lacking.as_str());
    Err(ApiError::new(ErrorCode::AuthScopeExceeded, message).with("scope", lacking.as_str()))
}

/// The key that a request asks for.
fn checked(new: NewKey, now: Timestamp) -> Result<NewApiKey, ApiError> {
    let name = printable("name", &new.name, MAX_NAME)?;
    let mut scopes = match (new.scopes, new.role) {
        (Some(scopes), None) if !scopes.is_empty() => scopes,
        (None, Some(role)) => role.scopes(),
        _ => return Err(ApiError::invalid("scopes", "name either scopes, at least one, or a role")),
    };
    scopes.sort();
    scopes.dedup();
    if new.user_id.is_some() && new.tenant_id.is_none() {
        return Err(ApiError::invalid("tenantId", "name the tenant whose user this is"));
    }
    // In whole milliseconds, as instants are stored, so that this answer and later ones say the same.
    let expires_at = new.expires_at.and_then(|at| Timestamp::from_millisecond(at.as_millisecond()).ok());
    if expires_at.is_some_and(|expires_at| expires_at <= now) {
        return Err(ApiError::invalid("expiresAt", "expiresAt must be in the future"));
    }
    Ok(NewApiKey { name, scopes, tenant: new.tenant_id, user: new.user_id, expires_at })
}

/// Refuses a key for a tenant or a user who is not there or is going, or for more than the user may do.
async fn fits(
    things: &Within<'_>,
    (tenant, user): (Option<&TenantId>, Option<&UserId>),
    scopes: &[Scope],
) -> Result<(), Refusal> {
    let Some(id) = tenant else { return Ok(()) };
    let missing = || ApiError::new(ErrorCode::TenantNotFound, "there is no such tenant");
    if things.tenant(id).await?.ok_or_else(missing)?.state == TenantState::Deleting {
        return Err(ApiError::new(ErrorCode::TenantDeleting, "the tenant is being deleted").into());
    }
    let Some(user) = user else { return Ok(()) };
    let missing = || ApiError::new(ErrorCode::UserNotFound, "there is no such user");
    let allowed = things.user(id, user).await?.ok_or_else(missing)?.role.scopes();
    let Some(beyond) = scopes.iter().find(|scope| !allowed.contains(scope)) else { return Ok(()) };
    let message = format!("the user's role does not have the scope {}", beyond.as_str());
    Err(ApiError::new(ErrorCode::AuthScopeExceeded, message).with("scope", beyond.as_str()).into())
}

/// Makes and stores a key.
async fn issue(deps: &Deps, things: &Within<'_>, new: NewApiKey) -> Result<(ApiKey, ApiKeyText), Refusal> {
    let (key, text) = new.issue(&deps.environment, deps.clock.now(), &*deps.entropy);
    if !things.insert_key(&key).await? {
        // Of 71 random bits, once in longer than anybody waits.
        return Err(ApiError::new(ErrorCode::ChangedMeanwhile, "the new key's id is taken; try again").into());
    }
    // Whoever takes a user or a tenant away looks for their keys after that; a key that came too late for it ends here.
    if let Err(refusal) = fits(things, (key.tenant.as_ref(), key.user.as_ref()), &key.scopes).await {
        things.update_key(&key, &KeyChange::Revoked(deps.clock.now())).await?;
        return Err(refusal);
    }
    Ok((key, text))
}

async fn find(things: &Within<'_>, id: &str) -> Result<ApiKey, Refusal> {
    let missing = || ApiError::new(ErrorCode::KeyNotFound, "there is no such key");
    let id = id.parse().map_err(|_| missing())?;
    Ok(things.key(&id).await?.ok_or_else(missing)?)
}

async fn audited(deps: &Deps, call: &Call, key: &ApiKey, action: AuditAction) {
    let mut entry = call.audit_entry(deps, key.tenant.as_ref(), action);
    entry.subject = Some(key.id.to_string());
    audit::record(&*deps.audit, &entry).await;
}

fn issued(call: &Call, key: ApiKey, text: &ApiKeyText) -> Response {
    let address = format!("/api/keys/{}", key.id);
    let issued = IssuedKeyBody { key: text.expose().to_owned(), of: body(key) };
    located(call.json(StatusCode::CREATED, &issued), &address)
}

fn body(key: ApiKey) -> KeyBody {
    KeyBody {
        role: Role::of(&key.scopes),
        expires_at: [key.expires_at, key.retires_at].into_iter().flatten().min(),
        id: key.id,
        name: key.name,
        scopes: key.scopes,
        tenant_id: key.tenant,
        user_id: key.user,
        created_at: key.created_at,
        last_used_at: key.last_used_at,
        revoked_at: key.revoked_at,
    }
}
