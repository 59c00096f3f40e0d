//! Disks.

use super::{API, Named, id_of, named, reference};
use crate::error::{Error, Kind, Result};
use crate::model::*;
use crate::wire::types::{self, Ref};
use crate::wire::{filled, require};

/// Which path a disk is shown under.
#[derive(Clone, Copy, Debug)]
pub enum DiskPlace<'a> {
    Floating,
    /// On a VM, by that attachment.
    On(&'a Attachment),
}

/// Bytes. QEMU opens no raw image past the page cache that is not made of whole blocks of its storage.
const BLOCK: u64 = 4096;

/// What a document says of a disk, in the model's values; `None` is not mentioned.
#[derive(Clone, Debug, Default)]
pub struct DiskRequest {
    pub id: Option<DiskId>,
    pub alias: Option<String>,
    pub description: Option<String>,
    /// Bytes.
    pub size: Option<u64>,
    pub format: Option<DiskFormat>,
    pub interface: Option<DiskInterface>,
    pub sparse: Option<bool>,
    pub bootable: Option<bool>,
    pub shareable: Option<bool>,
    pub wipe_after_delete: Option<bool>,
    pub propagate_errors: Option<bool>,
    pub active: Option<bool>,
    pub read_only: Option<bool>,
    pub profile: Option<DiskProfileId>,
    pub quota: Option<QuotaId>,
    /// The first of the storage domains: an id or a name.
    pub storage_domain: Option<Ref>,
    /// Of a LUN.
    pub passed: Option<Passed>,
    /// Of a LUN.
    pub reserved: Option<bool>,
}

impl TryFrom<&types::Disk> for DiskRequest {
    type Error = Error;

    fn try_from(document: &types::Disk) -> Result<Self> {
        let domains = document.storage_domains.as_ref().and_then(|domains| domains.storage_domain.first());
        Ok(Self {
            id: document
                .id
                .as_deref()
                .filter(|id| !id.is_empty())
                .map(|id| super::parse_id(id, "Disk"))
                .transpose()?,
            alias: document.alias.clone().or_else(|| document.name.clone()),
            description: document.description.clone(),
            // Disks are made of whole blocks.
            size: document.provisioned_size.map(|size| size.checked_next_multiple_of(BLOCK).unwrap_or(size)),
            format: name(&document.format)?,
            interface: interface(&document.interface)?,
            sparse: document.sparse,
            bootable: document.bootable,
            shareable: document.shareable,
            wipe_after_delete: document.wipe_after_delete,
            propagate_errors: document.propagate_errors,
            active: document.active,
            read_only: document.read_only,
            profile: document
                .disk_profile
                .as_ref()
                .map(|profile| id_of(profile, "DiskProfile"))
                .transpose()?
                .flatten(),
            quota: document.quota.as_ref().map(|it| id_of(it, "Quota")).transpose()?.flatten(),
            storage_domain: domains.or(document.storage_domain.as_ref()).cloned(),
            passed: name(&document.sgio)?,
            reserved: document.uses_scsi_reservation,
        })
    }
}

