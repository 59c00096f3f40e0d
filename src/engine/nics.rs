//! Network interfaces of VMs: add, change, plug, remove.

use super::locks::{Entity, Guard, Mode};
use super::ports::{Hypervisor, Scope};
use super::unplug::NIC;
use super::world::{Change, Operation, World};
use super::{Engine, documents, failpoint, locks};
use crate::domain::{self, NicDevice};
use crate::error::{Error, Result};
use crate::model::change::put_over;
use crate::model::*;
use crate::ovf::DescribedNic;
use crate::xml::Element;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The setting that holds the range of addresses for new interfaces.
pub(super) const MAC_POOL: &str = "mac_pool";

/// What is known of an interface in a guest before it is brought there.
#[derive(Clone, Copy, PartialEq)]
enum Guest {
    Lacks,
    MayHave,
}

/// What a client says of an interface; `None` is not mentioned.
#[derive(Clone, Debug, Default)]
pub struct NicChange {
    pub name: Option<String>,
    pub network: Option<Option<NetworkId>>,
    pub profile: Option<Option<VnicProfileId>>,
    pub interface: Option<NicInterface>,
    pub mac: Option<Mac>,
    pub plugged: Option<bool>,
    pub linked: Option<bool>,
    pub port_mirroring: Option<Vec<NetworkId>>,
    pub boot_protocol: Option<BootProtocol>,
    pub on_boot: Option<bool>,
}

impl NicChange {
    pub(super) fn over(&self, world: &World, before: &Nic) -> Result<Nic> {
        let (network, profile) = self.lead(world, before)?;
        let mut nic = Nic { network, profile, ..before.clone() };
        put_over!(nic, self, name, interface, mac, plugged, linked, port_mirroring);
        nic.boot_protocol = self.boot_protocol.or(nic.boot_protocol);
        nic.on_boot = self.on_boot.or(nic.on_boot);
        Ok(nic)
    }

    /// Where the interface is to lead. Clients send back both network and profile after changing
    /// one of them, so what differs decides.
    fn lead(&self, world: &World, before: &Nic) -> Result<(Option<NetworkId>, Option<VnicProfileId>)> {
        let network = self.network.filter(|network| *network != before.network);
        let profile = self.profile.filter(|profile| *profile != before.profile);
        match (profile, network) {
            (Some(Some(profile)), network) => {
                let profile = world.vnic_profiles.get(&profile).ok_or_else(|| {
                    Error::invalid("Cannot configure Interface. The vNIC profile doesn't exist.")
                })?;
                match network {
                    Some(network) if network != Some(profile.network) => Err(Error::invalid(
                        "Cannot configure Interface. The vNIC profile is not one of the network.",
                    )),
                    _ => Ok((Some(profile.network), Some(profile.id))),
                }
            }
            (_, Some(Some(network))) => {
                Ok((Some(network), world.profiles_of_network(network).first().map(|profile| profile.id)))
            }
            (Some(None), _) | (_, Some(None)) => Ok((None, None)),
            (None, None) => Ok((before.network, before.profile)),
        }
    }
}

fn pool_of(world: &World) -> Result<MacRange> {
    let pool = world.settings.get(MAC_POOL).ok_or_else(|| Error::bug("no MAC pool was seeded"))?;
    pool.parse().map_err(Error::bug)
}

impl Engine {
    /// The interfaces of a VM in the order of their names; those of a foreign domain as they are seen.
    pub fn nics(&self, vm: VmId) -> Result<Vec<Nic>> {
        let view = self.vm(vm)?;
        let world = self.world();
        if !view.foreign {
            return Ok(world.nics_of(vm).into_iter().cloned().collect());
        }
        let taps = view.seen.iter().flat_map(|seen| &seen.observed.taps).enumerate();
        Ok(taps.filter_map(|(index, tap)| foreign(&world, vm, index, tap)).collect())
    }

    pub fn nic(&self, vm: VmId, id: NicId) -> Result<Nic> {
        self.nics(vm)?.into_iter().find(|nic| nic.id == id).ok_or_else(|| Error::not_found(id))
    }

