//! An engine over a simulated host that can be cut off at any call and started again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use vireo::engine::ports::{Images, Store};
use vireo::engine::world::Change;
use vireo::engine::{DiskChange, Engine, NewAttachment, NewDisk, NewVm, SecretKey, Settings, Source};
use vireo::error::Result;
use vireo::model::*;
use vireo::ovf::Hint;
use vireo::sim::{self, MemoryStore, SimImages, SimMirrors, Simulated, Steps};

/// Folder of the simulated images; nothing is ever there.
const STATE: &str = "/nonexistent/vireo";

#[derive(Clone)]
pub struct Lab {
    pub engine: Arc<Engine>,
    pub sim: Simulated,
    pub images: SimImages,
    pub mirrors: SimMirrors,
    pub store: MemoryStore,
    /// Counts the calls of all three.
    pub steps: Arc<Steps>,
}

pub fn settings(state: &Path) -> Settings {
    // The same at every start: what was sealed is opened again.
    let secret_key = SecretKey::from_bytes(&[7; SecretKey::LEN]).unwrap();
    Settings { secret_key, ..sim::settings(state) }
}

/// The rows of a first start; made once, since hashing the password takes its time.
async fn first_rows() -> &'static [Change] {
    static ROWS: OnceLock<Vec<Change>> = OnceLock::new();
    if let Some(rows) = ROWS.get() {
        return rows;
    }
    let store = MemoryStore::new().unwrap();
    let hypervisor = Arc::new(Simulated::default());
    let (images, mirrors) = (Arc::new(SimImages::default()), Arc::new(SimMirrors::default()));
    Engine::open(settings(STATE.as_ref()), Arc::new(store.clone()), hypervisor, images, mirrors)
        .await
        .unwrap();
    ROWS.get_or_init(|| store.load().unwrap())
}

impl Lab {
    pub async fn new() -> Self {
        let steps = Arc::new(Steps::default());
        let images = SimImages::default().counting(steps.clone());
        let sim = Simulated::with_images(images.clone()).counting(steps.clone());
        let store = MemoryStore::holding(first_rows().await).unwrap();
        images.put(format!("{STATE}/boot/kernel"), 1);
        let mirrors = SimMirrors::default().counting(steps.clone());
        Self::over(sim, images, mirrors, store, steps).await
    }

    async fn over(
        sim: Simulated,
        images: SimImages,
        mirrors: SimMirrors,
        store: MemoryStore,
        steps: Arc<Steps>,
    ) -> Self {
        let store = store.counting(steps.clone());
        let engine = Engine::open(
            settings(STATE.as_ref()),
            Arc::new(store.clone()),
            Arc::new(sim.clone()),
            Arc::new(images.clone()),
            Arc::new(mirrors.clone()),
        );
        let lab = Self { engine: engine.await.unwrap(), sim, images, mirrors, store, steps };
        while !lab.engine.connected() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        lab
    }

    /// A new engine over what the last one left: hypervisor, images, and a store's rows.
    pub async fn restarted(&self, store: MemoryStore) -> Self {
        let (sim, images, mirrors) = (self.sim.clone(), self.images.clone(), self.mirrors.clone());
        Self::over(sim, images, mirrors, store, self.steps.clone()).await
    }

