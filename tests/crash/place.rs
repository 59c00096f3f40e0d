//! A real daemon on a real libvirt that may die at any moment.

use super::audit::devices;
use crate::live::harness::{Client, Daemon, Lab, Reply, guests, run};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use vireo::engine::ports::{Images, Store};
use vireo::engine::world::World;
use vireo::host::QemuImg;
use vireo::model::{DiskFormat, DiskId, DiskStatus, Snapshot, SnapshotStatus, StorageKind};
use vireo::ovf::Hint;
use vireo::store::Sqlite;
use vireo::xml::Element;

/// A restarted daemon has put everything right within this time, 99 times of 100.
const CONSISTENT: Duration = Duration::from_secs(2);
/// What is not right by then stays wrong.
const PATIENCE: Duration = Duration::from_secs(10);
pub const EXPECT: &[&str] = &["Expect: 201-created"];
pub const MIB: u64 = 1 << 20;

pub struct Place {
    pub lab: Lab,
    /// A VM that runs through everything, and its QEMU.
    bystander: (String, String),
}

/// One in a hundred restarts may take longer than it must; tells the longest.
pub fn prompt(mut times: Vec<Duration>) -> Duration {
    times.sort();
    let late = times.iter().filter(|time| **time >= CONSISTENT).count();
    assert!(late <= times.len().div_ceil(100), "{late} of {} were not whole in time: {times:?}", times.len());
    times.pop().unwrap_or_default()
}

impl Place {
    /// `None`, after having said so, where guests or failpoints are missing.
    pub fn new() -> Option<Self> {
        let lab = Lab::own()?;
        let client = lab.client();
        let vm = create_vm(&client, "bystander");
        create_disk(&client, Some(&vm), "bystander", "");
        start(&client, &vm);
        let qemu = lab.host.qemu(&vm).unwrap();
        Some(Self { lab, bystander: (vm, qemu) })
    }

    pub fn client(&self) -> Client {
        self.lab.client()
    }

    /// Restarts the daemon and waits until the world is whole; tells how long that took.
    pub fn recovered(&mut self) -> Duration {
        self.lab.daemon.restart();
        self.whole()
    }

