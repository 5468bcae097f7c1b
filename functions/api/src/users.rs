//! The people of a tenant: an id and a role each, which bounds the keys that are made for them.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Path, State},
    http::{StatusCode, request::Parts},
};
use domain::{
    api_key::{ApiKey, KeyChange, Role, Scope},
    audit::{self, AuditAction},
    error::ErrorCode,
    event::QuotaUse,
    id::{TenantId, UserId},
    tenant::{Tenant, TenantState},
    user::{MAX_USERS, PutUser, User},
};
use edge::http::ApiError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Deps,
    call::{Call, JsonBody, Name, Outcome, Refusal},
    keys,
    quota::{self, USERS},
    tenancy::Within,
    tokens::MAX_LIMIT,
};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SavedUser {
    /// What the person, and each key that is made for it, may do.
    role: Role,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UserBody {
    user_id: UserId,
    tenant_id: TenantId,
    role: Role,
    created_at: Timestamp,
}

#[derive(Serialize, ToSchema)]
struct UsersBody {
    /// By id; a tenant has a thousand at most.
    users: Vec<UserBody>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RemovedUserBody {
    user_id: UserId,
    /// How many keys of the person were revoked.
    keys_revoked: usize,
}

/// The tenant in a path.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only the document is made of it")]
struct OneTenant {
    /// Whose users.
    tenant: TenantId,
}

/// The user in a path.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only the document is made of it")]
struct OneUser {
    /// Whose user.
    tenant: TenantId,
    /// The product's own id of the person, best one that names nobody.
    user: UserId,
}

/// The tenant and user of a path.
pub(crate) struct Person {
    tenant: TenantId,
    id: UserId,
}

impl<S: Send + Sync> FromRequestParts<S> for Person {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Ok(Path((tenant, user))) = Path::<(String, String)>::from_request_parts(parts, state).await
        else {
            return Err(missing_user().into());
        };
        let tenant = tenant.parse().map_err(|_| missing_tenant())?;
        let id = user
            .parse()
            .map_err(|error: domain::id::InvalidId| ApiError::invalid("userId", error.to_string()))?;
        Ok(Self { tenant, id })
    }
}

/// `PUT /api/tenants/{tenant}/users/{user}`
#[utoipa::path(
    put,
    path = "/api/tenants/{tenant}/users/{user}",
    params(OneUser),
    request_body = SavedUser,
    responses(
        (status = 200, description = "The user has the role, and the user's keys may do no more than it allows", body = UserBody),
        (status = 201, description = "The user was added", body = UserBody),
        (status = 404, description = "There is no such tenant"),
        (status = 409, description = "The tenant is being deleted"),
    ),
)]
pub(crate) async fn save(
    State(deps): State<Arc<Deps>>,
    Person { tenant, id }: Person,
    call: Call,
    JsonBody(SavedUser { role }): JsonBody<SavedUser>,
) -> Outcome {
    let call = call.renewed(&deps, Scope::TenantsWrite).await?;
    let things = call.administers(&deps, Some(tenant.clone())).await?;
    keys::may_give(&call, &role.scopes())?;
    let known = existing(&things, &tenant).await?;
    if known.state == TenantState::Deleting {
        return Err(ApiError::new(ErrorCode::TenantDeleting, "the tenant is being deleted").into());
    }
    let before = things.user(&tenant, &id).await?;
    if let Some(before) = &before {
        // Whoever takes something away from a person must have it, too: else a viewer could lock out an administrator.
        keys::may_give(&call, &before.role.scopes())?;
    }
    let created_at = before.as_ref().map_or(deps.clock.now(), |before| before.created_at);
    let user = User { id, tenant, role, created_at };
    let limit = known.limits.users.map_or(MAX_USERS, |limit| limit.min(MAX_USERS));
    let put = things.put_user(&user, limit).await?;
    let mut quota = QuotaUse { name: USERS, limit, used: 0, resets_at: None };
    match put {
        PutUser::Changed => rescope(&deps, &things, &user, before.map(|before| before.role)).await?,
        PutUser::Added | PutUser::Full => {
            quota.used = u64::try_from(things.users(&user.tenant).await?.len()).unwrap_or(u64::MAX);
        }
    }
    if put == PutUser::Full {
        return Err(quota::exceeded(&quota, "the tenant has as many users as it may have").into());
    }
    call.warn(quota::warning(&quota));
    audited(&deps, &call, (&user.tenant, &user.id), AuditAction::UserSaved).await;
    let status = if put == PutUser::Added { StatusCode::CREATED } else { StatusCode::OK };
    Ok(call.json(status, &body(user)))
}

