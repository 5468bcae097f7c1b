//! Values that must never be shown.
//!
//! Each type prints `[redacted]`, is wiped when dropped and does not serialize; [`expose`](AccessToken::expose) is the one
//! way to read it, so that every place where a secret leaves its type can be searched for.

use secrecy::{ExposeSecret as _, SecretString};

macro_rules! secret_text {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(SecretString);

        impl $name {
            /// Takes the secret in.
            #[must_use]
            pub fn new(value: impl Into<String>) -> Self {
                Self(SecretString::from(value.into()))
            }

            /// Shows the secret, for the one place that has to send or hash it.
            #[must_use]
            pub fn expose(&self) -> &str {
                self.0.expose_secret()
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "([redacted])"))
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(Self::new)
            }
        }
    )+};
}

secret_text! {
    /// An OAuth access token (RFC 6749 section 1.4).
    AccessToken;
    /// An OAuth refresh token (RFC 6749 section 1.5).
    RefreshToken;
    /// An authorization code (RFC 6749 section 1.3.1).
    AuthorizationCode;
    /// The `code_verifier` of an authorization request (RFC 7636 section 4.1).
    CodeVerifier;
    /// The client secret of our app at a provider (RFC 6749 section 2.3.1).
    ClientSecret;
    /// The key that a provider signs its webhooks with; its UTF-8 bytes are the HMAC key.
    WebhookSecret;
    /// A one-time value handed to a browser: a connect link's code, a `state`, the value of the binding cookie.
    OneTimeValue;
    /// An API key as its owner holds it.
    ApiKeyText;
    /// The secret from which another system derived the keys of its tokens.
    MasterSecret;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_redacted_even_inside_other_types() {
        let shown = format!("{:?}", Some(AccessToken::new("eyJhbGciOi")));

        assert_eq!(shown, "Some(AccessToken([redacted]))");
    }
}
