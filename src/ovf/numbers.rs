//! The numbers and words by which OVF knows what the model has names for.

use crate::model::NicInterface;
use crate::model::vm::{BootDevice, Protocol};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Orders of boot devices, by their numbers.
pub const BOOT_SEQUENCES: &[&[BootDevice]] = {
    use BootDevice::{Cdrom as D, Hd as C, Network as N};
    &[
        &[C],
        &[D, C],
        &[N],
        &[C, D, N],
        &[C, N, D],
        &[D, C, N],
        &[D, N, C],
        &[N, C, D],
        &[N, D, C],
        &[C, D],
        &[D],
        &[C, N],
        &[D, N],
        &[N, C],
        &[N, D],
    ]
};

/// Where VMs come from, by their numbers.
pub const ORIGINS: &[&str] =
    &["rhev", "vmware", "xen", "ovirt", "external", "hosted_engine", "managed_hosted_engine", "kvm"];

/// The number of what has no other.
pub const OVIRT: usize = 3;

/// Devices of network interfaces, by their numbers.
pub const NICS: &[NicInterface] =
    &[NicInterface::Rtl8139Virtio, NicInterface::Rtl8139, NicInterface::E1000, NicInterface::Virtio];

/// The number of the graphics card that goes with a protocol: a qxl, or a plain VGA.
pub fn card(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Spice => 1,
        Protocol::Vnc => 2,
    }
}

/// How USB without redirection is said.
pub const LEGACY_USB: &str = "ENABLED_LEGACY";

/// What an item is, as `rasd:ResourceType` says.
pub mod kind {
    pub const OTHER: u8 = 0;
    pub const CPU: u8 = 3;
    pub const MEMORY: u8 = 4;
    pub const NIC: u8 = 10;
    pub const CDROM: u8 = 15;
    pub const DISK: u8 = 17;
    pub const CARD: u8 = 20;
    pub const USB: u8 = 23;
    pub const CONSOLE: u8 = 26;
}

/// The number of a value in its list.
pub fn number<T: PartialEq>(all: &[T], value: &T) -> Option<usize> {
    all.iter().position(|one| one == value)
}

/// The word that the model itself stores for a value.
pub fn word(value: &impl Serialize) -> String {
    let word = serde_json::to_value(value).ok();
    word.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}

pub fn from_word<T: DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(word.into()).ok()
}
