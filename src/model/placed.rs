//! Where a hypervisor has put the devices of a machine.

/// A device of a domain with its place on the machine's buses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// `disk`, `cdrom`, `controller`, `channel`, `interface`, `video`...
    pub kind: String,
    /// What it is among its kind: a controller's bus, a channel's other end.
    pub device: String,
    pub alias: String,
    /// `type=pci, domain=0x0000, bus=0x00, slot=0x06, function=0x0`; empty where it has none.
    pub address: String,
}
