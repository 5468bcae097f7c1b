//! A provider that counts, with fifty companies, and the workers that read their books all at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::{
    clock::Clock,
    id::{Location, ProviderCompanyId},
    limits::{Caller, Limits, Plans, Purpose},
    provider::Provider,
    refresh::policy::later,
    secret::AccessToken,
    sync::{Entity, Ledger, LedgerCall, LedgerError, PageQuery},
};
use jiff::Timestamp;
use providers::{
    http,
    quickbooks::QuickBooksLedger,
    settings::{QUICKBOOKS_ACCOUNTING_SCOPE, XERO_SCOPES},
    xero::XeroLedger,
    zoho::{DataCentres, ZohoLedger},
};
use serde_json::{Value, json};
use simulator::{ConsentMode, Options, Simulator, XeroOrganizationOptions, ZohoOrganizationOptions};
use tests::{memory::InMemoryLimits, sample};
use url::Url;

use super::turns::Turns;

const COMPANIES: usize = 50;
/// Workers of each company, each with limits of its own over the same stores, as in processes of their own.
const WORKERS: u64 = 3;
/// What each worker asks side by side.
const SIDE_BY_SIDE: usize = 2;
/// How long an idle worker looks away.
const MOMENT: Duration = Duration::from_millis(50);
const CALLBACK: &str = "http://localhost:3000/callback";
const BEGINNING: &str = "2026-11-21T09:30:11Z";

/// A provider with its companies.
pub(super) struct Town {
    simulator: Simulator,
    http: http::Client,
    provider: Provider,
    ledger: Arc<dyn Ledger>,
    companies: Vec<(ProviderCompanyId, AccessToken)>,
    time: Arc<Turns>,
}

/// What came of all requests.
#[derive(Debug, Default)]
pub(super) struct Reckoning {
    pub(super) answered: AtomicU64,
    pub(super) throttled: AtomicU64,
    pub(super) otherwise: AtomicU64,
}

/// The name of the provider in the simulator, and what its consent page and its token endpoint are.
const PLACES: [(Provider, &str, &str, &str); 3] = [
    (Provider::QuickBooks, "intuit", "connect/oauth2", "oauth2/v1/tokens/bearer"),
    (Provider::Xero, "xero", "identity/connect/authorize", "connect/token"),
    (Provider::Zoho, "zoho", "accounts/us/oauth/v2/auth", "accounts/us/oauth/v2/token"),
];

impl Town {
    /// A provider that enforces its limits, and whose companies are all connected.
    pub(super) async fn of(provider: Provider) -> Self {
        let beginning: Timestamp = BEGINNING.parse().unwrap();
        let ids: Vec<String> = (0..COMPANIES).map(|number| company_id(provider, number)).collect();
        let simulator = Simulator::start(options(&ids)).await.unwrap();
        let http = http::client().unwrap();
        let at = |path: &str| format!("{}/{path}", simulator.base_url()).parse::<Url>().unwrap();
        let centre = json!({ "us": { "accountsServer": at("zoho/accounts/us").as_str(), "apiDomain": at("zoho/api/us").as_str() } });
        let ledger: Arc<dyn Ledger> = match provider {
            Provider::QuickBooks => Arc::new(QuickBooksLedger::new(http.clone(), at("intuit"))),
            Provider::Xero => Arc::new(XeroLedger::new(http.clone(), at("xero"))),
            Provider::Zoho => {
                Arc::new(ZohoLedger::new(http.clone(), DataCentres::parse(&centre.to_string()).unwrap()))
            }
        };
        let time = Turns::at(beginning);
        let mut town = Self { simulator, http, provider, ledger, companies: vec![], time };
        town.set_clock(beginning).await;
        town.connect(ids).await;
        let limits = json!({ "enforceLimits": true });
        town.control("PATCH", &format!("{}/settings", town.place().1), limits).await;
        if provider == Provider::Zoho {
            town.control("PATCH", "zoho/settings", json!({ "concurrentRequests": 5 })).await;
        }
        town
    }

    async fn connect(&mut self, ids: Vec<String>) {
        if self.provider == Provider::QuickBooks {
            for id in &ids {
                self.control("POST", "intuit/companies", json!({ "realmId": id })).await;
            }
        }
        if self.provider == Provider::Xero {
            self.control("PATCH", "xero/settings", json!({ "consentTenantIds": ids })).await;
        }
        let mut token = None;
        for id in ids {
            if self.provider == Provider::QuickBooks {
                self.control("PATCH", "intuit/settings", json!({ "consentRealmId": id })).await;
                token = None;
            }
            let access = match token.clone() {
                Some(access) => access,
                None => self.token().await,
            };
            self.companies.push((id.parse().unwrap(), AccessToken::new(access.clone())));
            token = Some(access);
        }
    }

