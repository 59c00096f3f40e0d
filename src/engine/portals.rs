//! Where the names of iSCSI portals lead to.

use super::Engine;
use crate::error::{Error, Result};
use crate::model::{Disk, LunAt};
use std::net::IpAddr;
use std::time::Duration;
use tokio::net::lookup_host;

/// How long a name is looked up.
const PATIENCE: Duration = Duration::from_secs(5);

impl Engine {
    /// Before a guest is given the disks: a name leads to no address that a client could not have named.
    /// QEMU looks it up once more; who must be sure lists the networks, and then there are no names.
    pub(super) async fn check_portals(&self, verb: &str, disks: &[Disk]) -> Result<()> {
        let named = disks.iter().filter_map(|disk| match &disk.lun.as_ref()?.at {
            LunAt::Iscsi(unit) if unit.address.parse::<IpAddr>().is_err() => Some(unit),
            _ => None,
        });
        for unit in named {
            let found = lookup_host((unit.address.as_str(), unit.port));
            // One that leads nowhere is told by its use.
            let Ok(Ok(mut found)) = tokio::time::timeout(PATIENCE, found).await else { continue };
            if found.any(|it| !self.settings.portals.allow(it.ip())) {
                return Err(Error::conflict(format!(
                    "{verb}. The engine's configuration does not allow the address of the iSCSI portal {}.",
                    unit.address
                )));
            }
        }
        Ok(())
    }
}
