//! Networks and vNIC profiles that clients make.

use super::*;
use vireo::engine::ports::Hypervisor;

const FAILED: &str = "Operation Failed";
const MANAGEMENT: &str = "00000000-0000-0000-0000-000000000009";

impl Sim {
    async fn network(&self, name: &str, more: &str) -> String {
        let body = format!(
            "<network><name>{name}</name><data_center><name>Default</name></data_center>{more}</network>"
        );
        self.post("/networks", &body).await.is(201).at("@id")
    }

    /// The same, and the cluster has it.
    async fn attached(&self, name: &str) -> String {
        let id = self.network(name, "").await;
        let body = format!("<network id='{id}'/>");
        self.post(&format!("/clusters/{CLUSTER}/networks"), &body).await.is(201);
        id
    }

    fn interface(&self, vm: VmId) -> Element {
        let document = self.hypervisor.document(vm, false).unwrap().unwrap();
        xml::parse(document.as_bytes()).unwrap().at("devices/interface").unwrap().clone()
    }
}

#[tokio::test]
async fn a_network_from_its_making_to_its_end() {
    let sim = Sim::start().await;
    let more = "<description>d</description><vlan id='7'/><mtu>9000</mtu><stp>true</stp>";
    let id = sim.network("red", more).await;
    let path = format!("/networks/{id}");
    let shown = sim.get(&path).await.is(200);
    for (field, value) in [
        ("name", "red"),
        ("description", "d"),
        ("vlan/@id", "7"),
        ("mtu", "9000"),
        ("stp", "true"),
        ("usages/usage", "vm"),
    ] {
        assert_eq!(shown.at(field), value, "{field}");
    }
    let own = format!("vireo-{id}");
    assert!(sim.hypervisor.networks().contains(&own));
    let profiles = sim.get(&format!("{path}/vnicprofiles")).await.is(200);
    assert_eq!(profiles.each("vnic_profile", "name"), ["red"]);
    assert_eq!(
        sim.get("/networks?search=name%3Dred+and+vlanid%3D7").await.is(200).each("network", "@id"),
        std::slice::from_ref(&id)
    );

    // VMs reach what their cluster has.
    let vm = sim.vm("a").await;
    let nic = "<nic><name>nic1</name><network><name>red</name></network></nic>";
    let nics = format!("/vms/{vm}/nics");
    sim.post(&nics, nic).await.refused(400, FAILED, "[Network not found in cluster]");
    let there = format!("/clusters/{CLUSTER}/networks");
    let attach = "<network><name>red</name><usages><usage>display</usage></usages><required>false</required></network>";
    let attached = sim.post(&there, attach).await.is(201);
    assert_eq!(
        (attached.at("status/state"), attached.at("required")),
        ("operational".into(), "false".into())
    );
    sim.post(&there, attach).await.is(409);
    assert_eq!(sim.get(&there).await.is(200).each("network", "name"), ["ovirtmgmt", "red"]);
    sim.post(&nics, nic).await.is(201);
    sim.disk(&format!("/vms/{vm}/disks"), "d").await;
    sim.start_vm(vm).await;
    assert_eq!(sim.interface(vm).value("source/@network"), Some(own.clone()));

    // In use it stays, and what would take it from its guests is refused.
    let used = "[Cannot remove Network. Several VMs use it: a.]";
    sim.delete(&path).await.refused(409, FAILED, used);
    sim.delete(&format!("{there}/{id}")).await.is(409);
    sim.put(&path, "<network><mtu>1500</mtu></network>").await.is(409);
    sim.put(&path, "<network><usages/></network>").await.is(409);
    sim.put(&path, "<network><name>blue</name><vlan/></network>").await.is(200);
    assert_eq!(sim.get(&path).await.at("vlan/@id"), "");
    assert_eq!(sim.interface(vm).value("source/@network"), Some(own.clone()));
    sim.put(&format!("{there}/{id}"), "<network><usages><usage>migration</usage></usages></network>")
        .await
        .is(200);
    assert_eq!(sim.get(&format!("{there}/{id}")).await.at("display"), "false");
    // Who sends back what it read, but for one of the two that say it.
    for (display, usage, shown) in
        [("true", "vm", "true"), ("true", "vm", "false"), ("false", "display", "true")]
    {
        let body =
            format!("<network><display>{display}</display><usages><usage>{usage}</usage></usages></network>");
        sim.put(&format!("{there}/{id}"), &body).await.is(200);
        assert_eq!(sim.get(&format!("{there}/{id}")).await.at("display"), shown, "{body}");
    }

    sim.delete(&format!("/vms/{vm}")).await.is(409);
    sim.post(&format!("/vms/{vm}/stop"), "<action/>").await.is(200);
    sim.delete(&format!("/vms/{vm}")).await.is(204);
    sim.delete(&format!("{there}/{id}")).await.is(204);
    sim.get(&format!("{there}/{id}")).await.is(404);
    sim.delete(&path).await.is(204);
    assert!(!sim.hypervisor.networks().contains(&own));
    sim.get(&path).await.is(404);
    assert_eq!(sim.get("/vnicprofiles").await.each("vnic_profile", "name"), ["ovirtmgmt"]);
}

