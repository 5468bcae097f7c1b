//! The second durable place of a new token set, for when the table does not take it: sealed, on the recovery queue.

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{MessageError, Refresher};
use crate::{
    connection::{Connection, ConnectionKey, PreviousRefresh, SealedTokens},
    event::{Event, EventKind, announce},
    store::StoreError,
};

/// The version of the message written here.
pub const SPILL_VERSION: u32 = 1;

/// A new token set that the table did not take, as sealed as it would be there.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SpilledTokens {
    /// The version of this shape.
    pub v: u32,
    /// Whose connection, and which.
    #[serde(rename = "recover")]
    pub key: ConnectionKey,
    /// The number of the lease under which it was won.
    pub fence: u64,
    /// The fingerprint of the refresh token that it replaces: only where this one still stands, the new one belongs.
    pub replaces: String,
    /// The token set.
    #[serde(with = "wire")]
    pub tokens: SealedTokens,
}

/// What became of a spilled token set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CompleteOutcome {
    /// It is stored, since now or before.
    Stored,
    /// It stood already when it came: its worker stored it after all. Only of [`Refresher::complete`].
    Standing,
    /// A newer token set stands, or the connection has ended.
    Superseded,
}

impl CompleteOutcome {
    /// The name in logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Standing => "standing",
            Self::Superseded => "superseded",
        }
    }
}

impl SpilledTokens {
    /// Reads a message of the recovery queue.
    pub fn parse(body: &str) -> Result<Self, MessageError> {
        let spilled = serde_json::from_str::<Self>(body).map_err(MessageError::Shape)?;
        if spilled.v == SPILL_VERSION { Ok(spilled) } else { Err(MessageError::Version(spilled.v)) }
    }

    fn stands_in(&self, connection: &Connection) -> bool {
        let is_it = |stored: &SealedTokens| {
            stored.generation == self.tokens.generation
                && stored.refresh_fingerprint == self.tokens.refresh_fingerprint
        };
        connection.tokens.as_ref().is_some_and(is_it)
    }
}

impl Refresher {
    /// Stores a token set that came by the recovery queue, and tells of it.
    pub async fn complete(&self, spilled: &SpilledTokens) -> Result<CompleteOutcome, StoreError> {
        let Some(connection) = self.connections.find(&spilled.key).await? else {
            return Ok(CompleteOutcome::Superseded);
        };
        if spilled.stands_in(&connection) {
            return Ok(CompleteOutcome::Standing);
        }
        let (key, tokens) = (&spilled.key, &spilled.tokens);
        let policy = self.policy.of(&connection);
        let due = policy.next(&key.connection, tokens, connection.used_at, &*self.entropy);
        let outcome = self.store.complete(spilled, due, &self.ids().write()).await?;
        if outcome == CompleteOutcome::Stored {
            let event = Event::new(EventKind::TokenRefreshed, key, connection.provider, self.clock.now());
            announce(&*self.bus, &Event { expires_at: Some(tokens.access_expires_at), ..event }).await;
        }
        Ok(outcome)
    }
}

/// The recovery queue.
#[async_trait]
pub trait RecoveryQueue: Send + Sync {
    /// Puts a token set into the queue; when this returns, it is durable.
    async fn spill(&self, spilled: &SpilledTokens) -> Result<(), StoreError>;
}

/// A sealed token set as JSON: envelopes in base64.
mod wire {
    use super::*;

