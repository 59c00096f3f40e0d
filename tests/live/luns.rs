//! Direct LUNs: units of an iSCSI target of Debian's, in a guest.

use super::cdrom::boot_sector;
use super::disks::address;
use super::harness::{Boots, Disk, Guest, Host, Lab, Options, Vm, guests, until};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

const TARGET: &str = "iqn.2010.05.com.example:iscsi.targetX";
const USER: &str = "guest";
/// Nobody but libvirt and QEMU may keep it, and they in memory only.
const CANARY: &str = "Chap-Canary-2b1d";

/// A target on the loopback of the guests' host, with a file behind its unit 1.
struct Target {
    child: Option<Child>,
    control: String,
    keeper: String,
    file: PathBuf,
    asks: bool,
}

impl Target {
    fn start(host: &Host) -> Self {
        Self::holding(host, &[], false)
    }

    /// One that holds this, and may ask who comes.
    fn holding(host: &Host, content: &[u8], asks: bool) -> Self {
        // A control socket for each target of all processes of tests.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let control =
            (std::process::id() % 3000 * 10 + COUNT.fetch_add(1, Ordering::Relaxed) + 1).to_string();
        let keeper = std::fs::read_to_string(host.root.join("keeper.pid")).unwrap().trim().to_owned();
        let file = host.root.join("lun");
        let mut whole = content.to_vec();
        whole.resize(8 << 20, 0);
        std::fs::write(&file, whole).unwrap();
        let mut target = Self { child: None, control, keeper, file, asks };
        target.serve();
        target
    }