/// Interfaces of what VMs are made of need it, too: their VMs would have none without a word.
#[tokio::test]
async fn a_network_stays_for_vms_to_come() {
    let sim = Sim::start().await;
    let (id, vm) = (sim.attached("red").await, sim.vm("a").await);
    let nic = "<nic><name>nic1</name><network><name>red</name></network></nic>";
    sim.post(&format!("/vms/{vm}/nics"), nic).await.is(201);
    let template = format!("<template><name>t</name><vm id='{vm}'/></template>");
    let headers = [("content-type", "application/xml"), CREATED];
    let template = sim.send("POST", "/templates", &headers, template).await.is(201).at("@id");
    sim.delete(&format!("/vms/{vm}")).await.is(204);
    let size = "<instance_type><name>sized</name></instance_type>";
    let size = format!("/instancetypes/{}", sim.post("/instancetypes", size).await.is(201).at("@id"));
    let network = format!("/networks/{id}");
    let profile = sim.get(&format!("{network}/vnicprofiles")).await.at("vnic_profile/@id");
    let nic = format!("<nic><name>nic1</name><vnic_profile id='{profile}'/></nic>");
    sim.post(&format!("{size}/nics"), &nic).await.is(201);
    let refuses = async |users: &str| {
        let said = |verb: &str| format!("[Cannot {verb} Network. Several {users}.]");
        let profile = format!("/vnicprofiles/{profile}");
        sim.delete(&network).await.refused(409, FAILED, &said("remove"));
        sim.delete(&profile).await.refused(409, FAILED, &said("remove the vNIC profile of the"));
        let none = sim.put(&network, "<network><usages/></network>").await;
        none.refused(409, FAILED, &said("edit"));
    };
    refuses("templates use it: t").await;
    sim.delete(&format!("/clusters/{CLUSTER}/networks/{id}")).await.is(409);
    sim.delete(&format!("/templates/{template}")).await.is(204);
    refuses("instance types use it: sized").await;
    sim.delete(&size).await.is(204);
    sim.delete(&format!("/clusters/{CLUSTER}/networks/{id}")).await.is(204);
    sim.delete(&network).await.is(204);
}

#[tokio::test]
async fn what_a_network_shares_with_no_other() {
    let sim = Sim::start().await;
    sim.network("red", "<vlan id='7'/>").await;
    let green = sim.network("green", "").await;
    let tagged = "<network><vlan id='7'/></network>";
    let taken = "[The VLAN ID 7 is already in use by the network red.]";
    sim.put(&format!("/networks/{green}"), tagged).await.refused(409, FAILED, taken);
    sim.put(&format!("/networks/{green}"), "<network><vlan id='8'/></network>").await.is(200);
    let limited =
        "<vnic_profile><name>limited</name><qos id='00000000-0000-0000-0000-000000000077'/></vnic_profile>";
    sim.post(&format!("/networks/{green}/vnicprofiles"), limited).await.is(409);
    sim.post(
        &format!("/networks/{green}/vnicprofiles"),
        &limited.replace(" id='00000000-0000-0000-0000-000000000077'", ""),
    )
    .await
    .is(201);
}

