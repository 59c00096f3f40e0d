//! Disks' snapshots on another VM, as backup tools read them while the first guest goes on.

use super::disks::{find, gone};
use super::harness::{Boots, Disk, MIB, lab, until};
use super::templates::{made, read, write};
use std::fs;

/// Where the mini guest writes: its fourth sector.
fn text(name: &str) -> String {
    format!("dd if=/dev/{name} bs=512 skip=3 count=1 2>/dev/null | tr -d '\\0'")
}

#[test]
fn a_backup_vm_reads_what_a_snapshot_keeps() {
    let Some(lab) = lab() else { return };
    let lab = &*lab;
    let client = lab.client();
    let lender = lab.vm("lender", Boots::Mini, "");
    let disk = lender.add_disk(&Disk::document(8, "virtio", "cow", ""));
    let mut writes = lender.boot();
    write(&mut writes, "pattern-A");
    let frozen = disk.file();
    let snapshots = format!("{}/snapshots", lender.path());
    let taken = made(lab, &snapshots, "<snapshot><description>s</description></snapshot>");
    let snapshot = taken.value("@id").unwrap();
    write(&mut writes, "pattern-B");

    let backup = lab.vm("backup", Boots::Linux, "");
    let mut reads = backup.boot();
    let more = format!("<snapshot id='{snapshot}'/><active>true</active>");
    Disk::attach(&backup, &disk.id, &more).is(200);
    let there = Disk::of(&backup, &disk.id);
    assert_eq!(there.field("snapshot/@id").as_deref(), Some(&*snapshot));
    let name = find(&mut reads, &there);
    assert_eq!(reads.ask(&text(&name)), "pattern-A");

    // What it writes, nobody else sees, nor itself the next time.
    let overlay = there.device().unwrap().value("source/@file").unwrap();
    reads.ask(&format!("yes spoiled | head -c {MIB} | dd of=/dev/{name} bs=64k conv=fsync"));
    assert!(read(&mut writes).contains("pattern-B"));
    write(&mut writes, "pattern-C");
    there.deactivate();
    gone(&mut reads, &name);
    there.activate();
    let name = find(&mut reads, &there);
    assert_eq!(reads.ask(&text(&name)), "pattern-A");

    // As long as it is there, nothing of the disk goes.
    let refused = client.delete(&format!("{snapshots}/{snapshot}")).refused(409);
    assert!(refused.contains("attached to VM backup"), "{refused}");
    client.delete(&there.path()).refused(409);
    backup.lab.client().post(&format!("{}/suspend", backup.path()), "<action/>").refused(409);

    // A run of its own begins with it as it was, too.
    reads.ask(&format!("yes spoiled | head -c {MIB} | dd of=/dev/{name} bs=64k conv=fsync"));
    backup.act("stop");
    let mut reads = backup.boot();
    let name = find(&mut reads, &there);
    assert_eq!(reads.ask(&text(&name)), "pattern-A");

    let detach = "<action><detach>true</detach></action>";
    client.send("DELETE", &there.path(), &[], detach).is(204);
    gone(&mut reads, &name);
    assert!(!fs::exists(&overlay).unwrap(), "{overlay} is left");
    client.delete(&format!("{snapshots}/{snapshot};async=false")).is(204);
    until(10, "the snapshot's end", || client.get(&format!("{snapshots}/{snapshot}")).status == 404);
    assert!(disk.file() == frozen && frozen.exists(), "merged into the image that was lent");
    assert!(read(&mut writes).contains("pattern-C"), "the lender never noticed");
}
