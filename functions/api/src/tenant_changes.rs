//! Changing tenants, suspending them, and deleting them.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use domain::{
    audit::{self, AuditAction},
    error::ErrorCode,
    id::TenantId,
    tenant::{Halted, Tenant, TenantLimits, TenantSettings, TenantState},
};
use edge::http::ApiError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    Deps,
    call::{Call, JsonBody, Name, Outcome, PublicUrl, Refusal, located, object},
    tenancy::Within,
    tenant_settings::{self, plan_of, printable},
    tenants::{MAX_NAME, TenantBody, missing, shown},
};

/// How often a tenant that others change is read and changed again.
const TRIES: usize = 5;

/// What can be changed of a tenant, as a whole.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Changeable {
    name: String,
    #[serde(default)]
    plan: Option<String>,
    #[serde(default, deserialize_with = "object")]
    limits: TenantLimits,
    #[serde(default, deserialize_with = "object")]
    settings: TenantSettings,
    state: TenantState,
}

/// What is to be changed (RFC 7396): what is left out stays, and null unsets.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "only the document is made of it")]
pub(crate) struct TenantChange {
    name: Option<String>,
    plan: Option<String>,
    limits: Option<TenantLimits>,
    settings: Option<TenantSettings>,
    /// `active` or `suspended`.
    state: Option<TenantState>,
}

/// `PATCH /api/tenants/{tenant}`
///
/// A key that is bound to a tenant may change its name and settings.
#[utoipa::path(
    patch,
    path = "/api/tenants/{tenant}",
    params(("tenant" = TenantId, Path, description = "The tenant's id")),
    request_body = TenantChange,
    responses(
        (status = 200, description = "The tenant as it is now", body = TenantBody),
        (status = 404, description = "There is no such tenant"),
        (status = 409, description = "It is being deleted, or others change it at the same time"),
    ),
)]
pub(crate) async fn update(
    State(deps): State<Arc<Deps>>,
    Name(id): Name,
    call: Call,
    JsonBody(patch): JsonBody<Map<String, Value>>,
) -> Outcome {
    let id: TenantId = id.parse().map_err(|_| missing())?;
    let things = call.administers(&deps, Some(id.clone())).await?;
    for _ in 0..TRIES {
        let before = things.tenant(&id).await?.ok_or_else(missing)?;
        let after = changed(&deps, &call, &before, &patch)?;
        if after != before {
            let after = Tenant { version: before.version + 1, ..after.clone() };
            if !things.replace_tenant(&after).await? {
                continue;
            }
            tell(&deps, &call, (&before, &after)).await;
        }
        follow(&deps, &things, &after, &patch).await?;
        return Ok(shown(&call, StatusCode::OK, after));
    }
    let message = "others change the tenant at the same time";
    Err(ApiError::new(ErrorCode::ChangedMeanwhile, message).into())
}

/// The tenant as it is to be, where the caller may have it so.
fn changed(
    deps: &Deps,
    call: &Call,
    before: &Tenant,
    patch: &Map<String, Value>,
) -> Result<Tenant, ApiError> {
    if before.state == TenantState::Deleting {
        return Err(ApiError::new(ErrorCode::TenantDeleting, Halted::Deleting.to_string()));
    }
    let Tenant { name, plan, limits, settings, state, .. } = before.clone();
    let was = Changeable { name, plan, limits, settings, state };
    let failure = |error: serde_json::Error| ApiError::failure(ErrorCode::InternalError, &error);
    let mut merged = serde_json::to_value(&was).map_err(failure)?;
    merge(&mut merged, &Value::Object(patch.clone()));
    let wanted: Changeable = serde_json::from_value(merged)
        .map_err(|error| ApiError::invalid("body", format!("the body is not as documented: {error}")))?;
    if wanted.state == TenantState::Deleting {
        return Err(ApiError::invalid("state", "state must be active or suspended"));
    }
    let of_plan = |tenant: &Changeable| (tenant.plan.clone(), tenant.limits, tenant.state);
    if call.caller.bound_to().is_some() && of_plan(&was) != of_plan(&wanted) {
        let message = "a key that is bound to a tenant may not change its plan, limits or state";
        return Err(ApiError::new(ErrorCode::AuthScopeExceeded, message));
    }
    // What was fine once and is configured no longer must not keep a tenant from being renamed, or suspended.
    if was.settings != wanted.settings {
        tenant_settings::check(&deps.scopes, &wanted.settings)?;
    }
    Ok(Tenant {
        name: printable("name", &wanted.name, MAX_NAME)?,
        plan: wanted.plan.as_deref().map(plan_of).transpose()?,
        limits: wanted.limits,
        settings: wanted.settings,
        state: wanted.state,
        ..before.clone()
    })
}

