//! Codes, refresh tokens and access tokens, and every rule by which they live and die.

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{locations::Location, settings::Settings};
use crate::{
    chance::Chance, clock::later, issued::fingerprint, kept::forget_expired, pkce::Challenge, window::Window,
};

/// Span in which Zoho counts codes and tokens.
const SPAN: SignedDuration = SignedDuration::from_mins(10);
/// Codes, and refresh tokens, that one user may get for one client within the span.
const PER_SPAN: usize = 10;
/// Refresh tokens that one user may have with one client; one more removes the oldest.
const MAX_REFRESH_TOKENS: usize = 20;
/// Access tokens of one refresh token that live at once; one more removes the oldest.
const MAX_LIVE_ACCESS_TOKENS: usize = 15;

/// All codes and tokens.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    codes: HashMap<String, Code>,
    list: Vec<Grant>,
    access: HashMap<String, AccessToken>,
    refresh: HashMap<String, usize>,
    /// When each user got codes and refresh tokens for each client.
    codes_made: HashMap<(String, String), Window>,
    refresh_tokens_made: HashMap<(String, String), Window>,
}

/// What a code or a grant is for.
#[derive(Clone, Debug)]
pub(crate) struct Consent {
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) user_id: String,
    /// The data center of the user.
    pub(crate) location: Location,
    pub(crate) scopes: Vec<String>,
    /// Whether a refresh token was asked for, with `access_type=offline`.
    pub(crate) offline: bool,
    /// Whether the user was asked again, with `prompt=consent`.
    pub(crate) asked_again: bool,
    pub(crate) challenge: Option<Challenge>,
}

/// What every decision needs: the switches, chance and the time.
pub(crate) struct Rules<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) chance: &'a Chance,
    pub(crate) now: Timestamp,
}

/// Who asks the token endpoint, and where.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) location: Location,
}

/// A code with what must come along with it.
pub(crate) struct Redemption<'a> {
    pub(crate) code: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) code_verifier: Option<&'a str>,
}

#[derive(Debug)]
struct Code {
    consent: Consent,
    expires_at: Timestamp,
    spent: bool,
}

/// One exchanged code: its refresh token, if it got one, and the access tokens that live.
#[derive(Debug)]
struct Grant {
    consent: Consent,
    created_at: Timestamp,
    refresh_token: Option<String>,
    access_tokens: VecDeque<String>,
    refreshed: Window,
    refreshes: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
enum State {
    Live,
    /// Pushed out by a newer grant of the same user and client.
    Removed,
    /// Ended by the client or by the user.
    Revoked,
}

#[derive(Clone, Copy, Debug)]
struct AccessToken {
    grant: usize,
    expires_at: Timestamp,
}

/// What the token endpoint answers.
#[derive(Debug)]
pub(crate) struct TokenAnswer {
    pub(crate) access_token: String,
    /// Only after an exchange that gives one.
    pub(crate) refresh_token: Option<String>,
    pub(crate) scopes: Vec<String>,
}

/// Why no code or token is given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refused {
    /// The code or the refresh token is not, or no longer, good here.
    InvalidCode,
    InvalidRedirectUri,
    TooMany,
}

/// The state of one grant, without its secrets.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GrantState {
    client_id: String,
    user_id: String,
    location: Location,
    scopes: Vec<String>,
    created_at: Timestamp,
    refresh_token_fingerprint: Option<String>,
    refreshes: u32,
    live_access_tokens: usize,
    state: State,
}

impl Grants {
    /// Makes a code for a consent that was just given.
    pub(crate) fn issue_code(&mut self, consent: Consent, rules: &Rules<'_>) -> Result<String, Refused> {
        let made = self.codes_made.entry(consent.owner()).or_default();
        if rules.settings.enforce_token_limits && made.count(rules.now, SPAN) >= PER_SPAN {
            return Err(Refused::TooMany);
        }
        made.note(rules.now);
        forget_expired(&mut self.codes, rules.now, |code| code.expires_at);
        let code = token(rules.chance);
        let expires_at = later(rules.now, rules.settings.code_seconds);
        self.codes.insert(code.clone(), Code { consent, expires_at, spent: false });
        Ok(code)
    }

