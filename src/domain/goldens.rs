//! Whole documents, compared with `tests/domain/*.xml` and checked with libvirt's own schema.
//! `VIREO_REGENERATE=1 cargo test goldens` writes them anew.

use super::Medium;
use super::samples::Sample;
use crate::model::vm::*;
use crate::model::*;
use std::path::{Path, PathBuf};
use std::process::Command;

type Change = fn(&mut Sample);

fn made_media() -> Vec<Medium> {
    let medium = |kind, file: &str| Medium { kind, file: file.into(), made: true };
    vec![
        medium(PayloadKind::Cdrom, "/payloads/seed.iso"),
        medium(PayloadKind::Cdrom, "/payloads/files.iso"),
        medium(PayloadKind::Floppy, "/payloads/files.img"),
    ]
}

/// The VM, and how it differs from the smallest one.
const CASES: &[(&str, Change)] = &[
    ("smallest-q35", |_| {}),
    ("smallest-i440fx", |s| s.vm.spec.machine = Some("pc".into())),
    ("fullest-q35", |s| *s = Sample::fullest()),
    ("fullest-i440fx", |s| {
        *s = Sample::fullest();
        s.vm.spec.machine = Some("pc-i440fx-7.2".into());
    }),
    ("kvm", |s| s.vm.spec.custom_properties = vec![("accelerator".into(), "kvm".into())]),
    ("kvm-host-model", |s| {
        s.host.accelerator = Accelerator::Kvm;
        s.vm.spec.cpu_mode = Some(CpuMode::HostModel);
    }),
    ("kvm-named-cpu", |s| {
        s.host.accelerator = Accelerator::Kvm;
        s.vm.spec.cpu_model = Some("EPYC".into());
    }),
    ("tcg-host-passthrough", |s| s.vm.spec.cpu_mode = Some(CpuMode::HostPassthrough)),
    ("pinned-machine", |s| {
        s.vm.spec.machine = Some("q35".into());
        s.vm.machine = Some("pc-q35-7.1".into());
    }),
    ("kernel", |s| {
        s.kernel = Some("/boot/vmlinuz".into());
        s.initrd = Some("/boot/initrd".into());
        s.vm.spec.os.cmdline = Some("console=ttyS0 a=\"<&>\"".into());
    }),
    ("run-once", |s| {
        s.disk(DiskInterface::Virtio, |disk, _| disk.bootable = true);
        s.cdrom = Some("/isos/rescue.iso".into());
        s.vm.spec.os.boot = vec![BootDevice::Cdrom, BootDevice::Hd];
        s.vm.spec.boot_menu = true;
    }),
    ("made-media", |s| s.media = made_media()),
    ("made-media-i440fx", |s| {
        (s.vm.spec.machine, s.vm.spec.virtio_scsi) = (Some("pc".into()), false);
        s.disk(DiskInterface::Ide, |disk, _| disk.format = DiskFormat::Raw);
        s.media = made_media();
    }),
    ("spice", |s| {
        s.vm.spec.display = Some(Display {
            protocol: Protocol::Spice,
            monitors: 2,
            copy_paste: false,
            file_transfer: false,
            ..Display::default()
        });
    }),
    ("two-consoles", |s| {
        s.vm.spec.display = Some(Display { both: true, ..Display::default() });
        s.vm.spec.watchdog = Some(Watchdog { model: WatchdogModel::I6300esb, action: WatchdogAction::Reset });
    }),
    ("redirection", |s| {
        s.vm.spec.usb = true;
        s.vm.spec.display =
            Some(Display { protocol: Protocol::Spice, smartcard: true, ..Display::default() });
    }),
    ("host-device", |s| s.vm.spec.host_devices = vec!["pci_0000_02_10_7".into()]),
    ("headless", |s| {
        s.vm.spec.display = None;
        s.vm.spec.serial_console = false;
        s.vm.spec.ballooning = false;
    }),
    ("network-boot", |s| {
        s.vm.spec.os.boot = vec![BootDevice::Network];
        s.nic(NicInterface::Virtio, Some("network:default"));
        s.nic(NicInterface::Virtio, None);
    }),
    ("many-disks", |s| {
        (0..3).for_each(|_| s.disk(DiskInterface::Virtio, |_, _| {}));
        (0..30).for_each(|_| s.disk(DiskInterface::VirtioScsi, |_, _| {}));
    }),
    ("cached", |s| {
        s.vm.spec.custom_properties = vec![("viodiskcache".into(), "writeback".into())];
        s.disk(DiskInterface::Virtio, |disk, _| (disk.format, disk.sparse) = (DiskFormat::Raw, false));
        s.disk(DiskInterface::Virtio, |disk, _| (disk.format, disk.shareable) = (DiskFormat::Raw, true));
    }),
    ("luns", |s| {
        let lun = |at| Lun { id: "lun1".into(), size: 0, passed: None, reserved: false, at };
        let unit = lun(LunAt::Iscsi(IscsiUnit {
            address: "iscsi.example.com".into(),
            port: 3260,
            target: "iqn.2010.05.com.example:iscsi.targetX".into(),
            number: 1,
            chap: Some(Chap { username: "me".into(), password: Sealed("sealed".into()) }),
        }));
        let host = lun(LunAt::Host { device: "/dev/disk/by-id/dm-uuid-mpath-3600144f".into() });
        let passed = Lun { passed: Some(Passed::Unfiltered), reserved: true, ..host.clone() };
        s.tune.throughput.total = Some(10);
        s.tune.requests.read = Some(100);
        for (interface, lun) in [
            (DiskInterface::Virtio, unit),
            (DiskInterface::Virtio, host),
            (DiskInterface::VirtioScsi, passed),
        ] {
            s.disk(interface, |disk, _| {
                (disk.format, disk.sparse, disk.lun) = (DiskFormat::Raw, false, Some(lun.clone()));
            });
        }
    }),
    ("numa", |s| {
        s.vm.spec.topology = Topology { sockets: 2, cores: 2, threads: 1 };
        s.vm.spec.numa_tune_mode = NumaTune::Strict;
        s.vm.spec.cpu_pins = vec![CpuPin { vcpu: 2, cpus: "0-1".parse().unwrap() }];
        s.numa(0, 256, [0, 1].into(), [0].into());
        s.numa(1, 512, [3].into(), [1].into());
    }),
    ("memory-growth", |s| s.vm.spec.custom_properties = vec![("memory_growth".into(), "4".into())]),
    ("numa-unpinned", |s| {
        s.vm.spec.topology = Topology { sockets: 2, cores: 1, threads: 1 };
        s.numa(0, 512, [0].into(), [].into());
        s.numa(1, 512, [1].into(), [0, 1].into());
    }),
    ("no-virtio-scsi", |s| {
        s.vm.spec.machine = Some("pc".into());
        s.vm.spec.virtio_scsi = false;
        s.disk(DiskInterface::Ide, |_, _| {});
    }),
];

/// Each case's name and VM.
pub fn cases() -> impl Iterator<Item = (&'static str, Sample)> {
    CASES.iter().map(|(name, change)| {
        let mut sample = Sample::smallest();
        change(&mut sample);
        (*name, sample)
    })
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/domain").join(name).with_extension("xml")
}

#[test]
fn documents_are_as_they_were() {
    let regenerate = std::env::var_os("VIREO_REGENERATE").is_some();
    for (name, sample) in cases() {
        let text = sample.build().unwrap().to_string();
        let file = file(name);
        if regenerate {
            std::fs::write(&file, &text).unwrap();
        }
        let golden = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(text, golden, "{} differs; VIREO_REGENERATE=1 accepts what is built now", file.display());
    }
    let files = std::fs::read_dir(file("x").parent().unwrap()).unwrap().count();
    assert_eq!(files, CASES.len(), "tests/domain has files that no case makes");
}

#[test]
fn libvirts_schema_accepts_them() {
    for (name, _) in cases() {
        let run = Command::new("virt-xml-validate").arg(file(name)).arg("domain").output();
        let run = run.expect("virt-xml-validate is missing: apt install libvirt-clients libxml2-utils");
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{name}: {said}");
    }
}
