//! How operations are told: the words and codes of jobs and events, one line each.

use super::Engine;
use super::world::{DiskLimits, Operation, Preview, World};
use crate::error::Error;
use crate::model::*;
use crate::ovf::Hint;

/// What is said of an operation while it runs and when it is over.
#[derive(Clone, Debug)]
pub struct Telling {
    /// `Attaching disk data to VM web1`
    pub doing: String,
    /// `Disk data was attached to VM web1`
    did: String,
    done: Code,
    failed: Code,
    pub about: About,
}

impl Telling {
    pub fn new(doing: String, did: String, done: Code, failed: Code, about: About) -> Self {
        Self { doing, did, done, failed, about }
    }

    /// The event of the end.
    pub fn end(&self, by: Option<&str>, failure: Option<&Error>) -> (Code, String) {
        let by = by.map(|user| format!(" by {user}")).unwrap_or_default();
        match failure {
            None => (self.done, format!("{}{by}.", self.did)),
            Some(why) => (self.failed, format!("{}{by} failed: {}", self.doing, why.said)),
        }
    }

    pub(super) fn of(operation: &Operation, world: &World) -> Self {
        match operation {
            Operation::CreateTemplate { template, .. } => {
                let codes = (Code::TEMPLATE_ADDED, Code::TEMPLATE_ADD_FAILED);
                of_template(world, *template, "Creating", "was created", codes)
            }
            Operation::RemoveTemplate { template, .. } => {
                let codes = (Code::TEMPLATE_REMOVED, Code::TEMPLATE_REMOVE_FAILED);
                of_template(world, *template, "Removing", "was removed", codes)
            }
            Operation::CreateVm { vm, .. } => {
                let codes = (Code::VM_ADDED, Code::VM_ADD_FAILED);
                of_vm(world, *vm, "Creating", "was created", codes)
            }
            Operation::RegisterVm { vm, .. } => {
                let codes = (Code::VM_ADDED, Code::VM_ADD_FAILED);
                of_vm(world, *vm, "Registering", "was registered", codes)
            }
            Operation::Export(export) => {
                of_machine(world, &export.hint, export.to, ("Exporting", "to"), "was exported", EXPORTED)
            }
            Operation::RemoveExport { from, hint } => {
                of_machine(world, hint, *from, ("Removing", "from"), "was removed", EXPORT_REMOVED)
            }
            Operation::ImportVm { vm, .. } => {
                let codes = (Code::VM_IMPORTED, Code::VM_IMPORT_FAILED);
                of_vm(world, *vm, "Importing", "was imported", codes)
            }
            Operation::ImportTemplate { template, .. } => {
                let codes = (Code::TEMPLATE_IMPORTED, Code::TEMPLATE_IMPORT_FAILED);
                of_template(world, *template, "Importing", "was imported", codes)
            }
            Operation::UpdateVm { before } => {
                let codes = (Code::VM_UPDATED, Code::VM_UPDATE_FAILED);
                of_vm(world, before.id, "Updating", "was updated", codes)
            }
            Operation::RemoveVm { vm, .. } => {
                let codes = (Code::VM_REMOVED, Code::VM_REMOVE_FAILED);
                of_vm(world, *vm, "Removing", "was removed", codes)
            }
            Operation::UnregisterVm { vm, .. } => {
                let codes = (Code::VM_REMOVED, Code::VM_REMOVE_FAILED);
                of_vm(world, *vm, "Unregistering", "was unregistered: its disks stay", codes)
            }
            Operation::AddDisk { disk, vm } => {
                let codes = match vm {
                    Some(_) => (Code::DISK_ADDED_TO_VM, Code::DISK_ADD_TO_VM_FAILED),
                    None => (Code::DISK_ADDED, Code::DISK_ADD_FAILED),
                };
                of_disk(world, *disk, *vm, ("Adding", "to"), "was added", codes)
            }
            Operation::RemoveDisk { disk, .. } => {
                let codes = (Code::DISK_REMOVED, Code::DISK_REMOVE_FAILED);
                of_disk(world, *disk, None, ("Removing", ""), "was removed", codes)
            }
            Operation::AttachDisk { vm, disk }
            | Operation::BorrowDisk { borrowed: Borrowed { vm, disk, .. } } => {
                let codes = (Code::DISK_ATTACHED, Code::DISK_ATTACH_FAILED);
                of_disk(world, *disk, Some(*vm), ("Attaching", "to"), "was attached", codes)
            }
            Operation::DetachDisk { before: Attachment { vm, disk, .. } }
            | Operation::ReturnDisk { before: Borrowed { vm, disk, .. } } => {
                let codes = (Code::DISK_DETACHED, Code::DISK_DETACH_FAILED);
                of_disk(world, *disk, Some(*vm), ("Detaching", "from"), "was detached", codes)
            }
            Operation::PlugDisk { vm, disk, active: true } => {
                let codes = (Code::DISK_PLUGGED, Code::DISK_PLUG_FAILED);
                of_disk(world, *disk, Some(*vm), ("Activating", "of"), "was activated", codes)
            }
            Operation::PlugDisk { vm, disk, active: false } => {
                let codes = (Code::DISK_UNPLUGGED, Code::DISK_UNPLUG_FAILED);
                of_disk(world, *disk, Some(*vm), ("Deactivating", "of"), "was deactivated", codes)
            }
            Operation::UpdateDisk { before, .. } => {
                let codes = (Code::DISK_UPDATED, Code::DISK_UPDATE_FAILED);
                of_disk(world, before.id, None, ("Updating", ""), "was updated", codes)
            }
            Operation::AddNic { vm, nic } => {
                let name = world.nics.get(&(*vm, *nic)).map(|nic| nic.name.clone()).unwrap_or_default();
                of_nic(
                    world,
                    *vm,
                    &name,
                    ("Adding", "to"),
                    "was added",
                    (Code::NIC_ADDED, Code::NIC_ADD_FAILED),
                )
            }
            Operation::UpdateNic { before, .. } => {
                let codes = (Code::NIC_UPDATED, Code::NIC_UPDATE_FAILED);
                of_nic(world, before.vm, &before.name, ("Updating", "of"), "was updated", codes)
            }
            Operation::RemoveNic { before } => {
                let codes = (Code::NIC_REMOVED, Code::NIC_REMOVE_FAILED);
                of_nic(world, before.vm, &before.name, ("Removing", "from"), "was removed", codes)
            }
            Operation::WakeVm { vm, .. } => {
                let codes = (Code::VM_STARTED, Code::VM_START_FAILED);
                of_vm(world, *vm, "Starting", "was started", codes)
            }
            Operation::CreateSnapshot { vm, snapshot, .. } => {
                let codes = (Code::SNAPSHOT_CREATED, Code::SNAPSHOT_CREATE_FAILED);
                of_snapshot(world, *vm, *snapshot, ("Creating", "was created"), codes)
            }
            Operation::RemoveSnapshot { vm, snapshot, .. } => {
                let codes = (Code::SNAPSHOT_REMOVED, Code::SNAPSHOT_REMOVE_FAILED);
                of_snapshot(world, *vm, *snapshot, ("Removing", "was removed"), codes)
            }
            Operation::PreviewSnapshot(Preview { vm, snapshot, .. }) => {
                let codes = (Code::SNAPSHOT_PREVIEWED, Code::SNAPSHOT_PREVIEW_FAILED);
                of_snapshot(world, *vm, *snapshot, ("Going back to", "is what the VM shows"), codes)
            }
            Operation::EndPreview { vm, .. } => {
                let codes = (Code::SNAPSHOT_RESTORED, Code::SNAPSHOT_RESTORE_FAILED);
                let (doing, did) = ("Ending the snapshot preview of", "has ended its snapshot preview");
                of_vm(world, *vm, doing, did, codes)
            }
            Operation::EndStateless { vm, .. } => {
                let codes = (Code::SNAPSHOT_RESTORED, Code::SNAPSHOT_RESTORE_FAILED);
                let (doing, did) =
                    ("Ending the stateless run of", "has the disks of before its stateless run");
                of_vm(world, *vm, doing, did, codes)
            }
            Operation::FollowVersion { before, .. } => {
                let codes = (Code::VM_UPDATED, Code::VM_UPDATE_FAILED);
                let did = "is of the latest version of its template";
                of_vm(world, before.id, "Updating to the latest version of its template", did, codes)
            }
            Operation::ReorderMacs { vm, .. } => Self::new(
                format!("Ordering the MAC addresses of VM {}", vm_name(world, *vm)),
                format!("The MAC addresses of VM {} were put in order", vm_name(world, *vm)),
                Code::NIC_UPDATED,
                Code::NIC_UPDATE_FAILED,
                world.about_vm(*vm),
            ),
            Operation::MoveDisk(passage) => {
                let codes = (Code::DISK_MOVED, Code::DISK_MOVE_FAILED);
                of_disk(world, passage.disk, None, ("Moving", ""), "was moved", codes)
            }
            Operation::CopyTemplateDisk { template, .. } => {
                let codes = (Code::TEMPLATE_DISK_COPIED, Code::TEMPLATE_DISK_COPY_FAILED);
                of_template(world, *template, "Copying a disk of", "has another copy of a disk", codes)
            }
            Operation::RemoveTemplateCopy { template, .. } => {
                let codes = (Code::TEMPLATE_UPDATED, Code::TEMPLATE_REMOVE_FAILED);
                of_template(
                    world,
                    *template,
                    "Removing a copy of a disk of",
                    "has a copy of a disk less",
                    codes,
                )
            }
            Operation::CopyDisk { source, .. } => {
                let codes = (Code::DISK_COPIED, Code::DISK_COPY_FAILED);
                of_disk(world, *source, None, ("Copying", ""), "was copied", codes)
            }
            Operation::AddNetwork { network } => {
                let codes = (Code::NETWORK_ADDED, Code::NETWORK_ADD_FAILED);
                of_network(world, world.networks.get(network), "Adding", "was added", codes)
            }
            Operation::UpdateNetwork { before } => {
                let codes = (Code::NETWORK_UPDATED, Code::NETWORK_UPDATE_FAILED);
                of_network(world, Some(before), "Updating", "was updated", codes)
            }
            Operation::RemoveNetwork { before, .. } => {
                let codes = (Code::NETWORK_REMOVED, Code::NETWORK_REMOVE_FAILED);
                of_network(world, Some(before), "Removing", "was removed", codes)
            }
            Operation::UpdateVnicProfile { before } => Self::new(
                format!("Updating vNIC profile {}", before.name),
                format!("vNIC profile {} was updated", before.name),
                Code::VNIC_PROFILE_UPDATED,
                Code::VNIC_PROFILE_UPDATE_FAILED,
                world.about_network(world.networks.get(&before.network)),
            ),
            Operation::LimitDisks { before } => {
                let (what, name, done, failed) = match &**before {
                    DiskLimits::Profile(it) => (
                        "disk profile",
                        &it.name,
                        Code::DISK_PROFILE_UPDATED,
                        Code::DISK_PROFILE_UPDATE_FAILED,
                    ),
                    DiskLimits::Qos(it) => ("QoS", &it.name, Code::QOS_UPDATED, Code::QOS_UPDATE_FAILED),
                };
                let did = format!("{}{} {name} was updated", what[..1].to_uppercase(), &what[1..]);
                Self::new(format!("Updating {what} {name}"), did, done, failed, About::default())
            }
            Operation::AddStorageDomain { domain, .. } => {
                let codes = (Code::STORAGE_ADDED, Code::STORAGE_ADD_FAILED);
                of_domain(world, domain, "Adding", "was added", codes)
            }
            Operation::UpdateStorageDomain { before } => {
                let now = world.storage_domains.get(&before.id).unwrap_or(before);
                let (doing, did, codes) = match (before, now) {
                    (b, n) if b.data_center.is_none() && n.data_center.is_some() => {
                        ("Attaching", "was attached", (Code::STORAGE_ATTACHED, Code::STORAGE_ATTACH_FAILED))
                    }
                    (b, n) if b.data_center != n.data_center => {
                        ("Detaching", "was detached", (Code::STORAGE_DETACHED, Code::STORAGE_DETACH_FAILED))
                    }
                    (b, n) if b.active && !n.active => (
                        "Deactivating",
                        "was deactivated",
                        (Code::STORAGE_DEACTIVATED, Code::STORAGE_DEACTIVATE_FAILED),
                    ),
                    (b, n) if !b.active && n.active => (
                        "Activating",
                        "was activated",
                        (Code::STORAGE_ACTIVATED, Code::STORAGE_ACTIVATE_FAILED),
                    ),
                    _ => ("Updating", "was updated", (Code::STORAGE_UPDATED, Code::STORAGE_UPDATE_FAILED)),
                };
                of_domain(world, now, doing, did, codes)
            }
            Operation::RemoveStorageDomain { before, .. } => {
                let codes = (Code::STORAGE_REMOVED, Code::STORAGE_REMOVE_FAILED);
                of_domain(world, before, "Removing", "was removed", codes)
            }
        }
    }
}

