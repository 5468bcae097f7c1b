//! Which scope reading a kind of object takes, at each provider.

use domain::{provider::Provider, sync::Entity};

use crate::settings::QUICKBOOKS_ACCOUNTING_SCOPE;

/// Covers everything of Zoho Books.
const ZOHO_FULL_ACCESS: &str = "ZohoBooks.fullaccess.all";
/// Stands for every operation of a group of Zoho's.
const ZOHO_ALL: &str = "ALL";

/// The scope that reading `entity` takes, where a grant of `granted` lacks it and every one that covers it.
#[must_use]
pub fn missing(provider: Provider, entity: Entity, granted: &[String]) -> Option<&'static str> {
    let (needed, broader) = match provider {
        Provider::QuickBooks => (QUICKBOOKS_ACCOUNTING_SCOPE, &[] as &[&str]),
        Provider::Xero => xero(entity),
        Provider::Zoho => (zoho(entity), &[ZOHO_FULL_ACCESS] as &[&str]),
    };
    let covers = |scope: &String| match provider {
        Provider::QuickBooks => scope == needed,
        Provider::Xero => {
            let is = |form: &str| is_xero(scope, form);
            is(needed) || broader.iter().copied().any(is)
        }
        Provider::Zoho => {
            is_zoho(scope, needed) || broader.iter().any(|form| scope.eq_ignore_ascii_case(form))
        }
    };
    (!granted.iter().any(covers)).then_some(needed)
}

/// The granular scope, and others that cover it too: broad ones work until September 2027 for apps that have them.
fn xero(entity: Entity) -> (&'static str, &'static [&'static str]) {
    match entity {
        Entity::Customers | Entity::Vendors => ("accounting.contacts.read", &[]),
        Entity::Invoices | Entity::Bills | Entity::CreditNotes => {
            ("accounting.invoices.read", &["accounting.transactions.read"])
        }
        Entity::Payments | Entity::BillPayments => {
            ("accounting.payments.read", &["accounting.transactions.read"])
        }
        Entity::Items => {
            ("accounting.settings.read", &["accounting.invoices.read", "accounting.transactions.read"])
        }
        Entity::Accounts => ("accounting.settings.read", &[]),
    }
}

fn zoho(entity: Entity) -> &'static str {
    match entity {
        Entity::Customers | Entity::Vendors => "ZohoBooks.contacts.READ",
        Entity::Invoices => "ZohoBooks.invoices.READ",
        Entity::Bills => "ZohoBooks.bills.READ",
        Entity::Payments => "ZohoBooks.customerpayments.READ",
        Entity::BillPayments => "ZohoBooks.vendorpayments.READ",
        Entity::CreditNotes => "ZohoBooks.creditnotes.READ",
        Entity::Items => "ZohoBooks.settings.READ",
        Entity::Accounts => "ZohoBooks.accountants.READ",
    }
}

/// Whether a scope is this one for reading, or the one for reading and writing.
fn is_xero(scope: &str, read: &str) -> bool {
    scope == read || Some(scope) == read.strip_suffix(".read")
}

/// Whether a scope is this one for reading, or the one for everything of its group; Zoho writes them in several cases.
fn is_zoho(scope: &str, read: &str) -> bool {
    let all = |(group, operation): (&str, &str)| {
        operation.eq_ignore_ascii_case(ZOHO_ALL)
            && read.rsplit_once('.').is_some_and(|(wanted, _)| wanted.eq_ignore_ascii_case(group))
    };
    scope.eq_ignore_ascii_case(read) || scope.rsplit_once('.').is_some_and(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{XERO_SCOPES, ZOHO_SCOPES};

    fn lacks(provider: Provider, granted: &[&str]) -> Vec<&'static str> {
        let granted: Vec<_> = granted.iter().map(|&scope| scope.to_owned()).collect();
        let lacks = |&entity: &Entity| missing(provider, entity, &granted).map(|_| entity.as_str());
        Entity::ALL.iter().filter_map(lacks).collect()
    }

    #[test]
    fn what_is_asked_for_by_default_reads_everything() {
        assert!(lacks(Provider::QuickBooks, &[QUICKBOOKS_ACCOUNTING_SCOPE]).is_empty());
        assert!(lacks(Provider::Xero, XERO_SCOPES).is_empty());
        assert!(lacks(Provider::Zoho, ZOHO_SCOPES).is_empty());
    }

    #[test]
    fn nothing_granted_reads_nothing() {
        for provider in Provider::ALL {
            assert_eq!(lacks(provider, &["openid", "offline_access"]).len(), Entity::ALL.len(), "{provider}");
        }
    }

    #[test]
    fn xeros_broad_and_writing_scopes_cover_the_granular_ones() {
        for broad in ["accounting.transactions", "accounting.transactions.read"] {
            let lacks = lacks(Provider::Xero, &[broad]);
            assert_eq!(lacks, ["customers", "vendors", "accounts"], "{broad}");
        }
        assert_eq!(
            lacks(Provider::Xero, &["accounting.contacts", "accounting.settings", "accounting.invoices"]),
            ["payments", "bill_payments"]
        );
        assert!(!lacks(Provider::Xero, &["accounting.invoices.write"]).is_empty());
    }

    #[test]
    fn zohos_scopes_for_everything_cover_reading_and_those_for_writing_do_not() {
        assert!(lacks(Provider::Zoho, &["ZohoBooks.fullaccess.all"]).is_empty());
        assert!(lacks(Provider::Zoho, &["ZohoBooks.fullaccess.ALL"]).is_empty());
        let all_but_invoices = lacks(Provider::Zoho, &["ZohoBooks.invoices.ALL"]);
        assert!(!all_but_invoices.contains(&"invoices") && all_but_invoices.len() == Entity::ALL.len() - 1);
        assert!(lacks(Provider::Zoho, &["ZohoBooks.invoices.CREATE"]).contains(&"invoices"));
        assert!(lacks(Provider::Zoho, &["ZohoCRM.invoices.ALL"]).contains(&"invoices"));
    }

    #[test]
    fn the_missing_scope_is_named_as_it_would_be_asked_for() {
        assert_eq!(missing(Provider::Xero, Entity::Bills, &[]), Some("accounting.invoices.read"));
        assert_eq!(missing(Provider::Zoho, Entity::Accounts, &[]), Some("ZohoBooks.accountants.READ"));
        assert_eq!(missing(Provider::QuickBooks, Entity::Bills, &[]), Some(QUICKBOOKS_ACCOUNTING_SCOPE));
    }
}
