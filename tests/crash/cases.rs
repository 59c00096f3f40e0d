//! Every change that the engine makes.

use super::lab::{Lab, grown, new_disk, new_vm, onto, shareable};
use super::sim::sweep;
use super::templates::template;
use vireo::engine::{AffinityChange, DiskChange, NewAttachment, NewDisk, PoolChange, RunOnce, StartOptions};
use vireo::error::Result;
use vireo::model::*;

async fn change(lab: &Lab, vm: VmId, next_run: bool, change: impl Fn(&mut VmSpec)) -> Result<()> {
    let changed = |spec: &mut VmSpec| {
        change(spec);
        Ok(())
    };
    lab.engine.update_vm(vm, next_run, changed).await
}

fn unplugged(vm: VmId) -> NewAttachment {
    NewAttachment { active: Some(false), ..onto(vm) }
}

async fn running(lab: &Lab, count: usize) -> (VmId, Vec<DiskId>) {
    let (vm, disks) = lab.vm_with_disks("a", count).await;
    lab.start(vm).await;
    (vm, disks)
}

#[test]
fn create_vm() {
    sweep(async |_| (), async |lab, ()| lab.made(new_vm("a")).await.map(drop));
}

#[test]
fn update_vm_that_is_down() {
    sweep(
        async |lab| lab.vm_with_disks("a", 1).await.0,
        async |lab, vm| {
            change(lab, *vm, false, |spec| {
                spec.memory = 2 * GIB;
                spec.topology.sockets = 2;
            })
            .await
        },
    );
}

#[test]
fn rename_vm_that_is_down() {
    sweep(
        async |lab| lab.vm("a").await,
        async |lab, vm| change(lab, *vm, false, |spec| spec.name = "b".into()).await,
    );
}

#[test]
fn rename_vm_that_runs() {
    sweep(
        async |lab| running(lab, 0).await.0,
        async |lab, vm| change(lab, *vm, false, |spec| spec.name = "b".into()).await,
    );
}

#[test]
fn stop_renamed_vm() {
    sweep(
        async |lab| {
            let (vm, _) = running(lab, 0).await;
            change(lab, vm, false, |spec| spec.name = "b".into()).await.unwrap();
            vm
        },
        async |lab, vm| lab.engine.stop_vm(*vm).await,
    );
}

#[test]
fn update_vm_that_runs() {
    sweep(
        async |lab| {
            let vm = lab.vm("a").await;
            lab.start(vm).await;
            vm
        },
        async |lab, vm| {
            change(lab, *vm, false, |spec| {
                spec.memory = GIB / 2;
                spec.guaranteed_memory = GIB / 2;
                spec.topology.sockets = 2;
                spec.description = "x".into();
            })
            .await
        },
    );
}

#[test]
fn memory_that_is_plugged() {
    sweep(
        async |lab| {
            let vm = lab.vm("a").await;
            let growth = || vec![("memory_growth".to_owned(), "4".to_owned())];
            change(lab, vm, false, |spec| spec.custom_properties = growth()).await.unwrap();
            lab.start(vm).await;
            vm
        },
        async |lab, vm| change(lab, *vm, false, |spec| spec.memory = 3 * GIB).await,
    );
}

#[test]
fn update_next_run() {
    sweep(
        async |lab| running(lab, 0).await.0,
        async |lab, vm| change(lab, *vm, true, |spec| spec.memory = 2 * GIB).await,
    );
}

async fn with_next_run(lab: &Lab) -> VmId {
    let (vm, _) = running(lab, 1).await;
    change(lab, vm, true, |spec| {
        spec.memory = 2 * GIB;
        spec.name = "b".into();
    })
    .await
    .unwrap();
    vm
}

#[test]
fn stop_vm_and_adopt_its_next_run() {
    sweep(with_next_run, async |lab, vm| lab.engine.stop_vm(*vm).await);
}

#[test]
fn shutdown_vm_and_adopt_its_next_run() {
    sweep(with_next_run, async |lab, vm| lab.engine.shutdown_vm(*vm).await);
}

#[test]
fn drop_a_saved_vm_and_adopt_its_next_run() {
    sweep(
        async |lab| {
            let vm = with_next_run(lab).await;
            lab.engine.suspend_vm(vm).await.unwrap().finished().await.unwrap();
            vm
        },
        async |lab, vm| lab.engine.stop_vm(*vm).await,
    );
}

