//! What guests tell of themselves, and who uses them.

use super::*;

/// A running VM with an agent in it that has told of itself.
async fn talkative(sim: &Sim) -> VmId {
    let vm = sim.vm("a").await;
    sim.disk(&format!("/vms/{vm}/disks"), "d").await;
    sim.post(&format!("/vms/{vm}/nics"), "<nic><name>nic1</name></nic>").await.is(201);
    sim.start_vm(vm).await;
    sim.hypervisor.set_agent(vm, true);
    sim.until("told", || sim.engine.inventory.guest(vm).is_some_and(|told| told.host_name.is_some())).await;
    vm
}

#[tokio::test]
async fn a_guest_tells_of_itself() {
    let sim = Sim::start().await;
    let vm = talkative(&sim).await;
    let path = format!("/vms/{vm}");
    let shown = sim.get(&path).await.is(200);
    assert_eq!(shown.at("guest_info/ips/ip/@address"), "192.0.2.1");
    assert_eq!(shown.at("guest_info/fqdn"), "a.example.com");
    assert_eq!(shown.at("guest_operating_system/distribution"), "Debian GNU/Linux");
    assert_eq!(shown.at("guest_operating_system/kernel/version/@major"), "6");
    assert_eq!(shown.at("guest_time_zone/utc_offset"), "+01:00");
    let logical_name = async || sim.get(&format!("{path}/disks")).await.at("disk/logical_name");
    assert_eq!(logical_name().await, "/dev/vda");

    let list = format!("{path}/applications");
    let got = sim.get(&list).await.is(200);
    assert_eq!(got.each("application", "name"), ["kernel-6.1.0-28-amd64"]);
    let one = sim.get(&format!("{list}/{}", got.at("application/@id"))).await.is(200);
    assert_eq!(one.at("vm/@id"), vm.to_string());
    sim.get(&format!("{list}/{UNKNOWN}")).await.is(404);

    let nics = sim.send("GET", &format!("{path}/nics"), &[("all-content", "true")], "").await.is(200);
    assert_eq!(nics.at("nic/reported_devices/reported_device/name"), "eth0");

    // A guest that is off tells nothing.
    sim.post(&format!("{path}/stop"), "<action/>").await.is(200);
    let off = sim.get(&path).await.is(200);
    assert_eq!(logical_name().await, "");
    assert_eq!(off.xml().every("guest_info").len() + off.xml().every("guest_operating_system").len(), 0);
    assert_eq!(sim.get(&list).await.is(200).each("application", "name").len(), 0);
}

#[tokio::test]
async fn sessions_show_who_looks_and_who_is_logged_in() {
    let sim = Sim::start().await;
    let vm = talkative(&sim).await;
    let list = format!("/vms/{vm}/sessions");
    assert_eq!(sim.get(&list).await.is(200).each("session", "@id").len(), 0);
    sim.post(&format!("/vms/{vm}/ticket"), "<action/>").await.is(200);
    sim.hypervisor.view(vm, "192.0.2.77", 41000, true);
    sim.hypervisor.log_in(vm, "root");
    sim.until("both are seen", || sim.engine.sessions(vm).unwrap().len() == 2).await;
    let got = sim.get(&list).await.is(200);
    let ids = got.each("session", "@id");
    assert_ne!(ids[0], ids[1]);
    assert_eq!(got.each("session", "console_user"), ["true", ""]);
    assert_eq!(got.each("session", "ip/@address"), ["192.0.2.77", ""]);
    assert_eq!(got.each("session", "user/user_name"), ["admin", "root"]);
    assert_eq!(got.each("session", "user/@id"), [ADMIN, ""]);
    assert_eq!(got.each("session", "user/domain/name"), ["internal", ""]);
    assert_eq!(got.at("session/protocol"), "vnc");
    for id in ids {
        assert_eq!(sim.get(&format!("{list}/{id}")).await.is(200).at("@id"), id);
    }
    sim.get(&format!("{list}/{UNKNOWN}")).await.is(404);
    sim.get(&format!("/vms/{UNKNOWN}/sessions")).await.is(404);
    sim.hypervisor.view(vm, "192.0.2.77", 41000, false);
    sim.until("one is left", || sim.engine.sessions(vm).unwrap().len() == 1).await;
    sim.post(&format!("/vms/{vm}/stop"), "<action/>").await.is(200);
    assert_eq!(sim.get(&list).await.is(200).each("session", "@id").len(), 0);
}