/// Codes of VMs and of templates, each with that of the failure.
type Codes = [(Code, Code); 2];
const EXPORTED: Codes =
    [(Code::VM_EXPORTED, Code::VM_EXPORT_FAILED), (Code::TEMPLATE_EXPORTED, Code::TEMPLATE_EXPORT_FAILED)];
const EXPORT_REMOVED: Codes = [
    (Code::VM_EXPORT_REMOVED, Code::VM_EXPORT_REMOVE_FAILED),
    (Code::TEMPLATE_EXPORT_REMOVED, Code::TEMPLATE_EXPORT_REMOVE_FAILED),
];

/// What lies, or is to lie, in an export domain.
fn of_machine(
    world: &World,
    hint: &Hint,
    place: StorageDomainId,
    (doing, link): (&str, &str),
    did: &str,
    codes: Codes,
) -> Telling {
    let domain = world.storage_domains.get(&place);
    let at = domain.map(|domain| format!(" {link} storage domain {}", domain.name)).unwrap_or_default();
    let mut about = domain.map(|domain| about_domain(world, domain)).unwrap_or_default();
    let vm = hint.vm.as_ref().map(|vm| Subject { id: vm.id, name: vm.spec.name.clone() });
    let template = hint.template.as_ref().map(|it| Subject { id: it.id, name: it.spec.name.clone() });
    let (what, (done, failed)) = match (&vm, &template) {
        (Some(vm), _) => (format!("VM {}", vm.name), codes[0]),
        (None, template) => {
            (format!("template {}", template.as_ref().map_or("", |it| it.name.as_str())), codes[1])
        }
    };
    (about.vm, about.template) = (vm, template);
    let did = format!("{}{} {did}{at}", what[..1].to_uppercase(), &what[1..]);
    Telling::new(format!("{doing} {what}{at}"), did, done, failed, about)
}

