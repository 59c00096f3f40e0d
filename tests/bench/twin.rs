//! A VM's twin: a domain of the same document that is nobody's VM, with copies of its images.

use crate::bench::Bench;
use crate::floor::renamed;
use std::time::Duration;
use vireo::xml::parse;
use virt::domain::Domain;
use virt::sys;

/// The domain, and the devices of its disks.
pub fn define(bench: &Bench, vm: &str) -> (Domain, Vec<String>) {
    let document = bench.floor.domain(vm).xml_desc(sys::VIR_DOMAIN_XML_INACTIVE).unwrap();
    let id = uuid::Uuid::new_v4().to_string();
    let mut document = parse(renamed(&document, &format!("twin-{id}"), &id).as_bytes()).unwrap();
    let folder = bench.beside();
    let devices = document.first_mut("devices").unwrap();
    let is_disk = |name: &str, device: Option<&str>| name == "disk" && device == Some("disk");
    let mut disks = Vec::new();
    for disk in devices.elements_mut().filter(|device| is_disk(&device.name, device.get("device"))) {
        let image = folder.join(format!("{vm}-{}.qcow2", disks.len()));
        let source = disk.first_mut("source").unwrap();
        std::fs::copy(source.get("file").unwrap(), &image).unwrap();
        source.set("file", image.display());
        // libvirt takes no boot order of a device once none is left in the definition.
        disk.remove("boot");
        disks.push(disk.to_string());
    }
    (bench.floor.define(&document.to_string()), disks)
}

/// The first device of a kind, as the definition has it.
pub fn device(domain: &Domain, kind: &str) -> String {
    let document = domain.xml_desc(sys::VIR_DOMAIN_XML_INACTIVE).unwrap();
    let document = parse(document.as_bytes()).unwrap();
    document.first("devices").unwrap().first(kind).unwrap().to_string()
}

/// Waits until the guest has let the device go.
pub fn lets_go(domain: &Domain, alias: &str) {
    while domain.xml_desc(0).unwrap().contains(alias) {
        std::thread::sleep(Duration::from_micros(500));
    }
}
