//! Networks that clients make: frames go where they should, and nowhere else.

use super::harness::{Boots, Guest, Lab, Nic, Vm, lab, until};
use vireo::xml::Element;

/// A network of the API that goes with the test, in the cluster.
struct Network<'l> {
    lab: &'l Lab,
    id: String,
}

impl<'l> Network<'l> {
    fn create(lab: &'l Lab, name: &str, more: &str) -> Self {
        let body = format!(
            "<network><name>{name}</name><data_center><name>Default</name></data_center>{more}</network>"
        );
        let id = lab.client().post("/networks", &body).is(201).value("@id").unwrap();
        let cluster = lab.client().get("/clusters").is(200).value("cluster/@id").unwrap();
        let attach = format!("<network id='{id}'/>");
        lab.client().post(&format!("/clusters/{cluster}/networks"), &attach).is(201);
        Self { lab, id }
    }

    fn path(&self) -> String {
        format!("/networks/{}", self.id)
    }

    /// The profile that came with the network.
    fn profile(&self) -> String {
        let profiles = self.lab.client().get(&format!("{}/vnicprofiles", self.path())).is(200);
        profiles.value("vnic_profile/@href").unwrap().replace("/ovirt-engine/api", "")
    }

    /// An interface on it, with that address in the guest.
    fn nic<'v>(&self, vm: &'v Vm<'v>, guest: &mut Guest, address: &str) -> (Nic<'v>, String) {
        let made = Nic::ask(vm, "nic1", &format!("<network id='{}'/>", self.id)).is(201);
        let nic = Nic { vm, id: made.value("@id").unwrap() };
        let file = guest.until(10, &format!("grep -il '{}' /sys/class/net/*/address", nic.mac()));
        let name = file.split('/').nth(4).unwrap().to_owned();
        guest.ask(&format!("ip link set {name} up && ip addr add {address}/24 dev {name}"));
        (nic, name)
    }

    fn defined(&self) -> Element {
        let text = self.lab.host.virsh(&["net-dumpxml", &format!("vireo-{}", self.id)]);
        vireo::xml::parse(text.as_bytes()).unwrap()
    }
}

impl Drop for Network<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.lab.client().delete(&self.path()).is(204);
        }
    }
}

#[test]
fn guests_meet_on_a_network_of_the_api() {
    let Some(lab) = lab() else { return };
    let red = Network::create(&lab, "red", "<mtu>1400</mtu>");
    let blue = Network::create(&lab, "blue", "");
    assert_eq!(red.defined().value("mtu/@size").as_deref(), Some("1400"));
    let (one, two) = (lab.vm("meets-1", Boots::Linux, ""), lab.vm("meets-2", Boots::Linux, ""));
    let (mut here, mut there) = (one.boot(), two.boot());
    let (nic, name) = red.nic(&one, &mut here, "10.7.0.1");
    let (_other, _) = red.nic(&two, &mut there, "10.7.0.2");
    here.until(30, "ping -c 1 -W 1 10.7.0.2");
    let ping = "ping -q -c 10 -i 0.05 -s 1200 10.7.0.2";
    here.ask(ping);
    lab.client().delete(&red.path()).refused(409);

    // Another network is another wire.
    nic.put(&format!("<network id='{}'/>", blue.id)).is(200);
    assert_ne!(here.run("ping -c 1 -W 2 10.7.0.2").1, 0, "blue does not reach red");
    nic.put(&format!("<network id='{}'/>", red.id)).is(200);
    here.until(30, "ping -c 1 -W 1 10.7.0.2");

    // A guest that takes another's address is not heard any more, and is again when it stops.
    let filter = "<vnic_profile><custom_properties><custom_property name='network_filter' \
                  value='no-mac-spoofing'/></custom_properties></vnic_profile>";
    lab.client().put(&red.profile(), filter).is(200);
    assert_eq!(nic.device().unwrap().value("filterref/@filter").as_deref(), Some("no-mac-spoofing"));
    here.until(10, "ping -c 1 -W 1 10.7.0.2");
    let mac = nic.mac();
    let takes = |mac: &str| {
        format!("ip link set {name} down; ip link set {name} address {mac}; ip link set {name} up")
    };
    here.ask(&takes("00:1a:4a:ff:ff:01"));
    assert_ne!(here.run("ping -c 2 -W 1 10.7.0.2").1, 0, "a forged address passes");
    here.ask(&takes(&mac));
    here.until(30, "ping -c 1 -W 1 10.7.0.2");
    lab.client().put(&red.profile(), "<vnic_profile><custom_properties/></vnic_profile>").is(200);
    here.ask(&takes("00:1a:4a:ff:ff:01"));
    here.until(10, "ping -c 1 -W 1 10.7.0.2");
}

