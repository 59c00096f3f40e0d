//! Every change of storage domains.

use super::lab::{Lab, new_disk};
use super::sim::{alone, sweep};
use std::time::Duration;
use vireo::engine::{NewDisk, NewStorageDomain};
use vireo::model::*;

fn new(name: &str) -> NewStorageDomain {
    NewStorageDomain {
        name: name.into(),
        kind: StorageKind::Data,
        folder: format!("/elsewhere/{name}"),
        filled: false,
        rest: StorageDomainChange::default(),
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

/// An active export domain.
pub async fn export_domain(lab: &Lab) -> StorageDomainId {
    let new = NewStorageDomain { kind: StorageKind::Export, ..new("exports") };
    let id = lab.engine.add_storage_domain(new).await.unwrap();
    lab.engine.attach_storage_domain(id, center(lab)).await.unwrap();
    id
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
            let change = StorageDomainChange {
                name,
                description: Some("x".into()),
                comment: Some("y".into()),
                ..StorageDomainChange::default()
            };
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

#[test]
fn little_space_is_told_once() {
    alone(async {
        let lab = Lab::new().await;
        let disk = lab.floating("d").await;
        let domain = lab.engine.disk(disk).unwrap().storage_domain;
        let codes = || -> Vec<i32> {
            let events = lab.engine.history.events();
            events.into_iter().map(|event| event.code).filter(|code| [26, 201].contains(code)).collect()
        };
        let limits = |warning, blocker| StorageDomainChange { warning, blocker, ..Default::default() };
        lab.images.set_capacity(100 * GIB);
        lab.engine.update_storage_domain(domain, limits(Some(10), Some(5))).await.unwrap();
        let minute = async || tokio::time::sleep(Duration::from_secs(60)).await;
        minute().await;
        assert_eq!(codes(), [0; 0]);
        let full =
            NewDisk { format: DiskFormat::Raw, sparse: Some(false), size: 92 * GIB, ..new_disk("full") };
        lab.disk(full, None).await.unwrap();
        minute().await;
        assert_eq!(codes(), [26]);
        minute().await;
        assert_eq!(codes(), [26]);
        let more = |size| NewDisk { format: DiskFormat::Raw, sparse: Some(false), size, ..new_disk("more") };
        lab.disk(more(4 * GIB), None).await.unwrap_err();
        lab.disk(more(2 * GIB), None).await.unwrap();
        lab.engine.update_storage_domain(domain, limits(None, Some(6))).await.unwrap();
        lab.disk(new_disk("none"), None).await.unwrap_err();
        lab.images.set_capacity(1000 * GIB);
        minute().await;
        lab.images.set_capacity(100 * GIB);
        minute().await;
        assert_eq!(codes(), [201, 26]);
    });
}
