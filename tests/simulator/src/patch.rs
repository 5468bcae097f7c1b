//! Changes some members of a value that is kept as a whole, such as a provider's settings.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Returns the value with the given members replaced.
pub(crate) fn patched<T: DeserializeOwned + Serialize>(
    value: &T,
    patch: Value,
) -> Result<T, serde_json::Error> {
    let mut whole = serde_json::to_value(value)?;
    if let (Some(members), Value::Object(patch)) = (whole.as_object_mut(), patch) {
        members.extend(patch);
    }
    serde_json::from_value(whole)
}
