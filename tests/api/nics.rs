//! Network interfaces.

use super::*;
use vireo::engine::ports::{Hypervisor, TapCopies};
use vireo::model::NicId;

const NETWORK: &str = "00000000-0000-0000-0000-000000000009";
const FAILED: &str = "Operation Failed";

impl Sim {
    async fn nic(&self, vm: VmId, body: &str) -> NicId {
        self.post(&format!("/vms/{vm}/nics"), body).await.is(201).at("@id").parse().unwrap()
    }

    /// A VM that boots from the network.
    async fn networked(&self, name: &str) -> VmId {
        let vm = self.vm(name).await;
        self.put(&format!("/vms/{vm}"), "<vm><os><boot dev='network'/></os></vm>").await.is(200);
        vm
    }

    /// The interface's device in the running domain, or in its definition.
    fn device(&self, vm: VmId, nic: NicId, persistent: bool) -> Option<Element> {
        let document = self.hypervisor.document(vm, persistent).unwrap().unwrap();
        let document = xml::parse(document.as_bytes()).unwrap();
        let devices = document.every("devices/interface");
        let alias = nic.alias();
        devices.into_iter().find(|it| it.value("alias/@name").as_deref() == Some(&alias)).cloned()
    }
}

fn named(name: &str) -> String {
    format!("<nic><name>{name}</name><network id='{NETWORK}'/></nic>")
}

