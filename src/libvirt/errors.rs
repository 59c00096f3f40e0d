//! libvirt's errors in the engine's terms: one table.

use crate::error::{Error, Kind};
use virt::error::{Error as VirtError, ErrorNumber as E};

/// What a refused call tells by its text alone, under codes that say little. Asked before the codes.
const BY_TEXT: &[(&str, Kind, &str)] = &[
    ("Failed to get \"write\" lock", Kind::Conflict, "A disk of the VM is in use by another VM."),
    ("Failed to get shared \"write\" lock", Kind::Conflict, "A disk of the VM is in use by another VM."),
    ("No more available PCI slots", Kind::Conflict, "The VM has no free slot for another device."),
    ("cannot acquire state change lock", Kind::Conflict, NOT_RESPONDING),
    ("already exists with uuid", Kind::Exists, "A VM of that name or id exists on the host already."),
    ("controller is not mounted", Kind::Unsupported, "The host has no control group for this setting."),
    ("QEMU guest agent is not c", Kind::Conflict, NO_AGENT),
    ("timed out waiting to open tray", Kind::Conflict, TRAY_LOCKED),
    (TRAY_SHUT, Kind::Conflict, TRAY_LOCKED),
    // QEMU keeps the images of a guest that was saved while it was paused, until that runs on.
    (
        "Block node is read-only",
        Kind::Conflict,
        "The memory of the VM was saved while it was paused: the VM has to be resumed first.",
    ),
    ("referenced filter", Kind::Unsupported, "The host does not know the network filter."),
    (
        "Authentication failure",
        Kind::Conflict,
        "The target of a LUN does not accept its user name and password.",
    ),
    ("iSCSI: Failed to connect", Kind::Conflict, "The target of a LUN cannot be reached, or lacks the LUN."),
    ("Cannot access storage file", Kind::Host, "The image of a disk cannot be opened."),
    ("No space left on device", Kind::Host, "The host has no space left."),
    ("annot allocate memory", Kind::Conflict, "The host has not enough memory for the VM."),
];

/// What libvirt's codes mean; whatever is not here is the host's refusal.
fn by_code(code: E) -> Option<(Kind, &'static str)> {
    Some(match code {
        E::NoDomain => (Kind::NotFound, "Entity not found: VM"),
        E::NoStoragePool => (Kind::NotFound, "Entity not found: storage pool"),
        E::NoStorageVolume => (Kind::NotFound, "Entity not found: storage volume"),
        E::NoNetwork => (Kind::NotFound, "Entity not found: network"),
        E::NoSecret => (Kind::NotFound, "Entity not found: secret"),
        E::DeviceMissing => (Kind::NotFound, "Entity not found: device"),
        E::DomExist => (Kind::Exists, "A VM of that name or id exists on the host already."),
        E::StorageVolExist => (Kind::Exists, "A volume of that name exists already."),
        E::InvalidArg | E::Overflow => (Kind::Invalid, "The hypervisor does not accept this value."),
        E::XmlError | E::XmlDetail | E::XmlInvalidSchema => {
            (Kind::Invalid, "The hypervisor does not accept this configuration.")
        }
        E::ConfigUnsupported | E::ArgumentUnsupported | E::CpuIncompatible => {
            (Kind::Unsupported, "The host does not support this configuration.")
        }
        E::NoSupport | E::OperationUnsupported => {
            (Kind::Unsupported, "The host does not support this operation.")
        }
        E::OperationInvalid => (Kind::Conflict, "The state of the VM does not allow this operation."),
        E::OperationTimeout => (Kind::Conflict, NOT_RESPONDING),
        E::OperationAborted => (Kind::Conflict, "The operation was interrupted."),
        E::ResourceBusy | E::BlockCopyActive => {
            (Kind::Busy, "Related operation is currently in progress. Please try again later.")
        }
        E::AgentUnresponsive | E::AgentUnsynced | E::AgentCommandTimeout | E::AgentCommandFailed => {
            (Kind::Conflict, NO_AGENT)
        }
        E::NoConnect | E::InvalidConn | E::AuthFailed | E::AuthUnavailable => {
            (Kind::Unavailable, "The hypervisor is not available. Please try again later.")
        }
        _ => return None,
    })
}

pub use crate::error::NOT_RESPONDING;
/// QEMU's refusal to touch the medium behind a shut tray; libvirt believes it to be open.
pub const TRAY_SHUT: &str = "-medium': Tray of";
const TRAY_LOCKED: &str = "The guest holds the CD-ROM's tray locked.";
pub const NO_AGENT: &str = "The guest agent of the VM does not respond.";

/// The kind and the client's sentence for a code and a message of libvirt.
fn translate(code: Option<E>, message: &str) -> (Kind, &'static str) {
    BY_TEXT
        .iter()
        .find(|(text, ..)| message.contains(text))
        .map(|(_, kind, said)| (*kind, *said))
        .or_else(|| by_code(code?))
        .unwrap_or((Kind::Host, "The host refused the operation."))
}

impl From<VirtError> for Error {
    fn from(error: VirtError) -> Self {
        let code = Some(error.code().unwrap_or(E::InternalError));
        let (kind, said) = translate(code, error.message());
        Error::new(kind, said).because(error.message())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_texts_have_their_kinds() {
        for (code, message, kind) in [
            (E::NoDomain, "Domain not found: no domain with matching uuid", Kind::NotFound),
            (E::OperationInvalid, "Requested operation is not valid: domain is not running", Kind::Conflict),
            (
                E::OperationFailed,
                "operation failed: domain 'a' already exists with uuid 0f8d5e1c-0000-4000-8000-000000000000",
                Kind::Exists,
            ),
            (E::InternalError, "internal error: No more available PCI slots", Kind::Conflict),
            (
                E::InternalError,
                "internal error: process exited while connecting to monitor: iSCSI: Failed to connect to LUN : x",
                Kind::Conflict,
            ),
            (
                E::InternalError,
                "internal error: process exited while connecting to monitor: Failed to get \"write\" lock",
                Kind::Conflict,
            ),
            (
                E::OperationTimeout,
                "Timed out during operation: cannot acquire state change lock (held by monitor=x)",
                Kind::Conflict,
            ),
            (
                E::AgentUnresponsive,
                "Guest agent is not responding: QEMU guest agent is not connected",
                Kind::Conflict,
            ),
            (
                E::ArgumentUnsupported,
                "argument unsupported: QEMU guest agent is not configured",
                Kind::Conflict,
            ),
            (
                E::OperationInvalid,
                "Requested operation is not valid: cgroup CPU controller is not mounted",
                Kind::Unsupported,
            ),
            (
                E::InternalError,
                "internal error: unable to execute QEMU command 'block-commit': Block node is read-only",
                Kind::Conflict,
            ),
            (
                E::InternalError,
                "internal error: unable to execute QEMU command 'blockdev-insert-medium': Tray of the device is not open",
                Kind::Conflict,
            ),
            (E::XmlInvalidSchema, "XML document failed to validate against schema", Kind::Invalid),
            (E::InternalError, "internal error: something", Kind::Host),
            (E::NoConnect, "no connection driver available", Kind::Unavailable),
        ] {
            assert_eq!(translate(Some(code), message).0, kind, "{message}");
        }
        assert_eq!(translate(None, "code of a newer libvirt").0, Kind::Host);
    }

    #[test]
    fn libvirts_own_words_stay_out_of_the_sentence() {
        let error = Error::from(VirtError::from(std::ffi::CString::new("a\0b").unwrap_err()));
        assert_eq!(error.kind, Kind::Invalid);
        assert!(error.why.unwrap().contains("Null byte"));
    }
}
