//! Codes, access tokens and refresh tokens, and every rule by which they live and die.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    connections::Connections,
    jwt,
    options::XeroUserOptions,
    scopes,
    settings::{GraceReuse, Settings},
};
use crate::{chance::Chance, clock::later, issued::fingerprint, kept::forget_expired, pkce::Challenge};

/// All codes and tokens.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    codes: HashMap<String, Code>,
    list: Vec<Grant>,
    access: HashMap<String, AccessToken>,
    refresh: HashMap<String, RefreshToken>,
}

/// A user and an app: what tokens and connections belong to, whatever the number of organizations.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Party {
    pub(crate) client_id: String,
    pub(crate) user_id: String,
}

/// What a user agreed to in one authorization.
#[derive(Clone, Debug)]
pub(crate) struct Consent {
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) user: XeroUserOptions,
    pub(crate) scopes: Vec<String>,
    pub(crate) auth_event_id: String,
    pub(crate) session_id: String,
    pub(crate) challenge: Option<Challenge>,
    pub(crate) given_at: Timestamp,
}

/// What every decision needs: the switches, chance and the time.
pub(crate) struct Rules<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) chance: &'a Chance,
    pub(crate) now: Timestamp,
}

/// What an app presents to spend a code.
pub(crate) struct Redemption<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) code: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) verifier: Option<&'a str>,
}

#[derive(Debug)]
struct Code {
    consent: Consent,
    expires_at: Timestamp,
    spent: bool,
}

/// The tokens that grew from one authorization.
#[derive(Debug)]
struct Grant {
    consent: Consent,
    newest: Option<String>,
    refreshes: u32,
    revoked: bool,
}

#[derive(Debug)]
struct AccessToken {
    grant: usize,
    scopes: Vec<String>,
    expires_at: Timestamp,
}

#[derive(Debug)]
struct RefreshToken {
    grant: usize,
    expires_at: Timestamp,
    first_used_at: Option<Timestamp>,
    uses: u32,
}

/// What the token endpoint answers.
#[derive(Debug)]
pub(crate) struct TokenAnswer {
    pub(crate) access_token: String,
    pub(crate) refresh_token: Option<String>,
    pub(crate) id_token: Option<String>,
    pub(crate) expires_in: u32,
    pub(crate) scope: String,
}

/// A code or a refresh token that opens nothing, whatever the cause.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct InvalidGrant;

/// Why an access token opens nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BearerRefusal {
    Expired(Timestamp),
    Unknown,
}

/// The state of one grant, without its secrets.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GrantState {
    client_id: String,
    user_id: String,
    auth_event_id: String,
    scopes: Vec<String>,
    created_at: Timestamp,
    refresh_expires_at: Option<Timestamp>,
    refresh_token_fingerprint: Option<String>,
    refreshes: u32,
    revoked: bool,
}

impl Consent {
    pub(crate) fn party(&self) -> Party {
        Party { client_id: self.client_id.clone(), user_id: self.user.user_id.clone() }
    }

    fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|granted| granted == scope)
    }
}

impl Grants {
    /// Makes a code for a consent that was just given.
    pub(crate) fn issue_code(&mut self, consent: Consent, rules: &Rules<'_>) -> String {
        forget_expired(&mut self.codes, rules.now, |code| code.expires_at);
        let code = rules.chance.base64_url(32);
        let expires_at = later(rules.now, rules.settings.code_seconds);
        self.codes.insert(code.clone(), Code { consent, expires_at, spent: false });
        code
    }

    /// Exchanges a code for the first tokens of a grant.
    pub(crate) fn redeem(
        &mut self,
        redemption: &Redemption<'_>,
        rules: &Rules<'_>,
    ) -> Result<TokenAnswer, InvalidGrant> {
        let known = self.codes.get_mut(redemption.code).ok_or(InvalidGrant)?;
        let consent = &known.consent;
        if known.spent
            || consent.client_id != redemption.client_id
            || consent.redirect_uri != redemption.redirect_uri
            || rules.now >= known.expires_at
            || !Challenge::is_met(consent.challenge.as_ref(), redemption.verifier)
        {
            return Err(InvalidGrant);
        }
        known.spent = true;
        let consent = known.consent.clone();
        self.list.push(Grant {
            consent: self.accumulated(consent),
            newest: None,
            refreshes: 0,
            revoked: false,
        });
        Ok(self.answer(self.list.len() - 1, rules))
    }