#[tokio::test]
async fn the_documented_example() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let list = format!("/vms/{vm}/nics");
    let made = sim.post(&list, &named("nic1")).await.is(201);
    let id = made.at("@id");
    let path = format!("{list}/{id}");
    assert_eq!(made.header("location"), format!("https://vireo:8443/ovirt-engine/api{path}"));
    let mac = made.at("mac/@address");
    assert!(mac.starts_with("00:1a:4a:") && mac.ends_with(":00:00"), "{mac}");
    let profile = made.at("vnic_profile/@id");
    let shown = sim.get(&path).await.is(200);
    let ids = [("NIC", id.clone()), ("VM", vm.to_string()), ("MAC", mac.clone()), ("PROFILE", profile)];
    golden("nic.xml", &masked(&shown.body, &ids));
    assert_eq!(sim.get(&list).await.is(200).each("nic", "name"), ["nic1"]);
    assert_eq!(sim.get(&list).await.xml().every("nic/statistics").len(), 0);
    assert_eq!(
        sim.get(&format!("{list};detail=statistics")).await.xml().every("nic/statistics/statistic").len(),
        6
    );
    let detailed = sim.get(&format!("/vms/{vm};detail=nics")).await.is(200);
    assert_eq!(detailed.xml().value("nics/nic/mac/@address"), Some(mac));

    let body = "<nic><name>nic2</name><network id=''/><type>e1000</type><linked>false</linked></nic>";
    let changed = sim.put(&path, body).await.is(200);
    assert_eq!((changed.at("name"), changed.at("interface")), ("nic2".into(), "e1000".into()));
    assert_eq!((changed.at("network/@id"), changed.at("linked")), (String::new(), "false".into()));
    let device = sim.device(vm, id.parse().unwrap(), true).unwrap();
    assert_eq!(device.value("model/@type").as_deref(), Some("e1000"));
    assert_eq!(device.value("source/@network").as_deref(), Some("vireo-nowhere"));
    assert_eq!(device.value("link/@state").as_deref(), Some("down"));

    // A client that changes one of network and profile sends the other back as it was.
    let body = shown.body.replace("<name>nic1</name>", "<name>nic3</name>");
    let body = &body[body.find("<nic").unwrap()..];
    assert_eq!(sim.put(&path, body).await.is(200).at("network/@id"), NETWORK);

    sim.delete(&path).await.is(204);
    sim.get(&path).await.is(404);
    assert!(sim.device(vm, id.parse().unwrap(), true).is_none());
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let sim = Sim::start().await;
    let (vm, other) = (sim.vm("a").await, sim.vm("b").await);
    let list = format!("/vms/{vm}/nics");
    sim.nic(vm, "<nic><name>nic1</name><mac address='00:1A:4a:16:84:07'/></nic>").await;
    let no = async |body: &str, status: u16, reason: &str, detail: &str| {
        sim.post(&list, body).await.refused(status, reason, detail);
    };
    no("<nic/>", 400, "Incomplete parameters", "NIC [name] required for add").await;
    no(&named("nic1"), 409, FAILED, "[Network interface is already in use.]").await;
    sim.nic(other, &named("nic1")).await;
    let clash = "<nic><name>n</name><mac address='00:1a:4a:16:84:07'/></nic>";
    no(clash, 409, FAILED, "[MAC Address is already in use.]").await;
    sim.post(&format!("/vms/{other}/nics"), clash).await.is(409);
    for (bad, status) in [
        ("<mac address='01:1a:4a:16:84:07'/>", 400),
        ("<mac address='00:1a:4a:16:84'/>", 400),
        ("<mac address=\"00:1a:4a:16:84:0' x='\"/>", 400),
        ("<interface>spapr_vlan</interface>", 400),
        ("<interface>pci_passthrough</interface>", 400),
        ("<interface>ne2000</interface>", 400),
        ("<vnic_profile id='deadbeef-dead-4ead-8ead-deadbeefdead'/>", 400),
        ("<plugged>maybe</plugged>", 400),
    ] {
        let got = sim.post(&list, &format!("<nic><name>n</name>{bad}</nic>")).await;
        assert_eq!(got.status, status, "{bad}: {}", got.body);
    }
    for network in [format!("id='{UNKNOWN}'"), "id='x'".into()] {
        let body = format!("<nic><name>n</name><network {network}/></nic>");
        no(&body, 400, FAILED, "[Network not found in cluster]").await;
    }
    let nobody = "<nic><name>n</name><network><name>nobody</name></network></nic>";
    no(nobody, 400, FAILED, "[Network not found in cluster]").await;
    let blank = "<nic><name>n</name><port_mirroring><networks><network/></networks></port_mirroring></nic>";
    let reason = "Network must have name or id property for port mirroring";
    no(blank, 400, reason, &format!("[{reason}]")).await;
    for name in ["", "a/b", "<![CDATA[<x>]]>", &"x".repeat(51)] {
        assert_eq!(sim.post(&list, &named(name)).await.status, 400, "{name}");
    }
    sim.get(&format!("{list}/{UNKNOWN}")).await.is(404);
    sim.post(&format!("{list}/{UNKNOWN}/activate"), "<action/>").await.is(404);
    sim.get(&format!("/vms/{UNKNOWN}/nics")).await.is(404);
    assert_eq!(sim.get(&list).await.each("nic", "name"), ["nic1"]);
}

