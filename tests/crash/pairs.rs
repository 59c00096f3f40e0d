//! Any two changes of one running VM at once, whose guest may take its time.

use super::audit::audit;
use super::lab::{Lab, grown, new_disk, onto};
use super::races::{Change, lasting, random};
use super::sim::alone;
use std::collections::BTreeSet;
use std::panic::RefUnwindSafe;
use std::time::Duration;
use vireo::engine::ports::StopDetail;
use vireo::engine::{DiskChange, NewSnapshot, NicChange};
use vireo::error::Kind;
use vireo::model::*;

/// About as many calls as two changes make.
const MOST_CALLS: u64 = 24;

/// What the changes are of.
struct Things {
    vm: VmId,
    first: DiskId,
    later: DiskId,
    spare: DiskId,
    other_spare: DiskId,
    floating: DiskId,
    plugged: NicId,
    unplugged: NicId,
    snapshot: SnapshotId,
    elsewhere: StorageDomainId,
}

async fn arranged() -> (Lab, Things) {
    let lab = Lab::new().await;
    let elsewhere = lab.domain("elsewhere").await;
    lab.isos(&["a.iso", "b.iso"]);
    let (vm, disks) = lab.vm_with_disks("a", 3).await;
    let of_vm = NewSnapshot { description: "s".into(), memory: false, disks: None };
    let snapshot = lab.engine.create_snapshot(vm, of_vm).await.unwrap().finished().await.unwrap();
    let [first, spare, other_spare] = disks[..] else { unreachable!() };
    let later = lab.disk(new_disk("later"), Some(onto(vm))).await.unwrap();
    lab.engine.deactivate_disk(vm, spare).await.unwrap();
    lab.engine.deactivate_disk(vm, other_spare).await.unwrap();
    lab.engine.configure_medium(vm, false, Some("a.iso".into())).await.unwrap();
    let nic = |name: &str, plugged| NicChange {
        name: Some(name.into()),
        plugged: Some(plugged),
        ..NicChange::default()
    };
    let plugged = lab.engine.add_nic(vm, nic("nic1", true)).await.unwrap();
    let unplugged = lab.engine.add_nic(vm, nic("nic2", false)).await.unwrap();
    let floating = lab.floating("f").await;
    lab.start(vm).await;
    let things =
        Things { vm, first, later, spare, other_spare, floating, plugged, unplugged, snapshot, elsewhere };
    (lab, things)
}

