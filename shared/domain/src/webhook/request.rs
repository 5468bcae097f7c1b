//! One webhook request as it came, and the proof that it is the provider's own.

use super::{
    AddressKeys, FoundAddress, ReceiveError, RefusalReason, WebhookSecrets,
    signature::{Encoding, Parameter, form_fields, verify, zoho_text},
};
use crate::provider::Provider;

/// The greatest body taken; Intuit's greatest delivery is 100 events in about 1 MB.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Where a webhook was sent to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SentTo<'a> {
    /// The one address of our app at Intuit.
    QuickBooks,
    /// The one address of our app at Xero.
    Xero,
    /// The address of a company at Zoho, by its last segment.
    Zoho(&'a str),
}

/// One webhook request.
#[derive(Clone, Debug)]
pub struct WebhookRequest<'a> {
    /// Where it was sent to.
    pub to: SentTo<'a>,
    /// The parameters of its address, decoded.
    pub query: Vec<(String, String)>,
    /// Whether its body is a form (`application/x-www-form-urlencoded`).
    pub is_form: bool,
    /// Its body, byte by byte as it was sent.
    pub body: &'a [u8],
    /// The value of its signature header, where that is there once.
    pub signature: Option<&'a str>,
}

/// A request whose signature is right.
#[derive(Debug)]
pub struct Verified<'a> {
    pub(super) request: &'a WebhookRequest<'a>,
    /// Whose address it came to, where each company has its own.
    pub(super) address: Option<FoundAddress>,
}

impl SentTo<'_> {
    /// The provider whose address this is.
    #[must_use]
    pub fn provider(self) -> Provider {
        match self {
            Self::QuickBooks => Provider::QuickBooks,
            Self::Xero => Provider::Xero,
            Self::Zoho(_) => Provider::Zoho,
        }
    }
}

impl WebhookRequest<'_> {
    /// Verifies the signature under the live secrets of the provider.
    pub fn verify(&self, secrets: &WebhookSecrets) -> Result<Verified<'_>, ReceiveError> {
        if self.body.len() > MAX_BODY_BYTES {
            return Err(ReceiveError::Refused(RefusalReason::TooLarge));
        }
        let provider = self.to.provider();
        let secrets = secrets
            .get(&provider)
            .filter(|secrets| !secrets.is_empty())
            .ok_or(ReceiveError::NotConfigured(provider))?;
        let address = match self.to {
            SentTo::QuickBooks | SentTo::Xero => None,
            SentTo::Zoho(company_key) => {
                let found = AddressKeys::new(secrets.clone()).find(company_key);
                Some(found.ok_or(ReceiveError::Refused(RefusalReason::UnknownAddress))?)
            }
        };
        let presented = self.signature.ok_or(ReceiveError::Refused(RefusalReason::BadSignature))?;
        match &address {
            None => verify(self.body, (presented, Encoding::Base64), secrets)?,
            Some(FoundAddress { secret, encoding, .. }) => {
                verify(&self.zoho_text(), (presented, *encoding), std::slice::from_ref(secret))?;
            }
        }
        Ok(Verified { request: self, address })
    }

    /// The parameters of its address and the fields of its form.
    pub(super) fn parameters(&self) -> Vec<Parameter> {
        let query =
            self.query.iter().map(|(name, value)| (name.clone().into_bytes(), value.clone().into_bytes()));
        query.chain(self.is_form.then(|| form_fields(self.body)).into_iter().flatten()).collect()
    }

    /// What Zoho signs of it.
    pub(super) fn zoho_text(&self) -> Vec<u8> {
        zoho_text(self.parameters(), if self.is_form { b"" } else { self.body })
    }
}
