//! A new disk on a VM that is down.

use crate::bench::Bench;
use crate::floor::Pool;
use crate::harness::Disk;
use crate::pairs::{Pairs, rested};
use crate::table::Figure;
use crate::twin;
use virt::sys;

const GIB_10: u64 = 10 << 30;

/// P10
pub fn create(bench: &mut Bench) -> Vec<Figure> {
    let vm = bench.idle_vm().to_owned();
    let (domain, _) = twin::define(bench, &vm);
    let (alone, pool) = (bench.alone(), Pool::make(&bench.floor, &bench.beside()));

    let disks = format!("/vms/{vm}/disks");
    let asked = Disk::document(GIB_10 >> 20, "virtio", "cow", "");
    let ours = || {
        let mut made = String::new();
        let took = rested(|| made = bench.session.must("POST", &disks, &asked).id());
        bench.session.must("DELETE", &format!("{disks}/{made}"), "");
        took
    };
    let libvirts = || {
        let mut made = None;
        let took = alone.timed(|| {
            let volume = pool.create("bench.qcow2", GIB_10);
            let device = format!(
                "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{}'/>\
                 <target dev='vda' bus='virtio'/></disk>",
                volume.path().unwrap()
            );
            domain.attach_device_flags(&device, sys::VIR_DOMAIN_AFFECT_CONFIG).unwrap();
            made = Some((volume, device));
        });
        let (volume, device) = made.unwrap();
        domain.detach_device_flags(&device, sys::VIR_DOMAIN_AFFECT_CONFIG).unwrap();
        volume.delete(0).unwrap();
        took
    };
    let pairs = Pairs::run(bench.arguments.rounds, 1, ours, libvirts);
    domain.undefine().unwrap();
    vec![
        Figure::at_most(
            "P10",
            "POST a disk of 10 GiB, cow, on a VM that is down, ratio to volume + attach",
            "",
            pairs.ratio(),
        )
        .limits(1.25, 0.7)
        .beside(pairs.told()),
    ]
}
