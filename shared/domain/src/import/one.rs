//! Importing one row: whose grant it is, which company it is for, and where it goes.

use std::time::Duration;

use super::{
    key::LegacyKeys,
    report::{Problem, RowStatus},
    row::{Row, RowTokens},
    run::{Outcome, Run, Seen, Verify, not_stored},
    stand::{Look, LookError, Stand},
};
use crate::{
    audit::{self, AuditAction, AuditEntry},
    authorization::{
        CompanyError, Grant, GrantedCompanies, NewGrant, Over, PlaceFailure, Placed, STORE_TRIES, Wanted,
        changed_each_time,
    },
    connection::{Company, Connection, MAX_COMPANIES, Replaces},
    error::ErrorCode,
    event::{Event, EventKind, announce},
    id::{CompanyId, TenantId},
    provider::Provider,
    refresh::policy::later,
    sealing::fingerprint,
    secret::{AccessToken, RefreshToken},
    store::chain,
    token::TokenSet,
};

/// Connections whose access token is not known to be good are refreshed within this time, each at a moment of its own: ten
/// thousand that are imported at once make five or six refreshes a second.
const SPREAD: Duration = Duration::from_mins(30);
/// No provider's access token lives longer. A row that says so is wrong, by a zone for example, and would otherwise keep a
/// connection from being refreshed.
const MAX_ACCESS_LIFE: Duration = Duration::from_hours(1);
/// How many connections of a tenant are looked through for one that has a row's refresh token.
const LOOKED_THROUGH: u32 = 100;

/// A row with its tokens in the clear.
pub(super) struct Tokens {
    pub(super) row: Row,
    access: Option<AccessToken>,
    refresh: RefreshToken,
    fingerprint: String,
}

impl Tokens {
    /// Opens the tokens of a row.
    pub(super) async fn open(row: Row, written: RowTokens, keys: &mut LegacyKeys) -> Result<Self, Problem> {
        let (access, refresh) = written.open(keys).await?;
        let fingerprint = fingerprint(&refresh);
        Ok(Self { row, access, refresh, fingerprint })
    }
}

