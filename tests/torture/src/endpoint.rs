//! The providers' token endpoint, as a worker reaches it: what it commits, and what becomes of its answers.

use std::{pin::pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::{
    clock::Clock as _,
    id::Location,
    provider::Provider,
    refresh::policy::{DEFAULT_POST_TIMEOUT, later},
    secret::{AccessToken, RefreshToken},
    token::{CodeGrant, Refusal, TokenEndpoint, TokenEndpointError, TokenSet},
};
use futures::future::{Either, select};
use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::{
    caller::Caller,
    connect,
    executor::{ENVIRONMENT, ProcessId},
    faults::Course,
    provider::{Kind, Place, Refused, parse, refresh_token},
    world::{World, kind, ms_at},
};

/// How long nobody says anything after an answer was lost without a word; longer than anybody listens.
const SILENCE: Duration = Duration::from_mins(1);

/// What the provider tells: the serial of the token that is good now.
type Told = Result<u64, TokenEndpointError>;

/// One call that is under way.
struct Call {
    world: Arc<World>,
    process: ProcessId,
    connection: usize,
    serial: u64,
    course: Course,
    takes: Duration,
}

#[async_trait]
impl TokenEndpoint for Caller {
    async fn exchange(&self, _grant: CodeGrant<'_>) -> Result<TokenSet, TokenEndpointError> {
        Err(TokenEndpointError::AppRefused(Refusal::default()))
    }

    async fn refresh(
        &self,
        token: &RefreshToken,
        _location: Option<&Location>,
    ) -> Result<TokenSet, TokenEndpointError> {
        let world = &self.world;
        let (connection, serial) = parse(token).unwrap();
        let (course, takes) = world.faults.of_provider(place(kind(connection).provider()));
        world.happened(serial, connection);
        world.tell(connection, || {
            format!("worker {} spends token {serial}: {course:?} in {takes:?}", self.process.0)
        });
        world.count(connection, |row| row.calls += 1);
        self.risk(takes);
        if course == Course::Unreached {
            world.time.sleep(takes / 4).await;
            return Err(TokenEndpointError::Unreached("made to fail".into()));
        }
        let sent_at = self.clock.now();
        let (tell, told) = oneshot::channel();
        // The provider goes on also when nobody listens any more.
        let call = Call { world: world.clone(), process: self.process, connection, serial, course, takes };
        world.time.spawn(ENVIRONMENT, call.answer(tell));
        if world.faults.reconnects() {
            reconnect_within(world, connection, takes);
        }
        match select(told, pin!(world.time.sleep(DEFAULT_POST_TIMEOUT))).await {
            Either::Left((Ok(told), _)) => told.map(|serial| token_set((connection, serial), sent_at)),
            Either::Left((Err(_), _)) | Either::Right(_) => {
                Err(TokenEndpointError::Unknown { refusal: Refusal::default(), source: None })
            }
        }
    }
}

impl Call {
    /// The provider's side of it.
    async fn answer(self, tell: oneshot::Sender<Told>) {
        let Self { world, connection, serial, course, takes, .. } = &self;
        let is_alone = world.grants()[*connection].begins_call(*serial);
        if !is_alone {
            world.incident(*connection, "is called while another call is under way");
            world.count(*connection, |row| row.overlaps += 1);
        }
        let before = world.chance.within(0..=i64::try_from(takes.as_millis()).unwrap_or_default());
        let before = Duration::from_millis(before.unsigned_abs());
        world.time.sleep(before).await;
        let told = self.commit();
        world.time.sleep(takes.saturating_sub(before)).await;
        world.grants()[*connection].ends_call(*serial);
        match course {
            Course::AnswerLost | Course::RequestLost | Course::Unreadable => {
                self.put(&told, Place::Destroyed);
                if *course != Course::Unreadable && world.chance.happens(0.5) {
                    world.time.sleep(SILENCE).await;
                }
            }
            _ => {
                self.put(&told, Place::InHand(self.process));
                if let Err(unheard) = tell.send(told) {
                    self.put(&unheard, Place::Destroyed);
                }
            }
        }
    }

    /// What the provider does with the token.
    fn commit(&self) -> Told {
        let refusal = |status, error: &str| Refusal {
            error: Some(error.to_owned()),
            status: Some(status),
            trace_id: None,
        };
        match self.course {
            Course::Failed => {
                Err(TokenEndpointError::Failed(Refusal { status: Some(503), ..Refusal::default() }))
            }
            Course::Throttled(retry_after) => {
                Err(TokenEndpointError::Throttled { refusal: refusal(429, "rate_limit"), retry_after })
            }
            Course::RequestLost | Course::Unreached => {
                Err(TokenEndpointError::Unknown { refusal: Refusal::default(), source: None })
            }
            Course::Answered | Course::AnswerLost | Course::Unreadable => {
                let Self { world, connection, serial, .. } = self;
                let (next, now_ms) = (world.number(), world.time.now_ms());
                let spent = world.grants()[*connection].spend((*connection, *serial), next, now_ms);
                world.tell(*connection, || format!("the provider commits: {spent:?}"));
                world.happened(next, *connection);
                spent.map_err(|refused| match refused {
                    Refused::Dead => TokenEndpointError::GrantRefused(refusal(400, "invalid_grant")),
                    Refused::OverBudget => {
                        world.incident(*connection, "is called beyond its budget");
                        world.count(*connection, |row| row.over_budget += 1);
                        let refusal = refusal(200, "access_denied");
                        TokenEndpointError::Throttled { refusal, retry_after: None }
                    }
                })
            }
        }
    }

    /// Says where the new token is.
    fn put(&self, told: &Told, place: Place) {
        let Ok(serial) = told else { return };
        // One that does not rotate is where it was.
        if kind(self.connection) == Kind::Static {
            return;
        }
        self.world.grants()[self.connection].put(*serial, place);
        if place == Place::Destroyed {
            self.world.tell(self.connection, || format!("token {serial} is destroyed"));
            self.world.count(self.connection, |row| row.destroyed += 1);
        }
    }
}

/// The customer connects again at some moment of a time that begins now.
fn reconnect_within(world: &Arc<World>, connection: usize, during: Duration) {
    let world = world.clone();
    let after = world.chance.lasting(Duration::ZERO..=during + Duration::from_secs(1));
    world.time.clone().spawn(ENVIRONMENT, async move {
        world.time.sleep(after).await;
        connect::connect(&world, connection);
    });
}

/// A token set as it is read: its lives are counted from before the request.
pub(crate) fn token_set((connection, serial): (usize, u64), sent_at: Timestamp) -> TokenSet {
    let kind = kind(connection);
    let access_expires_at = later(sent_at, kind.access_life());
    TokenSet {
        access: AccessToken::new(format!("access.{connection}.{serial}.{}", ms_at(access_expires_at))),
        refresh: refresh_token(connection, serial),
        access_expires_at,
        refresh_expires_at: kind.refresh_life().map(|life| later(sent_at, life)),
        hard_expires_at: None,
        scopes: None,
    }
}

/// Whether the provider accepts an access token of a connection.
pub(crate) fn accepts(world: &World, connection: usize, access: &AccessToken) -> bool {
    let mut parts = access.expose().split('.').skip(1).map(|part| part.parse::<i64>().unwrap());
    let (of, serial, ends_ms) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    let is_its = usize::try_from(of) == Ok(connection);
    is_its && world.grants()[connection].gave(serial.unsigned_abs()) && ends_ms > world.time.now_ms()
}

/// The place of a provider among all.
pub(crate) fn place(provider: Provider) -> usize {
    Provider::ALL.iter().position(|known| *known == provider).unwrap()
}
