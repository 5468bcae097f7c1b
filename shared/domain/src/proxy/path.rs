//! Paths below a company's root.

use thiserror::Error;

/// The longest path in characters, as it comes; the longest of the three providers' own documentation has a hundred.
const MAX_LENGTH: usize = 512;
/// How many segments a path may have; the deepest there are name a file attached to a line of a document.
const MAX_SEGMENTS: usize = 12;

/// A path below a company's root, in segments as the provider is to understand them.
///
/// A segment is made of letters, digits and a few marks that no server takes for anything else. Whoever stands between us
/// and the caller may have undone its encoding or not: it is undone once here, and what holds a `%` after that is refused,
/// so that no further undoing by anybody changes what it says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProxyPath(Vec<String>);

/// Why a path is refused; it is not repeated.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum PathError {
    /// Longer, or with more segments, than any that a provider has.
    #[error("the path has more than {MAX_LENGTH} characters or {MAX_SEGMENTS} segments")]
    TooLong,
    /// There is nothing between two slashes, or before or behind one.
    #[error("the path has an empty segment")]
    Empty,
    /// A segment of dots climbs, and some servers overlook spaces at its end.
    #[error("the path has a segment of dots")]
    Dots,
    /// A character that could mean more than itself.
    #[error("segments of the path may have A-Z a-z 0-9 space and - . _ ~ , : @ + ( ) ' & =")]
    Character,
}

impl ProxyPath {
    /// Reads what stands behind the root, without a slash before it.
    pub fn parse(raw: &str) -> Result<Self, PathError> {
        if raw.len() > MAX_LENGTH || raw.split('/').count() > MAX_SEGMENTS {
            return Err(PathError::TooLong);
        }
        raw.split('/').map(segment).collect::<Result<_, _>>().map(Self)
    }

    /// The segments.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

fn segment(raw: &str) -> Result<String, PathError> {
    let text = decoded(raw).ok_or(PathError::Character)?;
    if text.is_empty() {
        return Err(PathError::Empty);
    }
    if !text.bytes().all(is_plain) {
        return Err(PathError::Character);
    }
    if text.bytes().all(|byte| matches!(byte, b'.' | b' ')) {
        return Err(PathError::Dots);
    }
    Ok(text)
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" -._~,:@+()'&=".contains(&byte)
}

/// A segment with its percent-encoding undone once; none where that is not well-formed, or not ASCII.
fn decoded(raw: &str) -> Option<String> {
    let (mut text, mut bytes) = (String::with_capacity(raw.len()), raw.bytes());
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let mut digit =
                    || char::from(bytes.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                let (high, low) = (digit()?, digit()?);
                high << 4 | low
            }
            byte => byte,
        };
        text.push(byte.is_ascii().then_some(char::from(byte))?);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn segments(raw: &str) -> Result<Vec<String>, PathError> {
        ProxyPath::parse(raw).map(|path| path.0)
    }

    #[test]
    fn paths_that_providers_have_are_taken() {
        for (raw, expected) in [
            ("invoice/123", vec!["invoice", "123"]),
            ("reports/ProfitAndLoss", vec!["reports", "ProfitAndLoss"]),
            (
                "Invoices/0b8f-1/Attachments/my%20file%20(1).pdf",
                vec!["Invoices", "0b8f-1", "Attachments", "my file (1).pdf"],
            ),
            (
                "Invoices/INV-1/Attachments/my file.pdf",
                vec!["Invoices", "INV-1", "Attachments", "my file.pdf"],
            ),
            ("contacts/a@b.example", vec!["contacts", "a@b.example"]),
            ("...a", vec!["...a"]),
        ] {
            assert_eq!(segments(raw).unwrap(), expected, "{raw}");
        }
    }

    #[test]
    fn paths_that_could_mean_more_than_they_say_are_refused() {
        let long = "a".repeat(MAX_LENGTH + 1);
        let deep = ["a"; MAX_SEGMENTS + 1].join("/");
        for (raw, expected) in [
            ("", PathError::Empty),
            ("/", PathError::Empty),
            ("invoice/", PathError::Empty),
            ("/invoice", PathError::Empty),
            ("//evil.example/a", PathError::Empty),
            ("invoice//1", PathError::Empty),
            (".", PathError::Dots),
            ("..", PathError::Dots),
            ("a/../b", PathError::Dots),
            ("a/.. /b", PathError::Dots),
            ("a/...", PathError::Dots),
            ("%2e%2e/b", PathError::Dots),
            ("%2E./b", PathError::Dots),
            ("%252e%252e/b", PathError::Character),
            ("%25252e/b", PathError::Character),
            ("a%2fb", PathError::Character),
            ("a%5cb", PathError::Character),
            ("a\\b", PathError::Character),
            ("a%00", PathError::Character),
            ("a%0d%0aHost:x", PathError::Character),
            ("a%", PathError::Character),
            ("a%2", PathError::Character),
            ("a%+2", PathError::Character),
            ("a%zz", PathError::Character),
            ("a%3fb=c", PathError::Character),
            ("a%23b", PathError::Character),
            ("a;b", PathError::Character),
            ("https://evil.example/", PathError::Empty),
            ("a%c0%ae", PathError::Character),
            ("%ef%bc%8e%ef%bc%8e", PathError::Character),
            ("\u{ff0e}\u{ff0e}/a", PathError::Character),
            (&long, PathError::TooLong),
            (&deep, PathError::TooLong),
        ] {
            assert_eq!(segments(raw), Err(expected), "{raw:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_says_the_same_however_often_it_is_decoded(raw in "[a-z./%2eE5fF\\\\ ]{0,40}") {
            if let Ok(taken) = segments(&raw) {
                for segment in taken {
                    prop_assert_eq!(decoded(&segment), Some(segment.clone()));
                    prop_assert!(!segment.contains(['/', '\\', '%', '?', '#']));
                    prop_assert!(!segment.trim_matches(['.', ' ']).is_empty());
                }
            }
        }
    }
}
