//! The daemon comes and goes, and so does libvirtd: guests live on.

use super::harness::{
    Boots, Client, Daemon, Disk, Host, Lab, Nic, Options, PASSWORD, Reply, USER, Vm, guests, run, until, wait,
};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[test]
fn it_starts_without_libvirt_and_finds_it_later() {
    if guests().is_none() {
        return;
    }
    let host = Host::start(&[]);
    host.command(&["stop"]);
    let daemon = Daemon::start(&host, &Options { degraded: true, ..Options::default() });
    assert!(daemon.health().unwrap().contains("libvirt is not available"));
    let client = daemon.client();
    client.get("").is(200);
    assert_eq!(client.get("/vms").is(200).all("vm").count(), 0);
    let vm = "<vm><name>early</name><cluster><name>Default</name></cluster>\
              <template><name>Blank</name></template></vm>";
    client.post("/vms", vm).refused(503);
    client.post("/disks", &Disk::document(8, "virtio", "cow", "")).is(202);

    host.command(&["start"]);
    until(30, "it is well", || daemon.health().is_some_and(|health| health.starts_with("ok")));
    let lab = Lab { daemon, host };
    let vm = lab.vm("late", Boots::Halt, "");
    vm.start();
}

/// `vireo` with those words, and a password at its standard input.
fn shell(state: &Path, words: &[&str], password: &str) -> Result<String, String> {
    let mut process = Command::new(env!("CARGO_BIN_EXE_vireo"))
        .args(words)
        .env("VIREO_PATHS_STATE", state)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that wants none is gone before it could be told.
    let _ = writeln!(process.stdin.take().unwrap(), "{password}");
    let ended = process.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if ended.status.success() { Ok(text(ended.stdout)) } else { Err(text(ended.stderr)) }
}

/// The status that those credentials get.
fn logs_in(port: u16, credentials: &str) -> String {
    let (name, password) = credentials.split_once(':').unwrap();
    let user = format!("{name}@internal:{password}");
    let url = format!("http://localhost:{port}/ovirt-engine/api");
    let filter = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Filter: true"];
    run(Command::new("curl").args(filter).args(["-u", &user, &url]))
}

#[test]
fn guests_outlive_it() {
    let Some(mut lab) = Lab::own() else { return };
    let vm = lab.vm("outlives", Boots::Mini, "");
    let mut guest = vm.boot();
    guest.ask("poke 20971520 3735928559");
    let id = vm.id.clone();
    std::mem::forget(vm);

    // Nobody else may have its state.
    let second = lab.daemon.command().env("VIREO_SERVER_LISTEN", "127.0.0.1:0").output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && said.contains("vireo ends"), "{said}");
    assert!(lab.daemon.health().is_some());

    // Its users are looked after at the shell, while it runs,
    let state = lab.daemon.state.clone();
    let shell = |words: &[&str], password: &str| shell(&state, words, password);
    assert!(shell(&["user", "list"], "").unwrap().contains("admin@internal\tSuperUser"));
    shell(&["group", "add", "devs"], "").unwrap();
    shell(&["user", "add", "anna", "--group", "devs", "--role", "UserRole"], "first-secret").unwrap();
    assert_eq!(logs_in(lab.daemon.port, "anna:first-secret"), "200");
    shell(&["user", "password", "anna"], "other-secret").unwrap();
    assert_eq!(logs_in(lab.daemon.port, "anna:first-secret"), "401", "the old password is one no longer");
    assert_eq!(logs_in(lab.daemon.port, "anna:other-secret"), "200");
    assert!(shell(&["user", "add", "bert"], "short").unwrap_err().contains("6 to 256 characters"));

    assert!(lab.daemon.terminate().success());
    assert_eq!(lab.host.virsh(&["domstate", &id]), "running");
    // and while it does not.
    shell(&["user", "add", "carl"], "carls-secret").unwrap();
    shell(&["user", "remove", "anna"], "").unwrap();
    assert!(shell(&["user", "remove", "admin"], "").unwrap_err().contains("the last one"));
    assert_eq!(guest.ask("peek 20971520"), "deadbeef");
    lab.daemon.restart();
    let vm = Vm { lab: &lab, id: id.clone() };
    assert_eq!(vm.state(), "up");
    std::mem::forget(vm);
    assert_eq!(logs_in(lab.daemon.port, "anna:other-secret"), "401");
    assert_eq!(logs_in(lab.daemon.port, "carl:carls-secret"), "200");

    // What happened while it was away is seen when it is back, after a crash, too.
    lab.daemon.kill();
    lab.host.virsh(&["destroy", &id]);
    lab.daemon.restart();
    let vm = Vm { lab: &lab, id };
    assert_eq!(vm.state(), "down");
    vm.start();
}