    /// Waits until the world is whole.
    pub fn whole(&self) -> Duration {
        let begun = Instant::now();
        loop {
            // An audit takes its own time; what counts is when it began.
            let now = begun.elapsed();
            let wrong = self.audit();
            if wrong.is_empty() {
                return now;
            }
            assert!(now < PATIENCE, "after {now:?}: {wrong:#?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Do the API, libvirt, the image files and the store tell the same story?
    pub fn audit(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let client = self.client();
        let mut unless = |right: bool, what: String| {
            if !right {
                wrong.push(what);
            }
        };
        let mut stored = World::default();
        let store = Sqlite::open(&self.lab.daemon.state.join("vireo.db")).unwrap();
        store.load().unwrap().iter().for_each(|change| stored.apply(change));
        unless(stored.intents.is_empty(), format!("intents are left: {:?}", stored.intents));
        let vms = items(&client.get("/vms").is(200), "vm");
        let disks = items(&client.get("/disks").is(200), "disk");
        let ids = |list: &BTreeMap<String, Element>| list.keys().cloned().collect::<BTreeSet<_>>();
        let rows: BTreeSet<String> = stored.vms.keys().map(ToString::to_string).collect();
        unless(ids(&vms) == rows, format!("listed are {:?}, stored {rows:?}", ids(&vms)));
        let rows: BTreeSet<String> = stored.disks.keys().map(ToString::to_string).collect();
        unless(ids(&disks) == rows, format!("listed are {:?}, stored {rows:?}", ids(&disks)));
        let names: BTreeSet<_> = vms.values().filter_map(|vm| vm.value("name")).collect();
        unless(names.len() == vms.len(), "a name is used twice".into());

        let images = self.lab.daemon.state.join("images");
        // What lies in one that is not active may be known by its hints alone.
        let domains = || stored.storage_domains.values().filter(|domain| domain.active);
        let data = || domains().filter(|domain| domain.kind == StorageKind::Data);
        let mut files = BTreeSet::new();
        for disk in disks.values() {
            let (alias, size) = (disk.value("alias"), disk.number::<u64>("provisioned_size"));
            let state = disk.value("status/state");
            unless(state.as_deref() == Some("ok"), format!("disk {alias:?} is {state:?}"));
            let (format, suffix) = match disk.value("format").as_deref() {
                Some("raw") => (DiskFormat::Raw, "raw"),
                _ => (DiskFormat::Cow, "qcow2"),
            };
            let name = format!("{}.{suffix}", disk.value("image_id").unwrap());
            let Some(row) = stored.disks.get(&disk.value("@id").unwrap().parse().unwrap()) else { continue };
            let folder = PathBuf::from(&stored.storage_domains[&row.storage_domain].folder);
            let image = QemuImg::default().virtual_size(&folder.join(&name), format).ok();
            unless(image == size, format!("disk {alias:?} has {size:?} bytes, its image {image:?}"));
            let promised: Vec<_> =
                stored.chain(row).iter().map(|image| (image.file_name(), image.format)).collect();
            let real = QemuImg::default().chain(&folder.join(&name), format).ok();
            unless(
                real.as_ref() == Some(&promised),
                format!("disk {alias:?} is {promised:?}, its files {real:?}"),
            );
            files.extend(stored.images_of(row.id).iter().map(|image| folder.join(image.file_name())));
        }
        for snapshot in stored.snapshots.values() {
            let whole = snapshot.disks.iter().all(|saved| saved.disk.status == DiskStatus::Ok);
            let done = snapshot.status != SnapshotStatus::Locked && whole;
            unless(done, format!("snapshot {} is {:?}", snapshot.description, snapshot.status));
        }
        let over = stored.borrowed.values().filter_map(|it| stored.written_over(it));
        files.extend(over.map(|(_, disk)| images.join(disk.file_name())));
        let memories = stored.snapshots.values().filter(|snapshot| snapshot.memory.is_some());
        files.extend(memories.map(|snapshot| images.join(Snapshot::memory_file(snapshot.id))));
        let there: BTreeSet<PathBuf> = data()
            .flat_map(|domain| Daemon::images_in(Path::new(&domain.folder)))
            .filter(|file| !file.ends_with(".vireo-storage-domain"))
            .collect();
        unless(there == files, format!("files {there:?}, disks {files:?}"));
        for place in domains().filter(|domain| domain.kind == StorageKind::Export) {
            let folder = Path::new(&place.folder);
            let hints = QemuImg::default().hints(folder).unwrap().into_iter();
            let told: BTreeSet<String> =
                hints.flat_map(|(_, text)| vireo::engine::files_of(&Hint::read(&text).unwrap())).collect();
            let files = QemuImg::default().list(folder, &[".qcow2", ".raw", ".memory"]).unwrap();
            let files: BTreeSet<String> = files.into_iter().map(|(name, _)| name).collect();
            unless(told == files, format!("exported are {told:?}, there are {files:?}"));
        }

        let defined = self.virsh("list --all --uuid");
        let defined: BTreeSet<String> = defined.split_whitespace().map(str::to_owned).collect();
        unless(defined == ids(&vms), format!("libvirt has {defined:?}, the API {:?}", ids(&vms)));
        let both: Vec<&String> = vms.keys().filter(|id| defined.contains(*id)).collect();
        for (id, domain) in both.iter().zip(self.domains(&both)) {
            let name = vms[*id].value("name").unwrap();
            let state = vms[*id].value("status/state").unwrap();
            let real = domain[0].trim();
            let agree = matches!(
                (state.as_str(), real),
                ("up", "running") | ("down" | "suspended", "shut off") | ("paused", "paused")
            );
            unless(agree, format!("{name} is {state}, its domain {real}"));
            let wanted: BTreeSet<DiskId> = items(&client.get(&format!("/vms/{id}/disks")).is(200), "disk")
                .into_iter()
                .filter(|(_, disk)| disk.value("active").as_deref() == Some("true"))
                .map(|(id, _)| id.parse().unwrap())
                .collect();
            for (kind, document) in ["defined", "live"].into_iter().zip(&domain[1..]) {
                let plugged: BTreeSet<DiskId> = devices(document).into_keys().collect();
                unless(plugged == wanted, format!("{name} has {kind} {plugged:?}, not {wanted:?}"));
            }
            let free = client.put(&format!("/vms/{id}"), "<vm/>");
            unless(free.status == 200, format!("{name} is held: {}", free.body));
        }
        let (vm, qemu) = &self.bystander;
        let now = self.lab.host.qemu(vm);
        unless(now.as_ref() == Some(qemu), format!("the bystander's QEMU was {qemu}, is {now:?}"));
        wrong
    }

    /// State, persistent and live document of each domain.
    fn domains(&self, ids: &[&String]) -> Vec<[String; 3]> {
        const END: &str = "-- end --";
        let asked = ids.iter().map(|id| {
            format!("domstate {id}; echo '{END}'; dumpxml --inactive {id}; echo '{END}'; dumpxml {id}; echo '{END}'; ")
        });
        let said = self.virsh(&asked.collect::<String>());
        let parts: Vec<String> = said.split(END).map(str::to_owned).collect();
        parts.chunks_exact(3).map(|three| [three[0].clone(), three[1].clone(), three[2].clone()]).collect()
    }

    fn virsh(&self, command: &str) -> String {
        run(Command::new("virsh").args(["-q", "-c", &self.lab.host.uri, command]))
    }

    /// A command in the mounts of daemon and libvirt.
    pub fn among_mounts(&self, program: &str, arguments: &[&str]) -> String {
        run(self.lab.host.among_mounts(program).args(arguments))
    }
}

/// The members of a list by their ids.
pub fn items(list: &Element, name: &str) -> BTreeMap<String, Element> {
    list.all(name).map(|item| (item.value("@id").unwrap(), item.clone())).collect()
}

/// A VM whose guest does nothing.
pub fn vm_document(name: &str) -> String {
    let kernel = guests().unwrap_or_default().join("halt.elf");
    format!(
        "<vm><name>{name}</name><cluster><name>Default</name></cluster><template><name>Blank</name></template>\
         <memory>{}</memory><os><boot dev='hd'/><kernel>{}</kernel></os><custom_properties>\
         <custom_property name='accelerator' value='tcg'/></custom_properties></vm>",
        32 * MIB,
        kernel.display()
    )
}

/// On virtio-scsi, so that it goes without the guest's consent.
pub fn disk_document(alias: &str, more: &str) -> String {
    format!(
        "<disk><alias>{alias}</alias><provisioned_size>{MIB}</provisioned_size>\
         <interface>virtio_scsi</interface><format>cow</format><active>true</active><storage_domains>\
         <storage_domain><name>data</name></storage_domain></storage_domains>{more}</disk>"
    )
}

pub fn create_vm(client: &Client, name: &str) -> String {
    client.post("/vms", &vm_document(name)).is(201).value("@id").unwrap()
}

pub fn create_disk(client: &Client, vm: Option<&str>, alias: &str, more: &str) -> String {
    let path = vm.map_or("/disks".to_owned(), |vm| format!("/vms/{vm}/disks"));
    let mut document = disk_document(alias, more);
    if vm.is_none() {
        document = document.replace("<active>true</active>", "");
    }
    client.send("POST", &path, EXPECT, &document).is(201).value("@id").unwrap()
}

pub fn start(client: &Client, vm: &str) {
    act(client, &format!("/vms/{vm}/start"));
}

pub fn act(client: &Client, path: &str) {
    client.post(path, "<action/>").is(200);
}

/// Sends a request to a daemon that may die of it; `None` when there is no answer.
pub fn attempt(client: &Client, method: &str, path: &str, body: &str) -> Option<Reply> {
    let headers = if method == "POST" && path.ends_with("disks") { EXPECT } else { &[] };
    client.attempt(method, path, headers, body).ok()
}
