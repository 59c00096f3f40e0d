use super::*;
use crate::engine::world::{Operation, User, World};
use crate::error::Kind;
use crate::model::*;
use jiff::Timestamp;
use proptest::prelude::*;
use std::path::PathBuf;
use uuid::Uuid;

/// Few ids, so that random changes meet each other.
fn id(n: u8) -> Uuid {
    Uuid::from_u128(n.into())
}

fn seed() -> Vec<Change> {
    let (name, description) = ("Default".to_owned(), String::new());
    let (data_center, cluster) = (DataCenterId(id(1)), ClusterId(id(2)));
    let (storage_domain, network) = (StorageDomainId(id(3)), NetworkId(id(4)));
    // The cluster comes before what it refers to: references are judged at the end of a batch.
    vec![
        Change::Cluster(Cluster {
            id: cluster,
            name: name.clone(),
            description: description.clone(),
            comment: "c".into(),
            data_center,
        }),
        Change::DataCenter(DataCenter {
            id: data_center,
            name: name.clone(),
            description: description.clone(),
            quota_mode: QuotaMode::Audit,
            comment: String::new(),
        }),
        Change::Qos(Qos {
            id: QosId(id(10)),
            data_center,
            name: name.clone(),
            description: description.clone(),
            tune: Tune { requests: Rates { read: Some(1), ..Rates::default() }, ..Tune::default() },
        }),
        Change::Quota(quota(data_center, storage_domain, cluster)),
        Change::Host(Host { id: HostId(id(5)), name: name.clone(), cluster }),
        Change::StorageDomain(StorageDomain {
            comment: "c".into(),
            id: storage_domain,
            name: name.clone(),
            description: description.clone(),
            kind: StorageKind::Data,
            folder: "/f".into(),
            data_center: Some(data_center),
            active: true,
            wipe_after_delete: true,
            warning: Some(10),
            blocker: None,
        }),
        Change::Network(Network {
            id: network,
            name: name.clone(),
            description,
            comment: "c".into(),
            data_center,
            binding: "network:default".into(),
            vlan: Some(7),
            mtu: 9000,
            stp: true,
            for_vms: false,
        }),
        Change::ClusterNetwork(ClusterNetwork {
            cluster,
            network,
            required: true,
            display: false,
            migration: true,
        }),
        Change::VnicProfile(VnicProfile {
            id: VnicProfileId(id(6)),
            name: name.clone(),
            description: "d".into(),
            comment: String::new(),
            network,
            port_mirroring: true,
            custom_properties: vec![("network_filter".into(), "clean-traffic".into())],
        }),
        Change::DiskProfile(DiskProfile {
            id: DiskProfileId(id(7)),
            name: name.clone(),
            description: "d".into(),
            storage_domain,
            qos: Some(QosId(id(10))),
        }),
        Change::CpuProfile(CpuProfile { id: CpuProfileId(id(8)), name: name.clone(), cluster }),
        Change::User(User { id: UserId(id(9)), name, profile: "internal".into(), password: "$".into() }),
    ]
}

fn quota(data_center: DataCenterId, domain: StorageDomainId, cluster: ClusterId) -> Quota {
    Quota {
        storage: vec![StorageLimit { domain: Some(domain), bytes: Some(GIB) }],
        clusters: vec![ClusterLimit { cluster: Some(cluster), vcpus: None, memory: Some(GIB) }],
        ..Quota::new(QuotaId(id(11)), data_center, "q".into())
    }
}

fn vm(n: u8, name: &str, next: bool) -> Vm {
    let spec = VmSpec { name: name.into(), memory: GIB * u64::from(n + 1), ..VmSpec::default() };
    Vm {
        id: VmId(id(n)),
        cluster: ClusterId(id(2)),
        template: BLANK,
        created: Timestamp::UNIX_EPOCH,
        next_run: next.then(|| Box::new(spec.clone())),
        spec,
        run_once: next,
        started: next.then(Timestamp::now),
        stopped: None,
        machine: (!next).then(|| "pc-q35-7.2".into()),
        wakes_from: None,
        stop_reason: (!next).then(|| "patching".into()),
        setting_up: next,
        taken: !next,
    }
}

