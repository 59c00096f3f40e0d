//! Every change of templates, and of VMs that are made of something.

use super::lab::{Lab, new_disk, new_vm, onto};
use super::sim::{alone, sweep};
use std::sync::{Arc, OnceLock};
use vireo::engine::{DiskCopies, DiskCopy, Import, NewDisk, NewSnapshot, NewTemplate, NewVm, Source};
use vireo::model::*;

/// A VM with a qcow2 and a raw disk and an interface.
async fn original(lab: &Lab) -> VmId {
    let (vm, _) = lab.vm_with_disks("a", 1).await;
    let raw = NewDisk { format: DiskFormat::Raw, ..new_disk("raw") };
    lab.disk(raw, Some(onto(vm))).await.unwrap();
    let nic = vireo::engine::NicChange { name: Some("nic1".into()), ..Default::default() };
    lab.engine.add_nic(vm, nic).await.unwrap();
    vm
}

fn new_template(lab: &Lab, vm: VmId) -> NewTemplate {
    let row = lab.engine.vm(vm).unwrap().vm;
    let world = lab.engine.world();
    let named = |(_, disk): &(&Attachment, &Disk)| {
        let alias = Some(format!("t-{}", disk.alias));
        DiskCopy { of: disk.id.0, alias, ..DiskCopy::default() }
    };
    let each = world.disks_of(vm).iter().map(named).collect();
    NewTemplate {
        vm,
        cluster: row.cluster,
        spec: VmSpec { name: "t".into(), ..row.spec },
        base: None,
        version_name: None,
        disks: DiskCopies { each, storage_domain: None },
        grants: false,
    }
}

pub async fn template(lab: &Lab) -> TemplateId {
    let vm = original(lab).await;
    lab.engine.create_template(new_template(lab, vm)).await.unwrap().finished().await.unwrap()
}

fn of(source: Source) -> NewVm {
    NewVm { source, ..new_vm("n") }
}

fn create(prepare: impl AsyncFn(&Lab) -> Source) {
    sweep(prepare, async |lab, source| lab.made(of(*source)).await.map(drop));
}

#[test]
fn create_template() {
    sweep(original, async |lab, vm| {
        let made = lab.engine.create_template(new_template(lab, *vm)).await?;
        made.finished().await.map(drop)
    });
}

#[test]
fn a_vm_is_locked_while_its_template_is_made() {
    alone(async {
        let lab = Lab::new().await;
        let vm = original(&lab).await;
        let status = {
            let engine = lab.engine.clone();
            move || engine.status(vm)
        };
        let making = lab.engine.create_template(new_template(&lab, vm)).await.unwrap();
        let (seen, now) = (Arc::new(OnceLock::new()), status.clone());
        let told = seen.clone();
        lab.steps.interrupt_at(1, move || told.set(now()).unwrap());
        making.finished().await.unwrap();
        assert_eq!((seen.get(), status()), (Some(&VmStatus::ImageLocked), VmStatus::Down));
    });
}

#[test]
fn remove_template() {
    sweep(template, async |lab, id| lab.engine.remove_template(*id).await);
}

#[test]
fn update_template() {
    sweep(template, async |lab, id| {
        let change = |spec: &mut VmSpec| {
            spec.memory = 2 * GIB;
            Ok(())
        };
        lab.engine.update_template(*id, None, change).await
    });
}

#[test]
fn create_thin_vm() {
    create(async |lab| Source::Template { id: template(lab).await, clone: false });
}

#[test]
fn create_vm_with_copies() {
    create(async |lab| Source::Template { id: template(lab).await, clone: true });
}

#[test]
fn clone_vm() {
    create(async |lab| Source::Vm(original(lab).await));
}

#[test]
fn create_vm_of_a_snapshot() {
    create(async |lab| {
        let vm = original(lab).await;
        let new = NewSnapshot { description: "s".into(), memory: false, disks: None };
        let id = lab.engine.create_snapshot(vm, new).await.unwrap().finished().await.unwrap();
        lab.start(vm).await;
        Source::Snapshot(id)
    });
}