    /// One that is there; not while its VM is still being made, or its configuration changes.
    async fn hold_nic(&self, operation: &'static str, vm: VmId, nic: NicId) -> Result<Guard> {
        self.own_vm(vm)?;
        let wanted = [
            (Entity::Nic(nic), Mode::Exclusive),
            (Entity::Vm(vm), Mode::Shared),
            (Entity::Config(vm), Mode::Shared),
        ];
        self.take(operation, &wanted).await
    }

    fn may_change_nics(&self, vm: VmId, verb: &str) -> Result<()> {
        self.check_not_to_wake(vm, Move::ChangeNics)?;
        self.may(vm, Move::ChangeNics).map(drop).map_err(|why| {
            Error::conflict(format!(
                "Cannot {verb} a Network Interface when VM is not Down, Up or Image-Locked."
            ))
            .because(why)
        })
    }

    /// What no other interface may have, and what must be there for it.
    fn check_nic(&self, world: &World, nic: &Nic, before: Option<&Nic>) -> Result<()> {
        nic.check().map_err(Error::invalid)?;
        let others = || claimed(world).filter(|other| other.id != nic.id);
        if others().any(|other| other.vm == nic.vm && other.name == nic.name) {
            return Err(Error::conflict("Network interface is already in use."));
        }
        if before.is_none_or(|before| before.mac != nic.mac)
            && (self.used_macs(world, nic.id).contains(&nic.mac) || comes_back(world, nic))
        {
            return Err(Error::conflict("MAC Address is already in use."));
        }
        let vm = world.vms.get(&nic.vm).ok_or_else(|| Error::not_found(nic.vm))?;
        let reachable = |id: &NetworkId| {
            world.cluster_networks.contains_key(&(vm.cluster, *id))
                && world.networks.get(id).is_some_and(|network| network.for_vms)
        };
        match nic.network.iter().chain(&nic.port_mirroring).all(reachable) {
            true => Ok(()),
            false => Err(Error::invalid("Network not found in cluster")),
        }
    }

    /// Addresses that an interface other than this one has, on whatever domain of the host.
    fn used_macs(&self, world: &World, but: NicId) -> BTreeSet<Mac> {
        let alias = but.alias();
        let mut used: BTreeSet<Mac> =
            claimed(world).filter(|other| other.id != but).map(|other| other.mac).collect();
        for seen in self.inventory.ids().into_iter().filter_map(|id| self.inventory.seen(id)) {
            let taps = seen.observed.taps.iter().filter(|tap| tap.alias.as_deref() != Some(&alias));
            used.extend(taps.filter_map(|tap| tap.mac.parse::<Mac>().ok()));
        }
        used
    }

    fn new_mac(&self, world: &World, nic: NicId) -> Result<Mac> {
        free_mac(world, &self.used_macs(world, nic))
    }

    /// Interfaces like those of another machine, on networks that the new VM's cluster has, with
    /// addresses of their own.
    pub(super) fn copied_nics(&self, world: &World, vm: &Vm, from: &[Nic]) -> Result<Vec<Nic>> {
        if from.is_empty() {
            return Ok(Vec::new());
        }
        let mut used = self.used_macs(world, NicId::random());
        let reachable = |id: &NetworkId| world.cluster_networks.contains_key(&(vm.cluster, *id));
        let copied = |nic: &Nic| {
            let mac = free_mac(world, &used)?;
            used.insert(mac);
            let network = nic.network.filter(reachable);
            let profile = nic.profile.filter(|it| network.is_some() && world.vnic_profiles.contains_key(it));
            let port_mirroring = nic.port_mirroring.iter().copied().filter(reachable).collect();
            let id = NicId::random();
            Ok(Nic { id, vm: vm.id, mac, network, profile, port_mirroring, ..nic.clone() })
        };
        from.iter().map(copied).collect()
    }

