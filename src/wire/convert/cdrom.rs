//! The CD-ROM drive of a VM.

use super::{API, reference};
use crate::model::VmId;
use crate::wire::types::{self, Cdrom};
use uuid::Uuid;

/// Every VM has one drive, and every drive this id.
pub const CDROM: Uuid = Uuid::nil();

/// The drive with that medium in it, or empty.
pub fn cdrom(vm: VmId, medium: Option<String>) -> Cdrom {
    Cdrom {
        id: Some(CDROM.to_string()),
        href: Some(format!("{API}/vms/{vm}/cdroms/{CDROM}")),
        vm: Some(reference("vms", vm)),
        file: medium.map(|name| types::File { id: Some(name), ..Default::default() }),
        ..Cdrom::default()
    }
}

/// The medium that a document asks for: an empty name, or none, is an empty drive.
pub fn medium(file: &types::File) -> Option<String> {
    file.id.clone().filter(|name| !name.is_empty())
}