fn remove(count: usize, keep: bool) {
    sweep(
        async |lab| lab.vm_with_disks("a", count).await.0,
        async |lab, vm| lab.engine.remove_vm(*vm, keep).await,
    );
}

#[test]
fn remove_vm_without_disks() {
    remove(0, false);
}

#[test]
fn remove_vm_with_a_disk() {
    remove(1, false);
}

#[test]
fn remove_vm_with_four_disks() {
    remove(4, false);
}

#[test]
fn remove_vm_and_keep_its_disks() {
    remove(3, true);
}

#[test]
fn remove_vm_with_a_wiped_and_a_shared_disk() {
    sweep(
        async |lab| {
            let (vm, other) = (lab.vm("a").await, lab.vm("b").await);
            let wiped = NewDisk { wipe_after_delete: Some(true), ..new_disk("wiped") };
            lab.disk(wiped, Some(onto(vm))).await.unwrap();
            let shared = lab.disk(shareable("shared"), Some(onto(vm))).await.unwrap();
            lab.engine.attach_disk(shared, onto(other)).await.unwrap();
            vm
        },
        async |lab, vm| lab.engine.remove_vm(*vm, false).await,
    );
}

#[test]
fn add_floating_disk() {
    sweep(async |_| (), async |lab, ()| lab.disk(new_disk("d"), None).await.map(drop));
}

#[test]
fn add_disk_to_vm_that_is_down() {
    sweep(
        async |lab| lab.vm_with_disks("a", 1).await.0,
        async |lab, vm| lab.disk(new_disk("d"), Some(onto(*vm))).await.map(drop),
    );
}

#[test]
fn add_disk_to_vm_that_runs() {
    sweep(
        async |lab| running(lab, 1).await.0,
        async |lab, vm| lab.disk(new_disk("d"), Some(onto(*vm))).await.map(drop),
    );
}

#[test]
fn add_unplugged_disk() {
    sweep(
        async |lab| running(lab, 1).await.0,
        async |lab, vm| lab.disk(new_disk("d"), Some(unplugged(*vm))).await.map(drop),
    );
}

#[test]
fn attach_disk_to_vm_that_is_down() {
    sweep(
        async |lab| (lab.vm("a").await, lab.floating("d").await),
        async |lab, (vm, disk)| lab.engine.attach_disk(*disk, onto(*vm)).await,
    );
}

#[test]
fn attach_disk_to_vm_that_runs() {
    sweep(
        async |lab| (running(lab, 1).await.0, lab.floating("d").await),
        async |lab, (vm, disk)| lab.engine.attach_disk(*disk, onto(*vm)).await,
    );
}

#[test]
fn attach_unplugged_disk() {
    sweep(
        async |lab| (running(lab, 1).await.0, lab.floating("d").await),
        async |lab, (vm, disk)| lab.engine.attach_disk(*disk, unplugged(*vm)).await,
    );
}

#[test]
fn detach_disk_of_vm_that_is_down() {
    sweep(
        async |lab| lab.vm_with_disks("a", 2).await,
        async |lab, (vm, disks)| lab.engine.detach_disk(*vm, disks[0]).await,
    );
}

#[test]
fn detach_plugged_disk() {
    sweep(
        async |lab| running(lab, 2).await,
        async |lab, (vm, disks)| lab.engine.detach_disk(*vm, disks[0]).await,
    );
}

#[test]
fn detach_unplugged_disk() {
    sweep(
        async |lab| {
            let (vm, _) = running(lab, 1).await;
            (vm, lab.disk(new_disk("d"), Some(unplugged(vm))).await.unwrap())
        },
        async |lab, (vm, disk)| lab.engine.detach_disk(*vm, *disk).await,
    );
}

#[test]
fn activate_disk_of_vm_that_is_down() {
    sweep(
        async |lab| {
            let vm = lab.vm("a").await;
            (vm, lab.disk(new_disk("d"), Some(unplugged(vm))).await.unwrap())
        },
        async |lab, (vm, disk)| lab.engine.activate_disk(*vm, *disk).await,
    );
}

#[test]
fn activate_disk_of_vm_that_runs() {
    sweep(
        async |lab| {
            let (vm, _) = running(lab, 1).await;
            (vm, lab.disk(new_disk("d"), Some(unplugged(vm))).await.unwrap())
        },
        async |lab, (vm, disk)| lab.engine.activate_disk(*vm, *disk).await,
    );
}