impl Run<'_> {
    /// Notes whose a row's refresh token is. Two connections with one refresh token would end each other, so that it goes to
    /// one connection, with all companies that have it; and to one tenant.
    pub(super) async fn note_grant(&mut self, tokens: &Tokens) -> Result<(), Problem> {
        let row = &tokens.row;
        let has_several = row.provider != Provider::QuickBooks;
        if has_several && !self.listed.iter().any(|(tenant, of)| *tenant == row.tenant && *of == row.provider)
        {
            self.listed.push((row.tenant.clone(), row.provider));
            self.note_stored(&row.tenant, row.provider).await?;
        }
        let seen = self.seen.entry(tokens.fingerprint.clone()).or_insert_with(|| Seen {
            row: Some((row.number, row.line)),
            tenant: row.tenant.clone(),
            connection: None,
        });
        let line = seen.row.filter(|(number, _)| *number != row.number).map(|(_, line)| line);
        if seen.tenant == row.tenant && (has_several || line.is_none()) {
            return Ok(());
        }
        let line = line.map_or_else(|| "another line".to_owned(), |line| format!("line {line}"));
        let of = if has_several { "another tenant" } else { "another company" };
        Err(Problem::invalid(format!("{line} has the same refresh token for {of}: it can be only one's")))
    }

    async fn note_stored(&mut self, tenant: &TenantId, provider: Provider) -> Result<(), Problem> {
        let connections = &self.importer.placer.connections;
        let page = connections.list(Some(tenant), LOOKED_THROUGH, None).await;
        let page = page.map_err(|error| not_stored(&error))?;
        let live =
            page.connections.into_iter().filter(|one| one.provider == provider && !one.state.is_ended());
        for Connection { key, tokens, .. } in live {
            if let Some(tokens) = tokens {
                let seen = Seen { row: None, tenant: tenant.clone(), connection: Some(key) };
                self.seen.entry(tokens.refresh_fingerprint).or_insert(seen);
            }
        }
        Ok(())
    }

    /// The row's company, and whether its provider confirms that the row's tokens reach it.
    pub(super) async fn company(&self, tokens: &Tokens) -> Result<(Company, bool), Problem> {
        let row = &tokens.row;
        let provider_id = row.company.clone();
        let name = row.company_name.clone().unwrap_or_else(|| provider_id.to_string());
        let told = Company { id: CompanyId::of(row.provider, &provider_id), provider_id, name };
        if self.options.verify != Verify::Company {
            return Ok((told, false));
        }
        let now = self.importer.placer.clock.now();
        let is_good = row.access_expires_at.is_some_and(|ends| now < ends);
        let (Some(access), Some(companies)) =
            (tokens.access.as_ref().filter(|_| is_good), self.importer.companies.get(&row.provider))
        else {
            return Ok((told, false));
        };
        let grant = NewGrant { access, named: Some(&row.company), location: row.location.as_ref() };
        let granted = companies.granted(grant).await.map_err(|error| not_confirmed(&error))?;
        let named = granted.chosen.iter().find(|company| company.provider_id == row.company);
        match named {
            Some(company) => Ok((company.clone(), true)),
            None if granted.reaches(&row.company) => Ok((told, true)),
            None => Err(not_confirmed(&CompanyError::Foreign)),
        }
    }

    /// Stores the row, where what is there lets it.
    pub(super) async fn place(
        &mut self,
        tokens: &Tokens,
        (company, is_confirmed): (Company, bool),
    ) -> Result<Outcome, Problem> {
        // Whoever speaks for one tenant takes no company on its word: its true owner would be refused from then on.
        let takes_none = self.by.scope.tenant().is_some() && !is_confirmed;
        for tried in 1..=STORE_TRIES {
            let has_grant = self.seen.get(&tokens.fingerprint).and_then(|seen| seen.connection.as_ref());
            let look = Look {
                row: &tokens.row,
                fingerprint: &tokens.fingerprint,
                has_grant,
                force: self.options.force,
            };
            let placer = &self.importer.placer;
            let (former, companies) = match look.at(&*placer.connections).await {
                Ok(Stand::Stays(connection, why)) => {
                    let tenant = tokens.row.tenant.clone();
                    let key = Some(crate::connection::ConnectionKey { tenant, connection });
                    return Ok(Outcome { status: RowStatus::Skipped, key, message: Some(why) });
                }
                Ok(Stand::New { elsewhere: true })
                    if self.options.dry_run && !takes_none && !placer.shared_companies =>
                {
                    return Err(elsewhere());
                }
                Ok(Stand::New { .. }) => (None, vec![]),
                Ok(Stand::Over(former, companies)) => (Some(former), companies),
                Err(LookError::Row(problem)) => return Err(problem),
                Err(LookError::Store(error)) => return Err(not_stored(&error)),
            };
            if takes_none && !companies.iter().any(|known| known.id == company.id) {
                return Err(unconfirmed());
            }
            if self.options.dry_run {
                let key = former.map(|former| former.key);
                return Ok(Outcome { status: RowStatus::WouldImport, key, message: None });
            }
            if let Some(placed) = self.try_place(tokens, (former, companies), company.clone()).await? {
                return Ok(self.imported(tokens, placed, &company).await);
            }
            placer.wait_for_another(tried).await;
        }
        Err(not_stored(&changed_each_time()))
    }

    async fn try_place(
        &self,
        tokens: &Tokens,
        (former, mut chosen): (Option<Box<Connection>>, Vec<Company>),
        company: Company,
    ) -> Result<Option<Placed>, Problem> {
        chosen.retain(|known| known.id != company.id);
        chosen.push(company);
        if chosen.len() > MAX_COMPANIES {
            return Err(Problem::invalid(
                "the connection of this grant has as many companies as one can have",
            ));
        }
        let replaces = former.as_deref().map(Replaces::from);
        let wanted = Wanted {
            tenant: &tokens.row.tenant,
            provider: tokens.row.provider,
            scopes: &tokens.row.scopes,
            reconnects: former.as_ref().map(|former| &former.key.connection),
            confirm: false,
            over: Over::Only(replaces.as_ref()),
            spread: SPREAD,
        };
        let reachable = chosen.iter().map(|company| company.provider_id.clone()).collect();
        let grant = self.grant(tokens, GrantedCompanies { chosen, reachable });
        let placed = self.importer.placer.try_place(wanted, &grant, self.by.correlation).await;
        placed.map_err(|failure| match failure {
            PlaceFailure::OwnedElsewhere => elsewhere(),
            PlaceFailure::Store(error) => not_stored(&error),
            PlaceFailure::Halted(halted) => Problem::new(halted.code(), halted.to_string()),
            failure @ PlaceFailure::OverQuota { .. } => {
                Problem::new(ErrorCode::QuotaExceeded, failure.to_string())
            }
            failure @ (PlaceFailure::DifferentCompany | PlaceFailure::Seal(_)) => {
                tracing::error!(error = chain(&failure), "Row is not imported");
                Problem::new(ErrorCode::InternalError, "the row could not be sealed: send it again")
            }
        })
    }

    /// What the row grants; an access token of which nobody knows that it is good counts as ended.
    fn grant(&self, tokens: &Tokens, companies: GrantedCompanies) -> Grant {
        let (row, now) = (&tokens.row, self.importer.placer.clock.now());
        let ends = row.access_expires_at.filter(|_| tokens.access.is_some()).unwrap_or(now);
        Grant {
            tokens: TokenSet {
                access: tokens.access.clone().unwrap_or_else(|| AccessToken::new("")),
                refresh: tokens.refresh.clone(),
                access_expires_at: ends.clamp(now, later(now, MAX_ACCESS_LIFE)),
                refresh_expires_at: row.refresh_expires_at,
                hard_expires_at: None,
                scopes: None,
            },
            scopes: row.scopes.clone(),
            location: row.location.clone(),
            companies,
        }
    }

    /// Tells of an imported row.
    async fn imported(&mut self, tokens: &Tokens, placed: Placed, company: &Company) -> Outcome {
        let (importer, row) = (self.importer, &tokens.row);
        if let Some(seen) = self.seen.get_mut(&tokens.fingerprint) {
            seen.connection = Some(placed.key.clone());
        }
        let now = importer.placer.clock.now();
        let mut event = Event::new(EventKind::ConnectionCreated, &placed.key, row.provider, now);
        event.company_id = Some(company.id.clone());
        announce(&*importer.bus, &event).await;
        let mut entry = self.entry(&row.tenant, AuditAction::ConnectionImported);
        entry.provider = Some(row.provider);
        entry.connection = Some(placed.key.connection.clone());
        entry.company = Some(row.company.clone());
        audit::record(&*importer.placer.audit, &entry).await;
        Outcome { status: RowStatus::Imported, key: Some(placed.key), message: None }
    }

    /// An entry of the audit log about what the caller did.
    pub(super) fn entry(&self, tenant: &TenantId, action: AuditAction) -> AuditEntry {
        let placer = &self.importer.placer;
        let mut entry =
            AuditEntry::new(placer.ids().audit(), placer.clock.now(), Some(tenant.clone()), action);
        entry.actor = Some(self.by.actor.clone());
        entry.correlation = Some(self.by.correlation.clone());
        entry
    }
}

