//! Amounts and names in every spelling that JSON has for them, for tests that nothing of them is lost.

use proptest::{prelude::*, strategy::Strategy};

/// An amount as JSON, and its plain decimal text.
pub(crate) fn amount() -> impl Strategy<Value = (String, String)> {
    let plain = "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,8})?".prop_map(|text| (text.clone(), text));
    let large = ("-?[1-9][0-9]{0,9}", "[eE]\\+?", 0_usize..20).prop_map(|(digits, e, zeros)| {
        (format!("{digits}{e}{zeros}"), format!("{digits}{}", "0".repeat(zeros)))
    });
    let small = ("-?0", "[eE]-", "[1-9][0-9]{0,9}").prop_map(|(zero, e, digits)| {
        (format!("{}{digits}{e}{}", zero.trim_end_matches('0'), digits.len()), format!("{zero}.{digits}"))
    });
    prop_oneof![plain, large, small]
}

/// A name as JSON, perhaps with every character escaped, and as it reads.
pub(crate) fn name() -> impl Strategy<Value = (String, String)> {
    ("\\PC{1,30}", any::<bool>()).prop_map(|(name, escaped)| {
        let written = |unit: u16| format!("\\u{unit:04x}");
        let json = if escaped {
            format!("\"{}\"", name.encode_utf16().map(written).collect::<String>())
        } else {
            serde_json::to_string(&name).unwrap_or_default()
        };
        (json, name)
    })
}
