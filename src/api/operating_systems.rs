//! `/operatingsystems`

use super::app::App;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::search::{self, Searched};
use crate::error::Error;
use crate::model::OPERATING_SYSTEMS;
use crate::wire::convert;
use crate::wire::types;
use std::sync::Arc;

type Row = &'static (u32, &'static str, &'static str);

impl Searched for Row {
    const FIELDS: &'static [&'static str] = &["name", "id", "description"];

    fn field(&self, _: &App, name: &str) -> Option<String> {
        match name {
            "id" => Some(self.0.to_string()),
            "name" => Some(self.1.to_owned()),
            "description" => Some(self.2.to_owned()),
            _ => None,
        }
    }
}

/// `GET /operatingsystems`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let found: Vec<Row> = search::select_leniently(&app, &request, OPERATING_SYSTEMS.iter().collect());
    let operating_system = found.into_iter().map(convert::operating_system).collect();
    Ok(Reply::ok(types::OperatingSystemInfos { operating_system, ..Default::default() }))
}

/// `GET /operatingsystems/{number}`
pub async fn show(_: Arc<App>, request: Request) -> Answer {
    let wanted = request.text("number");
    let row = OPERATING_SYSTEMS.iter().find(|(number, ..)| number.to_string() == wanted);
    row.map(|row| Reply::ok(convert::operating_system(row))).ok_or_else(|| Error::not_found(wanted).into())
}
