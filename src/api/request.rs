//! What a handler knows of its request.

use super::body::Incoming;
use super::fault::Fault;
use super::negotiate;
use super::path::{Parameters, Path};
use super::routes::Captures;
use crate::engine::access::Reach;
use crate::error::{Error, Kind};
use crate::model::UserId;
use crate::wire::{self, Document, Format, Version};
use axum::body::Body;
use axum::http::{HeaderMap, Method, request::Parts};
use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    /// With the profile: `admin@internal`.
    pub name: String,
    /// Of the password by which it was known.
    pub mark: u64,
}

/// A request whose sender is known and whose head makes sense. Its body is still on the way.
#[derive(Debug)]
pub struct Request {
    pub method: Method,
    pub user: User,
    /// What the user has permissions for.
    pub reach: Reach,
    pub version: Version,
    /// The format of the answer.
    pub format: Format,
    /// The client wants a descriptor for its viewer, which the route offers.
    pub viewer: bool,
    /// Scheme and host as the client named them: `https://host:8443`.
    pub origin: Option<String>,
    pub matrix: Parameters,
    pub query: Parameters,
    /// Only what the user has permissions on.
    pub filter: bool,
    /// With the expensive parts.
    pub all_content: bool,
    pub detail: Detail,
    /// At most so many items.
    pub max: Option<usize>,
    pub case_sensitive: bool,
    /// Not empty.
    pub search: Option<String>,
    /// Only events after this one.
    pub from: Option<u64>,
    /// The running state instead of the configured one.
    pub current: bool,
    /// The configuration of the next run.
    pub next_run: bool,
    /// What lies in a storage domain and is not known yet.
    pub unregistered: bool,
    /// Answer before the work is done.
    pub background: bool,
    /// Wait for the end of a creation.
    pub expect_created: bool,
    pub correlation: Option<String>,
    /// The address of the request, below the API's root whichever way it came in.
    pub href: String,
    captures: Captures,
    headers: HeaderMap,
    body: Arc<Incoming>,
}

impl Request {
    pub fn new(
        head: &Parts,
        path: Path,
        captures: Captures,
        origin: Option<String>,
        user: User,
        body: Arc<Incoming>,
        offered: Option<&str>,
    ) -> Result<Self, Fault> {
        let headers = &head.headers;
        let below = path.segments.iter().skip_while(|segment| *segment != "api").skip(1);
        let query = Parameters::query(head.uri.query().unwrap_or_default())
            .ok_or_else(|| Fault::value("The query is not UTF-8."))?;
        // Version 3 says it in the path; later clients in the query, and some libraries only there.
        let either = |name| path.matrix.get(name).or_else(|| query.get(name));
        let accepted = negotiate::accept(headers, query.get("accept"), offered)?;
        let details = [accepted.detail.as_deref(), path.last.get("detail"), query.get("detail")];
        let expects = |what: &str| {
            ["expect", "x-ovirt-expect"]
                .iter()
                .any(|name| listed(headers, name).any(|entry| entry.eq_ignore_ascii_case(what)))
        };
        let is_true = |text: Option<&str>| text.is_some_and(|text| text.eq_ignore_ascii_case("true"));
        let is_set = |name| either(name).is_some_and(|value| !value.eq_ignore_ascii_case("false"));
        Ok(Self {
            method: head.method.clone(),
            user,
            reach: Reach::default(),
            version: version(headers)?,
            format: accepted.format,
            viewer: accepted.special,
            origin,
            filter: is_true(one(headers, "filter")),
            all_content: is_true(one(headers, "all-content")) || is_true(either("all_content")),
            detail: Detail::of(details.into_iter().flatten()),
            max: maximum(either("max"))?,
            case_sensitive: boolean("case_sensitive", either("case_sensitive"))?.unwrap_or(true),
            search: query.get("search").map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned),
            from: either("from").and_then(|text| text.parse().ok()),
            current: is_set("current"),
            next_run: is_set("next_run"),
            unregistered: is_set("unregistered"),
            background: boolean("async", either("async"))?.unwrap_or(false) || expects("202-accepted"),
            expect_created: expects("201-created"),
            correlation: correlation(headers)?,
            href: below.fold(super::links::ROOT.to_owned(), |href, segment| href + "/" + segment),
            matrix: path.matrix,
            query,
            captures,
            headers: headers.clone(),
            body,
        })
    }

    /// What stands in the path where the route has `{name}`.
    pub fn text(&self, name: &str) -> &str {
        let captured = self.captures.iter().find(|(n, _)| n == name);
        captured.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// The same as an id. What is no GUID names nothing.
    pub fn id<T: FromStr>(&self, name: &str) -> Result<T, Fault> {
        let text = self.text(name);
        // Parsers take shorter and braced forms too; the API has one.
        let id = (text.len() == 36).then(|| text.parse().ok()).flatten();
        id.ok_or_else(|| Error::not_found(text).into())
    }

    /// A flag of the path that has no field here: `;force`.
    pub fn flag(&self, name: &str) -> Result<bool, Fault> {
        Ok(boolean(name, self.matrix.get(name))?.unwrap_or(false))
    }

    /// The document in the body.
    pub async fn document<T: Document>(&self) -> Result<T, Fault> {
        self.read(&self.body.bytes().await?)
    }

    /// The document in the body that changes what is shown as `shown`.
    pub async fn change_of<T: Document>(&self, shown: &T) -> Result<T, Fault> {
        let (body, format) = (self.body.bytes().await?, negotiate::content(&self.headers)?);
        wire::read_over(&body, format, self.version, shown).map_err(unreadable)
    }

    /// The document in the body, where a request may come without one.
    pub async fn optional<T: Document>(&self) -> Result<Option<T>, Fault> {
        let bytes = self.body.bytes().await?;
        if bytes.trim_ascii().is_empty() { Ok(None) } else { self.read(&bytes).map(Some) }
    }

    /// Who may do everything sees everything; administrators do, unless they ask for a user's view.
    pub fn sees_everything(&self) -> bool {
        self.reach.is_super_user() || (self.reach.is_administrator() && !self.filter)
    }

    /// The address of the collection that the request's item is in.
    pub fn collection(&self) -> &str {
        self.href.rsplit_once('/').map_or("", |(collection, _)| collection)
    }

    /// The body as it comes, without a limit; once.
    pub fn stream(&self) -> Result<Body, Fault> {
        negotiate::plain(&self.headers)?;
        Ok(self.body.take().unwrap_or_default())
    }

    /// How long the client says that its body is.
    pub fn content_length(&self) -> Option<u64> {
        one(&self.headers, "content-length")?.parse().ok()
    }

    fn read<T: Document>(&self, bytes: &[u8]) -> Result<T, Fault> {
        wire::read(bytes, negotiate::content(&self.headers)?, self.version).map_err(unreadable)
    }
}

