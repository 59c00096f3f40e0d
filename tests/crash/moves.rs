//! Disks that move to another storage domain, and their copies.

use super::lab::{Lab, new_disk, onto};
use super::sim::sweep;
use vireo::engine::{NewDisk, NewSnapshot};
use vireo::model::*;

/// A disk on a VM in that state, and where it is to go.
async fn arranged(lab: &Lab, runs: bool, snapshots: usize) -> (DiskId, StorageDomainId) {
    let to = lab.domain("b").await;
    let vm = lab.vm("a").await;
    let new = NewDisk { wipe_after_delete: Some(true), ..new_disk("d") };
    let disk = lab.disk(new, Some(onto(vm))).await.unwrap();
    for n in 0..snapshots {
        let new = NewSnapshot { description: format!("s{n}"), memory: false, disks: None };
        lab.engine.create_snapshot(vm, new).await.unwrap().finished().await.unwrap();
    }
    if runs {
        lab.start(vm).await;
    }
    (disk, to)
}

fn moves(runs: bool, snapshots: usize) {
    sweep(
        async |lab| arranged(lab, runs, snapshots).await,
        async |lab, (disk, to)| lab.engine.move_disk(*disk, *to).await?.finished().await.map(drop),
    );
}

#[test]
fn move_disk_of_vm_that_is_down() {
    moves(false, 0);
}

#[test]
fn move_disk_of_vm_that_runs() {
    moves(true, 0);
}

#[test]
fn move_disk_with_snapshots() {
    moves(false, 1);
}

#[test]
fn move_disk_with_snapshots_of_vm_that_runs() {
    moves(true, 1);
}

#[test]
fn move_floating_disk() {
    sweep(
        async |lab| (lab.floating("d").await, lab.domain("b").await),
        async |lab, (disk, to)| lab.engine.move_disk(*disk, *to).await?.finished().await.map(drop),
    );
}

#[test]
fn copy_disk() {
    sweep(
        async |lab| arranged(lab, false, 0).await,
        async |lab, (disk, to)| {
            lab.engine.copy_disk(*disk, *to, Some("twin".into())).await?.finished().await.map(drop)
        },
    );
}
