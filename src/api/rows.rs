//! Rows of the world, as the collections take them.

use super::fault::Fault;
use super::request::Request;
use crate::error::Error;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

/// The row whose id stands in the path where the route has `{name}`.
pub fn one<I, T>(rows: &BTreeMap<I, T>, request: &Request, name: &str) -> Result<T, Fault>
where
    I: Copy + Ord + Display + FromStr,
    T: Clone,
{
    let id: I = request.id(name)?;
    rows.get(&id).cloned().ok_or_else(|| Error::not_found(id).into())
}

/// The rows that are wanted, in the order of their names.
pub fn by_name<I, T: Clone>(
    rows: &BTreeMap<I, T>,
    name: impl Fn(&T) -> &str,
    wanted: impl Fn(&T) -> bool,
) -> Vec<T> {
    let mut found: Vec<T> = rows.values().filter(|row| wanted(row)).cloned().collect();
    found.sort_by(|a, b| name(a).cmp(name(b)));
    found
}