/// Merges a patch into a document (RFC 7396 section 2).
fn merge(document: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        document.clone_from(patch);
        return;
    };
    if !document.is_object() {
        *document = Value::Object(Map::new());
    }
    let Value::Object(document) = document else { return };
    for (name, value) in patch {
        if value.is_null() {
            document.remove(name);
        } else {
            merge(document.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// Tells who changed what.
async fn tell(deps: &Deps, call: &Call, (before, after): (&Tenant, &Tenant)) {
    let mut actions = vec![];
    if before.state != after.state {
        let is_active = after.state == TenantState::Active;
        actions.push(if is_active { AuditAction::TenantResumed } else { AuditAction::TenantSuspended });
    }
    let rest =
        |tenant: &Tenant| (tenant.name.clone(), tenant.plan.clone(), tenant.limits, tenant.settings.clone());
    if rest(before) != rest(after) {
        actions.push(AuditAction::TenantUpdated);
    }
    for action in actions {
        tracing::info!(tenantId = %after.id, keyId = %call.caller.key(), action = action.as_str(), "Tenant changed");
        audit::record(&*deps.audit, &call.audit_entry(deps, Some(&after.id), action)).await;
    }
}

/// Does what follows from a stored change, each time that it is asked for: whoever was told of a failure asks again.
async fn follow(
    deps: &Deps,
    things: &Within<'_>,
    tenant: &Tenant,
    patch: &Map<String, Value>,
) -> Result<(), Refusal> {
    let settings = patch.get("settings");
    if settings.is_some_and(|settings| settings.is_null() || settings.get("refreshPolicy").is_some()) {
        keep_warm(things, tenant).await?;
    }
    if patch.contains_key("state") && tenant.state == TenantState::Active {
        // What changed while it was suspended was told to nobody.
        things.catch_up(&tenant.id, deps.clock.now()).await?;
    }
    Ok(())
}

/// Has the tenant's connections kept as it wishes: as it wishes in the end, where others change that meanwhile.
async fn keep_warm(things: &Within<'_>, tenant: &Tenant) -> Result<(), Refusal> {
    let mut wish = tenant.settings.refresh_policy;
    for _ in 0..TRIES {
        things.keep_warm(&tenant.id, wish).await?;
        let stored = things.tenant(&tenant.id).await?.map(|tenant| tenant.settings.refresh_policy);
        match stored.filter(|stored| *stored != wish) {
            Some(stored) => wish = stored,
            None => return Ok(()),
        }
    }
    let message = "others change the tenant at the same time";
    Err(ApiError::new(ErrorCode::ChangedMeanwhile, message).into())
}

/// `DELETE /api/tenants/{tenant}`
///
/// Its connections are ended at their providers, its tokens destroyed, and then all else that is kept of it is deleted, which
/// takes some minutes, and as long as a provider does not answer. Only the audit log and the history of refreshes keep its id
/// until their time has come.
#[utoipa::path(
    delete,
    path = "/api/tenants/{tenant}",
    params(("tenant" = TenantId, Path, description = "The tenant's id")),
    responses(
        (status = 202, description = "It is being deleted, and 404 once it is gone", body = TenantBody),
        (status = 404, description = "There is no such tenant, or none any more"),
        (status = 409, description = "Others change it at the same time"),
    ),
)]
pub(crate) async fn remove(
    State(deps): State<Arc<Deps>>,
    PublicUrl(public_url): PublicUrl,
    Name(id): Name,
    call: Call,
) -> Outcome {
    let id: TenantId = id.parse().map_err(|_| missing())?;
    let things = call.administers(&deps, Some(id.clone())).await?;
    if call.caller.bound_to().is_some() {
        let message = "a key that is bound to a tenant may not delete it";
        return Err(ApiError::new(ErrorCode::AuthScopeExceeded, message).into());
    }
    for _ in 0..TRIES {
        let mut tenant = things.tenant(&id).await?.ok_or_else(missing)?;
        if tenant.state != TenantState::Deleting {
            tenant.state = TenantState::Deleting;
            tenant.version += 1;
            if !things.replace_tenant(&tenant).await? {
                continue;
            }
            let entry = call.audit_entry(&deps, Some(&id), AuditAction::TenantDeletionRequested);
            audit::record(&*deps.audit, &entry).await;
        }
        things.erase(&id).await?;
        let address = format!("{public_url}/api/tenants/{id}");
        return Ok(located(shown(&call, StatusCode::ACCEPTED, tenant), &address));
    }
    let message = "others change the tenant at the same time";
    Err(ApiError::new(ErrorCode::ChangedMeanwhile, message).into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_is_merged_as_the_standard_shows() {
        // RFC 7396 appendix A.
        for (mut document, patch, merged) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
        ] {
            merge(&mut document, &patch);
            assert_eq!(document, merged);
        }
    }
}
