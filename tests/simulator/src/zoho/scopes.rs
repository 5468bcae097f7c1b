//! Scopes of the Books API, and what each one opens.

/// The scope that opens everything.
const FULL_ACCESS: &str = "ZohoBooks.fullaccess.all";

const MODULES: &[&str] = &[
    "contacts",
    "settings",
    "estimates",
    "invoices",
    "customerpayments",
    "creditnotes",
    "projects",
    "expenses",
    "salesorders",
    "purchaseorders",
    "bills",
    "debitnotes",
    "vendorpayments",
    "banking",
    "accountants",
];

const OPERATIONS: &[&str] = &["CREATE", "READ", "UPDATE", "DELETE", "ALL"];

/// Splits the comma-separated scopes of a request; `None` if there is none or one is unknown.
pub(crate) fn parse(text: &str) -> Option<Vec<String>> {
    let scopes: Vec<String> = text.split(',').map(|scope| scope.trim().to_owned()).collect();
    scopes.iter().all(|scope| is_known(scope)).then_some(scopes)
}

/// Tells whether granted scopes allow an operation (`READ`, …) on a module.
pub(crate) fn allow(granted: &[String], module: &str, operation: &str) -> bool {
    granted.iter().any(|scope| {
        scope == FULL_ACCESS
            || split(scope)
                .is_some_and(|(of, allowed)| of == module && (allowed == operation || allowed == "ALL"))
    })
}

fn is_known(scope: &str) -> bool {
    let of_module =
        |(module, operation): (&str, &str)| MODULES.contains(&module) && OPERATIONS.contains(&operation);
    scope == FULL_ACCESS || split(scope).is_some_and(of_module)
}

fn split(scope: &str) -> Option<(&str, &str)> {
    scope.strip_prefix("ZohoBooks.")?.split_once('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_separated_by_commas_and_must_be_known() {
        assert_eq!(parse("ZohoBooks.invoices.READ,ZohoBooks.settings.ALL").unwrap().len(), 2);
        for unknown in ["", "ZohoBooks.invoices.READ ZohoBooks.bills.READ", "ZohoBooks.invoices", "profile"] {
            assert!(parse(unknown).is_none(), "{unknown}");
        }
    }

    #[test]
    fn all_covers_every_operation_of_its_module_only() {
        let granted = parse("ZohoBooks.invoices.ALL,ZohoBooks.bills.READ").unwrap();

        assert!(allow(&granted, "invoices", "DELETE"));
        assert!(allow(&granted, "bills", "READ"));
        assert!(!allow(&granted, "bills", "UPDATE"));
        assert!(!allow(&granted, "contacts", "READ"));
        assert!(allow(&parse(FULL_ACCESS).unwrap(), "contacts", "CREATE"));
    }
}