    #[derive(Deserialize, Serialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Tokens {
        generation: u64,
        access: String,
        refresh: String,
        refresh_fingerprint: String,
        issued_at: Timestamp,
        refreshed: bool,
        access_expires_at: Timestamp,
        refresh_expires_at: Option<Timestamp>,
        hard_expires_at: Option<Timestamp>,
        keys_made_at: Timestamp,
        previous: Option<Previous>,
    }

    #[derive(Deserialize, Serialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Previous {
        refresh: String,
        generation: u64,
        usable_until: Timestamp,
    }

    pub(super) fn serialize<S: Serializer>(tokens: &SealedTokens, serializer: S) -> Result<S::Ok, S::Error> {
        Tokens {
            generation: tokens.generation,
            access: STANDARD.encode(&tokens.access),
            refresh: STANDARD.encode(&tokens.refresh),
            refresh_fingerprint: tokens.refresh_fingerprint.clone(),
            issued_at: tokens.issued_at,
            refreshed: tokens.refreshed,
            access_expires_at: tokens.access_expires_at,
            refresh_expires_at: tokens.refresh_expires_at,
            hard_expires_at: tokens.hard_expires_at,
            keys_made_at: tokens.keys_made_at,
            previous: tokens.previous.as_ref().map(|previous| Previous {
                refresh: STANDARD.encode(&previous.refresh),
                generation: previous.generation,
                usable_until: previous.usable_until,
            }),
        }
        .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SealedTokens, D::Error> {
        let tokens = Tokens::deserialize(deserializer)?;
        let bytes = |text: &str| STANDARD.decode(text).map_err(D::Error::custom);
        let previous = |previous: &Previous| {
            Ok(PreviousRefresh {
                refresh: bytes(&previous.refresh)?,
                generation: previous.generation,
                usable_until: previous.usable_until,
            })
        };
        Ok(SealedTokens {
            generation: tokens.generation,
            access: bytes(&tokens.access)?,
            refresh: bytes(&tokens.refresh)?,
            previous: tokens.previous.as_ref().map(previous).transpose()?,
            refresh_fingerprint: tokens.refresh_fingerprint,
            issued_at: tokens.issued_at,
            refreshed: tokens.refreshed,
            access_expires_at: tokens.access_expires_at,
            refresh_expires_at: tokens.refresh_expires_at,
            hard_expires_at: tokens.hard_expires_at,
            keys_made_at: tokens.keys_made_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        entropy::SystemEntropy,
        provider::Provider,
        sealing::{DataKey, Purpose, SealingContext, seal},
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn spilled(access: Vec<u8>, refresh: Vec<u8>) -> SpilledTokens {
        SpilledTokens {
            v: SPILL_VERSION,
            key: ConnectionKey { tenant: "acme".parse().unwrap(), connection: "conn_1".parse().unwrap() },
            fence: 8,
            replaces: "0123".to_owned(),
            tokens: SealedTokens {
                generation: 3,
                access,
                refresh: refresh.clone(),
                refresh_fingerprint: "4567".to_owned(),
                issued_at: at(1_000),
                refreshed: true,
                access_expires_at: at(4_600),
                refresh_expires_at: Some(at(9_000)),
                hard_expires_at: None,
                keys_made_at: at(0),
                previous: Some(PreviousRefresh { refresh, generation: 2, usable_until: at(2_800) }),
            },
        }
    }

    #[test]
    fn the_message_is_of_this_shape() {
        insta::assert_json_snapshot!(spilled(vec![1; 3], vec![2; 4]), @r#"
        {
          "v": 1,
          "recover": {
            "tenantId": "acme",
            "connectionId": "conn_1"
          },
          "fence": 8,
          "replaces": "0123",
          "tokens": {
            "generation": 3,
            "access": "AQEB",
            "refresh": "AgICAg==",
            "refreshFingerprint": "4567",
            "issuedAt": "1970-01-01T00:16:40Z",
            "refreshed": true,
            "accessExpiresAt": "1970-01-01T01:16:40Z",
            "refreshExpiresAt": "1970-01-01T02:30:00Z",
            "hardExpiresAt": null,
            "keysMadeAt": "1970-01-01T00:00:00Z",
            "previous": {
              "refresh": "AgICAg==",
              "generation": 2,
              "usableUntil": "1970-01-01T00:46:40Z"
            }
          }
        }
        "#);
    }

    #[test]
    fn it_reads_back_as_it_was_whatever_is_absent() {
        let whole = spilled(vec![0xff; 100], vec![0; 50]);
        let mut bare = whole.clone();
        (bare.tokens.previous, bare.tokens.refresh_expires_at) = (None, None);
        bare.tokens.hard_expires_at = Some(at(8_000));

        for spilled in [whole, bare] {
            let body = serde_json::to_string(&spilled).unwrap();
            assert_eq!(SpilledTokens::parse(&body).unwrap(), spilled);
        }
    }

    #[test]
    fn what_is_not_understood_in_every_part_is_not_read() {
        let body = serde_json::to_value(spilled(vec![1], vec![2])).unwrap();
        let with = |pointer: &str, name: &str, value: serde_json::Value| {
            let mut body = body.clone();
            body.pointer_mut(pointer).unwrap()[name] = value;
            SpilledTokens::parse(&body.to_string())
        };

        for pointer in ["", "/tokens", "/tokens/previous"] {
            assert!(matches!(with(pointer, "more", 1.into()), Err(MessageError::Shape(_))), "{pointer}");
        }
        assert!(matches!(with("/tokens", "refresh", "%".into()), Err(MessageError::Shape(_))));
        assert!(matches!(with("", "v", 2.into()), Err(MessageError::Version(2))));
    }

    #[test]
    fn nothing_of_a_token_shows_in_the_message_or_in_its_debug_form() {
        let (access, refresh) = ("an-access-token-of-a-customer", "a-refresh-token-of-a-customer");
        let sealed = |purpose, token: &str| {
            let key = spilled(vec![], vec![]).key;
            let context =
                SealingContext { environment: "test", key: &key, provider: Provider::Xero, purpose };
            let data_key = DataKey::new([7; 32]);
            seal(&data_key, b"wrapped", (&context, 3), token.as_bytes(), &SystemEntropy).unwrap()
        };
        let spilled = spilled(sealed(Purpose::Access, access), sealed(Purpose::Refresh, refresh));

        let shown = [serde_json::to_string(&spilled).unwrap(), format!("{spilled:?}")];

        for token in [access, refresh] {
            // As it is, as bytes, and in base64 from each of the three places where a group may begin.
            let bytes = format!("{:?}", token.as_bytes());
            let base64 = (0..3).map(|begin| STANDARD.encode(&token.as_bytes()[begin..begin + 24]));
            for form in
                [token.to_owned(), bytes.trim_matches(['[', ']']).to_owned()].into_iter().chain(base64)
            {
                assert!(shown.iter().all(|shown| !shown.contains(&form)), "{form}");
            }
        }
    }
}
