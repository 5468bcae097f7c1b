//! The provider's callback as a forger changes it, and what came of its code.

use url::Url;

use super::{Answer, Simulator};

/// The value of a parameter of an address.
pub(crate) fn parameter(url: &Url, name: &str) -> String {
    let found = url.query_pairs().find(|(key, _)| key == name);
    found.unwrap_or_else(|| panic!("no {name}: {url}")).1.into_owned()
}

/// The address with one parameter replaced, or taken out.
pub(crate) fn with(url: &Url, name: &str, value: Option<&str>) -> String {
    let mut pairs: Vec<_> = url.query_pairs().into_owned().filter(|(key, _)| key != name).collect();
    pairs.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    let mut changed = url.clone();
    changed.query_pairs_mut().clear().extend_pairs(pairs);
    changed.into()
}

impl Simulator {
    /// The fingerprint of the code of a callback.
    pub(crate) async fn code_of(&self, callback: &Url) -> String {
        self.fingerprint_of(&parameter(callback, "code")).await
    }

    /// How often the code of a callback was brought to the provider, or to anybody else here.
    pub(crate) async fn redeemed(&self, callback: &Url) -> usize {
        let fingerprint = self.code_of(callback).await;
        self.calls(&[("tokenFingerprint", &fingerprint)]).await.len()
    }
}

impl Answer {
    /// Asserts the headers that keep what an address holds from everybody else.
    pub(crate) fn expect_guarded(&self) {
        assert_eq!(self.header("cache-control"), "no-store");
        assert_eq!(self.header("referrer-policy"), "no-referrer");
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        assert!(self.header("strict-transport-security").contains("max-age="));
        let policy = self.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
    }
}
