//! Disks' snapshots on other VMs: what documents say, and what is refused as long as they are there.

use super::*;

const NOBODY: &str = "11111111-2222-4333-8444-555555555555";
const DETACH: &str = "<action><detach>true</detach></action>";

/// A VM with a disk and a snapshot of it, and another VM.
async fn arranged(sim: &Sim) -> (VmId, VmId, DiskId, String) {
    let (lender, backup) = (sim.vm("a").await, sim.vm("b").await);
    let disk = sim.disk(&format!("/vms/{lender}/disks"), "system").await;
    let snapshot = sim.take(lender, "").await;
    (lender, backup, disk, snapshot)
}

#[tokio::test]
async fn a_snapshot_of_a_disk_is_attached() {
    let sim = Sim::start().await;
    let (lender, backup, disk, snapshot) = arranged(&sim).await;
    let at = format!("/vms/{backup}/disks");
    let asked = format!("<disk id='{disk}'><snapshot id='{snapshot}'/></disk>");
    let made = sim.post(&at, &asked).await.is(200);
    let said = ["@id", "snapshot/@id", "snapshot/vm/@id", "vm/@id", "active", "bootable", "name"];
    let wanted =
        [&disk.to_string(), &*snapshot, &lender.to_string(), &backup.to_string(), "false", "false", "system"];
    assert_eq!(said.map(|path| made.at(path)), wanted);
    assert_eq!(sim.get(&at).await.each("disk", "@id"), [disk.to_string()]);
    assert!(sim.post(&at, &asked).await.is(409).body.contains("already attached"));
    let here = format!("{at}/{disk}");
    sim.get(&format!("{here}/statistics")).await.is(200);

    sim.post(&format!("{here}/activate"), "<action/>").await.is(200);
    let defined = sim.defined(backup).to_string();
    let image = sim.get(&here).await.at("image_id");
    assert!(
        defined.contains(&image)
            && !defined.contains(&sim.get(&format!("/disks/{disk}")).await.at("image_id"))
    );
    assert_eq!(sim.post(&format!("{here}/activate"), "<action/>").await.status, 409);
    sim.post(&format!("{here}/deactivate"), "<action/>").await.is(200);
    sim.with_body("DELETE", &here, DETACH).await.is(204);
    assert_eq!(sim.get(&here).await.status, 404);
    assert!(!sim.images.files().iter().any(|file| file.to_string_lossy().contains(&image)));
    // The disk is where it was.
    sim.get(&format!("/vms/{lender}/disks/{disk}")).await.is(200);
}

#[tokio::test]
async fn what_is_lent_stays() {
    let sim = Sim::start().await;
    let (lender, backup, disk, snapshot) = arranged(&sim).await;
    let asked = format!("<disk id='{disk}'><snapshot id='{snapshot}'/><active>true</active></disk>");
    sim.post(&format!("/vms/{backup}/disks"), &asked).await.is(200);
    let (own, there) = (format!("/vms/{lender}"), format!("/vms/{backup}/disks/{disk}"));
    let preview = format!("<action><snapshot id='{snapshot}'/></action>");
    let files = sim.images.files();
    let second = sim.domain("second", "data").await;
    let to = format!("<action><storage_domain id='{second}'/></action>");
    let force = "<action><force>true</force></action>";
    for (method, path, body) in [
        ("DELETE", own.clone(), ""),
        ("DELETE", format!("/disks/{disk}"), force),
        ("DELETE", own.clone(), force),
        ("DELETE", format!("{own}/disks/{disk}"), ""),
        ("DELETE", format!("/disks/{disk}"), ""),
        ("DELETE", format!("{own}/snapshots/{snapshot}"), ""),
        ("POST", format!("{own}/snapshots/{snapshot}/restore"), "<action/>"),
        ("POST", format!("{own}/preview_snapshot"), &*preview),
        ("POST", format!("{own}/disks/{disk}/move"), &*to),
    ] {
        let got = sim.with_body(method, &path, body).await.is(409);
        assert!(got.body.contains("attached to VM b"), "{method} {path}: {}", got.body);
    }
    for (method, body) in [("DELETE", ""), ("DELETE", "<action/>"), ("PUT", "<disk><name>n</name></disk>")] {
        let got = sim.with_body(method, &there, body).await.is(409);
        assert!(got.body.contains("is a snapshot of another VM"), "{method}: {}", got.body);
    }
    assert_eq!(sim.images.files(), files);
    // Whoever has it may go with it.
    sim.delete(&format!("/vms/{backup}")).await.is(204);
    sim.delete(&own).await.is(204);
    assert!(!sim.images.files().iter().any(|file| file.extension().is_some_and(|it| it == "qcow2")));
}

