//! Do rows, documents, image files and memory tell the same story?

use super::lab::Lab;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use vireo::engine::ports::{Hypervisor, Images, Store};
use vireo::engine::world::World;
use vireo::engine::{DiskChange, NicChange};
use vireo::model::*;
use vireo::{domain, xml};

/// Everything that is wrong in a world at rest.
pub async fn audit(lab: &Lab) -> Vec<String> {
    let mut wrong = Wrong::default();
    rows(lab, &mut wrong);
    files(lab, &mut wrong);
    media(lab, &mut wrong);
    documents(lab, &mut wrong);
    secrets(lab, &mut wrong);
    mirrors(lab, &mut wrong);
    networks(lab, &mut wrong);
    storage(lab, &mut wrong);
    reloaded(lab, &mut wrong);
    locks(lab, &mut wrong).await;
    wrong.0
}

#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn unless(&mut self, right: bool, what: impl FnOnce() -> String) {
        if !right {
            self.0.push(what());
        }
    }
}

fn rows(lab: &Lab, wrong: &mut Wrong) {
    let world = lab.engine.world();
    wrong.unless(world.intents.is_empty(), || format!("intents are left: {:?}", world.intents));
    let mut names = BTreeSet::new();
    for vm in world.vms.values() {
        wrong.unless(names.insert(&vm.spec.name), || format!("two VMs are named {}", vm.spec.name));
        let disks = world.hung_on(vm.id);
        let targets: BTreeSet<&String> = disks.iter().map(|(hangs, _)| &hangs.target).collect();
        wrong.unless(targets.len() == disks.len(), || format!("{}: a target is used twice", vm.spec.name));
        let boots = disks.iter().filter(|(_, disk)| disk.bootable).count();
        wrong.unless(boots <= 1, || format!("{} boots from {boots} disks", vm.spec.name));
        let down = lab.engine.status(vm.id) == VmStatus::Down;
        wrong.unless(!down || vm.next_run.is_none(), || format!("{} waits for its next run", vm.spec.name));
        let run_is_open = vm.run_once || (vm.started.is_some() && vm.stopped.is_none());
        let stateless =
            world.snapshots.values().any(|it| it.vm == vm.id && it.kind == SnapshotKind::Stateless);
        wrong.unless(!down || !stateless, || format!("{} is down but keeps its last run", vm.spec.name));
        wrong.unless(!down || !run_is_open, || format!("{} is down but its run is not over", vm.spec.name));
    }
    for template in world.templates.values() {
        let name = &template.spec.name;
        wrong.unless(template.status == TemplateStatus::Ok, || {
            format!("template {name} is {:?}", template.status)
        });
        let all = template.disks.iter().all(|disk| world.disks.contains_key(disk));
        wrong.unless(all, || format!("template {name} lacks a disk"));
    }
    for snapshot in world.snapshots.values() {
        let whole = snapshot.disks.iter().all(|saved| saved.disk.status == DiskStatus::Ok);
        wrong.unless(snapshot.status != SnapshotStatus::Locked && whole, || {
            format!("snapshot {} is {:?}", snapshot.description, snapshot.status)
        });
    }
    for disk in world.disks.values() {
        wrong.unless(disk.status == DiskStatus::Ok, || format!("disk {} is {:?}", disk.alias, disk.status));
        let hangs = world.attachments_of(disk.id).count();
        wrong.unless(disk.shareable || hangs <= 1, || format!("disk {} hangs on {hangs} VMs", disk.alias));
    }
}

fn files(lab: &Lab, wrong: &mut Wrong) {
    let world = lab.engine.world().clone();
    let images = world.disks.values().filter(|disk| disk.lun.is_none());
    let copies = world.templates.values().flat_map(|template| &template.copies);
    let over: Vec<Disk> =
        world.borrowed.values().filter_map(|it| world.written_over(it)).map(|(_, disk)| disk).collect();
    wrong.unless(over.len() == world.borrowed.len(), || "a borrowed image is gone".into());
    let images = images.flat_map(|disk| world.images_of(disk.id)).chain(copies).chain(&over);
    let memories = world.snapshots.values().filter(|it| it.memory.is_some());
    let memories = memories.map(|it| lab.folder().join(Snapshot::memory_file(it.id)));
    let exported = lab.exported().into_iter().flat_map(|(place, hint)| {
        let folder = PathBuf::from(&world.storage_domains[&place].folder);
        vireo::engine::files_of(&hint).into_iter().map(move |name| folder.join(name)).collect::<Vec<_>>()
    });
    let wanted: BTreeSet<PathBuf> =
        images.map(|disk| lab.image(disk)).chain(memories).chain(exported).collect();
    let present: BTreeSet<PathBuf> = lab.image_files().into_iter().collect();
    wrong.unless(wanted == present, || {
        let orphans: Vec<_> = present.difference(&wanted).collect();
        let missing: Vec<_> = wanted.difference(&present).collect();
        format!("files without a disk: {orphans:?}, disks without a file: {missing:?}")
    });
    for disk in world.disks.values().filter(|disk| disk.lun.is_none()) {
        let size = lab.images.virtual_size(&lab.image(disk), disk.format).ok();
        wrong.unless(size.is_none_or(|size| size == disk.size), || {
            format!("disk {} has {} bytes, its image {size:?}", disk.alias, disk.size)
        });
        let names = |image: &&Disk| (image.file_name(), image.format);
        let promised: Vec<_> = world.chain(disk).iter().map(names).collect();
        let real = lab.images.chain(&lab.image(disk), disk.format).ok();
        wrong.unless(real.as_ref() == Some(&promised), || {
            format!("disk {} is {promised:?}, its files {real:?}", disk.alias)
        });
    }
}