    /// Exchanges a refresh token for new tokens; it stays usable for a while after its first use.
    pub(crate) fn refresh(
        &mut self,
        token: &str,
        client_id: &str,
        connections: &Connections,
        rules: &Rules<'_>,
    ) -> Result<TokenAnswer, InvalidGrant> {
        let known = self.refresh.get_mut(token).ok_or(InvalidGrant)?;
        let grant = &mut self.list[known.grant];
        let usable = match known.first_used_at {
            None => rules.now < known.expires_at,
            Some(used_at) => {
                let once = rules.settings.grace_reuse == GraceReuse::Once;
                rules.now < later(used_at, rules.settings.rotation_grace_seconds) && !(once && known.uses > 1)
            }
        };
        if !usable || grant.revoked || grant.consent.client_id != client_id {
            return Err(InvalidGrant);
        }
        let is_about_data = grant.consent.scopes.iter().any(|scope| scopes::is_about_data(scope));
        if is_about_data && !connections.has_any(&grant.consent.party()) {
            grant.revoked = true;
            return Err(InvalidGrant);
        }
        known.first_used_at.get_or_insert(rules.now);
        known.uses += 1;
        grant.refreshes += 1;
        let grant = known.grant;
        Ok(self.answer(grant, rules))
    }

    /// Ends the token set of a refresh token; returns whose it was, if it was the client's.
    pub(crate) fn revoke(&mut self, token: &str, client_id: &str) -> Option<Party> {
        let grant = &self.list[self.refresh.get(token)?.grant];
        let party = grant.consent.party();
        if grant.revoked || party.client_id != client_id {
            return None;
        }
        for grant in self.list.iter_mut().filter(|grant| grant.consent.party() == party) {
            grant.revoked = true;
        }
        Some(party)
    }

    /// Returns whose an access token is, and what it opens.
    pub(crate) fn bearer(&self, token: &str, now: Timestamp) -> Result<(Party, Vec<String>), BearerRefusal> {
        let access = self.access.get(token).ok_or(BearerRefusal::Unknown)?;
        let grant = &self.list[access.grant];
        if now >= access.expires_at {
            return Err(BearerRefusal::Expired(access.expires_at));
        }
        if grant.revoked {
            return Err(BearerRefusal::Unknown);
        }
        Ok((grant.consent.party(), access.scopes.clone()))
    }

    /// Returns the state of every grant, oldest first.
    pub(crate) fn states(&self) -> Vec<GrantState> {
        self.list.iter().map(|grant| self.state(grant)).collect()
    }

    /// Adds the scopes about data that the user gave the app before: only a disconnection takes them away.
    fn accumulated(&self, mut consent: Consent) -> Consent {
        let party = consent.party();
        let before = self.list.iter().filter(|grant| !grant.revoked && grant.consent.party() == party);
        for scope in before.flat_map(|grant| &grant.consent.scopes) {
            if scopes::is_about_data(scope) && !consent.has_scope(scope) {
                consent.scopes.push(scope.clone());
            }
        }
        consent
    }

    fn answer(&mut self, grant: usize, rules: &Rules<'_>) -> TokenAnswer {
        forget_expired(&mut self.access, rules.now, |access| access.expires_at);
        let consent = self.list[grant].consent.clone();
        let expires_in = rules.settings.access_token_seconds;
        let access_token = jwt::access_token(&consent, rules);
        let expires_at = later(rules.now, expires_in);
        let scopes = consent.scopes.clone();
        self.access.insert(access_token.clone(), AccessToken { grant, scopes, expires_at });
        let refresh_token = consent.has_scope("offline_access").then(|| rules.chance.base64_url(32));
        if let Some(token) = &refresh_token {
            let expires_at = later(rules.now, rules.settings.refresh_token_seconds);
            let fresh = RefreshToken { grant, expires_at, first_used_at: None, uses: 0 };
            self.refresh.insert(token.clone(), fresh);
            self.list[grant].newest = Some(token.clone());
        }
        let id_token = consent.has_scope("openid").then(|| jwt::id_token(&consent, &access_token, rules));
        TokenAnswer { access_token, refresh_token, id_token, expires_in, scope: consent.scopes.join(" ") }
    }

    fn state(&self, grant: &Grant) -> GrantState {
        let newest = grant.newest.as_ref().and_then(|token| self.refresh.get(token));
        GrantState {
            client_id: grant.consent.client_id.clone(),
            user_id: grant.consent.user.user_id.clone(),
            auth_event_id: grant.consent.auth_event_id.clone(),
            scopes: grant.consent.scopes.clone(),
            created_at: grant.consent.given_at,
            refresh_expires_at: newest.map(|token| token.expires_at),
            refresh_token_fingerprint: grant.newest.as_deref().map(fingerprint),
            refreshes: grant.refreshes,
            revoked: grant.revoked,
        }
    }
}