#[tokio::test]
async fn what_cannot_be_attached() {
    let sim = Sim::start().await;
    let (lender, backup, disk, snapshot) = arranged(&sim).await;
    let other = sim.disk("/disks", "other").await;
    for (vm, body, status) in [
        (backup, format!("<disk id='{disk}'><snapshot id='{NOBODY}'/></disk>"), 400),
        (backup, format!("<disk id='{disk}'><snapshot id='x'/></disk>"), 400),
        (backup, format!("<disk id='{disk}'><snapshot/></disk>"), 400),
        (backup, format!("<disk><snapshot id='{snapshot}'/></disk>"), 400),
        (backup, format!("<disk id='{other}'><snapshot id='{snapshot}'/></disk>"), 400),
        (lender, format!("<disk id='{disk}'><snapshot id='{snapshot}'/></disk>"), 409),
    ] {
        sim.post(&format!("/vms/{vm}/disks"), &body).await.is(status);
    }
    assert_eq!(sim.get(&format!("/vms/{backup}/disks")).await.each("disk", "@id"), [""; 0]);
    let preview = format!("<action><snapshot id='{snapshot}'/></action>");
    sim.post(&format!("/vms/{lender}/preview_snapshot"), &preview).await.is(200);
    let asked = format!("<disk id='{disk}'><snapshot id='{snapshot}'/></disk>");
    sim.post(&format!("/vms/{backup}/disks"), &asked).await.is(409);
}

/// Whoever loses the way to the images of others makes nothing of theirs illegal.
#[tokio::test]
async fn the_storage_may_go() {
    let sim = Sim::start().await;
    let (lender, backup, disk, snapshot) = arranged(&sim).await;
    let asked = format!("<disk id='{disk}'><snapshot id='{snapshot}'/><active>true</active></disk>");
    sim.post(&format!("/vms/{backup}/disks"), &asked).await.is(200);
    sim.disk(&format!("/vms/{backup}/disks"), "own").await;
    sim.start_vm(backup).await;
    let there = format!("/vms/{backup}/disks/{disk}");
    sim.post(&format!("/vms/{backup}/suspend"), "<action/>").await.is(409);
    let with_memory =
        "<snapshot><description>s</description><persist_memorystate>true</persist_memorystate></snapshot>";
    sim.post(&format!("/vms/{backup}/snapshots"), with_memory).await.is(409);

    let images = sim.get(&format!("/disks/{disk}")).await.at("storage_domains/storage_domain/@id");
    let folder = sim.get(&format!("/storagedomains/{images}")).await.at("storage/path");
    sim.images.set_missing(&folder, true);
    sim.post(&format!("{there}/deactivate"), "<action/>").await.is(200);
    sim.post(&format!("{there}/activate"), "<action/>").await.is(409);
    sim.with_body("DELETE", &there, DETACH).await.is(409);
    assert_eq!(sim.get(&format!("/vms/{lender}/disks/{disk}")).await.at("status/state"), "ok");
    sim.images.set_missing(&folder, false);
    sim.post(&format!("{there}/activate"), "<action/>").await.is(200);
}
