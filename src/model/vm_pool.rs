//! Pools of VMs that are alike, for whoever comes.

use super::ids::*;
use super::vm::{Display, Rng, VmSpec};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolKind {
    /// A VM goes back to the pool when its run is over.
    Automatic,
    /// A VM stays its user's until somebody takes it back.
    Manual,
}

/// What the VMs of a pool have whatever its template says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PoolHardware {
    pub soundcard: Option<bool>,
    pub rng: Option<Rng>,
    pub display: Option<Display>,
}

impl PoolHardware {
    pub fn over(&self, spec: &mut VmSpec) {
        spec.soundcard = self.soundcard.unwrap_or(spec.soundcard);
        spec.rng = self.rng.or(spec.rng);
        if let Some(display) = &self.display {
            spec.display = Some(display.clone());
        }
    }
}

/// VMs over a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmPool {
    pub id: VmPoolId,
    pub name: String,
    pub description: String,
    pub comment: String,
    pub cluster: ClusterId,
    pub template: TemplateId,
    /// New VMs are over the newest version of the template.
    #[serde(default)]
    pub newest_version: bool,
    pub kind: PoolKind,
    /// So many VMs one user may have.
    pub max_user_vms: u32,
    /// So many of its VMs run before anybody has taken them.
    pub prestarted_vms: u32,
    #[serde(default)]
    pub hardware: PoolHardware,
}

/// A VM is in a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pooled {
    pub vm: VmId,
    pub pool: VmPoolId,
}

impl VmPool {
    /// The most VMs that a pool has.
    pub const MAX_SIZE: u32 = 1000;

    /// The name of the pool's VM of that number: it stands for the question marks of the pool's
    /// name, or behind it.
    pub fn vm_name(&self, number: u32) -> String {
        match (self.name.find('?'), self.name.matches('?').count()) {
            (Some(at), marks) => {
                let (before, rest) = self.name.split_at(at);
                format!("{before}{number:0marks$}{}", rest.trim_start_matches('?').replace('?', ""))
            }
            (None, _) => format!("{}-{number}", self.name),
        }
    }

    /// What is wrong with it by itself, in the client's words.
    pub fn check(&self) -> Result<(), String> {
        let mut vm = VmSpec { name: self.vm_name(1), ..VmSpec::default() };
        self.hardware.over(&mut vm);
        vm.check().map_err(|why| why.replace("The VM name", "The name of a VM of the pool"))?;
        super::vm::check_text("description", &self.description, 4000)?;
        super::vm::check_text("comment", &self.comment, 4000)?;
        match self.max_user_vms {
            0 => Err("The number of VMs that one user may have is at least 1.".into()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_in_names() {
        let pool = |name: &str| VmPool {
            id: VmPoolId::random(),
            name: name.into(),
            description: String::new(),
            comment: String::new(),
            cluster: ClusterId::random(),
            template: BLANK,
            newest_version: false,
            kind: PoolKind::Automatic,
            max_user_vms: 1,
            prestarted_vms: 0,
            hardware: PoolHardware::default(),
        };
        assert_eq!(pool("lab").vm_name(7), "lab-7");
        assert_eq!(pool("lab-???-x").vm_name(7), "lab-007-x");
        assert!(pool("lab").check().is_ok() && pool("a b").check().is_err());
    }
}
