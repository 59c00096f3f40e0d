//! Hints in storage domains follow the rows, after a crash, too.

use super::lab::{Lab, new_disk, onto};
use super::sim::alone;
use std::collections::BTreeMap;
use std::path::Path;
use vireo::engine::ports::{Images, Store};
use vireo::model::*;
use vireo::ovf::Hint;

/// What the hints of the first storage domain say.
fn hints(lab: &Lab) -> BTreeMap<String, Hint> {
    let found = lab.images.hints(&lab.folder()).unwrap();
    found.into_iter().map(|(name, text)| (name, Hint::read(&text).unwrap())).collect()
}

/// Each machine and each floating disk has one, which says what the rows say, and nobody else has.
fn agree(lab: &Lab, when: &str) {
    let world = lab.engine.world();
    let floating = world
        .disks
        .keys()
        .filter(|id| world.attachments_of(**id).next().is_none() && world.template_with(**id).is_none());
    let mut wanted: Vec<String> = floating.map(|id| Hint::file_name(id.0)).collect();
    wanted.extend(world.vms.keys().map(|id| Hint::file_name(id.0)));
    wanted.extend(world.templates.keys().map(|id| Hint::file_name(id.0)));
    wanted.sort();
    let found = hints(lab);
    assert_eq!(found.keys().cloned().collect::<Vec<_>>(), wanted, "{when}");
    for hint in found.values() {
        if let Some(vm) = &hint.vm {
            assert_eq!(Some(vm), world.vms.get(&vm.id), "{when}");
            assert_eq!(hint.nics.len(), world.nics_of(vm.id).len(), "{when}");
            assert_eq!(hint.snapshots.len(), world.snapshots_of(vm.id).len(), "{when}");
        }
        assert!(hint.disks.iter().all(|disk| world.disks.get(&disk.id) == Some(disk)), "{when}");
    }
}

#[test]
fn they_follow_every_change() {
    alone(async {
        let lab = Lab::new().await;
        let (vm, disks) = lab.vm_with_disks("a", 2).await;
        let floating = lab.floating("f").await;
        lab.vm("diskless").await;
        lab.rest().await;
        agree(&lab, "made");
        let new = vireo::engine::NewSnapshot { description: "s".into(), memory: false, disks: None };
        lab.engine.create_snapshot(vm, new).await.unwrap().finished().await.unwrap();
        lab.engine.remove_disk(floating).await.unwrap();
        let nic = vireo::engine::NicChange { name: Some("nic1".into()), ..Default::default() };
        lab.engine.add_nic(vm, nic).await.unwrap();
        lab.rest().await;
        agree(&lab, "changed");
        let other = lab.vm("b").await;
        let shared =
            vireo::engine::NewDisk { format: DiskFormat::Raw, shareable: true, ..new_disk("shared") };
        let shared = lab.disk(shared, Some(onto(vm))).await.unwrap();
        lab.engine.attach_disk(shared, onto(other)).await.unwrap();
        lab.rest().await;
        agree(&lab, "shared");
        lab.engine.detach_disk(other, shared).await.unwrap();
        lab.engine.remove_vm(other, true).await.unwrap();
        lab.rest().await;
        agree(&lab, "removed");
        assert!(disks.iter().all(|disk| lab.engine.disk(*disk).is_ok()));
    });
}

#[test]
fn a_start_heals_them() {
    let left = alone(async {
        let lab = Lab::new().await;
        let (vm, _) = lab.vm_with_disks("a", 1).await;
        let gone = lab.vm("gone").await;
        lab.rest().await;
        // The process dies before the hints follow: one is old, one is missing, one tells of what is gone.
        let before = lab.images.hints(&lab.folder()).unwrap();
        lab.engine
            .update_vm(vm, false, |spec| {
                spec.memory = 2 * GIB;
                Ok(())
            })
            .await
            .unwrap();
        lab.vm("new").await;
        lab.engine.remove_vm(gone, false).await.unwrap();
        lab.rest().await;
        for (name, _) in lab.images.hints(&lab.folder()).unwrap() {
            lab.images.drop_hint(&lab.folder().join(name)).unwrap();
        }
        for (name, text) in before {
            lab.images.keep_hint(&lab.folder().join(name), &text).unwrap();
        }
        // Another engine's stays, and so does one whose image is there.
        let stranger = Hint {
            disks: vec![lab.engine.world().disks.values().next().unwrap().clone()],
            ..Hint::default()
        };
        let name = Hint::file_name(uuid::Uuid::from_u128(7));
        lab.images.keep_hint(&lab.folder().join(&name), &stranger.document(None)).unwrap();
        (lab.clone(), lab.store.load().unwrap(), name)
    });
    let (lab, rows, stranger) = left;
    alone(async {
        let store = vireo::sim::MemoryStore::holding(&rows).unwrap();
        let lab = lab.restarted(store).await;
        lab.rest().await;
        assert!(hints(&lab).contains_key(&stranger));
        lab.images.drop_hint(&Path::new(&lab.folder()).join(&stranger)).unwrap();
        agree(&lab, "healed");
    });
}
