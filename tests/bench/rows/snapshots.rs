//! A snapshot of a running VM's disks.

use super::power::becomes;
use crate::bench::{Bench, note};
use crate::harness::{Boots, Disk};
use crate::http::Session;
use crate::pairs::{Pairs, rested};
use crate::table::Figure;
use crate::twin;
use virt::sys;

/// Two disks, of which each round makes a layer more.
const TARGETS: [&str; 2] = ["vda", "vdb"];
const ROUNDS: usize = 10;
const ASKED: &str =
    "<snapshot><description>bench</description><persist_memorystate>false</persist_memorystate></snapshot>";

/// P9
pub fn row(bench: &mut Bench) -> Vec<Figure> {
    let mut session = Session::open(bench.lab.daemon.port).unwrap();
    let vm = session.must("POST", "/vms", &Boots::Halt.document("bench-snapshots", "")).id();
    let path = format!("/vms/{vm}");
    for _ in TARGETS {
        let document = Disk::document(64, "virtio", "cow", "<active>true</active>");
        session.must("POST", &format!("{path}/disks"), &document);
    }
    let (twin, _) = twin::define(bench, &vm);
    session.must("POST", &format!("{path}/start"), "<action/>");
    becomes(&mut session, &path, "up");
    twin.create().unwrap();

    let (alone, folder) = (bench.alone(), bench.beside());
    let mut number = 0;
    let flags = sys::VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
        | sys::VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC
        | sys::VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA;
    let libvirts = || {
        number += 1;
        let disk = |target: &str| {
            let file = folder.join(format!("layer-{number}-{target}.qcow2"));
            format!("<disk name='{target}' snapshot='external'><source file='{}'/></disk>", file.display())
        };
        let asked = format!("<domainsnapshot><disks>{}</disks></domainsnapshot>", TARGETS.map(disk).concat());
        alone.timed(|| drop(twin.create_snapshot_xml(&asked, flags).unwrap()))
    };
    let snapshots = format!("{path}/snapshots");
    let ours = || {
        rested(|| {
            let made = session.must("POST", &snapshots, ASKED);
            assert_eq!(made.document().value("snapshot_status").as_deref(), Some("ok"));
        })
    };
    let pairs = Pairs::run(ROUNDS, 1, ours, libvirts);
    note(&format!("{ROUNDS} layers on each disk"));
    session.must("POST", &format!("{path}/stop"), "<action/>");
    becomes(&mut session, &path, "down");
    twin.destroy().unwrap();
    twin.undefine().unwrap();
    let overhead = (pairs.ratio() - 1.0) * 100.0;
    vec![
        Figure::at_most("P9", "live snapshot of 2 disks, over libvirt's own", "%", overhead)
            .limits(10.0, 5.0)
            .beside(pairs.told()),
    ]
}