#[test]
fn a_network_on_a_bridge_of_the_host() {
    let Some(lab) = lab() else { return };
    let bridge = |command: &[&str]| lab.host.command(&[&["exec", "ip"], command].concat());
    bridge(&["link", "add", "lan7", "type", "bridge"]);
    bridge(&["addr", "add", "10.8.0.1/24", "dev", "lan7"]);
    bridge(&["link", "set", "lan7", "up"]);
    let lan = Network::create(&lab, "lan7", "");
    let vm = lab.vm("on-bridge", Boots::Linux, "");
    let mut guest = vm.boot();
    let (nic, _) = lan.nic(&vm, &mut guest, "10.8.0.2");
    assert_eq!(nic.device().unwrap().value("source/@bridge").as_deref(), Some("lan7"));
    // The bridge listens for a while before it forwards.
    guest.until(60, "ping -c 1 -W 1 10.8.0.1");
    lab.client().put(&lan.path(), "<network><vlan id='7'/></network>").refused(400);
}

/// The address of the guest's only virtio interface.
fn interface(guest: &mut Guest) -> String {
    let pci = guest.until(10, "pci");
    let line = pci.lines().find(|line| line.contains("1af4:1041")).unwrap_or_else(|| panic!("{pci}"));
    line.split(' ').next().unwrap().to_owned()
}

/// Who mirrors a series of networks, none of them its own, captures what is sent there and nothing else.
#[test]
fn frames_of_several_networks_are_captured() {
    let Some(lab) = lab() else { return };
    let (red, blue) = (Network::create(&lab, "mirror-red", ""), Network::create(&lab, "mirror-blue", ""));
    let green = Network::create(&lab, "mirror-green", "");
    let on = |network: &Network| format!("<network id='{}'/>", network.id);
    let (one, two) = (lab.vm("frames-1", Boots::Mini, ""), lab.vm("frames-2", Boots::Mini, ""));
    let talker = Nic { vm: &one, id: Nic::ask(&one, "nic1", &on(&blue)).is(201).value("@id").unwrap() };
    let series = format!("<port_mirroring><networks>{}{}</networks></port_mirroring>", on(&red), on(&blue));
    let watcher = Nic::ask(&two, "nic1", &format!("{}{series}", on(&green))).is(201);
    let watcher = Nic { vm: &two, id: watcher.value("@id").unwrap() };
    let networks = watcher.show();
    let mut mirrored: Vec<_> =
        networks.every("port_mirroring/networks/network").iter().filter_map(|it| it.value("@id")).collect();
    mirrored.sort();
    let mut wanted = vec![red.id.clone(), blue.id.clone()];
    wanted.sort();
    assert_eq!(mirrored, wanted);

    let (mut talks, mut watches) = (one.boot(), two.boot());
    let (speaks, hears) = (interface(&mut talks), interface(&mut watches));
    let mac = talker.mac().replace(':', "");
    // Asks for an address that nobody has; tells whether the question was captured.
    let mut captured = |question: &str| {
        talks.run(&format!("arp {speaks} 10.9.0.1 {question}"));
        let asked: String =
            question.split('.').map(|part| format!("{:02x}", part.parse::<u8>().unwrap())).collect();
        let mut heard = String::new();
        for _ in 0..20 {
            let said = watches.ask(&format!("sniff {hears}"));
            if said.is_empty() {
                break;
            }
            heard += &said.replace([' ', ':'], "");
        }
        heard.lines().any(|frame| frame.contains(&mac) && frame.contains(&asked))
    };
    // Copies begin soon after the start.
    until(10, "blue is mirrored", || captured("10.9.0.101"));
    talker.put(&on(&red)).is(200);
    assert!(captured("10.9.0.102"), "red is mirrored");
    talker.put("<network><name>ovirtmgmt</name></network>").is(200);
    assert!(!captured("10.9.0.103"), "nothing else is mirrored");
    watcher.put("<port_mirroring><networks/></port_mirroring>").is(200);
    talker.put(&on(&red)).is(200);
    assert!(!captured("10.9.0.104"), "the mirror is gone");
}

#[test]
fn a_network_is_there_again_after_a_restart() {
    let Some(mut lab) = Lab::own() else { return };
    let body = "<network><name>red</name><data_center><name>Default</name></data_center></network>";
    let id = lab.client().post("/networks", body).is(201).value("@id").unwrap();
    let name = format!("vireo-{id}");
    lab.daemon.kill();
    lab.host.virsh(&["net-destroy", &name]);
    lab.host.virsh(&["net-undefine", &name]);
    lab.daemon.restart();
    until(10, "the network runs", || {
        lab.host.virsh(&["net-list", "--name"]).lines().any(|line| line == name)
    });

    // A VM that is on it brings it back, too.
    let cluster = lab.client().get("/clusters").is(200).value("cluster/@id").unwrap();
    let there = format!("/clusters/{cluster}/networks");
    lab.client().post(&there, &format!("<network id='{id}'/>")).is(201);
    let vm = lab.vm("red", Boots::Halt, "");
    Nic::ask(&vm, "nic1", "<network><name>red</name></network>").is(201);
    lab.host.virsh(&["net-destroy", &name]);
    vm.start();
    vm.post("suspend", "<action/>").is(202);
    vm.becomes("suspended", 60);
    lab.host.virsh(&["net-destroy", &name]);
    vm.start();
    vm.act("stop");
    drop(vm);
    lab.client().delete(&format!("/networks/{id}")).is(204);
    assert!(!lab.host.virsh(&["net-list", "--all", "--name"]).contains(&name));
}
