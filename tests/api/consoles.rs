//! Graphics consoles, the watchdog, devices of the host.

use super::*;
use vireo::engine::ports::Hypervisor;

const FAILED: &str = "Operation Failed";
const VNC: &str = "564e43";
const SPICE: &str = "5350494345";
const VIEWER: (&str, &str) = ("accept", "application/x-virt-viewer");

#[tokio::test]
async fn consoles_come_and_go() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let list = format!("/vms/{vm}/graphicsconsoles");
    let defined = || xml::parse(sim.hypervisor.document(vm, true).unwrap().unwrap().as_bytes()).unwrap();
    let got = sim.get(&list).await.is(200);
    assert_eq!(
        (got.each("graphics_console", "protocol"), got.each("graphics_console", "@id")),
        (vec!["VNC".into()], vec![VNC.into()])
    );
    let made =
        sim.post(&list, "<graphics_console><protocol>spice</protocol></graphics_console>").await.is(201);
    assert_eq!((made.at("@id"), made.at("protocol")), (SPICE.into(), "SPICE".into()));
    assert!(made.header("location").ends_with(&format!("{list}/{SPICE}")));
    assert_eq!(defined().every("devices/graphics").len(), 2);
    sim.post(&list, "<graphics_console><protocol>SPICE</protocol></graphics_console>").await.refused(
        409,
        FAILED,
        "[The VM has a graphics console of this protocol already.]",
    );
    sim.post(&list, "<graphics_console/>").await.refused(
        400,
        "Incomplete parameters",
        "GraphicsConsole [protocol] required for add",
    );
    sim.post(&list, "<graphics_console><protocol>rdp</protocol></graphics_console>").await.is(400);

    sim.delete(&format!("{list}/{VNC}")).await.is(204);
    sim.delete(&format!("{list}/{VNC}")).await.is(404);
    sim.get(&format!("{list}/{VNC}")).await.is(404);
    assert_eq!(sim.get(&format!("/vms/{vm}")).await.at("display/type"), "spice");
    sim.delete(&format!("{list}/{SPICE}")).await.is(204);
    // Only a type gives it one.
    let monitors = "<vm><display><monitors>2</monitors></display></vm>";
    sim.put(&format!("/vms/{vm}"), monitors).await.is(409);
    assert_eq!(defined().every("devices/graphics").len(), 0);
    sim.get(&format!("{list}/nonsense")).await.is(404);
    sim.post(&list, "<graphics_console><protocol>VNC</protocol></graphics_console>").await.is(201);
    assert_eq!(sim.get(&list).await.each("graphics_console", "@id"), [VNC]);
}

#[tokio::test]
async fn a_run_with_another_console_says_which() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let path = format!("/vms/{vm}");
    sim.disk(&format!("{path}/disks"), "d").await;
    let once = "<action><vm><display><type>spice</type></display></vm></action>";
    sim.post(&format!("{path}/start"), once).await.is(200);
    let display = async || sim.get(&path).await.at("display/type");
    let live = sim.get(&format!("{path}/graphicsconsoles;current")).await;
    assert_eq!((live.each("graphics_console", "@id"), display().await), (vec![SPICE.into()], "spice".into()));
    sim.post(&format!("{path}/stop"), "<action/>").await.is(200);
    assert_eq!(display().await, "vnc");
}

#[tokio::test]
async fn a_viewer_gets_what_it_opens() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    sim.disk(&format!("/vms/{vm}/disks"), "d").await;
    let path = format!("/vms/{vm}/graphicsconsoles/{VNC}");
    assert_eq!(sim.send("GET", &path, &[VIEWER], "").await.is(204).body, "");
    let refused = sim.post(&format!("{path}/proxyticket"), "<action/>").await;
    assert_eq!((refused.status, refused.at("status/state")), (409, "failed".into()), "{}", refused.body);
    assert_eq!(
        sim.get(&format!("/vms/{vm}/graphicsconsoles;current")).await.each("graphics_console", "@id").len(),
        0
    );
    sim.start_vm(vm).await;
    let live = sim.get(&format!("{path};current=true")).await.is(200);
    let port = live.at("port");
    assert_eq!(live.at("address"), sim.get(&format!("/vms/{vm}")).await.at("display/address"));
    assert_eq!(sim.get(&path).await.is(200).at("port"), "");
    let opened = sim.send("GET", &path, &[VIEWER], "").await.is(200);
    assert_eq!(opened.header("content-type"), VIEWER.1);
    assert!(opened.body.starts_with("[virt-viewer]\ntype=vnc\nhost="), "{}", opened.body);
    let password = opened.body.lines().find_map(|line| line.strip_prefix("password=")).unwrap();
    assert!(opened.body.contains(&format!("\nport={port}\n")), "{}", opened.body);
    let secure = sim.hypervisor.secure_document(vm).unwrap();
    assert!(secure.contains(&format!("passwd=\"{password}\"")), "the ticket is set");
    let elsewhere = sim.send("GET", &format!("/vms/{vm}"), &[VIEWER], "").await;
    assert_eq!(elsewhere.status, 406);

    let proxy = sim.post(&format!("{path}/proxyticket"), "<action/>").await.is(200);
    assert_eq!(proxy.at("status/state"), "complete");
    assert_eq!(proxy.at("proxy_ticket/value").len(), 32);
    let again = sim.post(&format!("{path}/proxyticket"), "<action/>").await.is(200);
    assert_ne!(again.at("proxy_ticket/value"), proxy.at("proxy_ticket/value"));
    sim.post(&format!("/vms/{vm}/graphicsconsoles/{SPICE}/proxyticket"), "<action/>").await.is(404);
    // Consoles of a running VM change with its next run.
    let spice = "<graphics_console><protocol>SPICE</protocol></graphics_console>";
    sim.post(&format!("/vms/{vm}/graphicsconsoles"), spice).await.is(400);
    sim.post(&format!("/vms/{vm}/graphicsconsoles;next_run"), spice).await.is(201);
    let next = sim.get(&format!("/vms/{vm}/graphicsconsoles;next_run")).await;
    assert_eq!(next.each("graphics_console", "@id"), [VNC, SPICE]);
}