pub(super) fn about_domain(world: &World, domain: &StorageDomain) -> About {
    About {
        storage_domain: Some(Subject { id: domain.id, name: domain.name.clone() }),
        data_center: domain.data_center.and_then(|id| world.about_data_center(id)),
        ..About::default()
    }
}

fn of_domain(
    world: &World,
    domain: &StorageDomain,
    doing: &str,
    did: &str,
    (done, failed): (Code, Code),
) -> Telling {
    let name = &domain.name;
    let about = about_domain(world, domain);
    Telling::new(
        format!("{doing} storage domain {name}"),
        format!("Storage domain {name} {did}"),
        done,
        failed,
        about,
    )
}

fn of_snapshot(
    world: &World,
    vm: VmId,
    snapshot: SnapshotId,
    (doing, did): (&str, &str),
    (done, failed): (Code, Code),
) -> Telling {
    let row = world.snapshots.get(&snapshot);
    let name = row.map_or_else(|| snapshot.to_string(), |snapshot| snapshot.description.clone());
    let of = format!("of VM {}", vm_name(world, vm));
    Telling::new(
        format!("{doing} snapshot '{name}' {of}"),
        format!("Snapshot '{name}' {of} {did}"),
        done,
        failed,
        world.about_vm(vm),
    )
}