    /// Exchanges a code for the tokens of a new grant.
    pub(crate) fn redeem(
        &mut self,
        redemption: &Redemption<'_>,
        caller: Caller<'_>,
        rules: &Rules<'_>,
    ) -> Result<TokenAnswer, Refused> {
        let known = self.codes.get_mut(redemption.code).ok_or(Refused::InvalidCode)?;
        let proven = Challenge::is_met(known.consent.challenge.as_ref(), redemption.code_verifier);
        if known.spent || !known.consent.is_of(caller) || rules.now >= known.expires_at || !proven {
            return Err(Refused::InvalidCode);
        }
        if known.consent.redirect_uri != redemption.redirect_uri {
            return Err(Refused::InvalidRedirectUri);
        }
        let consent = known.consent.clone();
        let owner = consent.owner();
        // Someone who has agreed before gets a new refresh token only when asked again.
        let gets_refresh_token = consent.offline && (consent.asked_again || self.live_of(&owner).is_empty());
        if gets_refresh_token {
            self.make_room(&owner, rules)?;
        }
        if let Some(code) = self.codes.get_mut(redemption.code) {
            code.spent = true;
        }
        let refresh_token = gets_refresh_token.then(|| token(rules.chance));
        let grant = self.list.len();
        self.refresh.extend(refresh_token.iter().map(|token| (token.clone(), grant)));
        self.list.push(Grant {
            consent,
            created_at: rules.now,
            refresh_token: refresh_token.clone(),
            access_tokens: VecDeque::new(),
            refreshed: Window::default(),
            refreshes: 0,
            state: State::Live,
        });
        Ok(TokenAnswer { refresh_token, ..self.answer(grant, rules) })
    }

    /// Makes another access token; the refresh token stays as it is, so refreshes at once do not disturb each other.
    pub(crate) fn refresh(
        &mut self,
        refresh_token: &str,
        caller: Caller<'_>,
        rules: &Rules<'_>,
    ) -> Result<TokenAnswer, Refused> {
        let at = *self.refresh.get(refresh_token).ok_or(Refused::InvalidCode)?;
        let grant = &mut self.list[at];
        if grant.state != State::Live || !grant.consent.is_of(caller) {
            return Err(Refused::InvalidCode);
        }
        if rules.settings.enforce_token_limits && grant.refreshed.count(rules.now, SPAN) >= PER_SPAN {
            return Err(Refused::TooMany);
        }
        grant.refreshed.note(rules.now);
        grant.refreshes += 1;
        Ok(self.answer(at, rules))
    }

    /// Revokes a refresh token with its access tokens, or one access token; false if it is not good here.
    pub(crate) fn revoke(&mut self, token: &str, location: Location, now: Timestamp) -> bool {
        if let Some(&at) = self.refresh.get(token) {
            let here = self.list[at].state == State::Live && self.list[at].consent.location == location;
            if here {
                self.end(at, State::Revoked);
            }
            return here;
        }
        let here = self.consent_of(token, location, now).is_some();
        if here {
            self.access.remove(token);
        }
        here
    }

    /// Ends every grant of a user, as the user does under "Connected apps"; returns how many ended.
    pub(crate) fn disconnect(&mut self, user_id: &str) -> usize {
        let of_user = |grant: &Grant| grant.state == State::Live && grant.consent.user_id == user_id;
        let live: Vec<usize> = (0..self.list.len()).filter(|&at| of_user(&self.list[at])).collect();
        for &at in &live {
            self.end(at, State::Revoked);
        }
        live.len()
    }

