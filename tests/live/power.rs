//! A Linux guest through its power states, and what changes while it runs.

use super::harness::{Boots, Disk, Guest, MIB, Vm, lab, until};

const ONCE: &str = "console=ttyS0 quiet vireo.once";

/// Whether libvirt hears the guest's agent.
fn agent(vm: &Vm) -> bool {
    let document = vm.document();
    let mut states = document.every("devices/channel").into_iter().filter_map(|it| it.value("target/@state"));
    states.any(|state| state == "connected")
}

fn uptime(guest: &mut Guest) -> f64 {
    guest.ask("cut -d' ' -f1 /proc/uptime").parse().unwrap()
}

#[test]
fn linux_through_its_power_states() {
    let Some(lab) = lab() else { return };
    let grows = "<custom_properties><custom_property name='memory_growth' value='4'/></custom_properties>";
    let vm = lab.vm("power", Boots::Linux, grows);
    vm.add_disk(&Disk::document(16, "virtio", "raw", ""));
    let mut guest = vm.boot();
    assert!(vm.post("start", "<action/>").refused(409).contains("VM is running"));
    lab.client().delete(&vm.path()).refused(409);
    until(30, "the agent", || agent(&vm));

    freeze(&vm, &mut guest);
    change(&vm, &mut guest);
    let mut guest = sleep(&vm, guest);

    // Reboot: by the agent, as libvirt hears one.
    guest.ask("touch /run/of-this-boot");
    let before = uptime(&mut guest);
    vm.act("reboot");
    assert_eq!(vm.state(), "reboot_in_progress");
    guest.boots_again();
    vm.becomes("up", 5);
    assert!(uptime(&mut guest) < before);
    guest.ask("! test -e /run/of-this-boot");

    // Shut down: with nobody at the button it is the agent.
    until(30, "the agent", || agent(&vm));
    guest.ask("killall acpid");
    vm.act("shutdown");
    vm.becomes("down", 30);

    once(&vm);
}

/// Writes wait while the file systems are frozen.
fn freeze(vm: &Vm, guest: &mut Guest) {
    guest.ask("mke2fs -F /dev/vda >/dev/null 2>&1 && mkdir -p /mnt && mount -t ext4 /dev/vda /mnt");
    vm.act("freezefilesystems");
    guest.ask("(echo x >/mnt/file; sync; touch /run/written) >/dev/null 2>&1 &");
    std::thread::sleep(std::time::Duration::from_secs(1));
    guest.ask("! test -e /run/written");
    vm.act("thawfilesystems");
    guest.until(5, "test -e /run/written");
    guest.ask("umount /mnt");
}

/// Memory, sockets and pins of the running VM.
fn change(vm: &Vm, guest: &mut Guest) {
    let virsh = |arguments: &[&str]| vm.lab.host.virsh(arguments);
    vm.update(&format!("<memory>{}</memory>", 192 * MIB));
    until(10, "the balloon has taken its part", || {
        virsh(&["dommemstat", &vm.id]).contains(&format!("actual {}", 192 * 1024))
    });
    assert_eq!(vm.statistic("memory.installed"), (192 * MIB) as f64);
    grow(vm, guest);

    vm.update("<cpu><topology sockets='2' cores='1' threads='1'/></cpu>");
    assert_eq!(virsh(&["vcpucount", &vm.id, "--live", "--active"]), "2");
    guest.until(10, "echo 1 >/sys/devices/system/cpu/cpu1/online; test $(nproc) = 2");
    let topology = "<vm><cpu><topology sockets='2' cores='2' threads='1'/></cpu></vm>";
    vm.lab.client().put(&vm.path(), topology).refused(400);

    vm.update("<cpu><cpu_tune><vcpu_pin vcpu='1' cpu_set='0'/></cpu_tune></cpu>");
    let pins = virsh(&["vcpupin", &vm.id]);
    let pin = pins.lines().find(|line| line.trim_start().starts_with("1 ")).unwrap();
    assert_eq!(pin.split_whitespace().last(), Some("0"), "{pins}");
    let kept = vm.lab.host.persistent_document(&vm.id);
    assert_eq!(kept.value("cputune/vcpupin/@cpuset").as_deref(), Some("0"));
    assert_eq!(vm.field("cpu/cpu_tune/vcpu_pin/@cpu_set").as_deref(), Some("0"));
}