fn of_template(
    world: &World,
    id: TemplateId,
    doing: &str,
    did: &str,
    (done, failed): (Code, Code),
) -> Telling {
    let about = world.about_template(id);
    let name = about.template.as_ref().map(|template| template.name.clone()).unwrap_or_default();
    Telling::new(format!("{doing} template {name}"), format!("Template {name} {did}"), done, failed, about)
}

fn vm_name(world: &World, vm: VmId) -> String {
    world.vms.get(&vm).map_or_else(|| vm.to_string(), |vm| vm.spec.name.clone())
}

fn of_vm(world: &World, vm: VmId, doing: &str, did: &str, codes: (Code, Code)) -> Telling {
    about_its_vm(world.about_vm(vm), doing, did, codes)
}

fn about_its_vm(about: About, doing: &str, did: &str, (done, failed): (Code, Code)) -> Telling {
    let name = about.vm.as_ref().map(|vm| vm.name.clone()).unwrap_or_default();
    Telling::new(format!("{doing} VM {name}"), format!("VM {name} {did}"), done, failed, about)
}

/// `doing` comes with the word between the disk and its VM.
fn of_disk(
    world: &World,
    id: DiskId,
    vm: Option<VmId>,
    (doing, link): (&str, &str),
    did: &str,
    (done, failed): (Code, Code),
) -> Telling {
    let disk = world.disks.get(&id);
    let name = disk.map_or_else(|| id.to_string(), |disk| disk.alias.clone());
    let at = vm.map(|vm| format!(" {link} VM {}", vm_name(world, vm))).unwrap_or_default();
    let mut about = vm.map(|vm| world.about_vm(vm)).unwrap_or_default();
    if let Some(domain) = disk.and_then(|disk| world.storage_domains.get(&disk.storage_domain)) {
        let place = about_domain(world, domain);
        (about.storage_domain, about.data_center) = (place.storage_domain, place.data_center);
    }
    about.disk = Some(Subject { id, name: name.clone() });
    Telling::new(format!("{doing} disk {name}{at}"), format!("Disk {name} {did}{at}"), done, failed, about)
}

