//! How fast disks may be: qualities of service, the profiles that have them, and the disks of those.

use super::bygone::check_idle;
use super::locks::{Entity, Mode};
use super::world::{Change, DiskLimits, Operation, World};
use super::{Engine, failpoint};
use crate::error::{Error, Result};
use crate::model::access::check_name;
use crate::model::change::put_over;
use crate::model::vm::check_text;
use crate::model::*;
use std::sync::Arc;

/// What a client says of a QoS; `None` is not mentioned.
#[derive(Clone, Debug, Default)]
pub struct QosChange {
    pub name: Option<String>,
    pub description: Option<String>,
    pub throughput: RatesChange,
    pub requests: RatesChange,
}

/// A rate of nothing is no limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct RatesChange {
    pub total: Option<u32>,
    pub read: Option<u32>,
    pub write: Option<u32>,
}

impl RatesChange {
    fn over(self, rates: &mut Rates) {
        let limits =
            [(self.total, &mut rates.total), (self.read, &mut rates.read), (self.write, &mut rates.write)];
        for (asked, limit) in limits {
            if let Some(asked) = asked {
                *limit = Some(asked).filter(|asked| *asked > 0);
            }
        }
    }
}

impl QosChange {
    fn over(&self, qos: &mut Qos) {
        put_over!(qos, self, name, description);
        self.throughput.over(&mut qos.tune.throughput);
        self.requests.over(&mut qos.tune.requests);
    }
}

/// What a client says of a disk profile; `None` is not mentioned.
#[derive(Clone, Debug, Default)]
pub struct DiskProfileChange {
    pub name: Option<String>,
    pub description: Option<String>,
    /// `Some(None)`: without limits from now on.
    pub qos: Option<Option<QosId>>,
}

impl World {
    /// How fast the disk may be.
    pub fn tune_of(&self, disk: &Disk) -> Tune {
        let profile = disk.profile.and_then(|id| self.disk_profiles.get(&id));
        let qos = profile.and_then(|it| it.qos).and_then(|id| self.qoss.get(&id));
        qos.map_or_else(Tune::default, |it| it.tune)
    }

    fn profiles_with(&self, limits: &DiskLimits) -> Vec<DiskProfileId> {
        match limits {
            DiskLimits::Profile(it) => vec![it.id],
            DiskLimits::Qos(it) => {
                let those = self.disk_profiles.values().filter(|profile| profile.qos == Some(it.id));
                those.map(|profile| profile.id).collect()
            }
        }
    }

    fn check_qos(&self, qos: &Qos) -> Result<()> {
        qos.check().map_err(Error::invalid)?;
        let same = |it: &Qos| it.id != qos.id && it.data_center == qos.data_center && it.name == qos.name;
        if self.qoss.values().any(same) {
            return Err(Error::conflict("Cannot add QoS. The name is already in use."));
        }
        match self.data_centers.contains_key(&qos.data_center) {
            true => Ok(()),
            false => Err(Error::not_found(qos.data_center)),
        }
    }

    fn check_disk_profile(&self, profile: &DiskProfile) -> Result<()> {
        check_name("disk profile", &profile.name).map_err(Error::invalid)?;
        check_text("description", &profile.description, 4000).map_err(Error::invalid)?;
        let domain = self.storage_domains.get(&profile.storage_domain);
        let domain = domain
            .ok_or_else(|| Error::not_found(format!("StorageDomain: id={}", profile.storage_domain)))?;
        if domain.kind != StorageKind::Data {
            return Err(Error::conflict("Cannot add Disk Profile. The storage domain is not a data domain."));
        }
        let of_place = |qos: &&Qos| domain.data_center.is_none_or(|place| place == qos.data_center);
        if let Some(id) = profile.qos
            && self.qoss.get(&id).filter(of_place).is_none()
        {
            return Err(Error::invalid("Cannot add Disk Profile. The QoS is not one of the data center."));
        }
        let mut others = self.profiles_of(profile.storage_domain).filter(|it| it.id != profile.id);
        match others.any(|it| it.name == profile.name) {
            true => Err(Error::conflict("Cannot add Disk Profile. The name is already in use.")),
            false => Ok(()),
        }
    }
}

impl Engine {
    pub async fn add_qos(&self, data_center: DataCenterId, change: QosChange) -> Result<QosId> {
        let mut qos = Qos {
            id: QosId::random(),
            data_center,
            name: String::new(),
            description: String::new(),
            tune: Tune::default(),
        };
        change.over(&mut qos);
        let (id, told) = (qos.id, format!("QoS {} was added.", qos.name));
        self.record(|world| world.check_qos(&qos).map(|()| vec![Change::Qos(qos)])).await?;
        self.tell(Code::QOS_ADDED, About::default(), told);
        Ok(id)
    }

    /// Changes a QoS; the disks that are under it follow at once, those of running VMs too.
    pub async fn update_qos(self: &Arc<Self>, id: QosId, change: QosChange) -> Result<()> {
        let _guard = self.take("update QoS", &[(Entity::Qos(id), Mode::Exclusive)]).await?;
        let before = self.world().qoss.get(&id).cloned().ok_or_else(|| Error::not_found(id))?;
        let mut after = before.clone();
        change.over(&mut after);
        if after == before {
            return Ok(());
        }
        let check = |world: &World| world.check_qos(&after).map(|()| Change::Qos(after.clone()));
        self.limit_disks(DiskLimits::Qos(before), check).await
    }

