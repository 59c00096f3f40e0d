//! Whole documents as files: `tests/ovf/*.ovf`, written anew with `VIREO_REGENERATE=1`.

use super::*;
use crate::model::vm::Rng;
use proptest::prelude::*;
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

fn rendered(spec: &VmSpec, disks: &[Image], nics: &[Connected], placed: &[Placed]) -> String {
    document(&Machine {
        vm: VmId(id(1, 1)),
        created: Timestamp::UNIX_EPOCH,
        created_by: UserId(id(9, 1)),
        generation: 7,
        template: (BLANK, "Blank"),
        data_center: DataCenterId(id(2, 1)),
        spec,
        snapshot: (SnapshotId(id(8, 1)), "Before \"the\" <change>"),
        exported: "2015-02-10T00:39:24Z".parse().unwrap(),
        disks,
        nics,
        placed,
    })
}

fn compare(name: &str, written: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/ovf").join(name);
    if std::env::var_os("VIREO_REGENERATE").is_some() {
        std::fs::write(&file, written).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&file).ok().as_deref(), Some(written), "{}", file.display());
}

/// All that an OVF can say of a VM.
fn fullest() -> VmSpec {
    let node = |index: u32| NumaNode {
        id: NumaNodeId(id(10, index as u16)),
        index,
        memory: 64 * MIB,
        cores: [index * 2, index * 2 + 1].into(),
        pins: [index].into(),
    };
    VmSpec {
        name: "fullest".into(),
        description: "All <there> is & more".into(),
        comment: "\"quoted\"".into(),
        kind: VmKind::Server,
        memory: 256 * MIB,
        guaranteed_memory: 128 * MIB,
        topology: Topology { sockets: 2, cores: 2, threads: 1 },
        cpu_mode: Some(CpuMode::HostPassthrough),
        cpu_pins: vec![
            CpuPin { vcpu: 0, cpus: "0".parse().unwrap() },
            CpuPin { vcpu: 3, cpus: "0-1,3".parse().unwrap() },
        ],
        cpu_shares: 512,
        os: Os {
            kind: "rhel_7x64".into(),
            boot: vec![BootDevice::Cdrom, BootDevice::Hd, BootDevice::Network],
            kernel: Some("/boot/vmlinuz".into()),
            initrd: Some("/boot/initrd".into()),
            cmdline: Some("console=ttyS0 a=\"<&>\"".into()),
        },
        boot_menu: true,
        display: Some(Display {
            protocol: Protocol::Spice,
            both: true,
            monitors: 2,
            keyboard_layout: Some("de".into()),
            smartcard: true,
            allow_override: true,
            disconnect_action: DisconnectAction::Logout,
            ..Display::default()
        }),
        watchdog: Some(Watchdog { model: WatchdogModel::I6300esb, action: WatchdogAction::Reset }),
        rng: Some(Rng { source: RngSource::Random, rate: Some((1024, 1000)) }),
        io_threads: 2,
        soundcard: true,
        usb: true,
        usb_type: UsbType::Legacy,
        machine: Some("pc".into()),
        cpu_model: Some("Nehalem".into()),
        custom_properties: vec![("accelerator".into(), "tcg".into()), ("viodiskcache".into(), "none".into())],
        delete_protected: true,
        high_availability: HighAvailability { enabled: true, priority: 50 },
        serial_number: Some(SerialNumber::Custom("SN-1 <2>".into())),
        start_paused: true,
        affinity: Affinity::Pinned,
        tunnel_migration: true,
        migration_downtime: 500,
        numa_tune_mode: NumaTune::Strict,
        numa_nodes: vec![node(0), node(1)],
        cdrom: Some("install.iso".into()),
        time_zone: Some("Europe/Berlin".into()),
        origin: "hosted_engine".into(),
        initialization: Some(Box::new(Initialization {
            host_name: Some("guest".into()),
            ssh_keys: Some("ssh-rsa A\nssh-rsa B".into()),
            regenerate_ssh_keys: true,
            nics: vec![
                GuestNic {
                    name: "eth0".into(),
                    protocol: BootProtocol::Static,
                    address: Some("192.0.2.9".into()),
                    netmask: Some("255.255.255.0".into()),
                    gateway: Some("192.0.2.1".into()),
                    on_boot: true,
                },
                GuestNic {
                    name: "eth1".into(),
                    protocol: BootProtocol::Dhcp,
                    address: None,
                    netmask: None,
                    gateway: None,
                    on_boot: false,
                },
            ],
            user_name: Some("joe".into()),
            custom_script: Some(Secret("runcmd:\n- [echo, \"<&>\"]\r\n\t".into())),
            files: vec![guest_file("/etc/motd", " hi\n")],
            input_locale: Some("en-US".into()),
            ui_language: Some("en".into()),
            system_locale: Some("de-DE".into()),
            user_locale: Some("fr-FR".into()),
            active_directory_ou: Some("OU=a,DC=b".into()),
            org_name: Some("\"Org\" <&>".into()),
            ..Initialization::default()
        })),
        payloads: vec![
            Payload {
                kind: PayloadKind::Cdrom,
                volume: Some("CONFIG".into()),
                files: vec![guest_file("openstack/user_data", "#cloud-config\r\n"), guest_file("empty", "")],
            },
            Payload { kind: PayloadKind::Floppy, volume: None, files: vec![guest_file("a&b", "\u{1}<ü>")] },
        ],
        auto_converge: Inheritable::True,
        compressed: Inheritable::False,
        ..VmSpec::default()
    }
}

