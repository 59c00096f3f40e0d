//! The permits that roles are made of, as documents.

use crate::model::permits;
use crate::wire::types::{Permit, Permits};

/// All of them, by number.
pub fn all() -> Permits {
    let permit = permits::all().into_iter().map(|(id, name, administrative)| Permit {
        id: Some(id.to_string()),
        name: Some(name.to_owned()),
        administrative: Some(administrative),
        ..Permit::default()
    });
    Permits { permit: permit.collect(), ..Permits::default() }
}
