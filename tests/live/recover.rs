//! The database is lost: what lies beside the images brings everything back, and the guest runs on.

use super::harness::{Boots, Disk, Lab, Vm, until};
use super::templates::{made, read, write};

#[test]
fn a_lost_database_comes_back() {
    let Some(mut lab) = Lab::own() else { return };
    let vm = lab.vm("survivor", Boots::Mini, "");
    vm.add_disk(&Disk::document(8, "virtio", "cow", ""));
    write(&mut vm.boot(), "pattern-A");
    vm.act("stop");
    let path = format!("{}/snapshots", vm.path());
    let snapshot = made(&lab, &path, "<snapshot><description>moment</description></snapshot>");
    let snapshot = format!("{path}/{}", snapshot.value("@id").unwrap());
    let mut guest = vm.boot();
    write(&mut guest, "pattern-B");
    let id = vm.id.clone();
    std::mem::forget(vm);
    let hint = lab.daemon.image(&format!("{id}.ovf"));
    until(30, "the hint tells of the snapshot", || {
        std::fs::read_to_string(&hint).is_ok_and(|text| text.contains("moment"))
    });

    let recover = |lab: &Lab| {
        let ended = lab.daemon.subcommand("recover").output().unwrap();
        let said = [ended.stdout, ended.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        (ended.status.success(), said.concat())
    };
    let (done, said) = recover(&lab);
    assert!(!done && said.contains("Another vireo"), "{said}");
    lab.daemon.kill();
    let (done, said) = recover(&lab);
    assert!(!done && said.contains("There is a database already"), "{said}");
    std::fs::remove_file(lab.daemon.state.join("vireo.db")).unwrap();
    let (done, said) = recover(&lab);
    assert!(done && said.contains("recovered 1 VMs, 0 templates, 1 disks and 1 snapshots"), "{said}");

    lab.daemon.restart();
    let vm = Vm { lab: &lab, id };
    assert_eq!(vm.state(), "up");
    assert!(read(&mut guest).contains("pattern-B"), "the guest never noticed");
    vm.act("stop");
    assert!(read(&mut vm.boot()).contains("pattern-B"));
    vm.act("stop");
    lab.client().post(&format!("{snapshot}/restore"), "<action/>").is(200);
    assert!(read(&mut vm.boot()).contains("pattern-A"), "the snapshot is as good as before");
    vm.act("stop");
}
