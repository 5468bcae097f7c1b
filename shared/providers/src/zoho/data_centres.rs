//! Zoho's data centers: the only addresses that its tokens, codes and our client secret are ever sent to.

use std::fmt;

use domain::id::Location;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use thiserror::Error;
use url::Url;

use crate::oauth::segments_below;

/// Where an authorization begins unless configured otherwise: Zoho sends everybody on from there, China excepted.
const BEGINNING: &str = "us";

/// The data centers as Zoho has them.
const OFFICIAL: &[(&str, &str, &str)] = &[
    ("us", "https://accounts.zoho.com", "https://www.zohoapis.com"),
    ("eu", "https://accounts.zoho.eu", "https://www.zohoapis.eu"),
    ("in", "https://accounts.zoho.in", "https://www.zohoapis.in"),
    ("au", "https://accounts.zoho.com.au", "https://www.zohoapis.com.au"),
    ("jp", "https://accounts.zoho.jp", "https://www.zohoapis.jp"),
    ("ca", "https://accounts.zohocloud.ca", "https://www.zohoapis.ca"),
    ("sa", "https://accounts.zoho.sa", "https://www.zohoapis.sa"),
    ("cn", "https://accounts.zoho.com.cn", "https://www.zohoapis.com.cn"),
    ("uk", "https://accounts.zoho.uk", "https://www.zohoapis.uk"),
    ("ae", "https://accounts.zoho.ae", "https://www.zohoapis.ae"),
    ("sg", "https://accounts.zoho.sg", "https://www.zohoapis.sg"),
];

/// One data center.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DataCentre {
    /// Its name.
    pub location: Location,
    /// Its accounts server, whose origin an issuer must have; paths are appended to it.
    pub accounts_server: Url,
    /// The host of its data API; paths are appended to it.
    pub api_domain: Url,
}

/// The table of data centers; whatever is not in it does not exist.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DataCentres {
    table: Vec<DataCentre>,
    beginning: usize,
}

/// Why a table is none; no address is repeated.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum DataCentresError {
    /// Not JSON, or not of the shape.
    #[error(
        "must be a JSON object of the form {{\"us\":{{\"accountsServer\":\"https://…\",\"apiDomain\":\"https://…\"}}}}"
    )]
    Shape,
    /// There is no data center in it.
    #[error("must name at least one data center")]
    Empty,
    /// A location is no word.
    #[error("must name its locations with 1 to 8 letters a-z")]
    Location,
    /// A location stands there twice.
    #[error("names the location {0} twice")]
    Twice(Location),
    /// An address is none.
    #[error(
        "names an {member} of {location} that is no plain http or https address, written as browsers write it, \
         without user, query and fragment"
    )]
    Address {
        /// Where.
        location: Location,
        /// Which of the two.
        member: &'static str,
    },
}

/// Why a callback names no data center that is known; nothing of it is repeated.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum LocationError {
    /// The location is not in the table.
    #[error("the callback names a location that is not configured")]
    UnknownLocation,
    /// The accounts server is not in the table.
    #[error("the callback names an accounts server that is not configured")]
    UnknownServer,
    /// The two do not belong together.
    #[error("the callback names a location and the accounts server of another")]
    Disagree,
    /// The accounts server is that of several locations.
    #[error("the callback names an accounts server of several locations")]
    Ambiguous,
}

impl DataCentre {
    /// An address of its accounts server.
    pub(super) fn accounts(&self, path: &[&str]) -> Url {
        segments_below(&self.accounts_server, path)
    }

    /// An address of its data API.
    pub(super) fn api(&self, path: &[&str]) -> Url {
        segments_below(&self.api_domain, path)
    }

    /// Whether a token answer's `api_domain` is this data center's, letter by letter.
    pub(super) fn is_api_domain(&self, text: &str) -> bool {
        text_of(&self.api_domain) == text
    }
}

impl DataCentres {
    /// Reads a table from its JSON.
    pub fn parse(json: &str) -> Result<Self, DataCentresError> {
        // The parser's own error is dropped: it would quote addresses, which may hold credentials.
        let Entries(entries) = serde_json::from_str(json).map_err(|_| DataCentresError::Shape)?;
        let rows = entries.iter().map(|(location, entry)| {
            (location.as_str(), entry.accounts_server.as_str(), entry.api_domain.as_str())
        });
        Self::from_rows(rows)
    }

    /// The same table with another place to begin; none where that is not in it.
    #[must_use]
    pub fn beginning_at(mut self, location: &str) -> Option<Self> {
        self.beginning = self.table.iter().position(|centre| centre.location.as_str() == location)?;
        Some(self)
    }

