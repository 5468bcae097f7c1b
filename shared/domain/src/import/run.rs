//! Importing the rows of one request, one after the other, in a bounded time.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    key::{LegacyKeys, LegacySecret},
    one::Tokens,
    report::{ImportReport, Problem, RowReport, RowStatus, Warning},
    row::{Head, Locations, Reading, Row, RowTokens},
};
use crate::{
    audit::{self, AuditAction},
    authorization::{Companies, Placer},
    caller::TenantScope,
    connection::ConnectionKey,
    error::ErrorCode,
    event::EventBus,
    id::{ApiKeyId, CorrelationId, ProviderCompanyId, TenantId},
    provider::Provider,
    refresh::{RefreshInvoker, RefreshMessage, RefreshResult, Trigger, policy::later},
    store::{StoreError, chain},
    tenant::{Tenant, TenantState},
};

/// No row is begun later than this after the first: what follows must fit into the 29 seconds after which the gateway gives
/// up, a provider's answer of 8 seconds about a company among it. Rows that are left are sent again.
const BEGUN_WITHIN: Duration = Duration::from_secs(14);
/// Refreshes that are to verify rows are waited for until this long after the first row; they go on without their waiter.
const VERIFIED_WITHIN: Duration = Duration::from_secs(26);

/// What is done to find out whether a row's tokens work.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// Nothing.
    #[default]
    None,
    /// The refresh token is spent once the row is stored.
    Refresh,
    /// The provider is asked for the company, with an access token that is still good, before the row is stored.
    Company,
}

/// How rows are imported.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own, and they go together in any way"
)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether nothing is to be written.
    pub dry_run: bool,
    /// What is done to find out whether tokens work.
    pub verify: Verify,
    /// Whether rows go over what is newer.
    pub force: bool,
    /// Whether tenants that do not exist are made.
    pub create_tenants: bool,
    /// Whether times without a zone are times of UTC.
    pub assume_utc: bool,
}

/// Who imports.
#[derive(Clone, Copy, Debug)]
pub struct Importing<'a> {
    /// Whose rows the caller may import.
    pub scope: &'a TenantScope,
    /// The caller's key.
    pub actor: &'a ApiKeyId,
    /// What ties the request's log lines together.
    pub correlation: &'a CorrelationId,
}

/// Makes connections of the rows of other systems.
pub struct Importer {
    /// Stores what was granted.
    pub placer: Placer,
    /// Who tells which companies a grant is for.
    pub companies: HashMap<Provider, Arc<dyn Companies>>,
    /// The one function that may spend refresh tokens.
    pub refresh: Arc<dyn RefreshInvoker>,
    /// The bus.
    pub bus: Arc<dyn EventBus>,
    /// The data centers that grants may live in.
    pub locations: Locations,
}

/// Where a refresh token was seen.
pub(super) struct Seen {
    /// In which row of this request, by number and line; none where it was found stored.
    pub(super) row: Option<(u64, u64)>,
    pub(super) tenant: TenantId,
    /// The connection that has it.
    pub(super) connection: Option<ConnectionKey>,
}

/// The rows of one request, and what was learned from those before.
pub(super) struct Run<'a> {
    pub(super) importer: &'a Importer,
    pub(super) by: Importing<'a>,
    pub(super) options: Options,
    keys: LegacyKeys,
    /// Whether each tenant exists, or why nothing is imported for it.
    tenants: HashMap<TenantId, Result<bool, Problem>>,
    /// Refresh tokens, by their fingerprints.
    pub(super) seen: HashMap<String, Seen>,
    /// The tenants and providers whose stored refresh tokens are among those.
    pub(super) listed: Vec<(TenantId, Provider)>,
}

/// A row with its tokens as they are written.
type Read = (Row, RowTokens);

/// What became of a row that did not fail.
pub(super) struct Outcome {
    pub(super) status: RowStatus,
    pub(super) key: Option<ConnectionKey>,
    pub(super) message: Option<&'static str>,
}