    /// Interfaces as a description has them, with the ids and addresses that it says, where nobody else
    /// has them and the VM is not a new one.
    pub(super) fn described_nics(
        &self,
        world: &World,
        vm: &Vm,
        described: &[DescribedNic],
        renewed: bool,
    ) -> Result<Vec<Nic>> {
        let mut used = self.used_macs(world, NicId::random());
        let mut nics: Vec<Nic> = Vec::new();
        for wanted in described {
            let is_free = |id: &NicId| claimed(world).chain(&nics).all(|other| other.id != *id);
            let id = wanted.id.filter(|id| !renewed && is_free(id)).unwrap_or_else(NicId::random);
            let mac = match wanted.mac.filter(|mac| !renewed && !used.contains(mac)) {
                Some(mac) => mac,
                None => free_mac(world, &used)?,
            };
            used.insert(mac);
            let (network, profile) = world.named_lead(vm.cluster, wanted);
            let nic = Nic {
                name: wanted.name.clone(),
                network,
                profile,
                interface: wanted.interface,
                plugged: wanted.plugged,
                linked: wanted.linked,
                ..Nic::blank(id, vm.id, mac)
            };
            nic.check().map_err(Error::invalid)?;
            if nics.iter().any(|other| other.name == nic.name) {
                return Err(Error::conflict("Network interface is already in use."));
            }
            nics.push(nic);
        }
        Ok(nics)
    }

    /// Where new interfaces get their addresses from.
    pub fn mac_pool(&self) -> Result<MacRange> {
        pool_of(&self.world())
    }

    /// New interfaces get theirs from another range; those that are there keep what they have.
    pub async fn set_mac_pool(&self, range: MacRange) -> Result<()> {
        if range.from > range.to || !range.from.is_unicast() || !range.to.is_unicast() {
            return Err(Error::invalid(format!("{range} is not a range of addresses for interfaces.")));
        }
        let row = Change::Setting { name: MAC_POOL.into(), value: range.to_string() };
        self.record(|_| Ok(vec![row])).await?;
        self.tell(Code::MAC_POOL_UPDATED, About::default(), format!("The MAC pool is {range} now."));
        Ok(())
    }

    /// Adds an interface; plugged into the guest at once when it runs.
    pub async fn add_nic(self: &Arc<Self>, vm: VmId, change: NicChange) -> Result<NicId> {
        let id = NicId::random();
        self.own_vm(vm)?;
        let wanted = [(Entity::Nic(id), Mode::Exclusive), (Entity::Vm(vm), Mode::Shared)];
        let _guard = self.take(locks::ADD_NIC, &wanted).await?;
        self.may_change_nics(vm, "add")?;
        self.require_connection()?;
        let intent = self
            .promise(|world| {
                world.vms.get(&vm).ok_or_else(|| Error::not_found(vm))?;
                let blank = Nic::blank(id, vm, change.mac.map_or_else(|| self.new_mac(world, id), Ok)?);
                let nic = change.over(world, &blank)?;
                self.check_nic(world, &nic, None)?;
                Ok((Operation::AddNic { vm, nic: id }, vec![Change::Nic(nic)]))
            })
            .await?;
        failpoint::hit("add_nic.intended");
        let brought = self.bring_nic_that(vm, id, Guest::Lacks).await;
        self.conclude(intent, brought.map(|()| vec![])).await.map(|()| id)
    }

