//! The states of a VM and which moves each allows: one pure table.
//!
//! ```text
//!  down --start--> wait_for_launch --> up --suspend--> saving_state --> suspended
//!   ^                                  | ^ \                              |
//!   |<----shutdown: powering_down------+ |  +--reboot: reboot_in_progress |
//!   |<----stop---------------------------+<------start: restoring_state---+
//! ```
//!
//! `paused` comes from libvirt (a pause, or a disk error, then with its detail) and leaves by `start`.

/// What libvirt says of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    Off,
    /// Off, with the memory kept by a managed save.
    Saved,
    Running,
    Paused(PauseReason),
    ShuttingDown,
    /// The guest panicked; QEMU is still there.
    Crashed,
}

impl Power {
    /// There is a QEMU, whatever its guest does.
    pub fn runs(self) -> bool {
        !matches!(self, Self::Off | Self::Saved)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseReason {
    None,
    /// A disk has an error other than those below.
    Eother,
    /// A disk had an input/output error.
    Eio,
    /// A disk's storage is full.
    Enospc,
    Eperm,
}

impl PauseReason {
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Eother => "eother",
            Self::Eio => "eio",
            Self::Enospc => "enospc",
            Self::Eperm => "eperm",
        }
    }
}

/// A VM's state as the API names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VmStatus {
    Unassigned,
    Down,
    Up,
    PoweringUp,
    Paused,
    Migrating,
    Unknown,
    NotResponding,
    WaitForLaunch,
    RebootInProgress,
    SavingState,
    RestoringState,
    Suspended,
    ImageLocked,
    PoweringDown,
}

impl VmStatus {
    pub const ALL: [Self; 15] = [
        Self::Unassigned,
        Self::Down,
        Self::Up,
        Self::PoweringUp,
        Self::Paused,
        Self::Migrating,
        Self::Unknown,
        Self::NotResponding,
        Self::WaitForLaunch,
        Self::RebootInProgress,
        Self::SavingState,
        Self::RestoringState,
        Self::Suspended,
        Self::ImageLocked,
        Self::PoweringDown,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Unassigned => "unassigned",
            Self::Down => "down",
            Self::Up => "up",
            Self::PoweringUp => "powering_up",
            Self::Paused => "paused",
            Self::Migrating => "migrating",
            Self::Unknown => "unknown",
            Self::NotResponding => "not_responding",
            Self::WaitForLaunch => "wait_for_launch",
            Self::RebootInProgress => "reboot_in_progress",
            Self::SavingState => "saving_state",
            Self::RestoringState => "restoring_state",
            Self::Suspended => "suspended",
            Self::ImageLocked => "image_locked",
            Self::PoweringDown => "powering_down",
        }
    }

    /// A QEMU process exists.
    pub fn runs(self) -> bool {
        !matches!(self, Self::Down | Self::Suspended | Self::ImageLocked | Self::Unassigned | Self::Unknown)
    }

    /// The state as it stands in a sentence: `Powering Down`.
    fn spoken(self) -> String {
        let words = self.name().split('_').map(|word| word[..1].to_uppercase() + &word[1..]);
        words.collect::<Vec<_>>().join(" ")
    }
}

/// What a client may ask of a VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Move {
    Start,
    /// Start with overrides.
    RunOnce,
    Stop,
    Shutdown,
    Reboot,
    Suspend,
    Ticket,
    Freeze,
    Logon,
    Remove,
    /// Attach or detach a disk, or plug one.
    ChangeDisks,
    /// Add, change, plug or remove a network interface.
    ChangeNics,
    /// Online resize of a disk.
    Resize,
    ReorderMacs,
    /// Another CD in the drive, or none.
    ChangeMedium,
    ChangeNuma,
    Snapshot,
    /// Back to a snapshot, for a look or for good.
    Restore,
    RemoveSnapshot,
    Clone,
    /// Make a template of it.
    Template,
    /// Copy it into an export domain.
    Export,
}

impl Move {
    pub const ALL: [Self; 22] = [
        Self::Start,
        Self::RunOnce,
        Self::Stop,
        Self::Shutdown,
        Self::Reboot,
        Self::Suspend,
        Self::Ticket,
        Self::Freeze,
        Self::Logon,
        Self::Remove,
        Self::ChangeDisks,
        Self::ChangeNics,
        Self::Resize,
        Self::ReorderMacs,
        Self::ChangeMedium,
        Self::ChangeNuma,
        Self::Snapshot,
        Self::Restore,
        Self::RemoveSnapshot,
        Self::Clone,
        Self::Template,
        Self::Export,
    ];

