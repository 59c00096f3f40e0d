//! What guests tell of themselves, who uses them, and the watchdog that watches them.

use super::harness::{Boots, Disk, Nic, Vm, lab, until};
use std::process::{Child, Command, Stdio};

/// Looks at the VM's console for a few seconds, as a VNC client that knows the password.
fn look(vm: &Vm, password: &str) -> Child {
    let shown = vm.show();
    let (address, port) = (shown.value("display/address").unwrap(), shown.value("display/port").unwrap());
    // VNC takes the bits of a password's bytes the other way round.
    let key: String = password.bytes().map(|byte| format!("{:02x}", byte.reverse_bits())).collect();
    let talk = format!(
        "exec 3<>/dev/tcp/{address}/{port}; head -c 12 <&3 >/dev/null; printf 'RFB 003.008\\n' >&3; \
         head -c 2 <&3 >/dev/null; printf '\\x02' >&3; \
         challenge=$(head -c 16 <&3 | od -An -tx1 | tr -d ' \\n'); \
         printf \"$(sed 's/../\\\\x&/g' <<<\"$challenge\")\" | \
         openssl enc -des-ecb -K {key} -nopad -provider legacy -provider default >&3; \
         head -c 4 <&3 | od -An -tu1; printf '\\x01' >&3; head -c 24 <&3 >/dev/null; sleep 4"
    );
    let script = format!("{}/tests/lab/host", env!("CARGO_MANIFEST_DIR"));
    let name = vm.lab.host.root.file_name().unwrap();
    let mut command = Command::new(script);
    command.arg(name).args(["exec", "bash", "-c", &talk]).stdout(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_guest_and_its_users_are_known() {
    let Some(lab) = lab() else { return };
    let vm = lab.vm("talks", Boots::Linux, "");
    let nic = Nic::create(&vm, "nic1", "");
    let of = |interface| Disk::create(&vm, &Disk::document(16, interface, "raw", ""));
    let disks = ["virtio", "virtio_scsi"].map(of);
    let mut guest = vm.boot();
    guest.ask("hostname web1.example.com");
    guest.ask("ip addr add 192.0.2.10/24 dev $(basename $(ls -d /sys/class/net/e*))");
    until(30, "the guest has told its name", || {
        vm.show().value("guest_info/fqdn").as_deref() == Some("web1.example.com")
    });
    until(10, "and its address", || nic.addresses().contains(&"192.0.2.10".to_owned()));
    // As udev writes it.
    guest.ask(
        "mkdir -p /run/udev/data; for name in vda sda; do cd /sys/block/$name; \
         serial=$(cat serial 2>/dev/null || tail -c +5 device/vpd_pg80); \
         echo E:ID_SERIAL=0QEMU_$serial >/run/udev/data/b$(cat dev); done",
    );
    for (disk, device) in disks.iter().zip(["/dev/vda", "/dev/sda"]) {
        until(10, "the guest names its disk", || disk.field("logical_name").as_deref() == Some(device));
    }
    let shown = vm.show();
    let ips: Vec<_> =
        shown.every("guest_info/ips/ip").into_iter().filter_map(|ip| ip.value("@address")).collect();
    assert!(ips.contains(&"192.0.2.10".into()) && !ips.contains(&"127.0.0.1".into()), "{ips:?}");
    let kernel = guest.ask("uname -r");
    let major: u16 = kernel.split('.').next().unwrap().parse().unwrap();
    assert_eq!(shown.number("guest_operating_system/kernel/version/@major"), Some(major));
    let applications = lab.client().get(&format!("{}/applications", vm.path())).is(200);
    assert_eq!(applications.value("application/name"), Some(format!("kernel-{kernel}")));

    // Somebody logs in: a record of libc's, as login writes it.
    guest.ask(
        "{ printf '\\007\\000\\000\\000\\001\\000\\000\\000ttyS0'; head -c 31 /dev/zero; printf alice; \
         head -c 335 /dev/zero; } >/run/utmp",
    );
    let sessions = || lab.client().get(&format!("{}/sessions", vm.path())).is(200);
    until(15, "the user is seen", || sessions().value("session/user/user_name").as_deref() == Some("alice"));

    let ticket = vm.act("ticket").value("ticket/value").unwrap();
    let viewer = look(&vm, &ticket);
    until(10, "the viewer is seen", || sessions().every("session").len() == 2);
    let seen = sessions();
    let console = seen.all("session").find(|one| one.value("console_user").as_deref() == Some("true"));
    let console = console.unwrap();
    assert_eq!(console.value("user/user_name").as_deref(), Some("admin"));
    assert_eq!(console.value("protocol").as_deref(), Some("vnc"));
    assert!(console.value("ip/@address").is_some_and(|address| !address.is_empty()), "{console:?}");
    let said = String::from_utf8(viewer.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(said.split_whitespace().collect::<Vec<_>>(), ["0"; 4], "the ticket is taken");
    until(10, "the viewer has gone", || sessions().every("session").len() == 1);
}

/// The watchdog's address in the guest.
fn set_watchdog(vm: &Vm) -> super::harness::Guest {
    let mut guest = vm.boot();
    let pci = guest.ask("pci");
    let line = pci.lines().find(|line| line.contains("8086:25ab")).unwrap_or_else(|| panic!("{pci}"));
    let at = line.split(' ').next().unwrap().to_owned();
    guest.ask(&format!("i6300esb {at} 300"));
    guest
}

#[test]
fn a_watchdog_bites() {
    let Some(lab) = lab() else { return };
    let vm = lab.vm("watched", Boots::Mini, "");
    let list = format!("{}/watchdogs", vm.path());
    let body =
        |action: &str| format!("<watchdog><model>i6300esb</model><action>{action}</action></watchdog>");
    let made = lab.client().post(&list, &body("reset")).is(201);
    let path = format!("{list}/{}", made.value("@id").unwrap());
    let mut guest = set_watchdog(&vm);
    guest.boots_again();
    vm.act("stop");

    lab.client().put(&path, &body("pause")).is(200);
    set_watchdog(&vm);
    vm.becomes("paused", 10);
    vm.act("stop");

    lab.client().put(&path, &body("poweroff")).is(200);
    set_watchdog(&vm);
    vm.becomes("down", 10);
    lab.client().delete(&path).is(204);
    assert!(vm.document().at("devices/watchdog").is_none());
}