    /// Changes an interface: its settings, its carrier, its network, whether it is plugged.
    pub async fn update_nic(self: &Arc<Self>, vm: VmId, id: NicId, change: NicChange) -> Result<()> {
        let operation = match change.plugged {
            Some(false) => "unplug network interface",
            _ => locks::UPDATE_NIC,
        };
        let _guard = self.hold_nic(operation, vm, id).await?;
        let before = self.nic(vm, id)?;
        self.may_change_nics(vm, "edit")?;
        let after = change.over(&self.world(), &before)?;
        if after == before {
            return Ok(());
        }
        self.require_connection()?;
        let running = before.plugged && self.runs(vm);
        if running && after.plugged && (after.mac, after.interface) != (before.mac, before.interface) {
            return Err(Error::conflict(
                "Cannot edit Interface. The type and the MAC address of an interface that is plugged to a \
                 running VM cannot be changed; it must be unplugged first.",
            ));
        }
        let unplugs = running && !after.plugged;
        let guest = if before.plugged { Guest::MayHave } else { Guest::Lacks };
        let intent = self
            .promise(|world| {
                self.check_nic(world, &after, Some(&before))?;
                // As long as a guest has the device, the row says so.
                let promised = if unplugs { vec![] } else { vec![Change::Nic(after.clone())] };
                let (before, after) = (Box::new(before), Box::new(after.clone()));
                Ok((Operation::UpdateNic { before, after }, promised))
            })
            .await?;
        failpoint::hit("update_nic.intended");
        let acted = async {
            if unplugs {
                let followed = self.take_device(vm, id.alias(), &NIC).await?;
                failpoint::hit("unplug_nic.gone");
                self.note(vec![Change::Nic(after)]).await;
                return self.define_without(vm, followed).await;
            }
            self.bring_nic_that(vm, id, guest).await
        };
        self.conclude(intent, acted.await.map(|_| vec![])).await
    }

    /// Removes an interface that no guest uses.
    pub async fn remove_nic(self: &Arc<Self>, vm: VmId, id: NicId) -> Result<()> {
        let _guard = self.hold_nic("remove network interface", vm, id).await?;
        let before = self.nic(vm, id)?;
        self.may_change_nics(vm, "remove")?;
        if before.plugged && self.runs(vm) {
            return Err(Error::conflict(
                "Cannot remove Interface. The VM Network Interface is plugged to a running VM.",
            ));
        }
        self.require_connection()?;
        let intent = self
            .promise(|_| {
                let operation = Operation::RemoveNic { before: Box::new(before) };
                Ok((operation, vec![Change::DropNic { vm, nic: id }]))
            })
            .await?;
        failpoint::hit("remove_nic.intended");
        if let Err(failure) = self.sync_definition(vm).await {
            return self.fail(intent, failure).await;
        }
        failpoint::hit("remove_nic.defined");
        self.settle(intent, vec![]).await
    }

    /// Gives the interfaces' addresses in the order of the interfaces' names.
    pub async fn reorder_mac_addresses(self: &Arc<Self>, vm: VmId) -> Result<()> {
        self.own_vm(vm)?;
        let _guard = self.take("reorder MAC addresses", &[(Entity::Vm(vm), Mode::Exclusive)]).await?;
        self.may(vm, Move::ReorderMacs)?;
        self.require_connection()?;
        let before = self.nics(vm)?;
        let mut macs: Vec<Mac> = before.iter().map(|nic| nic.mac).collect();
        macs.sort();
        let after: Vec<Nic> = before.iter().zip(macs).map(|(nic, mac)| Nic { mac, ..nic.clone() }).collect();
        if after == before {
            return Ok(());
        }
        let intent = self
            .promise(|_| {
                let rows = after.into_iter().map(Change::Nic).collect();
                Ok((Operation::ReorderMacs { vm, before }, rows))
            })
            .await?;
        failpoint::hit("reorder_macs.intended");
        if let Err(failure) = self.sync_definition(vm).await {
            return self.fail(intent, failure).await;
        }
        failpoint::hit("reorder_macs.defined");
        self.settle(intent, vec![]).await
    }

    /// Makes the running VM and its definition what the interface's row says.
    pub(super) async fn bring_nic(&self, vm: VmId, id: NicId) -> Result<()> {
        self.bring_nic_that(vm, id, Guest::MayHave).await
    }

    async fn bring_nic_that(&self, vm: VmId, id: NicId, guest: Guest) -> Result<()> {
        let Some(nic) = self.world().nics.get(&(vm, id)).cloned() else { return Ok(()) };
        let live = nic.plugged && self.runs(vm);
        let is_new = live && self.bring_nic_live(&nic, guest).await?;
        if live {
            failpoint::hit("nic.live");
            self.bring_mirrors().await?;
        }
        if !is_new {
            self.sync_definition(vm).await?;
        }
        failpoint::hit("nic.defined");
        Ok(())
    }

