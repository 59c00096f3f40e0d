//! VMs of templates, and copies.

use crate::bench::{Bench, note};
use crate::harness::{Boots, Disk};
use crate::http::Session;
use crate::pairs::{Pairs, timed};
use crate::table::Figure;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

const MIB: u64 = 1 << 20;
/// What the copied disk holds.
const FILLED: u64 = 256;
const COPIES: usize = 5;

fn qemu_img(arguments: &[&str], files: &[&Path]) {
    assert!(Command::new("qemu-img").args(arguments).args(files).status().unwrap().success());
}

/// P17, P18
pub fn row(bench: &mut Bench) -> Vec<Figure> {
    let mut session = Session::open(bench.lab.daemon.port).unwrap();
    let original = session.must("POST", "/vms", &Boots::Halt.document("bench-original", "")).id();
    let path = format!("/vms/{original}");
    let disk = session.must("POST", &format!("{path}/disks"), &Disk::document(1024, "virtio", "raw", ""));
    let image = bench.lab.daemon.image(&format!("{}.raw", disk.document().value("image_id").unwrap()));
    let file = OpenOptions::new().write(true).open(&image).unwrap();
    // No two blocks alike, and none of zeros.
    for at in 0..FILLED {
        let block: Vec<u8> = (0..MIB).map(|byte| (byte * 31 + at * 7 + 1) as u8 | 1).collect();
        file.write_all_at(&block, at * MIB).unwrap();
    }
    file.sync_all().unwrap();
    let made = format!("<template><name>bench-template</name><vm id='{original}'/></template>");
    let template = session.must("POST", "/templates", &made).id();
    let its = session.get(&format!("/templates/{template}/disks")).document();
    let below = bench.lab.daemon.image(&format!("{}.raw", its.value("disk/image_id").unwrap()));

    let beside = bench.lab.daemon.state.with_extension("beside.qcow2");
    let body = format!(
        "<vm><name>bench-thin</name><cluster><name>Default</name></cluster><template id='{template}'/></vm>"
    );
    let thin = Pairs::run(
        bench.arguments.rounds,
        1,
        || {
            let mut vm = String::new();
            let took = timed(|| vm = session.must("POST", "/vms", &body).id());
            session.must("DELETE", &format!("/vms/{vm}"), "");
            took
        },
        || {
            let took = timed(|| {
                let below = below.to_str().unwrap();
                qemu_img(&["create", "-q", "-f", "qcow2", "-F", "raw", "-b", below], &[&beside]);
            });
            std::fs::remove_file(&beside).unwrap();
            took
        },
    );
    let body = "<action><async>false</async><vm><name>bench-clone</name></vm></action>";
    note(&format!("{COPIES} clones of {FILLED} MiB"));
    let clone = Pairs::run(
        COPIES,
        1,
        || {
            let mut vm = String::new();
            let took = timed(|| {
                let done = session.must("POST", &format!("{path}/clone"), body).document();
                vm = done.value("vm/@id").unwrap();
            });
            session.must("DELETE", &format!("/vms/{vm}"), "");
            took
        },
        || {
            let took = timed(|| {
                qemu_img(&["convert", "-q", "-W", "-f", "raw", "-O", "raw"], &[&image, &beside]);
                // A clone is on the disk when it is done.
                OpenOptions::new().write(true).open(&beside).unwrap().sync_all().unwrap();
            });
            std::fs::remove_file(&beside).unwrap();
            took
        },
    );
    session.must("DELETE", &format!("/templates/{template}"), "");
    session.must("DELETE", &path, "");
    vec![
        Figure::at_most("P17", "thin VM of a template, over one qemu-img create", "ms", thin.difference())
            .limits(20.0, 5.0)
            .beside(thin.told()),
        Figure::at_most("P18", "clone of a VM, ratio to qemu-img convert", "", clone.ratio())
            .limits(1.1, 1.0)
            .beside(clone.told()),
    ]
}