    fn serve(&mut self) {
        let portal = ["-f", "-C", &self.control, "--iscsi", "portal=127.0.0.1:3260"];
        let mut program = Self::inside(&self.keeper, "tgtd");
        self.child = Some(program.args(portal).stderr(Stdio::null()).spawn().unwrap());
        until(10, "the target is there", || {
            self.admin(&["--op", "new", "--mode", "target", "--tid", "1", "-T", TARGET])
        });
        let file = self.file.to_string_lossy();
        let unit = ["--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "-b", &file];
        assert!(self.admin(&unit));
        if self.asks {
            assert!(self.admin(&["--op", "new", "--mode", "account", "--user", USER, "--password", CANARY]));
            assert!(self.admin(&["--op", "bind", "--mode", "account", "--tid", "1", "--user", USER]));
        }
        assert!(self.admin(&["--op", "bind", "--mode", "target", "--tid", "1", "-I", "ALL"]));
    }

    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn inside(keeper: &str, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", keeper, "--mount", "--net", "--", program]);
        command
    }

    fn admin(&self, arguments: &[&str]) -> bool {
        let mut command = Self::inside(&self.keeper, "tgtadm");
        command.args(["-C", &self.control, "--lld", "iscsi"]).args(arguments);
        command.stderr(Stdio::null()).status().unwrap().success()
    }

    fn holds(&self, text: &str) -> bool {
        std::fs::read(&self.file).unwrap()[3 * 512..].starts_with(text.as_bytes())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.end();
    }
}

/// The LUN with credentials for its target.
fn with_password(password: &str, more: &str) -> String {
    let credentials =
        format!("</target><username>{USER}</username><password>{password}</password></logical_unit>");
    document("lun1", TARGET, more).replace("</target></logical_unit>", &credentials)
}

fn document(unit: &str, target: &str, more: &str) -> String {
    format!(
        "<disk><interface>virtio</interface>{more}<lun_storage><type>iscsi</type><logical_unit id='{unit}'>\
         <address>127.0.0.1</address><port>3260</port><target>{target}</target></logical_unit></lun_storage></disk>"
    )
}

fn lab() -> Option<Lab> {
    guests()?;
    let environment = vec![("VIREO_STORAGE_ISCSI_PORTALS", "127.0.0.0/8".to_owned())];
    Some(Lab::new(Host::start(&[]), &Options { environment, ..Options::default() }))
}

#[test]
fn a_guest_writes_a_lun() {
    let Some(lab) = lab() else { return };
    let target = Target::start(&lab.host);
    let vm = lab.vm("lun", Boots::Mini, "");
    let disks = format!("{}/disks", vm.path());
    let made = lab.client().post(&disks, &document("lun1", TARGET, "")).is(201);
    assert_eq!(made.value("lun_storage/logical_unit/target").as_deref(), Some(TARGET));
    let id = made.value("@id").unwrap();
    let mut guest = vm.boot();
    let at = address(&mut guest);
    guest.ask(&format!("w {at} 3 pattern-A"));
    assert!(target.holds("pattern-A"), "the target has what the guest wrote");
    let disk = Disk::of(&vm, &id);
    until(10, "writes are counted", || {
        guest.ask(&format!("w {at} 3 pattern-A"));
        disk.statistic("data.current.write") > 0.0
    });

    // Out and in again while the guest runs.
    disk.deactivate();
    disk.activate();
    let at = address(&mut guest);
    assert!(guest.ask(&format!("r {at} 3")).contains("pattern-A"));
    let source = disk.device().unwrap().first("source").unwrap().clone();
    assert_eq!(source.get("name"), Some(&*format!("{TARGET}/1")));

    // A snapshot goes on without it, and nothing of the engine's is done to it.
    let snapshots = format!("{}/snapshots", vm.path());
    let body = "<snapshot><description>s</description></snapshot>";
    let taken = lab.client().send("POST", &snapshots, &["Expect: 201-created"], body).is(201);
    let kept = format!("{snapshots}/{}/disks", taken.value("@id").unwrap());
    assert_eq!(lab.client().get(&kept).is(200).all("disk").count(), 0);
    disk.resize(16).refused(409);

    // A unit or a target that is not there is refused, and leaves nothing.
    let plugged = "<active>true</active>";
    lab.client().post(&disks, &document("lun9", TARGET, plugged)).refused(409);
    lab.client().post(&disks, &document("lun1", "iqn.2010.05.com.example:none", plugged)).refused(409);
    assert_eq!(lab.client().get(&disks).is(200).all("disk").count(), 1);
    vm.act("stop");
    lab.client().delete(&vm.path()).is(204);
    assert!(target.holds("pattern-A"), "what a LUN holds is not the engine's to remove");
}

#[test]
fn a_target_lets_in_who_knows_its_password() {
    let Some(lab) = lab() else { return };
    let mut content = boot_sector("GUEST-READY from the LUN\n");
    content[3 * 512..][..9].copy_from_slice(b"pattern-A");
    let mut target = Target::holding(&lab.host, &content, true);
    let vm = lab.vm("chap", Boots::Disk, "");
    let disks = format!("{}/disks", vm.path());
    let secrets = || lab.host.virsh(&["secret-list"]);
    let bootable = "<bootable>true</bootable>";

    let wrong = lab.client().post(&disks, &with_password("not the password", bootable)).is(201);
    let refused = vm.post("start", "<action/>").refused(409);
    assert!(refused.contains("does not accept its user name and password"), "{refused}");
    lab.client().delete(&format!("{disks}/{}", wrong.value("@id").unwrap())).is(204);
    assert_eq!(secrets(), "");

    let made = lab.client().post(&disks, &with_password(CANARY, bootable)).is(201);
    let id = made.value("@id").unwrap();
    assert_eq!(made.value("lun_storage/logical_unit/username").as_deref(), Some(USER));
    vm.boot();
    assert!(secrets().contains(&id));
    let mut asked = Command::new("virsh");
    let told = asked.args(["-q", "-c", &lab.host.uri, "secret-get-value", &id]).output().unwrap();
    assert!(!told.status.success(), "libvirt tells the password");
    forgotten(&lab, &vm, &id);

    // libvirt forgets what it keeps in memory, and hears of it again.
    lab.host.command(&["kill-libvirtd", "KILL"]);
    lab.host.command(&["start-libvirtd"]);
    until(30, "the secret is there again", || secrets().contains(&id));
    vm.becomes("up", 30);
    vm.act("stop");
    vm.boot();
    vm.act("stop");

    // Into a guest that runs, whose disk it is not to boot from.
    let other = lab.vm("plugged", Boots::Mini, "");
    let mut guest = other.boot();
    let out = "<action><detach>true</detach></action>";
    lab.client().send("DELETE", &format!("{disks}/{id}"), &[], out).is(204);
    Disk::attach(&other, &id, "<active>true</active>").is(200);
    let at = address(&mut guest);
    assert!(guest.ask(&format!("r {at} 3")).contains("pattern-A"));
    target_goes(&mut target, &other, &mut guest, &at);
}

/// The one who may write a unit of a target, by reservations that guests make themselves.
#[test]
fn guests_reserve_a_lun() {
    let Some(lab) = lab() else { return };
    let _target = Target::start(&lab.host);
    let shared = "<shareable>true</shareable><uses_scsi_reservation>true</uses_scsi_reservation>";
    let body = document("lun1", TARGET, shared).replace(">virtio<", ">virtio_scsi<");
    let (one, two) = (lab.vm("reserves", Boots::Linux, ""), lab.vm("waits", Boots::Linux, ""));
    let made = lab.client().post(&format!("{}/disks", one.path()), &body).is(201);
    assert_eq!(made.value("uses_scsi_reservation").as_deref(), Some("true"));
    Disk::attach(&two, &made.value("@id").unwrap(), "<active>true</active>").is(200);
    let (mut first, mut second) = (one.boot(), two.boot());
    first.until(10, "ls /dev/sda");
    second.until(10, "ls /dev/sda");
    let write = "dd if=/dev/zero of=/dev/sda bs=512 count=1 conv=fsync";
    assert_eq!(second.run(write).1, 0, "nobody has reserved it");

    // Write exclusive.
    first.ask("sg_persist --out --register --param-sark=abc /dev/sda");
    first.ask("sg_persist --out --reserve --param-rk=abc --prout-type=1 /dev/sda");
    let told = second.ask("sg_persist --in --read-reservation /dev/sda");
    assert!(told.contains("Key=0xabc") && told.contains("Write Exclusive"), "{told}");
    assert_ne!(second.run(write).1, 0, "another guest's reservation");
    second.ask("dd if=/dev/sda of=/dev/null bs=512 count=1");
    first.ask(write);

    first.ask("sg_persist --out --release --param-rk=abc --prout-type=1 /dev/sda");
    second.ask(write);
}

/// The guest waits for a target that is away; nobody else does, and it goes on where it was.
fn target_goes(target: &mut Target, vm: &Vm, guest: &mut Guest, at: &str) {
    target.end();
    guest.say(&format!("away w {at} 3 pattern-B"));
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert!(["up", "paused"].contains(&vm.state().as_str()), "{}", vm.state());
    target.serve();
    until(60, "the guest's write is done", || {
        if vm.state() == "paused" {
            vm.post("start", "<action/>");
        }
        target.holds("pattern-B")
    });
}

/// Nothing that is kept or told has the password.
fn forgotten(lab: &Lab, vm: &Vm, id: &str) {
    let process = std::fs::read(format!("/proc/{}/cmdline", lab.host.qemu(&vm.id).unwrap())).unwrap();
    let has = |told: &[u8]| told.windows(CANARY.len()).any(|part| part == CANARY.as_bytes());
    assert!(!has(&process), "QEMU's command line has it");
    for path in [format!("/disks/{id}"), format!("{}/disks", vm.path()), "/events".into(), "/jobs".into()] {
        let told = lab.client().send("GET", &path, &["All-Content: true"], "");
        assert!(told.status == 200 && !told.body.contains(CANARY), "{path}");
    }
    assert!(!lab.host.virsh(&["dumpxml", "--security-info", &vm.id]).contains(CANARY));
    // Logs, the database, and what libvirt writes.
    let mut kept = Command::new("grep");
    let found = kept.args(["-r", "-l", "-a", "-D", "skip", CANARY]).arg(&lab.host.root).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}
