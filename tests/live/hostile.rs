//! Images that name other files: whatever way they come, nobody opens what they name.

use super::cdrom::put;
use super::harness::{Boots, Disk, Lab, MIB, Vm, run};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file that somebody would like to read.
struct Canary {
    watch: Inotify,
}

impl Canary {
    /// Nobody opens the file from now on.
    fn watch(file: PathBuf) -> Self {
        let watch = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).unwrap();
        watch.add_watch(&file, AddWatchFlags::IN_OPEN | AddWatchFlags::IN_ACCESS).unwrap();
        Self { watch }
    }

    #[track_caller]
    fn is_untouched(&self, by: &str) {
        let events = self.watch.read_events();
        assert_eq!(events.err(), Some(nix::errno::Errno::EAGAIN), "{by}: somebody opened the canary");
    }
}

/// A folder outside of all storage domains, which goes with the test.
struct Workshop(PathBuf);

impl Workshop {
    fn new(lab: &Lab) -> Self {
        let folder = lab.host.root.join("workshop");
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// A qcow2 image of these arguments; it may refer to what is not there.
    fn qcow2(&self, arguments: &[&str]) -> Vec<u8> {
        let file = self.0.join("image");
        run(Command::new("qemu-img")
            .args(["create", "-q", "-u", "-f", "qcow2"])
            .args(arguments)
            .arg(&file)
            .arg("8M"));
        std::fs::read(&file).unwrap()
    }
}

/// Those of an image over `below`, by what is odd about them.
fn kinds(workshop: &Workshop, canary: &str, own: &str, link: &str) -> Vec<(&'static str, Vec<u8>)> {
    let backed = |by: &str, format: &str| workshop.qcow2(&["-b", by, "-F", format]);
    let json =
        format!("json:{{\"driver\":\"raw\",\"file\":{{\"driver\":\"file\",\"filename\":\"{canary}\"}}}}");
    let mut unformatted = backed(canary, "raw");
    // The extension that tells the format becomes one that nobody knows.
    let at = unformatted.windows(4).position(|word| word == [0xe2, 0x79, 0x2a, 0xca]).unwrap();
    unformatted[at] = 0;
    let mut huge = workshop.qcow2(&[]);
    huge[36..40].copy_from_slice(&u32::MAX.to_be_bytes());
    let data = workshop.0.join("data.raw");
    let external = workshop.qcow2(&["-o", &format!("data_file={},data_file_raw=on", data.display())]);
    let extent = format!(
        "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n\
         RW 2048 FLAT \"{canary}\" 0\n"
    );
    vec![
        ("another file below", backed(canary, "raw")),
        ("a way up", backed("../../../canary", "raw")),
        ("a description", backed(&json, "raw")),
        ("a server", backed("nbd:127.0.0.1:1", "raw")),
        ("no format", unformatted),
        ("a link below", backed(link, "raw")),
        ("a guest's format", backed(link, "qcow2")),
        ("itself", backed(own, "qcow2")),
        ("data elsewhere", external),
        ("huge tables", huge),
        ("another format", extent.into_bytes()),
        ("half a header", workshop.qcow2(&[])[..60].to_vec()),
    ]
}

#[test]
fn what_hostile_images_name_is_never_opened() {
    let Some(lab) = Lab::own() else { return };
    let workshop = Workshop::new(&lab);
    let canary = workshop.0.join("canary");
    std::fs::write(&canary, vec![b'x'; MIB as usize]).unwrap();
    let vm = lab.vm("hostile", Boots::Halt, "");
    let disk = vm.add_disk(&Disk::document(8, "virtio", "cow", ""));
    let (file, id) = (disk.file(), disk.id.clone());
    let link = file.with_file_name("3f68ee63-0016-4f8c-9b8a-11d9f28f7c9e.raw");
    // libvirt looks at all files of a pool, and follows links: this one leads elsewhere.
    let decoy = workshop.0.join("decoy");
    std::fs::write(&decoy, "x").unwrap();
    std::os::unix::fs::symlink(&decoy, &link).unwrap();
    let name = |file: &Path| file.file_name().unwrap().to_str().unwrap().to_owned();
    let honest = std::fs::read(&file).unwrap();
    let to = "<action><storage_domain><name>data</name></storage_domain></action>";
    let named = canary.to_str().unwrap();
    let kinds = kinds(&workshop, named, &name(&file), &name(&link));
    let evil = workshop.qcow2(&["-b", named, "-F", "raw"]);
    // A pool's own look at its files goes by what they hold, and ends there: no guest is told.
    for pool in lab.host.virsh(&["pool-list", "--name"]).split_whitespace() {
        lab.host.virsh(&["pool-destroy", pool]);
    }
    let canary = Canary::watch(canary);
    for (kind, image) in kinds {
        std::fs::write(&file, image).unwrap();
        let refused = vm.post("start", "<action/>");
        assert!(refused.status >= 400 && refused.body.contains("<fault>"), "{kind}: {}", refused.body);
        assert_eq!(vm.state(), "down", "{kind}");
        disk.resize(16);
        canary.is_untouched(kind);
        lab.client().send("POST", &format!("/disks/{id}/copy"), &["Expect: 201-created"], to);
        std::fs::write(&file, &honest).unwrap();
    }
    // A copy goes on in the background, and fails there.
    super::harness::until(30, "nothing is left of copies", || {
        let disks = lab.client().get("/disks").is(200);
        !disks.all("disk").any(|disk| disk.value("status/state").as_deref() == Some("locked"))
    });
    canary.is_untouched("copies");
    std::fs::remove_file(link).unwrap();
    guests_bytes_stay_bytes(&lab, &evil);
    canary.is_untouched("a guest");
    foreign_folders(&lab, &workshop.0.join("domain"), &evil);
    canary.is_untouched("a folder");
}

/// What a guest writes to its raw disk is no image, whatever it looks like; nor is a medium.
fn guests_bytes_stay_bytes(lab: &Lab, evil: &[u8]) {
    let vm = lab.vm("guest", Boots::Halt, "");
    let disk = vm.add_disk(&Disk::document(8, "virtio_scsi", "raw", ""));
    let file = disk.file();
    let mut whole = evil.to_vec();
    whole.resize(8 * MIB as usize, 0);
    std::fs::write(&file, whole).unwrap();
    std::fs::write(lab.daemon.state.join("isos/evil.iso"), evil).unwrap();
    put(&vm, "", "evil.iso").is(200);
    vm.start();
    let format = |vm: &Vm, device: &str| {
        let document = vm.document();
        let disks = document.every("devices/disk");
        disks.into_iter().find(|disk| disk.get("device") == Some(device)).unwrap().value("driver/@type")
    };
    assert_eq!(format(&vm, "disk").as_deref(), Some("raw"));
    assert_eq!(format(&vm, "cdrom").as_deref(), Some("raw"));
    let snapshots = format!("{}/snapshots", vm.path());
    let body = "<snapshot><description>s</description></snapshot>";
    let taken = lab.client().send("POST", &snapshots, &["Expect: 201-created"], body).is(201);
    vm.act("stop");
    let removed = lab.client().delete(&format!("{snapshots}/{}", taken.value("@id").unwrap()));
    assert!([200, 202, 204].contains(&removed.status), "{}", removed.body);
    super::harness::until(30, "the snapshot is merged", || {
        lab.client().get(&snapshots).is(200).all("snapshot").count() == 1
    });
    disk.resize(16).is(200);
    vm.start();
    vm.act("stop");
    assert!(std::fs::read(&file).unwrap().starts_with(evil), "the guest's bytes are what they were");
}

/// A folder that holds images already is no new storage domain.
fn foreign_folders(lab: &Lab, folder: &Path, evil: &[u8]) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("3f68ee63-0016-4f8c-9b8a-11d9f28f7c9e.qcow2"), evil).unwrap();
    let host = lab.client().get("/hosts").is(200).value("host/name").unwrap();
    let body = format!(
        "<storage_domain><name>foreign</name><type>data</type><host><name>{host}</name></host><storage>\
         <type>localfs</type><path>{}</path></storage></storage_domain>",
        folder.display()
    );
    lab.client().post("/storagedomains", &body).refused(409);
}