/// Media that were made for a run are there as long as it is.
fn media(lab: &Lab, wrong: &mut Wrong) {
    let world = lab.engine.world();
    let of = |name: &PathBuf| name.file_name()?.to_str()?.get(..36)?.parse::<VmId>().ok();
    let made = lab.images.files().into_iter().filter(|file| file.to_string_lossy().contains("/payloads/"));
    let made: Vec<Option<VmId>> = made.map(|file| of(&file)).collect();
    for id in made.iter().flatten() {
        let down = lab.engine.status(*id) == VmStatus::Down;
        wrong.unless(!down, || format!("{id} is down and its media are there"));
    }
    for vm in world.vms.values().filter(|vm| lab.engine.status(vm.id) != VmStatus::Down) {
        let there = made.iter().filter(|id| **id == Some(vm.id)).count();
        wrong.unless(there >= vm.spec.payloads.len(), || format!("{} lacks its media", vm.spec.name));
    }
}

/// The disks of a document: by id the target and the file.
pub fn devices(document: &str) -> BTreeMap<DiskId, (String, Option<String>, bool)> {
    let document = xml::parse(document.as_bytes()).unwrap();
    let disks = domain::observe(&document).disks.into_iter();
    disks
        .filter_map(|disk| {
            Some((DiskId::from_alias(disk.alias.as_deref()?)?, (disk.target, disk.file, disk.read_only)))
        })
        .collect()
}

/// The interfaces of a document: by id the address, the network and the carrier.
fn interfaces(document: &str) -> BTreeMap<NicId, (String, Option<String>, bool)> {
    let document = xml::parse(document.as_bytes()).unwrap();
    let taps = domain::observe(&document).taps.into_iter();
    taps.filter_map(|tap| {
        Some((NicId::from_alias(tap.alias.as_deref()?)?, (tap.mac, tap.network, tap.linked)))
    })
    .collect()
}

fn nics(lab: &Lab, world: &World, vm: &Vm, wrong: &mut Wrong) {
    let wanted: BTreeMap<_, _> = world
        .nics_of(vm.id)
        .into_iter()
        .filter(|nic| nic.plugged)
        .map(|nic| {
            let network = nic.network.map(|id| world.networks[&id].binding.clone());
            (nic.id, (nic.mac.to_string(), network, nic.linked))
        })
        .collect();
    let profile = |nic: &Nic| nic.profile.and_then(|profile| world.vnic_profiles.get(&profile));
    let filtered: BTreeMap<_, _> = world
        .nics_of(vm.id)
        .into_iter()
        .filter(|nic| nic.plugged)
        .map(|nic| (nic.id.alias(), profile(nic).and_then(|it| it.filter()).map(str::to_owned)))
        .collect();
    for persistent in [true, false] {
        let document = lab.sim.document(vm.id, persistent).unwrap().unwrap_or_default();
        let seen = filters(&document);
        wrong.unless(seen == filtered, || {
            format!("{} has the filters {seen:?}, not {filtered:?}", vm.spec.name)
        });
        let seen = interfaces(&document);
        let name = &vm.spec.name;
        wrong.unless(seen == wanted, || {
            format!("{name} has the interfaces {seen:?} (persistent: {persistent}), not {wanted:?}")
        });
    }
}

/// libvirt has the networks that the engine makes, and no other of its own.
fn networks(lab: &Lab, wrong: &mut Wrong) {
    let world = lab.engine.world();
    let made = world.networks.values().filter(|network| network.is_own());
    let wanted: BTreeSet<String> = made.map(|network| Network::own_name(network.id)).collect();
    let own = |name: &String| name.starts_with("vireo-") && name != "vireo-nowhere";
    let there: BTreeSet<String> = lab.sim.networks().into_iter().filter(own).collect();
    wrong.unless(there == wanted, || format!("libvirt has the networks {there:?}, not {wanted:?}"));
    for profile in world.vnic_profiles.values() {
        let of_network = world.networks.contains_key(&profile.network);
        wrong.unless(of_network, || format!("the profile {} has no network", profile.name));
    }
}

