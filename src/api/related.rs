//! What searches look at beside a row itself: the events about it, and who has permissions on it.

use super::app::App;
use super::events::SEVERITIES;
use super::search::{Holds, Searched};
use crate::engine::world::User;
use crate::model::{Event, Object, UserId};

/// Others whose fields a search of one kind of rows knows.
#[derive(Clone, Copy, Debug)]
pub enum Related {
    /// The events about it.
    Events,
    /// The users who have a permission on it.
    Users,
}

impl Related {
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Events => &[
                "event",
                "event.message",
                "event.severity",
                "event.type",
                "event.time",
                "event.usrname",
                "event.correlation_id",
            ],
            Self::Users => &["user", "user.name", "user.usrname", "user.login"],
        }
    }

    /// What those of its fields hold that are no text.
    pub fn kinds(self) -> &'static [(&'static str, Holds)] {
        match self {
            Self::Events => &[
                ("event.severity", Holds::Words(SEVERITIES)),
                ("event.type", Holds::Number),
                ("event.time", Holds::Time),
            ],
            Self::Users => &[],
        }
    }
}

/// `event.severity` and the like, of the events that are meant.
pub fn events(app: &App, field: &str, wanted: impl Fn(&Event) -> bool) -> Vec<String> {
    let found = app.engine.history.events_that(wanted);
    let mut values: Vec<String> = found.iter().flat_map(|event| event.values(app, of(field))).collect();
    values.sort();
    values.dedup();
    values
}

/// `user.usrname` and the like, of the users who have a permission on the object itself.
pub fn users(app: &App, field: &str, object: Object) -> Vec<String> {
    let holders: Vec<User> = {
        let world = app.engine.world();
        let on = world.permissions.values().filter(|it| it.on() == object);
        let users = on.filter_map(|it| world.users.get(&UserId(it.holder)));
        users.cloned().collect()
    };
    holders.iter().flat_map(|user| user.values(app, of(field))).collect()
}

/// The field that is meant of the other; its name when none is.
fn of(field: &str) -> &str {
    match field.split_once('.') {
        Some((_, field)) => field,
        None if field == "event" => "message",
        None => "name",
    }
}
