//! Records: synced objects of the books.

use std::{cmp::Ordering, fmt, str::FromStr};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use crate::id::{CompanyId, RecordId, TenantId};

macro_rules! entities {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)+) => {
        /// A kind of object, by the lower-case plural used in routes, tables and messages.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Entity {
            $($(#[$doc])* $variant,)+
        }

        impl Entity {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in routes, tables and messages.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }

        impl PartialSchema for Entity {
            fn schema() -> RefOr<Schema> {
                let text = ObjectBuilder::new().schema_type(Type::String);
                text.enum_values(Some([$($name),+])).description(Some("A kind of object.")).into()
            }
        }

        impl ToSchema for Entity {}
    };
}

entities! {
    /// Customers.
    Customers = "customers";
    /// Vendors.
    Vendors = "vendors";
    /// Sales invoices.
    Invoices = "invoices";
    /// Bills.
    Bills = "bills";
    /// Payments of customers.
    Payments = "payments";
    /// Payments to vendors.
    BillPayments = "bill_payments";
    /// Credit notes.
    CreditNotes = "credit_notes";
    /// Products and services.
    Items = "items";
    /// The chart of accounts.
    Accounts = "accounts";
}

/// A name that is no entity's.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("there is no such entity")]
pub struct UnknownEntity;

impl FromStr for Entity {
    type Err = UnknownEntity;

    fn from_str(text: &str) -> Result<Self, UnknownEntity> {
        Self::ALL.iter().copied().find(|entity| entity.as_str() == text).ok_or(UnknownEntity)
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for Entity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for Entity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Whose books a record is of.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RecordPlace {
    /// The tenant.
    pub tenant: TenantId,
    /// The company.
    pub company: CompanyId,
}

/// Eight bytes of a hash that stand for a text; two that meet in one are too rare to reckon with.
#[must_use]
pub fn digest(text: &str) -> u64 {
    Sha256::digest(text).iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// One synced object of the books: a small common envelope around the provider's own JSON.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// Its kind.
    pub entity: Entity,
    /// The provider's id.
    pub id: RecordId,
    /// When the provider last changed it; for a deletion, when it was deleted.
    pub updated_at: Timestamp,
    /// The provider's version, which rises with each change where the provider has one; 0 otherwise.
    pub version: u64,
    /// Whether it was deleted at the provider.
    pub deleted: bool,
    /// The number that people know it by.
    pub document_number: Option<String>,
    /// The total as a decimal text, never a float.
    pub total: Option<String>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// The customer or vendor, by name.
    pub counterparty: Option<String>,
    /// The provider's own word for its status.
    pub status: Option<String>,
    /// The provider's JSON as it came.
    pub raw: String,
    /// A digest of the JSON, where the provider's time of change does not tell of every change: of two with the same time
    /// and version that both have one, and not the same, the later read is newer.
    pub digest: Option<u64>,
}

impl Record {
    /// Whether it is to take the place of one that is stored.
    #[must_use]
    pub fn is_newer_than(&self, stored: &Self) -> bool {
        match (self.updated_at, self.version).cmp(&(stored.updated_at, stored.version)) {
            Ordering::Greater => true,
            Ordering::Equal => self.digest.zip(stored.digest).is_some_and(|(mine, theirs)| mine != theirs),
            Ordering::Less => false,
        }
    }
}