#[test]
fn a_killed_libvirtd_is_found_again() {
    let Some(lab) = Lab::own() else { return };
    let vm = lab.vm("survives", Boots::Mini, "");
    let mut guest = vm.boot();
    lab.host.command(&["kill-libvirtd", "KILL"]);
    until(5, "it says what is missing", || lab.daemon.health().unwrap().starts_with("degraded"));
    assert_eq!(vm.field("name").as_deref(), Some("survives"));
    vm.post("stop", "<action/>").refused(503);
    assert_eq!(vm.post("start", "<action/>").status, 503);
    guest.ask("poke 20971520 3735928559");

    lab.host.command(&["start-libvirtd"]);
    until(20, "it is well", || lab.daemon.health().unwrap().starts_with("ok"));
    vm.becomes("up", 2);
    assert_eq!(guest.ask("peek 20971520"), "deadbeef");
    // Events come from the new connection.
    lab.host.virsh(&["suspend", &vm.id]);
    vm.becomes("paused", 2);
    vm.start();
    let disk = vm.add_disk(&Disk::document(8, "virtio", "cow", "<active>true</active>"));
    disk.deactivate();
}

/// How often libvirtd is killed; the full count of R4 is `VIREO_LIBVIRTD_KILLS=50`.
fn kills() -> usize {
    std::env::var("VIREO_LIBVIRTD_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(4)
}

/// Clients that go on asking while libvirtd dies and comes back hear a reason each time they are
/// refused, and nothing that was promised is lost.
#[test]
fn libvirtd_is_killed_under_load() {
    let Some(lab) = Lab::own() else { return };
    let (runs, rests) = (lab.vm("runs", Boots::Halt, ""), lab.vm("rests", Boots::Halt, ""));
    runs.start();
    let client = lab.client();
    let over = AtomicBool::new(false);
    let (runs, rests, over) = (&runs, &rests, &over);
    let kept = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for path in
                    ["/vms".into(), format!("{}/statistics", runs.path()), format!("{}/nics", rests.path())]
                {
                    client.get(&path).is(200);
                }
            }
        });
        let changes = scope.spawn(|| {
            let mut kept = Vec::new();
            for number in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                // Refused for libvirt's sake, or for that of an operation whose end is still owed.
                let refused = |answer: Reply| {
                    let status = if answer.status == 409 { 409 } else { 503 };
                    answer.refused(status);
                };
                let name = format!("nic{number}");
                let made = Nic::ask(rests, &name, "");
                match made.status {
                    201 => kept.push(name),
                    _ => refused(made),
                }
                if kept.len() > 3 {
                    let all = client.get(&format!("{}/nics", rests.path())).is(200);
                    let oldest = all.all("nic").find(|nic| nic.value("name").as_ref() == Some(&kept[0]));
                    // One whose removal failed is back when that is undone.
                    let Some(oldest) = oldest else { continue };
                    let removed =
                        client.delete(&oldest.get("href").unwrap().replace("/ovirt-engine/api", ""));
                    match removed.status {
                        204 => drop(kept.remove(0)),
                        _ => refused(removed),
                    }
                }
            }
            kept
        });
        for kill in 0..kills() {
            lab.host.command(&["kill-libvirtd", "KILL"]);
            std::thread::sleep(Duration::from_millis(300));
            lab.host.command(&["start-libvirtd"]);
            let begun = Instant::now();
            until(15, "it is well", || lab.daemon.health().unwrap().starts_with("ok"));
            println!("{kill}: well after {:?}", begun.elapsed());
            // Events are heard again.
            lab.host.virsh(&["suspend", &runs.id]);
            runs.becomes("paused", 5);
            lab.host.virsh(&["resume", &runs.id]);
            runs.becomes("up", 5);
        }
        over.store(true, Ordering::Relaxed);
        changes.join().unwrap()
    });
    let shown = client.get(&format!("{}/nics", rests.path())).is(200);
    let mut names: Vec<_> = shown.all("nic").filter_map(|nic| nic.value("name")).collect();
    let mut kept = kept;
    names.sort();
    kept.sort();
    assert_eq!(names, kept);
    let defined = lab.host.persistent_document(&rests.id);
    assert_eq!(defined.every("devices/interface").len(), kept.len());
}

