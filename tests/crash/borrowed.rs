//! Disks' snapshots on other VMs.

use super::lab::{Lab, new_disk, onto};
use super::sim::sweep;
use vireo::engine::{NewAttachment, NewSnapshot, StartOptions};
use vireo::model::*;

struct Backup {
    vm: VmId,
    disk: DiskId,
    snapshot: SnapshotId,
}

/// A VM that runs with a snapshot, and one that is to read that.
async fn lent(lab: &Lab, runs: bool) -> Backup {
    let lender = lab.vm("a").await;
    let disk = lab.disk(new_disk("d"), Some(onto(lender))).await.unwrap();
    lab.start(lender).await;
    let new = NewSnapshot { description: "s".into(), memory: false, disks: None };
    let snapshot = lab.engine.create_snapshot(lender, new).await.unwrap().finished().await.unwrap();
    let vm = lab.vm("b").await;
    if runs {
        lab.start(vm).await;
    }
    Backup { vm, disk, snapshot }
}

async fn borrow(lab: &Lab, it: &Backup, active: bool) -> vireo::error::Result<()> {
    let onto = NewAttachment { vm: it.vm, active: Some(active), read_only: false };
    lab.engine.borrow_disk(it.disk, it.snapshot, onto).await
}

/// The same, which has it.
async fn borrowed(lab: &Lab, runs: bool, active: bool) -> Backup {
    let it = lent(lab, runs).await;
    borrow(lab, &it, active).await.unwrap();
    it
}

#[test]
fn borrow_while_it_runs() {
    sweep(async |lab| lent(lab, true).await, async |lab, it| borrow(lab, it, true).await);
}

#[test]
fn borrow_while_it_is_down() {
    sweep(async |lab| lent(lab, false).await, async |lab, it| borrow(lab, it, true).await);
}

#[test]
fn activate_what_is_borrowed() {
    sweep(
        async |lab| borrowed(lab, true, false).await,
        async |lab, it| lab.engine.activate_disk(it.vm, it.disk).await,
    );
}

#[test]
fn deactivate_what_is_borrowed() {
    sweep(
        async |lab| borrowed(lab, true, true).await,
        async |lab, it| lab.engine.deactivate_disk(it.vm, it.disk).await,
    );
}

#[test]
fn give_back_what_is_plugged() {
    sweep(
        async |lab| borrowed(lab, true, true).await,
        async |lab, it| lab.engine.detach_disk(it.vm, it.disk).await,
    );
}

#[test]
fn give_back_what_is_not_plugged() {
    sweep(
        async |lab| borrowed(lab, false, false).await,
        async |lab, it| lab.engine.detach_disk(it.vm, it.disk).await,
    );
}

#[test]
fn start_with_what_is_borrowed() {
    sweep(
        async |lab| borrowed(lab, false, true).await,
        async |lab, it| lab.engine.start_vm(it.vm, StartOptions::default()).await,
    );
}

#[test]
fn stop_with_what_is_borrowed() {
    sweep(async |lab| borrowed(lab, true, true).await, async |lab, it| lab.engine.stop_vm(it.vm).await);
}

#[test]
fn remove_vm_that_borrows() {
    sweep(
        async |lab| borrowed(lab, false, true).await,
        async |lab, it| lab.engine.remove_vm(it.vm, false).await,
    );
}