    fn verb(self) -> &'static str {
        match self {
            Self::Start | Self::RunOnce => "run",
            Self::Stop => "stop",
            Self::Shutdown => "shutdown",
            Self::Reboot => "restart",
            Self::Suspend => "hibernate",
            Self::Ticket => "set a ticket for",
            Self::Freeze => "freeze or thaw",
            Self::Logon => "log on to",
            Self::Remove => "remove",
            Self::ChangeDisks => "change the disks of",
            Self::ChangeNics => "change the network interfaces of",
            Self::Resize => "resize a disk of",
            Self::ReorderMacs => "reorder the MAC addresses of",
            Self::ChangeMedium => "change the CD of",
            Self::ChangeNuma => "change the NUMA nodes of",
            Self::Snapshot => "create a snapshot of",
            Self::Restore => "revert to a snapshot of",
            Self::RemoveSnapshot => "remove a snapshot of",
            Self::Clone => "clone",
            Self::Template => "make a template of",
            Self::Export => "export",
        }
    }
}

impl Move {
    /// Whether the VM has other devices after it.
    pub fn changes_devices(self) -> bool {
        matches!(self, Self::ChangeDisks | Self::ChangeNics | Self::Resize | Self::ReorderMacs)
    }

    /// A sentence that refuses it.
    pub fn refusal(self, why: &str) -> String {
        format!("Cannot {} VM. {why}", self.verb())
    }
}

/// The table's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Go,
    /// Nothing to do: the VM is there already.
    Already,
    Refused(String),
}

/// May a VM in this state make that move?
pub fn may(status: VmStatus, wanted: Move) -> Verdict {
    use VmStatus as S;
    let refused = |why: &str| Verdict::Refused(wanted.refusal(why));
    let wrong_state = || {
        let (verb, status) = (wanted.verb(), status.spoken());
        Verdict::Refused(format!("Cannot {verb} VM because the VM is in {status} status."))
    };
    match (wanted, status) {
        (Move::Start, S::Down | S::Suspended | S::Paused) => Verdict::Go,
        (Move::RunOnce, S::Down) => Verdict::Go,
        (Move::Start | Move::RunOnce, S::Up | S::PoweringUp | S::NotResponding) => refused("VM is running."),
        (Move::Stop | Move::Shutdown, S::Down) => Verdict::Already,
        (Move::Stop, S::SavingState | S::RestoringState | S::ImageLocked | S::Unassigned | S::Unknown) => {
            wrong_state()
        }
        (Move::Stop, _) => Verdict::Go,
        (
            Move::Shutdown,
            S::Up | S::Paused | S::PoweringUp | S::PoweringDown | S::RebootInProgress | S::Suspended,
        ) => Verdict::Go,
        (Move::Reboot | Move::Suspend | Move::Freeze | Move::Logon, S::Up) => Verdict::Go,
        (Move::Ticket, S::Up | S::Paused | S::PoweringUp | S::PoweringDown | S::RebootInProgress) => {
            Verdict::Go
        }
        (Move::Remove, S::Down | S::Unassigned) => Verdict::Go,
        (Move::Remove, S::Suspended | S::ImageLocked) => {
            refused("Cannot remove VM that its state is not down. Please stop it first.")
        }
        (Move::Remove, _) => refused("VM is running."),
        (Move::ChangeDisks, S::Up | S::Down | S::Paused) => Verdict::Go,
        (Move::ChangeNics, S::Up | S::Down | S::ImageLocked) => Verdict::Go,
        (Move::Resize, S::Up | S::Down) => Verdict::Go,
        (
            Move::ReorderMacs
            | Move::ChangeNuma
            | Move::Restore
            | Move::Clone
            | Move::Template
            | Move::Export,
            S::Down,
        ) => Verdict::Go,
        (Move::Snapshot, S::Up | S::Down | S::Paused) => Verdict::Go,
        (Move::RemoveSnapshot, S::Up | S::Down | S::Paused) => Verdict::Go,
        (Move::ChangeMedium, S::Up | S::Paused) => Verdict::Go,
        (Move::Suspend | Move::Ticket, _) => refused("VM is not up."),
        _ => wrong_state(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_says_why() {
        for status in VmStatus::ALL {
            for wanted in Move::ALL {
                if let Verdict::Refused(why) = may(status, wanted) {
                    assert!(why.starts_with("Cannot ") && why.ends_with('.'), "{why}");
                }
            }
        }
    }

    #[test]
    fn the_contract() {
        assert_eq!(may(VmStatus::Down, Move::Stop), Verdict::Already);
        assert_eq!(may(VmStatus::Suspended, Move::Stop), Verdict::Go);
        assert_eq!(may(VmStatus::Paused, Move::Start), Verdict::Go);
        assert!(
            matches!(may(VmStatus::Up, Move::Start), Verdict::Refused(why) if why.contains("VM is running."))
        );
        assert!(
            matches!(may(VmStatus::Down, Move::Reboot), Verdict::Refused(why) if why.contains("Down status"))
        );
        assert!(matches!(may(VmStatus::Suspended, Move::Remove), Verdict::Refused(_)));
    }

    /// A VM that no state-keeping move can get down would be lost to its owner.
    #[test]
    fn every_settled_state_has_a_way_down() {
        for status in [
            VmStatus::Up,
            VmStatus::Paused,
            VmStatus::Suspended,
            VmStatus::NotResponding,
            VmStatus::PoweringDown,
        ] {
            assert_eq!(may(status, Move::Stop), Verdict::Go, "{status:?}");
        }
    }
}
