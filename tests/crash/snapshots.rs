//! Every change of snapshots.

use super::audit::audit;
use super::lab::{Lab, grown, new_disk, onto};
use super::sim::{alone, sweep};
use std::collections::BTreeSet;
use vireo::engine::{NewDisk, NewSnapshot, Restored, RunOnce, StartOptions};
use vireo::model::*;

/// More calls than a snapshot makes.
const MOST_CALLS: u64 = 30;

fn named(description: &str, memory: bool) -> NewSnapshot {
    NewSnapshot { description: description.into(), memory, disks: None }
}

async fn snapshot(lab: &Lab, vm: VmId, new: NewSnapshot) -> SnapshotId {
    lab.engine.create_snapshot(vm, new).await.unwrap().finished().await.unwrap()
}

/// A VM with a qcow2 and a raw disk, and so many snapshots, `s0` and so on.
async fn with_snapshots(lab: &Lab, count: usize, runs: bool) -> (VmId, Vec<SnapshotId>) {
    let vm = lab.vm("a").await;
    lab.disk(new_disk("cow"), Some(onto(vm))).await.unwrap();
    let raw = NewDisk { format: DiskFormat::Raw, ..new_disk("raw") };
    lab.disk(raw, Some(onto(vm))).await.unwrap();
    let mut ids = Vec::new();
    for n in 0..count {
        ids.push(snapshot(lab, vm, named(&format!("s{n}"), false)).await);
    }
    if runs {
        lab.start(vm).await;
    }
    (vm, ids)
}

fn create(runs: bool, agent: bool, new: NewSnapshot) {
    sweep(
        async |lab| {
            let (vm, _) = with_snapshots(lab, 1, runs).await;
            lab.sim.set_agent(vm, agent);
            vm
        },
        async |lab, vm| {
            let made = lab.engine.create_snapshot(*vm, new.clone()).await?;
            made.finished().await.map(drop)
        },
    );
}

#[test]
fn snapshot_of_vm_that_is_down() {
    create(false, false, named("n", true));
}

#[test]
fn snapshot_of_vm_that_runs() {
    create(true, false, named("n", false));
}

#[test]
fn quiesced_snapshot() {
    create(true, true, named("n", false));
}

#[test]
fn snapshot_with_memory() {
    create(true, false, named("n", true));
}

/// libvirt goes on with a snapshot whose caller it has lost, whenever the daemon was killed.
#[test]
fn snapshot_with_memory_outlives_its_caller() {
    let mut ends = BTreeSet::new();
    for n in 0..MOST_CALLS {
        let lab = alone(async {
            let lab = Lab::new().await;
            let (vm, _) = with_snapshots(&lab, 1, true).await;
            lab.rest().await;
            lab.sim.let_snapshot_last(3);
            // Without a kill it is the daemon that gives it up.
            if n > 0 {
                lab.steps.cut_at(n);
            }
            if let Ok(made) = lab.engine.create_snapshot(vm, named("n", true)).await {
                made.finished().await.unwrap_err();
            }
            lab
        });
        alone(async {
            lab.steps.heal();
            let lab = lab.restarted(lab.store.reopened().unwrap()).await;
            lab.rest().await;
            assert_eq!(audit(&lab).await, [""; 0], "killed at {n}");
            let count = lab.engine.world().snapshots.len();
            assert!(n > 0 || count == 1, "given up");
            ends.insert(count);
        });
    }
    assert_eq!(ends, [1, 2].into(), "undone before the call, there after it");
}

fn remove(of: usize, which: usize, runs: bool) {
    sweep(
        async |lab| {
            let (vm, ids) = with_snapshots(lab, of, runs).await;
            (vm, ids[which])
        },
        async |lab, (vm, id)| lab.engine.remove_snapshot(*vm, *id).await?.finished().await,
    );
}

#[test]
fn remove_the_only_snapshot() {
    remove(1, 0, false);
}

#[test]
fn remove_the_oldest_snapshot() {
    remove(3, 0, false);
}

#[test]
fn remove_the_only_snapshot_while_the_vm_runs() {
    remove(1, 0, true);
}

#[test]
fn remove_the_newest_snapshot_while_the_vm_runs() {
    remove(2, 1, true);
}

#[test]
fn remove_the_oldest_snapshot_while_the_vm_runs() {
    remove(3, 0, true);
}

#[test]
fn remove_one_disk_of_a_snapshot() {
    sweep(
        async |lab| {
            let (vm, ids) = with_snapshots(lab, 2, false).await;
            let disk = lab.engine.world().snapshots[&ids[0]].disks[0].disk.id;
            (vm, ids[0], disk)
        },
        async |lab, (vm, id, disk)| lab.engine.remove_disk_snapshot(*vm, *id, *disk).await?.finished().await,
    );
}

/// Since the snapshot the VM has changed: its configuration, the size of a disk, a disk more.
async fn changed(lab: &Lab) -> (VmId, SnapshotId) {
    let (vm, ids) = with_snapshots(lab, 2, false).await;
    let disk = lab.engine.world().disks_of(vm)[0].1.id;
    lab.engine.update_disk(disk, Some(vm), grown(2 * GIB)).await.unwrap();
    lab.disk(new_disk("later"), Some(onto(vm))).await.unwrap();
    lab.engine
        .update_vm(vm, false, |spec| {
            spec.memory = 2 * GIB;
            Ok(())
        })
        .await
        .unwrap();
    snapshot(lab, vm, named("latest", false)).await;
    (vm, ids[0])
}

#[test]
fn restore() {
    sweep(changed, async |lab, (vm, id)| {
        lab.engine.preview_snapshot(*vm, *id, Restored::default(), true).await
    });
}

