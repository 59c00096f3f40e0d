//! Which machine a VM is.

use super::Plan;
use crate::model::VmSpec;

/// The families of x86 machines that there are templates for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chipset {
    Q35,
    I440fx,
}

impl Chipset {
    /// The family of a machine type: `q35` and `pc-q35-7.2`, `pc` and `pc-i440fx-7.2`.
    pub fn of(machine: &str) -> Option<Self> {
        match machine {
            "q35" => Some(Self::Q35),
            "pc" => Some(Self::I440fx),
            _ if machine.starts_with("pc-q35-") => Some(Self::Q35),
            _ if machine.starts_with("pc-i440fx-") => Some(Self::I440fx),
            _ => None,
        }
    }

    /// The name of the family's newest machine, which libvirt resolves to a version.
    fn newest(self) -> &'static str {
        match self {
            Self::Q35 => "q35",
            Self::I440fx => "pc",
        }
    }
}

/// The machine type to have: what the client asked for, in the version that the VM is pinned to.
fn machine<'a>(pinned: Option<&'a str>, spec: &'a VmSpec) -> Option<&'a str> {
    match spec.machine.as_deref() {
        Some(asked) if pinned.is_some_and(|pinned| covers(asked, pinned)) => pinned,
        Some(asked) => Some(asked),
        None => pinned,
    }
}

/// The family of the machine that a VM is with that configuration.
pub fn chipset(pinned: Option<&str>, spec: &VmSpec) -> Chipset {
    machine(pinned, spec).and_then(Chipset::of).unwrap_or(Chipset::Q35)
}

impl Plan<'_> {
    pub fn machine(&self) -> Option<&str> {
        machine(self.vm.machine.as_deref(), self.spec)
    }

    pub fn chipset(&self) -> Chipset {
        chipset(self.vm.machine.as_deref(), self.spec)
    }
}

/// The first name stands for any version of the second one's family.
pub fn covers(asked: &str, machine: &str) -> bool {
    Chipset::of(asked)
        .is_some_and(|chipset| chipset.newest() == asked && Chipset::of(machine) == Some(chipset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families() {
        assert_eq!(Chipset::of("pc-q35-7.2"), Some(Chipset::Q35));
        assert_eq!(Chipset::of("pc-i440fx-6.0"), Some(Chipset::I440fx));
        for other in ["microvm", "isapc", "pseries", "none", "pc-1.0", ""] {
            assert_eq!(Chipset::of(other), None, "{other}");
        }
        assert!(covers("q35", "pc-q35-7.2") && covers("pc", "pc"));
        assert!(!covers("pc", "pc-q35-7.2") && !covers("pc-q35-7.1", "pc-q35-7.2"));
    }
}
