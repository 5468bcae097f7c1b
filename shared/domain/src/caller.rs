//! Who calls the API, and whose things that entitles to: the one place that makes a [`TenantScope`].

use jiff::Timestamp;

use crate::{
    api_key::{ApiKey, PresentedKey, Scope},
    id::{ApiKeyId, TenantId, UserId},
};

/// An authenticated caller: only [`Caller::authenticated`] makes one, from a key that was presented and opens its record.
#[derive(Clone, Debug)]
pub struct Caller {
    key: ApiKeyId,
    scopes: Vec<Scope>,
    tenant: Option<TenantId>,
    user: Option<UserId>,
}

impl Caller {
    /// The caller who presented this key, if it is the key and works at `now`.
    #[must_use]
    pub fn authenticated(presented: &PresentedKey, key: &ApiKey, now: Timestamp) -> Option<Self> {
        presented.opens(key, now).then(|| Self::of(key))
    }

    /// The caller as its key is now; none where that has ended.
    #[must_use]
    pub fn renewed(&self, key: &ApiKey, now: Timestamp) -> Option<Self> {
        let works = key.id == self.key && key.revoked_at.is_none() && !key.has_ended(now);
        works.then(|| Self::of(key))
    }

    fn of(key: &ApiKey) -> Self {
        let ApiKey { id, scopes, tenant, user, .. } = key.clone();
        Self { key: id, scopes, tenant, user }
    }

    /// The public part of the caller's key, for logs and audit.
    #[must_use]
    pub fn key(&self) -> &ApiKeyId {
        &self.key
    }

    /// Whether the key has a scope.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// What the key may do.
    #[must_use]
    pub fn scopes(&self) -> &[Scope] {
        &self.scopes
    }

    /// The tenant the key is bound to.
    #[must_use]
    pub fn bound_to(&self) -> Option<&TenantId> {
        self.tenant.as_ref()
    }

    /// The person whom the key is for.
    #[must_use]
    pub fn user(&self) -> Option<&UserId> {
        self.user.as_ref()
    }

    /// Whose things a request is about: those of the tenant that it names, or else all that the key may see. None where it
    /// names another tenant than the key's own, which then does not exist for the caller.
    #[must_use]
    pub fn scope(&self, named: Option<TenantId>) -> Option<TenantScope> {
        match (named, &self.tenant) {
            (Some(named), Some(bound)) if named != *bound => None,
            (Some(named), _) => Some(TenantScope(Some(named))),
            (None, bound) => Some(TenantScope(bound.clone())),
        }
    }
}

/// Whose things may be read and changed: one tenant's, or everybody's.
///
/// Nobody but an authenticated [`Caller`] has one, and no store of things that belong to tenants is asked without it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TenantScope(Option<TenantId>);

impl TenantScope {
    /// The one tenant; none for all.
    #[must_use]
    pub fn tenant(&self) -> Option<&TenantId> {
        self.0.as_ref()
    }

    /// Whether things of this tenant are within.
    #[must_use]
    pub fn covers(&self, tenant: &TenantId) -> bool {
        self.0.as_ref().is_none_or(|own| own == tenant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api_key::{NewApiKey, Role},
        entropy::SystemEntropy,
    };

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn caller(tenant: Option<&str>) -> Caller {
        let new = NewApiKey {
            name: "test".to_owned(),
            scopes: Role::Viewer.scopes(),
            tenant: tenant.map(|tenant| tenant.parse().unwrap()),
            user: None,
            expires_at: None,
        };
        let (key, text) = new.issue("test", NOW, &SystemEntropy);
        let presented = PresentedKey::parse(text.expose(), "test").unwrap();
        Caller::authenticated(&presented, &key, NOW).unwrap()
    }

    #[test]
    fn a_key_that_does_not_open_its_record_makes_no_caller() {
        let new = || NewApiKey {
            name: "test".to_owned(),
            scopes: vec![],
            tenant: None,
            user: None,
            expires_at: None,
        };
        let (key, _) = new().issue("test", NOW, &SystemEntropy);
        let (_, other) = new().issue("test", NOW, &SystemEntropy);
        let presented = PresentedKey::parse(other.expose(), "test").unwrap();

        assert!(Caller::authenticated(&presented, &key, NOW).is_none());
    }

    #[test]
    fn a_bound_key_has_no_scope_but_its_own_tenants() {
        let (acme, other): (TenantId, TenantId) = ("acme".parse().unwrap(), "other".parse().unwrap());
        let bound = caller(Some("acme"));

        assert_eq!(bound.scope(Some(other.clone())), None);
        for scope in [bound.scope(None).unwrap(), bound.scope(Some(acme.clone())).unwrap()] {
            assert!(scope.covers(&acme) && !scope.covers(&other));
        }
        let of_all = caller(None);
        assert!(of_all.scope(None).unwrap().covers(&other));
        assert!(!of_all.scope(Some(acme)).unwrap().covers(&other));
    }
}