#[tokio::test]
async fn a_network_is_what_the_host_has_of_its_name() {
    let sim = Sim::start().await;
    sim.mirrors.add_bridge("br0");
    sim.hypervisor.add_network("lan");
    let (bridge, lan) = (sim.attached("br0").await, sim.attached("lan").await);
    let before = sim.hypervisor.networks();
    let vm = sim.vm("a").await;
    let nic = sim
        .post(&format!("/vms/{vm}/nics"), "<nic><name>n</name><network><name>br0</name></network></nic>")
        .await
        .is(201)
        .at("@id");
    assert_eq!(sim.interface(vm).value("source/@bridge").as_deref(), Some("br0"));
    sim.put(&format!("/vms/{vm}/nics/{nic}"), "<nic><network><name>lan</name></network></nic>").await.is(200);
    assert_eq!(sim.interface(vm).value("source/@network").as_deref(), Some("lan"));
    // What the host's own are like is the host's affair.
    let refused = sim.put(&format!("/networks/{bridge}"), "<network><vlan id='7'/></network>").await;
    refused.refused(
        400,
        FAILED,
        "[The host's 'br0' does not keep VLANs apart: the network cannot have the VLAN id 7.]",
    );
    sim.put(&format!("/networks/{bridge}"), "<network><description>uplink</description></network>")
        .await
        .is(200);
    sim.delete(&format!("/networks/{lan}")).await.is(409);
    sim.delete(&format!("/vms/{vm}")).await.is(204);
    for id in [bridge, lan] {
        sim.delete(&format!("/networks/{id}")).await.is(204);
    }
    assert_eq!(sim.hypervisor.networks(), before, "the host's own stay");
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let sim = Sim::start().await;
    let make = async |body: &str| {
        sim.post(
            "/networks",
            &format!("<network>{body}<data_center><name>Default</name></data_center></network>"),
        )
        .await
    };
    make("").await.refused(400, "Incomplete parameters", "Network [name] required for add");
    sim.post("/networks", "<network><name>x</name></network>").await.is(400);
    sim.post("/networks", "<network><name>x</name><data_center><name>none</name></data_center></network>")
        .await
        .is(404);
    for bad in [
        "<name>a b</name>",
        "<name>../x</name>",
        "<name>x234567890123456</name>",
        "<name>vireo-nowhere</name>",
        "<name>x</name><vlan id='4095'/>",
        "<name>x</name><mtu>3</mtu>",
        "<name>x</name><usages><usage>y</usage></usages>",
    ] {
        make(bad).await.is(400);
    }
    make("<name>ovirtmgmt</name>").await.is(409);
    sim.delete(&format!("/networks/{MANAGEMENT}")).await.is(409);
    sim.delete(&format!("/clusters/{CLUSTER}/networks/{MANAGEMENT}")).await.is(409);
    sim.delete(&format!("/networks/{UNKNOWN}")).await.is(404);
    sim.put(&format!("/networks/{UNKNOWN}"), "<network/>").await.is(404);
    sim.post(&format!("/clusters/{UNKNOWN}/networks"), "<network><name>ovirtmgmt</name></network>")
        .await
        .is(404);
    sim.post(&format!("/clusters/{CLUSTER}/networks"), "<network><name>none</name></network>").await.is(404);
    // Nothing of a network that libvirt refuses is left.
    sim.hypervisor.fail_at(1);
    make("<name>red</name>").await.is(409);
    assert_eq!(sim.get("/networks").await.each("network", "name"), ["ovirtmgmt"]);
    assert_eq!(sim.get("/vnicprofiles").await.each("vnic_profile", "name"), ["ovirtmgmt"]);
    // A network that VMs may not be on has no profile.
    let id = sim.network("storage", "<usages><usage>migration</usage></usages>").await;
    assert_eq!(sim.get(&format!("/networks/{id}/vnicprofiles")).await.each("vnic_profile", "@id").len(), 0);
    sim.post(&format!("/networks/{id}/vnicprofiles"), "<vnic_profile><name>p</name></vnic_profile>")
        .await
        .is(409);
    // One whose profiles somebody makes himself has none yet.
    let id = sim.network("bare", "<profile_required>false</profile_required>").await;
    assert_eq!(sim.get(&format!("/networks/{id}/vnicprofiles")).await.each("vnic_profile", "@id").len(), 0);
    sim.post(&format!("/networks/{id}/vnicprofiles"), "<vnic_profile><name>bare</name></vnic_profile>")
        .await
        .is(201);
    sim.delete(&format!("/networks/{id}")).await;
    let center = "/datacenters/00000002-0002-0002-0002-000000000255/networks";
    let made = sim.post(center, "<network><name>green</name></network>").await.is(201).at("@id");
    assert_eq!(sim.get(center).await.each("network", "name"), ["green", "ovirtmgmt", "storage"]);
    sim.put(&format!("{center}/{made}"), "<network><comment>c</comment></network>").await.is(200);
    for fixed in ["<qos id='x'/>", "<ip address='10.0.0.1'/>"] {
        sim.put(&format!("{center}/{made}"), &format!("<network>{fixed}</network>")).await.is(409);
        let other = format!("<network><name>other</name>{fixed}</network>");
        sim.post(center, &other).await.is(409);
    }
    sim.delete(&format!("{center}/{made}")).await.is(204);
}