/// The unit that a document describes, with its password sealed. The portal is not asked.
pub fn lun(
    document: &types::Disk,
    storage: &types::HostStorage,
    seal: impl FnOnce(&str) -> Result<Sealed>,
) -> Result<Lun> {
    let units = storage.logical_units.as_ref().map_or(&[][..], |units| &units.logical_unit);
    let unit = match units {
        [] => types::LogicalUnit::default(),
        [unit] => unit.clone(),
        _ => return Err(Error::invalid("A LUN disk is one logical unit.")),
    };
    let kind = filled(&storage.r#type).unwrap_or_default().to_lowercase();
    require(
        "Storage",
        "add",
        &[("type", !kind.is_empty()), ("logicalUnits.id", filled(&unit.id).is_some())],
    )?;
    let at = match kind.as_str() {
        "iscsi" => LunAt::Iscsi(iscsi(&unit, storage, seal)?),
        // Where the host has it, the host knows.
        "fcp" => LunAt::Host { device: String::new() },
        other => {
            let known = "Possible values for StorageType are: iscsi, fcp";
            return Err(Error::new(Kind::Value, format!("{other} is no type of LUN storage. {known}")));
        }
    };
    Ok(Lun {
        id: unit.id.unwrap_or_default(),
        size: unit.size.unwrap_or(0),
        passed: name(&document.sgio)?,
        reserved: document.uses_scsi_reservation.unwrap_or(false),
        at,
    })
}

/// Whether a client means a LUN to have other credentials: it is never told a password.
pub fn has_password(document: &types::Disk) -> bool {
    document.lun_storage.as_ref().is_some_and(|storage| {
        let units = storage.logical_units.iter().flat_map(|units| &units.logical_unit);
        units.map(|unit| &unit.password).chain([&storage.password]).any(|it| filled(it).is_some())
    })
}

fn iscsi(
    unit: &types::LogicalUnit,
    storage: &types::HostStorage,
    seal: impl FnOnce(&str) -> Result<Sealed>,
) -> Result<IscsiUnit> {
    require(
        "LogicalUnit",
        "add",
        &[
            ("address", filled(&unit.address).is_some()),
            ("target", filled(&unit.target).is_some()),
            ("port", unit.port.is_some()),
        ],
    )?;
    let username = filled(&unit.username).or_else(|| filled(&storage.username));
    let password = filled(&unit.password).or_else(|| filled(&storage.password));
    let chap = match (username, password) {
        (Some(username), Some(password)) => {
            Some(Chap { username: username.to_owned(), password: seal(password)? })
        }
        (None, None) => None,
        (username, password) => {
            let parts = [("username", username.is_some()), ("password", password.is_some())];
            return Err(require("LogicalUnit", "add", &parts).err().unwrap_or_else(|| Error::bug("CHAP")));
        }
    };
    let negative = |_| Error::new(Kind::Value, "lun_mapping is negative.");
    Ok(IscsiUnit {
        address: unit.address.clone().unwrap_or_default(),
        port: unit.port.unwrap_or_default(),
        target: unit.target.clone().unwrap_or_default(),
        number: match unit.lun_mapping {
            Some(number) => u32::try_from(number).map_err(negative)?,
            None => Lun::number_of(unit.id.as_deref().unwrap_or_default()),
        },
        chap,
    })
}

/// Passwords are told to nobody.
fn lun_storage(disk: &Disk, lun: &Lun) -> types::HostStorage {
    let mut unit = types::LogicalUnit {
        id: Some(lun.id.clone()),
        size: Some(lun.size).filter(|size| *size > 0),
        status: Some("used".into()),
        disk_id: Some(disk.id.to_string()),
        ..types::LogicalUnit::default()
    };
    let kind = match &lun.at {
        LunAt::Iscsi(it) => {
            unit.address = Some(it.address.clone());
            unit.port = Some(it.port);
            unit.target = Some(it.target.clone());
            unit.username = it.chap.as_ref().map(|chap| chap.username.clone());
            unit.lun_mapping = i32::try_from(it.number).ok();
            "iscsi"
        }
        LunAt::Host { .. } => "fcp",
    };
    types::HostStorage {
        r#type: Some(kind.into()),
        logical_units: Some(types::LogicalUnits { logical_unit: vec![unit] }),
        ..types::HostStorage::default()
    }
}

/// A LUN that the host has, and the disk that it is.
pub fn host_lun(host: HostId, it: &HostLun, disk: Option<DiskId>) -> types::HostStorage {
    let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    types::HostStorage {
        id: Some(it.id.clone()),
        href: Some(format!("{API}/hosts/{host}/storage/{}", it.id)),
        r#type: Some(match it.kind {
            HostLunKind::Fcp => "fcp".into(),
            HostLunKind::Iscsi => "iscsi".into(),
        }),
        host: Some(reference("hosts", host)),
        logical_units: Some(types::LogicalUnits {
            logical_unit: vec![types::LogicalUnit {
                id: Some(it.id.clone()),
                vendor_id: text(&it.vendor),
                product_id: text(&it.product),
                serial: text(&it.serial),
                size: Some(it.size),
                paths: i32::try_from(it.paths).ok(),
                status: Some(if disk.is_some() { "used" } else { "free" }.into()),
                disk_id: disk.map(|disk| disk.to_string()),
                ..Default::default()
            }],
        }),
        ..Default::default()
    }
}

fn name<T: Named>(text: &Option<String>) -> Result<Option<T>> {
    text.as_deref().filter(|text| !text.is_empty()).map(named).transpose()
}