/// More memory than it was started with.
fn grow(vm: &Vm, guest: &mut Guest) {
    let memory = |mib: u64| format!("<memory>{}</memory>", mib * MIB);
    for mib in [256 * 4 + 128, 256 + 100] {
        let refused = vm.lab.client().put(&vm.path(), &format!("<vm>{}</vm>", memory(mib))).refused(409);
        assert!(refused.contains("memory"), "{refused}");
    }
    vm.update(&memory(512));
    let blocks =
        "for it in /sys/devices/system/memory/memory*/state; do grep -q online $it || echo online >$it; done";
    guest.until(10, "test $(ls -d /sys/devices/system/memory/memory[0-9]* | wc -l) = 4");
    guest.ask(blocks);
    guest.until(10, "test $(awk '/MemTotal/ { print $2 }' /proc/meminfo) -gt 400000");
    let module = vm.lab.host.document(&vm.id);
    assert_eq!(module.value("devices/memory/target/size").as_deref(), Some("262144"));
    let kept = vm.lab.host.persistent_document(&vm.id);
    assert!(kept.at("devices/memory").is_none());
    assert_eq!(kept.value("memory").as_deref(), Some("524288"));
    vm.update(&memory(448));
    until(10, "the balloon has taken its part", || {
        vm.lab.host.virsh(&["dommemstat", &vm.id]).contains(&format!("actual {}", 448 * 1024))
    });
    // What has been plugged comes back by the balloon alone.
    vm.update(&memory(512));
    assert_eq!(vm.lab.host.document(&vm.id).every("devices/memory").len(), 1);
}

/// To disk and back, and paused: the guest's memory is what it was.
fn sleep(vm: &Vm, mut guest: Guest) -> Guest {
    guest.ask("echo remembered >/run/memory");
    let answer = vm.post("suspend", "<action/>").is(202);
    assert_eq!(vm.state(), "saving_state");
    let progress = answer.value("@href").unwrap().replace("/ovirt-engine/api", "");
    vm.becomes("suspended", 60);
    until(5, "the action is complete", || {
        vm.lab.client().get(&progress).is(200).value("status/state").as_deref() == Some("complete")
    });
    assert!(vm.lab.host.virsh(&["dominfo", &vm.id]).contains("Managed save:   yes"));
    vm.lab.client().delete(&vm.path()).refused(409);
    drop(guest);

    vm.start();
    let mut guest = vm.guest();
    assert_eq!(guest.ask("cat /run/memory"), "remembered");

    vm.lab.host.virsh(&["suspend", &vm.id]);
    vm.becomes("paused", 2);
    assert_eq!(vm.field("status/detail").as_deref(), Some("none"));
    vm.start();
    assert_eq!(guest.ask("cat /run/memory"), "remembered");
    guest
}

/// A run with another command line, ended by the power button.
fn once(vm: &Vm) {
    let system = format!("<action><vm><os><cmdline>{ONCE}</cmdline></os></vm></action>");
    vm.act_with("start", &system);
    vm.becomes("up", 10);
    assert_eq!(vm.field("run_once").as_deref(), Some("true"));
    let mut guest = vm.guest();
    assert_eq!(guest.ask("cat /proc/cmdline"), ONCE);
    assert_eq!(vm.field("os/cmdline").as_deref(), Some("console=ttyS0 quiet"));
    let kept = vm.lab.host.persistent_document(&vm.id);
    assert_eq!(kept.value("os/cmdline").as_deref(), Some("console=ttyS0 quiet"));

    // The agent is ended with the loop that would start it again.
    guest.until(10, "p=$(pidof qemu-ga) && kill -9 $(awk '/^PPid/ { print $2 }' /proc/$p/status) $p");
    until(10, "the agent is gone", || !agent(vm));
    vm.act("shutdown");
    vm.becomes("down", 30);
    assert_eq!(vm.field("run_once"), None);
}
