//! Nouns to rows and back: the members of a noun's serialized form are its columns.

use super::nouns::{Column, Noun};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, params_from_iter};
use serde_json::{Map, Value as Json};

/// Why the database was of no use.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("table {table}: {why}")]
    Misfit { table: &'static str, why: String },
    #[error("schema version {0} is not known")]
    Newer(u32),
}

fn misfit<T: Noun>(why: impl ToString) -> Fault {
    Fault::Misfit { table: T::TABLE, why: why.to_string() }
}

/// Inserts the noun's row or updates the one with its key; never replaces the row, which would
/// take the rows that refer to it along.
pub fn put<T: Noun>(db: &Connection, noun: &T) -> Result<(), Fault> {
    let Json::Object(members) = serde_json::to_value(noun).map_err(misfit::<T>)? else {
        return Err(misfit::<T>("the noun is not an object"));
    };
    // A member without a column would be lost silently.
    if members.len() != T::COLUMNS.len() {
        return Err(misfit::<T>("the noun has members without a column"));
    }
    let values = T::COLUMNS.iter().map(|(name, kind)| {
        let member = members.get(*name).ok_or_else(|| misfit::<T>(format!("no member '{name}'")))?;
        to_column(member, *kind).ok_or_else(|| misfit::<T>(format!("'{name}' does not fit its column")))
    });
    let values = values.collect::<Result<Vec<Value>, Fault>>()?;
    db.prepare_cached(&put_statement::<T>())?.execute(params_from_iter(values))?;
    Ok(())
}

fn put_statement<T: Noun>() -> String {
    let names: Vec<&str> = T::COLUMNS.iter().map(|(name, _)| *name).collect();
    let keys = T::COLUMNS.iter().filter(|(_, kind)| *kind == Column::Key).count();
    let updates: Vec<String> = names[keys..].iter().map(|name| format!("{name}=excluded.{name}")).collect();
    // A row that is all key has nothing to update.
    let conflict = if updates.is_empty() { "NOTHING" } else { "UPDATE SET " };
    format!(
        "INSERT INTO {}({}) VALUES({}) ON CONFLICT({}) DO {conflict}{}",
        T::TABLE,
        names.join(","),
        vec!["?"; names.len()].join(","),
        names[..keys].join(","),
        updates.join(",")
    )
}

/// Deletes the row of that key; fine when there is none.
pub fn delete<T: Noun>(db: &Connection, key: &[String]) -> Result<(), Fault> {
    let names: Vec<String> = T::COLUMNS[..key.len()].iter().map(|(name, _)| format!("{name}=?")).collect();
    let statement = format!("DELETE FROM {} WHERE {}", T::TABLE, names.join(" AND "));
    db.prepare_cached(&statement)?.execute(params_from_iter(key))?;
    Ok(())
}

/// Deletes the row of that noun, which is all key.
pub fn remove<T: Noun>(db: &Connection, noun: &T) -> Result<(), Fault> {
    let Json::Object(members) = serde_json::to_value(noun).map_err(misfit::<T>)? else {
        return Err(misfit::<T>("the noun is not an object"));
    };
    let text = |name: &str| members.get(name).and_then(Json::as_str).map(str::to_owned);
    let key: Option<Vec<String>> = T::COLUMNS.iter().map(|(name, _)| text(name)).collect();
    delete::<T>(db, &key.ok_or_else(|| misfit::<T>("a key is not a text"))?)
}

/// All nouns of a kind, in the order of their keys.
pub fn all<T: Noun>(db: &Connection) -> Result<Vec<T>, Fault> {
    let names: Vec<&str> = T::COLUMNS.iter().map(|(name, _)| *name).collect();
    let mut statement = db.prepare(&format!("SELECT {} FROM {} ORDER BY 1, 2", names.join(","), T::TABLE))?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let mut members = Map::new();
        for (index, (name, kind)) in T::COLUMNS.iter().enumerate() {
            let member = from_column(row.get_ref(index)?, *kind)
                .ok_or_else(|| misfit::<T>(format!("column '{name}' is not readable")))?;
            members.insert((*name).to_owned(), member);
        }
        found.push(serde_json::from_value(Json::Object(members)).map_err(misfit::<T>)?);
    }
    Ok(found)
}

fn to_column(member: &Json, kind: Column) -> Option<Value> {
    Some(match (kind, member) {
        (Column::Plain | Column::Flag | Column::Document, Json::Null) => Value::Null,
        (Column::Key | Column::Plain, Json::String(text)) => Value::Text(text.clone()),
        (Column::Key | Column::Plain, Json::Number(number)) => Value::Integer(number.as_i64()?),
        (Column::Flag, Json::Bool(flag)) => Value::Integer((*flag).into()),
        (Column::Document, document) => Value::Text(document.to_string()),
        _ => return None,
    })
}

fn from_column(value: ValueRef<'_>, kind: Column) -> Option<Json> {
    match (kind, value) {
        (_, ValueRef::Null) => Some(Json::Null),
        (Column::Flag, ValueRef::Integer(flag)) => Some(Json::Bool(flag != 0)),
        (Column::Document, ValueRef::Text(text)) => serde_json::from_slice(text).ok(),
        (_, ValueRef::Integer(number)) => Some(number.into()),
        (_, ValueRef::Text(text)) => Some(std::str::from_utf8(text).ok()?.into()),
        _ => None,
    }
}