#[tokio::test]
async fn interfaces_of_a_running_vm() {
    let sim = Sim::start().await;
    let vm = sim.networked("a").await;
    sim.post(&format!("/vms/{vm}/start"), "<action/>").await.is(409);
    let first = sim.nic(vm, &named("nic1")).await;
    sim.start_vm(vm).await;
    assert_eq!(sim.device(vm, first, false).unwrap().value("boot/@order").as_deref(), Some("1"));

    let nic = sim.nic(vm, &named("nic2")).await;
    let path = format!("/vms/{vm}/nics/{nic}");
    let tap = |device: Element| device.value("target/@dev");
    let before = tap(sim.device(vm, nic, false).unwrap());
    assert!(before.is_some() && sim.device(vm, nic, true).is_some());
    sim.put(&path, "<nic><linked>false</linked></nic>").await.is(200);
    let device = sim.device(vm, nic, false).unwrap();
    assert_eq!(device.value("link/@state").as_deref(), Some("down"));
    sim.put(&path, "<nic><linked>true</linked><network/></nic>").await.is(200);
    let device = sim.device(vm, nic, false).unwrap();
    assert_eq!(device.value("source/@network").as_deref(), Some("vireo-nowhere"));
    assert_eq!(device.value("link/@state").as_deref(), Some("up"));
    assert_eq!(tap(device), before, "the device stayed");

    for refused in ["<mac address='00:1a:4a:16:84:07'/>", "<interface>e1000</interface>"] {
        sim.put(&path, &format!("<nic>{refused}</nic>")).await.is(409);
    }
    let plugged = "[Cannot remove Interface. The VM Network Interface is plugged to a running VM.]";
    sim.delete(&path).await.refused(409, FAILED, plugged);

    sim.hypervisor.ignore_requests(vm);
    let refusal = sim.post(&format!("{path}/deactivate"), "<action/>").await.is(409);
    assert!(refusal.body.contains("did not let the interface go"), "{}", refusal.body);
    assert_eq!(refusal.at("status/state"), "failed");
    assert_eq!(sim.get(&path).await.at("plugged"), "true");
    // It lets go later, when nobody asks any more.
    sim.hypervisor.heed_requests(vm);
    sim.until("unplugged", || !sim.engine.nic(vm, nic).unwrap().plugged).await;
    sim.until("defined without", || sim.device(vm, nic, true).is_none()).await;

    sim.put(&path, "<nic><mac address='00:1a:4a:16:84:07'/></nic>").await.is(200);
    assert_eq!(
        sim.post(&format!("{path}/activate"), "<action/>").await.is(200).at("status/state"),
        "complete"
    );
    let device = sim.device(vm, nic, false).unwrap();
    assert_eq!(device.value("mac/@address").as_deref(), Some("00:1a:4a:16:84:07"));
    sim.put(&path, "<nic><active>false</active></nic>").await.is(200);
    assert!(sim.device(vm, nic, false).is_none());
    sim.delete(&path).await.is(204);

    sim.post(&format!("/vms/{vm}/suspend"), "<action/>").await.is(202);
    sim.is_in(vm, "suspended").await;
    let words = "[Cannot add a Network Interface when VM is not Down, Up or Image-Locked.]";
    sim.post(&format!("/vms/{vm}/nics"), &named("nic3")).await.refused(409, FAILED, words);
}