    /// Goes from the consent page to an access token, as a browser and our app would.
    async fn token(&self) -> String {
        let (_, prefix, authorize, token) = self.place();
        let (client, secret, scopes) = match self.provider {
            Provider::QuickBooks => (
                Options::INTUIT_CLIENT_ID,
                Options::INTUIT_CLIENT_SECRET,
                QUICKBOOKS_ACCOUNTING_SCOPE.to_owned(),
            ),
            Provider::Xero => (Options::XERO_CLIENT_ID, Options::XERO_CLIENT_SECRET, XERO_SCOPES.join(" ")),
            Provider::Zoho => {
                (Options::ZOHO_CLIENT_ID, Options::ZOHO_CLIENT_SECRET, "ZohoBooks.fullaccess.all".to_owned())
            }
        };
        let base = self.simulator.base_url();
        let asked = [
            ("client_id", client),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", &scopes),
            ("state", "s"),
        ];
        let consent = self.http.get(format!("{base}/{prefix}/{authorize}")).query(&asked);
        let consent = consent.send().await.unwrap();
        let callback: Url = consent.headers()["location"].to_str().unwrap().parse().unwrap();
        let code = callback.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("client_id", client),
            ("client_secret", secret),
        ];
        let form = if self.provider == Provider::Zoho { &form[..] } else { &form[..3] };
        let request = self.http.post(format!("{base}/{prefix}/{token}")).form(form);
        let request = match self.provider {
            Provider::Zoho => request,
            Provider::QuickBooks | Provider::Xero => request.basic_auth(client, Some(secret)),
        };
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    fn place(&self) -> (Provider, &'static str, &'static str, &'static str) {
        PLACES.into_iter().find(|(provider, ..)| *provider == self.provider).unwrap()
    }

    async fn control(&self, method: &str, path: &str, body: Value) {
        let url = format!("{}/_control/{path}", self.simulator.base_url());
        let answer = self.http.request(method.parse().unwrap(), url).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{method} {path}: {}", answer.text().await.unwrap());
    }

    async fn set_clock(&self, now: Timestamp) {
        self.control("PUT", "clock", json!({ "now": now, "frozen": true })).await;
    }

    /// Has every worker read as much as it may for so long.
    pub(super) async fn read(self, duration: Duration) -> Reckoning {
        let (stores, reckoning) = (InMemoryLimits::default(), Arc::<Reckoning>::default());
        let clock: Arc<dyn Clock> = self.time.clone();
        let end = later(self.time.now(), duration);
        let workers: Vec<_> =
            (1..=WORKERS).map(|seed| stores.worker(&clock, Plans::default(), seed)).collect();
        for (company, token) in &self.companies {
            for limits in &workers {
                self.start(limits, (company, token), (end, &reckoning));
            }
        }
        self.time.clone().run(|now| self.set_clock(now)).await;
        Arc::into_inner(reckoning).unwrap()
    }

    /// Starts one worker, which reads on until the end.
    fn start(
        &self,
        limits: &Arc<Limits>,
        (company, token): (&ProviderCompanyId, &AccessToken),
        (end, reckoning): (Timestamp, &Arc<Reckoning>),
    ) {
        let (provider, purpose) = (self.provider, Purpose::Background);
        let caller = Caller { tenant: sample::tenant(), provider, company: company.clone(), purpose };
        let gate = Arc::new(limits.gate(caller));
        for _ in 0..SIDE_BY_SIDE {
            let (gate, reckoning, time) = (gate.clone(), reckoning.clone(), self.time.clone());
            let (ledger, company, token) = (self.ledger.clone(), company.clone(), token.clone());
            self.time.spawn(async move {
                let location: Location = "us".parse().unwrap();
                let location = Some(&location).filter(|_| provider == Provider::Zoho);
                let call = LedgerCall { token: &token, company: &company, location, gate: &gate };
                while time.now() < end {
                    let query = PageQuery { entity: Entity::Invoices, after: None, skip: 0 };
                    let wait = match ledger.page(call, query).await {
                        Ok(_) => {
                            reckoning.answered.fetch_add(1, Ordering::Relaxed);
                            MOMENT
                        }
                        Err(LedgerError::Held(held)) => {
                            held.until.min(end).duration_since(time.now()).try_into().unwrap_or(MOMENT)
                        }
                        Err(LedgerError::Throttled { .. }) => {
                            reckoning.throttled.fetch_add(1, Ordering::Relaxed);
                            MOMENT
                        }
                        Err(_) => {
                            reckoning.otherwise.fetch_add(1, Ordering::Relaxed);
                            MOMENT
                        }
                    };
                    time.sleep(wait.max(MOMENT)).await;
                }
            });
        }
    }
}

fn company_id(provider: Provider, number: usize) -> String {
    match provider {
        Provider::QuickBooks => format!("46208163650001{number:05}"),
        Provider::Xero => format!("51b00000-0000-4000-9000-{number:012}"),
        Provider::Zoho => format!("8800{number:05}"),
    }
}

/// A simulator in which everything is consented to, and companies with these ids.
fn options(ids: &[String]) -> Options {
    let mut options = Options::local();
    options.intuit.consent = ConsentMode::Approve;
    options.xero.consent = ConsentMode::Approve;
    options.zoho.consent = ConsentMode::Approve;
    let xero = ids.iter().filter(|id| id.contains('-'));
    options.xero.organizations.extend(xero.clone().map(|id| XeroOrganizationOptions {
        tenant_id: Some(id.clone()),
        name: id.clone(),
        contacts: 0,
        invoices: 0,
    }));
    options.xero.users[0].tenant_ids.extend(xero.cloned());
    let zoho = ids.iter().filter(|id| id.starts_with("88"));
    let location = options.zoho.users[0].location;
    options.zoho.organizations.extend(zoho.clone().map(|id| ZohoOrganizationOptions {
        organization_id: Some(id.clone()),
        location,
        name: id.clone(),
        contacts: 0,
        invoices: 0,
    }));
    options.zoho.users[0].organizations.extend(zoho.cloned());
    options
}
