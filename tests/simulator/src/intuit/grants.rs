//! Codes, access tokens and refresh tokens, and every rule by which they live and die.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde::Serialize;

use super::settings::Settings;
use crate::{chance::Chance, clock::later, issued::fingerprint, kept::forget_expired};

/// Size of the encrypted part of an access token; the whole comes to about 900 characters.
const ACCESS_TOKEN_CIPHERTEXT: usize = 600;
/// Header of every access token: `{"enc":"A128CBC-HS256","alg":"dir"}`, as Intuit's begin.
const JWE_HEADER: &str = "eyJlbmMiOiJBMTI4Q0JDLUhTMjU2IiwiYWxnIjoiZGlyIn0";

/// All codes and tokens.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    codes: HashMap<String, Code>,
    chains: Vec<Grant>,
    access: HashMap<String, AccessToken>,
    refresh: HashMap<String, RefreshToken>,
    in_flight: HashSet<String>,
}

/// What a code or a grant is for.
#[derive(Clone, Debug)]
pub(crate) struct Consent {
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) realm_id: String,
    pub(crate) scopes: Vec<String>,
}

/// What every decision needs: the switches, chance and the time.
pub(crate) struct Rules<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) chance: &'a Chance,
    pub(crate) now: Timestamp,
}

#[derive(Debug)]
struct Code {
    consent: Consent,
    expires_at: Timestamp,
    spent_on: Option<usize>,
}

/// One consent of one company, and the chain of tokens that grew from it.
#[derive(Clone, Debug)]
struct Grant {
    consent: Consent,
    created_at: Timestamp,
    current: String,
    rotated_at: Timestamp,
    expires_at: Timestamp,
    hard_expires_at: Timestamp,
    rotations: u32,
    refreshes: u32,
    revoked: bool,
    poisoned: bool,
}

#[derive(Clone, Debug)]
struct AccessToken {
    grant: usize,
    expires_at: Timestamp,
}

#[derive(Clone, Debug)]
struct RefreshToken {
    grant: usize,
    /// Set when a newer value took its place.
    usable_until: Option<Timestamp>,
}

/// A refresh that has begun: its token is held until it is finished.
#[derive(Debug)]
pub(crate) struct RefreshInFlight {
    grant: usize,
    token: String,
}

/// What the token endpoint answers.
#[derive(Debug)]
pub(crate) struct TokenAnswer {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    pub(crate) expires_in: i64,
    pub(crate) refresh_expires_in: i64,
    pub(crate) hard_expires_in: i64,
    pub(crate) consent: Consent,
    pub(crate) refresh_is_new: bool,
}

/// Why a grant is refused; the text is Intuit's `error_description`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum InvalidGrant {
    #[error("Invalid authorization code")]
    Code,
    #[error("Incorrect or invalid refresh token")]
    Refresh,
    #[error("Token invalid")]
    Dead,
    #[error("Incorrect Token type or clientID")]
    Foreign,
}

/// Why an access token opens nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BearerRefusal {
    Unknown,
    Expired,
}

/// The state of one grant, without its secrets.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GrantState {
    client_id: String,
    realm_id: String,
    scopes: Vec<String>,
    created_at: Timestamp,
    refresh_expires_at: Timestamp,
    hard_expires_at: Timestamp,
    refresh_token_fingerprint: String,
    rotations: u32,
    refreshes: u32,
    revoked: bool,
    poisoned: bool,
}

impl Grants {
    /// Makes a code for a consent that was just given.
    pub(crate) fn issue_code(&mut self, consent: Consent, rules: &Rules<'_>) -> String {
        forget_expired(&mut self.codes, rules.now, |code| code.expires_at);
        let code = format!("XAB1{}{}", rules.now.as_second(), rules.chance.alphanumeric(36));
        let expires_at = later(rules.now, rules.settings.code_seconds);
        self.codes.insert(code.clone(), Code { consent, expires_at, spent_on: None });
        code
    }