#[tokio::test]
async fn figures_and_addresses() {
    let sim = Sim::start().await;
    let vm = sim.networked("a").await;
    let nic = sim.nic(vm, &named("nic1")).await;
    let path = format!("/vms/{vm}/nics/{nic}");
    let statistics = format!("{path}/statistics");
    let datum = |got: &Got, name: &str| -> f64 {
        let xml = got.xml();
        let found = xml.all("statistic").find(|it| it.value("name").as_deref() == Some(name));
        found.unwrap().number("values/value/datum").unwrap()
    };
    let off = sim.get(&statistics).await.is(200);
    assert_eq!(datum(&off, "data.total.rx"), 0.0);
    assert_eq!(off.each("statistic", "type"), ["GAUGE", "GAUGE", "COUNTER", "COUNTER", "COUNTER", "COUNTER"]);
    assert_eq!(off.each("statistic", "unit")[2..], ["NONE", "NONE", "BYTES", "BYTES"]);
    assert_eq!(
        sim.get(&format!("{path}/reporteddevices")).await.is(200).each("reported_device", "@id").len(),
        0
    );
    sim.start_vm(vm).await;
    let mut rate = 0.0;
    for _ in 0..1000 {
        rate = datum(&sim.get(&statistics).await, "data.current.rx");
        if rate > 0.0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // A simulated guest receives 100 bytes a millisecond.
    assert!((50_000.0..=150_000.0).contains(&rate), "{rate}");
    let got = sim.get(&statistics).await;
    assert!(datum(&got, "data.total.rx") > datum(&got, "data.total.tx"));
    let one = sim.get(&format!("{statistics}/ecd0559f-e88f-3330-94b4-1f091b0ffdf7")).await.is(200);
    assert_eq!((one.at("name"), one.at("nic/@id")), ("data.current.rx".into(), nic.to_string()));
    sim.get(&format!("{statistics}/{UNKNOWN}")).await.is(404);

    for list in [format!("{path}/reporteddevices"), format!("/vms/{vm}/reporteddevices")] {
        let got = sim.get(&list).await.is(200);
        assert_eq!(got.at("reported_device/ips/ip/@address"), "192.0.2.1");
        let href = got.at("reported_device/@href");
        let one = sim.get(href.strip_prefix("/ovirt-engine/api").unwrap()).await.is(200);
        assert_eq!((one.at("@href"), one.at("type")), (href, "network".into()));
        sim.get(&format!("{list}/{UNKNOWN}")).await.is(404);
    }
}

#[tokio::test]
async fn mirrored_ports() {
    let sim = Sim::start().await;
    let (seen, watcher) = (sim.networked("seen").await, sim.networked("watcher").await);
    let source = sim.nic(seen, &named("nic1")).await;
    let body = format!(
        "<nic><name>nic1</name><port_mirroring><networks><network id='{NETWORK}'/></networks></port_mirroring></nic>"
    );
    let nic = sim.nic(watcher, &body).await;
    let path = format!("/vms/{watcher}/nics/{nic}");
    assert_eq!(sim.get(&path).await.at("port_mirroring/networks/network/@id"), NETWORK);
    sim.start_vm(watcher).await;
    assert!(sim.mirrors.copies().is_empty(), "nobody to see");
    sim.start_vm(seen).await;
    let tap = |vm, nic| sim.device(vm, nic, false).and_then(|device| device.value("target/@dev")).unwrap();
    let (from, to) = (tap(seen, source), tap(watcher, nic));
    let wanted = [(from, TapCopies { to: [to].into(), sent_only: false })].into();
    sim.until("mirrored", || sim.mirrors.copies() == wanted).await;

    sim.post(&format!("/vms/{seen}/nics/{source}/deactivate"), "<action/>").await.is(200);
    sim.until("nothing to mirror", || sim.mirrors.copies().is_empty()).await;
    sim.post(&format!("/vms/{seen}/nics/{source}/activate"), "<action/>").await.is(200);
    sim.until("mirrored again", || !sim.mirrors.copies().is_empty()).await;
    sim.put(&path, "<nic><port_mirroring><networks/></port_mirroring></nic>").await.is(200);
    assert!(sim.mirrors.copies().is_empty());

    // A host that cannot copy says so, and nothing of it is left.
    sim.mirrors.fail_at(1);
    let asked =
        format!("<nic><port_mirroring><networks><network id='{NETWORK}'/></networks></port_mirroring></nic>");
    sim.put(&path, &asked).await.is(409);
    assert_eq!(sim.get(&path).await.xml().every("port_mirroring").len(), 0);
    sim.put(&path, &asked).await.is(200);
    sim.post(&format!("/vms/{watcher}/stop"), "<action/>").await.is(200);
    sim.until("the watcher is gone", || sim.mirrors.copies().is_empty()).await;
}

#[tokio::test]
async fn addresses_come_from_the_pool_and_are_put_in_order() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    for name in ["z", "m", "a"] {
        sim.nic(vm, &named(name)).await;
    }
    let list = format!("/vms/{vm}/nics");
    let ends = async || -> Vec<String> {
        sim.get(&list).await.each("nic", "mac/@address").iter().map(|mac| mac[12..].to_owned()).collect()
    };
    assert_eq!(ends().await, ["00:02", "00:01", "00:00"]);
    sim.post(&format!("/vms/{vm}/reordermacaddresses"), "<action/>").await.is(200);
    assert_eq!(ends().await, ["00:00", "00:01", "00:02"]);
    let defined = xml::parse(sim.hypervisor.document(vm, true).unwrap().unwrap().as_bytes()).unwrap();
    assert_eq!(defined.every("devices/interface").len(), 3);
    sim.delete(&format!("/vms/{vm}")).await.is(204);
    let other = sim.vm("b").await;
    sim.nic(other, &named("a")).await;
    let mac = sim.get(&format!("/vms/{other}/nics")).await.at("nic/mac/@address");
    assert!(mac.ends_with("00:00"), "{mac}");
}

