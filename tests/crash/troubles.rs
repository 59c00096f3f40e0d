//! A host that lets the daemon down, clients that go away, strangers at libvirt.

use super::place::{MIB, Place, attempt, create_disk, create_vm, disk_document, items, start, vm_document};
use crate::live::harness::Client;
use base64::prelude::*;
use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

impl Place {
    fn images(&self) -> String {
        self.lab.daemon.state.join("images").display().to_string()
    }
}

/// The number of the daemon's image files.
fn files(place: &Place) -> usize {
    // Hints are written behind the operations.
    let listed = place.among_mounts("ls", &["-A", &place.images()]);
    listed.split_whitespace().filter(|name| !name.contains(".ovf")).count()
}

#[test]
fn a_full_or_read_only_storage() {
    let Some(place) = Place::new() else { return };
    let (client, images) = (place.client(), place.images());
    let vm = create_vm(&client, "victim");
    let before = files(&place);
    // Daemon and QEMUs to come see it; the bystander has its image open.
    place.among_mounts("mount", &["-t", "tmpfs", "-o", "size=4m", "tmpfs", &images]);
    let filler = format!("{images}/filler");
    place.among_mounts("dd", &["if=/dev/zero", &format!("of={filler}"), "bs=64k", "count=62"]);
    let path = format!("/vms/{vm}/disks");
    let whole = format!(
        "<disk><alias>raw</alias><provisioned_size>{}</provisioned_size><interface>virtio</interface>\
         <format>raw</format><sparse>false</sparse><storage_domains><storage_domain><name>data</name>\
         </storage_domain></storage_domains></disk>",
        2 * MIB
    );
    for document in [disk_document("full", ""), whole.clone()] {
        let refused = client.send("POST", &path, &["Expect: 201-created"], &document).refused(409);
        assert!(refused.contains("ow disk space"), "{refused}");
        assert_eq!(files(&place), 1, "only the filler");
    }
    place.among_mounts("rm", &[&filler]);
    place.among_mounts("mount", &["-o", "remount,ro", &images]);
    for document in [disk_document("read-only", ""), whole.clone()] {
        client.send("POST", &path, &["Expect: 201-created"], &document).refused(409);
        assert_eq!(files(&place), 0);
    }
    place.among_mounts("mount", &["-o", "remount,rw", &images]);
    let disk = client.send("POST", &path, &["Expect: 201-created"], &whole).is(201);
    client.delete(&format!("/disks/{}", disk.value("@id").unwrap())).is(204);
    place.among_mounts("umount", &[&images]);
    assert_eq!(files(&place), before);
    place.whole();
}

#[test]
fn a_full_state_folder() {
    let Some(mut place) = Place::new() else { return };
    place.lab.daemon.kill();
    let state = place.lab.daemon.state.display().to_string();
    let small = format!("{state}-small");
    // The database alone moves to a small file system.
    place.among_mounts("cp", &["-a", &state, &small]);
    place.among_mounts("mount", &["-t", "tmpfs", "-o", "size=3m,mode=711", "tmpfs", &state]);
    place.among_mounts("sh", &["-c", &format!("cp -a {small}/. {state}/")]);
    place.lab.daemon.restart();
    let client = place.client();
    let filler = format!("{state}/filler");
    place.among_mounts("sh", &["-c", &format!("dd if=/dev/zero of={filler} bs=4k 2>/dev/null || true")]);
    // The log that the database writes ahead has some room left in what it has already.
    let mut refused = 0;
    for n in 0..200 {
        let reply = client.post("/vms", &vm_document(&format!("full-{n}")));
        assert!(matches!(reply.status, 201 | 400 | 409), "{} {}", reply.status, reply.body);
        refused += u32::from(reply.status == 409);
        if refused == 3 {
            break;
        }
    }
    assert_eq!(refused, 3, "the state folder never was full");
    assert_eq!(client.get("/vms").status, 200);
    place.among_mounts("rm", &[&filler]);
    let vm = create_vm(&client, "after");
    client.delete(&format!("/vms/{vm}")).is(204);
}

