//! The numbered catalogue of everything that can go wrong at the HTTP edge.

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal, $status:literal;)+) => {
        /// A failure that a caller can act on; its number and name never change meaning.
        ///
        /// Families: 1xxx authentication, 2xxx rate limits, 3xxx circuit breaker, 4xxx validation and tenancy, 5xxx provider,
        /// 6xxx webhooks, 7xxx storage and encryption.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        #[repr(u16)]
        pub enum ErrorCode {
            $($(#[$doc])* $variant = $number,)+
        }

        impl ErrorCode {
            /// Every code, by number.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in answers, for example `AUTH_TOKEN_EXPIRED`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub fn http_status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }

            /// The number in answers.
            #[must_use]
            pub fn number(self) -> u16 {
                self as u16
            }
        }
    };
}

error_codes! {
    /// The access token has ended and could not be renewed in time.
    AuthTokenExpired = 1001, "AUTH_TOKEN_EXPIRED", 401;
    /// The provider does not accept the access token.
    AuthTokenInvalid = 1002, "AUTH_TOKEN_INVALID", 401;
    /// The authorization at the provider did not succeed; a callback always fails in 4xx.
    AuthOauthFailed = 1003, "AUTH_OAUTH_FAILED", 400;
    /// The refresh token is dead: the customer must connect again.
    AuthRefreshTokenExpired = 1004, "AUTH_REFRESH_TOKEN_EXPIRED", 409;
    /// The API key is missing, malformed, unknown, expired or revoked.
    AuthApiKeyInvalid = 1005, "AUTH_API_KEY_INVALID", 401;
    /// The API key lacks the scope that the route needs.
    AuthScopeMissing = 1006, "AUTH_SCOPE_MISSING", 403;
    /// The `state` of a callback is missing, unknown, used, expired or not of this browser or provider.
    AuthStateInvalid = 1007, "AUTH_STATE_INVALID", 400;
    /// The connect link has expired or was used.
    AuthSessionExpired = 1008, "AUTH_SESSION_EXPIRED", 410;
    /// The person said no at the provider's consent page.
    AuthAccessDenied = 1009, "AUTH_ACCESS_DENIED", 400;
    /// The grant lacks a scope that this takes: the customer must connect again and allow it.
    AuthProviderScopeMissing = 1010, "AUTH_PROVIDER_SCOPE_MISSING", 403;
    /// The callback was opened before: its first opening counts.
    AuthStateUsed = 1011, "AUTH_STATE_USED", 409;
    /// Too many requests.
    RateLimitExceeded = 2001, "RATE_LIMIT_EXCEEDED", 429;
    /// The provider is failing, so no request is sent to it for a while.
    CircuitOpen = 3001, "CIRCUIT_OPEN", 503;
    /// A field of the request is missing or wrong.
    ValidationFailed = 4001, "VALIDATION_FAILED", 400;
    /// There is no such tenant.
    TenantNotFound = 4002, "TENANT_NOT_FOUND", 404;
    /// There is no such connection.
    ConnectionNotFound = 4003, "CONNECTION_NOT_FOUND", 404;
    /// There is nothing at this address.
    ValidationNotFound = 4004, "VALIDATION_NOT_FOUND", 404;
    /// The address does not take this method.
    ValidationMethodNotAllowed = 4005, "VALIDATION_METHOD_NOT_ALLOWED", 405;
    /// The tenant has several connections to the provider: name one.
    ConnectionAmbiguous = 4006, "CONNECTION_AMBIGUOUS", 409;
    /// The tenant's id is taken.
    TenantExists = 4007, "TENANT_EXISTS", 409;
    /// The company is connected to another tenant.
    CompanyConnectedElsewhere = 4008, "COMPANY_CONNECTED_ELSEWHERE", 409;
    /// The provider is not known or not configured.
    ProviderUnknown = 4009, "PROVIDER_UNKNOWN", 404;
    /// Another company was chosen than the one that was to be connected again.
    CompanyDifferent = 4010, "COMPANY_DIFFERENT", 409;
    /// The grant is for no company, or for more than one connection can have.
    CompanyNotChosen = 4011, "COMPANY_NOT_CHOSEN", 400;
    /// The connection is in a state in which this cannot be done.
    ConnectionStateConflict = 4012, "CONNECTION_STATE_CONFLICT", 409;
    /// The body is larger than the route takes.
    ValidationBodyTooLarge = 4013, "VALIDATION_BODY_TOO_LARGE", 413;
    /// The body is not of a type that the route takes.
    ValidationMediaType = 4015, "VALIDATION_MEDIA_TYPE", 415;
    /// The provider answered with a failure.
    ProviderApiError = 5001, "PROVIDER_API_ERROR", 502;
    /// The provider does not accept our app's credentials.
    ProviderAuthError = 5002, "PROVIDER_AUTH_ERROR", 502;
    /// The provider throttles.
    ProviderRateLimit = 5003, "PROVIDER_RATE_LIMIT", 503;
    /// The provider did not answer: whether it did what was asked for is not known.
    ProviderOutcomeUnknown = 5004, "PROVIDER_OUTCOME_UNKNOWN", 504;
    /// The provider's answer is larger than can be passed on.
    ProviderAnswerTooLarge = 5005, "PROVIDER_ANSWER_TOO_LARGE", 502;
    /// The webhook's signature is missing or wrong.
    WebhookSignatureInvalid = 6001, "WEBHOOK_SIGNATURE_INVALID", 401;
    /// There is no secret to verify the provider's webhooks with, or none that is recent enough.
    WebhookSecretUnavailable = 6002, "WEBHOOK_SECRET_UNAVAILABLE", 503;
    /// The address has the form of a company's and is none that was given out.
    WebhookAddressUnknown = 6003, "WEBHOOK_ADDRESS_UNKNOWN", 404;
    /// A store or queue did not answer.
    StorageUnavailable = 7001, "STORAGE_UNAVAILABLE", 503;
    /// A sealed value could not be opened in its place.
    SealOpenFailed = 7002, "SEAL_OPEN_FAILED", 500;
    /// Something failed that has no better name; the log has the causes.
    InternalError = 7003, "INTERNAL_ERROR", 500;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_names_and_statuses_never_change_unseen() {
        let table: Vec<_> = ErrorCode::ALL
            .iter()
            .map(|code| format!("{} {} {}", code.number(), code.http_status(), code.name()))
            .collect();

        insta::assert_snapshot!(table.join("\n"));
    }
}
