//! What happens later than it should, or while nobody listens.

use super::audit::audit;
use super::lab::{Lab, grown};
use super::sim::alone;
use std::time::Duration;
use vireo::engine::ports::{Hypervisor, StopDetail};
use vireo::error::Kind;
use vireo::model::*;

async fn whole(lab: &Lab) {
    lab.rest().await;
    assert_eq!(audit(lab).await, [""; 0]);
}

async fn running(lab: &Lab) -> (VmId, DiskId) {
    let (vm, disks) = lab.vm_with_disks("a", 1).await;
    lab.start(vm).await;
    (vm, disks[0])
}

#[test]
fn a_guest_lets_a_disk_go_when_its_time_is_over() {
    alone(async {
        let lab = Lab::new().await;
        let (vm, disk) = running(&lab).await;
        lab.sim.ignore_requests(vm);
        let refused = lab.engine.deactivate_disk(vm, disk).await.unwrap_err();
        assert_eq!(refused.kind, Kind::Conflict);
        whole(&lab).await;
        assert!(lab.picture().contains("active=true"));
        lab.sim.heed_requests(vm);
        whole(&lab).await;
        assert!(lab.picture().contains("active=false"));
    });
}

#[test]
fn a_guest_lets_a_disk_go_while_the_vm_is_held() {
    alone(async {
        let lab = Lab::new().await;
        let (vm, disk) = running(&lab).await;
        lab.sim.ignore_requests(vm);
        lab.engine.deactivate_disk(vm, disk).await.unwrap_err();
        // Right when the disk goes, the VM is somebody else's.
        let sim = lab.sim.clone();
        lab.steps.interrupt_at(1, move || sim.heed_requests(vm));
        let rename = |spec: &mut VmSpec| {
            spec.description = "held".into();
            Ok(())
        };
        lab.engine.update_vm(vm, false, rename).await.unwrap();
        whole(&lab).await;
        assert!(lab.picture().contains("active=false"));
    });
}

/// Somebody else writes the definition by rows that still have the disk.
#[test]
fn a_definition_is_written_while_a_disk_goes() {
    alone(async {
        let lab = Lab::new().await;
        let (vm, disks) = lab.vm_with_disks("a", 2).await;
        lab.start(vm).await;
        lab.sim.ignore_requests(vm);
        let (engine, last) = (lab.engine.clone(), disks[1]);
        let goes = tokio::spawn(async move { engine.deactivate_disk(vm, last).await });
        let is_defined = || lab.sim.document(vm, true).unwrap().unwrap().contains(&last.alias());
        while is_defined() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let describe = |spec: &mut VmSpec| {
            spec.description = "meanwhile".into();
            Ok(())
        };
        lab.engine.update_vm(vm, false, describe).await.unwrap();
        assert!(is_defined(), "the guest has it");
        lab.sim.heed_requests(vm);
        goes.await.unwrap().unwrap();
        assert!(!is_defined());
        whole(&lab).await;
    });
}

#[test]
fn a_disk_that_its_guest_still_has_is_told_to_be_in() {
    let lab = alone(async {
        let lab = Lab::new().await;
        let (vm, disk) = running(&lab).await;
        lab.sim.ignore_requests(vm);
        lab.rest().await;
        // Killed when the unplug was promised and asked for.
        lab.steps.cut_at(3);
        lab.engine.deactivate_disk(vm, disk).await.unwrap_err();
        lab
    });
    lab.steps.heal();
    let store = lab.store.reopened().unwrap();
    alone(async {
        let lab = lab.restarted(store).await;
        whole(&lab).await;
        assert!(lab.picture().contains("active=true"));
        let codes: Vec<i32> = lab.engine.history.events().into_iter().map(|event| event.code).collect();
        let (unplugged, failed) = (2002, 2003);
        assert!(codes.contains(&failed) && !codes.contains(&unplugged), "{codes:?}");
    });
}

#[test]
fn a_vm_stops_while_the_daemon_is_away() {
    let lab = alone(async {
        let lab = Lab::new().await;
        let (vm, _) = running(&lab).await;
        let next = |spec: &mut VmSpec| {
            spec.memory = 2 * GIB;
            Ok(())
        };
        lab.engine.update_vm(vm, true, next).await.unwrap();
        lab
    });
    let (vm, store) = (*lab.engine.world().vms.keys().next().unwrap(), lab.store.reopened().unwrap());
    lab.sim.stop(vm, StopDetail::Shutdown);
    alone(async {
        let lab = lab.restarted(store).await;
        whole(&lab).await;
        let row = lab.engine.vm(vm).unwrap().vm;
        assert_eq!((row.spec.memory, row.next_run.is_none(), row.is_started()), (2 * GIB, true, false));
    });
}