fn unconfirmed() -> Problem {
    let message = "a key that is bound to a tenant brings in only companies that the provider confirms: verify `company`, \
                   with an access token that is good, or use a key of all tenants";
    Problem::new(ErrorCode::AuthScopeExceeded, message)
}

fn elsewhere() -> Problem {
    Problem::new(ErrorCode::CompanyConnectedElsewhere, "the company is connected to another tenant")
}

/// Why a row is not imported whose company the provider does not confirm.
fn not_confirmed(error: &CompanyError) -> Problem {
    let (code, message) = match error {
        CompanyError::Foreign | CompanyError::NoCompany => (
            ErrorCode::AuthTokenInvalid,
            "the provider does not accept the row's access token for this company",
        ),
        CompanyError::ScopeMissing { .. } => {
            (ErrorCode::AuthProviderScopeMissing, "the grant lacks the scope that naming the company takes")
        }
        CompanyError::TooMany { .. } => {
            (ErrorCode::CompanyNotChosen, "the grant is for more companies than one connection can have")
        }
        CompanyError::Unavailable(_) => {
            tracing::warn!(error = chain(error), "Company of a row is not confirmed");
            (ErrorCode::ProviderApiError, "the provider gave no usable answer: send the row again")
        }
    };
    Problem::new(code, message)
}
