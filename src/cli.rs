//! The command line.

use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// A virtualization engine for one KVM host that speaks the oVirt REST API.
#[derive(Debug, PartialEq, Eq, Parser)]
#[command(name = "vireo", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Serve the API until told to stop.
    Serve {
        /// The configuration file [default: /etc/vireo/vireo.toml]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Use a simulated hypervisor: nothing is kept and no guest runs.
        #[arg(long)]
        sim: bool,
    },
    /// Read the configuration, say what is wrong with it, and end.
    CheckConfig {
        /// The configuration file [default: /etc/vireo/vireo.toml]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Make a new database from the images and hints in the storage domains, when it is lost.
    ///
    /// Nothing that is there is changed. It refuses while a database is there or a daemon runs.
    Recover {
        /// The configuration file [default: /etc/vireo/vireo.toml]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// The folder of a storage domain that no hint in the state folder tells of; may be repeated.
        #[arg(long = "storage", value_name = "FOLDER")]
        storage: Vec<PathBuf>,
    },
    /// Read the domain templates, say what is wrong with them, and end.
    CheckTemplates {
        /// The folder of the templates; the installed ones when absent.
        dir: Option<PathBuf>,
    },
    /// Write the manual pages and shell completions; packages do.
    Manual {
        /// The folder to write to.
        dir: PathBuf,
    },
    /// Look after the users of the profile `internal`; works with and without a running daemon.
    User {
        /// The configuration file [default: /etc/vireo/vireo.toml]
        #[arg(long, value_name = "FILE", global = true)]
        config: Option<PathBuf>,
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Look after the groups of users; works with and without a running daemon.
    Group {
        /// The configuration file [default: /etc/vireo/vireo.toml]
        #[arg(long, value_name = "FILE", global = true)]
        config: Option<PathBuf>,
        #[command(subcommand)]
        command: GroupCommand,
    },
    /// List the names of the failpoints of this build.
    Failpoints,
}

#[derive(Debug, PartialEq, Eq, Subcommand)]
pub enum UserCommand {
    /// List the users with their roles on everything and their groups, separated by tabs.
    List,
    /// Add a user; the password is read from the standard input.
    Add {
        /// The name without the profile.
        name: String,
        /// A group that the user is to be in; may be given several times.
        #[arg(long, value_name = "NAME")]
        group: Vec<String>,
        /// A role that the user is to have on everything, such as SuperUser or UserRole.
        #[arg(long, value_name = "NAME")]
        role: Option<String>,
    },
    /// Give a user another password, which is read from the standard input.
    Password {
        /// The name without the profile.
        name: String,
    },
    /// Remove a user with its permissions.
    Remove {
        /// The name without the profile.
        name: String,
    },
}

#[derive(Debug, PartialEq, Eq, Subcommand)]
pub enum GroupCommand {
    /// List the groups with their members, separated by a tab.
    List,
    /// Add a group.
    Add { name: String },
    /// Remove a group with its permissions.
    Remove { name: String },
    /// Let a user be in a group.
    Join { group: String, user: String },
    /// Let a user be in a group no longer.
    Leave { group: String, user: String },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_fixed_names() {
        Cli::command().debug_assert();
        let read = |line: &str| Cli::try_parse_from(line.split(' ')).map(|cli| cli.command);
        assert_eq!(
            read("vireo serve --config /x --sim").unwrap(),
            Command::Serve { config: Some("/x".into()), sim: true }
        );
        assert_eq!(read("vireo serve").unwrap(), Command::Serve { config: None, sim: false });
        assert_eq!(read("vireo check-config").unwrap(), Command::CheckConfig { config: None });
        assert_eq!(
            read("vireo check-templates d").unwrap(),
            Command::CheckTemplates { dir: Some("d".into()) }
        );
        assert_eq!(
            read("vireo recover --storage /a --storage /b").unwrap(),
            Command::Recover { config: None, storage: vec!["/a".into(), "/b".into()] }
        );
        assert_eq!(read("vireo manual d").unwrap(), Command::Manual { dir: "d".into() });
        assert_eq!(read("vireo failpoints").unwrap(), Command::Failpoints);
        let add = UserCommand::Add {
            name: "anna".into(),
            group: vec!["devs".into()],
            role: Some("UserRole".into()),
        };
        assert_eq!(
            read("vireo user add anna --group devs --role UserRole --config /x").unwrap(),
            Command::User { config: Some("/x".into()), command: add }
        );
        let join = GroupCommand::Join { group: "devs".into(), user: "anna".into() };
        assert_eq!(
            read("vireo group join devs anna").unwrap(),
            Command::Group { config: None, command: join }
        );
        assert_eq!(read("vireo --version").unwrap_err().kind(), clap::error::ErrorKind::DisplayVersion);
        assert!(read("vireo").is_err() && read("vireo serve --nope").is_err());
    }
}
