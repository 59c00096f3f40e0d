//! The database is lost: rows come back from images and hints, on real files made by qemu-img.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use vireo::engine::ports::Store;
use vireo::engine::recover::{Report, recover};
use vireo::engine::world::World;
use vireo::engine::{
    DiskChange, DiskCopies, Engine, NewAttachment, NewDisk, NewSnapshot, NewStorageDomain, NewTemplate,
    NewVm, NicChange, Restored, Source,
};
use vireo::host::QemuImg;
use vireo::model::*;
use vireo::sim::{MemoryStore, SimMirrors, Simulated, settings};

const DATA: &str = "fabe0451-701f-4235-8f7e-e20e458819ed";

struct Lab {
    dir: tempfile::TempDir,
    engine: Arc<Engine>,
}

async fn opened(state: &Path, store: MemoryStore) -> Arc<Engine> {
    let (hypervisor, images) = (Arc::new(Simulated::default()), Arc::new(QemuImg::default()));
    let mirrors = Arc::new(SimMirrors::default());
    let engine = Engine::open(settings(state), Arc::new(store), hypervisor, images, mirrors).await.unwrap();
    engine.first_look(Duration::from_secs(60)).await;
    engine
}

impl Lab {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["state/images", "state/isos", "state/payloads", "second"] {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        let engine = opened(&dir.path().join("state"), MemoryStore::new().unwrap()).await;
        Self { dir, engine }
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn images(&self) -> PathBuf {
        self.state().join("images")
    }

    async fn vm(&self, name: &str, source: Source) -> VmId {
        let engine = &self.engine;
        let cluster = *engine.world().clusters.keys().next().unwrap();
        let spec = VmSpec { name: name.into(), ..engine.spec_of(source).unwrap() };
        let new = NewVm { cluster, source, spec, disks: DiskCopies::default(), grants_of: None, pool: None };
        engine.create_vm(new).await.unwrap().finished().await.unwrap()
    }

    async fn disk(
        &self,
        alias: &str,
        format: DiskFormat,
        place: Option<StorageDomainId>,
        vm: Option<VmId>,
    ) -> DiskId {
        let new = NewDisk {
            alias: Some(alias.into()),
            description: String::new(),
            storage_domain: place.or(DATA.parse().ok()),
            format,
            sparse: None,
            size: 8 * MIB,
            interface: DiskInterface::Virtio,
            bootable: false,
            shareable: false,
            wipe_after_delete: None,
            propagate_errors: false,
            profile: None,
            // It goes with the database: the disk counts for nothing then.
            quota: self.engine.world().quotas.keys().next().copied(),
            lun: None,
        };
        let onto = vm.map(|vm| NewAttachment { vm, active: None, read_only: false });
        self.engine.add_disk(new, onto).await.unwrap().finished().await.unwrap()
    }

    async fn snapshot(&self, vm: VmId, text: &str) {
        let new = NewSnapshot { description: text.into(), memory: false, disks: None };
        self.engine.create_snapshot(vm, new).await.unwrap().finished().await.unwrap();
    }

    /// Every file below the storage domains, with its content.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let folders = [self.images(), self.dir.path().join("second")];
        let all = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
        let plain =
            all.map(|entry| entry.unwrap().path()).filter(|file| file.symlink_metadata().unwrap().is_file());
        plain.map(|file| (file.clone(), std::fs::read(file).unwrap())).collect()
    }

    /// The database goes, and comes back; nothing else changes meanwhile.
    async fn lose(&self) -> (World, Report) {
        self.engine.drain().await;
        let before = self.files();
        let store = MemoryStore::new().unwrap();
        let (settings, images) = (settings(self.state()), Arc::new(QemuImg::default()));
        let report = recover(&settings, Arc::new(store.clone()), images, vec![]).await.unwrap();
        assert_eq!(self.files(), before, "recovery only reads");
        let mut world = World::default();
        store.load().unwrap().iter().for_each(|row| world.apply(row));
        (world, report)
    }
}