/// The filters of a document's interfaces.
fn filters(document: &str) -> BTreeMap<String, Option<String>> {
    let document = xml::parse(document.as_bytes()).unwrap();
    let interfaces = document.every("devices/interface").into_iter();
    let of = |one: &xml::Element| Some((one.value("alias/@name")?, one.value("filterref/@filter")));
    interfaces.filter_map(of).collect()
}

/// What is copied is what the rows ask for.
fn mirrors(lab: &Lab, wrong: &mut Wrong) {
    let world = lab.engine.world();
    let runs = |vm: VmId| matches!(lab.engine.inventory.power(vm), Some(Power::Running));
    let mirror = |nic: &&Nic| nic.plugged && runs(nic.vm) && !nic.port_mirroring.is_empty();
    let wanted = world.nics.values().any(|nic| mirror(&nic));
    let copies = lab.mirrors.copies();
    wrong.unless(wanted || copies.is_empty(), || format!("copied is {copies:?}, asked for nothing"));
}

/// Every domain has its folder, and its pool as long as it is active; nobody else has either.
fn storage(lab: &Lab, wrong: &mut Wrong) {
    let world = lab.engine.world();
    let domains = || world.storage_domains.values();
    let wanted: BTreeMap<String, PathBuf> = domains()
        .filter(|domain| domain.active)
        .map(|domain| (format!("vireo-{}", domain.name), domain.folder.clone().into()))
        .collect();
    let pools = lab.sim.pools();
    wrong.unless(pools == wanted, || format!("there are the pools {pools:?}, not {wanted:?}"));
    let own = |domain: &&StorageDomain| domain.folder.starts_with("/elsewhere");
    let wanted: BTreeMap<PathBuf, String> =
        domains().filter(own).map(|domain| (domain.folder.clone().into(), domain.id.to_string())).collect();
    let marks = lab.images.marks();
    wrong.unless(marks == wanted, || format!("folders are of {marks:?}, not of {wanted:?}"));
    for profile in world.disk_profiles.values() {
        let there = world.storage_domains.contains_key(&profile.storage_domain);
        wrong.unless(there, || format!("the disk profile {} is of no domain", profile.name));
    }
}

/// Disks are as fast as they may be.
fn tunes(world: &World, document: &str, name: &str, wrong: &mut Wrong) {
    let document = xml::parse(document.as_bytes()).unwrap();
    for device in document.every("devices/disk") {
        let id = device.value("alias/@name").and_then(|alias| DiskId::from_alias(&alias));
        let Some(disk) = id.and_then(|id| world.disks.get(&id)) else { continue };
        let limits = domain::limits(world.tune_of(disk));
        let wanted: BTreeMap<String, u64> =
            limits.into_iter().filter(|(_, it)| *it > 0).map(|(name, it)| (name.to_owned(), it)).collect();
        let set = device.first("iotune").into_iter().flat_map(|it| it.elements());
        let has: BTreeMap<String, u64> =
            set.filter_map(|it| Some((it.name.clone(), it.content().trim().parse().ok()?))).collect();
        wrong.unless(has == wanted, || format!("{name}: disk {} is limited by {has:?}", disk.alias));
    }
}

/// libvirt knows the passwords that disks' targets ask for, and no others.
fn secrets(lab: &Lab, wrong: &mut Wrong) {
    let world = lab.engine.world();
    let asked = world.disks.values().filter(|it| it.lun.as_ref().and_then(Lun::chap).is_some());
    let asked: BTreeMap<DiskId, String> = asked.map(|it| (it.id, "canary".to_owned())).collect();
    let known = lab.sim.secrets();
    wrong.unless(known == asked, || format!("libvirt knows {known:?}, disks ask for {asked:?}"));
}

