//! Network interfaces of running VMs, as their guests see them.

use super::harness::{Boots, Disk, Guest, Nic, lab, until};
use std::time::{Duration, Instant};

/// The name of the interface with that address in a Linux guest, once it is there.
fn find(guest: &mut Guest, mac: &str) -> String {
    let file = guest.until(10, &format!("grep -il '{mac}' /sys/class/net/*/address"));
    file.split('/').nth(4).unwrap().to_owned()
}

fn carrier(guest: &mut Guest, name: &str, there: &str) {
    guest.until(10, &format!("test \"$(cat /sys/class/net/{name}/carrier)\" = {there}"));
}

/// Brings the interface up and gets an address for it.
fn lease(guest: &mut Guest, name: &str) -> String {
    guest.ask(&format!("ip link set {name} up"));
    // The bridge listens for a while before it forwards.
    guest.until(60, &format!("udhcpc -i {name} -n -q -t 3 -T 2 -s /bin/true >/dev/null 2>&1"));
    let said = guest.ask(&format!("udhcpc -i {name} -n -q -t 5 -T 2 -s /bin/true 2>&1"));
    let address = said.split("lease of ").nth(1).and_then(|rest| rest.split([' ', ',']).next());
    let address = address.unwrap_or_else(|| panic!("no address in {said}")).to_owned();
    guest.ask(&format!("ip addr add {address}/24 dev {name} 2>/dev/null; true"));
    address
}

fn gateway(address: &str) -> String {
    format!("{}.1", address.rsplit_once('.').unwrap().0)
}

#[test]
fn a_lease_is_that_of_the_run_it_was_taken_in() {
    let Some(lab) = lab() else { return };
    let vm = lab.vm("leases", Boots::Linux, "");
    let nic = Nic::create(&vm, "nic1", "");
    let mut guest = vm.boot();
    let name = find(&mut guest, &nic.mac());
    let address = lease(&mut guest, &name);
    until(10, "the address is reported", || nic.addresses().contains(&address));
    vm.act("stop");
    // A clock's second apart, and what clocks are apart.
    std::thread::sleep(Duration::from_secs(4));
    let mut guest = vm.boot();
    let seen = Instant::now();
    while seen.elapsed() < Duration::from_secs(5) {
        assert!(!nic.addresses().contains(&address), "nobody has taken it in this run");
        std::thread::sleep(Duration::from_millis(200));
    }
    let name = find(&mut guest, &nic.mac());
    let again = lease(&mut guest, &name);
    until(10, "the address is reported", || nic.addresses().contains(&again));
}

#[test]
fn an_interface_comes_and_goes_while_linux_runs() {
    let Some(lab) = lab() else { return };
    let vm = lab.vm("nics", Boots::Linux, "");
    let mut guest = vm.boot();
    let nic = Nic::create(&vm, "nic1", "");
    let mac = nic.mac();
    assert!(mac.starts_with("00:1a:4a:"), "{mac}");
    let name = find(&mut guest, &mac);
    let address = lease(&mut guest, &name);
    carrier(&mut guest, &name, "1");
    let gateway = gateway(&address);
    guest.until(10, &format!("ping -c 1 -W 2 {gateway}"));

    // What was sent is counted, and the lease is reported.
    let received = nic.statistic("data.total.rx");
    guest.ask(&format!("ping -q -c 20 -i 0.05 -s 1400 {gateway}"));
    until(15, "the bytes are counted", || nic.statistic("data.total.rx") >= received + 20.0 * 1400.0);
    until(15, "the rate is counted", || {
        guest.ask(&format!("ping -q -c 5 -i 0.05 -s 1400 {gateway}"));
        nic.statistic("data.current.tx") > 0.0
    });
    until(10, "the address is reported", || nic.addresses().contains(&address));

    // Its carrier goes and comes without the device.
    nic.put("<linked>false</linked>").is(200);
    carrier(&mut guest, &name, "0");
    assert_ne!(guest.run(&format!("ping -c 1 -W 1 {gateway}")).1, 0);
    nic.put("<linked>true</linked>").is(200);
    carrier(&mut guest, &name, "1");
    guest.until(30, &format!("ping -c 1 -W 1 {gateway}"));

    // Another network, while it runs: the carrier is seen to go for a moment.
    let changes = format!("cat /sys/class/net/{name}/carrier_changes");
    let before: u32 = guest.ask(&changes).parse().unwrap();
    nic.put("<network/>").is(200);
    assert_eq!(nic.field("network/@id"), "");
    guest.until(10, &format!("test $(cat /sys/class/net/{name}/carrier_changes) -ge {}", before + 2));
    assert_ne!(guest.run(&format!("ping -c 1 -W 1 {gateway}")).1, 0, "nobody is there");
    nic.put("<network><name>ovirtmgmt</name></network>").is(200);
    guest.until(60, &format!("ping -c 1 -W 1 {gateway}"));
    // Ports that are cut off from each other still reach the gateway.
    assert_eq!(nic.device().unwrap().value("port/@isolated"), None);

    nic.put("<mac address='00:1a:4a:00:11:22'/>").refused(409);
    nic.delete().refused(409);
    nic.act("deactivate").is(200);
    guest.until(5, &format!("! test -e /sys/class/net/{name}"));
    assert!(nic.device().is_none());
    nic.put("<mac address='00:1a:4a:00:11:22'/><plugged>true</plugged>").is(200);
    find(&mut guest, "00:1a:4a:00:11:22");
    nic.act("deactivate").is(200);
    nic.delete().is(204);

    // Devices without a driver in this guest need no answer from it but that of its firmware.
    for interface in ["e1000", "rtl8139"] {
        let more = format!("<interface>{interface}</interface>");
        let old = Nic::create(&vm, interface, &more);
        assert_eq!(old.device().unwrap().value("model/@type").as_deref(), Some(interface));
    }
}

