//! Books at a provider and the person who may connect them, made for one test alone.

use std::collections::BTreeMap;

use aws_smithy_types::base64;
use domain::provider::Provider;
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use super::{Answer, Simulator};

/// A name that would be markup, were it not shown as text.
const NAME: &str = "End & Sons <e2e>";

/// Companies of one person at one provider.
#[derive(Clone, Debug)]
pub(crate) struct Books {
    pub(crate) provider: Provider,
    /// Who consents; Intuit asks for nobody, and has none.
    pub(crate) user: String,
    /// By the provider's ids.
    pub(crate) companies: Vec<String>,
}

impl Books {
    /// A company at Intuit that exists already.
    pub(crate) fn realm(realm: &str) -> Self {
        Self { provider: Provider::QuickBooks, user: String::new(), companies: vec![realm.to_owned()] }
    }

    /// The same person with some of the companies only.
    pub(crate) fn only(&self, companies: &[&str]) -> Self {
        let companies = companies.iter().map(|&company| company.to_owned()).collect();
        Self { companies, ..self.clone() }
    }

    /// The first company.
    pub(crate) fn company(&self) -> &str {
        &self.companies[0]
    }
}

impl Simulator {
    /// Makes books of one company.
    pub(crate) async fn books(&self, provider: Provider) -> Books {
        match provider {
            Provider::QuickBooks => Books::realm(&self.company(0, 0).await),
            Provider::Xero => self.xero_books(1).await,
            Provider::Zoho => self.zoho_books("us").await,
        }
    }

    /// Makes books of one company with that many contacts and invoices.
    pub(crate) async fn books_of(&self, provider: Provider, (contacts, invoices): (usize, usize)) -> Books {
        let made = json!({ "name": NAME, "location": "us", "contacts": contacts, "invoices": invoices });
        match provider {
            Provider::QuickBooks => Books::realm(&self.company(contacts, invoices).await),
            Provider::Xero => {
                let mut made = made;
                made.as_object_mut().unwrap().remove("location");
                let made = self.control(Method::POST, "/xero/organizations", Some(made)).await;
                self.xero_books_of(vec![text(&made["tenantId"])]).await
            }
            Provider::Zoho => {
                let made = self.control(Method::POST, "/zoho/organizations", Some(made)).await;
                self.zoho_books_of("us", text(&made["organizationId"])).await
            }
        }
    }

    /// Every invoice that the provider has, by id, as its own API gives it on its lists, under a token that the company
    /// was asked with.
    pub(crate) async fn all_invoices(&self, books: &Books) -> BTreeMap<String, Value> {
        let calls = self.calls(&[("company", books.company()), ("endpoint", "api")]).await;
        let call = calls.iter().rfind(|call| call["tokenFingerprint"].is_string()).expect("it was asked");
        let issued = self.issued().await;
        let token = issued.iter().find(|issued| issued["fingerprint"] == call["tokenFingerprint"]).unwrap();
        let (token, company) = (text(&token["value"]), books.company());
        let mut all = BTreeMap::new();
        for page in 1.. {
            let request = match books.provider {
                Provider::QuickBooks => {
                    let query = format!(
                        "SELECT * FROM Invoice STARTPOSITION {} MAXRESULTS 1000",
                        (page - 1) * 1000 + 1
                    );
                    let url = format!("{}/intuit/v3/company/{company}/query", self.url);
                    self.http.get(url).query(&[("query", query)]).bearer_auth(&token)
                }
                Provider::Xero => {
                    let url = format!("{}/xero/api.xro/2.0/Invoices", self.url);
                    let wanted =
                        [("where", "Type==\"ACCREC\" AND Status!=\"DELETED\""), ("pageSize", "1000")];
                    let request = self.http.get(url).query(&wanted).query(&[("page", page)]);
                    request.bearer_auth(&token).header("xero-tenant-id", company)
                }
                Provider::Zoho => {
                    let path = text(&call["path"]);
                    let root = path.split("/books/v3/").next().unwrap();
                    let url = format!("{}{root}/books/v3/invoices", self.url);
                    let request = self.http.get(url).query(&[("organization_id", company)]);
                    let request = request.query(&[("page", page), ("per_page", 200)]);
                    request.header("authorization", format!("Zoho-oauthtoken {token}"))
                }
            };
            let request = request.header("accept", "application/json");
            let answer = Answer::of(request.send().await.unwrap()).await.expect(200);
            let (list, id) = match books.provider {
                Provider::QuickBooks => (&answer["QueryResponse"]["Invoice"], "Id"),
                Provider::Xero => (&answer["Invoices"], "InvoiceID"),
                Provider::Zoho => (&answer["invoices"], "invoice_id"),
            };
            let Some(list) = list.as_array().filter(|list| !list.is_empty()) else { break };
            all.extend(list.iter().map(|object| (text(&object[id]), object.clone())));
        }
        all
    }

