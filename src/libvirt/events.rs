//! libvirt's events in the engine's terms.

use super::raw::Seen;
use crate::engine::ports::{HypervisorEvent, StopDetail};
use crate::model::{PauseReason, VmId};
use virt::sys;

/// What the engine hears of an event; `None` for what does not concern it.
pub fn translate(id: VmId, seen: Seen) -> Option<HypervisorEvent> {
    Some(match seen {
        Seen::Lifecycle { event: sys::VIR_DOMAIN_EVENT_STOPPED, detail } => {
            HypervisorEvent::Stopped { id, detail: stop_detail(detail) }
        }
        Seen::Lifecycle { .. } => HypervisorEvent::Domain(id),
        Seen::Rebooted => HypervisorEvent::Rebooted(id),
        Seen::IoError { alias, action, reason } => HypervisorEvent::DiskError {
            id,
            alias,
            reason: pause_reason(&reason),
            paused: action == sys::VIR_DOMAIN_EVENT_IO_ERROR_PAUSE,
        },
        Seen::DeviceAdded(alias) => HypervisorEvent::DeviceAdded { id, alias },
        Seen::DeviceRemoved(alias) => HypervisorEvent::DeviceRemoved { id, alias },
        Seen::RemovalFailed(alias) => HypervisorEvent::DeviceRemovalFailed { id, alias },
        Seen::Agent { state: sys::VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED } => {
            HypervisorEvent::Agent { id, connected: true }
        }
        Seen::Agent { state: sys::VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_DISCONNECTED } => {
            HypervisorEvent::Agent { id, connected: false }
        }
        Seen::Agent { .. } => return None,
        Seen::Graphics { phase: sys::VIR_DOMAIN_EVENT_GRAPHICS_CONNECT, .. } => return None,
        // Who comes by a descriptor comes through us, and comes from nowhere that QEMU knows.
        Seen::Graphics { address, .. } if address.is_empty() => return None,
        Seen::Graphics { phase, served, address, port } => HypervisorEvent::Console {
            id,
            served: served.parse().unwrap_or_default(),
            address,
            port,
            connected: phase == sys::VIR_DOMAIN_EVENT_GRAPHICS_INITIALIZE,
        },
        Seen::Balloon => HypervisorEvent::BalloonChanged(id),
    })
}

fn stop_detail(detail: u32) -> StopDetail {
    match detail {
        sys::VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN => StopDetail::Shutdown,
        sys::VIR_DOMAIN_EVENT_STOPPED_DESTROYED => StopDetail::Destroyed,
        sys::VIR_DOMAIN_EVENT_STOPPED_CRASHED => StopDetail::Crashed,
        sys::VIR_DOMAIN_EVENT_STOPPED_SAVED => StopDetail::Saved,
        sys::VIR_DOMAIN_EVENT_STOPPED_FAILED => StopDetail::Failed,
        _ => StopDetail::Other,
    }
}

/// libvirt names the reason of a full storage only; the others come from newer releases.
fn pause_reason(reason: &str) -> PauseReason {
    match reason {
        "enospc" => PauseReason::Enospc,
        "eperm" => PauseReason::Eperm,
        "eother" => PauseReason::Eother,
        _ => PauseReason::Eio,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_and_disk_errors_keep_their_details() {
        let id = VmId::random();
        let stopped = |detail| translate(id, Seen::Lifecycle { event: 5, detail });
        assert_eq!(stopped(1), Some(HypervisorEvent::Stopped { id, detail: StopDetail::Destroyed }));
        assert_eq!(stopped(4), Some(HypervisorEvent::Stopped { id, detail: StopDetail::Saved }));
        assert_eq!(stopped(3), Some(HypervisorEvent::Stopped { id, detail: StopDetail::Other }));
        let defined = translate(id, Seen::Lifecycle { event: 0, detail: 0 });
        assert_eq!(defined, Some(HypervisorEvent::Domain(id)));
        let error = Seen::IoError { alias: "ua-1".into(), action: 1, reason: "enospc".into() };
        assert_eq!(
            translate(id, error),
            Some(HypervisorEvent::DiskError {
                id,
                alias: "ua-1".into(),
                reason: PauseReason::Enospc,
                paused: true
            })
        );
        assert_eq!(translate(id, Seen::Agent { state: 9 }), None);
        assert_eq!(translate(id, Seen::Balloon), Some(HypervisorEvent::BalloonChanged(id)));
    }
}