#[test]
fn snapshots_of_a_thin_vm() {
    sweep(
        async |lab| {
            let id = template(lab).await;
            let vm = lab.made(of(Source::Template { id, clone: false })).await.unwrap();
            let new = |n: &str| NewSnapshot { description: n.into(), memory: false, disks: None };
            let first = lab.engine.create_snapshot(vm, new("s0")).await.unwrap().finished().await.unwrap();
            lab.engine.create_snapshot(vm, new("s1")).await.unwrap().finished().await.unwrap();
            (vm, first)
        },
        async |lab, (vm, id)| lab.engine.remove_snapshot(*vm, *id).await?.finished().await,
    );
}

/// A stateless VM of a template that has a later version, and does not start after that.
#[test]
fn follow_version() {
    sweep(
        async |lab| {
            let first = template(lab).await;
            let source = Source::Template { id: first, clone: false };
            let mut spec = VmSpec { stateless: true, newest_version: true, ..new_vm("n").spec };
            let from_network = |spec: &mut VmSpec| {
                (spec.os.boot, spec.os.kernel) = (vec![vireo::model::vm::BootDevice::Network], None);
            };
            from_network(&mut spec);
            let vm = lab.made(NewVm { source, spec, ..new_vm("n") }).await.unwrap();
            let nics: Vec<NicId> = lab.engine.world().nics_of(vm).iter().map(|nic| nic.id).collect();
            lab.engine.remove_nic(vm, nics[0]).await.unwrap();
            let (other, _) = lab.vm_with_disks("b", 2).await;
            let mut next = NewTemplate { base: Some(first), ..new_template(lab, other) };
            from_network(&mut next.spec);
            lab.engine.create_template(next).await.unwrap().finished().await.unwrap();
            vm
        },
        async |lab, vm| {
            let started = lab.engine.start_vm(*vm, vireo::engine::StartOptions::default()).await;
            assert!(started.is_err());
            Ok(())
        },
    );
}

#[test]
fn import_vm() {
    sweep(
        async |lab| {
            let (vm, _) = lab.vm_with_disks("a", 2).await;
            let nic = vireo::engine::NicChange { name: Some("nic1".into()), ..Default::default() };
            lab.engine.add_nic(vm, nic).await.unwrap();
            let view = lab.engine.vm(vm).unwrap();
            let described = vireo::ovf::read(&lab.engine.ovf_of_vm(&view)).unwrap();
            lab.engine.remove_vm(vm, true).await.unwrap();
            Import { cluster: view.vm.cluster, described, renewed: false }
        },
        async |lab, import| lab.engine.import_vm(import.clone()).await.map(drop),
    );
}

/// A template with its first disk in another storage domain, too.
async fn copied(lab: &Lab) -> (TemplateId, DiskId, StorageDomainId) {
    let (id, to) = (template(lab).await, lab.domain("b").await);
    let disk = lab.engine.template(id).unwrap().disks[0];
    lab.engine.copy_template_disk(id, disk, to).await.unwrap().finished().await.unwrap();
    (id, disk, to)
}

#[test]
fn copy_template_disk() {
    sweep(
        async |lab| {
            let (id, to) = (template(lab).await, lab.domain("b").await);
            (id, lab.engine.template(id).unwrap().disks[0], to)
        },
        async |lab, (id, disk, to)| lab.engine.copy_template_disk(*id, *disk, *to).await?.finished().await,
    );
}

#[test]
fn remove_copy_of_a_template_disk() {
    sweep(copied, async |lab, (id, disk, from)| lab.engine.remove_template_copy(*id, *disk, *from).await);
}

#[test]
fn remove_first_place_of_a_template_disk() {
    sweep(copied, async |lab, (id, disk, _)| {
        let from = lab.engine.disk(*disk).unwrap().storage_domain;
        lab.engine.remove_template_copy(*id, *disk, from).await
    });
}

#[test]
fn remove_template_with_copies() {
    sweep(copied, async |lab, (id, ..)| lab.engine.remove_template(*id).await);
}