fn disk(n: u8, alias: &str, size: u64, flag: bool) -> Disk {
    Disk {
        id: DiskId(id(n)),
        alias: alias.into(),
        description: String::new(),
        storage_domain: StorageDomainId(id(3)),
        image: ImageId(id(n)),
        parent: flag.then(|| ImageId(id(n + 4))),
        format: if flag { DiskFormat::Raw } else { DiskFormat::Cow },
        sparse: !flag,
        size,
        interface: DiskInterface::VirtioScsi,
        bootable: flag,
        shareable: !flag,
        wipe_after_delete: flag,
        propagate_errors: false,
        profile: flag.then(|| DiskProfileId(id(7))),
        quota: flag.then(|| QuotaId(id(11))),
        status: DiskStatus::Locked,
        created: Timestamp::now(),
        lun: None,
    }
}

fn nic(vm: u8, n: u8, flag: bool) -> Nic {
    Nic {
        id: NicId(id(10 * (vm + 1) + n)),
        vm: VmId(id(vm)),
        name: n.to_string(),
        network: flag.then(|| NetworkId(id(4))),
        profile: flag.then(|| VnicProfileId(id(6))),
        interface: NicInterface::Rtl8139Virtio,
        mac: Mac([0, 0x1a, 0x4a, vm, n, flag.into()]),
        plugged: flag,
        linked: !flag,
        port_mirroring: flag.then(|| NetworkId(id(4))).into_iter().collect(),
        boot_protocol: flag.then_some(BootProtocol::Dhcp),
        on_boot: (!flag).then_some(flag),
    }
}

fn tag(n: u8, name: &str) -> Tag {
    Tag { id: TagId(id(n)), name: name.into(), description: String::new(), parent: ROOT_TAG }
}

fn snapshot(of: u8, n: u8, description: &str, flag: bool) -> Snapshot {
    let attachment = Attachment {
        vm: VmId(id(of)),
        disk: DiskId(id(n)),
        active: flag,
        read_only: false,
        target: "vda".into(),
    };
    Snapshot {
        id: SnapshotId(id(n)),
        vm: VmId(id(of)),
        description: description.into(),
        kind: if flag { SnapshotKind::Regular } else { SnapshotKind::Preview },
        status: SnapshotStatus::Locked,
        date: Timestamp::now(),
        spec: vm(of, description, flag).spec,
        machine: flag.then(|| "pc-q35-7.2".into()),
        nics: flag.then(|| nic(of, n, flag)).into_iter().collect(),
        disks: flag
            .then(|| SavedDisk { disk: disk(n, description, 512, flag), attachment })
            .into_iter()
            .collect(),
        lost: flag.then(|| DiskId(id(n))).into_iter().collect(),
        memory: flag.then(|| StorageDomainId(id(3))),
    }
}

