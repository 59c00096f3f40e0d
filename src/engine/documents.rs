//! From rows to the document that libvirt gets: one convergent step that every change shares.

use super::Engine;
use super::inventory::Seen;
use super::nics::Way;
use super::places::find_domain;
use super::ports::DomainSeen;
use super::vm_disks::hung_on_machine;
use super::world::World;
use crate::domain::{self, DiskDevice, Medium, NicDevice, Observed, Plan};
use crate::error::{Error, Result};
use crate::model::*;
use crate::xml::{self, Element};
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Engine {
    /// Makes libvirt's persistent definition of the VM what the rows say, and tells whether it
    /// had to change. What libvirt assigned and what vireo does not know survive.
    pub(super) async fn sync_definition(&self, id: VmId) -> Result<bool> {
        self.require_connection()?;
        // Each turn reads the rows anew, so the last one is right.
        let _turn = self.definitions.take(id).await;
        let Some(vm) = self.world().vms.get(&id).cloned() else { return Ok(false) };
        // A domain that was never seen is not there.
        let known = match self.inventory.seen(id) {
            None => None,
            Some(_) => self.lane.call(move |hv| hv.look(id, true)).await?,
        };
        let (seen, present) = known.unzip();
        let present = present.map(|text| parse(&text)).transpose()?;
        let down = seen.as_ref().is_none_or(|seen| seen.power == Power::Off);
        let mut spec = vm.spec.clone();
        spec.name = domain::domain_name(&spec.name, id);
        if let (Some(seen), Some(_)) = (&seen, &present)
            && seen.name != spec.name
        {
            match down {
                // libvirt refuses a definition whose name differs from the one it knows.
                true => {
                    let name = spec.name.clone();
                    self.lane.call(move |hv| hv.rename(id, &name)).await?;
                    self.look_at(id).await?;
                }
                false => spec.name.clone_from(&seen.name),
            }
        }
        let present = match (present, down) {
            (Some(mut present), true) => {
                present.ensure("name").set_content(&spec.name);
                Some(present)
            }
            (present, _) => present,
        };
        let before = present.as_ref().map(comparable);
        let document = self.document(&vm, &spec, present)?;
        if before.as_ref().is_some_and(|before| before.says_the_same(&comparable(&document))) {
            return Ok(false);
        }
        let machine = document.value("os/type/@machine");
        let document = document.to_string();
        let look = self.inventory.look();
        let is_foreign =
            before.is_none() && domain::template::is_overridden(self.settings.templates.as_deref());
        self.lane
            .call(move |hv| match is_foreign {
                true => hv.define_validated(&document),
                false => hv.define(&document),
            })
            .await?;
        match seen {
            None => self.saw_new(id, look, spec.name, machine)?,
            Some(_) => self.look_at(id).await?,
        }
        Ok(true)
    }

    /// The domain was just made: of a domain at rest the rows tell but for the version that its machine
    /// was resolved to. The look that its event brings about reads its document.
    fn saw_new(&self, id: VmId, look: u64, name: String, machine: Option<String>) -> Result<()> {
        let domain = DomainSeen { id, name, power: Power::Off, persistent: true };
        let facts = self.facts()?;
        let machine = machine.map(|name| facts.0.machines.get(&name).cloned().unwrap_or(name));
        let observed = Arc::new(Observed { machine, ..Observed::default() });
        self.inventory.saw(id, look, Some(Seen { domain, observed, foreign: None }));
        Ok(())
    }

    /// The VM's document with that configuration: built from its template, or edited when there is one.
    pub(super) fn document(&self, vm: &Vm, spec: &VmSpec, present: Option<Element>) -> Result<Element> {
        self.document_with(vm, spec, present, &[])
    }

    /// The same for a run with media that were made for it.
    pub(super) fn document_with(
        &self,
        vm: &Vm,
        spec: &VmSpec,
        present: Option<Element>,
        media: &[Medium],
    ) -> Result<Element> {
        self.planned_as(vm, spec, present, media, |plan, present| {
            let document = match present {
                // Another chipset has other controllers: that is another machine, built anew.
                Some(present) if domain::fits(&present, plan) => domain::edit(present, plan),
                _ => {
                    let name = domain::template::choose(plan.machine())?;
                    let template = domain::template::load(name, self.settings.templates.as_deref())
                        .map_err(|why| Error::host("The domain template cannot be read.").because(why))?;
                    domain::build(&template, plan)
                }
            };
            Ok(document?)
        })
    }

    /// Refuses what no VM that is made of such a configuration could have. Only what is new in it is
    /// looked at: a file of the host may have gone since, and clients send back all that they read.
    pub(super) fn check_makeable(&self, before: &VmSpec, after: &VmSpec) -> Result<()> {
        let new = |of: fn(&VmSpec) -> &Option<String>| of(after).clone().filter(|_| of(before) != of(after));
        let mut spec = VmSpec { machine: new(|it| &it.machine), ..VmSpec::default() };
        spec.os.kernel = new(|it| &it.os.kernel);
        spec.os.initrd = new(|it| &it.os.initrd);
        // Which models there are depends on the accelerator, which is a property.
        if (&before.cpu_model, &before.custom_properties) != (&after.cpu_model, &after.custom_properties) {
            spec.cpu_model.clone_from(&after.cpu_model);
            spec.custom_properties.clone_from(&after.custom_properties);
        }
        if spec == VmSpec::default() {
            return Ok(());
        }
        let vm = Vm::new(VmId::random(), ClusterId::random(), BLANK, Timestamp::now(), spec);
        self.check_document(&vm, &vm.spec)
    }

    /// Refuses a configuration that the VM cannot have; disks may hang elsewhere with it.
    pub(super) fn check_document(&self, vm: &Vm, spec: &VmSpec) -> Result<()> {
        let hung = |world: &World| hung_on_machine(world, vm, spec);
        self.planned_with(vm, spec, hung, None, &[], |plan, _| Ok(domain::check_whole(plan)?))
    }

    /// The devices that the VM's definition has by its rows and that may be booted from.
    pub(super) fn bootable_devices(&self, vm: &Vm) -> Result<Element> {
        self.planned_as(vm, &vm.spec, None, &[], |plan, _| Ok(domain::bootable_devices(plan)?))
    }

    fn planned_as<T>(
        &self,
        vm: &Vm,
        spec: &VmSpec,
        present: Option<Element>,
        media: &[Medium],
        make: impl FnOnce(&Plan, Option<Element>) -> Result<T>,
    ) -> Result<T> {
        self.planned_with(vm, spec, |world| Ok(world.hung_on(vm.id)), present, media, make)
    }

    fn planned_with<T>(
        &self,
        vm: &Vm,
        spec: &VmSpec,
        hung: impl FnOnce(&World) -> Result<Vec<(Attachment, Disk)>>,
        present: Option<Element>,
        media: &[Medium],
        make: impl FnOnce(&Plan, Option<Element>) -> Result<T>,
    ) -> Result<T> {
        let facts = self.facts()?;
        let world = self.world();
        let disks: Vec<(Disk, Attachment, Option<PathBuf>, Tune)> = hung(&world)?
            .into_iter()
            .filter(|(attachment, _)| attachment.active)
            .map(|(attachment, disk)| {
                let file = match disk.lun {
                    None => Some(self.defined_file(&world, &disk, present.as_ref())?),
                    Some(_) => None,
                };
                let tune = world.tune_of(&disk);
                Ok((disk, attachment, file, tune))
            })
            .collect::<Result<_>>()?;
        let nics: Vec<(Nic, Way)> = world
            .nics_of(vm.id)
            .into_iter()
            .filter(|nic| nic.plugged)
            .map(|nic| (nic.clone(), Way::of(&world, nic)))
            .collect();
        drop(world);
        let devices: Vec<DiskDevice<'_>> = disks
            .iter()
            .map(|(disk, attachment, file, tune)| DiskDevice {
                disk,
                attachment,
                file: file.as_deref(),
                tune: *tune,
            })
            .collect();
        let nics: Vec<NicDevice<'_>> = nics.iter().map(|(nic, way)| way.device(nic)).collect();
        let boot = match (self.boot_files(spec), &present) {
            // Gone since, they are missed by the next start, and by nothing before it.
            (Err(why), Some(present)) => BootFiles::still_named(present, spec).ok_or(why)?,
            (found, _) => found?,
        };
        // A medium that has gone leaves the drive empty, and everything else as it can be.
        let medium = spec.cdrom.as_deref().and_then(|name| self.iso_file(name).ok());
        let plan = Plan {
            vm,
            spec,
            host: &facts.0,
            host_uuid: &facts.1,
            disks: &devices,
            nics: &nics,
            kernel: boot.kernel.as_deref(),
            initrd: boot.initrd.as_deref(),
            cdrom: medium.as_deref(),
            media,
            listen: &self.settings.graphics_listen,
            lock: &self.console_lock,
        };
        make(&plan, present)
    }

    /// The device of one disk as it is plugged into the running VM: without a place in the boot
    /// order, which belongs to the next start.
    pub(super) fn live_disk(&self, vm: VmId, disk: DiskId) -> Result<Element> {
        let world = self.world();
        let row = world.vms.get(&vm).ok_or_else(|| Error::not_found(vm))?.clone();
        let (mut plugged, disk) = world.hung(vm, disk).ok_or_else(|| Error::not_found(disk))?;
        plugged.active = true;
        let file = disk.lun.is_none().then(|| self.image_file(&world, &disk)).transpose()?;
        let tune = world.tune_of(&disk);
        drop(world);
        let facts = self.facts()?;
        let device = DiskDevice { disk: &disk, attachment: &plugged, file: file.as_deref(), tune };
        let plan = Plan {
            vm: &row,
            spec: &row.spec,
            host: &facts.0,
            host_uuid: &facts.1,
            disks: std::slice::from_ref(&device),
            nics: &[],
            kernel: None,
            initrd: None,
            cdrom: None,
            media: &[],
            listen: &self.settings.graphics_listen,
            lock: &self.console_lock,
        };
        let mut element = domain::disk_device(&plan, &device)?;
        element.remove("boot");
        Ok(element)
    }

    /// Where the definition has the disk: one on the move is where libvirt has brought it.
    fn defined_file(&self, world: &World, disk: &Disk, present: Option<&Element>) -> Result<PathBuf> {
        if let (Some(there), Some(present)) = (self.destination(world, disk), present)
            && domain::observe(present).file_of(disk.id).map(Path::new) == Some(&there)
        {
            return Ok(there);
        }
        self.image_file(world, disk)
    }

    /// Where a disk's image lies.
    pub(super) fn image_file(&self, world: &World, disk: &Disk) -> Result<PathBuf> {
        Ok(Path::new(&find_domain(world, disk.storage_domain)?.folder).join(disk.file_name()))
    }

    /// The host's files that the configuration names, each below a folder that is open to it.
    pub(super) fn boot_files(&self, spec: &VmSpec) -> Result<BootFiles> {
        let iso_folders = self.iso_folders();
        let find = |folders: &[PathBuf], name: &str, label: &str| {
            folders
                .iter()
                .find_map(|folder| self.images.beneath(folder, name).ok())
                .ok_or_else(|| Error::invalid(format!("The {label} '{name}' is no file that a VM may use.")))
        };
        let boot = |named: &Option<String>, label: &str| -> Result<Option<PathBuf>> {
            let Some(named) = named else { return Ok(None) };
            match named.strip_prefix("iso://") {
                Some(name) => find(&iso_folders, name, label).map(Some),
                None => find(&self.settings.boot_dirs, named, label).map(Some),
            }
        };
        Ok(BootFiles { kernel: boot(&spec.os.kernel, "kernel")?, initrd: boot(&spec.os.initrd, "initrd")? })
    }
}

