//! The numbered catalogue of everything that can go wrong at the HTTP edge.

macro_rules! error_codes {
    ($($(#[doc = $meaning:literal])+ $variant:ident = $number:literal, $name:literal, $status:literal, $remedy:literal;)+) => {
        /// A failure that a caller can act on; its number and name never change meaning.
        ///
        /// Families: 1xxx authentication, 2xxx rate limits, 3xxx circuit breaker, 4xxx validation and tenancy, 5xxx provider,
        /// 6xxx webhooks, 7xxx storage and encryption.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        #[repr(u16)]
        pub enum ErrorCode {
            $($(#[doc = $meaning])+ $variant = $number,)+
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

            /// What it means.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($meaning),+).trim_ascii(),)+ }
            }

            /// What whoever meets it can do.
            #[must_use]
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)+ }
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
    AuthTokenExpired = 1001, "AUTH_TOKEN_EXPIRED", 401,
        "Try again in a minute; if it stays, look at the connection's `explain`.";
    /// The provider does not accept the access token.
    AuthTokenInvalid = 1002, "AUTH_TOKEN_INVALID", 401,
        "Try again, which renews the token; if it stays, the customer must connect again.";
    /// The authorization at the provider did not succeed; a callback always fails in 4xx.
    AuthOauthFailed = 1003, "AUTH_OAUTH_FAILED", 400,
        "Start again with a new connect link; the message says what the provider refused.";
    /// The refresh token is dead: the customer must connect again.
    AuthRefreshTokenExpired = 1004, "AUTH_REFRESH_TOKEN_EXPIRED", 409,
        "Make a connect link with this `connectionId` and have the customer connect again; nothing that was synced is lost.";
    /// The API key is missing, malformed, unknown, expired or revoked.
    AuthApiKeyInvalid = 1005, "AUTH_API_KEY_INVALID", 401,
        "Send a valid key in the header `X-API-Key`; make a new one if this one has expired or was revoked.";
    /// The API key lacks the scope that the route needs.
    AuthScopeMissing = 1006, "AUTH_SCOPE_MISSING", 403,
        "Use a key that has the scope named in `details.scope`.";
    /// The `state` of a callback is missing, unknown, used, expired or not of this browser or provider.
    AuthStateInvalid = 1007, "AUTH_STATE_INVALID", 400,
        "Start again with a new connect link, in one browser.";
    /// The connect link has expired or was used.
    AuthSessionExpired = 1008, "AUTH_SESSION_EXPIRED", 410,
        "Make a new connect link; each works once, for 15 minutes.";
    /// The person said no at the provider's consent page.
    AuthAccessDenied = 1009, "AUTH_ACCESS_DENIED", 400,
        "Nothing is wrong; offer the link again when the person wants to connect.";
    /// The grant lacks a scope that this takes: the customer must connect again and allow it.
    AuthProviderScopeMissing = 1010, "AUTH_PROVIDER_SCOPE_MISSING", 403,
        "Make a connect link with this `connectionId` and have the customer allow what is asked for.";
    /// The callback was opened before: its first opening counts.
    AuthStateUsed = 1011, "AUTH_STATE_USED", 409,
        "Nothing; look at the connection that the first opening made.";
    /// The key may not give more than it has: another tenant, no tenant, or a scope that it lacks.
    AuthScopeExceeded = 1012, "AUTH_SCOPE_EXCEEDED", 403,
        "Ask for some of the key's own scopes and for its own tenant, or use a key that has more.";
    /// Too many requests.
    RateLimitExceeded = 2001, "RATE_LIMIT_EXCEEDED", 429,
        "Wait for as many seconds as `Retry-After` says, and send fewer requests at once.";
    /// The tenant has used up what its plan allows; `details` has the numbers.
    QuotaExceeded = 2002, "QUOTA_EXCEEDED", 429,
        "Wait until `details.resetsAt`, or raise the tenant's limit.";
    /// Too many requests from this address failed to authenticate.
    AuthAttemptsExceeded = 2003, "AUTH_ATTEMPTS_EXCEEDED", 429,
        "Stop sending keys that are refused, and wait for as many seconds as `Retry-After` says.";
    /// The provider is failing, so no request is sent to it for a while.
    CircuitOpen = 3001, "CIRCUIT_OPEN", 503,
        "Wait for as long as `Retry-After` says; the provider is tried again by itself.";
    /// A field of the request is missing or wrong.
    ValidationFailed = 4001, "VALIDATION_FAILED", 400,
        "Correct the field named in `details.field`; the same request fails again.";
    /// There is no such tenant.
    TenantNotFound = 4002, "TENANT_NOT_FOUND", 404,
        "Check `tenantId`; a key that is bound to a tenant sees no other.";
    /// There is no such connection.
    ConnectionNotFound = 4003, "CONNECTION_NOT_FOUND", 404,
        "Check the id; right after connecting, name `tenantId` too.";
    /// There is nothing at this address.
    ValidationNotFound = 4004, "VALIDATION_NOT_FOUND", 404,
        "Check the address and the id in it.";
    /// The address does not take this method.
    ValidationMethodNotAllowed = 4005, "VALIDATION_METHOD_NOT_ALLOWED", 405,
        "Use one of the methods in the header `Allow`.";
    /// The tenant has several connections to the provider: name one.
    ConnectionAmbiguous = 4006, "CONNECTION_AMBIGUOUS", 409,
        "Name one of the ids listed in `details`.";
    /// The tenant's id is taken.
    TenantExists = 4007, "TENANT_EXISTS", 409,
        "Choose another `tenantId`, or use the tenant that is there.";
    /// The company is connected to another tenant.
    CompanyConnectedElsewhere = 4008, "COMPANY_CONNECTED_ELSEWHERE", 409,
        "Disconnect the company from the other tenant first, or allow sharing for the deployment.";
    /// The provider is not known or not configured.
    ProviderUnknown = 4009, "PROVIDER_UNKNOWN", 404,
        "Use one of the providers listed in `details.providers`.";
    /// Another company was chosen than the one that was to be connected again.
    CompanyDifferent = 4010, "COMPANY_DIFFERENT", 409,
        "Choose the company that was connected, or make a link without `connectionId`.";
    /// The grant is for no company, or for more than one connection can have.
    CompanyNotChosen = 4011, "COMPANY_NOT_CHOSEN", 400,
        "Start again and choose a company at the provider.";
    /// The connection is in a state in which this cannot be done.
    ConnectionStateConflict = 4012, "CONNECTION_STATE_CONFLICT", 409,
        "Look at `details.state`; a pending connection is confirmed, an ended one connected again.";
    /// The body is larger than the route takes.
    ValidationBodyTooLarge = 4013, "VALIDATION_BODY_TOO_LARGE", 413,
        "Send a smaller body; the message names the limit.";
    /// The body is not of a type that the route takes.
    ValidationMediaType = 4015, "VALIDATION_MEDIA_TYPE", 415,
        "Send the body as `application/json`.";
    /// The tenant is suspended: its tokens are kept alive, and nothing else is done for it.
    TenantSuspended = 4016, "TENANT_SUSPENDED", 403,
        "Make the tenant active again with `PATCH /api/tenants/{tenantId}`.";
    /// The tenant is being deleted.
    TenantDeleting = 4017, "TENANT_DELETING", 409,
        "Wait until it is gone; its id is free again then.";
    /// There is no such API key.
    KeyNotFound = 4018, "KEY_NOT_FOUND", 404,
        "Check the id: it is the part of the key behind its environment.";
    /// There is no such user.
    UserNotFound = 4019, "USER_NOT_FOUND", 404,
        "Check the id, and add the user first.";
    /// Somebody else changed the same thing at the same time.
    ChangedMeanwhile = 4020, "CHANGED_MEANWHILE", 409,
        "Read it again, and repeat the change if it is still wanted.";
    /// A legacy row could not be opened: its key, salt or parameters are others, or it was changed.
    ImportUnreadable = 4021, "IMPORT_UNREADABLE", 400,
        "Check the legacy key and format; nothing was stored for this row.";
    /// The API key has ended: it was revoked, replaced or has expired.
    KeyEnded = 4022, "KEY_ENDED", 409,
        "Make a new key with `POST /api/keys`.";
    /// The `Idempotency-Key` was sent before with another request.
    IdempotencyKeyReused = 4023, "IDEMPOTENCY_KEY_REUSED", 409,
        "Make a new key for each new request; only the same request may be sent again with the same key.";
    /// The provider answered with a failure.
    ProviderApiError = 5001, "PROVIDER_API_ERROR", 502,
        "Try again later; look at the provider's status page if it stays.";
    /// The provider does not accept our app's credentials.
    ProviderAuthError = 5002, "PROVIDER_AUTH_ERROR", 502,
        "Check the provider's client id and secret in the deployment's secret.";
    /// The provider throttles.
    ProviderRateLimit = 5003, "PROVIDER_RATE_LIMIT", 503,
        "Wait for as long as `Retry-After` says.";
    /// The provider did not answer: whether it did what was asked for is not known.
    ProviderOutcomeUnknown = 5004, "PROVIDER_OUTCOME_UNKNOWN", 504,
        "Find out whether it was done before sending it again, or send it again with the same `Idempotency-Key`.";
    /// The provider's answer is larger than can be passed on.
    ProviderAnswerTooLarge = 5005, "PROVIDER_ANSWER_TOO_LARGE", 502,
        "Ask the provider for less at once: a smaller page, or fewer objects.";
    /// The webhook's signature is missing or wrong.
    WebhookSignatureInvalid = 6001, "WEBHOOK_SIGNATURE_INVALID", 401,
        "Check the provider's webhook secret in the deployment's secret.";
    /// There is no secret to verify the provider's webhooks with, or none that is recent enough.
    WebhookSecretUnavailable = 6002, "WEBHOOK_SECRET_UNAVAILABLE", 503,
        "Put the provider's webhook secret into the deployment's secret.";
    /// The address has the form of a company's and is none that was given out.
    WebhookAddressUnknown = 6003, "WEBHOOK_ADDRESS_UNKNOWN", 404,
        "Use the address that the connection's detail shows as `webhookUrl`.";
    /// A store or queue did not answer.
    StorageUnavailable = 7001, "STORAGE_UNAVAILABLE", 503,
        "Try again after a moment; look at `/api/tokens/health` if it stays.";
    /// A sealed value could not be opened in its place.
    SealOpenFailed = 7002, "SEAL_OPEN_FAILED", 500,
        "Look at the log with the correlation id: the key, or what is stored, was changed.";
    /// Something failed that has no better name; the log has the causes.
    InternalError = 7003, "INTERNAL_ERROR", 500,
        "Report it with the correlation id.";
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
