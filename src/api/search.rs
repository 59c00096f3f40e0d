//! What can be searched for, and how a list is cut to what its request asks for.
//!
//! A query that cannot be understood is a fault, never ignored: clients take the first hit.

use super::access;
use super::app::App;
use super::fault::Fault;
pub use super::query::Holds;
use super::query::{Fields, Query};
use super::related::{self, Related};
use super::request::Request;
use crate::model::{Event, Object};
use std::cmp::{Ordering, Reverse};

/// What can be searched for.
pub trait Searched {
    /// The names of its fields.
    const FIELDS: &'static [&'static str];
    /// What those of them hold that are no text.
    const KINDS: &'static [(&'static str, Holds)] = &[];
    /// What is looked at beside it, by fields of their own.
    const RELATED: &'static [Related] = &[];
    /// A field's value; `None` when it has none.
    fn field(&self, app: &App, name: &str) -> Option<String>;
    /// What its readers need to see; nothing when everybody may read it.
    fn object(&self) -> Option<Object> {
        None
    }
    /// Whether an event is about it.
    fn concerns(&self, _: &Event) -> bool {
        false
    }
    /// The values of a field that may have several; `None` of any other field.
    fn several(&self, _: &App, _: &str) -> Option<Vec<String>> {
        None
    }
    /// All values of a field: one that matches is enough.
    fn values(&self, app: &App, name: &str) -> Vec<String> {
        // Each locks the world for itself, one after the other.
        self.several(app, name).unwrap_or_else(|| self.field(app, name).into_iter().collect())
    }
}

/// What the request searches for among items of that kind.
pub fn query<T: Searched>(request: &Request) -> Result<Query, Fault> {
    let Some(text) = &request.search else { return Ok(Query::everything()) };
    let mut names = T::FIELDS.to_vec();
    let mut kinds = T::KINDS.to_vec();
    for related in T::RELATED {
        names.extend(related.fields());
        kinds.extend(related.kinds());
    }
    Ok(Query::parse(text, Fields { names: &names, kinds: &kinds })?)
}

/// All values of a field, those of what is related among them.
fn values<T: Searched>(app: &App, item: &T, name: &str) -> Vec<String> {
    match T::RELATED.iter().find(|related| related.fields().contains(&name)) {
        Some(Related::Events) => related::events(app, name, |event| item.concerns(event)),
        Some(Related::Users) => item.object().map(|on| related::users(app, name, on)).unwrap_or_default(),
        None => item.values(app, name),
    }
}

/// The items that the request asks for: searched, sorted, and no more than it wants.
pub fn select<T: Searched>(app: &App, request: &Request, items: Vec<T>) -> Result<Vec<T>, Fault> {
    Ok(chosen(app, request, &query::<T>(request)?, items))
}

/// The same where clients are not told that they can search: a search that does not fit
/// finds everything.
pub fn select_leniently<T: Searched>(app: &App, request: &Request, items: Vec<T>) -> Vec<T> {
    let query = query::<T>(request).unwrap_or_else(|_| Query::everything());
    chosen(app, request, &query, items)
}

/// The same by a query that was read already.
pub fn chosen<T: Searched>(app: &App, request: &Request, query: &Query, mut items: Vec<T>) -> Vec<T> {
    items.retain(|item| item.object().is_none_or(|object| access::shows(app, request, object)));
    items.retain(|item| query.holds(request.case_sensitive, |name| values(app, item, name)));
    if let Some((field, descending)) = query.sort {
        // Either way, what is alike keeps its order.
        let key = |item: &T| Key::of(&item.field(app, field).unwrap_or_default());
        match descending {
            true => items.sort_by_cached_key(|item| Reverse(key(item))),
            false => items.sort_by_cached_key(key),
        }
    }
    let size = request.max.unwrap_or(usize::MAX);
    let skip = size.saturating_mul(query.page.saturating_sub(1));
    items.into_iter().skip(skip).take(size).collect()
}

/// Nothing first, then numbers by their value, then the rest by its text.
struct Key {
    number: Option<f64>,
    text: String,
}

impl Key {
    fn of(value: &str) -> Self {
        Self { number: value.parse().ok(), text: value.to_lowercase() }
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |key: &Self| (!key.text.is_empty(), key.number.is_none());
        match (self.number, other.number) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            _ => (rank(self), &self.text).cmp(&(rank(other), &other.text)),
        }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key {}