impl Importer {
    /// Imports rows, each whole or not at all, whatever becomes of the others.
    pub async fn run(
        &self,
        by: Importing<'_>,
        options: Options,
        secret: Option<LegacySecret>,
        rows: &[Map<String, Value>],
    ) -> ImportReport {
        let started = self.placer.clock.now();
        let reading = Reading { locations: &self.locations, assume_utc: options.assume_utc };
        let rows: Vec<_> = rows
            .iter()
            .zip(1..)
            .map(|(row, number)| {
                let head = Head::read(row, number);
                let read = Row::read(row, &head, reading);
                (head, read)
            })
            .collect();
        let mut run = Run {
            importer: self,
            by,
            options,
            keys: LegacyKeys::new(secret),
            tenants: HashMap::new(),
            seen: HashMap::new(),
            listed: vec![],
        };
        let mut keys = vec![];
        let mut results = vec![];
        for (head, row) in without_twins(rows) {
            let mut warnings = vec![];
            let in_time = self.placer.clock.now() < later(started, BEGUN_WITHIN);
            let outcome = match row {
                Ok(row) if in_time => run.import(row, &mut warnings).await,
                Ok(_) => Err(out_of_time()),
                Err(problem) => Err(problem),
            };
            let key = outcome.as_ref().ok().and_then(|outcome| outcome.key.clone());
            let report = report(head, outcome, warnings);
            keys.push(key.filter(|_| report.status == RowStatus::Imported));
            results.push(report);
        }
        if options.verify == Verify::Refresh {
            self.spend(&keys, started, &mut results).await;
        }
        ImportReport::new(options.dry_run, results)
    }

    /// Has the refresh tokens of new connections spent, and notes of which that did not succeed.
    async fn spend(&self, keys: &[Option<ConnectionKey>], started: Timestamp, results: &mut [RowReport]) {
        let named: Vec<_> = keys.iter().flatten().cloned().collect();
        if named.is_empty() {
            return;
        }
        let left = later(started, VERIFIED_WITHIN).duration_since(self.placer.clock.now());
        let wait = Duration::try_from(left).unwrap_or_default();
        let message = RefreshMessage::new(named, Trigger::Manual);
        let answers = match self.refresh.invoke(&message, wait).await {
            Ok(answers) => answers.unwrap_or_default(),
            Err(error) => {
                tracing::error!(error = chain(&error), "Imported connections are not verified");
                vec![]
            }
        };
        for (key, report) in keys.iter().zip(results) {
            let Some(key) = key else { continue };
            let answer = answers.iter().find(|answer| answer.key == *key);
            match answer.map(|answer| answer.result) {
                Some(RefreshResult::Refreshed | RefreshResult::Fresh) => {}
                Some(RefreshResult::Dead) => report.warnings.push(Warning::ReconnectRequired),
                _ => report.warnings.push(Warning::NotVerified),
            }
        }
    }
}

