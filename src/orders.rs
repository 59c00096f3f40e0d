//! `vireo user` and `vireo group`: orders to the daemon of a state folder, or, when there is none,
//! carried out on its store.

use crate::cli::{GroupCommand, UserCommand};
use crate::control;
use crate::engine::Order;
use crate::error::{Error, Kind, Result};
use crate::host::StateLock;
use crate::store::Sqlite;
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;

/// Who has the folder's lock is the only one to write its store: a daemon that runs, or this.
pub fn carry_out(state: &Path, order: &Order) -> Result<Vec<String>> {
    match StateLock::take(state) {
        Ok(_lock) => order.obey_alone(&Sqlite::open(&state.join("vireo.db"))?),
        Err(why) if why.kind == Kind::Conflict => control::ask(state, order),
        Err(why) => Err(why),
    }
}

pub fn of_user(command: UserCommand) -> Result<Order> {
    Ok(match command {
        UserCommand::List => Order::ListUsers,
        UserCommand::Add { name, group, role } => {
            Order::AddUser { name, password: password()?, groups: group, role }
        }
        UserCommand::Password { name } => Order::SetPassword { name, password: password()? },
        UserCommand::Remove { name } => Order::RemoveUser { name },
    })
}

pub fn of_group(command: GroupCommand) -> Order {
    match command {
        GroupCommand::List => Order::ListGroups,
        GroupCommand::Add { name } => Order::AddGroup { name },
        GroupCommand::Remove { name } => Order::RemoveGroup { name },
        GroupCommand::Join { group, user } => Order::Join { group, user },
        GroupCommand::Leave { group, user } => Order::Leave { group, user },
    }
}

/// The first line of the standard input, which a terminal does not show.
fn password() -> Result<String> {
    let wrong = |why: std::io::Error| Error::host(format!("The password cannot be read: {why}"));
    let input = std::io::stdin();
    let shown = input.is_terminal().then(|| tcgetattr(&input).ok()).flatten();
    if let Some(shown) = &shown {
        let mut hidden = shown.clone();
        hidden.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(&input, SetArg::TCSANOW, &hidden).map_err(|why| wrong(why.into()))?;
        eprint!("Password: ");
        let _ = std::io::stderr().flush();
    }
    let mut line = String::new();
    let read = input.lock().read_line(&mut line);
    if let Some(shown) = &shown {
        let _ = tcsetattr(&input, SetArg::TCSANOW, shown);
        eprintln!();
    }
    read.map_err(wrong)?;
    let password = line.trim_end_matches(['\r', '\n']);
    match password.is_empty() {
        true => Err(Error::invalid("The password is read from the standard input, which has none.")),
        false => Ok(password.to_owned()),
    }
}
