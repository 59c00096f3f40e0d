//! VMs that are described by OVF and come back by it.

use super::*;

const DATA_PATH: &str = "initialization/configuration/data";

impl Sim {
    async fn exported(&self, vm: &str) -> String {
        let path = format!("/vms/{vm}");
        self.send("GET", &path, &[("all-content", "true")], "").await.is(200).at(DATA_PATH)
    }

    async fn import(&self, data: &str, more: &str, beside: &str) -> Got {
        self.post("/vms", &document(data, more, beside)).await
    }
}

fn document(data: &str, more: &str, beside: &str) -> String {
    let data = Element::new("data").text(data);
    format!(
        "<vm>{beside}<cluster><name>Default</name></cluster><initialization>{more}<configuration>\
         <type>ovf</type>{data}</configuration></initialization></vm>"
    )
}

/// The parts of a VM that its import must bring back.
async fn picture(sim: &Sim, vm: &str) -> Vec<String> {
    let path = format!("/vms/{vm}");
    let mut all = Vec::new();
    for part in ["", "/disks", "/nics", "/numanodes", "/watchdogs", "/graphicsconsoles", "/cdroms"] {
        let got = sim.send("GET", &format!("{path}{part}"), &[("all-content", "true")], "").await.is(200);
        let body = if part.is_empty() { without_ovf(&got.body) } else { got.body };
        // Ids of NICs stay, their statistics and links with them.
        all.push(masked(&body, &[]));
    }
    all
}

#[tokio::test]
async fn an_import_of_an_export_is_the_same_vm() {
    let sim = Sim::start().await;
    let body = "<vm><name>a</name><cluster><name>Default</name></cluster><template id='00000000-0000-0000-0000-000000000000'/>\
        <description>of &lt;old&gt;</description><memory>536870912</memory><type>server</type>\
        <cpu><topology sockets='2' cores='2'/><cpu_tune><vcpu_pin vcpu='1' cpu_set='0'/></cpu_tune></cpu><cpu_shares>512</cpu_shares>\
        <os type='rhel_7x64'><boot dev='network'/><boot dev='hd'/></os><delete_protected>false</delete_protected>\
        <display><type>spice</type><monitors>2</monitors></display><usb><enabled>true</enabled></usb>\
        <custom_properties><custom_property name='accelerator' value='tcg'/></custom_properties>\
        <high_availability><enabled>true</enabled><priority>7</priority></high_availability>\
        <cdroms><cdrom><file id='debian-12.iso'/></cdrom></cdroms>\
        <migration><auto_converge>true</auto_converge><compressed>false</compressed></migration>\
        <payloads><payload type='cdrom'><files><file><name>a/b.txt</name><content>of a\nrun</content></file></files>\
        <volume_id>CONFIG</volume_id></payload></payloads><initialization><host_name>guest</host_name>\
        <user_name>joe</user_name><custom_script>runcmd:\n- [date]\n</custom_script><org_name>Org</org_name>\
        <active_directory_ou>OU=a</active_directory_ou><input_locale>en-US</input_locale><ui_language>en</ui_language>\
        <system_locale>de-DE</system_locale><user_locale>fr-FR</user_locale><nic_configurations><nic_configuration>\
        <name>eth0</name><ip address='192.0.2.9' netmask='255.255.255.0' gateway='192.0.2.1'/>\
        <boot_protocol>STATIC</boot_protocol><on_boot>true</on_boot></nic_configuration></nic_configurations>\
        </initialization></vm>";
    let vm = sim.post("/vms", body).await.is(201).at("@id");
    let path = format!("/vms/{vm}");
    let id: VmId = vm.parse().unwrap();
    sim.disk(&format!("{path}/disks"), "system").await;
    sim.disk(&format!("{path}/disks"), "data").await;
    let nic =
        "<nic><name>nic1</name><network><name>ovirtmgmt</name></network><interface>e1000</interface></nic>";
    sim.post(&format!("{path}/nics"), nic).await.is(201);
    sim.post(&format!("{path}/nics"), "<nic><name>nic2</name><linked>false</linked></nic>").await.is(201);
    sim.post(
        &format!("{path}/watchdogs"),
        "<watchdog><model>i6300esb</model><action>reset</action></watchdog>",
    )
    .await
    .is(201);
    let (before, ovf) = (picture(&sim, &vm).await, sim.exported(&vm).await);

    let again = sim.import(&ovf, "", "").await;
    again.refused(
        409,
        "Operation Failed",
        "[Cannot import VM. A VM with the same identifier exists already: regenerate_ids makes another one.]",
    );
    let keep = "<action><vm><disks><detach_only>true</detach_only></disks></vm></action>";
    sim.with_body("DELETE", &path, keep).await.is(204);
    let made = sim.import(&ovf, "", "").await.is(201);
    assert_eq!(made.at("@id"), vm);
    assert_eq!(picture(&sim, &vm).await, before);
    sim.start_vm(id).await;
}

