//! What happens to every provider request: it is read, noted, perhaps spoiled by a fault, and answered.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::sync::watch;

use crate::{
    calls::Line,
    faults::{Fault, FaultKind},
    provider::Provider,
    wire::Wire,
    world::World,
};

/// Largest request body that a provider reads.
const MAX_BODY: usize = 4 * 1024 * 1024;

const SERVICE_UNAVAILABLE_PAGE: &str = "<html><head><title>503 Service Temporarily Unavailable</title></head><body><center>\
     <h1>503 Service Temporarily Unavailable</h1></center></body></html>";

/// The wait between accepting a request and carrying it out; none by default.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pause(Option<(Duration, watch::Receiver<u64>)>);

impl Pause {
    fn of(fault: Option<&Fault>, world: &World) -> Self {
        let delay = fault.map(Fault::delay).filter(|delay| !delay.is_zero());
        Self(delay.map(|delay| (delay, world.faults.next_release())))
    }

    /// Waits for the delay to pass, or for a release.
    pub(crate) async fn wait(self) {
        if let Some((delay, mut release)) = self.0 {
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                _ = release.changed() => {}
            }
        }
    }
}

/// Lets a provider request through, noting it and applying the fault that is set for it.
pub(crate) async fn observe(
    State(world): State<Arc<World>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: Request,
    next: Next,
) -> Response {
    let Some(provider) = Provider::of_path(request.uri().path()) else {
        return next.run(request).await;
    };
    // A provider goes on when its caller hangs up, so the work must not be dropped with the connection.
    let work = tokio::spawn(serve(world, wire, provider, request, next));
    work.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

async fn serve(world: Arc<World>, wire: Wire, provider: Provider, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let presented = provider.inspect(&parts, &body);
    let path = parts.uri.path().to_owned();
    let line = Line { provider, method: parts.method.as_str(), path: &path, query: parts.uri.query() };
    let call = world.calls.begin(world.clock.now(), &line, &presented);
    let fault = world.faults.take(provider, &path, &presented);
    let commits = fault.as_ref().is_none_or(Fault::commits);
    let pause = Pause::of(fault.as_ref(), &world);
    if commits && provider.delays_by_itself(presented.endpoint) {
        parts.extensions.insert(pause);
    } else {
        pause.wait().await;
    }
    let answer =
        if commits { Some(next.run(Request::from_parts(parts, Body::from(body))).await) } else { None };
    let answer = match &fault {
        Some(fault) => spoil(fault, answer, &wire).await,
        None => answer,
    };
    let status = answer.as_ref().map(|answer| answer.status().as_u16());
    world.calls.finish(&call, status, fault.as_ref().map(Fault::name));
    tracing::info!(provider = ?provider, endpoint = ?presented.endpoint, path, status, "Answered a request");
    answer.unwrap_or_else(|| {
        wire.cut_before_answer();
        StatusCode::BAD_GATEWAY.into_response()
    })
}

/// Turns the true answer (if the request was carried out) into the false one; `None` means a reset connection.
async fn spoil(fault: &Fault, answer: Option<Response>, wire: &Wire) -> Option<Response> {
    let spoiled = match fault.kind {
        FaultKind::LostResponse | FaultKind::Reset => return None,
        FaultKind::Delay | FaultKind::Hold => return answer,
        FaultKind::Truncated => {
            wire.cut_halfway();
            return answer;
        }
        FaultKind::WithoutAccessToken => return without_access_token(answer?).await,
        FaultKind::Status => with_status(fault),
        FaultKind::StreamTimeout => {
            (StatusCode::GATEWAY_TIMEOUT, [(header::CONTENT_TYPE, "text/plain")], "stream timeout")
                .into_response()
        }
        FaultKind::Unparsable => {
            let body =
                fault.body.clone().unwrap_or_else(|| "<!doctype html><title>One moment</title>".to_owned());
            let content_type = fault.content_type.clone().unwrap_or_else(|| "application/json".to_owned());
            ([(header::CONTENT_TYPE, content_type)], body).into_response()
        }
        FaultKind::Redirect => {
            let location =
                fault.location.clone().unwrap_or_else(|| "http://127.0.0.1:9/elsewhere".to_owned());
            (StatusCode::FOUND, [(header::LOCATION, location)]).into_response()
        }
        FaultKind::HugeBody => {
            ([(header::CONTENT_TYPE, "application/json")], vec![b' '; fault.body_bytes()]).into_response()
        }
    };
    Some(with_headers(fault, spoiled))
}

fn with_status(fault: &Fault) -> Response {
    let status = fault.status.and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (content_type, body) = match (&fault.body, status) {
        (Some(body), _) => ("application/json", body.clone()),
        (None, StatusCode::SERVICE_UNAVAILABLE) => ("text/html", SERVICE_UNAVAILABLE_PAGE.to_owned()),
        (None, _) => ("text/plain", status.canonical_reason().unwrap_or_default().to_owned()),
    };
    let content_type = fault.content_type.clone().unwrap_or_else(|| content_type.to_owned());
    (status, [(header::CONTENT_TYPE, content_type)], body).into_response()
}

fn with_headers(fault: &Fault, mut answer: Response) -> Response {
    for (name, value) in &fault.headers {
        // Both were checked when the fault was set.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

async fn without_access_token(answer: Response) -> Option<Response> {
    let (mut parts, body) = answer.into_parts();
    let bytes = to_bytes(body, MAX_BODY).await.ok()?;
    let body = match serde_json::from_slice::<serde_json::Value>(&bytes) {
        Ok(serde_json::Value::Object(mut members)) => {
            members.remove("access_token");
            Body::from(serde_json::Value::Object(members).to_string())
        }
        _ => Body::from(bytes),
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    Some(Response::from_parts(parts, body))
}
