//! How fast disks may be, and how much may be taken, on the real host.

use super::harness::{Boots, Disk, lab};

const CENTER: &str = "/datacenters/00000002-0002-0002-0002-000000000255";

#[test]
fn qemu_slows_a_disk_down() {
    let Some(lab) = lab() else { return };
    let client = lab.client();
    let body = "<qos><name>live-slow</name><type>storage</type><max_throughput>8</max_throughput>\
                <max_read_iops>50</max_read_iops></qos>";
    let qos = client.post(&format!("{CENTER}/qoss"), body).is(201).value("@id").unwrap();
    let body = format!(
        "<disk_profile><name>live-limited</name><storage_domain id='{}'/><qos id='{qos}'/></disk_profile>",
        "fabe0451-701f-4235-8f7e-e20e458819ed"
    );
    let profile = client.post("/diskprofiles", &body).is(201).value("@id").unwrap();
    let vm = lab.vm("limited", Boots::Halt, "");
    let under = format!("<disk_profile id='{profile}'/>");
    let disk = vm.add_disk(&Disk::document(8, "virtio", "cow", &under));
    vm.start();
    let target = disk.device().unwrap().value("target/@dev").unwrap();
    let told = |limit: &str| {
        let all = lab.host.virsh(&["blkdeviotune", &vm.id, &target, "--live"]);
        let mut limits = all.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = limits.find(|(name, _)| name.trim() == limit).unwrap();
        value.trim().parse::<u64>().unwrap()
    };
    assert_eq!([told("total_bytes_sec"), told("read_iops_sec"), told("write_iops_sec")], [8 << 20, 50, 0]);

    // A change reaches the running guest and the next start's definition; so does another profile.
    client.put(&format!("{CENTER}/qoss/{qos}"), "<qos><max_throughput>16</max_throughput></qos>").is(200);
    assert_eq!([told("total_bytes_sec"), told("read_iops_sec")], [16 << 20, 50]);
    let defined = || {
        let document = lab.host.persistent_document(&vm.id);
        let disks = document.every("devices/disk");
        let is = |it: &&&vireo::xml::Element| it.value("target/@dev").as_deref() == Some(&target);
        disks.iter().find(is).unwrap().value("iotune/total_bytes_sec")
    };
    assert_eq!(defined(), Some((16 << 20).to_string()));
    let plugged = vm.add_disk(&Disk::document(8, "virtio", "cow", &format!("<active>true</active>{under}")));
    assert_eq!(plugged.device().unwrap().value("iotune/total_bytes_sec"), Some((16 << 20).to_string()));
    disk.update("<disk_profile id='23fb2e0d-3062-4819-8165-3be88f2f587e'/>").is(200);
    assert_eq!([told("total_bytes_sec"), told("read_iops_sec")], [0, 0]);
    assert_eq!(defined(), None);
    vm.act("stop");
    plugged.delete();
    client.delete(&format!("/diskprofiles/{profile}")).is(204);
    client.delete(&format!("{CENTER}/qoss/{qos}")).is(204);
}
