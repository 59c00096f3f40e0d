//! Whole documents as files: `tests/wire/ovf/*.ovf`, written anew with `VIREO_REGENERATE=1`.

use super::*;
use crate::xml::parse;
use std::path::PathBuf;
use uuid::Uuid;

fn id(kind: u8, number: u16) -> Uuid {
    Uuid::from_fields(number.into(), kind.into(), 0x4000, b"\x80\0\0\0\0\0\0\0")
}

fn image(number: u16, interface: DiskInterface) -> Image {
    let disk = Disk {
        id: DiskId(id(3, number)),
        alias: format!("disk \"{number}\" <&>"),
        description: String::new(),
        storage_domain: StorageDomainId(id(4, 1)),
        image: ImageId(id(5, number)),
        parent: (number == 2).then(|| ImageId(id(5, 9))),
        format: if number == 2 { DiskFormat::Cow } else { DiskFormat::Raw },
        sparse: number == 2,
        size: 10 * GIB,
        interface,
        bootable: number == 1,
        shareable: false,
        wipe_after_delete: false,
        propagate_errors: false,
        profile: None,
        quota: None,
        status: DiskStatus::Ok,
        created: Timestamp::UNIX_EPOCH,
        lun: None,
    };
    let attachment = Attachment {
        vm: VmId(id(1, 1)),
        disk: disk.id,
        active: true,
        read_only: false,
        target: format!("vd{}", if number == 1 { "a" } else { "b" }),
    };
    Image { saved: SavedDisk { disk, attachment }, actual_size: 200 * KIB }
}

fn nic(number: u16, interface: NicInterface, network: Option<&str>) -> Connected {
    let nic = Nic {
        id: NicId(id(6, number)),
        vm: VmId(id(1, 1)),
        name: format!("nic{number}"),
        network: network.map(|_| NetworkId(id(7, number))),
        profile: None,
        interface,
        mac: Mac([0, 0x1a, 0x4a, 0x16, 0, number as u8]),
        plugged: true,
        linked: network.is_some(),
        port_mirroring: Vec::new(),
        boot_protocol: None,
        on_boot: None,
    };
    Connected {
        nic,
        profile: network.map(|name| format!("{name} profile")),
        network: network.map(Into::into),
    }
}

fn rendered(spec: &VmSpec, disks: &[Image], nics: &[Connected]) -> String {
    document(&Machine {
        vm: VmId(id(1, 1)),
        created: Timestamp::UNIX_EPOCH,
        template: (BLANK, "Blank"),
        data_center: DataCenterId(id(2, 1)),
        spec,
        snapshot: (SnapshotId(id(8, 1)), "Before \"the\" <change>"),
        exported: "2015-02-10T00:39:24Z".parse().unwrap(),
        disks,
        nics,
    })
}

fn compare(name: &str, written: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/wire/ovf").join(name);
    if std::env::var_os("VIREO_REGENERATE").is_some() {
        std::fs::write(&file, written).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&file).ok().as_deref(), Some(written), "{}", file.display());
}

#[test]
fn the_smallest_and_the_fullest_goldens() {
    let smallest = VmSpec { name: "smallest".into(), ..VmSpec::default() };
    compare("smallest.ovf", &rendered(&smallest, &[], &[]));
    let fullest = VmSpec {
        name: "fullest".into(),
        description: "All <there> is & more".into(),
        comment: "\"quoted\"".into(),
        kind: VmKind::Server,
        memory: 256 * MIB,
        guaranteed_memory: 128 * MIB,
        topology: Topology { sockets: 2, cores: 2, threads: 1 },
        os: Os {
            kind: "rhel_7x64".into(),
            boot: vec![BootDevice::Cdrom, BootDevice::Hd, BootDevice::Network],
            kernel: Some("/boot/vmlinuz".into()),
            initrd: Some("/boot/initrd".into()),
            cmdline: Some("console=ttyS0 a=\"<&>\"".into()),
        },
        display: Some(Display { protocol: Protocol::Spice, monitors: 2, ..Display::default() }),
        watchdog: Some(Watchdog { model: WatchdogModel::I6300esb, action: WatchdogAction::Reset }),
        rng: Some(Rng { source: RngSource::Random, rate: None }),
        soundcard: true,
        usb: true,
        machine: Some("pc".into()),
        cpu_model: Some("Nehalem".into()),
        cdrom: Some("install.iso".into()),
        time_zone: Some("Europe/Berlin".into()),
        ..VmSpec::default()
    };
    let disks = [image(1, DiskInterface::Virtio), image(2, DiskInterface::VirtioScsi)];
    let nics = [
        nic(1, NicInterface::Virtio, Some("ovirtmgmt")),
        nic(2, NicInterface::E1000, Some("ovirtmgmt")),
        nic(3, NicInterface::Rtl8139, None),
    ];
    compare("fullest.ovf", &rendered(&fullest, &disks, &nics));
}

#[test]
fn what_clients_named_reads_back() {
    let spec = VmSpec { name: "a<b>&\"c\"".into(), description: "]]> ü".into(), ..VmSpec::default() };
    let root = parse(rendered(&spec, &[], &[]).as_bytes()).unwrap();
    let content = root.first("Content").unwrap();
    assert_eq!(content.first("Name").unwrap().content(), spec.name);
    assert_eq!(content.first("Description").unwrap().content(), spec.description);
}