    /// Waits until nothing is left to do, for a clock that runs ahead.
    pub async fn rest(&self) {
        for _ in 0..1000 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if self.engine.connected() && self.engine.world().intents.is_empty() {
                // Tasks that events began.
                tokio::time::sleep(Duration::from_millis(2500)).await;
                return;
            }
        }
        panic!("not at rest: {:#?}", self.engine.world().intents);
    }

    /// Puts ISO files where VMs find them.
    pub fn isos(&self, names: &[&str]) {
        names.iter().for_each(|name| self.images.put(format!("{STATE}/isos/{name}"), 1));
    }

    pub async fn vm(&self, name: &str) -> VmId {
        self.made(new_vm(name)).await.unwrap()
    }

    /// A VM with some disks of their own, `NAME-0` and so on.
    pub async fn vm_with_disks(&self, name: &str, count: usize) -> (VmId, Vec<DiskId>) {
        let vm = self.vm(name).await;
        let mut disks = Vec::new();
        for n in 0..count {
            disks.push(self.disk(new_disk(&format!("{name}-{n}")), Some(onto(vm))).await.unwrap());
        }
        (vm, disks)
    }

    pub async fn made(&self, new: NewVm) -> Result<VmId> {
        self.engine.create_vm(new).await?.finished().await
    }

    pub async fn disk(&self, new: NewDisk, onto: Option<NewAttachment>) -> Result<DiskId> {
        self.engine.add_disk(new, onto).await?.finished().await
    }

    pub async fn floating(&self, alias: &str) -> DiskId {
        self.disk(new_disk(alias), None).await.unwrap()
    }

    pub async fn start(&self, vm: VmId) {
        self.engine.start_vm(vm, Default::default()).await.unwrap();
    }

    pub fn image(&self, disk: &Disk) -> PathBuf {
        let world = self.engine.world();
        // A LUN has none.
        let folder = world.storage_domains.get(&disk.storage_domain).map(|it| PathBuf::from(&it.folder));
        folder.map(|folder| folder.join(disk.file_name())).unwrap_or_default()
    }

    pub fn folder(&self) -> PathBuf {
        format!("{STATE}/images").into()
    }

    pub fn image_files(&self) -> Vec<PathBuf> {
        let files = self.images.files();
        let other = ["boot", "isos", "payloads"].map(|folder| format!("{STATE}/{folder}"));
        files.into_iter().filter(|file| !other.iter().any(|folder| file.starts_with(folder))).collect()
    }

    /// What lies in export domains.
    pub fn exported(&self) -> Vec<(StorageDomainId, Hint)> {
        let world = self.engine.world();
        let places = world.storage_domains.values().filter(|it| it.kind == StorageKind::Export);
        let of = |place: &StorageDomain| {
            let hints = self.images.hints(place.folder.as_ref()).unwrap().into_iter();
            let read = hints.map(|(_, text)| (place.id, Hint::read(&text).unwrap()));
            read.collect::<Vec<_>>()
        };
        places.flat_map(of).collect()
    }

    /// The state that clients can see, by names: equal pictures are equal worlds.
    pub fn picture(&self) -> String {
        let world = self.engine.world().clone();
        let mut lines = BTreeMap::new();
        for vm in world.vms.values() {
            let disks: Vec<String> = world
                .hung_on(vm.id)
                .into_iter()
                .map(|(hangs, disk)| {
                    format!("{} {} active={} ro={}", disk.alias, hangs.target, hangs.active, hangs.read_only)
                })
                .collect();
            let nics: Vec<String> = world
                .nics_of(vm.id)
                .into_iter()
                .map(|nic| {
                    let Nic { name, mac, interface, plugged, linked, .. } = nic;
                    let mac = &mac.to_string()[12..];
                    let leads = (nic.network.is_some(), nic.port_mirroring.len());
                    format!("{name} {mac} {interface:?} {leads:?} plugged={plugged} linked={linked}")
                })
                .collect();
            let next = vm.next_run.as_ref().map(|next| (&next.name, next.memory, next.topology));
            let status = self.engine.status(vm.id);
            let spec = &vm.spec;
            let cdrom = (&spec.cdrom, self.engine.medium(vm.id).unwrap());
            let version = world.templates.get(&vm.template).map(|template| template.version);
            let numa: Vec<_> = spec.numa_nodes.iter().map(|node| (node.memory, &node.cores)).collect();
            lines.insert(
                format!("vm {}", spec.name),
                format!(
                    "{status:?} {version:?} {} {:?} {:?} once={} wakes={} next={next:?} disks={disks:?} nics={nics:?} \
                     cdrom={cdrom:?} numa={numa:?}",
                    spec.memory,
                    spec.topology,
                    spec.description,
                    vm.run_once,
                    vm.wakes_from.is_some()
                ),
            );
        }
        for template in world.templates.values() {
            let Template { spec, status, version, nics, disks, .. } = template;
            lines.insert(
                format!("template {} {version}", spec.name),
                format!("{status:?} {} nics={} disks={}", spec.memory, nics.len(), disks.len()),
            );
        }
        for domain in world.storage_domains.values() {
            let StorageDomain { name, description, data_center, active, .. } = domain;
            let rest = format!("{description:?} attached={} active={active}", data_center.is_some());
            lines.insert(format!("storage domain {name}"), rest);
        }
        for network in world.networks.values() {
            let profiles = world.vnic_profiles.values().filter(|profile| profile.network == network.id);
            let profiles: Vec<_> = profiles.map(|it| (&it.name, &it.custom_properties)).collect();
            let clusters = world.cluster_networks.keys().filter(|(_, id)| *id == network.id).count();
            lines.insert(
                format!("network {}", network.name),
                format!("{} {:?} {profiles:?} in {clusters} clusters", network.mtu, network.vlan),
            );
        }
        for snapshot in world.snapshots.values() {
            let disks: Vec<_> = snapshot
                .disks
                .iter()
                .map(|saved| {
                    let (disk, depth) = (&saved.disk, world.chain(&saved.disk).len());
                    format!("{} {:?} {} over {depth}", disk.alias, disk.status, disk.size)
                })
                .collect();
            let memory = snapshot.memory.is_some();
            lines.insert(
                format!("snapshot {}", snapshot.description),
                format!("{:?} {:?} memory={memory} {disks:?}", snapshot.kind, snapshot.status),
            );
        }
        for disk in world.disks.values() {
            let hangs = world.attachments_of(disk.id).count();
            lines.insert(
                format!("disk {}", disk.alias),
                format!(
                    "{:?} {} {:?} bootable={} shareable={} {:?} on {hangs}, image {:?} of {}",
                    disk.status,
                    disk.size,
                    disk.interface,
                    disk.bootable,
                    disk.shareable,
                    disk.description,
                    self.images.virtual_size(&self.image(disk), disk.format).ok(),
                    world.chain(disk).len()
                ),
            );
        }
        for (_, hint) in self.exported() {
            let vm = hint.vm.as_ref().map(|vm| &vm.spec);
            let spec = vm.or(hint.template.as_ref().map(|template| &template.spec)).unwrap();
            let layers = hint.disks.iter().map(|disk| (&disk.alias, disk.parent.is_some()));
            lines.insert(
                format!("exported {}", spec.name),
                format!("{} {:?} past={}", vm.is_some(), layers.collect::<Vec<_>>(), hint.snapshots.len()),
            );
        }
        lines.into_iter().map(|(name, rest)| format!("{name}: {rest}\n")).collect()
    }
}

