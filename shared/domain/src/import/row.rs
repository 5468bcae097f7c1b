//! One row: its fields, read strictly where a wrong guess would store garbage, and liberally where none is made.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::{Map, Value};

use super::{
    key::{Derivation, LegacyKeys},
    open::{Ciphertext, Written},
    report::Problem,
};
use crate::{
    id::{Location, ProviderCompanyId, TenantId},
    provider::Provider,
    secret::{AccessToken, RefreshToken},
};

/// As long as the name of any company; longer is something else.
const MAX_NAME: usize = 200;
/// As many scopes as no provider has.
const MAX_SCOPES: usize = 100;
/// Intuit asks to reserve 4 KiB for a token; nobody has longer ones.
const MAX_TOKEN: usize = 8 * 1024;
/// Intuit's realm ids and Zoho's organization ids are digits, seen with 9 to 19.
const MAX_DIGITS: usize = 20;

const FIELDS: [&str; 12] = [
    "line",
    "tenantId",
    "provider",
    "providerCompanyId",
    "companyName",
    "location",
    "scopes",
    "accessTokenExpiresAt",
    "refreshTokenExpiresAt",
    "createdAt",
    "updatedAt",
    "tokens",
];
const PLAIN_FIELDS: [&str; 3] = ["format", "accessToken", "refreshToken"];
const SEALED_FIELDS: [&str; 9] = [
    "format",
    "salt",
    "iv",
    "accessIv",
    "refreshIv",
    "accessToken",
    "accessTag",
    "refreshToken",
    "refreshTag",
];

/// The data centers that a grant may live in, where its provider has several.
#[derive(Clone, Debug)]
pub struct Locations {
    /// Those that are configured.
    pub known: Vec<Location>,
    /// The one that a row means which names none.
    pub default: Location,
}

/// What a row says of itself, for the report, whether or not the rest of it can be read.
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// Its place within the request, from 1: what `line` says is the sender's, and may be said twice.
    pub(super) number: u64,
    pub(super) line: u64,
    pub(super) tenant: Option<TenantId>,
    pub(super) provider: Option<Provider>,
}

/// A row that is of the documented form.
pub(super) struct Row {
    pub(super) number: u64,
    pub(super) line: u64,
    pub(super) tenant: TenantId,
    pub(super) provider: Provider,
    pub(super) company: ProviderCompanyId,
    pub(super) company_name: Option<String>,
    pub(super) location: Option<Location>,
    pub(super) scopes: Vec<String>,
    pub(super) access_expires_at: Option<Timestamp>,
    pub(super) refresh_expires_at: Option<Timestamp>,
    /// When the other system last stored its tokens, as far as it says.
    pub(super) changed_at: Option<Timestamp>,
}

/// The tokens of a row.
pub(super) enum RowTokens {
    /// As they are.
    Plain { access: Option<AccessToken>, refresh: RefreshToken },
    /// Encrypted.
    Sealed { derivation: Derivation, salt: Option<String>, access: Option<Ciphertext>, refresh: Ciphertext },
}

/// How rows are read.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) locations: &'a Locations,
    /// Whether a time without a zone is one of UTC.
    pub(super) assume_utc: bool,
}

impl Head {
    /// Reads it from a row that is the `number`th of its request.
    pub(super) fn read(row: &Map<String, Value>, number: u64) -> Self {
        let fields = Fields { row, prefix: "" };
        let text = |name| fields.text(name).ok().flatten();
        Self {
            number,
            line: row.get("line").and_then(Value::as_u64).unwrap_or(number),
            tenant: text("tenantId").and_then(|tenant| tenant.parse().ok()),
            provider: text("provider").and_then(|provider| provider_of(&provider)),
        }
    }
}

impl Row {
    /// Reads a row; a refusal names the field, and never what is in it.
    pub(super) fn read(
        row: &Map<String, Value>,
        head: &Head,
        reading: Reading<'_>,
    ) -> Result<(Self, RowTokens), Problem> {
        let fields = Fields::new(row, "", &FIELDS)?;
        if row.get("line").is_some_and(|line| !line.is_null() && line.as_u64().is_none()) {
            return Err(fields.invalid("line", "must be a whole number"));
        }
        let tenant = fields
            .required("tenantId")?
            .parse()
            .map_err(|_| fields.invalid("tenantId", "must be 1 to 64 characters of A-Z a-z 0-9 _ -"))?;
        fields.required("provider")?;
        let provider = head.provider.ok_or(fields.invalid("provider", "must be quickbooks, xero or zoho"))?;
        let time = |name| fields.time(name, reading.assume_utc);
        let (created_at, updated_at) = (time("createdAt")?, time("updatedAt")?);
        let tokens = row.get("tokens").and_then(Value::as_object);
        let tokens = tokens.ok_or(fields.invalid("tokens", "must be an object with the row's tokens"))?;
        let row = Self {
            number: head.number,
            line: head.line,
            tenant,
            provider,
            company: company(&fields, provider)?,
            company_name: company_name(&fields)?,
            location: location(&fields, provider, reading.locations)?,
            scopes: scopes(&fields)?,
            access_expires_at: time("accessTokenExpiresAt")?,
            refresh_expires_at: time("refreshTokenExpiresAt")?,
            changed_at: updated_at.or(created_at),
        };
        Ok((row, RowTokens::read(tokens)?))
    }
}

