//! VMs made and removed, disks resized. Beside libvirt's own definition and its end stand the two
//! syncs of a record that a change takes which is never lost.

use crate::bench::Bench;
use crate::floor::{Pool, renamed};
use crate::harness::{Boots, Disk};
use crate::pairs::{Pairs, rested};
use crate::table::Figure;
use std::fs::File;
use std::io::Write;
use std::time::Duration;
use uuid::Uuid;
use virt::sys;

/// The size of a journal's record.
const RECORD: [u8; 200] = [0; 200];

/// P11
pub fn row(bench: &mut Bench) -> Vec<Figure> {
    let document = bench.floor.domain(bench.idle_vm()).xml_desc(sys::VIR_DOMAIN_XML_INACTIVE).unwrap();
    let (alone, beside, rounds) = (bench.alone(), bench.beside(), bench.arguments.rounds);
    let pool = Pool::make(&bench.floor, &beside);
    let mut journal = File::create(beside.join("journal")).unwrap();
    let mut synced = || {
        for _ in 0..2 {
            journal.write_all(&RECORD).unwrap();
            journal.sync_data().unwrap();
        }
    };
    let (mut ours, mut libvirts) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for number in 0..rounds {
        let asked = Boots::Halt.document(&format!("bench-made-{number}"), "");
        let mut id = String::new();
        ours[0].push(rested(|| id = bench.session.must("POST", "/vms", &asked).id()));
        let asked = renamed(&document, &format!("bench-own-{number}"), &Uuid::new_v4().to_string());
        let mut domain = None;
        libvirts[0].push(alone.timed(|| {
            synced();
            domain = Some(bench.floor.define(&asked));
        }));
        ours[1].push(rested(|| drop(bench.session.must("DELETE", &format!("/vms/{id}"), ""))));
        libvirts[1].push(alone.timed(|| {
            synced();
            domain.unwrap().undefine().unwrap();
        }));
    }
    let resized = resize(bench, &pool);
    let [made, removed] = [0, 1].map(|at| Pairs::of(&ours[at], &libvirts[at]));
    let figure = |what: &str, pairs: &Pairs| {
        Figure::at_most("P11", format!("{what}, ratio"), "", pairs.ratio())
            .limits(1.25, 1.0)
            .beside(pairs.told())
    };
    vec![
        figure("POST /vms to two syncs and define", &made),
        figure("DELETE a VM to two syncs and undefine", &removed),
        figure("PUT a disk's size to volume resize", &resized),
    ]
}

fn resize(bench: &mut Bench, pool: &Pool) -> Pairs {
    let alone = bench.alone();
    let vm = bench.session.must("POST", "/vms", &Boots::Halt.document("bench-resized", "")).id();
    let disks = format!("/vms/{vm}/disks");
    let disk = bench.session.must("POST", &disks, &Disk::document(1024, "virtio", "cow", "")).id();
    let volume = pool.create("resized.qcow2", 1 << 30);
    let size = |number: u64| (1 + number) << 30;
    let (mut first, mut second) = (0, 0);
    let session = &mut bench.session;
    let ours = || -> Duration {
        first += 1;
        let asked = format!("<disk><provisioned_size>{}</provisioned_size></disk>", size(first));
        rested(|| drop(session.must("PUT", &format!("{disks}/{disk}"), &asked)))
    };
    let libvirts = || {
        second += 1;
        alone.timed(|| {
            volume.resize(size(second), 0).unwrap();
        })
    };
    let pairs = Pairs::run(bench.arguments.rounds, 1, ours, libvirts);
    bench.session.must("DELETE", &format!("/vms/{vm}"), "");
    volume.delete(0).unwrap();
    pairs
}
