//! What can be searched for, and how a list is cut to what its request asks for.
//!
//! A query that cannot be understood is a fault, never ignored: clients take the first hit.

use super::access;
use super::app::App;
use super::fault::Fault;
pub use super::query::Holds;
use super::query::{Fields, Query};
use super::request::Request;
use crate::model::Object;
use std::cmp::Ordering;

/// What can be searched for.
pub trait Searched {
    /// The names of its fields.
    const FIELDS: &'static [&'static str];
    /// What those of them hold that are no text.
    const KINDS: &'static [(&'static str, Holds)] = &[];
    /// A field's value; `None` when it has none.
    fn field(&self, app: &App, name: &str) -> Option<String>;
    /// What its readers need to see; nothing when everybody may read it.
    fn object(&self) -> Option<Object> {
        None
    }
    /// All values of a field that may have several: one that matches is enough.
    fn values(&self, app: &App, name: &str) -> Vec<String> {
        self.field(app, name).into_iter().collect()
    }
}

/// The items that the request asks for: searched, sorted, and no more than it wants.
pub fn select<T: Searched>(app: &App, request: &Request, mut items: Vec<T>) -> Result<Vec<T>, Fault> {
    let query = match &request.search {
        Some(text) => Query::parse(text, Fields { names: T::FIELDS, kinds: T::KINDS })?,
        None => Query::everything(),
    };
    items.retain(|item| item.object().is_none_or(|object| access::shows(app, request, object)));
    items.retain(|item| query.holds(request.case_sensitive, |name| item.values(app, name)));
    if let Some((field, descending)) = query.sort {
        items.sort_by_cached_key(|item| Key(item.field(app, field).unwrap_or_default()));
        if descending {
            // What is alike keeps its order.
            items.reverse();
            let alike = |a: &T, b: &T| a.field(app, field) == b.field(app, field);
            items.chunk_by_mut(alike).for_each(<[T]>::reverse);
        }
    }
    let size = request.max.unwrap_or(usize::MAX);
    let skip = size.saturating_mul(query.page.saturating_sub(1));
    Ok(items.into_iter().skip(skip).take(size).collect())
}

/// Numbers by their value, the rest by its text; nothing first.
#[derive(PartialEq, Eq)]
struct Key(String);

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.0.parse::<f64>(), other.0.parse::<f64>()) {
            (Ok(a), Ok(b)) => a.total_cmp(&b),
            // A total order: numbers before words.
            (Ok(_), Err(_)) if !other.0.is_empty() => Ordering::Less,
            (Err(_), Ok(_)) if !self.0.is_empty() => Ordering::Greater,
            _ => self.0.to_lowercase().cmp(&other.0.to_lowercase()),
        }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
