//! Every change of the CD-ROM drive.

use super::lab::Lab;
use super::sim::sweep;
use vireo::engine::StartOptions;
use vireo::model::*;

/// A VM whose drive has `a.iso`; there is `b.iso`, too.
async fn with_medium(lab: &Lab, runs: bool) -> VmId {
    lab.isos(&["a.iso", "b.iso"]);
    let (vm, _) = lab.vm_with_disks("a", 1).await;
    lab.engine.configure_medium(vm, false, Some("a.iso".into())).await.unwrap();
    if runs {
        lab.start(vm).await;
    }
    vm
}

fn configure(runs: bool, medium: Option<&str>) {
    sweep(
        async |lab| with_medium(lab, runs).await,
        async |lab, vm| lab.engine.configure_medium(*vm, false, medium.map(str::to_owned)).await,
    );
}

#[test]
fn configure_cd_of_vm_that_is_down() {
    configure(false, Some("b.iso"));
}

#[test]
fn configure_cd_of_vm_that_runs() {
    configure(true, Some("b.iso"));
}

#[test]
fn eject_cd_for_good() {
    configure(true, None);
}

fn change(medium: Option<&str>, force: bool) {
    sweep(
        async |lab| {
            let vm = with_medium(lab, true).await;
            if force {
                lab.sim.ignore_requests(vm);
            }
            vm
        },
        async |lab, vm| lab.engine.change_medium(*vm, medium.map(str::to_owned), force).await,
    );
}

#[test]
fn change_cd_of_vm_that_runs() {
    change(Some("b.iso"), false);
}

#[test]
fn eject_cd_of_vm_that_runs() {
    change(None, false);
}

#[test]
fn eject_cd_by_force() {
    change(None, true);
}

#[test]
fn start_vm_with_cd() {
    sweep(
        async |lab| with_medium(lab, false).await,
        async |lab, vm| lab.engine.start_vm(*vm, StartOptions::default()).await,
    );
}