/// `GET /api/tenants/{tenant}/users`
#[utoipa::path(
    get,
    path = "/api/tenants/{tenant}/users",
    params(OneTenant),
    responses(
        (status = 200, description = "All users of the tenant", body = UsersBody),
        (status = 404, description = "There is no such tenant"),
    ),
)]
pub(crate) async fn list(State(deps): State<Arc<Deps>>, Name(tenant): Name, call: Call) -> Outcome {
    let tenant: TenantId = tenant.parse().map_err(|_| missing_tenant())?;
    let things = call.administers(&deps, Some(tenant.clone())).await?;
    existing(&things, &tenant).await?;
    let users = things.users(&tenant).await?.into_iter().map(body).collect();
    Ok(call.json(StatusCode::OK, &UsersBody { users }))
}

/// `DELETE /api/tenants/{tenant}/users/{user}`
#[utoipa::path(
    delete,
    path = "/api/tenants/{tenant}/users/{user}",
    params(OneUser),
    responses(
        (status = 200, description = "The user is gone and the user's keys are revoked", body = RemovedUserBody),
        (status = 404, description = "There is no such tenant or user"),
    ),
)]
pub(crate) async fn remove(
    State(deps): State<Arc<Deps>>,
    Person { tenant, id }: Person,
    call: Call,
) -> Outcome {
    let things = call.administers(&deps, Some(tenant.clone())).await?;
    existing(&things, &tenant).await?;
    if let Some(user) = things.user(&tenant, &id).await? {
        keys::may_give(&call, &user.role.scopes())?;
    }
    let was_there = things.remove_user(&tenant, &id).await?;
    let mut keys_revoked = 0;
    // Also where the user is gone already: whoever repeats what failed halfway must find the rest.
    for key in keys_of(&things, (&tenant, &id)).await? {
        if key.revoked_at.is_none() {
            keys::end(&deps, &things, key, &call).await?;
            keys_revoked += 1;
        }
    }
    if !was_there && keys_revoked == 0 {
        return Err(missing_user().into());
    }
    audited(&deps, &call, (&tenant, &id), AuditAction::UserRemoved).await;
    Ok(call.json(StatusCode::OK, &RemovedUserBody { user_id: id, keys_revoked }))
}

/// Gives the keys of a user what the new role allows: one that had all of the former role has all of the new, any other
/// what it had, as far as the new role allows.
///
/// Whoever was overtaken by another change may have written its scopes last: then it takes what the role that stands does
/// not allow.
async fn rescope(
    deps: &Deps,
    things: &Within<'_>,
    user: &User,
    mut former: Option<Role>,
) -> Result<(), Refusal> {
    let mut given = user.role;
    loop {
        give(deps, things, user, (former, given)).await?;
        match things.user(&user.tenant, &user.id).await? {
            Some(User { role, .. }) if role != given => (former, given) = (None, role),
            // Whoever took the user away ends the keys.
            _ => return Ok(()),
        }
    }
}

/// Gives the keys of a user what a role allows.
async fn give(
    deps: &Deps,
    things: &Within<'_>,
    user: &User,
    (former, role): (Option<Role>, Role),
) -> Result<(), Refusal> {
    let allowed = role.scopes();
    for key in keys_of(things, (&user.tenant, &user.id)).await? {
        let had_all = former.is_some_and(|former| Role::of(&key.scopes) == Some(former));
        let kept = || key.scopes.iter().copied().filter(|scope| allowed.contains(scope)).collect();
        let scopes = if had_all { allowed.clone() } else { kept() };
        if scopes != key.scopes {
            things.update_key(&key, &KeyChange::Scopes(scopes)).await?;
            deps.admission.forget(&key.id);
        }
    }
    Ok(())
}

/// All keys of a user.
async fn keys_of(things: &Within<'_>, (tenant, user): (&TenantId, &UserId)) -> Result<Vec<ApiKey>, Refusal> {
    let (mut keys, mut from) = (Vec::new(), None);
    loop {
        let page = things.keys(MAX_LIMIT, from.as_deref()).await?;
        let is_own = |key: &ApiKey| key.tenant.as_ref() == Some(tenant) && key.user.as_ref() == Some(user);
        keys.extend(page.keys.into_iter().filter(is_own));
        match page.next {
            Some(next) => from = Some(next),
            None => return Ok(keys),
        }
    }
}

async fn existing(things: &Within<'_>, tenant: &TenantId) -> Result<Tenant, Refusal> {
    Ok(things.tenant(tenant).await?.ok_or_else(missing_tenant)?)
}

fn missing_tenant() -> ApiError {
    ApiError::new(ErrorCode::TenantNotFound, "there is no such tenant")
}

fn missing_user() -> ApiError {
    ApiError::new(ErrorCode::UserNotFound, "there is no such user")
}

async fn audited(deps: &Deps, call: &Call, (tenant, user): (&TenantId, &UserId), action: AuditAction) {
    let mut entry = call.audit_entry(deps, Some(tenant), action);
    entry.subject = Some(user.to_string());
    audit::record(&*deps.audit, &entry).await;
}

fn body(user: User) -> UserBody {
    let User { id, tenant, role, created_at } = user;
    UserBody { user_id: id, tenant_id: tenant, role, created_at }
}
