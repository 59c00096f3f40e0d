//! `/vnicprofiles`, `/diskprofiles` and `/cpuprofiles`, which differ in little but what they belong to.

use super::access;
use super::app::App;
use super::lookup;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::rows;
use super::search::{self, Searched};
use crate::engine::DiskProfileChange;
use crate::error::Error;
use crate::model::{CpuProfile, DiskProfile, NetworkId, Object, QosId, StorageDomainId, VnicProfile};
use crate::wire::types::{self, Action};
use crate::wire::{convert, filled, require};
use std::sync::Arc;

macro_rules! profiles {
    ($($row:ident in $rows:ident is $document:path, $list:ident of $item:ident: $some:ident $one:ident $all:ident $show:ident;)+) => {$(
        impl Searched for $row {
            const FIELDS: &'static [&'static str] = &["name", "id"];

            fn object(&self) -> Option<Object> {
                Some(self.id.into())
            }

            fn field(&self, _: &App, name: &str) -> Option<String> {
                match name {
                    "name" => Some(self.name.clone()),
                    "id" => Some(self.id.to_string()),
                    _ => None,
                }
            }
        }

        /// Those profiles that the request asks for.
        pub fn $some(app: &App, request: &Request, wanted: impl Fn(&$row) -> bool) -> Answer {
            let all = rows::by_name(&app.engine.world().$rows, |row| &row.name, wanted);
            let found = search::select_leniently(app, request, all);
            let $item = found.iter().map($document).collect();
            Ok(Reply::ok(types::$list { $item, ..Default::default() }))
        }

        /// The profile of the path, if it is one of those.
        pub fn $one(app: &App, request: &Request, wanted: impl Fn(&$row) -> bool) -> Answer {
            let row = rows::one(&app.engine.world().$rows, request, "profile")?;
            match wanted(&row) {
                true => Ok(Reply::ok($document(&row))),
                false => Err(Error::not_found(row.id).into()),
            }
        }

        /// `GET` of the collection.
        pub async fn $all(app: Arc<App>, request: Request) -> Answer {
            $some(&app, &request, |_| true)
        }

        /// `GET` of an item.
        pub async fn $show(app: Arc<App>, request: Request) -> Answer {
            $one(&app, &request, |_| true)
        }
    )+};
}

profiles! {
    VnicProfile in vnic_profiles is convert::vnic_profile,
        VnicProfiles of vnic_profile: some_vnic one_vnic list_vnic show_vnic;
    DiskProfile in disk_profiles is convert::disk_profile,
        DiskProfiles of disk_profile: some_disk one_disk list_disk show_disk;
    CpuProfile in cpu_profiles is convert::cpu_profile,
        CpuProfiles of cpu_profile: some_cpu one_cpu list_cpu show_cpu;
}

/// `POST /vnicprofiles`
pub async fn add_vnic(app: Arc<App>, request: Request) -> Answer {
    let asked: types::VnicProfile = request.document().await?;
    let network = asked.network.as_ref().and_then(|network| network.id.as_deref()).unwrap_or_default();
    require("VnicProfile", "add", &[("network.id", !network.is_empty())])?;
    let network = convert::parse_id(network, "Network")?;
    access::require(&app, &request, 1204, network)?;
    add_vnic_to(&app, network, &asked).await
}

/// Makes a profile of the network.
pub async fn add_vnic_to(app: &App, network: NetworkId, asked: &types::VnicProfile) -> Answer {
    require("VnicProfile", "add", &[("name", filled(&asked.name).is_some())])?;
    let id = app.engine.add_vnic_profile(network, convert::profile_change(asked)?).await?;
    Ok(Reply::created(convert::vnic_profile(&app.engine.vnic_profile(id)?)))
}

/// `PUT /vnicprofiles/{profile}`
pub async fn update_vnic(app: Arc<App>, request: Request) -> Answer {
    let row = rows::one(&app.engine.world().vnic_profiles, &request, "profile")?;
    let asked: types::VnicProfile = request.document().await?;
    lookup::same_id(asked.id.as_deref(), row.id)?;
    let network = asked.network.as_ref().and_then(|network| network.id.as_deref());
    if network.is_some_and(|id| !id.eq_ignore_ascii_case(&row.network.to_string())) {
        return Err(Error::conflict(
            "Cannot edit VM network interface profile. Its network cannot be changed.",
        )
        .into());
    }
    app.engine.update_vnic_profile(row.id, convert::profile_change(&asked)?).await?;
    Ok(Reply::ok(convert::vnic_profile(&app.engine.vnic_profile(row.id)?)))
}

