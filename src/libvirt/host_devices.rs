//! The host's own devices.

use crate::error::Result;
use virt::connect::Connect;
use virt::sys;

const KINDS: u32 =
    sys::VIR_CONNECT_LIST_NODE_DEVICES_CAP_PCI_DEV | sys::VIR_CONNECT_LIST_NODE_DEVICES_CAP_USB_DEV;

/// The document of each.
pub fn documents(connect: &Connect) -> Result<Vec<String>> {
    // One may be unplugged meanwhile.
    Ok(connect.list_all_node_devices(KINDS)?.iter().filter_map(|device| device.xml_desc(0).ok()).collect())
}