    /// Exchanges a code for the first tokens of a grant.
    pub(crate) fn redeem(
        &mut self,
        code: &str,
        client_id: &str,
        redirect_uri: &str,
        rules: &Rules<'_>,
    ) -> Result<TokenAnswer, InvalidGrant> {
        let known = self.codes.get_mut(code).ok_or(InvalidGrant::Code)?;
        if let Some(grant) = known.spent_on {
            if rules.settings.revoke_on_code_reuse {
                self.chains[grant].revoked = true;
            }
            return Err(InvalidGrant::Code);
        }
        if known.consent.client_id != client_id
            || known.consent.redirect_uri != redirect_uri
            || rules.now >= known.expires_at
        {
            return Err(InvalidGrant::Code);
        }
        let grant = self.chains.len();
        known.spent_on = Some(grant);
        let consent = known.consent.clone();
        let hard_expires_at = later(rules.now, rules.settings.hard_expiry_seconds);
        self.chains.push(Grant {
            consent,
            created_at: rules.now,
            current: refresh_token(rules),
            rotated_at: rules.now,
            expires_at: later(rules.now, rules.settings.refresh_token_seconds).min(hard_expires_at),
            hard_expires_at,
            rotations: 0,
            refreshes: 0,
            revoked: false,
            poisoned: false,
        });
        let current = self.chains[grant].current.clone();
        self.refresh.insert(current, RefreshToken { grant, usable_until: None });
        Ok(self.answer(grant, true, rules))
    }

    /// Begins a refresh: from now on the token is held, and a second refresh with it is refused.
    pub(crate) fn begin_refresh(
        &mut self,
        token: &str,
        client_id: &str,
        rules: &Rules<'_>,
    ) -> Result<RefreshInFlight, InvalidGrant> {
        if self.access.contains_key(token) {
            return Err(InvalidGrant::Foreign);
        }
        let known = self.refresh.get(token).cloned().ok_or(InvalidGrant::Refresh)?;
        let grant = &mut self.chains[known.grant];
        if grant.consent.client_id != client_id {
            return Err(InvalidGrant::Foreign);
        }
        if self.in_flight.contains(token) {
            if rules.settings.poison_family_on_parallel_refresh {
                grant.revoked = true;
                grant.poisoned = true;
            }
            return Err(InvalidGrant::Refresh);
        }
        if known.usable_until.is_some_and(|until| rules.now >= until) {
            return Err(InvalidGrant::Refresh);
        }
        if grant.revoked || rules.now >= grant.expires_at {
            return Err(InvalidGrant::Dead);
        }
        self.in_flight.insert(token.to_owned());
        Ok(RefreshInFlight { grant: known.grant, token: token.to_owned() })
    }

    /// Carries out a refresh that has begun; the state changes here, whether or not the answer arrives.
    pub(crate) fn finish_refresh(
        &mut self,
        refresh: RefreshInFlight,
        rules: &Rules<'_>,
    ) -> Result<TokenAnswer, InvalidGrant> {
        self.in_flight.remove(&refresh.token);
        let settings = rules.settings;
        let grant = &mut self.chains[refresh.grant];
        // A poisoned family still gets an answer; its tokens open nothing.
        if grant.revoked && !grant.poisoned {
            return Err(InvalidGrant::Dead);
        }
        grant.refreshes += 1;
        grant.expires_at = later(rules.now, settings.refresh_token_seconds).min(grant.hard_expires_at);
        let is_current = grant.current == refresh.token;
        let due =
            settings.rotate_every_refresh || rules.now >= later(grant.rotated_at, settings.rotation_seconds);
        let rotates = is_current && due;
        if rotates {
            grant.rotations += 1;
            grant.rotated_at = rules.now;
            grant.current = refresh_token(rules);
            let current = grant.current.clone();
            let usable_until = Some(later(rules.now, settings.rotation_grace_seconds));
            self.refresh.insert(refresh.token, RefreshToken { grant: refresh.grant, usable_until });
            self.refresh.insert(current, RefreshToken { grant: refresh.grant, usable_until: None });
        }
        Ok(self.answer(refresh.grant, rotates, rules))
    }