/// What two definitions can be compared by: without what libvirt never tells, and what it says of
/// itself where nothing was asked for.
pub(super) fn comparable(document: &Element) -> Element {
    let mut shown = document.clone();
    if let Some(topology) = shown.first_mut("cpu").and_then(|cpu| cpu.first_mut("topology"))
        && topology.get("dies") == Some("1")
    {
        topology.unset("dies");
    }
    domain::spell_out_boot_order(&mut shown);
    for device in shown.first_mut("devices").into_iter().flat_map(Element::elements_mut) {
        match device.name.as_str() {
            // It says the address twice.
            "graphics" => ["passwd", "passwdValidTo", "listen"].iter().for_each(|name| device.unset(name)),
            "serial" => {
                if let Some(target) = device.first_mut("target") {
                    target.remove("model");
                }
            }
            _ => {}
        }
    }
    shown
}

#[derive(Debug, Default)]
pub(super) struct BootFiles {
    pub kernel: Option<PathBuf>,
    pub initrd: Option<PathBuf>,
}

impl BootFiles {
    /// Those of a definition, where they are the ones that the configuration names.
    fn still_named(definition: &Element, spec: &VmSpec) -> Option<Self> {
        let still = |path: &str, named: &Option<String>| match (definition.value(path), named) {
            (Some(file), Some(named)) => {
                let name = named.strip_prefix("iso://").unwrap_or(named);
                Some(PathBuf::from(file)).filter(|it| it.ends_with(name)).map(Some)
            }
            (None, None) => Some(None),
            _ => None,
        };
        Some(Self {
            kernel: still("os/kernel", &spec.os.kernel)?,
            initrd: still("os/initrd", &spec.os.initrd)?,
        })
    }
}

pub(super) fn parse(document: &str) -> Result<Element> {
    xml::parse(document.as_bytes()).map_err(|why| Error::bug(format!("libvirt's document: {why}")))
}
