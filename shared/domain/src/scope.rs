//! OAuth scopes (RFC 6749 section 3.3): what was asked for, and what was granted.

/// The reason of a connection whose customer granted less than was asked for.
pub const INSUFFICIENT: &str = "insufficient_scope";

/// Scopes that open no books: they tell who consents or ask for a refresh token, and providers leave them out of what they
/// repeat.
const NOT_ABOUT_BOOKS: [&str; 6] = ["openid", "profile", "email", "address", "phone", "offline_access"];

/// What was asked for and not granted, as far as it is about books.
#[must_use]
pub fn missing<'a>(asked: &'a [String], granted: &[String]) -> Vec<&'a str> {
    let asked = asked.iter().map(String::as_str).filter(|scope| !NOT_ABOUT_BOOKS.contains(scope));
    asked.filter(|scope| !granted.iter().any(|granted| granted == scope)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_scope_that_was_asked_for_and_not_granted_is_missing() {
        let asked = scopes("openid offline_access accounting.invoices.read accounting.contacts.read");

        assert_eq!(missing(&asked, &scopes("accounting.contacts.read")), ["accounting.invoices.read"]);
        assert!(
            missing(&asked, &scopes("accounting.contacts.read accounting.invoices.read extra")).is_empty()
        );
    }
}