impl RowTokens {
    fn read(row: &Map<String, Value>) -> Result<Self, Problem> {
        let format = Fields { row, prefix: "tokens." }.required("format")?;
        let derivation = match format.as_str() {
            "plain" => {
                let fields = Fields::new(row, "tokens.", &PLAIN_FIELDS)?;
                let access = fields.text("accessToken")?;
                let access = access.map(|text| token(&text).map(AccessToken::new)).transpose()?;
                let refresh = token(&fields.required("refreshToken")?).map(RefreshToken::new)?;
                return Ok(Self::Plain { access, refresh });
            }
            "pbkdf2" => Derivation::Pbkdf2,
            "scrypt" => Derivation::Scrypt,
            _ => return Err(Problem::invalid("tokens.format must be plain, pbkdf2 or scrypt")),
        };
        let fields = Fields::new(row, "tokens.", &SEALED_FIELDS)?;
        let of_both = fields.text("iv")?;
        let ciphertext = |name: &'static str, text: &str, (iv, tag): (&str, &str)| {
            let (iv, tag) = (fields.text(iv)?.or(of_both.clone()), fields.text(tag)?);
            Ciphertext::read(Written { name, text, iv: iv.as_deref(), tag: tag.as_deref() })
        };
        let access = fields.text("accessToken")?;
        let access = access.map(|text| ciphertext("tokens.accessToken", &text, ("accessIv", "accessTag")));
        let refresh = fields.required("refreshToken")?;
        let refresh = ciphertext("tokens.refreshToken", &refresh, ("refreshIv", "refreshTag"))?;
        Ok(Self::Sealed { derivation, salt: fields.text("salt")?, access: access.transpose()?, refresh })
    }

    /// Whether both tokens were encrypted with one IV.
    pub(super) fn share_iv(&self) -> bool {
        match self {
            Self::Sealed { access: Some(access), refresh, .. } => access.iv == refresh.iv,
            Self::Plain { .. } | Self::Sealed { access: None, .. } => false,
        }
    }

    /// The tokens in the clear.
    pub(super) async fn open(
        self,
        keys: &mut LegacyKeys,
    ) -> Result<(Option<AccessToken>, RefreshToken), Problem> {
        match self {
            Self::Plain { access, refresh } => Ok((access, refresh)),
            Self::Sealed { derivation, salt, access, refresh } => {
                let key = keys.key(derivation, salt.as_deref()).await?;
                let access = match access {
                    Some(access) => Some(AccessToken::new(token(&access.open(&key)?)?)),
                    None => None,
                };
                Ok((access, RefreshToken::new(token(&refresh.open(&key)?)?)))
            }
        }
    }
}

/// A token as providers make them (RFC 6749 appendix A: visible ASCII); the blanks around one that was copied are no part
/// of it.
fn token(text: &str) -> Result<&str, Problem> {
    let text = text.trim();
    let is_one = (1..=MAX_TOKEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_one.then_some(text).ok_or(Problem::invalid("a token of the row is no token: it must be visible ASCII"))
}

/// The provider that a name means, however it is spelled.
fn provider_of(name: &str) -> Option<Provider> {
    let letters: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|char| char.to_ascii_lowercase()).collect();
    match letters.as_str() {
        "quickbooks" | "quickbooksonline" | "qbo" | "qb" | "intuit" | "intuitquickbooks" => {
            Some(Provider::QuickBooks)
        }
        "xero" | "xeroaccounting" => Some(Provider::Xero),
        "zoho" | "zohobooks" => Some(Provider::Zoho),
        _ => None,
    }
}

