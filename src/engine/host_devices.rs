//! Devices of the host, and the VMs that get them.

use super::{Engine, documents};
use crate::domain;
use crate::error::{Error, Result};
use crate::model::*;
use std::sync::Arc;

impl Engine {
    /// The host's devices in the order of their names.
    pub async fn host_devices(&self) -> Result<Vec<HostDevice>> {
        self.require_connection()?;
        let told = self.lane.slow(|hv| hv.host_devices()).await?;
        let parsed: Vec<_> = told.iter().map(|text| documents::parse(text)).collect::<Result<_>>()?;
        let mut devices: Vec<HostDevice> = parsed.iter().filter_map(domain::observe_host_device).collect();
        devices.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(devices)
    }

    /// Gives the VM a device of the host from its next start on.
    pub async fn add_host_device(self: &Arc<Self>, id: VmId, next_run: bool, name: &str) -> Result<()> {
        self.own_vm(id)?;
        let devices = self.host_devices().await?;
        let device = devices.into_iter().find(|device| device.name == name);
        let device = device.ok_or_else(|| Error::not_found(format!("HostDevice: name={name}")))?;
        if pci_address(&device.name).is_none() {
            return Err(Error::unsupported(format!(
                "Cannot add the host device. '{name}' is no PCI device: others cannot be handed to VMs."
            )));
        }
        if device.iommu_group.is_none() {
            return Err(Error::unsupported(format!(
                "Cannot add the host device. The host's IOMMU does not guard '{name}'."
            )));
        }
        self.update_vm(id, next_run, |spec| {
            if spec.host_devices.contains(&device.name) {
                return Err(Error::conflict("Cannot add the host device. The VM has it already."));
            }
            spec.host_devices.push(device.name);
            spec.host_devices.sort();
            Ok(())
        })
        .await
    }

    pub async fn remove_host_device(self: &Arc<Self>, id: VmId, next_run: bool, name: &str) -> Result<()> {
        self.update_vm(id, next_run, |spec| {
            let place = spec.host_devices.iter().position(|device| device == name);
            spec.host_devices.remove(place.ok_or_else(|| Error::not_found(name))?);
            Ok(())
        })
        .await
    }
}
