//! Two changes at once: one wins or both come one after the other, and the world is whole.

use super::audit::audit;
use super::lab::{Lab, grown, new_disk, onto, shareable};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::{Duration, Instant};
use vireo::engine::DiskChange;
use vireo::error::{Kind, Result};
use vireo::model::*;

pub type Change = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// How often each pair runs; R9 and R10 of the full count are `VIREO_RACES=1000`.
fn rounds() -> u64 {
    std::env::var("VIREO_RACES").ok().and_then(|text| text.parse().ok()).unwrap_or(50)
}

/// A random number that a round's seed decides.
pub fn random(seed: u64) -> u64 {
    let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0x2545_F491_4F6C_DD1D);
    x ^= x >> 29;
    x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x ^ (x >> 32)
}

/// What became of the two of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Both,
    One,
    Neither,
}

/// Runs the two side by side, the one or the other ahead by some random microseconds.
fn race<T>(
    arrange: impl AsyncFn(&Lab) -> T,
    pair: impl Fn(&Lab, &T) -> [Change; 2],
    ends: &[End],
    check: impl Fn(&Lab, &T) -> Vec<String>,
) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut seen: BTreeMap<End, u64> = BTreeMap::new();
    runtime.block_on(async {
        for seed in 0..rounds() {
            let lab = Lab::new().await;
            let things = arrange(&lab).await;
            let [first, second] = pair(&lab, &things);
            let lead = Duration::from_micros(random(seed) % 3000);
            let (mut early, mut late) = (first, second);
            if random(seed).is_multiple_of(2) {
                std::mem::swap(&mut early, &mut late);
            }
            let early = tokio::spawn(early);
            tokio::time::sleep(lead).await;
            let late = tokio::spawn(late);
            let results = [early.await.unwrap(), late.await.unwrap()];
            for refused in results.iter().filter_map(|result| result.as_ref().err()) {
                assert!(
                    !matches!(refused.kind, Kind::Bug | Kind::Unavailable | Kind::Host),
                    "seed {seed}: {refused}"
                );
            }
            let end = match results.iter().filter(|result| result.is_ok()).count() {
                2 => End::Both,
                1 => End::One,
                _ => End::Neither,
            };
            *seen.entry(end).or_default() += 1;
            let wrong = lasting(&lab, || check(&lab, &things)).await;
            assert!(wrong.is_empty(), "seed {seed}: {results:?} {wrong:#?}");
            assert!(ends.contains(&end), "seed {seed}: {end:?} {results:?}");
        }
    });
    println!("{} rounds: {seen:?}", rounds());
}

/// What is still wrong when everything has had the time to follow.
pub async fn lasting(lab: &Lab, check: impl Fn() -> Vec<String>) -> Vec<String> {
    let end = Instant::now() + Duration::from_secs(4);
    loop {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let wrong: Vec<String> = audit(lab).await.into_iter().chain(check()).collect();
        if wrong.is_empty() || Instant::now() > end {
            return wrong;
        }
    }
}

fn nothing<T>(_: &Lab, _: &T) -> Vec<String> {
    vec![]
}

macro_rules! change {
    (|$engine:ident| $work:expr) => {{
        let $engine = $engine.clone();
        Box::pin(async move { $work.await }) as Change
    }};
}

#[test]
fn start_and_start() {
    race(
        async |lab| lab.vm_with_disks("a", 1).await.0,
        |lab, vm| {
            let (engine, vm) = (&lab.engine, *vm);
            [
                change!(|engine| engine.start_vm(vm, Default::default())),
                change!(|engine| engine.start_vm(vm, Default::default())),
            ]
        },
        &[End::One],
        nothing,
    );
}

#[test]
fn start_and_remove() {
    race(
        async |lab| lab.vm_with_disks("a", 2).await.0,
        |lab, vm| {
            let (engine, vm) = (&lab.engine, *vm);
            [
                change!(|engine| engine.start_vm(vm, Default::default())),
                change!(|engine| engine.remove_vm(vm, false)),
            ]
        },
        &[End::One],
        nothing,
    );
}

#[test]
fn stop_and_update() {
    race(
        async |lab| {
            let vm = lab.vm("a").await;
            lab.start(vm).await;
            let next = |spec: &mut VmSpec| {
                spec.memory = 2 * GIB;
                Ok(())
            };
            lab.engine.update_vm(vm, true, next).await.unwrap();
            vm
        },
        |lab, vm| {
            let (engine, vm) = (&lab.engine, *vm);
            let rename = |spec: &mut VmSpec| {
                spec.name = "b".into();
                Ok(())
            };
            [change!(|engine| engine.stop_vm(vm)), change!(|engine| engine.update_vm(vm, false, rename))]
        },
        &[End::One, End::Both],
        nothing,
    );
}

#[test]
fn remove_and_remove() {
    race(
        async |lab| lab.vm_with_disks("a", 2).await.0,
        |lab, vm| {
            let (engine, vm) = (&lab.engine, *vm);
            [change!(|engine| engine.remove_vm(vm, false)), change!(|engine| engine.remove_vm(vm, true))]
        },
        &[End::One],
        nothing,
    );
}

#[test]
fn update_and_update() {
    race(
        async |lab| lab.vm("a").await,
        |lab, vm| {
            let (engine, vm) = (&lab.engine, *vm);
            let memory = |spec: &mut VmSpec| {
                spec.memory = 2 * GIB;
                Ok(())
            };
            let sockets = |spec: &mut VmSpec| {
                spec.topology.sockets = 2;
                Ok(())
            };
            [
                change!(|engine| engine.update_vm(vm, false, memory)),
                change!(|engine| engine.update_vm(vm, false, sockets)),
            ]
        },
        &[End::One, End::Both],
        nothing,
    );
}

