//! What an app may ask for, and which scope opens which part of the API.

/// Scopes about the person and the token itself; they hold for one authorization only.
const IDENTITY: &[&str] = &["openid", "profile", "email", "offline_access"];

/// Scopes of whole areas, which apps created since March 2026 may not ask for.
const BROAD: &[&str] =
    &["accounting.transactions", "accounting.transactions.read", "accounting.reports.read"];

/// Scopes that also exist with `.read` at the end.
const WRITABLE: &[&str] = &[
    "accounting.attachments",
    "accounting.banktransactions",
    "accounting.contacts",
    "accounting.invoices",
    "accounting.manualjournals",
    "accounting.payments",
    "accounting.settings",
];

const READ_ONLY: &[&str] = &[
    "accounting.budgets.read",
    "accounting.journals.read",
    "accounting.reports.aged.read",
    "accounting.reports.balancesheet.read",
    "accounting.reports.banksummary.read",
    "accounting.reports.budgetsummary.read",
    "accounting.reports.executivesummary.read",
    "accounting.reports.profitandloss.read",
    "accounting.reports.taxreports.read",
    "accounting.reports.tenninetynine.read",
    "accounting.reports.trialbalance.read",
];

/// Parts of the API that the broad scope for transactions opens too.
const TRANSACTIONS: &[&str] = &[
    "accounting.banktransactions",
    "accounting.invoices",
    "accounting.manualjournals",
    "accounting.payments",
];

/// Tells whether an app may ask for a scope.
pub(crate) fn is_allowed(scope: &str, granular_only: bool) -> bool {
    IDENTITY.contains(&scope)
        || READ_ONLY.contains(&scope)
        || WRITABLE.contains(&scope.strip_suffix(".read").unwrap_or(scope))
        || (BROAD.contains(&scope) && !granular_only)
}

/// Tells whether a scope is about an organization's data: it stays granted until the app is disconnected.
pub(crate) fn is_about_data(scope: &str) -> bool {
    !IDENTITY.contains(&scope)
}

/// Tells whether one of the granted scopes opens an area, for reading or also for writing.
pub(crate) fn opens(granted: &[String], area: &str, writes: bool) -> bool {
    granted.iter().any(|scope| {
        let (name, reads_only) = match scope.strip_suffix(".read") {
            Some(name) => (name, true),
            None => (scope.as_str(), false),
        };
        let covers = name == area || (name == "accounting.transactions" && TRANSACTIONS.contains(&area));
        covers && !(writes && reads_only)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broad_scopes_are_only_for_old_apps() {
        for (scope, to_new, to_old) in [
            ("offline_access", true, true),
            ("accounting.invoices", true, true),
            ("accounting.invoices.read", true, true),
            ("accounting.reports.aged.read", true, true),
            ("accounting.reports.aged", false, false),
            ("accounting.transactions", false, true),
            ("accounting.reports.read", false, true),
            ("accounting.everything", false, false),
        ] {
            assert_eq!((is_allowed(scope, true), is_allowed(scope, false)), (to_new, to_old), "{scope}");
        }
    }

    #[test]
    fn a_reading_scope_does_not_open_writes() {
        let granted = vec!["accounting.invoices.read".to_owned(), "accounting.contacts".to_owned()];

        assert!(opens(&granted, "accounting.invoices", false));
        assert!(!opens(&granted, "accounting.invoices", true));
        assert!(opens(&granted, "accounting.contacts", true));
        assert!(opens(&["accounting.transactions".to_owned()], "accounting.payments", true));
    }
}
