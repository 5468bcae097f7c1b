//! What an API key may do: scopes, and roles as named sets of them.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

/// What an API key may do.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Scope {
    /// Read the audit log.
    AuditRead,
    /// Read connections and their state.
    ConnectionsRead,
    /// Connect and disconnect.
    ConnectionsWrite,
    /// Make, list and revoke keys.
    KeysWrite,
    /// Read how the bundle itself fares, for all tenants.
    OperationsRead,
    /// Call providers' APIs with the tokens of connections.
    ProxyUse,
    /// Read jobs and records.
    SyncRead,
    /// Start jobs.
    SyncWrite,
    /// Read tenants.
    TenantsRead,
    /// Make and change tenants.
    TenantsWrite,
    /// Take an access token out.
    TokensIssue,
    /// Read token status and history.
    TokensRead,
    /// Force a refresh.
    TokensWrite,
    /// Read what a tenant used.
    UsageRead,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 14] = [
        Self::AuditRead,
        Self::ConnectionsRead,
        Self::ConnectionsWrite,
        Self::KeysWrite,
        Self::OperationsRead,
        Self::ProxyUse,
        Self::SyncRead,
        Self::SyncWrite,
        Self::TenantsRead,
        Self::TenantsWrite,
        Self::TokensIssue,
        Self::TokensRead,
        Self::TokensWrite,
        Self::UsageRead,
    ];

    /// The name in requests, answers and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuditRead => "audit:read",
            Self::ConnectionsRead => "connections:read",
            Self::ConnectionsWrite => "connections:write",
            Self::KeysWrite => "keys:write",
            Self::OperationsRead => "operations:read",
            Self::ProxyUse => "proxy:use",
            Self::SyncRead => "sync:read",
            Self::SyncWrite => "sync:write",
            Self::TenantsRead => "tenants:read",
            Self::TenantsWrite => "tenants:write",
            Self::TokensIssue => "tokens:issue",
            Self::TokensRead => "tokens:read",
            Self::TokensWrite => "tokens:write",
            Self::UsageRead => "usage:read",
        }
    }
}

/// A name that is no scope's.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("there is no such scope")]
pub struct UnknownScope;

impl PartialSchema for Scope {
    fn schema() -> RefOr<Schema> {
        let names = Self::ALL.map(Self::as_str);
        let text = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
        text.description(Some("What an API key may do.")).into()
    }
}

impl ToSchema for Scope {}

impl Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(UnknownScope)
    }
}

/// A named set of scopes.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything.
    Admin,
    /// Daily work: connect, refresh, sync; no tenants, no keys, no tokens in the clear.
    Operator,
    /// Reading what tenants have.
    Viewer,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Admin, Self::Operator, Self::Viewer];

    /// The name in requests, answers and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
        }
    }

    /// What the role may do.
    #[must_use]
    pub fn scopes(self) -> Vec<Scope> {
        let within = |scope: &Scope| match self {
            Self::Admin => true,
            Self::Operator => !matches!(scope, Scope::KeysWrite | Scope::TenantsWrite | Scope::TokensIssue),
            Self::Viewer => {
                let is_of_administrators = matches!(scope, Scope::AuditRead | Scope::OperationsRead);
                scope.as_str().ends_with(":read") && !is_of_administrators
            }
        };
        Scope::ALL.into_iter().filter(within).collect()
    }

    /// The role whose scopes are exactly these, if there is one.
    #[must_use]
    pub fn of(scopes: &[Scope]) -> Option<Self> {
        Self::ALL.into_iter().find(|role| {
            let own = role.scopes();
            own.iter().all(|scope| scopes.contains(scope)) && scopes.iter().all(|scope| own.contains(scope))
        })
    }
}

impl FromStr for Role {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownScope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_only_reads() {
        let names: Vec<_> = Role::Viewer.scopes().into_iter().map(Scope::as_str).collect();

        assert_eq!(names, ["connections:read", "sync:read", "tenants:read", "tokens:read", "usage:read"]);
    }

    #[test]
    fn a_role_is_known_by_its_scopes_and_one_scope_more_or_less_is_none() {
        for role in Role::ALL {
            let mut scopes = role.scopes();
            assert_eq!(Role::of(&scopes), Some(role));
            scopes.pop();
            assert_eq!(Role::of(&scopes), None);
        }
        assert_eq!(Role::of(&[]), None);
    }
}