/// `DELETE /vnicprofiles/{profile}`
pub async fn remove_vnic(app: Arc<App>, request: Request) -> Answer {
    remove_vnic_of(&app, &request, |_| true).await
}

/// Removes the profile of the path, if it is one of those.
pub async fn remove_vnic_of(app: &App, request: &Request, wanted: impl Fn(&VnicProfile) -> bool) -> Answer {
    let row = rows::one(&app.engine.world().vnic_profiles, request, "profile")?;
    if !wanted(&row) {
        return Err(Error::not_found(row.id).into());
    }
    request.optional::<Action>().await?;
    app.engine.remove_vnic_profile(row.id).await?;
    Ok(Reply::no_content())
}

/// `POST /diskprofiles`
pub async fn add_disk(app: Arc<App>, request: Request) -> Answer {
    let asked: types::DiskProfile = request.document().await?;
    require("DiskProfile", "add", &[("storageDomain.id", lookup::is_named(&asked.storage_domain))])?;
    let domain = lookup::storage_domain(&app, asked.storage_domain.as_ref().unwrap_or(&Default::default()))?;
    access::require(&app, &request, 1561, domain)?;
    add_disk_to(&app, domain, asked).await
}

/// Makes a profile of the storage domain.
pub async fn add_disk_to(app: &App, domain: StorageDomainId, asked: types::DiskProfile) -> Answer {
    require("DiskProfile", "add", &[("name", filled(&asked.name).is_some())])?;
    let id = app.engine.add_disk_profile(domain, disk_change(asked)?).await?;
    let row = app.engine.world().disk_profiles.get(&id).cloned().ok_or_else(|| Error::not_found(id))?;
    Ok(Reply::created(convert::disk_profile(&row)))
}

/// A QoS without an id is none.
fn disk_change(asked: types::DiskProfile) -> crate::error::Result<DiskProfileChange> {
    let named = |qos: types::Ref| {
        let id = qos.id.filter(|id| !id.is_empty());
        id.map(|id| convert::parse_id::<QosId>(&id, "Qos")).transpose()
    };
    Ok(DiskProfileChange {
        name: asked.name,
        description: asked.description,
        qos: asked.qos.map(named).transpose()?,
    })
}

/// `PUT /diskprofiles/{profile}`
pub async fn update_disk(app: Arc<App>, request: Request) -> Answer {
    let row = rows::one(&app.engine.world().disk_profiles, &request, "profile")?;
    let asked: types::DiskProfile = request.document().await?;
    lookup::same_id(asked.id.as_deref(), row.id)?;
    let domain = asked.storage_domain.as_ref().and_then(|domain| domain.id.as_deref());
    if domain.is_some_and(|id| !id.eq_ignore_ascii_case(&row.storage_domain.to_string())) {
        let why = "Cannot edit Disk Profile. Its storage domain cannot be changed.";
        return Err(Error::conflict(why).into());
    }
    app.engine.update_disk_profile(row.id, disk_change(asked)?).await?;
    let row = rows::one(&app.engine.world().disk_profiles, &request, "profile")?;
    Ok(Reply::ok(convert::disk_profile(&row)))
}

/// `DELETE /diskprofiles/{profile}`
pub async fn remove_disk(app: Arc<App>, request: Request) -> Answer {
    remove_disk_of(&app, &request, |_| true).await
}

/// Removes the profile of the path, if it is one of those.
pub async fn remove_disk_of(app: &App, request: &Request, wanted: impl Fn(&DiskProfile) -> bool) -> Answer {
    let row = rows::one(&app.engine.world().disk_profiles, request, "profile")?;
    if !wanted(&row) {
        return Err(Error::not_found(row.id).into());
    }
    request.optional::<Action>().await?;
    app.engine.remove_disk_profile(row.id).await?;
    Ok(Reply::no_content())
}
