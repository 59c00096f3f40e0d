//! Every change of how fast disks may be.

use super::lab::{Lab, new_disk, onto};
use super::sim::sweep;
use vireo::engine::{DiskChange, DiskProfileChange, NewDisk, QosChange, RatesChange};
use vireo::model::*;

fn slow(total: u32) -> QosChange {
    let throughput = RatesChange { total: Some(total), ..RatesChange::default() };
    QosChange { name: Some(format!("slow-{total}")), throughput, ..QosChange::default() }
}

/// Another profile of the disks' storage domain, with a QoS.
async fn profile(lab: &Lab) -> (DiskProfileId, QosId) {
    let (data_center, domain) = {
        let world = lab.engine.world();
        let data = world.storage_domains.values().find(|it| it.kind == StorageKind::Data).unwrap();
        (data.data_center.unwrap(), data.id)
    };
    let qos = lab.engine.add_qos(data_center, slow(10)).await.unwrap();
    let change = DiskProfileChange {
        name: Some("limited".into()),
        qos: Some(Some(qos)),
        ..DiskProfileChange::default()
    };
    (lab.engine.add_disk_profile(domain, change).await.unwrap(), qos)
}

/// A VM that runs and one that is down, each with a disk of the profile.
async fn limited(lab: &Lab) -> (DiskProfileId, QosId, Vec<DiskId>) {
    let (profile, qos) = profile(lab).await;
    let mut disks = Vec::new();
    for name in ["a", "b"] {
        let vm = lab.vm(name).await;
        let disk = NewDisk { profile: Some(profile), ..new_disk(name) };
        disks.push(lab.disk(disk, Some(onto(vm))).await.unwrap());
        if name == "a" {
            lab.start(vm).await;
        }
    }
    (profile, qos, disks)
}

#[test]
fn update_qos() {
    sweep(limited, async |lab, (_, qos, _)| lab.engine.update_qos(*qos, slow(20)).await);
}

#[test]
fn update_disk_profile() {
    sweep(limited, async |lab, (profile, ..)| {
        let change = DiskProfileChange { qos: Some(None), ..DiskProfileChange::default() };
        lab.engine.update_disk_profile(*profile, change).await
    });
}

#[test]
fn change_the_profile_of_a_disk() {
    sweep(limited, async |lab, (profile, _, disks)| {
        let first = lab.engine.world().disk_profiles.keys().copied().find(|id| id != profile);
        let change = DiskChange { profile: first, ..DiskChange::default() };
        lab.engine.update_disk(disks[0], None, change).await
    });
}
