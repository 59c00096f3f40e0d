//! A private libvirtd, made and ended by `tests/lab/host`.

use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use vireo::xml::{Element, parse};

pub struct Host {
    name: String,
    pub root: PathBuf,
    pub uri: String,
}

impl Host {
    pub fn start(arguments: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        // `tests/lab/sweep` finds what a killed run leaves by the process id at the end.
        let name = format!("live-{}-{}", COUNT.fetch_add(1, Ordering::Relaxed), std::process::id());
        let lab = std::env::var_os("VIREO_LAB").unwrap_or("/var/tmp/vireo-lab".into());
        let mut host = Self { root: Path::new(&lab).join("hosts").join(&name), name, uri: String::new() };
        host.command(&[&["start"], arguments].concat());
        host.uri = host.command(&["uri"]);
        host
    }

    /// `tests/lab/host NAME ARGUMENTS...`; must succeed.
    pub fn command(&self, arguments: &[&str]) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/host");
        run(Command::new(script).arg(&self.name).args(arguments))
    }

    /// A command among the host's mounts, but on the machine's network.
    pub fn among_mounts(&self, program: &str) -> Command {
        let keeper = std::fs::read_to_string(self.root.join("keeper.pid")).unwrap();
        let mut command = Command::new("nsenter");
        command.args(["--target", keeper.trim(), "--mount", "--", program]);
        command
    }

    /// A virsh command that must succeed.
    pub fn virsh(&self, arguments: &[&str]) -> String {
        run(Command::new("virsh").args(["-q", "-c", &self.uri]).args(arguments))
    }

    /// Hears what libvirt tells of a domain from now on.
    pub fn listen(&self, domain: &str) -> Listener {
        // Line by line, though it writes into a pipe.
        let mut virsh = Command::new("stdbuf")
            .args(["-oL", "virsh", "-q", "-c", &self.uri, "event", "--loop", "--timeout", "120"])
            .args(["--event", "lifecycle", "--domain", domain])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(virsh.stdout.take().unwrap()).lines();
        Listener { virsh, said }
    }

    /// The document of a domain: the live one while it runs.
    pub fn document(&self, domain: &str) -> Element {
        parse(self.virsh(&["dumpxml", "--security-info", domain]).as_bytes()).unwrap()
    }

    pub fn persistent_document(&self, domain: &str) -> Element {
        parse(self.virsh(&["dumpxml", "--inactive", domain]).as_bytes()).unwrap()
    }

    /// The process of a running domain's QEMU.
    pub fn qemu(&self, domain: &str) -> Option<String> {
        let name = self.virsh(&["domname", domain]);
        let process = std::fs::read_to_string(self.root.join(format!("run/qemu/{name}.pid"))).ok()?;
        Some(process.trim().to_owned())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.root.join("log/libvirtd.log")).unwrap_or_default();
            eprintln!("== libvirtd's log ends\n{}", super::daemon::tail(&log, 15));
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/host");
        let _ = Command::new(script).args([&self.name, "destroy"]).status();
    }
}

/// Runs a command that must succeed; gives what it said.
pub fn run(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let said = String::from_utf8_lossy(&stdout).trim().to_owned();
    assert!(status.success(), "{command:?}: {status}\n{said}\n{}", String::from_utf8_lossy(&stderr));
    said
}

/// A client of libvirt's events.
pub struct Listener {
    virsh: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Listener {
    /// Waits for an event such as `Stopped`.
    pub fn hear(&mut self, event: &str) {
        let told = self.said.by_ref().map_while(Result::ok).any(|line| line.contains(event));
        assert!(told, "libvirt did not tell: {event}");
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.virsh.kill();
        let _ = self.virsh.wait();
    }
}
