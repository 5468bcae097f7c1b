//! Control of webhooks: sends one now, in any form, or sets one up as an administrator does.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::{
    super::{
        deliveries, resources,
        signature::{self, Encoding},
        webhooks::{self, Message, WebhookMethod},
    },
    Shared,
};
use crate::{
    control::{Body, ControlError, bounded, one, send_copies},
    oauth::FORM,
    signing::Signing,
    world::World,
};

/// What to send: the body is `rawBody`, or `form`, or the default payload of a record.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WebhookRequest {
    url: String,
    #[serde(default)]
    method: WebhookMethod,
    #[serde(default)]
    query_parameters: Vec<(String, String)>,
    raw_body: Option<String>,
    form: Option<Vec<(String, String)>>,
    /// The kind of record, as `invoice` or `invoices`.
    entity: Option<String>,
    /// A record given here…
    record: Option<Map<String, Value>>,
    /// … or one of an organization.
    organization_id: Option<String>,
    id: Option<String>,
    #[serde(default)]
    signature: Signing,
    /// Instead of the setting.
    encoding: Option<Encoding>,
    /// Instead of the setting.
    secret: Option<String>,
    #[serde(default = "one")]
    copies: usize,
    timeout_ms: Option<u64>,
}

pub(super) async fn send(
    State(world): Shared,
    Body(request): Body<WebhookRequest>,
) -> Result<Json<Value>, ControlError> {
    bounded(request.copies)?;
    let message = message(&world, &request)?;
    let settings = world.zoho.settings.lock().clone();
    let encoding = request.encoding.unwrap_or(settings.webhook_encoding);
    let secret = request.secret.as_ref().unwrap_or(&settings.webhook_secret);
    let text = signature::string_to_sign(&message.url, message.content_type, &message.body);
    let signature = request.signature.apply(encoding.sign(secret, &text));
    let timeout_ms = request.timeout_ms.unwrap_or(deliveries::TIMEOUT_MS);
    let outgoing = deliveries::request(&message, signature.as_deref(), timeout_ms);
    let mut sent = send_copies(&world, &outgoing, signature.as_deref(), request.copies).await;
    for sent in &mut sent {
        sent["url"] = json!(message.url);
        sent["stringToSign"] = json!(text);
    }
    Ok(Json(json!({ "sent": sent })))
}

pub(super) async fn list(
    State(world): Shared,
    Path(organization): Path<String>,
) -> Result<Json<Value>, ControlError> {
    let organizations = world.zoho.organizations.lock();
    let organization = organizations.find(&organization).ok_or(ControlError::NotFound("organization"))?;
    Ok(Json(json!({ "webhooks": organization.webhooks })))
}

pub(super) async fn add(
    State(world): Shared,
    Path(organization): Path<String>,
    Body(body): Body<Map<String, Value>>,
) -> Result<(StatusCode, Json<Value>), ControlError> {
    let mut organizations = world.zoho.organizations.lock();
    let organization = organizations.find_mut(&organization).ok_or(ControlError::NotFound("organization"))?;
    let webhook = organization.add_webhook(body).map_err(|fault| ControlError::Invalid(fault.message))?;
    Ok((StatusCode::CREATED, Json(json!(webhook))))
}

pub(super) async fn remove(
    State(world): Shared,
    Path((organization, webhook)): Path<(String, String)>,
) -> Result<Json<Value>, ControlError> {
    let mut organizations = world.zoho.organizations.lock();
    let organization = organizations.find_mut(&organization).ok_or(ControlError::NotFound("organization"))?;
    if organization.remove_webhook(&webhook) {
        Ok(Json(json!({})))
    } else {
        Err(ControlError::NotFound("webhook"))
    }
}

pub(super) async fn deliveries(State(world): Shared) -> Json<Value> {
    Json(json!({ "deliveries": world.zoho.deliveries.list() }))
}

fn message(world: &World, request: &WebhookRequest) -> Result<Message, ControlError> {
    let (content_type, body) = if let Some(body) = &request.raw_body {
        ("application/json", body.clone())
    } else if let Some(form) = &request.form {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        (FORM, body)
    } else {
        ("application/json", default_payload(world, request)?)
    };
    Ok(Message {
        method: request.method.into(),
        url: webhooks::with_query(&request.url, &request.query_parameters),
        headers: Vec::new(),
        content_type,
        body,
    })
}

fn default_payload(world: &World, request: &WebhookRequest) -> Result<String, ControlError> {
    let missing = || ControlError::Invalid("rawBody, form, or entity with record or id is needed".to_owned());
    let entity = request.entity.as_deref().ok_or_else(missing)?;
    let resource = resources::by_name(entity).ok_or(ControlError::NotFound("entity"))?;
    if let Some(record) = &request.record {
        return Ok(webhooks::default_payload(resource, record));
    }
    let (organization, id) = request.organization_id.as_ref().zip(request.id.as_ref()).ok_or_else(missing)?;
    let organizations = world.zoho.organizations.lock();
    let organization = organizations.find(organization).ok_or(ControlError::NotFound("organization"))?;
    let record = organization.find(resource, id).ok_or(ControlError::NotFound("record"))?;
    Ok(webhooks::default_payload(resource, &record.body))
}