#[test]
fn same_name_twice() {
    race(
        async |_| (),
        |lab, ()| {
            let engine = &lab.engine;
            let create = || {
                let engine = engine.clone();
                let new = super::lab::new_vm("a");
                Box::pin(async move { engine.create_vm(new).await?.finished().await.map(drop) }) as Change
            };
            [create(), create()]
        },
        &[End::One],
        nothing,
    );
}

#[test]
fn resize_and_resize() {
    race(
        async |lab| {
            let (vm, disks) = lab.vm_with_disks("a", 1).await;
            lab.start(vm).await;
            disks[0]
        },
        |lab, disk| {
            let (engine, disk) = (&lab.engine, *disk);
            [
                change!(|engine| engine.update_disk(disk, None, grown(2 * GIB))),
                change!(|engine| engine.update_disk(disk, None, grown(3 * GIB))),
            ]
        },
        &[End::One, End::Both],
        nothing,
    );
}

#[test]
fn one_disk_to_two_vms() {
    race(
        async |lab| (lab.vm("a").await, lab.vm("b").await, lab.floating("d").await),
        |lab, (a, b, disk)| {
            let (engine, a, b, disk) = (&lab.engine, *a, *b, *disk);
            [
                change!(|engine| engine.attach_disk(disk, onto(a))),
                change!(|engine| engine.attach_disk(disk, onto(b))),
            ]
        },
        &[End::One],
        |lab, (_, _, disk)| {
            let hangs = lab.engine.world().attachments_of(*disk).count();
            (hangs != 1).then(|| format!("the disk hangs on {hangs} VMs")).into_iter().collect()
        },
    );
}

#[test]
fn two_disks_to_one_vm() {
    race(
        async |lab| {
            let vm = lab.vm("a").await;
            lab.start(vm).await;
            vm
        },
        |lab, vm| {
            let add = |alias: &'static str| {
                let (lab, vm) = (lab.clone(), *vm);
                Box::pin(async move { lab.disk(new_disk(alias), Some(onto(vm))).await.map(drop) }) as Change
            };
            [add("x"), add("y")]
        },
        &[End::Both],
        nothing,
    );
}

#[test]
fn remove_and_attach() {
    race(
        async |lab| (lab.vm_with_disks("a", 1).await.0, lab.floating("d").await),
        |lab, (vm, disk)| {
            let (engine, vm, disk) = (&lab.engine, *vm, *disk);
            [
                change!(|engine| engine.remove_vm(vm, false)),
                change!(|engine| engine.attach_disk(disk, onto(vm))),
            ]
        },
        &[End::One, End::Both],
        nothing,
    );
}

#[test]
fn remove_disk_and_attach_it() {
    race(
        async |lab| (lab.vm("a").await, lab.floating("d").await),
        |lab, (vm, disk)| {
            let (engine, vm, disk) = (&lab.engine, *vm, *disk);
            [change!(|engine| engine.remove_disk(disk)), change!(|engine| engine.attach_disk(disk, onto(vm)))]
        },
        &[End::One, End::Both],
        nothing,
    );
}

#[test]
fn start_and_detach() {
    race(
        async |lab| {
            let (vm, disks) = lab.vm_with_disks("a", 2).await;
            (vm, disks[0])
        },
        |lab, (vm, disk)| {
            let (engine, vm, disk) = (&lab.engine, *vm, *disk);
            [
                change!(|engine| engine.start_vm(vm, Default::default())),
                change!(|engine| engine.detach_disk(vm, disk)),
            ]
        },
        &[End::One, End::Both],
        nothing,
    );
}

#[test]
fn deactivate_and_activate() {
    race(
        async |lab| {
            let (vm, disks) = lab.vm_with_disks("a", 1).await;
            lab.start(vm).await;
            (vm, disks[0])
        },
        |lab, (vm, disk)| {
            let (engine, vm, disk) = (&lab.engine, *vm, *disk);
            [
                change!(|engine| engine.deactivate_disk(vm, disk)),
                change!(|engine| engine.activate_disk(vm, disk)),
            ]
        },
        &[End::One, End::Both],
        nothing,
    );
}

#[test]
fn a_guest_that_powers_off_under_a_change() {
    race(
        async |lab| {
            let (vm, disks) = lab.vm_with_disks("a", 1).await;
            lab.start(vm).await;
            (vm, disks[0])
        },
        |lab, (vm, disk)| {
            let (engine, sim, vm, disk) = (&lab.engine, lab.sim.clone(), *vm, *disk);
            let power_off = async move {
                sim.stop(vm, vireo::engine::ports::StopDetail::Shutdown);
                Ok(())
            };
            [change!(|engine| engine.deactivate_disk(vm, disk)), Box::pin(power_off)]
        },
        &[End::One, End::Both],
        nothing,
    );
}

#[test]
fn shared_disk_changed_and_detached() {
    race(
        async |lab| {
            let (a, b) = (lab.vm("a").await, lab.vm("b").await);
            let disk = lab.disk(shareable("d"), Some(onto(a))).await.unwrap();
            lab.engine.attach_disk(disk, onto(b)).await.unwrap();
            (b, disk)
        },
        |lab, (vm, disk)| {
            let (engine, vm, disk) = (&lab.engine, *vm, *disk);
            let change = DiskChange { propagate_errors: Some(true), ..DiskChange::default() };
            [
                change!(|engine| engine.update_disk(disk, None, change)),
                change!(|engine| engine.remove_vm(vm, false)),
            ]
        },
        &[End::One, End::Both],
        nothing,
    );
}