impl Run<'_> {
    async fn import(
        &mut self,
        (row, written): Read,
        warnings: &mut Vec<Warning>,
    ) -> Result<Outcome, Problem> {
        let exists = self.tenant(&row.tenant).await?;
        if written.share_iv() {
            warnings.push(Warning::SharedIv);
        }
        let tokens = Tokens::open(row, written, &mut self.keys).await?;
        if tokens.row.refresh_expires_at.is_some_and(|ends| ends <= self.importer.placer.clock.now()) {
            warnings.push(Warning::RefreshTokenExpired);
        }
        self.note_grant(&tokens).await?;
        let (company, is_confirmed) = self.company(&tokens).await?;
        if !is_confirmed && self.options.verify == Verify::Company {
            warnings.push(Warning::NotVerified);
        }
        if !exists && !self.options.dry_run {
            self.make_tenant(&tokens.row.tenant).await?;
        }
        self.place(&tokens, (company, is_confirmed)).await
    }

    /// Whether the row's tenant exists, so that rows may be imported for it.
    async fn tenant(&mut self, id: &TenantId) -> Result<bool, Problem> {
        if let Some(known) = self.tenants.get(id) {
            return known.clone();
        }
        let found = self.find_tenant(id).await;
        self.tenants.insert(id.clone(), found.clone());
        found
    }

    async fn find_tenant(&self, id: &TenantId) -> Result<bool, Problem> {
        let missing = Problem::new(ErrorCode::TenantNotFound, "there is no such tenant");
        if !self.by.scope.covers(id) {
            let entry = self.entry(self.by.scope.tenant().unwrap_or(id), AuditAction::AccessRefused);
            audit::record(&*self.importer.placer.audit, &entry).await;
            return Err(missing);
        }
        match self.importer.placer.tenants.find(id).await.map_err(|error| not_stored(&error))? {
            Some(Tenant { state: TenantState::Active, .. }) => Ok(true),
            Some(Tenant { state: TenantState::Suspended, .. }) => {
                Err(Problem::new(ErrorCode::TenantSuspended, "the tenant is suspended"))
            }
            Some(Tenant { state: TenantState::Deleting, .. }) => {
                Err(Problem::new(ErrorCode::TenantDeleting, "the tenant is being deleted"))
            }
            None if self.options.create_tenants => Ok(false),
            None => Err(missing),
        }
    }

    /// Makes a tenant, by the one name that is known of it.
    async fn make_tenant(&mut self, id: &TenantId) -> Result<(), Problem> {
        let tenant = Tenant::new(id.clone(), id.as_str(), self.importer.placer.clock.now());
        let made = self.importer.placer.tenants.insert(&tenant).await.map_err(|error| not_stored(&error))?;
        if made {
            let entry = self.entry(id, AuditAction::TenantCreated);
            audit::record(&*self.importer.placer.audit, &entry).await;
        }
        self.tenants.insert(id.clone(), Ok(true));
        Ok(())
    }
}

/// Rows, without those that say different things of one company: which of them is right nobody can tell.
fn without_twins(mut rows: Vec<(Head, Result<Read, Problem>)>) -> Vec<(Head, Result<Read, Problem>)> {
    type Place = (TenantId, Provider, ProviderCompanyId);
    let mut lines: HashMap<Place, Vec<u64>> = HashMap::new();
    let place = |row: &Row| (row.tenant.clone(), row.provider, row.company.clone());
    for (row, _) in rows.iter().filter_map(|(_, read)| read.as_ref().ok()) {
        lines.entry(place(row)).or_default().push(row.line);
    }
    for (_, read) in &mut rows {
        let Some(lines) = read.as_ref().ok().and_then(|(row, _)| lines.get(&place(row))) else { continue };
        if lines.len() > 1 {
            let lines = lines.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
            *read = Err(Problem::invalid(format!(
                "the lines {lines} are about the same company of the tenant: leave one of them"
            )));
        }
    }
    rows
}

fn report(head: Head, outcome: Result<Outcome, Problem>, warnings: Vec<Warning>) -> RowReport {
    let Head { line, tenant: tenant_id, provider, .. } = head;
    let (status, key, code, message) = match outcome {
        Ok(Outcome { status, key, message }) => (status, key, None, message.map(str::to_owned)),
        Err(Problem { code, message }) => (RowStatus::Failed, None, Some(code.name()), Some(message)),
    };
    let connection_id = key.map(|key| key.connection);
    RowReport { line, tenant_id, provider, status, connection_id, code, message, warnings }
}

fn out_of_time() -> Problem {
    Problem::new(ErrorCode::StorageUnavailable, "no time was left for this row: send it again")
}

/// A store that did not answer, told once in the log.
pub(super) fn not_stored(error: &StoreError) -> Problem {
    tracing::error!(error = chain(error), "Row is not imported");
    Problem::new(ErrorCode::StorageUnavailable, "the row could not be stored: send it again")
}