    /// Tells whether the guest had none: then the definition has it now, too.
    async fn bring_nic_live(&self, nic: &Nic, guest: Guest) -> Result<bool> {
        let vm = nic.vm;
        let way = Way::of(&self.world(), nic);
        let wanted = domain::nic_device(&way.device(nic))?;
        let is_new = guest == Guest::Lacks || !self.update_nic_live(nic, &wanted).await?;
        if is_new {
            self.give_device(vm, nic.id.alias(), wanted).await?;
        }
        // Of an update there is no event; of a new one the taps are asked for.
        if !is_new || self.mirrors() {
            self.look_at(vm).await?;
        }
        Ok(is_new)
    }

    /// Tells whether the guest has the interface: then it has it as wanted now.
    async fn update_nic_live(&self, nic: &Nic, wanted: &Element) -> Result<bool> {
        let vm = nic.vm;
        let live = self.lane.call(move |hv| hv.document(vm, false)).await?;
        let live = documents::parse(&live.ok_or_else(|| Error::not_found(vm))?)?;
        if !domain::holds(&live, &nic.id.alias()) {
            return Ok(false);
        }
        let updates: Vec<String> =
            domain::bring_nic_live(&live, wanted).iter().map(ToString::to_string).collect();
        let update = move |hv: &dyn Hypervisor| {
            updates.iter().try_for_each(|update| hv.update_device(vm, update, Scope::Live))
        };
        self.lane.call(update).await?;
        Ok(true)
    }

    pub(super) async fn undo_add_nic(&self, vm: VmId, nic: NicId) -> Result<()> {
        if self.runs(vm) {
            self.take_device(vm, nic.alias(), &NIC).await?;
        }
        self.note(vec![Change::DropNic { vm, nic }]).await;
        self.sync_definition(vm).await.map(drop)
    }

    pub(super) async fn undo_update_nic(&self, before: &Nic) -> Result<()> {
        if !before.plugged && self.runs(before.vm) {
            self.take_device(before.vm, before.id.alias(), &NIC).await?;
        }
        self.note(vec![Change::Nic(before.clone())]).await;
        self.bring_nic(before.vm, before.id).await
    }

    /// The guest has the last word: what it still has is not out.
    pub(super) async fn finish_update_nic(&self, before: &Nic, after: &Nic) -> Result<()> {
        if before.plugged && !after.plugged {
            let kept = self.has_live_nic(before.vm, before.id).await?;
            self.note(vec![Change::Nic(if kept { before } else { after }.clone())]).await;
        }
        self.bring_nic(before.vm, before.id).await
    }

    /// Does the VM run with the interface's device?
    async fn has_live_nic(&self, vm: VmId, nic: NicId) -> Result<bool> {
        self.look_at(vm).await?;
        let seen = self.inventory.seen(vm).filter(|_| self.runs(vm));
        Ok(seen.is_some_and(|seen| seen.observed.has_nic(nic)))
    }

    /// An interface that a running VM has lost, by its guest's doing or by hand: row and definition
    /// follow, unless an operation has the interface or the VM for itself and sees to it.
    pub(super) async fn follow_unplugged_nic(&self, vm: VmId, id: NicId) {
        let wanted = [(Entity::Nic(id), Mode::Exclusive), (Entity::Vm(vm), Mode::Shared)];
        let Ok(_guard) = self.hold(locks::LET_GO, &wanted) else { return };
        let followed = async {
            let Some(before) = self.world().nics.get(&(vm, id)).filter(|nic| nic.plugged).cloned() else {
                return Ok(());
            };
            if self.has_live_nic(vm, id).await? || !self.runs(vm) {
                return Ok(());
            }
            let after = Nic { plugged: false, ..before.clone() };
            let row = vec![Change::Nic(after.clone())];
            let operation = Operation::UpdateNic { before: Box::new(before), after: Box::new(after) };
            let intent = self.promise(|_| Ok((operation, row))).await?;
            self.sync_definition(vm).await?;
            self.settle(intent, vec![]).await
        };
        if let Err(why) = followed.await {
            tracing::warn!(%vm, nic = %id, "following an unplugged interface failed: {why}");
        }
    }

