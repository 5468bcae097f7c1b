//! The secrets that webhooks are verified with.

use domain::{provider::Provider, secret::WebhookSecret, webhook::WebhookSecrets};

use super::Variables;

/// While one secret replaces another, both are live; a third would only be one that somebody forgot.
const MAX_LIVE_SECRETS: usize = 2;

impl Variables<'_> {
    /// The live secrets of each provider (`QUICKBOOKS_WEBHOOK_SECRET`, `XERO_WEBHOOK_SECRET`, `ZOHO_WEBHOOK_SECRET`); at
    /// least one provider's must be there.
    pub fn webhook_secrets(&mut self) -> WebhookSecrets {
        let configured = |(provider, name): (Provider, &str)| (provider, self.live_secrets(name));
        let secrets: WebhookSecrets = [
            (Provider::QuickBooks, "QUICKBOOKS_WEBHOOK_SECRET"),
            (Provider::Xero, "XERO_WEBHOOK_SECRET"),
            (Provider::Zoho, "ZOHO_WEBHOOK_SECRET"),
        ]
        .map(configured)
        .into_iter()
        .filter(|(_, secrets)| !secrets.is_empty())
        .collect();
        if secrets.is_empty() {
            self.refuse(
                "QUICKBOOKS_WEBHOOK_SECRET",
                "or XERO_WEBHOOK_SECRET or ZOHO_WEBHOOK_SECRET must be set",
            );
        }
        secrets
    }

    /// One or two secrets with a comma between them, or none; no provider makes one that holds a comma.
    pub fn live_secrets(&mut self, name: &str) -> Vec<WebhookSecret> {
        let secrets: Vec<_> = self.list(name).into_iter().map(WebhookSecret::new).collect();
        if secrets.len() > MAX_LIVE_SECRETS {
            self.refuse(name, "must hold one or two secrets");
        }
        secrets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(table: &[(&str, &str)]) -> Result<WebhookSecrets, String> {
        let lookup =
            |name: &str| table.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let mut variables = Variables::new(&lookup);
        let secrets = variables.webhook_secrets();
        variables.finish(Some(secrets)).map_err(|error| error.to_string())
    }

    #[test]
    fn each_provider_has_none_one_or_two_live_secrets() {
        // A key as Xero makes them: base64, whose alphabet has no comma.
        let xero = "LR+QgKlbRciIPYpi65tTKLaZ3FzLLofCNEQWrRXqWXJeDFrfexzfVI9SmnVuCWDJ4jnjHB9ECtOyxZSofRxwWw==";
        let two = format!("former, {xero},");

        let secrets = read(&[("XERO_WEBHOOK_SECRET", &two), ("ZOHO_WEBHOOK_SECRET", " master ")]).unwrap();

        let exposed = |provider| secrets[&provider].iter().map(WebhookSecret::expose).collect::<Vec<_>>();
        assert_eq!(secrets.len(), 2);
        assert_eq!(exposed(Provider::Xero), ["former", xero]);
        assert_eq!(exposed(Provider::Zoho), ["master"]);
    }

    #[test]
    fn no_secret_at_all_and_three_of_one_provider_are_refused() {
        let none = read(&[("XERO_WEBHOOK_SECRET", " , ")]).unwrap_err();
        assert!(none.contains("ZOHO_WEBHOOK_SECRET must be set"), "{none}");

        let three = read(&[("ZOHO_WEBHOOK_SECRET", "hunter1,hunter2,hunter3")]).unwrap_err();
        assert!(three.ends_with("ZOHO_WEBHOOK_SECRET must hold one or two secrets"), "{three}");
    }
}
