//! Webhooks that an organization has set up: which changes each one tells, where, and in which form.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::{Url, form_urlencoded};

use super::{
    answers::ApiFault,
    resources::{self, Resource},
};
use crate::oauth::FORM;

const JSON: &str = "application/json";

/// One webhook.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Webhook {
    #[serde(default, rename = "webhook_id", skip_deserializing)]
    pub(crate) id: String,
    #[serde(default, rename = "webhook_name")]
    name: String,
    #[serde(default)]
    description: String,
    /// The kind of record whose changes it tells; every kind when absent.
    entity: Option<String>,
    #[serde(default)]
    method: WebhookMethod,
    url: String,
    #[serde(default)]
    headers: Vec<Parameter>,
    #[serde(default)]
    query_parameters: Vec<Parameter>,
    /// Fields of a form body, like the two that follow.
    #[serde(default)]
    entity_parameters: Vec<Parameter>,
    #[serde(default)]
    additional_parameters: Vec<Parameter>,
    #[serde(default)]
    form_data: Vec<Parameter>,
    #[serde(default)]
    body_type: String,
    /// A JSON body of the administrator's own, with placeholders.
    #[serde(default)]
    raw_data: String,
    /// `created`, `edited`, `deleted`; all of them when empty.
    #[serde(default)]
    events: Vec<String>,
    /// Never shown again.
    #[serde(skip_serializing)]
    pub(crate) secret: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum WebhookMethod {
    #[default]
    Post,
    Put,
    Delete,
}

/// A name and a value, which may hold placeholders such as `${INVOICE.INVOICE_ID}`.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Parameter {
    param_name: String,
    param_value: String,
}

/// A request to be sent, without its signature.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) method: reqwest::Method,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
}

impl Webhook {
    /// Reads what a client or an administrator sets up.
    pub(crate) fn read(id: String, body: Map<String, Value>) -> Result<Self, ApiFault> {
        let mut webhook: Self =
            serde_json::from_value(Value::Object(body)).map_err(|_| ApiFault::invalid_value("webhook"))?;
        webhook.id = id;
        if Url::parse(&webhook.url).is_err() || webhook.url.len() > 5_000 {
            return Err(ApiFault::invalid_value("url"));
        }
        if webhook.name.chars().count() > 50 {
            return Err(ApiFault::invalid_value("webhook_name"));
        }
        let is_good = |secret: &String| {
            (12..=50).contains(&secret.len()) && secret.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        if !webhook.secret.as_ref().is_none_or(is_good) {
            return Err(ApiFault::invalid_value("secret"));
        }
        if webhook.entity.as_deref().is_some_and(|entity| resources::by_name(entity).is_none()) {
            return Err(ApiFault::invalid_value("entity"));
        }
        let sendable = |header: &Parameter| {
            reqwest::header::HeaderName::try_from(&header.param_name).is_ok()
                && reqwest::header::HeaderValue::try_from(&header.param_value).is_ok()
        };
        if !webhook.headers.iter().all(sendable) {
            return Err(ApiFault::invalid_value("headers"));
        }
        Ok(webhook)
    }

    /// Tells whether a change is one that this webhook is told of.
    pub(crate) fn tells(&self, resource: &Resource, event: &str) -> bool {
        let of_kind =
            |entity: &str| resources::by_name(entity).is_some_and(|kind| kind.path == resource.path);
        self.entity.as_deref().is_none_or(of_kind)
            && (self.events.is_empty() || self.events.iter().any(|told| told == event))
    }

    /// Writes the request about a record.
    pub(crate) fn message(&self, resource: &Resource, record: &Map<String, Value>) -> Message {
        let filled = |parameters: &[Parameter]| -> Vec<(String, String)> {
            let pair = |one: &Parameter| (one.param_name.clone(), replaced(&one.param_value, record));
            parameters.iter().map(pair).collect()
        };
        let (content_type, body) = if !self.raw_data.is_empty() {
            (JSON, replaced(&self.raw_data, record))
        } else if self.body_type.contains("urlencoded") {
            let mut fields = filled(&self.entity_parameters);
            fields.extend(filled(&self.additional_parameters));
            fields.extend(filled(&self.form_data));
            if fields.is_empty() {
                fields.push(("JSONString".to_owned(), default_payload(resource, record)));
            }
            (FORM, form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish())
        } else {
            (JSON, default_payload(resource, record))
        };
        Message {
            method: self.method.into(),
            url: with_query(&self.url, &filled(&self.query_parameters)),
            headers: self
                .headers
                .iter()
                .map(|header| (header.param_name.clone(), header.param_value.clone()))
                .collect(),
            content_type,
            body,
        }
    }
}

impl From<WebhookMethod> for reqwest::Method {
    fn from(method: WebhookMethod) -> Self {
        match method {
            WebhookMethod::Post => Self::POST,
            WebhookMethod::Put => Self::PUT,
            WebhookMethod::Delete => Self::DELETE,
        }
    }
}

/// Writes a record as webhooks do by default.
pub(crate) fn default_payload(resource: &Resource, record: &Map<String, Value>) -> String {
    let mut body = json!({});
    body[resource.single] = Value::Object(record.clone());
    body.to_string()
}

/// Adds query parameters to an address.
pub(crate) fn with_query(url: &str, parameters: &[(String, String)]) -> String {
    match Url::parse(url) {
        Ok(mut parsed) if !parameters.is_empty() => {
            parsed.query_pairs_mut().extend_pairs(parameters);
            parsed.into()
        }
        _ => url.to_owned(),
    }
}

/// Puts members of a record in the place of placeholders; unknown ones become empty.
fn replaced(template: &str, record: &Map<String, Value>) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("${") {
        text.push_str(before);
        let Some((placeholder, after)) = after.split_once('}') else {
            return text + "${" + after;
        };
        let member = placeholder.rsplit('.').next().unwrap_or_default().to_lowercase();
        match record.get(&member) {
            Some(Value::String(value)) => text.push_str(value),
            Some(value) => text.push_str(&value.to_string()),
            None => {}
        }
        rest = after;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_stand_for_members_of_the_record() {
        let record = Map::from_iter([("invoice_id".to_owned(), "7".into()), ("total".to_owned(), 5.into())]);

        let text = replaced("id=${INVOICE.INVOICE_ID}, ${INVOICE.TOTAL} ${INVOICE.NONE}${", &record);

        assert_eq!(text, "id=7, 5 ${");
    }
}
