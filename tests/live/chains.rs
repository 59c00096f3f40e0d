//! Chains of snapshots under a guest that writes all the time, against a model of what each moment
//! holds: the shorter sibling of the crash tests' chains, on real guests.
//!
//! `VIREO_CHAIN_STEPS` says how many steps (24), `VIREO_CHAIN_SEED` which (told with each run).

use super::harness::{Boots, Disk, Guest, Lab, Vm, run};
use super::snapshots::{chain, files, kept, list, remove, restore, take};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

const MOST_SNAPSHOTS: usize = 10;
const DEVICES: [&str; 2] = ["vda", "vdb"];
/// The sectors that the guest writes over and over again.
const BUSY: usize = 100;
const BUSY_SECTORS: usize = 1000;

/// Numbers that look random, the same ones for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap())
}

/// A guest that writes numbers to both disks until it is told to stop.
fn busy(vm: &Vm) -> Guest {
    let mut guest = vm.boot();
    for device in DEVICES {
        guest.until(20, &format!("test -b /dev/{device} && echo yes"));
        guest.ask(&format!(
            "(n=0; while test ! -e /run/stop; do n=$((n+1)); printf '%511d\\n' $n | dd of=/dev/{device} \
             seek=$(({BUSY} + n % {BUSY_SECTORS})) bs=512 conv=notrunc,fsync 2>/dev/null; echo $n >/run/{device}; \
             done; touch /run/{device}.stopped) >/dev/null 2>&1 &"
        ));
    }
    guest
}

/// Both disks hold the mark from now on.
fn mark(guest: &mut Guest, mark: &str) {
    for device in DEVICES {
        guest.ask(&format!(
            "printf '%-512s' {mark} | dd of=/dev/{device} seek=3 bs=512 conv=notrunc,fsync 2>/dev/null"
        ));
    }
}

fn check_mark(guest: &mut Guest, mark: &str, step: usize) {
    for device in DEVICES {
        let read =
            guest.ask(&format!("dd if=/dev/{device} skip=3 count=1 bs=512 2>/dev/null | tr -d ' \\0'"));
        assert_eq!(read, mark, "{device} in step {step}");
    }
}

#[test]
fn every_moment_of_a_busy_guest_stays_what_it_was() {
    let Some(lab) = Lab::own() else { return };
    let seed = number("VIREO_CHAIN_SEED", SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
    println!("VIREO_CHAIN_SEED={seed}");
    let mut dice = Dice(seed);
    let vm = lab.vm("chained", Boots::Linux, "");
    let disks = ["cow", "raw"].map(|format| vm.add_disk(&Disk::document(8, "virtio", format, "")));
    let mut guest = busy(&vm);
    let (mut present, mut moments) = ("begin".to_owned(), Vec::<(String, String)>::new());
    mark(&mut guest, &present);
    for step in 0..number("VIREO_CHAIN_STEPS", 24) as usize {
        match dice.below(10) {
            0..4 if moments.len() < MOST_SNAPSHOTS => {
                moments.push((take(&vm, &format!("s{step}"), ""), present.clone()));
            }
            0..7 if !moments.is_empty() => {
                let (id, _) = moments.remove(dice.below(moments.len()));
                remove(&vm, &id);
            }
            7 if !moments.is_empty() => {
                vm.act("stop");
                moments.truncate(dice.below(moments.len()) + 1);
                let (id, then) = moments.last().unwrap();
                restore(&vm, id);
                present.clone_from(then);
                guest = busy(&vm);
            }
            _ => {
                present = format!("m{step}");
                mark(&mut guest, &present);
            }
        }
        check_mark(&mut guest, &present, step);
        for disk in &disks {
            assert_eq!(chain(disk).len(), moments.len() + 1, "in step {step}");
        }
    }
    guest.ask("touch /run/stop");
    for (device, disk) in DEVICES.iter().zip(&disks) {
        guest.until(10, &format!("test -e /run/{device}.stopped && echo yes"));
        let count: usize = guest.ask(&format!("cat /run/{device}")).trim().parse().unwrap();
        let last = guest.ask(&format!(
            "dd if=/dev/{device} skip={} count=1 bs=512 2>/dev/null",
            BUSY + count % BUSY_SECTORS
        ));
        assert_eq!(last.trim(), count.to_string(), "{device}");
        println!("{device}: {count} sectors since the last start, {} moments", moments.len());
        assert!(disk.is_active());
    }
    vm.act("stop");
    assert_eq!((list(&vm).len(), files(&vm)), (moments.len() + 1, 2 * (moments.len() + 1)));
    for disk in &disks {
        assert_eq!(kept(disk), present);
        if disk.field("format").as_deref() == Some("cow") {
            run(Command::new("qemu-img").args(["check", "-q", "-f", "qcow2"]).arg(disk.file()));
        }
    }
    for (id, then) in &moments {
        vm.act_with("preview_snapshot", &format!("<action><snapshot id='{id}'/></action>"));
        disks.iter().for_each(|disk| assert_eq!(kept(disk), *then, "of {id}"));
        vm.act("undo_snapshot");
    }
    disks.iter().for_each(|disk| assert_eq!(kept(disk), present));
}