fn unreadable(error: Error) -> Fault {
    match error.kind {
        Kind::Invalid => Fault::value(error.said),
        _ => error.into(),
    }
}

/// What a representation carries beside its own elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail(BTreeSet<String>);

impl Detail {
    /// `main` is there unless a minus takes it away.
    fn of<'t>(texts: impl Iterator<Item = &'t str>) -> Self {
        let mut set = BTreeSet::from(["main".to_owned()]);
        for text in texts {
            let mut rest = text;
            while !rest.is_empty() {
                let taken = rest.starts_with('-');
                // A plus arrives as a blank when it stood in a query.
                rest = rest.trim_start_matches(['+', '-', ' ']);
                let end = rest.find(['+', '-', ' ']).unwrap_or(rest.len());
                let (name, after) = rest.split_at(end);
                match taken {
                    true => drop(set.remove(name)),
                    false => drop(set.insert(name.to_ascii_lowercase())),
                }
                rest = after;
            }
        }
        Self(set)
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

/// The version that a request speaks.
fn version(headers: &HeaderMap) -> Result<Version, Fault> {
    match one(headers, "version").map(str::trim) {
        None | Some("" | "3") => Ok(Version::V3),
        Some(other) => Err(Fault::version(other)),
    }
}

fn maximum(text: Option<&str>) -> Result<Option<usize>, Fault> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let number: i32 = text
        .parse()
        .map_err(|_| Fault::value(format!("Max number of results is not a valid number: {text}")))?;
    // A negative number means no limit.
    Ok(usize::try_from(number).ok())
}

fn boolean(name: &str, text: Option<&str>) -> Result<Option<bool>, Fault> {
    match text.map(str::to_ascii_lowercase).as_deref() {
        None => Ok(None),
        Some("" | "true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(Fault::value(format!(
            "Illegal value '{}' for matrix param: '{name}'. Acceptable values are 'true' or 'false'",
            text.unwrap_or_default()
        ))),
    }
}

/// Free text that ends up in logs and events: one printable line.
fn correlation(headers: &HeaderMap) -> Result<Option<String>, Fault> {
    let Some(value) = headers.get("correlation-id") else { return Ok(None) };
    match value.to_str() {
        Ok("") => Ok(None),
        Ok(text) if text.len() <= 128 => Ok(Some(text.to_owned())),
        _ => Err(Fault::value("A Correlation-Id has 128 printable ASCII characters at most.")),
    }
}

/// The text of a header that stands once.
pub fn one<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// The entries of all headers of that name.
pub fn listed<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = &'h str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|text| text.split(',')).map(str::trim)
}