fn change() -> impl Strategy<Value = Change> {
    let n = 0..4u8;
    let text = "\\PC{0,8}['\"\0\n]?";
    prop_oneof![
        (n.clone(), text).prop_map(|(n, value)| Change::Setting { name: n.to_string(), value }),
        (n.clone(), text, any::<bool>()).prop_map(|(n, name, next)| Change::Vm(vm(n, &name, next).into())),
        n.clone().prop_map(|n| Change::DropVm(VmId(id(n)))),
        (n.clone(), text, 0..=i64::MAX as u64, any::<bool>())
            .prop_map(|(n, alias, size, flag)| Change::Disk(disk(n, &alias, size, flag))),
        n.clone().prop_map(|n| Change::DropDisk(DiskId(id(n)))),
        (n.clone(), n.clone(), any::<bool>()).prop_map(|(vm, disk, active)| {
            Change::Attachment(Attachment {
                vm: VmId(id(vm)),
                disk: DiskId(id(disk)),
                active,
                read_only: !active,
                target: "vda".into(),
            })
        }),
        (n.clone(), n.clone())
            .prop_map(|(vm, disk)| Change::DropAttachment { vm: VmId(id(vm)), disk: DiskId(id(disk)) }),
        (n.clone(), n.clone(), any::<bool>()).prop_map(|(vm, disk, active)| {
            Change::Borrowed(Borrowed {
                vm: VmId(id(vm)),
                disk: DiskId(id(disk)),
                snapshot: SnapshotId(id(vm)),
                image: ImageId(id(disk)),
                active,
                target: "vdb".into(),
            })
        }),
        (n.clone(), n.clone())
            .prop_map(|(vm, disk)| Change::DropBorrowed { vm: VmId(id(vm)), disk: DiskId(id(disk)) }),
        (n.clone(), n.clone(), any::<bool>()).prop_map(|(vm, n, flag)| Change::Nic(nic(vm, n, flag))),
        (n.clone(), n.clone())
            .prop_map(|(vm, n)| Change::DropNic { vm: VmId(id(vm)), nic: nic(vm, n, true).id }),
        (n.clone(), n.clone(), text, any::<bool>()).prop_map(|(vm, n, description, flag)| {
            Change::Snapshot(snapshot(vm, n, &description, flag).into())
        }),
        (n.clone(), n.clone())
            .prop_map(|(vm, n)| Change::DropSnapshot { vm: VmId(id(vm)), snapshot: SnapshotId(id(n)) }),
        (n.clone(), text).prop_map(|(n, name)| {
            Change::Intent(Intent {
                id: IntentId(id(n)),
                begun: Timestamp::now(),
                undoing: n % 2 == 0,
                operation: Operation::UpdateVm { before: vm(n, &name, true).into() },
            })
        }),
        (n.clone(), text).prop_map(|(n, name)| Change::Tag(tag(n, &name))),
        n.clone().prop_map(|n| Change::DropTag(TagId(id(n)))),
        (n.clone(), n.clone(), any::<bool>()).prop_map(|(tag, vm, on)| {
            let tagged = Tagged { tag: TagId(id(tag)), kind: ObjectKind::Vm, object: id(vm) };
            if on { Change::Tagged(tagged) } else { Change::DropTagged(tagged) }
        }),
        (n.clone(), n.clone(), any::<bool>()).prop_map(|(n, on, disk)| {
            Change::Permission(Permission {
                id: PermissionId(id(n)),
                role: roles::VM_OWNER,
                holder: id(n),
                kind: if disk { ObjectKind::Disk } else { ObjectKind::Vm },
                object: id(on),
            })
        }),
        n.clone().prop_map(|n| Change::DropPermission(PermissionId(id(n)))),
        n.clone().prop_map(|n| Change::DropUser(UserId(id(n)))),
        n.prop_map(|n| Change::DropIntent(IntentId(id(n)))),
    ]
}

/// The change refers to nothing that is missing.
fn fits(world: &World, change: &Change) -> bool {
    match change {
        Change::Nic(it) => world.vms.contains_key(&it.vm),
        Change::Snapshot(it) => world.vms.contains_key(&it.vm),
        Change::Attachment(it) => world.vms.contains_key(&it.vm) && world.disks.contains_key(&it.disk),
        Change::Borrowed(it) => world.vms.contains_key(&it.vm) && world.disks.contains_key(&it.disk),
        Change::Tagged(it) => world.tags.contains_key(&it.tag),
        _ => true,
    }
}

/// Everything that a reopened store tells, as a world.
fn reopened(path: &Path) -> String {
    let mut world = World::default();
    Sqlite::open(path).unwrap().load().unwrap().iter().for_each(|change| world.apply(change));
    format!("{world:?}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn what_was_committed_is_loaded(batches in prop::collection::vec(prop::collection::vec(change(), 1..8), 1..8)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vireo.db");
        let store = Sqlite::open(&path).unwrap();
        let mut world = World::default();
        for (index, mut batch) in [seed()].into_iter().chain(batches).enumerate() {
            batch.retain(|change| {
                let fits = fits(&world, change);
                if fits {
                    world.apply(change);
                }
                fits
            });
            let durability = if index % 2 == 0 { Durability::Synced } else { Durability::Lazy };
            store.commit(&batch, durability).unwrap();
        }
        drop(store);
        prop_assert_eq!(reopened(&path), format!("{world:?}"));
    }
}

fn count(n: usize) -> Change {
    Change::Setting { name: format!("{n:03}"), value: "x".repeat(50) }
}