#[tokio::test]
async fn interfaces_follow_their_profile() {
    let sim = Sim::start().await;
    let body = |more: &str| format!("<vnic_profile><name>safe</name>{more}</vnic_profile>");
    let list = format!("/networks/{MANAGEMENT}/vnicprofiles");
    let filter = |name: &str| {
        format!(
            "<custom_properties><custom_property name='network_filter' value='{name}'/></custom_properties>"
        )
    };
    sim.post(&list, &body(&filter("x"))).await.is(400);
    sim.post(&list, &body("<pass_through><mode>enabled</mode></pass_through>")).await.is(409);
    let made = sim.post(&list, &body(&filter("no-mac-spoofing"))).await.is(201);
    assert_eq!(made.at("custom_properties/custom_property/@value"), "no-mac-spoofing");
    let id = made.at("@id");
    let path = format!("/vnicprofiles/{id}");
    sim.post(&list, &body("")).await.is(409);
    sim.post("/vnicprofiles", &body("")).await.refused(
        400,
        "Incomplete parameters",
        "VnicProfile [network.id] required for add",
    );
    sim.post("/vnicprofiles", &body(&format!("<network id='{UNKNOWN}'/>"))).await.is(404);

    let vm = sim.vm("a").await;
    sim.disk(&format!("/vms/{vm}/disks"), "d").await;
    let nic = format!("<nic><name>nic1</name><vnic_profile id='{id}'/></nic>");
    let nic = sim.post(&format!("/vms/{vm}/nics"), &nic).await.is(201).at("@id");
    let nic = format!("/vms/{vm}/nics/{nic}");
    sim.start_vm(vm).await;
    let shown = || sim.interface(vm).value("filterref/@filter");
    assert_eq!(shown().as_deref(), Some("no-mac-spoofing"));
    sim.put(&path, &body(&filter("clean-traffic"))).await.is(200);
    assert_eq!(shown().as_deref(), Some("clean-traffic"));
    sim.put(&path, "<vnic_profile><custom_properties/></vnic_profile>").await.is(200);
    assert_eq!(shown(), None);

    // A mirroring profile makes its interfaces see their network.
    let talker = sim.vm("b").await;
    sim.post(
        &format!("/vms/{talker}/nics"),
        &format!("<nic><name>n</name><network id='{MANAGEMENT}'/></nic>"),
    )
    .await
    .is(201);
    sim.disk(&format!("/vms/{talker}/disks"), "e").await;
    sim.start_vm(talker).await;
    sim.put(&path, "<vnic_profile><port_mirroring>true</port_mirroring></vnic_profile>").await.is(200);
    sim.until("mirrored", || sim.mirrors.copies().len() == 1).await;
    // They show so, and take nothing of their own from a client that sends back what it was shown.
    let document = sim.get(&nic).await;
    let shown = document.at("port_mirroring/networks/network/@id");
    sim.put(
        &nic,
        &format!("<nic><port_mirroring><networks><network id='{shown}'/></networks></port_mirroring></nic>"),
    )
    .await
    .is(200);
    sim.put(&path, "<vnic_profile><port_mirroring>false</port_mirroring></vnic_profile>").await.is(200);
    sim.until("quiet", || sim.mirrors.copies().is_empty()).await;
    assert_eq!(sim.get(&nic).await.xml().every("port_mirroring").len(), 0);

    // A host that cannot filter says so, and the profile is what it was.
    sim.hypervisor.fail_at(1);
    sim.put(&path, &body(&filter("clean-traffic"))).await.is(409);
    assert_eq!(sim.get(&path).await.xml().every("custom_properties").len(), 0);
    sim.put(&path, &format!("<vnic_profile><network id='{UNKNOWN}'/></vnic_profile>")).await.is(409);
    sim.delete(&path).await.is(409);
    sim.get(&format!("{path}/x")).await.is(404);
    sim.post(&format!("/vms/{vm}/stop"), "<action/>").await.is(200);
    sim.delete(&format!("/vms/{vm}")).await.is(204);
    sim.delete(&path).await.is(204);
    sim.get(&path).await.is(404);
}