#[test]
fn deactivate_disk_of_vm_that_is_down() {
    sweep(
        async |lab| lab.vm_with_disks("a", 2).await,
        async |lab, (vm, disks)| lab.engine.deactivate_disk(*vm, disks[1]).await,
    );
}

#[test]
fn deactivate_disk_of_vm_that_runs() {
    sweep(
        async |lab| running(lab, 2).await,
        async |lab, (vm, disks)| lab.engine.deactivate_disk(*vm, disks[1]).await,
    );
}

#[test]
fn remove_floating_disk() {
    sweep(async |lab| lab.floating("d").await, async |lab, disk| lab.engine.remove_disk(*disk).await);
}

#[test]
fn remove_wiped_disk() {
    sweep(
        async |lab| {
            let wiped = NewDisk { wipe_after_delete: Some(true), ..new_disk("d") };
            let vm = lab.vm("a").await;
            lab.disk(wiped, Some(onto(vm))).await.unwrap()
        },
        async |lab, disk| lab.engine.remove_disk(*disk).await,
    );
}

#[test]
fn remove_attached_disk() {
    sweep(
        async |lab| lab.vm_with_disks("a", 2).await.1,
        async |lab, disks| lab.engine.remove_disk(disks[0]).await,
    );
}

#[test]
fn update_disk() {
    sweep(
        async |lab| lab.vm_with_disks("a", 2).await.1,
        async |lab, disks| {
            let change = DiskChange {
                alias: Some("d".into()),
                interface: Some(DiskInterface::VirtioScsi),
                bootable: Some(true),
                ..DiskChange::default()
            };
            lab.engine.update_disk(disks[1], None, change).await
        },
    );
}

#[test]
fn update_disk_of_two_vms() {
    sweep(
        async |lab| {
            let (vm, other) = (lab.vm("a").await, lab.vm("b").await);
            let shared = lab.disk(shareable("shared"), Some(onto(vm))).await.unwrap();
            lab.engine.attach_disk(shared, onto(other)).await.unwrap();
            (vm, shared)
        },
        async |lab, (vm, disk)| {
            let change = DiskChange {
                interface: Some(DiskInterface::VirtioScsi),
                read_only: Some(true),
                ..DiskChange::default()
            };
            lab.engine.update_disk(*disk, Some(*vm), change).await
        },
    );
}

#[test]
fn resize_disk_offline() {
    sweep(
        async |lab| lab.vm_with_disks("a", 1).await.1,
        async |lab, disks| lab.engine.update_disk(disks[0], None, grown(2 * GIB)).await,
    );
}

#[test]
fn resize_disk_online() {
    sweep(
        async |lab| running(lab, 1).await.1,
        async |lab, disks| lab.engine.update_disk(disks[0], None, grown(2 * GIB)).await,
    );
}

#[test]
fn rename_and_resize_disk() {
    sweep(
        async |lab| lab.floating("d").await,
        async |lab, disk| {
            let change = DiskChange { alias: Some("e".into()), ..grown(2 * GIB) };
            lab.engine.update_disk(*disk, None, change).await
        },
    );
}

#[test]
fn start_vm() {
    sweep(
        async |lab| lab.vm_with_disks("a", 1).await.0,
        async |lab, vm| lab.engine.start_vm(*vm, StartOptions::default()).await,
    );
}

#[test]
fn run_vm_once() {
    sweep(
        async |lab| lab.vm_with_disks("a", 1).await.0,
        async |lab, vm| {
            let once = RunOnce { boot_menu: Some(true), ..RunOnce::default() };
            lab.engine.start_vm(*vm, StartOptions { once: Some(once), ..Default::default() }).await
        },
    );
}

#[test]
fn stop_vm() {
    sweep(async |lab| running(lab, 1).await.0, async |lab, vm| lab.engine.stop_vm(*vm).await);
}

#[test]
fn suspend_vm() {
    sweep(
        async |lab| running(lab, 1).await.0,
        async |lab, vm| lab.engine.suspend_vm(*vm).await?.finished().await,
    );
}