#[test]
fn a_torn_log_holds_a_prefix_of_the_commits() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vireo.db");
    let store = Sqlite::open(&path).unwrap();
    store.commit(&seed(), Durability::Synced).unwrap();
    for n in 0..12 {
        store.commit(&[count(n)], Durability::Synced).unwrap();
    }
    let (data, log) =
        (std::fs::read(&path).unwrap(), std::fs::read(dir.path().join("vireo.db-wal")).unwrap());
    let torn = dir.path().join("torn.db");
    let mut seen = std::collections::BTreeSet::new();
    let near_the_end = log.len().saturating_sub(4096);
    for length in (0..near_the_end).step_by(2029).chain((near_the_end..=log.len()).step_by(41)) {
        std::fs::write(&torn, &data).unwrap();
        std::fs::write(dir.path().join("torn.db-wal"), &log[..length]).unwrap();
        let _ = std::fs::remove_file(dir.path().join("torn.db-shm"));
        let loaded = Sqlite::open(&torn).unwrap().load().unwrap();
        let settings: Vec<Change> =
            loaded.into_iter().filter(|change| matches!(change, Change::Setting { .. })).collect();
        assert_eq!(settings, (0..settings.len()).map(count).collect::<Vec<_>>(), "torn at {length}");
        seen.insert(settings.len());
    }
    assert!(seen.len() > 10, "the cuts fell between too few commits: {seen:?}");
}

fn open_temporary() -> (tempfile::TempDir, PathBuf, Sqlite) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vireo.db");
    let store = Sqlite::open(&path).unwrap();
    (dir, path, store)
}

#[test]
fn a_batch_is_whole_or_not_there() {
    let (_dir, path, store) = open_temporary();
    let dangling = Change::Attachment(Attachment {
        vm: VmId(id(1)),
        disk: DiskId(id(1)),
        active: true,
        read_only: false,
        target: "vda".into(),
    });
    let error = store.commit(&[count(1), dangling], Durability::Synced).unwrap_err();
    assert_eq!(error.kind, Kind::Bug);
    store.commit(&[count(2)], Durability::Lazy).unwrap();
    drop(store);
    assert_eq!(Sqlite::open(&path).unwrap().load().unwrap(), [count(2)]);
}

#[test]
fn a_host_that_refuses_is_named_and_nothing_is_lost() {
    let (_dir, _path, store) = open_temporary();
    store.commit(&[count(0)], Durability::Synced).unwrap();
    let pages: u32 = store.connection().pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    store.connection().query_row(&format!("PRAGMA max_page_count={pages}"), [], |_| Ok(())).unwrap();
    let big = Change::Setting { name: "big".into(), value: "x".repeat(100_000) };
    let error = store.commit(&[big], Durability::Synced).unwrap_err();
    assert_eq!(error.kind, Kind::Host);
    assert_eq!(error.said, "The state of the engine cannot be written: the disk is full.");
    store.connection().pragma_update(None, "query_only", true).unwrap();
    let error = store.commit(&[count(1)], Durability::Synced).unwrap_err();
    assert_eq!(error.said, "The state of the engine cannot be written: it is read-only.");
    assert_eq!(store.load().unwrap(), [count(0)]);
}

#[test]
fn files_are_private() {
    let (dir, _path, store) = open_temporary();
    store.commit(&[count(0)], Durability::Synced).unwrap();
    let files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(Result::unwrap).collect();
    assert!(files.len() >= 2);
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[test]
fn what_is_not_ours_is_refused() {
    let (_dir, path, store) = open_temporary();
    store.connection().pragma_update(None, "user_version", 99).unwrap();
    drop(store);
    let error = Sqlite::open(&path).err().unwrap();
    assert!(error.said.contains("a newer version of vireo"), "{error}");
    std::fs::write(&path, "not a database".repeat(100)).unwrap();
    assert!(Sqlite::open(&path).err().unwrap().said.contains("damaged"));
    assert!(Sqlite::open(Path::new("/nonexistent/vireo.db")).err().unwrap().said.contains("No such file"));
}

#[test]
fn a_vm_is_found_by_name_with_any_tool() {
    let (_dir, _path, store) = open_temporary();
    store.commit(&seed(), Durability::Lazy).unwrap();
    store.commit(&[Change::Vm(vm(1, "web", false).into())], Durability::Lazy).unwrap();
    let found: String =
        store.connection().query_row("SELECT id FROM vms WHERE name = 'web'", [], |row| row.get(0)).unwrap();
    assert_eq!(found, id(1).to_string());
}