    /// Interfaces that guests let go, or that were unplugged by hand.
    pub(super) async fn follow_running_nics(&self) {
        for vm in self.inventory.running() {
            let Some(seen) = self.inventory.seen(vm) else { continue };
            let lost: Vec<NicId> = {
                let world = self.world();
                let plugged = world.nics_of(vm).into_iter().filter(|nic| nic.plugged);
                plugged.map(|nic| nic.id).filter(|nic| !seen.observed.has_nic(*nic)).collect()
            };
            for nic in lost {
                self.follow_unplugged_nic(vm, nic).await;
            }
        }
    }
}

/// An address of the pool that is not used, and that no VM gets back with a snapshot.
fn free_mac(world: &World, used: &BTreeSet<Mac>) -> Result<Mac> {
    let saved = world.snapshots.values().flat_map(|snapshot| &snapshot.nics).map(|nic| nic.mac);
    let taken: BTreeSet<Mac> = used.iter().copied().chain(saved).collect();
    pool_of(world)?.free(&taken).ok_or_else(|| {
        Error::conflict("Cannot add Interface. Not enough MAC addresses left in MAC Address Pool.")
    })
}

/// Whether another VM gets an interface of that address back at the end of its preview or run.
fn comes_back(world: &World, nic: &Nic) -> bool {
    let kept = world.snapshots.values().filter(|it| it.vm != nic.vm && it.kind != SnapshotKind::Regular);
    kept.flat_map(|it| &it.nics).any(|other| other.mac == nic.mac)
}

/// Rows, and what they may become or have to go back to.
pub(super) fn claimed(world: &World) -> impl Iterator<Item = &Nic> {
    let open = world.intents.values().flat_map(|intent| -> Vec<&Nic> {
        match &intent.operation {
            Operation::UpdateNic { before, after } => vec![before, after],
            Operation::RemoveNic { before } => vec![before],
            Operation::ReorderMacs { before, .. } => before.iter().collect(),
            _ => vec![],
        }
    });
    world.nics.values().chain(open)
}

/// The way of an interface on the host.
pub(super) struct Way {
    /// Where it leads.
    network: Option<String>,
    filter: Option<String>,
}

impl Way {
    pub(super) fn of(world: &World, nic: &Nic) -> Self {
        let profile = nic.profile.and_then(|profile| world.vnic_profiles.get(&profile));
        Self {
            network: nic.network.and_then(|network| binding_of(world, network)),
            filter: profile.and_then(VnicProfile::filter).map(str::to_owned),
        }
    }

    pub(super) fn device<'a>(&'a self, nic: &'a Nic) -> NicDevice<'a> {
        NicDevice { nic, network: self.network.as_deref(), filter: self.filter.as_deref() }
    }
}

/// Where on the host a network is: `network:NAME` or `bridge:NAME`.
pub(super) fn binding_of(world: &World, network: NetworkId) -> Option<String> {
    world.networks.get(&network).map(|network| network.binding.clone())
}

/// An interface of a foreign domain, in the words that there are for it.
fn foreign(world: &World, vm: VmId, index: usize, tap: &domain::Tap) -> Option<Nic> {
    let mac: Mac = tap.mac.parse().ok()?;
    let network = world.networks.values().find(|network| Some(&network.binding) == tap.network.as_ref());
    let model = tap.model.as_deref().unwrap_or("rtl8139");
    Some(Nic {
        id: NicId(derived_id(&[vm.0.as_bytes(), &mac.0])),
        vm,
        name: format!("nic{}", index + 1),
        network: network.map(|network| network.id),
        profile: None,
        interface: [NicInterface::Virtio, NicInterface::E1000]
            .into_iter()
            .find(|known| model.starts_with(known.model()))
            .unwrap_or(NicInterface::Rtl8139),
        mac,
        plugged: true,
        linked: tap.linked,
        port_mirroring: Vec::new(),
        boot_protocol: None,
        on_boot: None,
    })
}
