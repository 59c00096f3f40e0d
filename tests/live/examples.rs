//! The specification's examples of interfaces, NUMA nodes and CD-ROMs, as they are printed but for
//! the ids, and what they do to a running guest.

use super::cdrom::burn;
use super::harness::{Boots, Guest, Lab, MIB, lab, until};
use vireo::xml::Element;

const MANAGEMENT: &str = "00000000-0000-0000-0000-000000000009";
const DRIVE: &str = "00000000-0000-0000-0000-000000000000";
const VIRTIO_NET: &str = "1af4:1041";
const E1000: &str = "8086:100e";

fn devices(guest: &mut Guest, kind: &str) -> usize {
    guest.ask("pci").lines().filter(|line| line.contains(kind)).count()
}

fn document(lab: &Lab, path: &str) -> Element {
    lab.client().get(path).is(200)
}

#[test]
fn examples_of_interfaces() {
    let Some(lab) = lab() else { return };
    let client = lab.client();
    let vm = lab.vm("examples-nics", Boots::Mini, "");
    let mut guest = vm.boot();
    let nics = format!("{}/nics", vm.path());

    // 15.25
    let body = format!("<nic>\n    <name>nic1</name>\n    <network id=\"{MANAGEMENT}\"/>\n</nic>");
    let made = client.post(&nics, &body).is(201);
    let nic = format!("{nics}/{}", made.value("@id").unwrap());
    until(10, "the guest has an interface", || devices(&mut guest, VIRTIO_NET) == 1);

    // 15.24
    let shown = document(&lab, &nic);
    let path = |path: &str| shown.value(path).unwrap_or_default();
    assert_eq!(
        (path("name"), path("interface"), path("network/@id")),
        ("nic1".into(), "virtio".into(), MANAGEMENT.into())
    );
    assert_eq!(path("network/@href"), format!("/ovirt-engine/api/networks/{MANAGEMENT}"));
    assert_eq!(
        (path("vm/@id"), path("vm/@href")),
        (vm.id.clone(), format!("/ovirt-engine/api{}", vm.path()))
    );
    assert_eq!((path("plugged"), path("linked")), ("true".into(), "true".into()));
    assert!(shown.all("link").any(|link| link.get("rel") == Some("statistics")), "{shown}");
    assert!(path("mac/@address").starts_with("00:1a:4a:"), "{shown}");

    // 15.28 and table 15.7
    let statistics = document(&lab, &format!("{nic}/statistics"));
    for (name, kind, unit) in [
        ("data.current.rx", "GAUGE", "BYTES_PER_SECOND"),
        ("data.current.tx", "GAUGE", "BYTES_PER_SECOND"),
        ("errors.total.rx", "COUNTER", "NONE"),
        ("errors.total.tx", "COUNTER", "NONE"),
    ] {
        let one = statistics.all("statistic").find(|one| one.value("name").as_deref() == Some(name)).unwrap();
        let own = one.get("href").unwrap().replace("/ovirt-engine/api", "");
        for seen in [one, &document(&lab, &own)] {
            assert_eq!(
                (seen.value("type").as_deref(), seen.value("unit").as_deref()),
                (Some(kind), Some(unit))
            );
            assert!(seen.number::<f64>("values/value/datum").is_some(), "{seen}");
            assert_eq!(seen.value("nic/@href"), shown.value("@href"));
        }
    }

    // 15.26. Another network is another wire, another type another device: that one comes down.
    let other = "<network><name>examples</name><data_center><name>Default</name></data_center></network>";
    let network = client.post("/networks", other).is(201).value("@id").unwrap();
    let cluster = document(&lab, "/clusters").value("cluster/@id").unwrap();
    client.post(&format!("/clusters/{cluster}/networks"), &format!("<network id='{network}'/>")).is(201);
    let change = |network: &str| {
        format!(
            "<nic>\n    <name>nic2</name>\n    <network id=\"{network}\"/>\n    <type>e1000</type>\n</nic>"
        )
    };
    client.put(&nic, &change(&network)).refused(409);
    assert_eq!(document(&lab, &nic).value("name").as_deref(), Some("nic1"), "nothing of it was done");
    client.post(&format!("{nic}/deactivate"), "<action/>").is(200);
    until(10, "the guest has no interface", || devices(&mut guest, VIRTIO_NET) == 0);
    client.put(&nic, &change("00000000-0000-0000-0000-000000000010")).refused(400);
    let changed = client.put(&nic, &change(&network)).is(200);
    assert_eq!(changed.value("name").as_deref(), Some("nic2"));
    assert_eq!(changed.value("interface").as_deref(), Some("e1000"));
    assert_eq!(changed.value("network/@id"), Some(network.clone()));
    client.post(&format!("{nic}/activate"), "<action/>").is(200);
    until(10, "the guest has the other device", || devices(&mut guest, E1000) == 1);
    // A blank network id is allowed.
    let blank = client.put(&nic, "<nic><network id=\"\"/></nic>").is(200);
    assert!(blank.value("network/@id").is_none(), "{blank}");

    // 15.27
    client.delete(&nic).refused(409);
    client.post(&format!("{nic}/deactivate"), "<action/>").is(200);
    client.delete(&nic).is(204);
    client.get(&nic).refused(404);
    client.delete(&format!("/networks/{network}")).is(204);
}