pub fn new_vm(name: &str) -> NewVm {
    let mut spec = VmSpec { name: name.into(), memory: GIB, ..VmSpec::default() };
    spec.os.kernel = Some("kernel".into());
    NewVm {
        cluster: ClusterId("99408929-82cf-4dc7-a532-9d998063fa95".parse().unwrap()),
        source: Source::BLANK,
        spec,
        disks: Default::default(),
        grants_of: None,
        pool: None,
    }
}

pub fn new_disk(alias: &str) -> NewDisk {
    NewDisk {
        alias: Some(alias.into()),
        description: String::new(),
        storage_domain: Some(StorageDomainId("fabe0451-701f-4235-8f7e-e20e458819ed".parse().unwrap())),
        format: DiskFormat::Cow,
        sparse: None,
        size: GIB,
        interface: DiskInterface::Virtio,
        bootable: false,
        shareable: false,
        wipe_after_delete: None,
        propagate_errors: false,
        profile: None,
        quota: None,
        lun: None,
    }
}

pub fn shareable(alias: &str) -> NewDisk {
    NewDisk { format: DiskFormat::Raw, shareable: true, ..new_disk(alias) }
}

pub fn onto(vm: VmId) -> NewAttachment {
    NewAttachment { vm, active: Some(true), read_only: false }
}

pub fn grown(size: u64) -> DiskChange {
    DiskChange { size: Some(size), ..DiskChange::default() }
}
