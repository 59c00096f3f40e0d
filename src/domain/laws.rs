//! What holds for every document: it says what was asked, an edit keeps what is not vireo's, and
//! no text of a client's becomes markup.

use super::device::{alias, devices};
use super::goldens::cases;
use super::samples::Sample;
use super::*;
use crate::model::vm::*;
use crate::model::*;
use crate::xml::parse;
use proptest::prelude::*;

#[test]
fn a_built_document_is_observed_as_the_vm_that_it_was_built_of() {
    for (name, sample) in cases() {
        let spec = &sample.vm.spec;
        let document = sample.build().unwrap();
        let seen = observe(&document);
        assert_eq!(seen.id, Some(sample.vm.id), "{name}");
        assert_eq!((&seen.name, seen.memory, seen.current_memory), (&spec.name, spec.memory, spec.memory));
        assert_eq!(seen.vcpus, spec.topology.vcpus());
        assert!(
            seen.max_vcpus >= seen.vcpus && seen.max_vcpus.is_multiple_of(seen.vcpus / spec.topology.sockets)
        );
        assert_eq!(seen.accelerator, Some(sample.with_plan(|plan| plan.accelerator())));
        assert_eq!(
            seen.graphics.len(),
            spec.display.as_ref().map_or(0, |display| 1 + usize::from(display.both))
        );
        assert_eq!(seen.disks.len(), sample.disks.len() + sample.media.len() + 1);
        for (disk, attachment) in &sample.disks {
            let seen = seen.disks.iter().find(|seen| seen.alias == Some(disk.id.alias())).unwrap();
            assert_eq!(seen.target, attachment.target);
            let file = disk.lun.is_none().then(|| format!("/images/{}", disk.file_name()));
            assert_eq!(seen.file, file);
            assert_eq!(seen.format.as_deref(), Some(disk.format.driver()));
            assert_eq!((seen.read_only, seen.shareable), (attachment.read_only, disk.shareable));
        }
        assert_eq!(seen.taps.len(), sample.nics.len());
        for (nic, network) in &sample.nics {
            let seen = seen.taps.iter().find(|seen| seen.alias == Some(nic.id.alias())).unwrap();
            assert_eq!(seen.mac, nic.mac.to_string());
            assert_eq!((&seen.network, seen.linked), (network, nic.linked));
            assert_eq!(seen.model.as_deref(), Some(nic.interface.model()));
        }
    }
}

#[test]
fn a_built_document_reads_back_as_its_configuration() {
    for (name, sample) in cases() {
        let spec = &sample.vm.spec;
        let read = observe_spec(&sample.build().unwrap());
        assert_eq!(read.topology, spec.topology, "{name}");
        assert_eq!(read.description, spec.description);
        assert_eq!((read.cpu_pins, read.cpu_shares), (spec.placed_vcpus(&sample.host), spec.cpu_shares));
        assert_eq!((read.rng, read.io_threads, read.soundcard), (spec.rng, spec.io_threads, spec.soundcard));
        assert_eq!((read.usb, read.boot_menu, &read.time_zone), (spec.usb, spec.boot_menu, &spec.time_zone));
        assert_eq!((read.ballooning, read.serial_console), (spec.ballooning, spec.serial_console));
        assert_eq!(read.os.cmdline, spec.os.cmdline);
        let shown =
            |display: &Display| (display.protocol, display.copy_paste, display.keyboard_layout.clone());
        assert_eq!(read.display.as_ref().map(shown), spec.display.as_ref().map(shown));
    }
}

/// What libvirt does to a document that it defines, and what an administrator may add.
fn adopted(mut domain: Element) -> Element {
    let os = domain.first_mut("os").unwrap();
    let kind = os.first_mut("type").unwrap();
    if let Some("q35") = kind.get("machine") {
        kind.set("machine", "pc-q35-7.2");
    }
    os.push(Element::new("boot").with("dev", "hd"));
    domain.first_mut("metadata").unwrap().push(Element::new("x:note").with("xmlns:x", "urn:x").text("mine"));
    domain.first_mut("cpu").unwrap().push(Element::new("cache"));
    let devices = domain.first_mut("devices").unwrap();
    for (slot, device) in devices.elements_mut().enumerate() {
        if device.first("address").is_none() {
            device.push(Element::new("address").with("type", "pci").with("slot", slot));
        }
        if device.name == "disk" {
            device.push(Element::new("geometry"));
        }
    }
    devices.push(Element::new("interface").with("type", "user"));
    devices.push(Element::new("disk").with("type", "block"));
    domain
}

