//! The daemon on a real libvirt: what the API says is read in the guest, in the image file, in
//! libvirt's own documents. Without VIREO_TEST_GUESTS (tests/run sets it) they are skipped.

pub mod harness;

mod adapter;
mod borrowed;
mod cdrom;
mod chains;
mod cloud_init;
mod console;
mod daemon;
mod disks;
mod examples;
mod exports;
mod follow;
mod full;
mod guests;
mod host_luns;
mod hostile;
mod kvm;
mod limits;
mod luns;
mod memories;
mod moves;
mod networks;
mod nics;
mod numa;
mod ovf;
mod power;
mod recover;
mod redirect;
mod silent;
mod snapshot_faults;
mod snapshots;
mod stock;
mod suspend;
mod templates;
mod wipe;