    /// Where an authorization begins.
    #[must_use]
    pub fn beginning(&self) -> &DataCentre {
        &self.table[self.beginning]
    }

    /// The names of all.
    pub fn locations(&self) -> impl Iterator<Item = &Location> {
        self.table.iter().map(|centre| &centre.location)
    }

    /// The data center with this name.
    #[must_use]
    pub fn get(&self, location: &Location) -> Option<&DataCentre> {
        self.table.iter().find(|centre| centre.location == *location)
    }

    /// The data center of a grant; of a grant that does not say, the one where authorizations begin.
    pub(crate) fn of_grant(&self, location: Option<&Location>) -> Option<&DataCentre> {
        location.map_or_else(|| Some(self.beginning()), |location| self.get(location))
    }

    /// The location of a callback with these `location` and `accounts-server`, which the visitor controls: each must be in
    /// the table letter by letter, and both of the same data center. One alone is enough; without either, the code is of
    /// the data center where the authorization began.
    pub fn of_callback(
        &self,
        location: Option<&str>,
        accounts_server: Option<&str>,
    ) -> Result<Location, LocationError> {
        let is_at = |centre: &&DataCentre| Some(centre.location.as_str()) == location;
        let is_served = |centre: &&DataCentre| Some(text_of(&centre.accounts_server)) == accounts_server;
        let mut table = self.table.iter();
        let centre = match (location, accounts_server) {
            (None, None) => self.beginning(),
            (Some(_), None) => table.find(is_at).ok_or(LocationError::UnknownLocation)?,
            (None, Some(_)) => {
                let mut served = table.filter(is_served);
                let first = served.next().ok_or(LocationError::UnknownServer)?;
                if served.next().is_some() {
                    return Err(LocationError::Ambiguous);
                }
                first
            }
            (Some(_), Some(_)) => {
                let centre = table.find(is_at).ok_or(LocationError::UnknownLocation)?;
                if !self.table.iter().any(|centre| is_served(&centre)) {
                    return Err(LocationError::UnknownServer);
                }
                Some(centre).filter(is_served).ok_or(LocationError::Disagree)?
            }
        };
        Ok(centre.location.clone())
    }

    fn from_rows<'a>(
        rows: impl Iterator<Item = (&'a str, &'a str, &'a str)>,
    ) -> Result<Self, DataCentresError> {
        let mut table: Vec<DataCentre> = Vec::new();
        for (location, accounts_server, api_domain) in rows {
            let location: Location = location.parse().map_err(|_| DataCentresError::Location)?;
            if table.iter().any(|centre| centre.location == location) {
                return Err(DataCentresError::Twice(location));
            }
            let refused = |member| DataCentresError::Address { location: location.clone(), member };
            let accounts_server = address(accounts_server).ok_or_else(|| refused("accountsServer"))?;
            let api_domain = address(api_domain).ok_or_else(|| refused("apiDomain"))?;
            table.push(DataCentre { location, accounts_server, api_domain });
        }
        if table.is_empty() {
            return Err(DataCentresError::Empty);
        }
        let beginning = table.iter().position(|centre| centre.location.as_str() == BEGINNING);
        Ok(Self { table, beginning: beginning.unwrap_or_default() })
    }
}

impl Default for DataCentres {
    /// The table of Zoho itself.
    fn default() -> Self {
        let row = |&(location, accounts_server, api_domain): &(&str, &str, &str)| {
            Some(DataCentre {
                location: location.parse().ok()?,
                accounts_server: address(accounts_server)?,
                api_domain: address(api_domain)?,
            })
        };
        // All rows are good, which a test makes sure of.
        Self { table: OFFICIAL.iter().filter_map(row).collect(), beginning: 0 }
    }
}

/// An address of the table, of which others must be copies letter by letter.
///
/// One slash at the end is forgiven; anything else must be as a browser would write it, or no callback could match.
fn address(text: &str) -> Option<Url> {
    let text = text.strip_suffix('/').unwrap_or(text);
    let url = Url::parse(text).ok()?;
    let is_plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    let is_as_written = !text.ends_with('/') && text_of(&url) == text;
    (is_plain && is_as_written).then_some(url)
}

/// An address as it was configured, without a slash at its end.
fn text_of(address: &Url) -> &str {
    let text = address.as_str();
    text.strip_suffix('/').unwrap_or(text)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    accounts_server: String,
    api_domain: String,
}

/// The members in their order, those that stand there twice included, which a map would hide.
struct Entries(Vec<(String, Entry)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of data centers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}

#[cfg(test)]
mod tests;