    /// Returns the consent that an access token stands for at a data center.
    pub(crate) fn consent_of(&self, token: &str, location: Location, now: Timestamp) -> Option<&Consent> {
        let access = self.access.get(token).filter(|access| now < access.expires_at)?;
        Some(&self.list[access.grant].consent).filter(|consent| consent.location == location)
    }

    /// Returns the state of every grant, oldest first.
    pub(crate) fn states(&self, now: Timestamp) -> Vec<GrantState> {
        self.list.iter().map(|grant| self.state_of(grant, now)).collect()
    }

    fn answer(&mut self, at: usize, rules: &Rules<'_>) -> TokenAnswer {
        forget_expired(&mut self.access, rules.now, |access| access.expires_at);
        let access_token = token(rules.chance);
        let expires_at = later(rules.now, rules.settings.access_token_seconds);
        self.access.insert(access_token.clone(), AccessToken { grant: at, expires_at });
        let (grant, access) = (&mut self.list[at], &mut self.access);
        grant.access_tokens.push_back(access_token.clone());
        grant
            .access_tokens
            .retain(|token| access.get(token).is_some_and(|token| rules.now < token.expires_at));
        if rules.settings.enforce_token_limits && grant.access_tokens.len() > MAX_LIVE_ACCESS_TOKENS {
            grant.access_tokens.pop_front().map(|oldest| access.remove(&oldest));
        }
        TokenAnswer { access_token, refresh_token: None, scopes: grant.consent.scopes.clone() }
    }

    /// Sees to it that one more refresh token is within the limits.
    fn make_room(&mut self, owner: &(String, String), rules: &Rules<'_>) -> Result<(), Refused> {
        let made = self.refresh_tokens_made.entry(owner.clone()).or_default();
        if !rules.settings.enforce_token_limits {
            return Ok(());
        }
        if made.count(rules.now, SPAN) >= PER_SPAN {
            return Err(Refused::TooMany);
        }
        made.note(rules.now);
        let live = self.live_of(owner);
        if let (true, Some(&oldest)) = (live.len() >= MAX_REFRESH_TOKENS, live.first()) {
            self.end(oldest, State::Removed);
        }
        Ok(())
    }

    /// Returns the grants of a user and client that have a refresh token, oldest first.
    fn live_of(&self, owner: &(String, String)) -> Vec<usize> {
        let is_live = |grant: &Grant| {
            let of_owner = grant.consent.user_id == owner.0 && grant.consent.client_id == owner.1;
            of_owner && grant.state == State::Live && grant.refresh_token.is_some()
        };
        (0..self.list.len()).filter(|&at| is_live(&self.list[at])).collect()
    }

    fn end(&mut self, at: usize, state: State) {
        let grant = &mut self.list[at];
        grant.state = state;
        for token in grant.access_tokens.drain(..) {
            self.access.remove(&token);
        }
    }

    fn state_of(&self, grant: &Grant, now: Timestamp) -> GrantState {
        let consent = &grant.consent;
        let lives = |token: &&String| self.access.get(*token).is_some_and(|access| now < access.expires_at);
        GrantState {
            client_id: consent.client_id.clone(),
            user_id: consent.user_id.clone(),
            location: consent.location,
            scopes: consent.scopes.clone(),
            created_at: grant.created_at,
            refresh_token_fingerprint: grant.refresh_token.as_deref().map(fingerprint),
            refreshes: grant.refreshes,
            live_access_tokens: grant.access_tokens.iter().filter(lives).count(),
            state: grant.state,
        }
    }
}

impl Consent {
    /// Returns the pair that Zoho counts codes and refresh tokens for.
    fn owner(&self) -> (String, String) {
        (self.user_id.clone(), self.client_id.clone())
    }

    fn is_of(&self, caller: Caller<'_>) -> bool {
        self.client_id == caller.client_id && self.location == caller.location
    }
}

/// Makes a code or token; Zoho gives all of them one shape.
pub(crate) fn token(chance: &Chance) -> String {
    format!("1000.{}.{}", chance.hex(32), chance.hex(32))
}
