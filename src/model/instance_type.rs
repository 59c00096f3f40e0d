//! Sizes that VMs are made in.

use super::ids::*;
use super::mac::Mac;
use super::nic::{Nic, NicInterface};
use super::vm::{Topology, VmSpec};
use super::{GIB, MIB};
use serde::{Deserialize, Serialize};
use uuid::{Uuid, uuid};

/// The hardware of a VM, to be chosen by a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceType {
    pub id: InstanceTypeId,
    pub spec: VmSpec,
    /// Without addresses of their own: each VM's interfaces get new ones.
    pub nics: Vec<Nic>,
}

/// Id, name, description, memory and sockets of those that there are from the start.
const FIRST: &[(Uuid, &str, &str, u64, u32)] = &[
    (uuid!("00000003-0003-0003-0003-0000000000be"), "Tiny", "Tiny instance type", 512 * MIB, 1),
    (uuid!("00000005-0005-0005-0005-0000000002e6"), "Small", "Small instance type", 2 * GIB, 1),
    (uuid!("00000007-0007-0007-0007-00000000010a"), "Medium", "Medium instance type", 4 * GIB, 2),
    (uuid!("00000009-0009-0009-0009-0000000000f1"), "Large", "Large instance type", 8 * GIB, 2),
    (uuid!("0000000b-000b-000b-000b-00000000021f"), "XLarge", "Extra Large instance type", 16 * GIB, 4),
];

impl InstanceType {
    /// Those that there are from the start, as clients know them.
    pub fn first() -> impl Iterator<Item = Self> {
        FIRST.iter().map(|&(id, name, description, memory, sockets)| Self {
            id: InstanceTypeId(id),
            spec: VmSpec {
                name: name.into(),
                description: description.into(),
                memory,
                guaranteed_memory: memory,
                topology: Topology { sockets, cores: 1, threads: 1 },
                ..VmSpec::default()
            },
            nics: Vec::new(),
        })
    }

    /// An interface that its VMs are to have, still without a name.
    pub fn new_nic(of: InstanceTypeId) -> Nic {
        Nic {
            id: NicId::random(),
            vm: VmId(of.0),
            name: String::new(),
            network: None,
            profile: None,
            interface: NicInterface::Virtio,
            mac: Mac([0; 6]),
            plugged: true,
            linked: true,
            port_mirroring: Vec::new(),
            boot_protocol: None,
            on_boot: None,
        }
    }
}

/// The hardware of a size over that of a configuration; only what is still that of the former size, when
/// that is told.
macro_rules! sized {
    ($spec:expr, $size:expr $(, $before:expr)?) => {
        sized!(@each $spec, $size, [$($before)?]; memory, guaranteed_memory, ballooning, topology, cpu_shares,
            io_threads, high_availability, affinity, migration_downtime, display, serial_console, soundcard,
            usb, usb_type, virtio_scsi, rng, watchdog);
    };
    (@each $spec:expr, $size:expr, []; $($field:ident),+) => {
        $($spec.$field.clone_from(&$size.$field);)+
    };
    (@each $spec:expr, $size:expr, [$before:expr]; $($field:ident),+) => {
        $(if $spec.$field == $before.$field {
            $spec.$field.clone_from(&$size.$field);
        })+
    };
}

impl VmSpec {
    /// Takes the hardware of an instance type; what it runs and how it is called stays.
    pub fn take_size(&mut self, of: &InstanceType) {
        self.instance_type = Some(of.id);
        sized!(self, of.spec);
    }

    /// Follows the type that it is of, in all that it has not otherwise.
    pub fn follow_size(&mut self, before: &InstanceType, after: &InstanceType) {
        sized!(self, after.spec, before.spec);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_hardware_and_nothing_else() {
        let large = InstanceType::first().find(|it| it.spec.name == "Large").unwrap();
        let mut spec = VmSpec { name: "web".into(), delete_protected: true, ..VmSpec::default() };
        spec.take_size(&large);
        assert_eq!((spec.memory, spec.topology.vcpus(), spec.instance_type), (8 * GIB, 2, Some(large.id)));
        assert_eq!((spec.name.as_str(), spec.description.as_str(), spec.delete_protected), ("web", "", true));
        assert!(InstanceType::first().all(|it| it.spec.check().is_ok()));
    }
}
