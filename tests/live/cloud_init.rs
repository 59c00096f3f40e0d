//! Media that are made for a run, as guests read them.

use super::harness::{Boots, Guest, Lab, Vm, lab, until};
use std::path::PathBuf;

const TOLD: &str = "<initialization><cloud_init><host><address>web1</address></host><users><user>\
    <user_name>root</user_name><password>s3cret-word</password></user></users></cloud_init></initialization>\
    <payloads><payload type='cdrom'><files><file><name>greeting.txt</name><content>hello, guest</content></file>\
    </files><volume_id>mine</volume_id></payload><payload type='floppy'><files><file><name>a.txt</name>\
    <content>x</content></file></files></payload></payloads>";

/// The file of whichever CD has it.
fn read(guest: &mut Guest, name: &str) -> String {
    guest.until(
        10,
        &format!(
            "mkdir -p /cd; for cd in /dev/sr*; do mount -t iso9660 -o ro $cd /cd 2>/dev/null || continue; \
             [ -f /cd/{name} ] && cat /cd/{name} && umount /cd && found=yes && break; umount /cd; done; \
             [ -n \"$found\" ]"
        ),
    )
}

fn files(lab: &Lab) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(lab.daemon.state.join("payloads")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_guest_reads_what_it_is_told() {
    let Some(mut lab) = Lab::own() else { return };
    let vm = lab.vm("told", Boots::Linux, TOLD);
    let mut guest = vm.boot();
    let user_data = read(&mut guest, "user-data");
    for line in ["#cloud-config", "hostname: \"web1\"", "password: \"s3cret-word\""] {
        assert!(user_data.contains(line), "{user_data}");
    }
    assert!(read(&mut guest, "meta-data").contains("local-hostname: \"web1\""));
    assert_eq!(read(&mut guest, "greeting.txt"), "hello, guest");
    let labels =
        guest.ask("for cd in /dev/sr*; do dd if=$cd bs=1 skip=32808 count=6 2>/dev/null; echo; done");
    assert!(labels.contains("cidata") && labels.contains("mine"), "{labels}");
    assert_eq!(files(&lab).len(), 3);
    assert!(!lab.daemon.log().contains("s3cret"));
    assert!(!vm.document().to_string().contains("s3cret"));
    assert!(!lab.host.persistent_document(&vm.id).to_string().contains("ua-made"));

    // The guest reads on when the daemon has died, and the files go with its run.
    let id = vm.id.clone();
    std::mem::forget(vm);
    lab.daemon.kill();
    assert_eq!(read(&mut guest, "greeting.txt"), "hello, guest");
    lab.daemon.restart();
    assert_eq!((files(&lab).len(), read(&mut guest, "greeting.txt").as_str()), (3, "hello, guest"));
    let vm = Vm { lab: &lab, id };
    vm.post("suspend", "<action/>").is(202);
    vm.becomes("suspended", 60);
    vm.start();
    let mut guest = vm.guest();
    assert_eq!(read(&mut guest, "greeting.txt"), "hello, guest");
    vm.act("stop");
    assert_eq!(files(&lab).len(), 0);

    let mut guest = vm.boot();
    assert_eq!(read(&mut guest, "greeting.txt"), "hello, guest", "payloads come each time");
    assert_eq!(files(&lab).len(), 2, "the first run is over");
    lab.host.virsh(&["destroy", &vm.id]);
    until(10, "the files went with the run", || files(&lab).is_empty());
}

#[test]
fn answers_for_windows_are_on_its_floppy() {
    let Some(lab) = lab() else { return };
    let told = "<os type='windows_2012x64'/><initialization><host_name>win1</host_name><domain>example.org</domain>\
                <user_name>joe</user_name><root_password>s3cret-word</root_password></initialization>";
    let vm = lab.vm("answers", Boots::Halt, "");
    vm.update(told);
    vm.start();
    let document = vm.document();
    let floppy = document.every("devices/disk").into_iter().find(|it| it.get("device") == Some("floppy"));
    let image = std::fs::read(floppy.unwrap().value("source/@file").unwrap()).unwrap();
    let text = String::from_utf8_lossy(&image);
    assert!(text.contains("<ComputerName>win1</ComputerName>") && text.contains("s3cret-word"));
    assert!(!lab.daemon.log().contains("s3cret"));
    vm.act("stop");
    vm.start();
    assert!(!vm.document().to_string().contains("floppy"), "that was the first run");
}

#[test]
fn a_guest_on_the_older_chipset_reads_it_too() {
    let Some(lab) = lab() else { return };
    let more = format!("{TOLD}<custom_emulated_machine>pc</custom_emulated_machine>");
    let vm = lab.vm("told-pc", Boots::Linux, &more);
    let mut guest = vm.boot();
    assert_eq!(read(&mut guest, "greeting.txt"), "hello, guest");
}
