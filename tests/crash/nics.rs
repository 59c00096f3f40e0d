//! Every change of network interfaces.

use super::audit::audit;
use super::lab::{Lab, new_vm};
use super::sim::{alone, sweep};
use vireo::engine::{NewVm, NicChange, Source};
use vireo::model::*;

fn network(lab: &Lab) -> NetworkId {
    *lab.engine.world().networks.keys().next().unwrap()
}

fn named(lab: &Lab, name: &str) -> NicChange {
    NicChange { name: Some(name.into()), network: Some(Some(network(lab))), ..NicChange::default() }
}

fn plug(plugged: bool) -> NicChange {
    NicChange { plugged: Some(plugged), ..NicChange::default() }
}

async fn with_nic(lab: &Lab, runs: bool, change: NicChange) -> (VmId, NicId) {
    let vm = lab.vm("a").await;
    let nic = lab.engine.add_nic(vm, NicChange { ..change }).await.unwrap();
    if runs {
        lab.start(vm).await;
    }
    (vm, nic)
}

fn add(runs: bool, change: NicChange) {
    sweep(
        async |lab| {
            let vm = lab.vm("a").await;
            if runs {
                lab.start(vm).await;
            }
            vm
        },
        async |lab, vm| {
            let change = NicChange { name: Some("nic1".into()), ..change.clone() };
            lab.engine.add_nic(*vm, change).await.map(drop)
        },
    );
}

#[test]
fn add_nic_to_vm_that_is_down() {
    add(false, NicChange::default());
}

#[test]
fn add_nic_to_vm_that_runs() {
    add(true, NicChange::default());
}

#[test]
fn add_unplugged_nic() {
    add(true, plug(false));
}

fn update(runs: bool, change: impl Fn(&Lab) -> NicChange) {
    sweep(
        async |lab| with_nic(lab, runs, named(lab, "nic1")).await,
        async |lab, (vm, nic)| lab.engine.update_nic(*vm, *nic, change(lab)).await,
    );
}

#[test]
fn change_nic_of_vm_that_is_down() {
    update(false, |_| NicChange {
        interface: Some(NicInterface::E1000),
        mac: Some("00:1a:4a:00:00:99".parse().unwrap()),
        linked: Some(false),
        ..NicChange::default()
    });
}

#[test]
fn take_nic_off_its_network_while_the_vm_runs() {
    update(true, |_| NicChange { network: Some(None), ..NicChange::default() });
}

#[test]
fn unlink_and_rename_nic_while_the_vm_runs() {
    update(true, |_| NicChange { linked: Some(false), name: Some("nic2".into()), ..NicChange::default() });
}

#[test]
fn unplug_nic_of_vm_that_runs() {
    update(true, |_| plug(false));
}

#[test]
fn unplug_nic_of_vm_that_is_down() {
    update(false, |_| plug(false));
}

#[test]
fn mirror_while_the_vm_runs() {
    update(true, |lab| NicChange { port_mirroring: Some(vec![network(lab)]), ..NicChange::default() });
}

#[test]
fn plug_nic_into_vm_that_runs() {
    sweep(
        async |lab| {
            let unplugged = NicChange { port_mirroring: Some(vec![network(lab)]), ..named(lab, "nic1") };
            let (vm, nic) = with_nic(lab, true, NicChange { plugged: Some(false), ..unplugged }).await;
            lab.engine.add_nic(vm, named(lab, "nic2")).await.unwrap();
            (vm, nic)
        },
        async |lab, (vm, nic)| lab.engine.update_nic(*vm, *nic, plug(true)).await,
    );
}

#[test]
fn remove_nic() {
    sweep(
        async |lab| with_nic(lab, false, named(lab, "nic1")).await,
        async |lab, (vm, nic)| lab.engine.remove_nic(*vm, *nic).await,
    );
}

#[test]
fn remove_vm_with_nics() {
    sweep(
        async |lab| with_nic(lab, false, named(lab, "nic1")).await.0,
        async |lab, vm| lab.engine.remove_vm(*vm, false).await,
    );
}

#[test]
fn reorder_mac_addresses() {
    sweep(
        async |lab| {
            let vm = lab.vm("a").await;
            for name in ["z", "m", "a"] {
                lab.engine.add_nic(vm, named(lab, name)).await.unwrap();
            }
            vm
        },
        async |lab, vm| lab.engine.reorder_mac_addresses(*vm).await,
    );
}

/// Whatever call fails of the two, neither leaves anything behind.
#[test]
fn an_interface_comes_while_its_vm_is_made() {
    for n in 0..40 {
        alone(async {
            let lab = Lab::new().await;
            let id = super::templates::template(&lab).await;
            lab.rest().await;
            if n > 0 {
                lab.steps.fail_at(n);
            }
            let thin = NewVm { source: Source::Template { id, clone: false }, ..new_vm("thin") };
            if let Ok(started) = lab.engine.create_vm(thin).await {
                let nic = NicChange { name: Some("nic2".into()), ..NicChange::default() };
                let (nic, made) = tokio::join!(lab.engine.add_nic(started.value, nic), started.finished());
                assert!(n > 0 || (nic.is_ok() && made.is_ok()), "{nic:?} {made:?}");
            }
            lab.steps.heal();
            lab.rest().await;
            assert_eq!(audit(&lab).await, [""; 0], "{n}");
        });
    }
}