    pub async fn remove_qos(&self, id: QosId) -> Result<()> {
        let _guard = self.take("remove QoS", &[(Entity::Qos(id), Mode::Exclusive)]).await?;
        let mut name = String::new();
        self.record(|world| {
            let qos = world.qoss.get(&id).ok_or_else(|| Error::not_found(id))?;
            name.clone_from(&qos.name);
            match world.disk_profiles.values().any(|it| it.qos == Some(id)) {
                true => Err(Error::conflict(format!("Cannot remove QoS. A disk profile has QoS {name}."))),
                false => Ok(vec![Change::DropQos(id)]),
            }
        })
        .await?;
        self.tell(Code::QOS_REMOVED, About::default(), format!("QoS {name} was removed."));
        Ok(())
    }

    pub async fn add_disk_profile(
        &self,
        storage_domain: StorageDomainId,
        change: DiskProfileChange,
    ) -> Result<DiskProfileId> {
        let profile = DiskProfile {
            id: DiskProfileId::random(),
            name: change.name.unwrap_or_default(),
            description: change.description.unwrap_or_default(),
            storage_domain,
            qos: change.qos.flatten(),
        };
        let (id, told) = (profile.id, format!("Disk profile {} was added.", profile.name));
        self.record(|world| world.check_disk_profile(&profile).map(|()| vec![Change::DiskProfile(profile)]))
            .await?;
        self.tell(Code::DISK_PROFILE_ADDED, About::default(), told);
        Ok(id)
    }

    /// Changes a profile; its disks follow at once, those of running VMs too.
    pub async fn update_disk_profile(
        self: &Arc<Self>,
        id: DiskProfileId,
        change: DiskProfileChange,
    ) -> Result<()> {
        let _guard = self.take("update disk profile", &[(Entity::DiskProfile(id), Mode::Exclusive)]).await?;
        let before = self.world().disk_profiles.get(&id).cloned().ok_or_else(|| Error::not_found(id))?;
        let mut after = before.clone();
        put_over!(after, change, name, description, qos);
        if after == before {
            return Ok(());
        }
        let check =
            |world: &World| world.check_disk_profile(&after).map(|()| Change::DiskProfile(after.clone()));
        self.limit_disks(DiskLimits::Profile(before), check).await
    }

    pub async fn remove_disk_profile(&self, id: DiskProfileId) -> Result<()> {
        let _guard = self.take("remove disk profile", &[(Entity::DiskProfile(id), Mode::Exclusive)]).await?;
        let mut name = String::new();
        self.record(|world| {
            let profile = world.disk_profiles.get(&id).ok_or_else(|| Error::not_found(id))?;
            name.clone_from(&profile.name);
            if world.disks.values().any(|it| it.profile == Some(id)) {
                return Err(Error::conflict(format!(
                    "Cannot remove Disk Profile. Disks have the profile {name}."
                )));
            }
            check_idle(world, |operation| match operation {
                Operation::UpdateDisk { before, .. } => before.profile == Some(id),
                Operation::FollowVersion { old, .. } => old.iter().any(|it| it.disk.profile == Some(id)),
                _ => false,
            })?;
            let other = world.profiles_of(profile.storage_domain).find(|it| it.id != id).map(|it| it.id);
            if other.is_none() {
                return Err(Error::conflict(
                    "Cannot remove Disk Profile. It is the last of its storage domain.",
                ));
            }
            let mut changes = world.rows_without(
                |_| (),
                |disk| {
                    disk.profile = if disk.profile == Some(id) { other } else { disk.profile };
                },
            );
            changes.push(Change::DropDiskProfile(id));
            Ok(changes)
        })
        .await?;
        self.tell(Code::DISK_PROFILE_REMOVED, About::default(), format!("Disk profile {name} was removed."));
        Ok(())
    }

    async fn limit_disks(
        &self,
        before: DiskLimits,
        check: impl FnOnce(&World) -> Result<Change>,
    ) -> Result<()> {
        self.require_connection()?;
        let intent = self
            .promise(|world| {
                Ok((Operation::LimitDisks { before: Box::new(before.clone()) }, vec![check(world)?]))
            })
            .await?;
        failpoint::hit("limit_disks.intended");
        if let Err(failure) = self.bring_limits(&before).await {
            return self.fail(intent, failure).await;
        }
        failpoint::hit("limit_disks.brought");
        self.settle(intent, vec![]).await
    }

    /// Brings the disks under these limits to what the rows say.
    pub(super) async fn bring_limits(&self, limits: &DiskLimits) -> Result<()> {
        let disks: Vec<DiskId> = {
            let world = self.world();
            let profiles = world.profiles_with(limits);
            let those = world.disks.values().filter(|it| it.profile.is_some_and(|id| profiles.contains(&id)));
            those.map(|disk| disk.id).collect()
        };
        for disk in disks {
            self.bring_tune(disk).await?;
        }
        Ok(())
    }

    /// Running VMs that have the disk plugged, and their definitions, limit it as its row says.
    pub(super) async fn bring_tune(&self, id: DiskId) -> Result<()> {
        let attachments: Vec<Attachment> = self.world().hung_as(id).map(|(on, _)| on).collect();
        for attachment in attachments.iter().filter(|attachment| attachment.active) {
            if self.has_live(attachment.vm, id).await? {
                let (vm, target) = (attachment.vm, attachment.target.clone());
                let tune = {
                    let world = self.world();
                    world.disks.get(&id).map(|disk| world.tune_of(disk)).unwrap_or_default()
                };
                self.lane.call(move |hv| hv.tune_block(vm, &target, tune)).await?;
            }
        }
        self.sync_definitions(&attachments).await
    }

    pub(super) async fn undo_limit_disks(&self, before: &DiskLimits) -> Result<()> {
        let row = match before.clone() {
            DiskLimits::Profile(it) => Change::DiskProfile(it),
            DiskLimits::Qos(it) => Change::Qos(it),
        };
        self.note(vec![row]).await;
        self.bring_limits(before).await
    }
}