/// Scripts ask as soon as the VM is up, which its guest is some seconds later.
#[test]
fn a_guest_that_boots_lets_its_devices_go_when_it_can() {
    let Some(lab) = lab() else { return };
    let vm = lab.vm("boots", Boots::Linux, "");
    let nic = Nic::create(&vm, "nic1", "");
    let disk = vm.add_disk(&Disk::document(1, "virtio", "cow", ""));
    vm.start();
    nic.act("deactivate").is(200);
    disk.act("deactivate").is(200);
    assert!(nic.device().is_none() && !disk.is_active());
    vm.guest().ask("! test -e /dev/vda && test $(ls /sys/class/net | wc -l) = 1");
}

#[test]
fn a_guest_that_keeps_its_interface_keeps_it() {
    let Some(lab) = lab() else { return };
    let vm = lab.vm("keeps-nic", Boots::Mini, "");
    let nic = Nic::create(&vm, "nic1", "");
    let mut guest = vm.boot();
    guest.ask("ack 0");
    let refusal = nic.act("deactivate").refused(409);
    assert!(refusal.contains("interface"), "{refusal}");
    assert_eq!(nic.field("plugged"), "true");
    assert!(nic.device().is_some());

    // It lets go later, when nobody asks any more.
    guest.ask("ack 1");
    until(10, "the interface is unplugged", || nic.field("plugged") == "false");
    assert!(nic.device().is_none());
    // The engine may still be writing that down.
    until(5, "the interface is plugged again", || nic.act("activate").status == 200);
    assert!(nic.device().is_some());
}

#[test]
fn a_mirroring_interface_sees_what_others_are_sent() {
    let Some(lab) = lab() else { return };
    let (one, two) = (lab.vm("mirror-1", Boots::Linux, ""), lab.vm("mirror-2", Boots::Linux, ""));
    let talker = Nic::create(&one, "nic1", "");
    let network = talker.field("network/@id");
    let watcher = Nic::create(&two, "nic1", "");
    let (mut talks, mut watches) = (one.boot(), two.boot());
    let name = find(&mut talks, &talker.mac());
    let address = lease(&mut talks, &name);
    let seen = find(&mut watches, &watcher.mac());
    watches.ask(&format!("ip link set {seen} up promisc on"));
    let count = format!("cat /sys/class/net/{seen}/statistics/rx_bytes");
    let ping = format!("ping -q -c 20 -i 0.05 -s 1400 {}", gateway(&address));

    let received = |talks: &mut Guest, watches: &mut Guest| -> u64 {
        let before: u64 = watches.ask(&count).parse().unwrap();
        talks.ask(&ping);
        watches.ask(&count).parse::<u64>().unwrap() - before
    };
    let quiet = received(&mut talks, &mut watches);
    assert!(quiet < 10 * 1400, "{quiet} bytes without a mirror");
    let mirroring =
        format!("<port_mirroring><networks><network id='{network}'/></networks></port_mirroring>");
    watcher.put(&mirroring).is(200);
    let mirrored = received(&mut talks, &mut watches);
    assert!(mirrored >= 40 * 1400, "{mirrored} bytes of twenty questions and their answers");

    // The rules follow the taps.
    talker.act("deactivate").is(200);
    talker.act("activate").is(200);
    let name = find(&mut talks, &talker.mac());
    talks.ask(&format!("ip link set {name} up; ip addr add {address}/24 dev {name}"));
    talks.until(60, &format!("ping -c 1 -W 1 {}", gateway(&address)));
    let again = received(&mut talks, &mut watches);
    assert!(again >= 40 * 1400, "{again} bytes after it was plugged anew");
    watcher.put("<port_mirroring/>").is(200);
    let quiet = received(&mut talks, &mut watches);
    assert!(quiet < 10 * 1400, "{quiet} bytes after the mirror went");
}
