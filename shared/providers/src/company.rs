//! The names of companies, as they are kept.

/// Longest name that is kept, in characters; Intuit allows 1,024, a person reads a line.
pub(crate) const NAME_MAX: usize = 200;

/// A name as a person reads it; none where nothing is left of it.
pub(crate) fn name(text: Option<&str>) -> Option<String> {
    let visible = text?.trim().chars().filter(|char| !char.is_control());
    let name: String = visible.take(NAME_MAX).collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_name_is_cut_between_characters() {
        assert_eq!(name(Some(&"ü".repeat(500))), Some("ü".repeat(NAME_MAX)));
    }

    #[test]
    fn a_name_that_shows_nothing_is_none() {
        assert_eq!([None, Some(""), Some("  "), Some("\u{7}\n")].map(name), [const { None }; 4]);
        assert_eq!(name(Some(" Acme\r\nCorp ")), Some("AcmeCorp".to_owned()));
    }
}