fn guest_file(name: &str, content: &str) -> GuestFile {
    GuestFile { name: name.into(), content: Secret(content.into()) }
}

fn placed(kind: &str, device: &str, alias: &str, address: &str) -> Placed {
    Placed { kind: kind.into(), device: device.into(), alias: alias.into(), address: address.into() }
}

#[test]
fn the_smallest_and_the_fullest_goldens() {
    let smallest = VmSpec { name: "smallest".into(), ..VmSpec::default() };
    compare("smallest.ovf", &rendered(&smallest, &[], &[], &[]));
    let disks = [image(1, DiskInterface::Virtio), image(2, DiskInterface::VirtioScsi)];
    let nics = [
        nic(1, NicInterface::Virtio, Some("ovirtmgmt")),
        nic(2, NicInterface::E1000, Some("ovirtmgmt")),
        nic(3, NicInterface::Rtl8139, None),
    ];
    let slot = |slot: u8| format!("type=pci, domain=0x0000, bus=0x00, slot={slot:#04x}, function=0x0");
    let drive = "type=drive, controller=0, bus=0, target=0, unit=0";
    let placed = [
        placed("disk", "", &disks[0].saved.disk.id.alias(), &slot(6)),
        placed("interface", "", &nics[0].nic.id.alias(), &slot(3)),
        placed("video", "", "video0", &slot(2)),
        placed("cdrom", "", "ua-cdrom", drive),
        placed("controller", "ide", "ide", &slot(1)),
        placed("controller", "virtio-serial", "virtio-serial0", &slot(5)),
        placed("channel", "unix", "channel0", "type=virtio-serial, controller=0, bus=0, port=1"),
        placed("channel", "unix", "channel1", "type=virtio-serial, controller=0, bus=0, port=2"),
        placed("balloon", "memballoon", "balloon0", &slot(7)),
    ];
    compare("fullest.ovf", &rendered(&fullest(), &disks, &nics, &placed));
}

#[test]
fn what_is_written_reads_back() {
    let smallest = VmSpec { name: "smallest".into(), ..VmSpec::default() };
    let headless = VmSpec { display: None, virtio_scsi: false, ballooning: false, ..smallest.clone() };
    let vnc = VmSpec { display: Some(Display { both: true, ..Display::default() }), ..smallest.clone() };
    for spec in [smallest, headless, vnc, fullest()] {
        let disks = [image(1, DiskInterface::Virtio), image(2, DiskInterface::VirtioScsi)];
        let nics = [nic(1, NicInterface::Rtl8139Virtio, Some("a & b")), nic(2, NicInterface::E1000, None)];
        let found = read(&rendered(&spec, &disks, &nics, &[])).unwrap();
        assert_eq!(found.spec, spec);
        assert_eq!((found.id, found.template), (Some(VmId(id(1, 1))), Some(BLANK)));
        assert_eq!(found.created, Some(Timestamp::UNIX_EPOCH));
        for (disk, described) in disks.iter().zip(&found.disks) {
            let SavedDisk { disk, attachment } = &disk.saved;
            assert_eq!((described.id, &described.alias), (disk.id, &disk.alias));
            assert_eq!((described.plugged, described.read_only), (attachment.active, attachment.read_only));
        }
        for (connected, described) in nics.iter().zip(&found.nics) {
            let nic = &connected.nic;
            assert_eq!((described.id, described.mac), (Some(nic.id), Some(nic.mac)));
            assert_eq!((&described.name, described.interface), (&nic.name, nic.interface));
            assert_eq!((&described.network, &described.profile), (&connected.network, &connected.profile));
            assert_eq!((described.linked, described.plugged), (nic.linked, nic.plugged));
        }
        assert_eq!((found.disks.len(), found.nics.len()), (2, 2));
    }
}