/// A change, and what it is called.
type Named = (&'static str, fn(&Lab, &Things) -> Change);

macro_rules! changes {
    ($($name:ident: |$lab:ident, $of:ident| $work:expr;)*) => {
        [$((stringify!($name), |lab: &Lab, $of: &Things| {
            let ($lab, $of) = (lab.clone(), Things { ..*$of });
            Box::pin(async move { $work }) as Change
        })),*]
    };
}

const CHANGES: [Named; 29] = changes! {
    deactivate: |lab, of| lab.engine.deactivate_disk(of.vm, of.first).await;
    activate: |lab, of| lab.engine.activate_disk(of.vm, of.spare).await;
    detach: |lab, of| {
        lab.engine.deactivate_disk(of.vm, of.later).await?;
        lab.engine.detach_disk(of.vm, of.later).await
    };
    attach: |lab, of| lab.engine.attach_disk(of.floating, onto(of.vm)).await;
    add_disk: |lab, of| lab.disk(new_disk("n"), Some(onto(of.vm))).await.map(drop);
    remove_disk: |lab, of| lab.engine.remove_disk(of.spare).await;
    remove_other_disk: |lab, of| lab.engine.remove_disk(of.other_spare).await;
    boot_from_disk: |lab, of| {
        let change = DiskChange { bootable: Some(true), ..DiskChange::default() };
        lab.engine.update_disk(of.spare, Some(of.vm), change).await
    };
    grow: |lab, of| lab.engine.update_disk(of.first, Some(of.vm), grown(2 * GIB)).await;
    grow_spare: |lab, of| lab.engine.update_disk(of.spare, None, grown(2 * GIB)).await;
    move_disk: |lab, of| lab.engine.move_disk(of.first, of.elsewhere).await?.finished().await.map(drop);
    unplug: |lab, of| lab.engine.update_nic(of.vm, of.plugged, plug(false)).await;
    plug: |lab, of| lab.engine.update_nic(of.vm, of.unplugged, plug(true)).await;
    remove_nic: |lab, of| lab.engine.remove_nic(of.vm, of.unplugged).await;
    unlink: |lab, of| {
        let change = NicChange { linked: Some(false), ..NicChange::default() };
        lab.engine.update_nic(of.vm, of.plugged, change).await
    };
    replace_nic: |lab, of| {
        let change = NicChange { interface: Some(NicInterface::E1000), plugged: Some(false), ..NicChange::default() };
        lab.engine.update_nic(of.vm, of.plugged, change).await
    };
    add_nic: |lab, of| {
        let change = NicChange { name: Some("nic3".into()), ..NicChange::default() };
        lab.engine.add_nic(of.vm, change).await.map(drop)
    };
    insert: |lab, of| lab.engine.change_medium(of.vm, Some("b.iso".into()), false).await;
    insert_for_good: |lab, of| lab.engine.configure_medium(of.vm, false, Some("b.iso".into())).await;
    shrink_memory: |lab, of| lab.engine.update_vm(of.vm, false, |spec| memory(spec, GIB / 2)).await;
    memory_of_next_run: |lab, of| lab.engine.update_vm(of.vm, true, |spec| memory(spec, 2 * GIB)).await;
    rename: |lab, of| {
        let rename = |spec: &mut VmSpec| {
            spec.name = "b".into();
            Ok(())
        };
        lab.engine.update_vm(of.vm, false, rename).await
    };
    snapshot: |lab, of| {
        let new = NewSnapshot { description: "n".into(), memory: false, disks: None };
        lab.engine.create_snapshot(of.vm, new).await?.finished().await.map(drop)
    };
    remove_snapshot: |lab, of| lab.engine.remove_snapshot(of.vm, of.snapshot).await?.finished().await.map(drop);
    remove_disk_snapshot: |lab, of| {
        let removal = lab.engine.remove_disk_snapshot(of.vm, of.snapshot, of.spare).await?;
        removal.finished().await
    };
    stop: |lab, of| lab.engine.stop_vm(of.vm).await;
    suspend: |lab, of| lab.engine.suspend_vm(of.vm).await?.finished().await;
    power_off: |lab, of| {
        lab.sim.stop(of.vm, StopDetail::Shutdown);
        Ok(())
    };
    reset_interface: |lab, of| {
        let change = NicChange { network: Some(None), ..NicChange::default() };
        lab.engine.update_nic(of.vm, of.unplugged, change).await
    };
};

fn plug(plugged: bool) -> NicChange {
    NicChange { plugged: Some(plugged), ..NicChange::default() }
}

fn memory(spec: &mut VmSpec, bytes: u64) -> vireo::error::Result<()> {
    spec.memory = bytes;
    spec.guaranteed_memory = spec.guaranteed_memory.min(bytes);
    Ok(())
}

/// A VM that is suspended takes no changes, and the audit tries some.
async fn wake(lab: &Lab, vm: VmId) {
    if lab.engine.status(vm) == VmStatus::Suspended {
        lab.start(vm).await;
    }
}

/// One after the other by some random time; the guest heeds both later still, if it is slow.
async fn meet(early: &Named, late: &Named, seed: u64) -> Vec<&'static str> {
    let (lab, things) = arranged().await;
    let pause = |n: u64| Duration::from_micros(random(seed.wrapping_add(n << 32)) % 4000);
    let is_slow = !random(seed ^ 0x5150).is_multiple_of(3);
    if is_slow {
        lab.sim.ignore_requests(things.vm);
    }
    let first = tokio::spawn((early.1)(&lab, &things));
    tokio::time::sleep(pause(1)).await;
    let second = tokio::spawn((late.1)(&lab, &things));
    tokio::time::sleep(pause(2)).await;
    if is_slow {
        lab.sim.heed_requests(things.vm);
    }
    let results = [first.await.unwrap(), second.await.unwrap()];
    let story = format!("{} then {}, seed {seed}, slow {is_slow}: {results:?}", early.0, late.0);
    for refused in results.iter().filter_map(|result| result.as_ref().err()) {
        assert!(!matches!(refused.kind, Kind::Bug | Kind::Unavailable | Kind::Host), "{story}");
    }
    wake(&lab, things.vm).await;
    let wrong = lasting(&lab, Vec::new).await;
    assert!(wrong.is_empty(), "{story}\n{wrong:#?}");
    let done = [early.0, late.0].into_iter().zip(&results).filter(|(_, result)| result.is_ok());
    done.map(|(name, _)| name).collect()
}