#[test]
fn restore_disks_of_two_snapshots() {
    sweep(
        async |lab| {
            let (vm, id) = changed(lab).await;
            let latest = lab.engine.snapshots(vm).unwrap().last().unwrap().id;
            let disks = lab.engine.world().disks_of(vm).iter().map(|(_, disk)| disk.id).collect::<Vec<_>>();
            (vm, id, latest, disks)
        },
        async |lab, (vm, id, latest, disks)| {
            let only = [(disks[0], *id), (disks[1], *latest)].into();
            let restored = Restored { only: Some(only), memory: false };
            lab.engine.preview_snapshot(*vm, *id, restored, true).await
        },
    );
}

#[test]
fn restore_one_disk() {
    sweep(changed, async |lab, (vm, id)| {
        let disk = lab.engine.world().disks_of(*vm)[0].1.id;
        let restored = Restored { only: Some([(disk, *id)].into()), memory: false };
        lab.engine.preview_snapshot(*vm, *id, restored, true).await
    });
}

#[test]
fn preview() {
    sweep(changed, async |lab, (vm, id)| {
        lab.engine.preview_snapshot(*vm, *id, Restored::default(), false).await
    });
}

async fn previewed(lab: &Lab) -> VmId {
    let (vm, id) = changed(lab).await;
    lab.engine.preview_snapshot(vm, id, Restored::default(), false).await.unwrap();
    vm
}

#[test]
fn commit_a_preview() {
    sweep(previewed, async |lab, vm| lab.engine.commit_snapshot(*vm).await);
}

#[test]
fn undo_a_preview() {
    sweep(previewed, async |lab, vm| lab.engine.undo_snapshot(*vm).await);
}

#[test]
fn remove_vm_with_snapshots() {
    sweep(
        async |lab| with_snapshots(lab, 2, false).await.0,
        async |lab, vm| lab.engine.remove_vm(*vm, false).await,
    );
}

#[test]
fn remove_disk_with_snapshots() {
    sweep(
        async |lab| {
            let (vm, _) = with_snapshots(lab, 2, false).await;
            lab.engine.world().disks_of(vm)[0].1.id
        },
        async |lab, disk| lab.engine.remove_disk(*disk).await,
    );
}

#[test]
fn grow_disk_with_snapshots() {
    sweep(
        async |lab| {
            let (vm, _) = with_snapshots(lab, 2, false).await;
            (vm, lab.engine.world().disks_of(vm)[0].1.id)
        },
        async |lab, (vm, disk)| lab.engine.update_disk(*disk, Some(*vm), grown(2 * GIB)).await,
    );
}

/// A VM that was brought back to a snapshot with memory.
async fn asleep(lab: &Lab) -> VmId {
    let (vm, _) = with_snapshots(lab, 1, true).await;
    let id = snapshot(lab, vm, named("remembers", true)).await;
    lab.engine.stop_vm(vm).await.unwrap();
    let restored = Restored { only: None, memory: true };
    lab.engine.preview_snapshot(vm, id, restored, true).await.unwrap();
    vm
}

#[test]
fn restore_with_memory() {
    sweep(
        async |lab| {
            let (vm, _) = with_snapshots(lab, 1, true).await;
            let id = snapshot(lab, vm, named("remembers", true)).await;
            lab.engine.stop_vm(vm).await.unwrap();
            (vm, id)
        },
        async |lab, (vm, id)| {
            let restored = Restored { only: None, memory: true };
            lab.engine.preview_snapshot(*vm, *id, restored, true).await
        },
    );
}

#[test]
fn wake_from_memory() {
    sweep(asleep, async |lab, vm| lab.engine.start_vm(*vm, StartOptions::default()).await);
}

#[test]
fn wake_from_memory_and_stay_paused() {
    sweep(asleep, async |lab, vm| {
        lab.engine.start_vm(*vm, StartOptions { pause: true, ..StartOptions::default() }).await
    });
}

/// Its memory knows it by another name than everybody else does.
#[test]
fn wake_a_renamed_vm_from_memory() {
    sweep(
        async |lab| {
            let vm = asleep(lab).await;
            let rename = |spec: &mut VmSpec| {
                spec.name = "renamed".into();
                Ok(())
            };
            lab.engine.update_vm(vm, false, rename).await.unwrap();
            vm
        },
        async |lab, vm| lab.engine.start_vm(*vm, StartOptions::default()).await,
    );
}

/// A VM of which no run leaves anything behind.
async fn stateless(lab: &Lab) -> VmId {
    let (vm, _) = with_snapshots(lab, 1, false).await;
    let forget = |spec: &mut VmSpec| {
        spec.stateless = true;
        Ok(())
    };
    lab.engine.update_vm(vm, false, forget).await.unwrap();
    vm
}

#[test]
fn start_stateless_vm() {
    sweep(stateless, async |lab, vm| lab.engine.start_vm(*vm, StartOptions::default()).await);
}

#[test]
fn run_vm_once_without_traces() {
    sweep(
        async |lab| with_snapshots(lab, 0, false).await.0,
        async |lab, vm| {
            let once = Some(RunOnce { stateless: Some(true), ..RunOnce::default() });
            lab.engine.start_vm(*vm, StartOptions { once, ..StartOptions::default() }).await
        },
    );
}

#[test]
fn stop_stateless_vm() {
    sweep(
        async |lab| {
            let vm = stateless(lab).await;
            lab.start(vm).await;
            vm
        },
        async |lab, vm| lab.engine.stop_vm(*vm).await,
    );
}

#[test]
fn guest_of_stateless_vm_powers_off() {
    sweep(
        async |lab| {
            let vm = stateless(lab).await;
            lab.start(vm).await;
            vm
        },
        async |lab, vm| lab.engine.shutdown_vm(*vm).await,
    );
}
