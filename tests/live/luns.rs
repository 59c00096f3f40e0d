//! Direct LUNs: units of an iSCSI target of Debian's, in a guest.

use super::disks::address;
use super::harness::{Boots, Disk, Host, Lab, Options, guests, until};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

const TARGET: &str = "iqn.2010.05.com.example:iscsi.targetX";

/// A target on the loopback of the guests' host, with a file behind its unit 1.
struct Target {
    child: Child,
    control: String,
    keeper: String,
    file: PathBuf,
}

impl Target {
    fn start(host: &Host) -> Self {
        let keeper = std::fs::read_to_string(host.root.join("keeper.pid")).unwrap().trim().to_owned();
        let file = host.root.join("lun");
        std::fs::write(&file, vec![0; 8 << 20]).unwrap();
        // A control socket for each process of tests.
        let control = (std::process::id() % 30_000 + 1).to_string();
        let child = Self::inside(&keeper, "tgtd")
            .args(["-f", "-C", &control, "--iscsi", "portal=127.0.0.1:3260"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let target = Self { child, control, keeper, file };
        until(10, "the target is there", || {
            target.admin(&["--op", "new", "--mode", "target", "--tid", "1", "-T", TARGET])
        });
        let file = target.file.to_string_lossy();
        let unit = ["--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "-b", &file];
        assert!(target.admin(&unit));
        assert!(target.admin(&["--op", "bind", "--mode", "target", "--tid", "1", "-I", "ALL"]));
        target
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
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
    until(10, "writes are counted", || disk.statistic("data.current.write") >= 0.0);

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
