//! What searches look at beside a row itself: the events about it, and who has permissions on it.

use super::app::App;
use super::search::Searched;
use crate::engine::world::User;
use crate::model::{About, Event, Object, UserId};

/// `event.severity` and the like, of the events that are about something.
pub fn events(app: &App, field: &str, about: impl Fn(&About) -> bool) -> Vec<String> {
    of_events(app, field, |event| about(&event.about))
}

/// The same of what a user did.
pub fn events_of(app: &App, field: &str, user: UserId) -> Vec<String> {
    of_events(app, field, |event| event.user.as_ref().is_some_and(|it| it.id == user))
}

fn of_events(app: &App, field: &str, wanted: impl Fn(&Event) -> bool) -> Vec<String> {
    let all = app.engine.history.events();
    let found = all.iter().filter(|event| wanted(event));
    let mut values: Vec<String> = found.flat_map(|event| event.values(app, of(field))).collect();
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