#[test]
fn an_edit_that_changes_nothing_changes_nothing() {
    for (name, sample) in cases() {
        let before = adopted(sample.build().unwrap());
        let once = sample.edit(before.clone()).unwrap();
        assert_eq!(once, sample.edit(once.clone()).unwrap(), "{name}");
        for old in devices(&before).filter(|device| device.name != "memballoon" && device.name != "video") {
            let kept = |new: &Element| {
                new.name == old.name
                    && alias(new) == alias(old)
                    && (old.get("model") == Some("none") || new.first("address") == old.first("address"))
            };
            assert!(devices(&once).any(kept), "{name}: {old}");
        }
        assert_eq!(once.value("metadata/x:note").as_deref(), Some("mine"));
        assert!(once.at("cpu/cache").is_some() && once.at("os/boot").is_none());
    }
}

#[test]
fn an_edit_writes_what_changed_over_what_is_there() {
    let mut sample = Sample::fullest();
    let before = adopted(sample.build().unwrap());
    sample.vm.spec.machine = Some("q35".into());
    sample.vm.spec.memory = 512 * MIB;
    sample.vm.spec.rng = None;
    sample.disks[1].0.image = ImageId::random();
    (sample.disks[2].0.interface, sample.disks[2].1.target) = (DiskInterface::Virtio, "vdc".into());
    let gone = sample.disks.remove(0).0;
    let unplugged = sample.nics.remove(0).0;
    sample.nics[0].0.interface = NicInterface::Virtio;
    sample.nics[1].1 = Some("network:default".into());
    let after = sample.edit(before.clone()).unwrap();

    assert_eq!(after.value("os/type/@machine").as_deref(), Some("pc-q35-7.2"));
    assert_eq!(observe(&after).memory, 512 * MIB);
    assert!(devices(&after).all(|device| device.name != "rng" && alias(device) != Some(&gone.id.alias())));
    let find = |domain: &Element, name: &str| {
        devices(domain).find(|device| alias(device) == Some(name)).cloned().unwrap()
    };
    let stayed = sample.disks[0].0.id.alias();
    assert_eq!(find(&after, &stayed).first("address"), find(&before, &stayed).first("address"));
    assert!(find(&after, &stayed).first("geometry").is_some());
    assert!(find(&after, &stayed).value("source/@file").unwrap().contains(&sample.disks[0].0.file_name()));
    let moved = find(&after, &sample.disks[1].0.id.alias());
    assert_eq!((moved.value("target/@bus").as_deref(), moved.first("address")), (Some("virtio"), None));

    let nic = |domain: &Element, at: usize| find(domain, &sample.nics[at].0.id.alias());
    assert!(!holds(&after, &unplugged.id.alias()));
    assert_eq!(after.every("devices/interface").len(), 3, "the stranger's interface stays");
    assert!(nic(&before, 0).first("address").is_some() && nic(&after, 0).first("address").is_none());
    assert_eq!(nic(&after, 1).first("address"), nic(&before, 1).first("address"));
    assert_eq!(nic(&after, 1).value("source/@network").as_deref(), Some("default"));
}

#[test]
fn guests_know_their_disks_by_the_serials_that_these_came_with() {
    let mut sample = Sample::fullest();
    let mut before = sample.build().unwrap();
    let name = sample.disks[2].0.id.alias();
    let of_scsi = |device: &&mut Element| alias(device) == Some(&name);
    let disks = before.first_mut("devices").unwrap().elements_mut();
    disks.into_iter().find(of_scsi).unwrap().first_mut("serial").unwrap().set_content("short");
    let serial = |domain: &Element| {
        devices(domain).find(|device| alias(device) == Some(&name)).and_then(|device| device.value("serial"))
    };
    assert_eq!(serial(&sample.edit(before.clone()).unwrap()).as_deref(), Some("short"));
    (sample.disks[2].0.interface, sample.disks[2].1.target) = (DiskInterface::Virtio, "vdc".into());
    assert_eq!(serial(&sample.edit(before).unwrap()).map(|serial| serial.len()), Some(20));
}

#[test]
fn a_name_is_an_address_on_the_buses_of_old() {
    let mut sample = Sample::smallest();
    sample.disk(DiskInterface::Ide, |_, on| on.target = "hda".into());
    sample.disk(DiskInterface::Virtio, |_, on| on.target = "vda".into());
    let mut before = sample.build().unwrap();
    let disks = before.first_mut("devices").unwrap().elements_mut();
    for disk in disks.into_iter().filter(|device| device.get("device") == Some("disk")) {
        disk.push(Element::new("address").with("unit", 0));
    }
    let placed = |domain: &Element, at: usize| {
        let name = sample.disks[at].0.id.alias();
        devices(domain).find(|device| alias(device) == Some(&name)).unwrap().first("address").is_some()
    };
    assert!(placed(&sample.edit(before.clone()).unwrap(), 0));
    let mut moved = sample.clone();
    (moved.disks[0].1.target, moved.disks[1].1.target) = ("hdb".into(), "vdb".into());
    let after = moved.edit(before).unwrap();
    assert!(!placed(&after, 0) && placed(&after, 1));
}