proptest! {
    #[test]
    fn texts_and_numbers_survive(
        texts in proptest::array::uniform4("\\PC{1,20}".prop_filter("blanks are nothing", |it| !it.trim().is_empty())),
        numbers in proptest::array::uniform4(1u32..100),
        flags in proptest::array::uniform8(any::<bool>()),
        boot in 0usize..15,
    ) {
        let [name, description, comment, cmdline] = texts;
        let [sockets, cores, memory, shares] = numbers;
        let spec = VmSpec {
            name, description, comment,
            topology: Topology { sockets, cores, threads: 1 },
            memory: u64::from(memory) * MIB,
            guaranteed_memory: MIB,
            cpu_shares: shares,
            os: Os {
                cmdline: Some(cmdline),
                boot: numbers::BOOT_SEQUENCES[boot].to_vec(),
                ..Os::default()
            },
            usb: flags[0],
            soundcard: flags[1],
            virtio_scsi: flags[2],
            ballooning: flags[3],
            serial_console: flags[4],
            sso: flags[5],
            stateless: flags[6],
            boot_menu: flags[7],
            ..VmSpec::default()
        };
        prop_assert_eq!(read(&rendered(&spec, &[], &[], &[])).unwrap().spec, spec);
    }

    #[test]
    fn no_document_is_too_odd_to_be_refused(text in "\\PC*", cut in 0usize..4000) {
        let _ = read(&text);
        let whole = rendered(&fullest(), &[image(1, DiskInterface::Virtio)], &[], &[]);
        let cut = whole.char_indices().nth(cut).map_or(whole.len(), |(at, _)| at);
        prop_assert!(read(&whole[..cut]).is_err() || cut == whole.len());
    }
}

#[test]
fn hostile_documents_are_refused() {
    let whole = rendered(&fullest(), &[image(1, DiskInterface::Virtio)], &[], &[]);
    for (from, to) in [
        ("<ovf:Envelope", "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><ovf:Envelope"),
        ("<Name>fullest", "<Name>&e;"),
        ("<Content", "<Contents"),
        ("VirtualHardwareSection_Type", "Nothing_Type"),
        ("<rasd:VirtualQuantity>256", "<rasd:VirtualQuantity>99999999999999999999"),
        ("<rasd:VirtualQuantity>256", "<rasd:VirtualQuantity>18446744073709551615"),
        ("MegaBytes", "Parsecs"),
        ("<rasd:num_of_sockets>2", "<rasd:num_of_sockets>-2"),
        ("<CpuPinning>0#0", "<CpuPinning>0#0-4294967295"),
        ("<CpuPinning>0#0", "<CpuPinning>0"),
        ("<default_boot_sequence>5", "<default_boot_sequence>99"),
        ("<HostResource>", "<HostResource>../../"),
        ("<DeleteProtected>true", "<DeleteProtected>perhaps"),
        ("accelerator=tcg", "accelerator"),
    ] {
        let from = from.replace("<HostResource>", "<rasd:HostResource>");
        assert!(whole.contains(&from), "{from}");
        let to = to.replace("<HostResource>", "<rasd:HostResource>");
        assert!(read(&whole.replacen(&from, &to, 1)).is_err(), "{to}");
    }
    let item = "<Item><rasd:ResourceType>0</rasd:ResourceType></Item>".repeat(2000);
    let many = whole.replacen("<System>", &format!("{item}<System>"), 1);
    assert!(read(&many).is_err());
    assert!(read(&whole.replacen("<Info>", &format!("<Info>{}", "x".repeat(5 << 20)), 1)).is_err());
}