#[test]
fn tls_is_verified_with_its_own_authority() {
    if guests().is_none() {
        return;
    }
    let host = Host::start(&[]);
    let daemon = Daemon::start(&host, &Options { tls: true, ..Options::default() });
    let url = |path: &str| format!("https://localhost:{}{path}", daemon.port);
    let fetched = host.root.join("fetched.pem");
    let pki = url("/ovirt-engine/services/pki-resource?resource=ca-certificate&format=X509-PEM-CA");
    run(Command::new("curl").args(["-sf", "--insecure", "-o"]).arg(&fetched).arg(pki));
    for ca in [&daemon.ca(), &fetched] {
        let user = format!("{USER}:{PASSWORD}");
        let mut curl = Command::new("curl");
        let said = run(curl.args(["-sf", "-u", &user, "--cacert"]).arg(ca).arg(url("/ovirt-engine/api")));
        assert!(said.contains("<product_info>"), "{said}");
    }
    let strange =
        Command::new("curl").arg("-sf").arg(url("/ovirt-engine/api")).stdout(Stdio::null()).status();
    assert_eq!(strange.unwrap().code(), Some(60), "an authority that nobody trusts");
}

/// A request that others' trouble must not hold up.
fn within<T>(seconds: u64, what: &str, request: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let answer = request();
    assert!(begun.elapsed() < Duration::from_secs(seconds), "{what} took {:?}", begun.elapsed());
    answer
}

#[test]
fn a_qemu_that_hangs_holds_up_nobody_else() {
    let Some(lab) = Lab::own() else { return };
    let (hung, other) = (lab.vm("hung", Boots::Halt, ""), lab.vm("other", Boots::Halt, ""));
    hung.start();
    let qemu = lab.host.qemu(&hung.id).unwrap();
    signal("STOP", &qemu);
    let client: Client = lab.client();
    let begun = Instant::now();
    wait(60, "the VM does not respond", || {
        within(1, "a list", || client.get("/vms").is(200));
        within(1, "statistics", || client.get(&format!("{}/statistics", other.path())).is(200));
        within(8, "a start", || other.act("start"));
        // libvirt gives QEMU ten seconds to end, which one under load has been seen to take.
        within(15, "a stop", || other.act("stop"));
        (hung.state() == "not_responding").then_some(())
    });
    println!("not responding after {:?}", begun.elapsed());
    signal("CONT", &qemu);
    hung.becomes("up", 15);
    within(8, "its stop", || hung.act("stop"));
}

fn signal(name: &str, process: &str) {
    run(Command::new("kill").args([&format!("-{name}"), process]));
}

/// A copy that takes longer than the daemon waits for at its end.
#[test]
fn what_is_copied_at_its_end_is_copied_by_the_next() {
    let Some(mut lab) = Lab::own() else { return };
    let vm = lab.vm("copied", Boots::Halt, "");
    let disk = vm.add_disk(&Disk::document(8, "virtio", "raw", ""));
    std::fs::write(disk.file(), vec![0x5a; 8 << 20]).unwrap();
    let writer = lab.host.root.join("writer");
    let slow = lab.daemon.lend("qemu-img", &format!("echo $$ >{}\nexec sleep 60", writer.display()));
    vm.post("clone", "<action><async>true</async><vm><name>copy</name></vm></action>").is(202);
    let pid = || Some(std::fs::read_to_string(&writer).ok()?.trim().to_owned()).filter(|pid| !pid.is_empty());
    let process = Path::new("/proc").join(wait(10, "the copy is under way", pid));
    std::mem::forget(vm);

    assert!(lab.daemon.terminate().success());
    until(5, "nobody writes any more", || !process.exists());
    std::fs::remove_file(&slow).unwrap();
    lab.daemon.restart();
    let copy = || lab.client().get("/vms/?search=name%3Dcopy").is(200).first("vm").cloned();
    let copy = wait(30, "the copy is whole", || {
        copy().filter(|vm| vm.value("status/state").as_deref() == Some("down"))
    });
    let copy = Vm { lab: &lab, id: copy.value("@id").unwrap() };
    let disk = lab.client().get(&format!("{}/disks", copy.path())).is(200).value("disk/@id").unwrap();
    assert!(Disk::of(&copy, &disk).content().iter().all(|byte| *byte == 0x5a));
    assert_eq!(lab.daemon.images(), 2);
}