#[test]
fn a_daemon_that_starts_knows_what_runs_and_reads_the_rest_behind() {
    let (up, disk, down, lab) = alone(async {
        let lab = Lab::new().await;
        let (up, disk) = running(&lab).await;
        let (down, _) = lab.vm_with_disks("b", 1).await;
        (up, disk, down, lab)
    });
    let store = lab.store.reopened().unwrap();
    alone(async {
        let lab = lab.restarted(store).await;
        let seen = |vm| lab.engine.inventory.seen(vm).unwrap();
        assert!(seen(up).observed.has_disk(disk));
        assert_eq!(seen(down).domain.power, Power::Off);
        whole(&lab).await;
        for _ in 0..200 {
            if !seen(down).observed.placed.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("nobody has read where the devices are");
    });
}

#[test]
fn a_vm_that_somebody_else_starts_has_a_run() {
    alone(async {
        let lab = Lab::new().await;
        let vm = lab.vm("a").await;
        lab.sim.start(vm, false).unwrap();
        whole(&lab).await;
        assert!(lab.engine.vm(vm).unwrap().vm.is_started());
    });
}

#[test]
fn a_vm_that_somebody_undefined_comes_back() {
    alone(async {
        let lab = Lab::new().await;
        let (vm, _) = lab.vm_with_disks("a", 2).await;
        lab.sim.undefine(vm).unwrap();
        whole(&lab).await;
    });
}

#[test]
fn nothing_overtakes_an_operation_whose_end_is_owed() {
    alone(async {
        let lab = Lab::new().await;
        let disk = lab.floating("d").await;
        lab.rest().await;
        // The image grows, but its answer is lost, and what is to finish it instead fails.
        lab.steps.lose_answer_at(2);
        lab.steps.fail_at(3);
        lab.engine.update_disk(disk, None, grown(2 * GIB)).await.unwrap_err();
        assert_eq!(lab.engine.world().intents.len(), 1, "its end is owed");
        let busy = lab.engine.remove_disk(disk).await.unwrap_err();
        assert_eq!(busy.kind, Kind::Busy);
        whole(&lab).await;
        assert_eq!(lab.engine.disk(disk).unwrap().size, 2 * GIB);
        lab.engine.remove_disk(disk).await.unwrap();
        whole(&lab).await;
    });
}

/// A highly available VM that runs.
async fn available(lab: &Lab) -> VmId {
    let vm = lab.vm("a").await;
    let available = |spec: &mut VmSpec| {
        spec.high_availability.enabled = true;
        Ok(())
    };
    lab.engine.update_vm(vm, false, available).await.unwrap();
    lab.start(vm).await;
    vm
}

#[test]
fn a_highly_available_vm_comes_back_when_it_is_free() {
    alone(async {
        let lab = Lab::new().await;
        let vm = available(&lab).await;
        lab.sim.stop(vm, StopDetail::Crashed);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(lab.engine.status(vm), VmStatus::Up);
        whole(&lab).await;
    });
}

#[test]
fn a_highly_available_vm_comes_back_whose_crash_nobody_heard_of() {
    let (lab, vm) = alone(async {
        let lab = Lab::new().await;
        let vm = available(&lab).await;
        lab.rest().await;
        (lab, vm)
    });
    for (detail, status) in [(StopDetail::Crashed, VmStatus::Up), (StopDetail::Shutdown, VmStatus::Down)] {
        lab.sim.stop(vm, detail);
        alone(async {
            let lab = lab.restarted(lab.store.reopened().unwrap()).await;
            tokio::time::sleep(Duration::from_secs(5)).await;
            assert_eq!(lab.engine.status(vm), status, "{detail:?}");
            whole(&lab).await;
        });
    }
}

#[test]
fn a_start_from_outside_saves_disks_from_a_removal_that_was_left_open() {
    let (lab, vm) = alone(async {
        let lab = Lab::new().await;
        let (vm, _) = lab.vm_with_disks("a", 2).await;
        // Killed with the removal promised, and nothing done.
        lab.steps.cut_at(2);
        let _ = lab.engine.remove_vm(vm, false).await;
        (lab, vm)
    });
    lab.steps.heal();
    lab.sim.start(vm, false).unwrap();
    alone(async {
        let lab = lab.restarted(lab.store.reopened().unwrap()).await;
        whole(&lab).await;
        assert_eq!((lab.engine.status(vm), lab.image_files().len()), (VmStatus::Up, 2));
    });
}