#[tokio::test]
async fn another_vm_is_made_of_a_description() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    sim.disk(&format!("/vms/{vm}/disks"), "system").await;
    sim.post(&format!("/vms/{vm}/nics"), "<nic><name>nic1</name></nic>").await.is(201);
    let ovf = sim.exported(&vm.to_string()).await;
    let renewed = "<regenerate_ids>true</regenerate_ids>";
    assert_eq!(sim.import(&ovf, renewed, "").await.status, 400, "the name is taken");
    let beside = "<name>b</name><memory>2147483648</memory>";
    let made = sim.import(&ovf, renewed, beside).await.is(201);
    let other = made.at("@id");
    assert_eq!((made.at("name"), made.at("memory")), ("b".into(), "2147483648".into()));
    assert_ne!(other, vm.to_string());
    let mac = async |vm: &str| sim.get(&format!("/vms/{vm}/nics")).await.each("nic", "mac/@address");
    let (own, its) = (mac(&other).await, mac(&vm.to_string()).await);
    assert!(own.len() == 1 && own != its, "{own:?}");
    // The disk is the other's; an event says so.
    assert!(sim.get(&format!("/vms/{other}/disks")).await.each("disk", "@id").is_empty());
    let events = sim.get("/events?search=type%3D175").await.is(200);
    assert!(
        events.body.contains(
            "VM b came back without the disks system (is not shareable and is already attached to a VM)."
        ),
        "{}",
        events.body
    );
}

/// Who restores a VM from what was saved of it puts its disks back by other means.
#[tokio::test]
async fn a_vm_comes_back_without_disks_that_are_gone() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    sim.disk(&format!("/vms/{vm}/disks"), "system").await;
    let ovf = sim.exported(&vm.to_string()).await;
    sim.delete(&format!("/vms/{vm}")).await.is(204);
    assert_eq!(sim.import(&ovf, "", "").await.is(201).at("@id"), vm.to_string());
    assert!(sim.get(&format!("/vms/{vm}/disks")).await.each("disk", "@id").is_empty());
    let events = sim.get("/events?search=type%3D175").await.is(200);
    assert!(
        events.body.contains("VM a came back without the disks system (does not exist)."),
        "{}",
        events.body
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_description_is_said_and_nothing_is_made() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let disk = sim.disk(&format!("/vms/{vm}/disks"), "system").await;
    sim.post(&format!("/vms/{vm}/nics"), "<nic><name>nic1</name></nic>").await.is(201);
    let ovf = sim.exported(&vm.to_string()).await;
    sim.delete(&format!("/vms/{vm}")).await.is(204);
    assert_eq!(sim.get(&format!("/disks/{disk}")).await.status, 404);
    let item = |kind: &str| {
        let start = ovf.find(&format!("<rasd:ResourceType>{kind}<")).unwrap();
        let (from, to) =
            (ovf[..start].rfind("<Item>").unwrap(), ovf[start..].find("</Item>").unwrap() + start + 7);
        ovf[from..to].to_owned()
    };
    let without_disk = ovf.replace(&item("17"), "");
    for (from, to, status) in [
        ("", "", 201),
        ("<Name>a<", "<Name>../a<", 400),
        ("<Name>a<", "<Name>&e;<", 400),
        ("<Name>a</Name>", "", 400),
        ("MB of memory", "", 201),
        ("<rasd:num_of_sockets>1", "<rasd:num_of_sockets>1000", 400),
        ("<rasd:VirtualQuantity>1024", "<rasd:VirtualQuantity>99999999999", 400),
        ("<rasd:MACAddress>00", "<rasd:MACAddress>zz", 400),
        ("<rasd:Name>nic1", "<rasd:Name>a/b", 400),
        ("</VmType>", "</VmType><kernel_url>/etc/shadow</kernel_url>", 400),
        ("</VmType>", "</VmType><CustomEmulatedMachine>q35,accel=x</CustomEmulatedMachine>", 400),
        ("<UserDefinedProperties/>", "<UserDefinedProperties>qemu_cmdline=x</UserDefinedProperties>", 400),
        ("<ovf:Envelope", "<!DOCTYPE a [<!ENTITY e 'x'>]><ovf:Envelope", 400),
        ("</ovf:Envelope>", "", 400),
    ] {
        assert!(without_disk.contains(from), "{from}");
        let got = sim.import(&without_disk.replacen(from, to, 1), "", "").await;
        assert_eq!(got.status, status, "{from} {to}: {}", got.body);
        if status == 201 {
            sim.delete(&format!("/vms/{vm}")).await.is(204);
        }
        assert_eq!(sim.get(&format!("/vms/{vm}")).await.status, 404);
    }
    for (wrong, status) in [
        ("<type>xyz</type><data>x</data>", 400),
        ("<type>ovf</type>", 400),
        ("<data>x</data>", 400),
        ("<type>ovf</type><data>text</data>", 400),
    ] {
        let body = format!(
            "<vm><cluster><name>Default</name></cluster><initialization><configuration>{wrong}</configuration></initialization></vm>"
        );
        assert_eq!(sim.post("/vms", &body).await.status, status, "{wrong}");
    }
    let lost = document(&without_disk, "", "").replace("<cluster><name>Default</name></cluster>", "");
    assert_eq!(sim.post("/vms", &lost).await.status, 400);
    assert!(sim.get("/vms").await.each("vm", "@id").is_empty());
}

#[tokio::test]
async fn json_carries_ovf_both_ways() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let headers = [("all-content", "true"), ("accept", "application/json")];
    let json = sim.send("GET", &format!("/vms/{vm}"), &headers, "").await.is(200).json();
    let configuration = json["initialization"]["configuration"].clone();
    assert_eq!(configuration["type"], "ovf");
    sim.delete(&format!("/vms/{vm}")).await.is(204);
    let body = serde_json::json!({"cluster": {"name": "Default"}, "initialization": {"configuration": configuration}});
    let headers = [("content-type", "application/json"), ("accept", "application/json")];
    let made = sim.send("POST", "/vms", &headers, body.to_string()).await.is(201).json();
    assert_eq!((&made["id"], &made["name"]), (&json["id"], &json["name"]));
}
