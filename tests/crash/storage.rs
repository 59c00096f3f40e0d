//! Every change of storage domains.

use super::lab::Lab;
use super::sim::sweep;
use vireo::engine::{NewStorageDomain, PlaceChange};
use vireo::model::*;

fn new(name: &str) -> NewStorageDomain {
    NewStorageDomain {
        name: name.into(),
        description: String::new(),
        comment: String::new(),
        kind: StorageKind::Data,
        folder: format!("/elsewhere/{name}"),
        filled: false,
    }
}

fn center(lab: &Lab) -> DataCenterId {
    *lab.engine.world().data_centers.keys().next().unwrap()
}

impl Lab {
    /// An active data domain beside the first one.
    pub async fn domain(&self, name: &str) -> StorageDomainId {
        let id = self.engine.add_storage_domain(new(name)).await.unwrap();
        self.engine.attach_storage_domain(id, center(self)).await.unwrap();
        id
    }
}

#[test]
fn add_storage_domain() {
    sweep(async |_| (), async |lab, ()| lab.engine.add_storage_domain(new("b")).await.map(drop));
}

#[test]
fn attach_storage_domain() {
    sweep(
        async |lab| lab.engine.add_storage_domain(new("b")).await.unwrap(),
        async |lab, id| lab.engine.attach_storage_domain(*id, center(lab)).await,
    );
}

#[test]
fn rename_storage_domain() {
    sweep(
        async |lab| lab.domain("b").await,
        async |lab, id| {
            let name = Some("c".into());
            let change = PlaceChange { name, description: Some("x".into()), comment: Some("y".into()) };
            lab.engine.update_storage_domain(*id, change).await
        },
    );
}

#[test]
fn deactivate_storage_domain() {
    sweep(async |lab| lab.domain("b").await, async |lab, id| lab.engine.deactivate_storage_domain(*id).await);
}

async fn in_maintenance(lab: &Lab) -> StorageDomainId {
    let id = lab.domain("b").await;
    lab.engine.deactivate_storage_domain(id).await.unwrap();
    id
}

#[test]
fn activate_storage_domain() {
    sweep(in_maintenance, async |lab, id| lab.engine.activate_storage_domain(*id).await);
}

#[test]
fn detach_storage_domain() {
    sweep(in_maintenance, async |lab, id| lab.engine.detach_storage_domain(*id).await);
}

#[test]
fn remove_storage_domain() {
    sweep(
        async |lab| lab.engine.add_storage_domain(new("b")).await.unwrap(),
        async |lab, id| lab.engine.remove_storage_domain(*id, true, false).await,
    );
}
