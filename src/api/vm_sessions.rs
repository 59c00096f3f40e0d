//! `/vms/{vm}/sessions`: who looks at the VM's consoles, and who is logged in to its guest.

use super::app::App;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use crate::engine::Session;
use crate::error::Error;
use crate::model::{UserId, VmId};
use crate::wire::convert;
use crate::wire::types;
use std::sync::Arc;

/// A user as a session shows it: where to find it, its directory and its name there.
fn user(app: &App, id: UserId) -> Option<types::User> {
    let world = app.engine.world();
    let row = world.users.get(&id)?;
    let types::User { href, id, domain, .. } = convert::user(row.id, &row.name, &row.profile);
    Some(types::User { href, id, domain, user_name: Some(row.name.clone()), ..types::User::default() })
}

fn document(app: &App, vm: VmId, session: &Session) -> types::Session {
    match session {
        Session::Console { client, user: holder } => {
            convert::console_session(vm, client, holder.and_then(|id| user(app, id)))
        }
        Session::Guest { name } => convert::guest_session(vm, name),
    }
}

fn sessions(app: &App, request: &Request) -> Result<Vec<types::Session>, Fault> {
    let vm: VmId = request.id("vm")?;
    Ok(app.engine.sessions(vm)?.iter().map(|session| document(app, vm, session)).collect())
}

/// `GET /vms/{vm}/sessions`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let mut session = sessions(&app, &request)?;
    session.truncate(request.max.unwrap_or(usize::MAX));
    Ok(Reply::ok(types::Sessions { session, ..Default::default() }))
}

/// `GET /vms/{vm}/sessions/{session}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    let wanted = request.text("session");
    let mut found = sessions(&app, &request)?.into_iter().filter(|one| one.id.as_deref() == Some(wanted));
    found.next().map(Reply::ok).ok_or_else(|| Error::not_found(wanted).into())
}
