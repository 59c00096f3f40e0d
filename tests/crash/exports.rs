//! Ways into export domains and back.

use super::lab::{Lab, new_vm};
use super::sim::sweep;
use super::storage;
use vireo::engine::{Comeback, ExportOptions, NewSnapshot, NewVm, Source};
use vireo::error::Result;
use vireo::model::*;

const PLAIN: ExportOptions = ExportOptions { over: false, collapse: false };

/// A thin VM with a snapshot of its disks and its memory, and an export domain.
async fn layered(lab: &Lab) -> (VmId, StorageDomainId) {
    let id = super::templates::template(lab).await;
    let thin = NewVm { source: Source::Template { id, clone: false }, ..new_vm("thin") };
    let vm = lab.made(thin).await.unwrap();
    lab.start(vm).await;
    let new = NewSnapshot { description: "s".into(), memory: true, disks: None };
    lab.engine.create_snapshot(vm, new).await.unwrap().finished().await.unwrap();
    lab.engine.stop_vm(vm).await.unwrap();
    (vm, storage::export_domain(lab).await)
}

async fn export(lab: &Lab, vm: VmId, to: StorageDomainId, options: ExportOptions) -> Result<()> {
    lab.engine.export_vm(vm, to, options).await?.finished().await
}

/// It lies there, too.
async fn exported(lab: &Lab) -> (VmId, StorageDomainId) {
    let (vm, to) = layered(lab).await;
    export(lab, vm, to, PLAIN).await.unwrap();
    (vm, to)
}

/// It lies there, and is gone here.
async fn gone(lab: &Lab) -> (VmId, StorageDomainId) {
    let (vm, to) = exported(lab).await;
    lab.engine.remove_vm(vm, false).await.unwrap();
    (vm, to)
}

fn comeback(lab: &Lab, from: StorageDomainId, id: uuid::Uuid) -> Comeback {
    let world = lab.engine.world();
    let data = world.storage_domains.values().find(|it| it.kind == StorageKind::Data).unwrap();
    Comeback {
        from,
        id,
        cluster: *world.clusters.keys().next().unwrap(),
        name: None,
        renewed: false,
        collapse: false,
        home: data.id,
        disks: Default::default(),
    }
}

#[test]
fn export_vm() {
    sweep(layered, async |lab, (vm, to)| export(lab, *vm, *to, PLAIN).await);
}

#[test]
fn export_over_what_was_there() {
    sweep(exported, async |lab, (vm, to)| {
        export(lab, *vm, *to, ExportOptions { over: true, collapse: true }).await
    });
}

#[test]
fn export_again_with_its_past() {
    sweep(exported, async |lab, (vm, to)| export(lab, *vm, *to, ExportOptions { over: true, ..PLAIN }).await);
}

#[test]
fn remove_export() {
    sweep(exported, async |lab, (vm, to)| lab.engine.remove_exported_vm(*to, *vm).await);
}

#[test]
fn import_exported_vm() {
    sweep(gone, async |lab, (vm, from)| {
        lab.engine.import_exported_vm(comeback(lab, *from, vm.0)).await?.finished().await.map(drop)
    });
}

#[test]
fn import_another_vm() {
    sweep(gone, async |lab, (vm, from)| {
        let wanted = Comeback { renewed: true, name: Some("b".into()), ..comeback(lab, *from, vm.0) };
        lab.engine.import_exported_vm(wanted).await?.finished().await.map(drop)
    });
}

async fn template(lab: &Lab) -> (TemplateId, StorageDomainId) {
    (super::templates::template(lab).await, storage::export_domain(lab).await)
}

#[test]
fn export_template() {
    sweep(template, async |lab, (id, to)| {
        lab.engine.export_template(*id, *to, false).await?.finished().await
    });
}

#[test]
fn import_template() {
    sweep(
        async |lab| {
            let (id, to) = template(lab).await;
            lab.engine.export_template(id, to, false).await.unwrap().finished().await.unwrap();
            lab.engine.remove_template(id).await.unwrap();
            (id, to)
        },
        async |lab, (id, from)| {
            lab.engine.import_exported_template(comeback(lab, *from, id.0)).await?.finished().await.map(drop)
        },
    );
}