/// qemu-img refuses to make what an older one made: the header's word for the format below becomes one
/// that nobody knows.
fn without_backing_format(file: &Path) {
    let mut content = std::fs::read(file).unwrap();
    let at = content.windows(4).position(|word| word == [0xe2, 0x79, 0x2a, 0xca]).unwrap();
    content[at] = 0x42;
    std::fs::write(file, content).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_is_there_again() {
    let lab = Lab::new().await;
    let second = lab.dir.path().join("second").to_string_lossy().into_owned();
    let new = NewStorageDomain {
        name: "second".into(),
        kind: StorageKind::Data,
        folder: second,
        filled: false,
        rest: Default::default(),
    };
    let second = lab.engine.add_storage_domain(new).await.unwrap();
    let home = *lab.engine.world().data_centers.keys().next().unwrap();
    lab.engine.attach_storage_domain(second, home).await.unwrap();
    let vm = lab.vm("a", Source::BLANK).await;
    lab.disk("system", DiskFormat::Cow, None, Some(vm)).await;
    lab.disk("raw", DiskFormat::Raw, Some(second), Some(vm)).await;
    let nic = NicChange { name: Some("nic1".into()), ..NicChange::default() };
    lab.engine.add_nic(vm, nic).await.unwrap();
    // As large as it may be, and told of with every snapshot.
    let payload = |spec: &mut VmSpec| {
        let file = GuestFile { name: "large".into(), content: Secret("x".repeat(1 << 20)) };
        spec.payloads = vec![Payload { kind: PayloadKind::Cdrom, volume: None, files: vec![file] }];
        Ok(())
    };
    lab.engine.update_vm(vm, false, payload).await.unwrap();
    for text in ["one", "two", "three"] {
        lab.snapshot(vm, text).await;
    }
    let row = lab.engine.vm(vm).unwrap().vm;
    let template = NewTemplate {
        vm,
        cluster: row.cluster,
        spec: VmSpec { name: "t".into(), ..row.spec },
        base: None,
        version_name: None,
        disks: DiskCopies::default(),
        grants: false,
    };
    let template = lab.engine.create_template(template).await.unwrap().finished().await.unwrap();
    let thin = lab.vm("thin", Source::Template { id: template, clone: false }).await;
    lab.snapshot(thin, "of the thin one").await;
    lab.vm("diskless", Source::BLANK).await;
    lab.disk("floating", DiskFormat::Raw, Some(second), None).await;
    let gone = lab.vm("gone", Source::BLANK).await;
    lab.disk("gone", DiskFormat::Cow, None, Some(gone)).await;
    lab.engine.drain().await;
    lab.engine.remove_vm(gone, false).await.unwrap();

    let (world, report) = lab.lose().await;
    assert_eq!(report.notes, [""; 0]);
    let was = lab.engine.world();
    assert_eq!(world.vms, was.vms);
    let without_profile = |world: &World| -> Vec<Disk> {
        world.disks.values().map(|disk| Disk { profile: None, quota: None, ..disk.clone() }).collect()
    };
    assert_eq!(without_profile(&world), without_profile(&was));
    assert_eq!(world.attachments, was.attachments);
    let named = |world: &World| -> Vec<(VmId, String, Mac, Option<NetworkId>)> {
        world.nics.values().map(|nic| (nic.vm, nic.name.clone(), nic.mac, nic.network)).collect()
    };
    assert_eq!(named(&world), named(&was));
    assert_eq!(world.templates.keys().collect::<Vec<_>>(), was.templates.keys().collect::<Vec<_>>());
    assert_eq!(world.snapshots.len(), 4);
    for (id, snapshot) in &world.snapshots {
        let images = |it: &Snapshot| -> Vec<_> {
            it.disks.iter().map(|saved| (saved.disk.image, saved.disk.parent)).collect()
        };
        assert_eq!(images(snapshot), images(&was.snapshots[id]), "{}", snapshot.description);
        assert_eq!(snapshot.date, was.snapshots[id].date);
    }
    assert_eq!(world.storage_domains[&second].name, "second");
    assert!(world.intents.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_files_are_not_believed() {
    let lab = Lab::new().await;
    let vm = lab.vm("a", Source::BLANK).await;
    let names = ["outside", "data", "unsaid", "link", "pipe", "gone", "swapped", "longer", "fine"];
    let mut files = BTreeMap::new();
    for name in names {
        let id = lab.disk(name, DiskFormat::Cow, None, Some(vm)).await;
        let disk = lab.engine.disk(id).unwrap();
        files.insert(name, lab.images().join(disk.file_name()));
    }
    lab.engine.drain().await;
    let canary = lab.dir.path().join("canary");
    std::fs::write(&canary, vec![7; 1 << 20]).unwrap();
    let (below, outside) =
        (lab.images().join(format!("{}.raw", ImageId::random())), canary.to_str().unwrap());
    std::fs::write(&below, vec![0; 1 << 20]).unwrap();
    let created = |file: &Path, more: &[&str]| {
        std::fs::remove_file(file).unwrap();
        let mut args = vec!["create", "-q", "-f", "qcow2"];
        args.extend(more);
        assert!(Command::new("qemu-img").args(&args).arg(file).arg("8M").status().unwrap().success());
    };
    created(&files["outside"], &["-b", outside, "-F", "raw"]);
    let external = format!("data_file={outside}.data,data_file_raw=on");
    created(&files["data"], &["-o", &external]);
    created(&files["swapped"], &["-b", below.file_name().unwrap().to_str().unwrap(), "-F", "raw"]);
    // An overlay that does not say what it lies over is read as what its guest likes.
    created(&files["unsaid"], &["-b", below.file_name().unwrap().to_str().unwrap(), "-F", "raw"]);
    without_backing_format(&files["unsaid"]);
    for name in ["link", "pipe", "gone"] {
        std::fs::remove_file(&files[name]).unwrap();
    }
    symlink(&canary, &files["link"]).unwrap();
    nix::unistd::mkfifo(&files["pipe"], nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(
        Command::new("qemu-img")
            .args(["resize", "-q", "-f", "qcow2"])
            .arg(&files["longer"])
            .arg("16M")
            .status()
            .unwrap()
            .success()
    );
    // Hints of nobody: broken, of something else, too large, a link.
    let hint = |name: &str, text: &str| std::fs::write(lab.images().join(name), text).unwrap();
    hint(&format!("{}.ovf", VmId::random()), "<a>");
    hint(&format!("{}.ovf", VmId::random()), "<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>");
    let own = std::fs::read_to_string(lab.images().join(format!("{vm}.ovf"))).unwrap();
    hint(&format!("{}.ovf", VmId::random()), &own);
    hint(&format!("{}.ovf", VmId::random()), &"x".repeat(5 << 20));
    symlink("/etc/passwd", lab.images().join(format!("{}.ovf", VmId::random()))).unwrap();
    // And an image that lies over one that is whole: its guest went on after the hint.
    let stranger = lab.images().join(format!("{}.qcow2", ImageId::random()));
    let over = files["fine"].file_name().unwrap().to_str().unwrap();
    assert!(
        Command::new("qemu-img")
            .args(["create", "-q", "-f", "qcow2", "-b", over, "-F", "qcow2"])
            .arg(&stranger)
            .status()
            .unwrap()
            .success()
    );

    let (world, report) = lab.lose().await;
    let status = |name: &str| world.disks.values().find(|disk| disk.alias == name).map(|disk| disk.status);
    for name in names {
        let wanted = if name == "longer" { DiskStatus::Ok } else { DiskStatus::Illegal };
        assert_eq!(status(name), Some(wanted), "{name}: {:#?}", report.notes);
    }
    let size = world.disks.values().find(|disk| disk.alias == "longer").map(|disk| disk.size);
    assert_eq!((world.vms.len(), size), (1, Some(16 * MIB)));
    assert!(report.notes.len() >= names.len(), "{:#?}", report.notes);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_illegal_stays_that() {
    let lab = Lab::new().await;
    let vm = lab.vm("a", Source::BLANK).await;
    let whole = lab.disk("whole", DiskFormat::Cow, None, Some(vm)).await;
    let broken = lab.disk("broken", DiskFormat::Cow, None, Some(vm)).await;
    lab.snapshot(vm, "s").await;
    lab.engine.drain().await;
    let snapshot = lab.engine.snapshots(vm).unwrap()[0].id;
    std::fs::remove_file(lab.images().join(lab.engine.disk(broken).unwrap().file_name())).unwrap();
    let store = MemoryStore::new().unwrap();
    let (settings, images) = (settings(lab.state()), Arc::new(QemuImg::default()));
    recover(&settings, Arc::new(store.clone()), images, vec![]).await.unwrap();

    let engine = opened(&lab.state(), store).await;
    let status = || engine.disk(broken).unwrap().status;
    assert_eq!(status(), DiskStatus::Illegal);
    let refused = engine.remove_snapshot(vm, snapshot).await.err().unwrap();
    assert!(refused.said.contains("'illegal' status: broken"), "{}", refused.said);
    let grown = DiskChange { size: Some(GIB), ..DiskChange::default() };
    let refused = engine.update_disk(broken, None, grown).await.unwrap_err();
    assert!(refused.said.contains("Disk broken is locked or illegal"), "{}", refused.said);
    // The other one goes back, and forth again.
    let one = Restored { only: Some(BTreeMap::from([(whole, snapshot)])), memory: false };
    engine.preview_snapshot(vm, snapshot, one, false).await.unwrap();
    assert_eq!(status(), DiskStatus::Illegal);
    engine.undo_snapshot(vm).await.unwrap();
    assert_eq!(status(), DiskStatus::Illegal);
    // What it lies over is whole.
    engine.preview_snapshot(vm, snapshot, Restored::default(), true).await.unwrap();
    assert_eq!(status(), DiskStatus::Ok);
}
