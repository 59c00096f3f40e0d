//! How long a guest stands still while a live snapshot of it is taken.

use crate::bench::{Bench, note};
use crate::harness::{Boots, Disk, Guest};
use crate::table::Figure;

const ROUNDS: usize = 10;
/// Tells the longest time, in hundredths of a second, for which it did not come round; it writes to
/// the disk all the while.
const WATCH: &str = "(last= max=0; while test ! -e /run/stop; do read now rest </proc/uptime; \
    now=${now%.*}${now#*.}; test -n \"$last\" && test $((now-last)) -gt $max && max=$((now-last)); last=$now; \
    echo $now >/dev/vda; done; echo $max >/run/max) >/dev/null 2>&1 &";

/// P9
pub fn row(bench: &mut Bench) -> Vec<Figure> {
    let lab = &bench.lab;
    let vm = lab.vm("bench-pause", Boots::Linux, "");
    vm.add_disk(&Disk::document(64, "virtio", "cow", ""));
    vm.add_disk(&Disk::document(64, "virtio", "cow", ""));
    let mut guest = vm.boot();
    guest.until(20, "test -b /dev/vda");
    // What a busy host does to it anyway, and with snapshots.
    let quiet = longest(&mut guest, || std::thread::sleep(std::time::Duration::from_secs(3)));
    let paused = longest(&mut guest, || {
        for _ in 0..ROUNDS {
            let asked = "<snapshot><description>bench</description></snapshot>";
            let path = format!("{}/snapshots", vm.path());
            lab.client().send("POST", &path, &["Expect: 201-created"], asked).is(201);
        }
    });
    note(&format!("{ROUNDS} snapshots under a guest that writes"));
    vec![
        Figure::at_most("P9", "guest's pause in a live snapshot of 2 disks", "ms", paused)
            .limits(200.0, 100.0)
            .beside(format!("{quiet} ms without")),
    ]
}

/// Milliseconds.
fn longest(guest: &mut Guest, meanwhile: impl FnOnce()) -> f64 {
    guest.ask(WATCH);
    meanwhile();
    guest.ask("touch /run/stop");
    let longest: f64 = guest.until(10, "cat /run/max").trim().parse().unwrap();
    guest.ask("rm /run/stop /run/max");
    longest * 10.0
}