/// The interfaces of other architectures exist; x86 cannot have them.
fn interface(text: &Option<String>) -> Result<Option<DiskInterface>> {
    match text.as_deref() {
        Some(other) if other.to_lowercase().starts_with("spapr") => Err(Error::new(
            Kind::Value,
            format!("The interface {other} needs another architecture than X86_64."),
        )),
        _ => name(text),
    }
}

/// The disk as a document; links and actions are the caller's.
pub fn disk(disk: &Disk, place: DiskPlace<'_>, actual_size: u64, attached_to: &[VmId]) -> types::Disk {
    let id = disk.id;
    let image = disk.lun.is_none();
    let (href, vm, active, read_only) = match place {
        DiskPlace::Floating => (format!("{API}/disks/{id}"), None, None, None),
        DiskPlace::On(attachment) => (
            format!("{API}/vms/{}/disks/{id}", attachment.vm),
            Some(reference("vms", attachment.vm)),
            Some(attachment.active),
            Some(attachment.read_only),
        ),
    };
    types::Disk {
        href: Some(href),
        id: Some(id.to_string()),
        name: Some(disk.alias.clone()),
        description: (!disk.description.is_empty()).then(|| disk.description.clone()),
        vms: (!attached_to.is_empty()).then(|| attached_to.iter().map(Ref::bare).collect()),
        vm,
        alias: Some(disk.alias.clone()),
        image_id: image.then(|| disk.image.to_string()),
        storage_domains: image.then(|| [Ref::bare(disk.storage_domain)].into_iter().collect()),
        provisioned_size: (image || disk.size > 0).then_some(disk.size),
        actual_size: image.then_some(actual_size),
        status: image.then(|| disk.status.name().into()),
        interface: Some(disk.interface.name().into()),
        format: image.then(|| disk.format.name().into()),
        sparse: image.then_some(disk.sparse),
        bootable: Some(disk.bootable),
        shareable: Some(disk.shareable),
        wipe_after_delete: Some(disk.wipe_after_delete),
        propagate_errors: Some(disk.propagate_errors),
        active,
        read_only,
        quota: disk.quota.map(Ref::bare),
        disk_profile: disk.profile.map(|profile| reference("diskprofiles", profile)),
        lun_storage: disk.lun.as_ref().map(|lun| lun_storage(disk, lun)),
        sgio: disk.lun.as_ref().and_then(|lun| lun.passed).map(|passed| passed.name().into()),
        uses_scsi_reservation: disk.lun.as_ref().map(|lun| lun.reserved),
        storage_type: Some(if image { "image" } else { "lun" }.into()),
        ..types::Disk::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Format, Version, read};

    fn request(body: &str) -> Result<DiskRequest> {
        DiskRequest::try_from(&read::<types::Disk>(body.as_bytes(), Format::Xml, Version::V3)?)
    }

    #[test]
    fn the_documented_example() {
        let asked = request(
            "<disk><storage_domains><storage_domain id='fabe0451-701f-4235-8f7e-e20e458819ed'/></storage_domains>\
             <provisioned_size>8589934592</provisioned_size><type>system</type><interface>virtio</interface>\
             <format>COW</format><bootable>true</bootable></disk>",
        )
        .unwrap();
        assert_eq!(asked.size, Some(8 * GIB));
        assert_eq!((asked.format, asked.interface), (Some(DiskFormat::Cow), Some(DiskInterface::Virtio)));
        assert_eq!(asked.storage_domain.unwrap().id.unwrap(), "fabe0451-701f-4235-8f7e-e20e458819ed");
    }

    #[test]
    fn an_old_size_beside_a_new_one_loses() {
        let asked =
            request("<disk><size>4096</size><provisioned_size>8192</provisioned_size></disk>").unwrap();
        assert_eq!(asked.size, Some(8192));
        assert_eq!(request("<disk><size>4000</size></disk>").unwrap().size, Some(4096));
    }

    #[test]
    fn refusals() {
        for bad in [
            "<disk id='x'/>",
            "<disk><format>vmdk</format></disk>",
            "<disk><interface>spapr_vscsi</interface></disk>",
        ] {
            assert!(request(bad).is_err(), "{bad}");
        }
    }
}
