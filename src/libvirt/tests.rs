//! The adapter on libvirt's test driver, a hypervisor inside the client library. `tests/live/adapter.rs`
//! has a real libvirtd.

use super::*;
use crate::engine::ports::StopDetail;
use crate::error::Kind;
use crate::model::{PauseReason, Power};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

type Events = UnboundedReceiver<HypervisorEvent>;

fn connected(uri: &str) -> (Libvirt, Events) {
    let libvirt = Libvirt::new(uri, Some(Accelerator::Tcg), None);
    let (sender, mut events) = unbounded_channel();
    libvirt.subscribe(sender);
    wait_for(&mut events, 10, |event| *event == HypervisorEvent::Connected);
    (libvirt, events)
}

/// The events up to the one that is waited for.
fn wait_for(
    events: &mut Events,
    seconds: u64,
    wanted: impl Fn(&HypervisorEvent) -> bool,
) -> Vec<HypervisorEvent> {
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut seen = Vec::new();
    while Instant::now() < end {
        match events.try_recv() {
            Ok(event) => {
                seen.push(event);
                if wanted(&seen[seen.len() - 1]) {
                    return seen;
                }
            }
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    panic!("not seen in {seconds} s, but {seen:?}");
}

/// A domain as it is now.
fn seen(libvirt: &Libvirt, id: VmId) -> Result<Option<DomainSeen>> {
    Ok(libvirt.look(id, false)?.map(|(seen, _)| seen))
}

#[test]
fn the_port_works_without_a_daemon() {
    let (libvirt, mut events) = connected("test:///default");
    let all = libvirt.domains().unwrap();
    assert_eq!(all.len(), 1);
    let test = &all[0];
    assert_eq!((test.name.as_str(), test.power, test.persistent), ("test", Power::Running, true));
    assert_eq!(seen(&libvirt, test.id).unwrap().as_ref(), Some(test));
    libvirt.pause(test.id).unwrap();
    wait_for(&mut events, 5, |event| *event == HypervisorEvent::Domain(test.id));
    assert_eq!(seen(&libvirt, test.id).unwrap().unwrap().power, Power::Paused(PauseReason::None));
    libvirt.resume(test.id).unwrap();
    libvirt.destroy(test.id).unwrap();
    libvirt.destroy(test.id).unwrap();
    let stopped = HypervisorEvent::Stopped { id: test.id, detail: StopDetail::Destroyed };
    wait_for(&mut events, 5, |event| *event == stopped);
    assert_eq!(seen(&libvirt, test.id).unwrap().unwrap().power, Power::Off);
}

#[test]
fn what_is_not_there_is_said() {
    let (libvirt, _events) = connected("test:///default");
    let nobody = VmId::random();
    assert_eq!(seen(&libvirt, nobody).unwrap(), None);
    assert_eq!(libvirt.document(nobody, true).unwrap(), None);
    assert_eq!(libvirt.start(nobody, false).unwrap_err().kind, Kind::NotFound);
    libvirt.undefine(nobody).unwrap();
    libvirt.destroy(nobody).unwrap();
    assert!(libvirt.network_active("default").unwrap());
    assert!(!libvirt.network_active("nothing").unwrap());
    assert_eq!(libvirt.refresh_pool("nothing").unwrap_err().kind, Kind::NotFound);
    assert!(libvirt.sample(&[nobody]).unwrap().is_empty());
}

#[test]
fn nul_characters_are_refused() {
    let (libvirt, _events) = connected("test:///default");
    let test = libvirt.domains().unwrap()[0].id;
    assert_eq!(libvirt.define("<domain\0/>").unwrap_err().kind, Kind::Invalid);
    assert_eq!(libvirt.network_active("a\0b").unwrap_err().kind, Kind::Invalid);
    assert_eq!(libvirt.update_device(test, "\0", Scope::Live).unwrap_err().kind, Kind::Invalid);
    let nul = Libvirt::new("test:///\0", None, None);
    assert_eq!(nul.domains().unwrap_err().kind, Kind::Unavailable);
}

#[test]
fn an_absent_libvirtd_is_unavailable_at_once() {
    let libvirt = Libvirt::new("qemu+unix:///system?socket=/nonexistent/vireo", None, None);
    let begun = Instant::now();
    assert_eq!(libvirt.domains().unwrap_err().kind, Kind::Unavailable);
    assert_eq!(libvirt.sample(&[VmId::random()]).unwrap_err().kind, Kind::Unavailable);
    assert!(begun.elapsed() < Duration::from_secs(2));
}
