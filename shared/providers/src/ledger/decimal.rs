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

    /// An amount of hundred-thousandths as it is written without an exponent.
    fn plain(units: i64) -> String {
        let (sign, units) = (if units < 0 { "-" } else { "" }, units.unsigned_abs());
        let text = format!("{sign}{}.{:05}", units / 100_000, units % 100_000);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    proptest::proptest! {
        #[test]
        fn an_amount_is_the_same_whatever_its_exponent(units: i64, exponent in 0_usize..25, capital: bool) {
            let e = if capital { "E" } else { "e" };
            let digits = units.unsigned_abs().to_string();
            let sign = if units < 0 { "-" } else { "" };
            // As many digits behind the point as the exponent takes back.
            let padded = format!("{digits:0>width$}", width = exponent + 1);
            let (whole, fraction) = padded.split_at(padded.len() - exponent);
            let point = if fraction.is_empty() { "" } else { "." };
            let whole = whole.trim_start_matches('0');
            let whole = if whole.is_empty() { "0" } else { whole };

            let up = decimal(&format!("{sign}{whole}{point}{fraction}{e}+{exponent}"));
            let down = decimal(&format!("{sign}{digits}{e}-5"));

            proptest::prop_assert_eq!(up, Some(format!("{sign}{digits}")));
            let down = down.map(|down| if down.contains('.') {
                down.trim_end_matches('0').trim_end_matches('.').to_owned()
            } else { down });
            proptest::prop_assert_eq!(down, Some(plain(units)));
        }

        #[test]
        fn no_number_of_json_makes_it_panic_and_none_becomes_another(text in "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?") {
            if let Some(amount) = decimal(&text) {
                let same = amount.parse::<f64>() == text.parse::<f64>();
                proptest::prop_assert!(same, "{text} became {amount}");
                proptest::prop_assert!(!amount.contains(['e', 'E']));
            }
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