#[test]
fn a_guest_gives_nothing_back_that_is_to_be_wiped() {
    for (wiped, discard) in [(false, Some("unmap")), (true, None)] {
        let mut sample = Sample::smallest();
        sample.disk(DiskInterface::Virtio, |disk, _| (disk.sparse, disk.wipe_after_delete) = (true, wiped));
        let built = sample.build().unwrap();
        let disks = built.every("devices/disk");
        let disk = disks.iter().find(|disk| disk.get("device") == Some("disk")).unwrap();
        assert_eq!(disk.value("driver/@discard").as_deref(), discard);
    }
}

#[test]
fn another_chipset_needs_another_document() {
    let mut sample = Sample::smallest();
    let document = sample.build().unwrap();
    sample.vm.spec.machine = Some("pc".into());
    assert!(sample.edit(document).is_err());
}

#[test]
fn disks_that_no_machine_takes_are_refused() {
    let refused = |interface, change: fn(&mut Disk, &mut Attachment)| {
        let mut sample = Sample::smallest();
        sample.vm.spec.machine = Some("pc".into());
        sample.vm.spec.virtio_scsi = false;
        sample.disk(interface, change);
        sample.build().unwrap_err().to_string()
    };
    assert!(refused(DiskInterface::Ide, |_, attachment| attachment.read_only = true).contains("read-only"));
    assert!(refused(DiskInterface::Virtio, |disk, _| disk.shareable = true).contains("raw"));
    assert!(
        refused(DiskInterface::Virtio, |_, attachment| attachment.target = "sdb".into()).contains("'sdb'")
    );
    assert!(refused(DiskInterface::VirtioScsi, |_, _| {}).contains("not enabled"));
}

#[test]
fn a_plugged_disk_is_the_disk_of_the_document() {
    let sample = Sample::fullest();
    let document = sample.build().unwrap();
    sample.with_plan(|plan| {
        for disk in plan.disks {
            let plugged = disk_device(plan, disk).unwrap();
            assert!(plugged.first("boot").is_none());
            let mut defined =
                devices(&document).find(|device| alias(device) == alias(&plugged)).unwrap().clone();
            defined.remove("boot");
            assert_eq!(plugged, defined);
        }
    });
}

#[test]
fn a_ticket_changes_the_password_only() {
    let live = Sample::smallest().build().unwrap();
    let ticket = graphics_updates(&live, &Protocol::ALL, "s3cret", "2026-01-31T12:00:00").remove(0);
    let mut locked = live.at("devices/graphics").unwrap().clone();
    for (name, value) in
        [("passwd", "s3cret"), ("passwdValidTo", "2026-01-31T12:00:00"), ("connected", "keep")]
    {
        assert_eq!(ticket.get(name), Some(value));
        locked.set(name, value);
    }
    assert_eq!(ticket, locked);
    assert_eq!(graphics_updates(&Element::new("domain"), &Protocol::ALL, "x", "y"), []);
}

fn count(element: &Element) -> usize {
    1 + element.elements().map(count).sum::<usize>()
}

/// Every text and attribute of a document.
fn texts(element: &Element, found: &mut Vec<String>) {
    found.extend(element.attributes.iter().map(|(_, value)| value.clone()));
    found.extend(element.children.iter().filter_map(|node| match node {
        Node::Text(text) => Some(text.clone()),
        Node::Element(_) => None,
    }));
    element.elements().for_each(|child| texts(child, found));
}

/// A text as the engine lets it through: bounded, without control characters, not blank.
fn hostile() -> impl Strategy<Value = String> {
    let markup = prop::sample::select(vec![
        "<", ">", "&", "'", "\"", "]]>", "<!--", "<disk/>", "&amp;", "\n", "\r", "\t", ",",
    ]);
    let piece = prop_oneof![markup.prop_map(str::to_owned), "\\PC{1,4}"];
    prop::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat()).prop_filter(
        "blank or not of XML",
        |text| {
            !text.trim().is_empty()
                && !text.contains(['\u{fffe}', '\u{ffff}'])
                && check_text("", text, 99).is_ok()
        },
    )
}

proptest! {
    #[test]
    fn texts_of_clients_stay_texts(name in hostile(), description in hostile(), serial in hostile(), cmdline in hostile()) {
        let with = |texts: [&str; 4]| {
            let mut sample = Sample::fullest();
            sample.kernel = Some("/boot/vmlinuz".into());
            let [name, description, serial, cmdline] = texts.map(str::to_owned);
            let spec = &mut sample.vm.spec;
            (spec.name, spec.description, spec.os.cmdline) = (name, description, Some(cmdline));
            spec.serial_number = Some(SerialNumber::Custom(serial));
            parse(sample.build().unwrap().to_string().as_bytes()).unwrap()
        };
        let plain = with(["a", "b", "c", "d"]);
        let hostile = with([&name, &description, &serial, &cmdline]);
        prop_assert_eq!(count(&plain), count(&hostile));
        let mut found = Vec::new();
        texts(&hostile, &mut found);
        for text in [name, description, serial, cmdline] {
            prop_assert!(found.contains(&text), "{:?} is not in the document", text);
        }
    }
}