fn of_nic(
    world: &World,
    vm: VmId,
    name: &str,
    (doing, link): (&str, &str),
    did: &str,
    (done, failed): (Code, Code),
) -> Telling {
    let at = format!(" {link} VM {}", vm_name(world, vm));
    Telling::new(
        format!("{doing} network interface {name}{at}"),
        format!("Network interface {name} {did}{at}"),
        done,
        failed,
        world.about_vm(vm),
    )
}

fn of_network(
    world: &World,
    network: Option<&Network>,
    doing: &str,
    did: &str,
    (done, failed): (Code, Code),
) -> Telling {
    let name = network.map(|network| network.name.as_str()).unwrap_or_default();
    let about = world.about_network(network);
    Telling::new(format!("{doing} network {name}"), format!("Network {name} {did}"), done, failed, about)
}

impl Engine {
    /// How a verb on a VM is told, a foreign one included.
    pub(super) fn telling_vm(&self, id: VmId, doing: &str, did: &str, done: Code, failed: Code) -> Telling {
        about_its_vm(self.about_vm(id), doing, did, (done, failed))
    }

    /// A VM with where it lives, a foreign one included.
    pub(super) fn about_vm(&self, id: VmId) -> About {
        let mut about = self.world().about_vm(id);
        if let (Some(vm), Some(seen)) = (&mut about.vm, self.inventory.seen(id))
            && !self.world().vms.contains_key(&id)
        {
            vm.name = seen.domain.name;
        }
        about
    }

    /// Leaves an event of what happened to a VM: `VM web1` and the rest of the sentence.
    pub(super) fn tell_of_vm(&self, code: Code, id: VmId, what: &str) {
        let about = self.about_vm(id);
        let name = about.vm.as_ref().map(|vm| vm.name.clone()).unwrap_or_default();
        self.tell(code, about, format!("VM {name} {what}."));
    }
}

impl World {
    /// A VM with where it lives. There is one host.
    pub fn about_vm(&self, id: VmId) -> About {
        let place = self.vms.get(&id).map(|vm| self.about_cluster(vm.cluster)).unwrap_or_default();
        let vm = Some(Subject { id, name: vm_name(self, id) });
        About { vm, cluster: place.cluster, data_center: place.data_center, ..self.about_host() }
    }

    /// A template with where it lives.
    pub(super) fn about_template(&self, id: TemplateId) -> About {
        let row = self.templates.get(&id);
        let place = row.and_then(|it| it.cluster).map(|cluster| self.about_cluster(cluster));
        let name = row.map_or_else(|| id.to_string(), |it| it.spec.name.clone());
        About { template: Some(Subject { id, name }), ..place.unwrap_or_default() }
    }

    /// A cluster with its data center.
    pub(super) fn about_cluster(&self, id: ClusterId) -> About {
        let cluster = self.clusters.get(&id);
        About {
            cluster: cluster.map(|cluster| Subject { id, name: cluster.name.clone() }),
            data_center: cluster.and_then(|cluster| self.about_data_center(cluster.data_center)),
            ..About::default()
        }
    }

    pub fn about_host(&self) -> About {
        let host = self.hosts.values().next();
        About { host: host.map(|host| Subject { id: host.id, name: host.name.clone() }), ..About::default() }
    }

    pub(super) fn about_network(&self, network: Option<&Network>) -> About {
        let home = network.and_then(|network| self.about_data_center(network.data_center));
        About { data_center: home, ..About::default() }
    }

    fn about_data_center(&self, id: DataCenterId) -> Option<Subject<DataCenterId>> {
        self.data_centers.get(&id).map(|it| Subject { id, name: it.name.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_did_what_or_why_not() {
        let (vm, disk) = (VmId::random(), DiskId::random());
        let telling = Telling::of(&Operation::AttachDisk { vm, disk }, &World::default());
        let (code, text) = telling.end(Some("admin@internal"), None);
        assert_eq!(
            (code, text),
            (Code::DISK_ATTACHED, format!("Disk {disk} was attached to VM {vm} by admin@internal."))
        );
        let (code, text) = telling.end(None, Some(&Error::conflict("No.").because("secret")));
        assert_eq!(
            (code, text),
            (Code::DISK_ATTACH_FAILED, format!("Attaching disk {disk} to VM {vm} failed: No."))
        );
    }
}
