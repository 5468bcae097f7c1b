//! The place in which a sealed value belongs.

use std::collections::BTreeMap;

use crate::{connection::ConnectionKey, provider::Provider};

/// What a sealed value is for; access and refresh tokens are sealed apart, so that IAM can keep their readers apart.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Purpose {
    /// The access token.
    Access,
    /// The refresh token.
    Refresh,
}

impl Purpose {
    /// The name in the KMS encryption context, where IAM conditions name it too.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
        }
    }
}

/// The place of a sealed value: a ciphertext moved to any other place does not open.
#[derive(Clone, Copy, Debug)]
pub struct SealingContext<'a> {
    /// The deployment, for example `prod`.
    pub environment: &'a str,
    /// Whose connection, and which.
    pub key: &'a ConnectionKey,
    /// The connection's provider.
    pub provider: Provider,
    /// Access or refresh token.
    pub purpose: Purpose,
}

impl SealingContext<'_> {
    /// The KMS encryption context: ids only, since `CloudTrail` shows it.
    #[must_use]
    pub fn encryption_context(&self) -> BTreeMap<&'static str, String> {
        let [environment, tenant, provider, connection, purpose] = self.parts();
        BTreeMap::from([
            ("environment", environment.to_owned()),
            ("tenant", tenant.to_owned()),
            ("provider", provider.to_owned()),
            ("connection", connection.to_owned()),
            ("purpose", purpose.to_owned()),
            ("format", super::envelope::VERSION.to_string()),
        ])
    }

    /// The associated data of the AEAD: `header`, then each part behind its length (2 bytes, big-endian), then the
    /// generation of the token set (8 bytes, big-endian).
    ///
    /// Lengths keep ("a", "bc") and ("ab", "c") apart.
    #[must_use]
    pub(super) fn associated_data(&self, header: [u8; 3], generation: u64) -> Vec<u8> {
        let mut data = header.to_vec();
        for part in self.parts() {
            // Every part is an id of at most 64 characters, so the length always fits.
            data.extend_from_slice(&u16::try_from(part.len()).unwrap_or(u16::MAX).to_be_bytes());
            data.extend_from_slice(part.as_bytes());
        }
        data.extend_from_slice(&generation.to_be_bytes());
        data
    }

    fn parts(&self) -> [&str; 5] {
        [
            self.environment,
            self.key.tenant.as_str(),
            self.provider.as_str(),
            self.key.connection.as_str(),
            self.purpose.as_str(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_service_is_told_the_place_the_purpose_and_the_format_and_nothing_else() {
        let key = ConnectionKey { tenant: "acme".parse().unwrap(), connection: "conn_1".parse().unwrap() };
        let context = |purpose| {
            let context =
                SealingContext { environment: "test", key: &key, provider: Provider::Xero, purpose };
            context.encryption_context().into_iter().map(|(name, value)| format!("{name}={value}"))
        };

        for (purpose, name) in [(Purpose::Access, "access"), (Purpose::Refresh, "refresh")] {
            let told: Vec<_> = context(purpose).collect();

            assert_eq!(
                told.join(" "),
                format!(
                    "connection=conn_1 environment=test format=1 provider=xero purpose={name} tenant=acme"
                )
            );
        }
    }
}
