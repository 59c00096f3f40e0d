//! The graphics consoles of a VM: which there are, their tickets, and who looks at them.

use super::locks::{Entity, Mode};
use super::ports::Scope;
use super::{Engine, documents, locks};
use crate::domain;
use crate::error::{Error, Result};
use crate::model::vm::Protocol;
use crate::model::*;
use jiff::Timestamp;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

/// A password for the graphics consoles, for a while.
#[derive(Clone, Debug)]
pub struct Ticket {
    pub value: String,
    /// Seconds.
    pub expiry: u64,
}

/// Somebody who uses a VM: by a graphics console, or logged in to its guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Session {
    Console {
        client: ConsoleClient,
        /// Who asked for the ticket; unknown of consoles that are older than the daemon.
        user: Option<UserId>,
    },
    Guest {
        name: String,
    },
}

const DEFAULT_EXPIRY: u64 = 7200;
const MAX_EXPIRY: u64 = 10 * 365 * 24 * 3600;
/// VNC's own limit.
const VNC_TICKET: usize = 8;

/// Gives a machine a console of that protocol.
pub fn add_console(spec: &mut VmSpec, protocol: Protocol) -> Result<()> {
    match spec.add_console(protocol) {
        true => Ok(()),
        false => Err(Error::conflict("The VM has a graphics console of this protocol already.")),
    }
}

/// Takes the console of that protocol away; a machine without any is headless.
pub fn remove_console(spec: &mut VmSpec, protocol: Protocol) -> Result<()> {
    match spec.remove_console(protocol) {
        true => Ok(()),
        false => Err(Error::not_found("graphics console")),
    }
}

impl Engine {
    /// Gives the VM a console of that protocol.
    pub async fn add_console(self: &Arc<Self>, id: VmId, next_run: bool, protocol: Protocol) -> Result<()> {
        self.update_vm(id, next_run, |spec| add_console(spec, protocol)).await
    }

    /// Takes the console of that protocol away; a VM without any is headless.
    pub async fn remove_console(
        self: &Arc<Self>,
        id: VmId,
        next_run: bool,
        protocol: Protocol,
    ) -> Result<()> {
        self.update_vm(id, next_run, |spec| remove_console(spec, protocol)).await
    }

    /// Sets the password of the graphics consoles for a while: of those that can take it.
    pub async fn ticket(
        &self,
        id: VmId,
        user: UserId,
        value: Option<String>,
        expiry: Option<u64>,
    ) -> Result<Ticket> {
        let view = self.vm(id)?;
        self.own_vm(id)?;
        let _guard = self.take(locks::TICKET, &[(Entity::Vm(id), Mode::Shared)]).await?;
        self.may(id, Move::Ticket)?;
        let value = match value.filter(|value| !value.is_empty()) {
            Some(value) => value,
            None => generated_ticket(),
        };
        if !value.chars().all(|c| c.is_ascii_graphic()) || value.len() > 255 {
            return Err(Error::invalid("A ticket has 1 to 255 printable ASCII characters without spaces."));
        }
        let there: Vec<Protocol> = view
            .seen
            .iter()
            .flat_map(|seen| &seen.observed.graphics)
            .map(|graphics| graphics.protocol)
            .collect();
        if there.is_empty() {
            return Err(Error::conflict("The VM has no graphics console."));
        }
        let fits = |protocol: &Protocol| *protocol == Protocol::Spice || value.len() <= VNC_TICKET;
        // The one that a client gets who does not choose has to take it.
        let first = view.vm.spec.display.as_ref().map(|display| display.protocol);
        let first_fits = first.is_none_or(|first| !there.contains(&first) || fits(&first));
        let protocols: Vec<Protocol> = there.into_iter().filter(fits).collect();
        if protocols.is_empty() || !first_fits {
            return Err(Error::invalid(format!(
                "The ticket of a VNC console has at most {VNC_TICKET} characters."
            )));
        }
        let expiry = expiry.unwrap_or(DEFAULT_EXPIRY);
        if !(1..=MAX_EXPIRY).contains(&expiry) {
            return Err(Error::invalid("The expiry of a ticket must be a positive number of seconds."));
        }
        let until = Timestamp::now() + Duration::from_secs(expiry);
        let until = until.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let live = self.lane.call(move |hv| hv.document(id, false)).await?;
        let live = documents::parse(&live.ok_or_else(|| Error::not_found(id))?)?;
        let devices: Vec<String> = domain::graphics_updates(&live, &protocols, &value, &until)
            .iter()
            .map(ToString::to_string)
            .collect();
        let update = move |hv: &dyn super::ports::Hypervisor| {
            devices.iter().try_for_each(|device| hv.update_device(id, device, Scope::Live))
        };
        let telling = self.telling_vm(
            id,
            "Setting the ticket of",
            "has a new ticket for its consoles, set",
            Code::VM_TICKET,
            Code::VM_TICKET_FAILED,
        );
        self.told(telling, self.lane.call(update)).await.map_err(|mut failed| {
            // libvirt may quote the device, and with it the ticket.
            failed.why = None;
            failed
        })?;
        self.inventory.set_ticket(id, user);
        Ok(Ticket { value, expiry })
    }

