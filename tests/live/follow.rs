//! What happens to VMs behind the daemon's back shows within a second.

use super::harness::{Boots, Listener, Nic, Vm, guests, lab, run, until};
use std::process::Command;
use std::time::{Duration, Instant};

/// The API says so at once. libvirt tells when it has cleaned up, on a busy machine seconds after its
/// own state has changed.
fn is_down_at_once(vm: &Vm, libvirt: &mut Listener) {
    libvirt.hear("Stopped");
    vm.becomes("down", 3);
}

/// Kills the VM's QEMU; tells which process it was.
fn kill(vm: &Vm) -> String {
    signal(vm, "-KILL")
}

fn signal(vm: &Vm, signal: &str) -> String {
    let qemu = vm.lab.host.qemu(&vm.id).unwrap();
    run(Command::new("kill").args([signal, &qemu]));
    qemu
}

/// A QEMU that answers nothing is told so; nobody else waits for it, and it comes back by itself.
#[test]
fn a_hung_guest_holds_nobody_up() {
    let Some(lab) = lab() else { return };
    let (hung, other) = (lab.vm("hung", Boots::Mini, ""), lab.vm("other", Boots::Mini, ""));
    let mut guest = hung.boot();
    other.boot();
    signal(&hung, "-STOP");
    let begun = Instant::now();
    let refused = Nic::ask(&hung, "nic1", "");
    assert!(refused.status >= 400, "{}", refused.status);
    let waited = begun.elapsed();
    // libvirt itself waits 30 s for its turn.
    assert!(waited < Duration::from_secs(33), "a fault after {waited:?}");
    assert_eq!(hung.state(), "not_responding");
    let begun = Instant::now();
    let nic = Nic::create(&other, "nic1", "");
    assert_eq!(other.state(), "up");
    assert!(begun.elapsed() < Duration::from_secs(5), "others wait: {:?}", begun.elapsed());
    nic.act("deactivate");

    signal(&hung, "-CONT");
    hung.becomes("up", 20);
    guest.ask("poke 20971520 3735928559");
    let names = |vm: &Vm| lab.client().get(&format!("{}/nics", vm.path())).is(200).every("nic").len();
    until(30, "what was refused is undone", || names(&hung) == 0);
}

#[test]
fn an_end_is_seen_whoever_makes_it() {
    let Some(lab) = lab() else { return };
    let vm = lab.vm("ends", Boots::Mini, "");
    let mut libvirt = lab.host.listen(&vm.id);
    let mut guest = vm.boot();
    libvirt.hear("Started");
    guest.say("bye off");
    is_down_at_once(&vm, &mut libvirt);

    vm.start();
    lab.host.virsh(&["destroy", &vm.id]);
    is_down_at_once(&vm, &mut libvirt);

    vm.start();
    kill(&vm);
    is_down_at_once(&vm, &mut libvirt);
    assert!(vm.field("stop_time").is_some());
}

#[test]
fn a_highly_available_vm_comes_back() {
    let Some(lab) = lab() else { return };
    let availability = "<high_availability><enabled>true</enabled></high_availability>";
    let vm = lab.vm("comes-back", Boots::Halt, availability);
    vm.start();
    let killed = kill(&vm);
    until(10, "another QEMU", || lab.host.qemu(&vm.id).is_some_and(|qemu| qemu != killed));
    vm.becomes("up", 5);
    // Ended on purpose it stays down. The engine may still be writing down that it started it.
    until(5, "its stop", || vm.post("stop", "<action/>").status == 200);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(vm.state(), "down");
}