    /// Makes that many organizations at Xero, and a user who belongs to all of them.
    pub(crate) async fn xero_books(&self, organizations: usize) -> Books {
        let mut companies = vec![];
        for _ in 0..organizations {
            let made = self.control(Method::POST, "/xero/organizations", Some(json!({ "name": NAME }))).await;
            companies.push(text(&made["tenantId"]));
        }
        self.xero_books_of(companies).await
    }

    async fn xero_books_of(&self, companies: Vec<String>) -> Books {
        let user = json!({ "userId": "", "name": "End Toend", "tenantIds": companies });
        let user = self.control(Method::POST, "/xero/users", Some(user)).await;
        Books { provider: Provider::Xero, user: text(&user["userId"]), companies }
    }

    /// Makes an organization in a data center of Zoho, and a user who lives there.
    pub(crate) async fn zoho_books(&self, location: &str) -> Books {
        let organization = json!({ "location": location, "name": NAME });
        let made = self.control(Method::POST, "/zoho/organizations", Some(organization)).await;
        self.zoho_books_of(location, text(&made["organizationId"])).await
    }

    async fn zoho_books_of(&self, location: &str, company: String) -> Books {
        let user = format!("user-{company}");
        let person = json!({ "userId": user, "location": location, "organizations": [company] });
        self.control(Method::POST, "/zoho/users", Some(person)).await;
        Books { provider: Provider::Zoho, user, companies: vec![company] }
    }

    /// A person decides about some books on the page that `authorize` shows; gives where the browser is sent.
    pub(crate) async fn consent(&self, authorize: &str, decision: &str, books: &Books) -> Url {
        let mut decide = Url::parse(authorize).unwrap();
        let mut form: Vec<_> = decide.query_pairs().into_owned().collect();
        let company = if books.provider == Provider::Xero { "tenantId" } else { "realmId" };
        let companies = books.companies.iter().map(|id| (company, id.as_str()));
        let choices = [("decision", decision), ("userId", &books.user)].into_iter().chain(companies);
        form.extend(choices.map(|(name, value)| (name.to_owned(), value.to_owned())));
        decide.set_query(None);
        decide.set_path(&format!("{}/decision", decide.path()));
        let answer = Answer::of(self.http.post(decide).form(&form).send().await.unwrap()).await;
        assert_eq!(answer.status, 302, "{}", answer.text());
        Url::parse(answer.header("location")).unwrap()
    }

    /// The newest grant of the books' owner.
    async fn grant(&self, books: &Books) -> Value {
        let prefix = prefix(books.provider);
        let grants = self.control(Method::GET, &format!("/{prefix}/grants"), None).await;
        let is_theirs = |grant: &&Value| match books.provider {
            Provider::QuickBooks => grant["realmId"] == books.company(),
            Provider::Xero | Provider::Zoho => grant["userId"] == books.user.as_str(),
        };
        let newest = grants["grants"].as_array().unwrap().iter().rfind(is_theirs);
        newest.expect("the owner has granted").clone()
    }

    /// The fingerprint of the refresh token that the newest grant has now.
    pub(crate) async fn refresh_token_of(&self, books: &Books) -> String {
        text(&self.grant(books).await["refreshTokenFingerprint"])
    }