/// The same two, but the daemon is killed in their midst, and so is the host in every other round.
fn cut_short(early: &Named, late: &Named, seed: u64) {
    let (lab, vm, story) = alone(async {
        let (lab, things) = arranged().await;
        lab.rest().await;
        let at = 1 + random(seed) % MOST_CALLS;
        lab.steps.cut_at(at);
        let first = tokio::spawn((early.1)(&lab, &things));
        tokio::time::sleep(Duration::from_micros(random(!seed) % 4000)).await;
        let second = tokio::spawn((late.1)(&lab, &things));
        let results = [first.await.unwrap(), second.await.unwrap()];
        // What events began goes on after the answer.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let story = format!("{} then {}, seed {seed}, cut at {at}: {results:?}", early.0, late.0);
        (lab, things.vm, story)
    });
    lab.steps.heal();
    let store = if seed.is_multiple_of(2) { lab.store.reopened() } else { lab.store.after_power_loss() };
    let wrong = alone(async {
        let lab = lab.restarted(store.unwrap()).await;
        lab.rest().await;
        wake(&lab, vm).await;
        audit(&lab).await
    });
    assert!(wrong.is_empty(), "{story}\n{wrong:#?}");
}

/// How often each pair meets: `VIREO_PAIRS`. Without it, every third one meets, once.
fn rounds() -> Option<u64> {
    std::env::var("VIREO_PAIRS").ok()?.parse().ok()
}

/// Lets any two meet, each with its like, too. Tells which of them did what they were to do.
fn every_pair(
    meet: impl Fn(&Named, &Named, u64) -> Vec<&'static str> + RefUnwindSafe,
) -> BTreeSet<&'static str> {
    let (mut failed, mut done) = (Vec::new(), BTreeSet::new());
    for (n, one) in CHANGES.iter().enumerate() {
        for (m, other) in CHANGES.iter().enumerate().skip(n) {
            let (all, times) = rounds().map_or((false, 1), |times| (true, times));
            for round in (0..times).filter(|_| all || (n + m).is_multiple_of(3)) {
                let seed = round << 16 | (n as u64) << 8 | m as u64;
                let (early, late) = if random(!seed).is_multiple_of(2) { (one, other) } else { (other, one) };
                match std::panic::catch_unwind(|| meet(early, late, seed)) {
                    Ok(names) => done.extend(names),
                    Err(why) => failed.push(why.downcast_ref::<String>().cloned().unwrap_or_default()),
                }
            }
        }
    }
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
    done
}

#[test]
fn any_two_changes_of_a_vm_whose_guest_takes_its_time() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let done = every_pair(|early, late, seed| runtime.block_on(meet(early, late, seed)));
    let never: Vec<&str> =
        CHANGES.iter().map(|(name, _)| *name).filter(|name| !done.contains(name)).collect();
    assert_eq!(never, [""; 0], "refused whatever they met");
}

#[test]
fn any_two_changes_cut_short() {
    every_pair(|early, late, seed| {
        cut_short(early, late, seed);
        vec![]
    });
}