    /// A connection to the console of a running VM, past its password: for whom was let in already.
    pub async fn open_console(&self, id: VmId, protocol: Protocol) -> Result<OwnedFd> {
        let view = self.vm(id)?;
        let running = view.seen.as_ref().filter(|_| view.status.runs());
        let mut graphics = running.iter().flat_map(|seen| &seen.observed.graphics);
        let place = graphics.position(|graphics| graphics.protocol == protocol);
        let place = place.ok_or_else(|| Error::conflict("The VM has no such console now."))? as u32;
        self.lane.call(move |hv| hv.open_console(id, place)).await
    }

    /// Somebody looks at a console through this daemon, or does so no more.
    pub fn note_viewer(&self, id: VmId, user: UserId, viewer: ConsoleClient, connected: bool) {
        if connected {
            self.inventory.set_ticket(id, user);
        }
        self.inventory.set_client(id, viewer, connected);
    }

    /// Who uses the VM, as far as libvirt and the guest tell.
    pub fn sessions(&self, id: VmId) -> Result<Vec<Session>> {
        self.vm(id)?;
        let (clients, user) = self.inventory.clients(id);
        let mut sessions: Vec<Session> = Vec::new();
        for client in clients {
            // A client of SPICE has a connection for each of its channels.
            let known = sessions.iter().any(|session| {
                matches!(session, Session::Console { client: other, .. }
                    if (&other.address, other.protocol) == (&client.address, client.protocol))
            });
            if !known {
                sessions.push(Session::Console { client, user });
            }
        }
        let guest = self.inventory.guest(id);
        let mut names: Vec<&String> = guest.iter().flat_map(|guest| &guest.users).collect();
        names.sort();
        names.dedup();
        sessions.extend(names.into_iter().map(|name| Session::Guest { name: name.clone() }));
        Ok(sessions)
    }

    pub(super) fn note_client(&self, id: VmId, served: u16, address: String, port: String, connected: bool) {
        let Some(seen) = self.inventory.seen(id) else { return };
        let serves =
            |graphics: &&domain::Graphics| [graphics.port, graphics.tls_port].contains(&Some(served));
        let graphics = &seen.observed.graphics;
        let Some(console) = graphics.iter().find(serves).or(graphics.first()) else { return };
        let client = ConsoleClient { address, port, protocol: console.protocol };
        self.inventory.set_client(id, client, connected);
    }
}

pub(super) fn generated_ticket() -> String {
    use rand::RngExt;
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789";
    let mut random = rand::rng();
    (0..VNC_TICKET).map(|_| LETTERS[random.random_range(0..LETTERS.len())] as char).collect()
}
