//! The history of one connection, and whether it is as it was written.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use domain::{
    connection::{ChainHead, Connection},
    id::ConnectionId,
    refresh::{RefreshAttempt, chain},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Deps,
    call::{Call, Name, Outcome, Parameters, Refusal},
    connections::{find, missing},
    history::{AttemptBody, attempt},
    openapi::{OfTenant, OneConnection},
    tenancy::Within,
};

/// Attempts of one answer unless asked otherwise.
const DEFAULT_LIMIT: u32 = 100;
/// The greatest `limit`: 1,000 attempts are less than a tenth of what Lambda may answer.
const MAX_LIMIT: u32 = 1000;
/// Attempts that are verified in one call, the newest: more than a year of hourly ones, a few seconds of reading.
const MAX_VERIFIED: u32 = 10_000;
/// Numbers of one list of a verification: who finds so many need not see all, and the answer stays small.
const MAX_LISTED: usize = 1000;
/// How often the history is read again that grew while it was read.
const READ_TRIES: usize = 3;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConnectionHistoryBody)]
struct HistoryBody {
    connection_id: ConnectionId,
    history: Vec<EntryBody>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EntryBody {
    #[serde(flatten)]
    attempt: AttemptBody,
    trace_id: Option<String>,
    sequence: Option<u64>,
    hash: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct VerificationBody {
    connection_id: ConnectionId,
    /// How many entries were verified.
    entries: u64,
    intact: bool,
    /// Whether all that is kept was verified, and all that was found is listed.
    complete: bool,
    altered: Vec<u64>,
    missing: Vec<u64>,
    head: HeadBody,
}

#[derive(Serialize, ToSchema)]
struct HeadBody {
    sequence: u64,
    hash: String,
}

/// `GET /api/connections/{id}/history?tenantId=&limit=`
#[utoipa::path(
    get,
    path = "/api/connections/{connection}/history",
    params(
        OneConnection,
        OfTenant,
        ("limit" = Option<u32>, Query, description = "How many at most; 100 when left out", minimum = 1, maximum = 1000),
    ),
    responses(
        (status = 200, description = "Its refresh attempts, newest first", body = HistoryBody),
        (status = 404, description = "There is no such connection"),
    ),
)]
pub(crate) async fn show(
    State(deps): State<Arc<Deps>>,
    Name(id): Name,
    Parameters(query): Parameters,
    call: Call,
) -> Outcome {
    let limit = query.limit("limit", DEFAULT_LIMIT, MAX_LIMIT)?;
    let things = call.within(&deps, query.parsed("tenantId")?).await?;
    let connection = find(&things, &id).await?;
    let attempts = things.attempts_of(&connection, limit).await?;
    let history = attempts.into_iter().map(entry).collect();
    Ok(call.json(StatusCode::OK, &HistoryBody { connection_id: connection.key.connection, history }))
}

fn entry(one: RefreshAttempt) -> EntryBody {
    EntryBody {
        trace_id: one.failure.as_ref().and_then(|failure| failure.trace_id.clone()),
        sequence: one.link.map(|link| link.sequence),
        hash: one.link.map(|link| hex::encode(link.hash)),
        attempt: attempt(one),
    }
}

/// `GET /api/connections/{id}/history/verification?tenantId=`
#[utoipa::path(
    get,
    path = "/api/connections/{connection}/history/verification",
    params(OneConnection, OfTenant),
    responses(
        (status = 200, description = "Whether its history is as it was written", body = VerificationBody),
        (status = 404, description = "There is no such connection"),
    ),
)]
pub(crate) async fn verify(
    State(deps): State<Arc<Deps>>,
    Name(id): Name,
    Parameters(query): Parameters,
    call: Call,
) -> Outcome {
    let things = call.within(&deps, query.parsed("tenantId")?).await?;
    let connection = find(&things, &id).await?;
    let connection_id = connection.key.connection.clone();
    let (head, mut attempts) = read(&things, connection).await?;
    let is_cut = attempts.len() > MAX_VERIFIED as usize;
    attempts.truncate(MAX_VERIFIED as usize);
    let report = chain::verify(head, &attempts);
    let is_listed = report.altered.len() <= MAX_LISTED && report.missing.len() <= MAX_LISTED;
    let listed = |numbers: Vec<u64>| numbers.into_iter().take(MAX_LISTED).collect();
    let body = VerificationBody {
        connection_id,
        entries: report.checked,
        intact: report.intact,
        complete: is_listed && !is_cut,
        altered: listed(report.altered),
        missing: listed(report.missing),
        head: HeadBody { sequence: head.sequence, hash: hex::encode(head.hash) },
    };
    Ok(call.json(StatusCode::OK, &body))
}

/// The head of a connection's chain, with the entries that belong to it: an attempt that ends between the two reads is no
/// forgery. One entry more than is verified tells whether there are more.
async fn read(
    things: &Within<'_>,
    mut connection: Connection,
) -> Result<(ChainHead, Vec<RefreshAttempt>), Refusal> {
    let mut tries = 0;
    loop {
        let head = connection.chain;
        let attempts = things.attempts_of(&connection, MAX_VERIFIED + 1).await?;
        tries += 1;
        connection = things.connection_of(&connection.key).await?.ok_or_else(missing)?;
        if connection.chain == head || tries >= READ_TRIES {
            return Ok((head, attempts));
        }
    }
}
