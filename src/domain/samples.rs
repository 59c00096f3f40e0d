//! VMs to build documents of: the smallest, the fullest, and whatever a test makes of them.

use super::*;
use crate::model::vm::*;
use crate::model::*;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::path::PathBuf;
use uuid::Uuid;

/// The values that a [`Plan`] borrows.
#[derive(Clone)]
pub struct Sample {
    pub vm: Vm,
    pub host: HostFacts,
    pub disks: Vec<(Disk, Attachment)>,
    /// Of each disk.
    pub tune: Tune,
    /// With where they lead.
    pub nics: Vec<(Nic, Option<String>)>,
    pub kernel: Option<PathBuf>,
    pub initrd: Option<PathBuf>,
    pub cdrom: Option<PathBuf>,
    pub media: Vec<Medium>,
}

fn id(kind: u8, number: u16) -> Uuid {
    Uuid::from_fields(number.into(), kind.into(), 0x4000, b"\x80\0\0\0\0\0\0\0")
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

impl Sample {
    /// What a client gets that says nothing but a name.
    pub fn smallest() -> Self {
        let spec = VmSpec { name: "smallest".into(), ..VmSpec::default() };
        Self {
            vm: Vm::new(VmId(id(1, 1)), ClusterId(id(2, 1)), BLANK, Timestamp::UNIX_EPOCH, spec),
            host: HostFacts {
                accelerator: Accelerator::Tcg,
                kvm: true,
                cpu_kvm: CpuChoice::HostPassthrough { disable: vec!["arch-capabilities".into()] },
                cpu_tcg: CpuChoice::Named("qemu64".into()),
                models_kvm: set(["EPYC", "kvm64"]),
                models_tcg: set(["qemu64", "Nehalem"]),
                machines: [
                    ("q35", "pc-q35-7.2"),
                    ("pc", "pc-i440fx-7.2"),
                    ("pc-q35-7.2", "pc-q35-7.2"),
                    ("pc-q35-7.1", "pc-q35-7.1"),
                    ("pc-i440fx-7.2", "pc-i440fx-7.2"),
                ]
                .map(|(name, version)| (name.to_owned(), version.to_owned()))
                .into(),
                cpus: [0, 1].into(),
                memory: 8 * GIB,
                nodes: [0, 1]
                    .map(|index| HostNode {
                        index,
                        memory: 4 * GIB,
                        cpus: [index].into(),
                        distances: [(index, 10), (1 - index, 20)].into(),
                    })
                    .into(),
                spice: true,
                most_shares: VmSpec::MAX_SHARES,
                hwrng: true,
            },
            disks: Vec::new(),
            tune: Tune::default(),
            nics: Vec::new(),
            kernel: None,
            initrd: None,
            cdrom: None,
            media: Vec::new(),
        }
    }

    /// Everything that a VM can have at once.
    pub fn fullest() -> Self {
        let mut full = Self::smallest();
        full.vm.spec = VmSpec {
            name: "fullest".into(),
            description: "All <there> is & more".into(),
            memory: 256 * MIB,
            guaranteed_memory: 128 * MIB,
            topology: Topology { sockets: 2, cores: 2, threads: 1 },
            cpu_pins: vec![
                CpuPin { vcpu: 0, cpus: "0".parse().unwrap() },
                CpuPin { vcpu: 3, cpus: "0-1".parse().unwrap() },
            ],
            cpu_shares: 512,
            os: Os {
                kind: "windows_2019x64".into(),
                boot: vec![BootDevice::Cdrom, BootDevice::Hd, BootDevice::Network],
                ..Os::default()
            },
            boot_menu: true,
            display: Some(Display { keyboard_layout: Some("de".into()), ..Display::default() }),
            rng: Some(Rng { source: RngSource::Random, rate: Some((1024, 1000)) }),
            io_threads: 2,
            time_zone: Some("Europe/Berlin".into()),
            serial_number: Some(SerialNumber::Custom("SN-1 <2>".into())),
            soundcard: true,
            watchdog: Some(Watchdog { model: WatchdogModel::I6300esb, action: WatchdogAction::Poweroff }),
            usb: true,
            ..full.vm.spec
        };
        full.cdrom = Some("/images/install.iso".into());
        full.disk(DiskInterface::Virtio, |_, _| {});
        full.disk(DiskInterface::Virtio, |disk, _| {
            (disk.format, disk.sparse, disk.bootable) = (DiskFormat::Raw, false, true);
        });
        full.disk(DiskInterface::VirtioScsi, |disk, attachment| {
            (disk.format, disk.shareable, disk.propagate_errors) = (DiskFormat::Raw, true, true);
            attachment.read_only = true;
        });
        full.disk(DiskInterface::Ide, |disk, _| disk.format = DiskFormat::Raw);
        full.nic(NicInterface::Virtio, Some("network:default"));
        full.nic(NicInterface::E1000, Some("bridge:br0"));
        full.nic(NicInterface::Rtl8139Virtio, None);
        full.nics[2].0.linked = false;
        full
    }

    /// Gives the VM one more NUMA node; the memory in MiB.
    pub fn numa(&mut self, index: u32, memory: u64, cores: BTreeSet<u32>, pins: BTreeSet<u32>) {
        let id = NumaNodeId(id(6, index as u16));
        self.vm.spec.numa_nodes.push(NumaNode { id, index, memory: memory * MIB, cores, pins });
    }

    /// Hangs one more disk on the VM.
    pub fn disk(&mut self, interface: DiskInterface, change: impl Fn(&mut Disk, &mut Attachment)) {
        let number = self.disks.len() as u16 + 1;
        let used: Vec<&str> = self.disks.iter().map(|(_, attachment)| attachment.target.as_str()).collect();
        let chipset = self.with_plan(|plan| plan.chipset());
        let mut attachment = Attachment {
            vm: self.vm.id,
            disk: DiskId(id(3, number)),
            active: true,
            read_only: false,
            target: target(interface, chipset, &used).unwrap(),
        };
        let mut disk = Disk {
            id: attachment.disk,
            alias: "disk".into(),
            description: String::new(),
            storage_domain: StorageDomainId(id(4, 1)),
            image: ImageId(id(5, number)),
            parent: None,
            format: DiskFormat::Cow,
            sparse: true,
            size: MIB,
            interface,
            bootable: false,
            shareable: false,
            wipe_after_delete: false,
            propagate_errors: false,
            profile: None,
            quota: None,
            status: DiskStatus::Ok,
            created: Timestamp::UNIX_EPOCH,
            lun: None,
        };
        change(&mut disk, &mut attachment);
        self.disks.push((disk, attachment));
    }

    /// Gives the VM one more network interface.
    pub fn nic(&mut self, interface: NicInterface, network: Option<&str>) {
        let number = self.nics.len() as u16 + 1;
        let nic = Nic {
            id: NicId(id(6, number)),
            vm: self.vm.id,
            name: format!("nic{number}"),
            network: network.map(|_| NetworkId(id(7, number))),
            profile: None,
            interface,
            mac: Mac([0, 0x1a, 0x4a, 0x16, 0, number as u8]),
            plugged: true,
            linked: true,
            port_mirroring: Vec::new(),
            boot_protocol: None,
            on_boot: None,
        };
        self.nics.push((nic, network.map(str::to_owned)));
    }

    pub fn with_plan<T>(&self, then: impl FnOnce(&Plan) -> T) -> T {
        let files: Vec<PathBuf> =
            self.disks.iter().map(|(disk, _)| PathBuf::from("/images").join(disk.file_name())).collect();
        let disks: Vec<DiskDevice> = (self.disks.iter().zip(&files))
            .map(|((disk, attachment), file)| DiskDevice {
                disk,
                attachment,
                file: disk.lun.is_none().then_some(file),
                tune: self.tune,
            })
            .collect();
        let nics: Vec<NicDevice> = (self.nics.iter())
            .map(|(nic, network)| NicDevice { nic, network: network.as_deref(), filter: None })
            .collect();
        then(&Plan {
            vm: &self.vm,
            spec: &self.vm.spec,
            host: &self.host,
            host_uuid: "5e5a1d3c-0000-4000-8000-00000000000a",
            disks: &disks,
            nics: &nics,
            kernel: self.kernel.as_deref(),
            initrd: self.initrd.as_deref(),
            cdrom: self.cdrom.as_deref(),
            media: &self.media,
            listen: "127.0.0.1",
            lock: "no1knows",
        })
    }

    pub fn build(&self) -> Result<Element, Invalid> {
        self.with_plan(|plan| {
            build(&super::template::load(super::template::choose(plan.machine())?, None).unwrap(), plan)
        })
    }

    pub fn edit(&self, document: Element) -> Result<Element, Invalid> {
        self.with_plan(|plan| edit(document, plan))
    }
}
