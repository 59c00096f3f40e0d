//! Crash safety: an operation is wholly there or wholly not, whatever fails and whenever. See README.md.

mod audit;
mod borrowed;
mod cases;
mod cdrom;
mod chains;
mod exports;
#[cfg(feature = "failpoints")]
mod failpoints;
mod hints;
mod kills;
mod lab;
mod later;
mod limits;
mod media;
mod moves;
mod networks;
mod nics;
mod numa;
mod pairs;
mod place;
mod races;
mod sim;
mod snapshots;
mod storage;
mod templates;
mod troubles;

#[cfg(not(feature = "failpoints"))]
#[test]
fn every_failpoint() {
    crate::live::harness::skip("crash tests at failpoints: this build has none (--features failpoints)");
}
