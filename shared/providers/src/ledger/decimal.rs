//! Amounts: decimal text as the provider wrote it, never a float.

/// The most zeros that an exponent may stand for: no amount has more places, and none is longer than a line.
const EXPONENT_MAX: usize = 30;

/// The longest number that can be an amount.
const LENGTH_MAX: usize = 64;

/// The plain decimal text of a JSON number; none where it is no number, or one whose exponent no amount has.
///
/// An exponent is written out, since Java's `BigDecimal`, in which Intuit counts, prints `1E+2` for a hundred.
pub(crate) fn decimal(json: &str) -> Option<String> {
    if json.len() > LENGTH_MAX || !json.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return None;
    }
    let Some((mantissa, exponent)) = json.split_once(['e', 'E']) else {
        return Some(json.to_owned());
    };
    let (sign, digits) = mantissa.strip_prefix('-').map_or(("", mantissa), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let exponent: i32 = exponent.parse().ok()?;
    let places = usize::try_from(exponent.unsigned_abs()).ok().filter(|&places| places <= EXPONENT_MAX)?;
    let zeros = "0".repeat(places);
    let (whole, fraction) = if exponent >= 0 {
        let all = format!("{fraction}{zeros}");
        // The point moves right over as many digits as the exponent says.
        let (moved, rest) = all.split_at_checked(places)?;
        (format!("{whole}{moved}"), rest.trim_end_matches('0').to_owned())
    } else {
        let all = format!("{zeros}{whole}");
        let (rest, moved) = all.split_at_checked(all.len().checked_sub(places)?)?;
        (rest.to_owned(), format!("{moved}{fraction}"))
    };
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let point = if fraction.is_empty() { "" } else { "." };
    Some(format!("{sign}{whole}{point}{fraction}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_kept_to_the_letter() {
        for json in ["362.07", "0", "-0.10", "100.00", "12345678901234567890.123456789", "0.1"] {
            assert_eq!(decimal(json).as_deref(), Some(json));
        }
    }

    #[test]
    fn an_exponent_is_written_out() {
        for (json, text) in [
            ("1E+2", "100"),
            ("1.5e3", "1500"),
            ("-1.2345E2", "-123.45"),
            ("25e-2", "0.25"),
            ("-1.5E-3", "-0.0015"),
            ("1e0", "1"),
            ("0E+2", "0"),
        ] {
            assert_eq!(decimal(json).as_deref(), Some(text), "{json}");
        }
    }

    #[test]
    fn what_is_no_amount_is_none() {
        for json in [
            "\"362.07\"",
            "null",
            "true",
            "{}",
            "[]",
            "1e999999999",
            "1e-31",
            "1e99999999999999999999",
            "",
            &"9".repeat(65),
        ] {
            assert_eq!(decimal(json), None, "{json}");
        }
    }
}