    /// Ends the grant that a refresh or access token belongs to; false for a token that is not the client's.
    pub(crate) fn revoke(&mut self, token: &str, client_id: &str) -> bool {
        let access = self.access.get(token).map(|access| access.grant);
        let Some(grant) = access.or_else(|| self.refresh.get(token).map(|refresh| refresh.grant)) else {
            return false;
        };
        let grant = &mut self.chains[grant];
        if grant.revoked || grant.consent.client_id != client_id {
            return false;
        }
        grant.revoked = true;
        true
    }

    /// Ends every grant of a company, as its owner does under "My Apps"; returns how many ended.
    pub(crate) fn disconnect(&mut self, realm_id: &str) -> usize {
        let live =
            self.chains.iter_mut().filter(|grant| !grant.revoked && grant.consent.realm_id == realm_id);
        live.map(|grant| grant.revoked = true).count()
    }

    /// Returns the consent that an access token stands for.
    pub(crate) fn consent_of(&self, token: &str, now: Timestamp) -> Result<&Consent, BearerRefusal> {
        let access = self.access.get(token).ok_or(BearerRefusal::Unknown)?;
        let grant = &self.chains[access.grant];
        if grant.revoked || now >= access.expires_at {
            return Err(BearerRefusal::Expired);
        }
        Ok(&grant.consent)
    }

    /// Returns the state of every grant, oldest first.
    pub(crate) fn states(&self) -> Vec<GrantState> {
        self.chains.iter().map(Grant::state).collect()
    }

    fn answer(&mut self, grant: usize, refresh_is_new: bool, rules: &Rules<'_>) -> TokenAnswer {
        let expires_in = rules.settings.access_token_seconds;
        let access_token = access_token(rules.chance);
        forget_expired(&mut self.access, rules.now, |access| access.expires_at);
        self.access
            .insert(access_token.clone(), AccessToken { grant, expires_at: later(rules.now, expires_in) });
        let grant = &self.chains[grant];
        TokenAnswer {
            access_token,
            refresh_token: grant.current.clone(),
            expires_in: i64::from(expires_in),
            refresh_expires_in: grant.expires_at.duration_since(rules.now).as_secs(),
            hard_expires_in: grant.hard_expires_at.duration_since(rules.now).as_secs(),
            consent: grant.consent.clone(),
            refresh_is_new,
        }
    }
}

impl Grant {
    fn state(&self) -> GrantState {
        GrantState {
            client_id: self.consent.client_id.clone(),
            realm_id: self.consent.realm_id.clone(),
            scopes: self.consent.scopes.clone(),
            created_at: self.created_at,
            refresh_expires_at: self.expires_at,
            hard_expires_at: self.hard_expires_at,
            refresh_token_fingerprint: fingerprint(&self.current),
            rotations: self.rotations,
            refreshes: self.refreshes,
            revoked: self.revoked,
            poisoned: self.poisoned,
        }
    }
}

fn access_token(chance: &Chance) -> String {
    let iv = chance.base64_url(16);
    let ciphertext = chance.base64_url(ACCESS_TOKEN_CIPHERTEXT);
    let tag = chance.base64_url(16);
    // The second part, the encrypted key, is empty: the algorithm is `dir`.
    format!("{JWE_HEADER}..{iv}.{ciphertext}.{tag}")
}

fn refresh_token(rules: &Rules<'_>) -> String {
    let chance = rules.chance;
    let expiry = later(rules.now, rules.settings.refresh_token_seconds).as_second();
    format!("RT1-{}-H0-{expiry}{}", 10 + chance.below(240), chance.alphanumeric(20).to_lowercase())
}
