//! The benchmark: every row of the targets, each beside what libvirt itself takes for the same work
//! in the same minute. See README.md.

mod arguments;
mod bench;
mod floor;
// Shared with the live tests, which use more of it.
#[allow(dead_code, unused_imports)]
#[path = "../live/harness/mod.rs"]
mod harness;
mod http;
mod machine;
mod pairs;
mod rows;
mod table;
mod twin;

fn main() {
    let Some(arguments) = arguments::read() else { return };
    let mut bench = bench::Bench::open(arguments);
    for row in rows::ALL {
        bench.run(row);
    }
    bench.close();
}