#[tokio::test]
async fn interfaces_of_a_foreign_domain_are_seen_and_left_alone() {
    let sim = Sim::start().await;
    let id: VmId = "0f8d5e1c-0000-4000-8000-000000000001".parse().unwrap();
    let document = format!(
        "<domain type='kvm'><name>foreign</name><uuid>{id}</uuid><memory>65536</memory><os><type>hvm</type></os>\
         <devices><interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/>\
         <model type='e1000e'/></interface></devices></domain>"
    );
    sim.hypervisor.define(&document).unwrap();
    sim.until("listed", || sim.engine.vm(id).is_ok()).await;
    let list = format!("/vms/{id}/nics");
    let got = sim.get(&list).await.is(200);
    assert_eq!((got.at("nic/name"), got.at("nic/interface")), ("nic1".into(), "e1000".into()));
    assert_eq!(got.at("nic/network/@id"), NETWORK);
    let href = got.at("nic/@href");
    let path = href.strip_prefix("/ovirt-engine/api").unwrap();
    sim.get(path).await.is(200);
    for refused in [
        sim.post(&list, &named("n")).await,
        sim.put(path, "<nic><linked>false</linked></nic>").await,
        sim.delete(path).await,
    ] {
        assert_eq!(refused.status, 409, "{}", refused.body);
    }
    for list in ["tags", "permissions"] {
        sim.get(&format!("/vms/{id}/{list}")).await.is(200);
    }
    let template = format!("<template><name>t</name><vm id='{id}'/></template>");
    for (path, body) in [
        (format!("/vms/{id}/tags"), "<tag><name>x</name></tag>"),
        (format!("/vms/{id}/clone"), "<action><vm><name>c</name></vm></action>"),
        (format!("/vms/{id}/start"), "<action><vm><stateless>true</stateless></vm></action>"),
        ("/templates".into(), &template),
    ] {
        let refused = sim.post(&path, body).await;
        assert!(refused.status == 409 && refused.body.contains("not managed"), "{path} {}", refused.body);
    }
    // Its address is taken all the same.
    let vm = sim.vm("a").await;
    let clash = "<nic><name>n</name><mac address='52:54:00:00:00:01'/></nic>";
    sim.post(&format!("/vms/{vm}/nics"), clash).await.is(409);
}

#[tokio::test]
async fn who_names_a_network_alone_does_not_see_its_traffic() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    for (name, mirrors) in [("a mirror", true), ("another", false)] {
        let body = format!(
            "<vnic_profile><name>{name}</name><network id='{NETWORK}'/><port_mirroring>{mirrors}</port_mirroring></vnic_profile>"
        );
        sim.post("/vnicprofiles", &body).await.is(201);
    }
    let made = sim.post(&format!("/vms/{vm}/nics"), &named("nic1")).await.is(201);
    let profile = async |nic: &Got| {
        let path = format!("/vnicprofiles/{}", nic.at("vnic_profile/@id"));
        sim.get(&path).await.is(200).at("name")
    };
    assert_eq!(profile(&made).await, "ovirtmgmt");
    let path = format!("/vms/{vm}/nics/{}", made.at("@id"));
    sim.put(&path, "<nic><network/></nic>").await.is(200);
    let back = sim.put(&path, &format!("<nic><network id='{NETWORK}'/></nic>")).await.is(200);
    assert_eq!(profile(&back).await, "ovirtmgmt");
}