    /// How many refreshes the provider carried out, of all grants, whoever heard of them.
    pub(crate) async fn refreshes(&self, provider: Provider) -> u64 {
        let grants = self.control(Method::GET, &format!("/{}/grants", prefix(provider)), None).await;
        grants["grants"].as_array().unwrap().iter().map(|grant| grant["refreshes"].as_u64().unwrap()).sum()
    }

    /// Whether the provider has ended the newest grant; Xero ends it together with its last organization.
    pub(crate) async fn has_ended(&self, books: &Books) -> bool {
        match books.provider {
            Provider::QuickBooks => self.grant(books).await["revoked"] == true,
            Provider::Xero => self.xero_connected(&books.user).await.is_empty(),
            Provider::Zoho => self.grant(books).await["state"] == "revoked",
        }
    }

    /// The customer ends the grant at the provider; nobody is told.
    pub(crate) async fn end(&self, books: &Books) {
        let prefix = prefix(books.provider);
        for company in &books.companies {
            let path = match books.provider {
                Provider::QuickBooks => format!("companies/{company}"),
                Provider::Xero => format!("organizations/{company}"),
                Provider::Zoho => format!("users/{}", books.user),
            };
            self.control(Method::POST, &format!("/{prefix}/{path}/disconnect"), None).await;
        }
    }

    /// The organizations that a user of Xero has connected to our app, oldest connection first.
    pub(crate) async fn xero_connected(&self, user: &str) -> Vec<String> {
        let connections = self.control(Method::GET, "/xero/connections", None).await;
        let connections = connections["connections"].as_array().unwrap();
        let theirs = connections.iter().filter(|connection| connection["userId"] == user);
        theirs.map(|connection| text(&connection["tenantId"])).collect()
    }

    /// The fingerprints of what could end the newest grant at the provider: its refresh token, at Xero every access token
    /// of the user.
    pub(crate) async fn keys_of(&self, books: &Books) -> Vec<String> {
        let mut fingerprints = vec![self.refresh_token_of(books).await];
        if books.provider == Provider::Xero {
            let issued = self.issued().await;
            let theirs =
                issued.iter().filter(|issued| user_of(&text(&issued["value"])) == Some(books.user.clone()));
            fingerprints.extend(theirs.map(|issued| text(&issued["fingerprint"])));
        }
        fingerprints
    }

    /// How many requests came with any of those.
    pub(crate) async fn calls_about(&self, books: &Books) -> usize {
        let mut calls = 0;
        for fingerprint in self.keys_of(books).await {
            calls += self.calls(&[("tokenFingerprint", &fingerprint)]).await.len();
        }
        calls
    }

    /// The provider does not answer whoever wants to end a grant, until [`Simulator::mend`].
    pub(crate) async fn refuse_to_end(&self, books: &Books) -> Vec<u64> {
        let endpoint = if books.provider == Provider::Xero { "connections" } else { "revoke" };
        let fault = json!({ "endpoint": endpoint, "kind": "status", "status": 503, "untilCleared": true });
        let mut switches = vec![];
        for fingerprint in self.keys_of(books).await {
            switches.push(self.fault(&fingerprint, fault.clone()).await);
        }
        switches
    }
}

/// The user whom an access token of Xero names.
fn user_of(token: &str) -> Option<String> {
    let [_, payload, _] = token.split('.').collect::<Vec<_>>()[..] else { return None };
    let mut payload = payload.replace('-', "+").replace('_', "/");
    payload.push_str(&"=".repeat((4 - payload.len() % 4) % 4));
    let claims: Value = serde_json::from_slice(&base64::decode(payload).ok()?).ok()?;
    claims["xero_userid"].as_str().map(str::to_owned)
}

/// Under which name the simulator plays a provider.
pub(crate) fn prefix(provider: Provider) -> &'static str {
    match provider {
        Provider::QuickBooks => "intuit",
        Provider::Xero => "xero",
        Provider::Zoho => "zoho",
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