#[test]
fn examples_of_numa_nodes() {
    let Some(lab) = lab() else { return };
    let client = lab.client();
    let vm = lab.vm("examples-numa", Boots::Halt, "<numa_tune_mode>strict</numa_tune_mode>");
    vm.update(&format!("<memory>{}</memory>", 1024 * MIB));
    let nodes = format!("{}/numanodes", vm.path());

    // 15.30, whose end is not that of its beginning; then with its own end.
    let body = "<vm_numa_node>\n  <index>0</index>\n  <memory>1024</memory>\n  <cpu>\n    <cores>\n      \
                <core index=\"0\"/>\n    </cores>\n  </cpu>\n</vm_numa_node";
    client.post(&nodes, &format!("{body}s>")).refused(400);
    assert_eq!(document(&lab, &nodes).all("vm_numa_node").count(), 0);
    let made = client.post(&nodes, &format!("{body}>")).is(201);
    let node = format!("{nodes}/{}", made.value("@id").unwrap());

    // 15.31: the index decides, whatever host's node was read once.
    let pin = "<vm_numa_node>\n  <numa_node_pins>\n    <numa_node_pin pinned=\"true\" index=\"0\">\n      \
               <host_numa_node id=\"417cdefb-8c47-4838-87f3-dd0498fdf6c7\"/>\n    </numa_node_pin>\n  \
               </numa_node_pins>\n</vm_numa_node>";
    client.put(&node, pin).is(200);

    // 15.29
    let shown = document(&lab, &node);
    let host = document(&lab, "/hosts").value("host/@id").unwrap();
    let host_node = document(&lab, &format!("/hosts/{host}/numanodes")).value("host_numa_node/@id");
    for (path, value) in [
        ("index", "0"),
        ("memory", "1024"),
        ("cpu/cores/core/@index", "0"),
        ("vm/@id", &vm.id),
        ("numa_node_pins/numa_node_pin/@pinned", "true"),
        ("numa_node_pins/numa_node_pin/@index", "0"),
        ("numa_node_pins/numa_node_pin/host_numa_node/@id", &host_node.unwrap()),
    ] {
        assert_eq!(shown.value(path).as_deref(), Some(value), "{path}");
    }
    vm.start();
    let live = vm.document();
    assert_eq!(live.value("cpu/numa/cell/@memory").as_deref(), Some("1048576"));
    assert_eq!(live.value("numatune/memnode/@mode").as_deref(), Some("strict"));
    assert_eq!(live.value("numatune/memnode/@nodeset").as_deref(), Some("0"));
    assert!(live.at("cputune/vcpupin").is_some(), "{live}");
    vm.act("stop");

    // 15.32
    client.delete(&node).is(204);
    assert!(lab.host.persistent_document(&vm.id).at("cpu/numa").is_none());
}

#[test]
fn examples_of_cd_roms() {
    let Some(lab) = lab() else { return };
    for name in ["rhel-server-6.0-x86_64-dvd", "fedora-15-x86_64-dvd"] {
        burn(&lab, name, &[]);
    }
    let client = lab.client();
    let vm = lab.vm("examples-cd", Boots::Linux, "");
    let drive = format!("{}/cdroms/{DRIVE}", vm.path());
    let body = |name: &str| format!("<cdrom>\n    <file id=\"{name}\"/>\n</cdrom>");
    let read = |guest: &mut Guest| {
        guest
            .until(20, "mount -t iso9660 -o ro /dev/sr0 /mnt 2>/dev/null && cat /mnt/greeting && umount /mnt")
    };
    let empty = |guest: &mut Guest| guest.until(20, "! dd if=/dev/sr0 of=/dev/null count=4 2>/dev/null");

    // 15.34, 15.33
    client.put(&drive, &body("rhel-server-6.0-x86_64-dvd.iso")).is(200);
    let all = document(&lab, &format!("{}/cdroms", vm.path()));
    assert_eq!(all.all("cdrom").count(), 1, "a VM has one drive");
    let shown = all.first("cdrom").unwrap();
    assert_eq!(shown.get("id"), Some(DRIVE));
    assert_eq!(shown.get("href"), Some(format!("/ovirt-engine/api{drive}").as_str()));
    assert_eq!(shown.value("file/@id").as_deref(), Some("rhel-server-6.0-x86_64-dvd.iso"));
    assert_eq!(shown.value("vm/@id").as_deref(), Some(vm.id.as_str()));
    let mut guest = vm.boot();
    guest.ask("mkdir -p /mnt");
    assert_eq!(read(&mut guest), "rhel-server-6.0-x86_64-dvd");

    // 15.36, 15.37
    let current = format!("{drive};current=true");
    client.put(&current, &body("fedora-15-x86_64-dvd.iso")).is(200);
    assert_eq!(read(&mut guest), "fedora-15-x86_64-dvd");
    client.put(&current, &body("")).is(200);
    empty(&mut guest);
    // "Rebooting the virtual machine will connect the CD-ROM again."
    vm.act("reboot");
    guest.boots_again();
    guest.ask("mkdir -p /mnt");
    assert_eq!(read(&mut guest), "rhel-server-6.0-x86_64-dvd");

    // 15.35, 15.38
    client.put(&drive, &body("fedora-15-x86_64-dvd.iso")).is(200);
    client.put(&drive, &body("")).is(200);
    vm.act("stop");
    let mut guest = vm.boot();
    empty(&mut guest);
}
