//! VMs that come back from a description of them, with the disks that are there.

use super::locks::{Entity, Mode};
use super::new_vms::hung;
use super::world::{Change, Operation, World};
use super::{Engine, failpoint};
use crate::error::{Error, Result};
use crate::model::*;
use crate::ovf::{Described, DescribedDisk, DescribedNic};
use jiff::Timestamp;
use std::sync::Arc;

const VERB: &str = "Cannot import VM";

/// What a client gives for a VM that comes back.
#[derive(Clone, Debug)]
pub struct Import {
    pub cluster: ClusterId,
    pub described: Described,
    /// It becomes another VM, with ids and addresses of its own.
    pub renewed: bool,
}

impl Engine {
    /// Makes the VM, on the networks that its names find, with those of its disks that are there and
    /// that it can have.
    pub async fn import_vm(self: &Arc<Self>, import: Import) -> Result<VmId> {
        let Import { cluster, mut described, renewed } = import;
        if renewed {
            described.spec.renew_nodes();
        }
        described.spec.check().map_err(Error::invalid)?;
        self.require_connection()?;
        let id = described.id.filter(|_| !renewed).unwrap_or_else(VmId::random);
        let mut wanted = vec![(Entity::Vm(id), Mode::Exclusive)];
        wanted.extend(described.disks.iter().map(|disk| (Entity::Disk(disk.id), Mode::Exclusive)));
        let _guard = self.take("import VM", &wanted).await?;
        if self.knows(id).is_ok() {
            return Err(Error::conflict(format!(
                "{VERB}. A VM with the same identifier exists already: regenerate_ids makes another one."
            )));
        }
        let template = described.template.filter(|id| self.world().has_template(*id)).unwrap_or(BLANK);
        let created = described.created.filter(|_| !renewed).unwrap_or_else(Timestamp::now);
        let vm = Vm::new(id, cluster, template, created, described.spec);
        // Whatever a document of this VM would be refused for is refused before anything is promised.
        self.check_document(&vm, &vm.spec)?;
        let mut left = Vec::new();
        let intent = self
            .promise(|world| {
                self.check_name_free(world, id, &vm.spec.name)?;
                if !world.clusters.contains_key(&cluster) {
                    return Err(Error::not_found(format!("Cluster: {cluster}")));
                }
                let (attachments, refused) = returning(world, &vm, &described.disks)?;
                left = refused;
                let nics = self.described_nics(world, &vm, &described.nics, renewed)?;
                let mut changes = vec![Change::Vm(Box::new(vm.clone()))];
                changes.extend(attachments.into_iter().map(Change::Attachment));
                changes.extend(nics.into_iter().map(Change::Nic));
                changes.extend(self.ownership(world, roles::VM_OWNER, id.into()));
                Ok((Operation::CreateVm { vm: id, images: Vec::new(), original: None }, changes))
            })
            .await?;
        failpoint::hit("create_vm.intended");
        self.conclude(intent, self.finish_create_vm(id, &[]).await).await?;
        if !left.is_empty() {
            let about = self.world().about_vm(id);
            let said = format!("VM {} came back without the disks {}.", vm.spec.name, left.join(", "));
            self.tell(Code::VM_IMPORTED_WITHOUT_DISKS, about, said);
        }
        Ok(id)
    }
}

/// How the disks hang on the VM, and what is said of those that cannot.
fn returning(world: &World, vm: &Vm, described: &[DescribedDisk]) -> Result<(Vec<Attachment>, Vec<String>)> {
    let (mut there, mut left) = (Vec::<(&DescribedDisk, Disk)>::new(), Vec::new());
    for wanted in described {
        if there.iter().any(|(other, _)| other.id == wanted.id) {
            return Err(Error::invalid(format!("{VERB}. Disk {} is described twice.", wanted.alias)));
        }
        match returns(world, vm, wanted) {
            Ok(disk) => there.push((wanted, disk.clone())),
            Err(why) => left.push(format!("{} ({why})", wanted.alias)),
        }
    }
    let disks: Vec<Disk> = there.iter().map(|(_, disk)| disk.clone()).collect();
    if disks.iter().filter(|disk| disk.bootable).count() > 1 {
        return Err(Error::conflict(format!("{VERB}. More than one of its disks is marked as boot.")));
    }
    let hang = |(attachment, (wanted, _)): (Attachment, (&DescribedDisk, Disk))| Attachment {
        active: wanted.plugged,
        read_only: wanted.read_only,
        ..attachment
    };
    Ok((hung(VERB, vm, &disks, Vec::new())?.into_iter().zip(there).map(hang).collect(), left))
}

/// The disk, or why the VM cannot have it.
fn returns<'w>(world: &'w World, vm: &Vm, wanted: &DescribedDisk) -> Result<&'w Disk, &'static str> {
    let disk = world.disks.get(&wanted.id).ok_or("does not exist")?;
    if disk.status != DiskStatus::Ok {
        return Err("is locked or illegal");
    }
    if world.template_with(disk.id).is_some() {
        return Err("belongs to a template, which is read-only");
    }
    if !disk.shareable && world.attachments_of(disk.id).next().is_some() {
        return Err("is not shareable and is already attached to a VM");
    }
    if disk.interface == DiskInterface::VirtioScsi && !vm.spec.virtio_scsi {
        return Err("needs VirtIO-SCSI, which is disabled for the VM");
    }
    if disk.interface == DiskInterface::Ide && wanted.read_only {
        return Err("hangs on IDE and cannot be read-only");
    }
    Ok(disk)
}

impl World {
    /// Where an interface leads that a description names so, in a cluster.
    pub fn named_lead(
        &self,
        cluster: ClusterId,
        nic: &DescribedNic,
    ) -> (Option<NetworkId>, Option<VnicProfileId>) {
        let mut usable = self
            .networks
            .values()
            .filter(|network| network.for_vms && self.cluster_networks.contains_key(&(cluster, network.id)));
        let Some(network) = usable.find(|network| Some(&network.name) == nic.network.as_ref()) else {
            return (None, None);
        };
        let profiles = self.profiles_of_network(network.id);
        let named = profiles.iter().find(|profile| Some(&profile.name) == nic.profile.as_ref());
        (Some(network.id), named.or(profiles.first()).map(|profile| profile.id))
    }
}
