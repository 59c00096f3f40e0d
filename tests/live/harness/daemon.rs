//! The daemon itself, as a process.

use super::{Client, Host, guests, wait};
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering::Relaxed};

pub const USER: &str = "admin@internal";
pub const PASSWORD: &str = "live-test";

#[derive(Clone, Default)]
pub struct Options {
    pub tls: bool,
    /// Goes on without waiting for libvirt.
    pub degraded: bool,
    /// Another build than this one.
    pub program: Option<PathBuf>,
    /// Wins over what tests set otherwise.
    pub environment: Vec<(&'static str, String)>,
}

pub struct Daemon {
    pub state: PathBuf,
    pub port: u16,
    options: Options,
    /// How to start it: the namespace of the host, and the environment.
    host_uri: String,
    keeper: PathBuf,
    pub process: Option<Child>,
    told: AtomicBool,
}

impl Daemon {
    pub fn start(host: &Host, options: &Options) -> Self {
        let mut daemon = Self {
            state: host.root.join("vireo"),
            port: unused_port(),
            options: options.clone(),
            host_uri: host.uri.clone(),
            keeper: host.root.join("keeper.pid"),
            process: None,
            told: AtomicBool::new(false),
        };
        daemon.remember_facts();
        daemon.lend_tc();
        daemon.restart();
        daemon.keep_facts();
        daemon
    }

    /// What an earlier daemon found out about this machine, as the hosts do with what libvirt
    /// found out: it is checked anew, and saves the seconds of trial starts.
    fn remember_facts(&self) {
        std::fs::create_dir_all(&self.state).unwrap();
        let _ = std::fs::copy(self.kept_facts(), self.facts());
    }

    /// The daemon is on the machine's network, as its clients are; the taps are on the host's.
    fn lend_tc(&self) {
        let keeper = std::fs::read_to_string(&self.keeper).unwrap();
        self.lend("tc", &format!("exec nsenter --target {} --net -- /usr/sbin/tc \"$@\"", keeper.trim()));
    }

    /// A shell script that the daemon finds before the host's program of that name.
    pub fn lend(&self, program: &str, script: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let file = self.tools().join(program);
        std::fs::create_dir_all(self.tools()).unwrap();
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    /// Programs that the daemon finds before the host's.
    pub fn tools(&self) -> PathBuf {
        self.state.with_extension("tools")
    }

    fn keep_facts(&self) {
        // Other tests may start at the same time: exchanged in one step.
        let new = self.kept_facts().with_extension(self.port.to_string());
        if std::fs::copy(self.facts(), &new).is_ok() {
            std::fs::rename(new, self.kept_facts()).unwrap();
        }
    }

    fn facts(&self) -> PathBuf {
        self.state.join("host-facts.json")
    }

    fn kept_facts(&self) -> PathBuf {
        self.state.join("../../../cache/host-facts.json")
    }

    /// `vireo serve` in the state folder of this daemon.
    pub fn command(&self) -> Command {
        self.subcommand("serve")
    }

    /// `vireo` with that command, for the state folder of this daemon.
    ///
    /// It sees the mounts of its host, so that whatever ends the host ends it, too.
    pub fn subcommand(&self, name: &str) -> Command {
        let keeper = std::fs::read_to_string(&self.keeper).unwrap();
        let program = self.options.program.as_deref().unwrap_or(Path::new(env!("CARGO_BIN_EXE_vireo")));
        let mut command = Command::new("nsenter");
        command
            .args(["--target", keeper.trim(), "--mount", "--"])
            .arg(program)
            .arg(name)
            .env("PATH", format!("{}:{}", self.tools().display(), std::env::var("PATH").unwrap()))
            .env("VIREO_PATHS_STATE", &self.state)
            .env("VIREO_SERVER_LISTEN", format!("127.0.0.1:{}", self.port))
            .env("VIREO_SERVER_TLS", self.options.tls.to_string())
            .env("VIREO_LIBVIRT_URI", &self.host_uri)
            .env("VIREO_GUESTS_BOOT_DIRS", guests().unwrap_or_default())
            .env("VIREO_GUESTS_HOTUNPLUG_TIMEOUT", "3")
            .env("VIREO_STATS_INTERVAL", "1")
            .env("VIREO_ADMIN_PASSWORD", PASSWORD)
            .envs(self.options.environment.iter().cloned());
        command
    }

    pub fn restart(&mut self) {
        assert!(self.process.is_none());
        let command = self.command();
        self.process = Some(self.run(command, &self.log_file()));
    }

    /// Starts it by that command and waits until it is ready.
    pub fn run(&self, mut command: Command, log: &Path) -> Child {
        let file = File::options().append(true).create(true).open(log).unwrap();
        let mut process = command.stderr(file).spawn().unwrap();
        let wanted = if self.options.degraded { "" } else { "ok" };
        wait(30, "the daemon is ready", || {
            let ended = process.try_wait().unwrap();
            assert!(ended.is_none(), "the daemon ended: {}", std::fs::read_to_string(log).unwrap());
            self.health().filter(|health| health.starts_with(wanted))
        });
        process
    }

    /// What it says of itself; `None` when it does not answer.
    pub fn health(&self) -> Option<String> {
        let scheme = if self.options.tls { "https" } else { "http" };
        let url = format!("{scheme}://localhost:{}/ovirt-engine/services/health", self.port);
        let asked = Command::new("curl").args(["-sf", "--insecure", "--max-time", "5", &url]).output();
        let answered = asked.ok().filter(|answer| answer.status.success())?;
        Some(String::from_utf8_lossy(&answered.stdout).into_owned())
    }

    pub fn client(&self) -> Client {
        Client { port: self.port }
    }

    /// As a crash would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Asks it to end.
    pub fn terminate(&mut self) -> ExitStatus {
        let mut process = self.process.take().unwrap();
        super::host::run(Command::new("kill").arg(process.id().to_string()));
        wait(15, "the daemon ends", || process.try_wait().unwrap())
    }

    pub fn ca(&self) -> PathBuf {
        self.state.join("pki/ca.pem")
    }

    /// The image file of a disk.
    pub fn image(&self, name: &str) -> PathBuf {
        self.state.join("images").join(name)
    }

    /// The files of a storage domain, but for its hints, which follow by themselves.
    pub fn images_in(folder: &Path) -> Vec<PathBuf> {
        let all = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        all.filter(|file| !file.to_string_lossy().contains(".ovf")).collect()
    }

    /// So many files are in the first storage domain.
    pub fn images(&self) -> usize {
        Self::images_in(&self.state.join("images")).len()
    }

    pub fn log_file(&self) -> PathBuf {
        self.keeper.with_file_name("vireo.log")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    pub fn tell_when_panicking(&self) {
        if std::thread::panicking() && !self.told.swap(true, Relaxed) {
            let log = self.log();
            let told: Vec<&str> = log.lines().filter(|line| !line.contains("method=GET")).collect();
            eprintln!("== vireo's log ends\n{}", tail(&told.join("\n"), 30));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.tell_when_panicking();
        self.kill();
    }
}

/// A port that stays free while its daemon is away: the kernel gives those from 32768 on to
/// whoever connects.
fn unused_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = std::process::id() as u16;
    std::iter::repeat_with(|| 10_000 + first.wrapping_add(NEXT.fetch_add(1, Relaxed)) % 20_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}

/// The last lines of a log.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