#[test]
fn resume_vm() {
    sweep(
        async |lab| {
            let (vm, _) = running(lab, 1).await;
            lab.engine.suspend_vm(vm).await.unwrap().finished().await.unwrap();
            vm
        },
        async |lab, vm| lab.engine.start_vm(*vm, StartOptions::default()).await,
    );
}

fn lun(lab: &Lab) -> NewDisk {
    let password = lab.engine.seal("canary").unwrap();
    let lun = Lun {
        id: "lun1".into(),
        size: 0,
        passed: None,
        reserved: false,
        at: LunAt::Iscsi(IscsiUnit {
            address: "iscsi.example.com".into(),
            port: 3260,
            target: "iqn.2010.05.com.example:x".into(),
            number: 1,
            chap: Some(Chap { username: "me".into(), password }),
        }),
    };
    NewDisk { format: DiskFormat::Raw, size: 0, lun: Some(lun), ..new_disk("lun") }
}

#[test]
fn add_lun_to_vm_that_runs() {
    sweep(
        async |lab| running(lab, 1).await.0,
        async |lab, vm| lab.disk(lun(lab), Some(onto(*vm))).await.map(drop),
    );
}

#[test]
fn remove_vm_with_a_lun() {
    sweep(
        async |lab| {
            let (vm, _) = lab.vm_with_disks("a", 1).await;
            lab.disk(lun(lab), Some(onto(vm))).await.unwrap();
            vm
        },
        async |lab, vm| lab.engine.remove_vm(*vm, false).await,
    );
}

fn huge() -> VmSpec {
    VmSpec { name: "Huge".into(), memory: 64 * GIB, ..VmSpec::default() }
}

#[test]
fn add_instance_type() {
    sweep(async |_| (), async |lab, ()| lab.engine.add_instance_type(huge()).await.map(drop));
}

#[test]
fn remove_instance_type() {
    sweep(
        async |lab| {
            let (vm, size) = (lab.vm("a").await, lab.engine.add_instance_type(huge()).await.unwrap());
            let large = lab.engine.instance_type(size).unwrap();
            let change = |spec: &mut VmSpec| {
                spec.take_size(&large);
                Ok(())
            };
            lab.engine.update_vm(vm, false, change).await.unwrap();
            size
        },
        async |lab, size| lab.engine.remove_instance_type(*size).await,
    );
}

#[test]
fn add_vm_to_affinity_group() {
    sweep(
        async |lab| {
            let vm = lab.vm("a").await;
            let cluster = lab.engine.vm(vm).unwrap().vm.cluster;
            let rule = AffinityChange { name: Some("apart".into()), ..AffinityChange::default() };
            (lab.engine.add_affinity_group(cluster, rule).await.unwrap(), vm)
        },
        async |lab, (rule, vm)| lab.engine.add_affine(*rule, *vm).await,
    );
}

#[test]
fn add_group() {
    sweep(async |_| (), async |lab, ()| lab.engine.add_group("devs").await.map(drop));
}

async fn pool(lab: &Lab, template: TemplateId) -> VmPoolId {
    let cluster = new_vm("").cluster;
    let change = PoolChange { name: Some("lab".into()), size: Some(1), ..PoolChange::default() };
    lab.engine.add_vm_pool(cluster, template, change).await.unwrap()
}

#[test]
fn add_empty_pool() {
    let change = PoolChange { name: Some("lab".into()), ..PoolChange::default() };
    sweep(
        async |_| (),
        async |lab, ()| lab.engine.add_vm_pool(new_vm("").cluster, BLANK, change.clone()).await.map(drop),
    );
}

#[test]
fn grow_pool() {
    let change = PoolChange { size: Some(2), ..PoolChange::default() };
    sweep(
        async |lab| pool(lab, BLANK).await,
        async |lab, id| lab.engine.update_vm_pool(*id, change.clone()).await,
    );
}

#[test]
fn allocate_vm() {
    sweep(
        async |lab| {
            let id = pool(lab, template(lab).await).await;
            let user = lab.engine.world().users.values().next().unwrap().id;
            (id, user)
        },
        async |lab, (id, user)| lab.engine.allocate_vm(*id, *user).await.map(drop),
    );
}

#[test]
fn detach_vm_from_pool() {
    sweep(
        async |lab| {
            let id = pool(lab, BLANK).await;
            lab.engine.world().pool_vms(id)[0].id
        },
        async |lab, vm| lab.engine.detach_from_pool(*vm).await,
    );
}