#[test]
fn a_pause_at_the_start_lasts_until_the_next_one() {
    let Some(lab) = lab() else { return };
    let vm = lab.vm("paused", Boots::Halt, "");
    vm.act_with("start", "<action><pause>true</pause></action>");
    assert_eq!(vm.state(), "paused");
    assert_eq!(lab.host.virsh(&["domstate", &vm.id]), "paused");
    vm.post("suspend", "<action/>").refused(409);
    lab.client().delete(&vm.path()).refused(409);
    vm.act("start");
    assert_eq!((vm.state().as_str(), lab.host.virsh(&["domstate", &vm.id]).as_str()), ("up", "running"));
    vm.act("stop");
    assert_eq!(vm.state(), "down");
    // What is so already is no mistake.
    vm.act("stop");
    vm.act("shutdown");
    vm.post("reboot", "<action/>").refused(409);
}

#[test]
fn a_foreign_domain_is_listed_and_left_alone() {
    let Some(lab) = lab() else { return };
    let id = uuid::Uuid::new_v4().to_string();
    let file = lab.host.root.join("foreign.xml");
    let document = format!(
        "<domain type='qemu'><name>foreign</name><uuid>{id}</uuid><memory unit='MiB'>32</memory><vcpu>1</vcpu>\
         <os><type machine='q35'>hvm</type><kernel>{}</kernel></os><features><acpi/></features></domain>",
        guests().unwrap().join("halt.elf").display()
    );
    std::fs::write(&file, document).unwrap();
    lab.host.virsh(&["define", file.to_str().unwrap()]);
    let foreign = Vm { lab: &lab, id };
    let client = lab.client();
    until(5, "the domain is listed", || {
        client.get("/vms").is(200).all("vm").any(|vm| vm.get("id") == Some(&foreign.id))
    });
    let shown = foreign.show();
    assert_eq!(shown.value("name").as_deref(), Some("foreign"));
    assert_eq!(shown.value("origin").as_deref(), Some("external"));
    assert_eq!(shown.number("memory"), Some(32u64 << 20));

    foreign.start();
    assert_eq!(lab.host.virsh(&["domstate", &foreign.id]), "running");
    foreign.act("stop");
    assert_eq!(foreign.state(), "down");
    client.put(&foreign.path(), "<vm><description>mine</description></vm>").refused(409);
    client.delete(&foreign.path()).refused(409);
    let taken = "<vm><name>foreign</name><cluster><name>Default</name></cluster>\
                 <template><name>Blank</name></template></vm>";
    client.post("/vms", taken).refused(400);

    lab.host.virsh(&["undefine", &foreign.id]);
    until(1, "the domain is gone", || client.get(&foreign.path()).status == 404);
    std::mem::forget(foreign);
}

#[test]
fn what_cannot_change_now_changes_with_the_next_run() {
    let Some(lab) = lab() else { return };
    let vm = lab.vm("old-name", Boots::Halt, "");
    vm.start();
    vm.update("<name>new-name</name><description>said</description>");
    assert_eq!(vm.field("name").as_deref(), Some("new-name"));
    assert_eq!(lab.host.virsh(&["domname", &vm.id]), "old-name");

    let more = "<vm><memory>50331648</memory><cpu><topology sockets='1' cores='2' threads='1'/></cpu></vm>";
    lab.client().put(&vm.path(), more).refused(400);
    lab.client().put(&format!("{};next_run", vm.path()), more).is(200);
    assert_eq!(vm.field("next_run_configuration_exists").as_deref(), Some("true"));
    assert_eq!(vm.show().number("memory"), Some(32u64 << 20));
    let next = lab.client().get(&format!("{};next_run", vm.path())).is(200);
    assert_eq!((next.number("memory"), next.number("cpu/topology/@cores")), (Some(48u64 << 20), Some(2)));

    vm.act("stop");
    until(2, "the new name is libvirt's", || lab.host.virsh(&["domname", &vm.id]) == "new-name");
    until(2, "the next run's configuration", || vm.show().number("memory") == Some(48u64 << 20));
    assert_eq!(vm.field("next_run_configuration_exists").as_deref(), Some("false"));
    vm.start();
    let document = vm.document();
    assert_eq!(document.value("name").as_deref(), Some("new-name"));
    assert_eq!(document.number("memory"), Some(48u64 << 10));
    assert_eq!(document.number("cpu/topology/@cores"), Some(2));
}