#[tokio::test]
async fn the_watchdog() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let list = format!("/vms/{vm}/watchdogs");
    let device = || {
        let defined = xml::parse(sim.hypervisor.document(vm, true).unwrap().unwrap().as_bytes()).unwrap();
        defined.at("devices/watchdog").and_then(|device| device.get("action").map(str::to_owned))
    };
    assert_eq!(sim.get(&list).await.is(200).each("watchdog", "@id").len(), 0);
    sim.get(&format!("{list}/{UNKNOWN}")).await.is(404);
    sim.post(&list, "<watchdog><model>i6300esb</model></watchdog>").await.refused(
        400,
        "Incomplete parameters",
        "WatchDog [action] required for add",
    );
    sim.post(&list, "<watchdog><model>ib700</model><action>reset</action></watchdog>").await.is(400);
    let body = "<watchdog><model>i6300esb</model><action>RESET</action></watchdog>";
    let made = sim.post(&list, body).await.is(201);
    assert_eq!((made.at("model"), made.at("action")), ("i6300esb".into(), "reset".into()));
    assert_eq!(device().as_deref(), Some("reset"));
    sim.post(&list, body).await.refused(409, FAILED, "[Cannot add a watchdog. The VM has one already.]");
    let path = format!("{list}/{}", made.at("@id"));
    assert_eq!(sim.get(&path).await.is(200).at("vm/@id"), vm.to_string());
    assert_eq!(sim.get(&format!("{list}/{UNKNOWN}")).await.is(200).at("@id"), made.at("@id"));
    sim.put(&path, "<watchdog><action>pause</action></watchdog>").await.is(200);
    assert_eq!(device().as_deref(), Some("pause"));
    sim.delete(&path).await.is(204);
    assert_eq!(device(), None);
    sim.delete(&path).await.is(404);
}

#[tokio::test]
async fn devices_of_the_host() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let host = sim.get("/hosts").await.at("host/@id");
    let all = sim.get(&format!("/hosts/{host}/devices")).await.is(200);
    assert_eq!(all.each("host_device", "name"), ["pci_0000_00_1f_2", "pci_0000_02_10_7", "usb_1_1"]);
    let id = all.each("host_device", "@id")[1].clone();
    let shown = sim.get(&format!("/hosts/{host}/devices/{id}")).await.is(200);
    assert_eq!(
        (shown.at("iommu_group"), shown.at("product/name")),
        ("31".into(), "82576 Virtual Function".into())
    );
    sim.get(&format!("/hosts/{host}/devices/00")).await.is(404);

    let list = format!("/vms/{vm}/hostdevices");
    assert_eq!(sim.get(&list).await.is(200).each("host_device", "@id").len(), 0);
    let body = |name: &str| format!("<host_device><name>{name}</name></host_device>");
    sim.post(&list, "<host_device/>").await.refused(
        400,
        "Incomplete parameters",
        "HostDevice [id|name] required for add",
    );
    sim.post(&list, &body("pci_0000_ff_00_0")).await.is(404);
    let unguarded = "[Cannot add the host device. The host's IOMMU does not guard 'pci_0000_00_1f_2'.]";
    sim.post(&list, &body("pci_0000_00_1f_2")).await.refused(409, FAILED, unguarded);
    sim.post(&list, &body("usb_1_1")).await.is(409);
    let made = sim.post(&list, &format!("<host_device id='{id}'/>")).await.is(201);
    assert_eq!((made.at("name"), made.at("vm/@id")), ("pci_0000_02_10_7".into(), vm.to_string()));
    sim.post(&list, &body("pci_0000_02_10_7")).await.is(409);
    let defined = || xml::parse(sim.hypervisor.document(vm, true).unwrap().unwrap().as_bytes()).unwrap();
    assert_eq!(defined().value("devices/hostdev/source/address/@function").as_deref(), Some("0x7"));
    let path = format!("{list}/{id}");
    sim.get(&path).await.is(200);
    sim.delete(&path).await.is(204);
    sim.delete(&path).await.is(404);
    assert_eq!(defined().every("devices/hostdev").len(), 0);
}