/// Sends the beginning of a conversation and hangs up.
fn hang_up(client: &Client, method: &str, path: &str, body: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", client.port)).unwrap();
    let credentials =
        BASE64_STANDARD.encode(format!("{}:{}", crate::live::harness::USER, crate::live::harness::PASSWORD));
    let request = format!(
        "{method} /ovirt-engine/api{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {credentials}\r\n\
         Content-Type: application/xml\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
}

#[test]
fn clients_that_hang_up_and_a_stop_amid_work() {
    let Some(mut place) = Place::new() else { return };
    let client = place.client();
    for n in 0..10 {
        hang_up(&client, "POST", "/vms", &vm_document(&format!("gone-{n}")));
        std::thread::sleep(Duration::from_millis(n * 3));
    }
    let vm = create_vm(&client, "stays");
    for n in 0..10 {
        hang_up(&client, "POST", &format!("/vms/{vm}/disks"), &disk_document(&format!("gone-{n}"), ""));
    }
    std::thread::sleep(Duration::from_millis(500));
    place.whole();

    // A guest that does not let go keeps a request at work until its time is up.
    let deaf = disk_document("deaf", "").replace("virtio_scsi", "virtio");
    let path = format!("/vms/{vm}/disks");
    let disk = client.send("POST", &path, &["Expect: 201-created"], &deaf).is(201).value("@id").unwrap();
    start(&client, &vm);
    let unplug = std::thread::spawn(move || {
        attempt(&client, "POST", &format!("/vms/{vm}/disks/{disk}/deactivate"), "<action/>")
    });
    std::thread::sleep(Duration::from_millis(300));
    let begun = Instant::now();
    assert!(place.lab.daemon.terminate().success());
    assert!(begun.elapsed() < Duration::from_secs(11), "the stop took {:?}", begun.elapsed());
    let answer = unplug.join().unwrap();
    assert!(answer.is_none_or(|reply| reply.status == 409));
    place.recovered();
}

#[test]
fn a_second_daemon_is_refused() {
    let Some(place) = Place::new() else { return };
    let mut second = place.lab.daemon.command();
    let output = second.env("VIREO_SERVER_LISTEN", "127.0.0.1:0").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("Another vireo"), "{said}");
    place.whole();
}

#[test]
fn strangers_at_libvirt() {
    let Some(place) = Place::new() else { return };
    let folder = place.lab.host.root.join("odd 'places' & \"things\"");
    std::fs::create_dir(&folder).unwrap();
    let image = folder.join("a,b 'c' & \"d\".raw");
    std::fs::File::create(&image).unwrap().set_len(MIB).unwrap();
    let escaped = image.display().to_string().replace('&', "&amp;").replace('\'', "&apos;");
    let disk = format!(
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{escaped}'/>\
         <target dev='vda' bus='virtio'/></disk>"
    );
    let domain = |name: &str, devices: &str| {
        format!(
            "<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>\
             <os><type arch='x86_64'>hvm</type></os><devices>{devices}</devices></domain>"
        )
    };
    let odd = [
        domain("no-disks", ""),
        domain("it&apos;s &quot;quoted&quot; &amp; &lt;odd&gt;", ""),
        domain("one", &disk),
        domain("the-other", &disk),
        domain(
            "devices",
            "<watchdog model='ib700' action='none'/><memballoon model='none'/><panic model='isa'/>\
             <vsock model='virtio'><cid auto='yes'/></vsock><input type='tablet' bus='usb'/>\
             <disk type='network' device='disk'><source protocol='nbd' name='x'><host name='localhost' \
             port='10809'/></source><target dev='vdb' bus='virtio'/></disk>\
             <disk type='block' device='cdrom'><target dev='sda' bus='sata'/></disk>\
             <interface type='user'/><channel type='unix'><target type='virtio' name='x.y'/></channel>\
             <redirdev bus='usb' type='spicevmc'/><graphics type='spice' autoport='yes'/>",
        ),
    ];
    let file = place.lab.host.root.join("odd.xml");
    let virsh = |verb: &str, document: &str| {
        std::fs::write(&file, document).unwrap();
        let mut virsh = Command::new("virsh");
        crate::live::harness::run(virsh.args(["-q", "-c", &place.lab.host.uri, verb]).arg(&file));
    };
    odd.iter().for_each(|document| virsh("define", document));
    virsh("create", &domain("transient", ""));
    std::thread::sleep(Duration::from_secs(1));
    let client = place.client();
    let listed = items(&client.get("/vms").is(200), "vm");
    let mut names: Vec<String> = listed.values().map(|vm| vm.value("name").unwrap()).collect();
    names.sort();
    let wanted =
        ["bystander", "devices", "it's \"quoted\" & <odd>", "no-disks", "one", "the-other", "transient"];
    assert_eq!(names, wanted);
    for id in listed.keys() {
        for sub in ["", "/disks", "/statistics"] {
            client.get(&format!("/vms/{id}{sub}")).is(200);
        }
    }
    // They are looked at only: neither configuration nor existence is ours to change.
    let foreign = listed.iter().find(|(_, vm)| vm.value("name").as_deref() == Some("one")).unwrap().0;
    client.delete(&format!("/vms/{foreign}")).refused(409);
    client.put(&format!("/vms/{foreign}"), "<vm><name>mine</name></vm>").refused(409);
    client.post("/vms", &vm_document("one")).refused(400);
    create_disk(&client, None, "still-at-work", "");
}
