//! The providers of books.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

/// A provider of books, by the name used in routes, tables, events and logs.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// QuickBooks Online, by Intuit.
    QuickBooks,
    /// Xero.
    Xero,
    /// Zoho Books.
    Zoho,
}

/// A name that is none of the providers'.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("provider must be one of quickbooks, xero, zoho")]
pub struct UnknownProvider;

impl Provider {
    /// Every provider.
    pub const ALL: [Self; 3] = [Self::QuickBooks, Self::Xero, Self::Zoho];

    /// The name used in routes, tables, events and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::QuickBooks => "quickbooks",
            Self::Xero => "xero",
            Self::Zoho => "zoho",
        }
    }

    /// The name that a person knows it by.
    #[must_use]
    pub fn display_name(self) -> &'static str {
        match self {
            Self::QuickBooks => "QuickBooks Online",
            Self::Xero => "Xero",
            Self::Zoho => "Zoho Books",
        }
    }
}

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(text: &str) -> Result<Self, UnknownProvider> {
        Self::ALL.into_iter().find(|provider| provider.as_str() == text).ok_or(UnknownProvider)
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