/// The company's id, in the form that its provider gives ids: another would be stored and never be found.
fn company(fields: &Fields<'_>, provider: Provider) -> Result<ProviderCompanyId, Problem> {
    let name = "providerCompanyId";
    let text = fields.required(name)?;
    let (is_one, wanted) = match provider {
        Provider::QuickBooks | Provider::Zoho => (
            text.len() <= MAX_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit()),
            "must be 1 to 20 digits with this provider",
        ),
        Provider::Xero => {
            (uuid::Uuid::try_parse(&text).is_ok() && text.len() == 36, "must be a UUID with this provider")
        }
    };
    let id = text.to_ascii_lowercase().parse().ok().filter(|_| is_one);
    id.ok_or(fields.invalid(name, wanted))
}

fn company_name(fields: &Fields<'_>) -> Result<Option<String>, Problem> {
    let Some(name) = fields.text("companyName")? else { return Ok(None) };
    if name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(fields.invalid("companyName", "must be at most 200 printable characters"));
    }
    Ok(Some(name))
}

/// The data center of a grant, which only Zoho has.
fn location(
    fields: &Fields<'_>,
    provider: Provider,
    locations: &Locations,
) -> Result<Option<Location>, Problem> {
    let named = fields.text("location")?;
    match (provider, named) {
        (Provider::Zoho, None) => Ok(Some(locations.default.clone())),
        (Provider::Zoho, Some(name)) => {
            let named = name.to_ascii_lowercase().parse().ok();
            let known = named.filter(|named| locations.known.contains(named));
            known.map(Some).ok_or(fields.invalid("location", "must be one of the configured data centers"))
        }
        (_, None) => Ok(None),
        (_, Some(_)) => Err(fields.invalid("location", "is for Zoho alone")),
    }
}

/// Scopes, as a list or as text with blanks or commas between them.
fn scopes(fields: &Fields<'_>) -> Result<Vec<String>, Problem> {
    let invalid =
        || fields.invalid("scopes", "must be scopes, as a list or with blanks or commas between them");
    let scopes: Vec<String> = if let Some(Value::Array(list)) = fields.row.get("scopes") {
        let text = |item: &Value| item.as_str().map(str::to_owned).ok_or_else(invalid);
        list.iter().map(text).collect::<Result<_, _>>()?
    } else {
        let text = fields.text("scopes")?.unwrap_or_default();
        let separates = |char: char| char == ',' || char.is_whitespace();
        text.split(separates).filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
    };
    // RFC 6749 section 3.3.
    let allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    let is_one = |scope: &String| (1..=MAX_NAME).contains(&scope.len()) && scope.bytes().all(allowed);
    if scopes.len() > MAX_SCOPES || !scopes.iter().all(is_one) {
        return Err(invalid());
    }
    Ok(scopes)
}

/// The fields of an object, of which null and empty are as good as absent.
#[derive(Clone, Copy)]
struct Fields<'a> {
    row: &'a Map<String, Value>,
    prefix: &'static str,
}

impl<'a> Fields<'a> {
    fn new(row: &'a Map<String, Value>, prefix: &'static str, known: &[&str]) -> Result<Self, Problem> {
        let fields = Self { row, prefix };
        if row.keys().all(|name| known.contains(&name.as_str())) {
            return Ok(fields);
        }
        // What its name is stays unsaid: in a file without a header it would be a value.
        let place = if prefix.is_empty() { "the row has" } else { "tokens has" };
        Err(Problem::invalid(format!("{place} a field that is none of {}", known.join(", "))))
    }

    fn invalid(&self, name: &str, wanted: &str) -> Problem {
        Problem::invalid(format!("{}{name} {wanted}", self.prefix))
    }

    /// A text, or a whole number, which ids often are.
    fn text(&self, name: &str) -> Result<Option<String>, Problem> {
        match self.row.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
            Some(Value::Number(number)) if number.is_u64() => Ok(Some(number.to_string())),
            Some(_) => Err(self.invalid(name, "must be text")),
        }
    }

    fn required(&self, name: &str) -> Result<String, Problem> {
        self.text(name)?.ok_or_else(|| self.invalid(name, "is missing"))
    }

    /// An instant: RFC 3339, or the same without a zone where that is said to be UTC.
    fn time(&self, name: &str, assume_utc: bool) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        if let Ok(time) = text.parse() {
            return Ok(Some(time));
        }
        let Ok(time) = text.parse::<DateTime>() else {
            return Err(self.invalid(name, "must be a time of RFC 3339, such as 2026-11-21T18:00:00Z"));
        };
        let time = Some(time).filter(|_| assume_utc).and_then(|time| time.to_zoned(TimeZone::UTC).ok());
        time.map(|time| Some(time.timestamp()))
            .ok_or(self.invalid(name, "has no zone: write one, such as Z, or say assumeUtc"))
    }
}