fn documents(lab: &Lab, wrong: &mut Wrong) {
    let domains = lab.sim.domains().unwrap();
    let listed: BTreeSet<VmId> = lab.engine.vm_ids().into_iter().collect();
    let world = lab.engine.world().clone();
    for seen in &domains {
        let (id, name) = (seen.id, &seen.name);
        let Some(vm) = world.vms.get(&id) else {
            wrong.0.push(format!("domain {name} has no VM"));
            continue;
        };
        wrong.unless(seen.persistent, || format!("domain {name} is transient"));
        let known = lab.engine.inventory.seen(id);
        wrong.unless(known.as_ref().is_some_and(|known| known.domain == *seen), || {
            format!("{name}: the inventory has {:?}", known.as_ref().map(|known| &known.domain))
        });
        let wanted: BTreeMap<_, _> = world
            .hung_on(id)
            .into_iter()
            .filter(|(hangs, _)| hangs.active)
            .map(|(hangs, disk)| {
                let file = lab.image(&disk).to_str().map(str::to_owned).filter(|_| disk.lun.is_none());
                (disk.id, (hangs.target.clone(), file, hangs.read_only))
            })
            .collect();
        let persistent = lab.sim.document(id, true).unwrap().unwrap_or_default();
        let plugged = devices(&persistent);
        wrong.unless(plugged == wanted, || format!("{name} has defined {plugged:?}, not {wanted:?}"));
        let live = devices(&lab.sim.document(id, false).unwrap().unwrap());
        wrong.unless(live == wanted, || format!("{name} has live {live:?}, not {wanted:?}"));
        nics(lab, &world, vm, wrong);
        for document in [&persistent, &lab.sim.document(id, false).unwrap().unwrap()] {
            tunes(&world, document, name, wrong);
        }
        let observed = domain::observe(&xml::parse(persistent.as_bytes()).unwrap());
        let figures = (observed.current_memory, observed.vcpus);
        wrong.unless(figures == (vm.spec.memory, vm.spec.topology.vcpus()), || {
            format!(
                "{name} is defined with {figures:?}, its row has {} {:?}",
                vm.spec.memory, vm.spec.topology
            )
        });
        let drive = observed.disks.iter().find(|disk| disk.device == "cdrom").unwrap();
        let medium = drive.file.as_deref().and_then(|file| file.rsplit('/').next());
        wrong.unless(medium == vm.spec.cdrom.as_deref(), || {
            format!("{name} is defined with the CD {medium:?}")
        });
        let live =
            domain::observe(&xml::parse(lab.sim.document(id, false).unwrap().unwrap().as_bytes()).unwrap());
        wrong.unless(live.memory >= vm.spec.memory || !lab.engine.status(id).runs(), || {
            format!("{name} runs with {} bytes of memory", live.memory)
        });
        let given = world.permissions.values().any(|it| it.on() == vm.id.into());
        wrong.unless(!given || world.pool_of(vm.id).is_none() || lab.engine.status(vm.id).runs(), || {
            format!("{name} was given away by its pool and does not run")
        });
        let cells = persistent.matches("<cell ").count();
        // Memory is plugged into one.
        let nodes = vm.spec.numa_nodes.len().max(vm.spec.memory_growth().is_some().into());
        wrong.unless(cells == nodes, || format!("{name} is defined with {cells} nodes"));
        if seen.power == Power::Off {
            wrong.unless(*name == vm.spec.name, || format!("domain {name} is VM {}", vm.spec.name));
        } else if !vm.run_once {
            let live = known.as_ref().map(|known| (known.observed.current_memory, known.observed.vcpus));
            wrong.unless(live == Some(figures), || format!("{name} runs with {live:?}, not {figures:?}"));
        }
    }
    for vm in world.vms.values() {
        let defined = domains.iter().any(|seen| seen.id == vm.id);
        wrong.unless(defined, || format!("VM {} has no domain", vm.spec.name));
    }
    let known: BTreeSet<VmId> = world.vms.keys().copied().collect();
    wrong.unless(listed == known, || format!("listed are {listed:?}, promised {known:?}"));
}

fn reloaded(lab: &Lab, wrong: &mut Wrong) {
    let mut stored = World::default();
    lab.store.load().unwrap().iter().for_each(|change| stored.apply(change));
    let (stored, present) = (format!("{stored:#?}"), format!("{:#?}", *lab.engine.world()));
    wrong.unless(stored == present, || format!("the store has {stored}, memory {present}"));
}

/// Nobody holds anything any more: a change that changes nothing is let through.
async fn locks(lab: &Lab, wrong: &mut Wrong) {
    let (vms, disks, nics): (Vec<VmId>, Vec<DiskId>, Vec<(VmId, NicId)>) = {
        let world = lab.engine.world();
        let vms = world.vms.keys().copied().collect();
        (vms, world.disks.keys().copied().collect(), world.nics.keys().copied().collect())
    };
    for vm in vms {
        let free = lab.engine.update_vm(vm, false, |_| Ok(())).await;
        wrong.unless(free.is_ok(), || format!("VM {vm} is held: {free:?}"));
    }
    for disk in disks {
        let free = lab.engine.update_disk(disk, None, DiskChange::default()).await;
        wrong.unless(free.is_ok(), || format!("disk {disk} is held: {free:?}"));
    }
    for (vm, nic) in nics {
        let free = lab.engine.update_nic(vm, nic, NicChange::default()).await;
        wrong.unless(free.is_ok(), || format!("interface {nic} is held: {free:?}"));
    }
}