#[test]
fn passwords_and_keys_stay_with_the_vm() {
    let mut spec = fullest();
    let told = spec.initialization.as_mut().unwrap();
    (told.password, told.windows_license_key) = (Some(Secret("s3cret".into())), Some(Secret("k3y".into())));
    let written = rendered(&spec, &[], &[], &[]);
    assert!(!written.contains("s3cret") && !written.contains("k3y"));
    assert_eq!(read(&written).unwrap().spec, fullest());
}

/// Each object may stand behind the name of its class, and so may the list.
#[test]
fn interfaces_of_guests_as_other_engines_tell_of_them() {
    let object = r#"{"startOnBoot":true,"name":"eth0","bootProtocol":"STATIC_IP","ip":"192.0.2.9",
        "netmask":"255.255.255.0","gateway":null,"id":null}"#;
    let fullest = rendered(&fullest(), &[], &[], &[]);
    let read = |networks: &str| {
        let networks = Element::new("x").with("ovf:networks", networks).to_string();
        let attribute = networks.trim().trim_start_matches("<x").trim_end_matches("/>");
        let text = fullest.replacen("<VmInit", &format!("<VmInit{attribute}"), 1);
        read(&text).unwrap().spec.initialization.unwrap().nics
    };
    for all in [
        format!("[{object}]"),
        format!(r#"[["org.example.VmInitNetwork",{object}]]"#),
        format!(r#"["java.util.ArrayList",[["org.example.VmInitNetwork",{object}]]]"#),
    ] {
        let nics = read(&all);
        assert_eq!((nics.len(), nics[0].name.as_str(), nics[0].on_boot), (1, "eth0", true));
        assert_eq!((nics[0].protocol, nics[0].address.as_deref()), (BootProtocol::Static, Some("192.0.2.9")));
        assert_eq!(nics[0].gateway, None);
    }
    for odd in ["", "[", "[]", "[{}]", r#"[{"name":"eth0:1"}]"#, &object.replace("192.0.2.9", "x")] {
        assert_eq!(read(odd), [], "{odd}");
    }
}

/// What an engine of version 3.5 writes knows fewer elements, and the graphics card is the console.
#[test]
fn older_documents_are_read() {
    let old = r#"<ovf:Envelope xmlns:ovf="o" xmlns:xsi="x" ovf:version="3.5.0.0"><Content xsi:type="ovf:VirtualSystem_Type">
        <Name>VM_01</Name><TimeZone>Etc/GMT</TimeZone><MinAllocatedMem>512</MinAllocatedMem><SsoMethod>guest_agent</SsoMethod>
        <Section ovf:id="42ec2621-7ad6-4ca2-bd68-973a44b2562e" xsi:type="ovf:OperatingSystemSection_Type"><Description>other</Description></Section>
        <Section xsi:type="ovf:VirtualHardwareSection_Type">
        <Item><rasd:ResourceType>3</rasd:ResourceType><rasd:num_of_sockets>1</rasd:num_of_sockets><rasd:cpu_per_socket>2</rasd:cpu_per_socket></Item>
        <Item><rasd:ResourceType>4</rasd:ResourceType><rasd:AllocationUnits>MegaBytes</rasd:AllocationUnits><rasd:VirtualQuantity>1024</rasd:VirtualQuantity></Item>
        <Item><rasd:ResourceType>20</rasd:ResourceType><rasd:VirtualQuantity>1</rasd:VirtualQuantity><Device>qxl</Device></Item>
        <Item><rasd:ResourceType>99</rasd:ResourceType></Item>
        </Section></Content></ovf:Envelope>"#;
    let found = read(old).unwrap();
    assert_eq!((found.spec.name.as_str(), found.spec.memory), ("VM_01", GIB));
    assert_eq!((found.spec.topology.vcpus(), found.spec.guaranteed_memory), (2, 512 * MIB));
    assert_eq!(found.spec.display.map(|display| display.protocol), Some(Protocol::Spice));
    assert_eq!(found.id, "42ec2621-7ad6-4ca2-bd68-973a44b2562e".parse().ok());
    assert_eq!((found.spec.serial_console, found.spec.sso), (false, true));
}
