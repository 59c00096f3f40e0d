//! The wiring: configuration, store, hypervisor, engine, API; from the first log line to the last.

use crate::api::app::App;
use crate::api::auth::{Accounts, Verdict};
use crate::api::certificates::Certificates;
use crate::api::server::{Tls, serve};
use crate::cli::{Cli, Command};
use crate::config::{AcceleratorChoice, Config};
use crate::control;
use crate::domain::template;
use crate::engine::ports::{Hypervisor, Images, Mirrors, Store};
use crate::engine::recover::{self, Report};
use crate::engine::{ADMIN_PASSWORD_FILE, Engine, Order, SecretKey, Settings, failpoint};
use crate::error::{Error, Result};
use crate::host::{
    QemuImg, StateLock, Tc, facts::HostInfo, let_go_of_code, pki, private_folder, write_private,
};
use crate::libvirt::Libvirt;
use crate::manual;
use crate::model::{Accelerator, UserId};
use crate::orders;
use crate::sim;
use crate::store::{DatabasePlace, Sqlite};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Where packages put the templates that users may override.
const TEMPLATES: &str = "/etc/vireo/domain-templates";
const EXIT_CONFIGURATION: u8 = 78;
/// How long clients wait for a libvirt that is there but slow; the first start on a host probes
/// it with guests, which takes seconds.
const FIRST_LOOK: Duration = Duration::from_secs(30);
/// Between two looks at certificates that expire.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// What a stop may take in all.
const FAREWELL: Duration = Duration::from_secs(10);

/// Runs a command of the command line.
pub fn run(cli: Cli) -> ExitCode {
    match cli.command {
        Command::Serve { config, sim } => match load(config.as_deref()) {
            Ok(config) => start(config, sim),
            Err(why) => refuse(EXIT_CONFIGURATION, &why),
        },
        Command::CheckConfig { config } => match load(config.as_deref()) {
            Ok(config) => check(&config),
            Err(why) => refuse(EXIT_CONFIGURATION, &why),
        },
        Command::Recover { config, storage } => match load(config.as_deref()) {
            Ok(config) => recover(&config, storage),
            Err(why) => refuse(EXIT_CONFIGURATION, &why),
        },
        Command::CheckTemplates { dir } => check_templates(dir.as_deref()),
        Command::Manual { dir } => match manual::write(&dir) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => refuse(1, &format!("{}: {why}", dir.display())),
        },
        Command::User { config, command } => match load(config.as_deref()) {
            Ok(config) => order(&config, || orders::of_user(command)),
            Err(why) => refuse(EXIT_CONFIGURATION, &why),
        },
        Command::Group { config, command } => match load(config.as_deref()) {
            Ok(config) => order(&config, || Ok(orders::of_group(command))),
            Err(why) => refuse(EXIT_CONFIGURATION, &why),
        },
        Command::Failpoints => {
            if !cfg!(feature = "failpoints") {
                return refuse(1, "this build has no failpoints: build it with --features failpoints");
            }
            failpoint::ALL.iter().for_each(|name| println!("{name}"));
            ExitCode::SUCCESS
        }
    }
}

fn load(file: Option<&Path>) -> std::result::Result<Config, String> {
    // The administrator's password, failpoints and the logger are no sections of the configuration.
    Config::load(file, std::env::vars_os())
}

fn refuse(code: u8, why: &str) -> ExitCode {
    eprintln!("vireo: {why}");
    ExitCode::from(code)
}

/// Has an order carried out, and says what came of it.
fn order(config: &Config, order: impl FnOnce() -> Result<Order>) -> ExitCode {
    match order().and_then(|order| orders::carry_out(&config.paths.state, &order)) {
        Ok(said) => {
            said.iter().for_each(|line| println!("{line}"));
            ExitCode::SUCCESS
        }
        Err(why) => refuse(1, &why.said),
    }
}

/// Says what the configuration comes to on this host.
fn check(config: &Config) -> ExitCode {
    println!(
        "listen       {}{}",
        if config.server.tls { "https://" } else { "http://" },
        config.server.listen
    );
    println!("state        {}", config.paths.state.display());
    println!("libvirt      {}", config.libvirt.uri);
    let libvirt = libvirt(config);
    let (events, _kept) = tokio::sync::mpsc::unbounded_channel();
    libvirt.subscribe(events);
    // The first connection is made in the background.
    for _ in 0..50 {
        if libvirt.version().is_ok() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    match libvirt.version().and_then(|version| Ok((version, libvirt.facts()?))) {
        Ok((version, facts)) => {
            println!("hypervisor   {version}");
            println!("accelerator  {:?}", facts.accelerator);
            println!("cpu          {:?}", facts.cpu(facts.accelerator));
        }
        Err(why) => println!("hypervisor   not available: {why}"),
    }
    ExitCode::SUCCESS
}

fn check_templates(dir: Option<&Path>) -> ExitCode {
    let dir = dir.unwrap_or(Path::new(TEMPLATES));
    let mut wrong = 0;
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.filter(|file| file.extension().is_some_and(|suffix| suffix == "xml")).collect();
    files.sort();
    for file in &files {
        for fault in template::check(file) {
            wrong += 1;
            eprintln!("{fault}");
        }
    }
    println!("{} templates in {}, {wrong} faults", files.len(), dir.display());
    ExitCode::from(u8::from(wrong > 0))
}

fn libvirt(config: &Config) -> Libvirt {
    let accelerator = match config.guests.accelerator {
        AcceleratorChoice::Auto => None,
        AcceleratorChoice::Kvm => Some(Accelerator::Kvm),
        AcceleratorChoice::Tcg => Some(Accelerator::Tcg),
    };
    Libvirt::new(&config.libvirt.uri, accelerator, Some(config.paths.state.join("host-facts.json")))
}

fn start(config: Config, simulated: bool) -> ExitCode {
    log();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(64).build();
    let served = match runtime {
        Ok(runtime) => {
            let served = runtime.block_on(daemon(config, simulated));
            // A call that hangs in libvirt must not keep the process.
            runtime.shutdown_background();
            served
        }
        Err(why) => Err(Error::bug(why)),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            tracing::error!("vireo ends: {why}");
            ExitCode::FAILURE
        }
    }
}

/// What each client's way with TLS is like is not worth a line for every connection.
const QUIET: &str = "info,rustls=error";

/// To the journal under systemd, else to standard error. `RUST_LOG` chooses what.
fn log() {
    use tracing_subscriber::prelude::*;
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| QUIET.into());
    let registry = tracing_subscriber::registry().with(filter);
    let under_systemd = std::env::var_os("JOURNAL_STREAM").is_some();
    let journal = under_systemd.then(|| tracing_journald::layer().ok()).flatten();
    match journal {
        Some(journal) => registry.with(journal).init(),
        None => registry
            .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false))
            .init(),
    }
}

/// What stands behind the engine's ports.
struct Ports {
    store: Arc<dyn Store>,
    hypervisor: Arc<dyn Hypervisor>,
    images: Arc<dyn Images>,
    mirrors: Arc<dyn Mirrors>,
}

impl Ports {
    fn real(config: &Config) -> Result<Self> {
        Ok(Self {
            store: Arc::new(Sqlite::open(&config.paths.state.join("vireo.db"))?),
            hypervisor: Arc::new(libvirt(config)),
            images: Arc::new(QemuImg::default()),
            mirrors: Arc::new(Tc),
        })
    }

    fn simulated() -> Result<Self> {
        let images = sim::SimImages::default();
        Ok(Self {
            store: Arc::new(sim::MemoryStore::new()?),
            hypervisor: Arc::new(sim::Simulated::with_images(images.clone())),
            images: Arc::new(images),
            mirrors: Arc::new(sim::SimMirrors::default()),
        })
    }
}

async fn daemon(config: Config, simulated: bool) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::bug)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::bug)?;
    prepare_folders(&config)?;
    let _lock = StateLock::take(&config.paths.state)?;
    let listener = TcpListener::bind(config.server.listen)
        .map_err(|why| Error::host(format!("Cannot listen on {}: {why}", config.server.listen)))?;
    listener.set_nonblocking(true).map_err(Error::bug)?;
    let address = listener.local_addr().map_err(Error::bug)?;
    let (tls, certificates) = certificates(&config)?;
    let ports = if simulated { Ports::simulated()? } else { Ports::real(&config)? };
    let info = HostInfo::read();
    let settings = settings(&config, &info)?;
    let engine = Engine::open(settings, ports.store, ports.hypervisor, ports.images, ports.mirrors).await?;
    // The socket is open: who connects now is answered by an engine that knows its world.
    tokio::select! {
        () = engine.first_look(FIRST_LOOK) => {}
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    }
    tokio::spawn(control::serve(control::listen(&config.paths.state)?, engine.clone()));
    let accounts = Arc::new(EngineAccounts(engine.clone()));
    let app = Arc::new(App::new(engine.clone(), accounts, certificates, info));
    // What the administrator brought is not ours to renew.
    if let Some(tls) = tls.clone().filter(|_| config.server.tls_cert.is_none()) {
        tokio::spawn(look_after_certificates(config, tls, app.certificates.clone()));
    }
    let scheme = if tls.is_some() { "https" } else { "http" };
    tracing::info!("listening on {scheme}://{address}/ovirt-engine/api");
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    tokio::task::spawn_blocking(|| {
        if let Err(why) = let_go_of_code() {
            tracing::debug!("what the start needed stays in memory: {why}");
        }
    });
    let (told, patience) = tokio::sync::oneshot::channel();
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        tracing::info!("stopping: guests run on");
        let _ = told.send(());
    };
    let work = async {
        serve(listener, tls, app, stop).await.map_err(|why| Error::host(format!("Serving failed: {why}")))?;
        engine.drain().await;
        Ok(())
    };
    let overdue = async {
        // Never told means never asked to stop.
        match patience.await {
            Ok(()) => tokio::time::sleep(FAREWELL).await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = work => ended,
        () = overdue => {
            tracing::warn!("work still runs; its intents are left to the next start");
            Ok(())
        }
    }
}

/// What the configuration says to the engine.
fn settings(config: &Config, info: &HostInfo) -> Result<Settings> {
    Ok(Settings {
        state: config.paths.state.clone(),
        host_name: info.name.clone(),
        boot_dirs: config.boot_dirs(),
        portals: config.storage.iscsi_portals.clone(),
        secret_key: secret_key(&config.paths.state)?,
        templates: Some(PathBuf::from(TEMPLATES)),
        hotunplug_timeout: config.hotunplug_timeout(),
        stats_interval: config.stats_interval(),
        management: config.network.management.clone(),
        graphics_listen: config.guests.listen.to_string(),
        admin_password: std::env::var("VIREO_ADMIN_PASSWORD").ok().filter(|password| !password.is_empty()),
    })
}

/// Makes a new database from what the storage domains remember, and says what became of what.
fn recover(config: &Config, storage: Vec<PathBuf>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let recovered =
        runtime.map_err(Error::bug).and_then(|runtime| runtime.block_on(recovered(config, storage)));
    match recovered {
        Ok(report) => {
            report.notes.iter().for_each(|note| println!("{note}"));
            println!(
                "recovered {} VMs, {} templates, {} disks and {} snapshots",
                report.vms, report.templates, report.disks, report.snapshots
            );
            ExitCode::SUCCESS
        }
        Err(why) => refuse(1, &why.to_string()),
    }
}

async fn recovered(config: &Config, storage: Vec<PathBuf>) -> Result<Report> {
    prepare_folders(config)?;
    let _lock = StateLock::take(&config.paths.state)?;
    let place = DatabasePlace::new(&config.paths.state.join("vireo.db"))?;
    let store = Arc::new(Sqlite::open(place.unfinished())?);
    let mut settings = settings(config, &HostInfo::read())?;
    // The password that was told once is the password again.
    let told = std::fs::read_to_string(config.paths.state.join(ADMIN_PASSWORD_FILE)).ok();
    let told = told.map(|told| told.trim().to_owned()).filter(|told| !told.is_empty());
    settings.admin_password = settings.admin_password.or(told);
    let images = Arc::new(QemuImg::default());
    let report = recover::recover(&settings, store.clone(), images, storage).await?;
    // Its last owner closes it.
    drop(store);
    place.finish()?;
    Ok(report)
}

/// The state folder with its rights: images are opened by QEMU's own user, the rest by us alone.
fn prepare_folders(config: &Config) -> Result<()> {
    let state = &config.paths.state;
    let make = |folder: &Path, mode: u32| -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode))
    };
    let made = make(state, 0o711)
        .and_then(|()| make(&state.join("images"), 0o711))
        .and_then(|()| make(&state.join("payloads"), 0o711))
        .and_then(|()| make(&state.join("isos"), 0o755))
        .and_then(|()| make(&state.join("boot"), 0o755))
        .and_then(|()| private_folder(&state.join("pki")));
    made.map_err(|why| Error::host(format!("The state folder {} cannot be prepared: {why}", state.display())))
}

/// The key that rows' secrets are sealed with; made at the first start.
fn secret_key(state: &Path) -> Result<SecretKey> {
    let file = state.join("secrets.key");
    let wrong = |why: &dyn std::fmt::Display| Error::host(format!("The key {}: {why}", file.display()));
    match std::fs::read(&file) {
        Ok(bytes) => SecretKey::from_bytes(&bytes).ok_or_else(|| wrong(&"it is damaged")),
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => {
            let key = SecretKey::random();
            write_private(&file, key.bytes()).map_err(|why| wrong(&why))?;
            Ok(key)
        }
        Err(why) => Err(wrong(&why)),
    }
}

/// The server's certificate, and what clients may fetch; none without TLS.
fn certificates(config: &Config) -> Result<(Option<Tls>, Certificates)> {
    if !config.server.tls {
        return Ok((None, Certificates::default()));
    }
    let read = |file: &Path| {
        std::fs::read(file).map_err(|why| Error::host(format!("{} cannot be read: {why}", file.display())))
    };
    let (chain, key, ca) = match (&config.server.tls_cert, &config.server.tls_key) {
        (Some(certificate), Some(key)) => (read(certificate)?, read(key)?, None),
        _ => {
            let made = pki::Pki::ensure(&config.paths.state.join("pki"), &pki::local_names())?;
            (read(&made.chain)?, read(&made.key)?, Some(read(&made.ca)?))
        }
    };
    let tls = Tls::new(&chain, &key)
        .map_err(|why| Error::host(format!("The certificate cannot be served: {why}")))?;
    // Beside certificates there may be anything in an administrator's file.
    let text = |pem: &[u8]| String::from_utf8_lossy(pem).into_owned();
    let fetched = Certificates { ca: ca.as_deref().map(text), engine: Some(text(&chain)) };
    Ok((Some(tls), fetched))
}

/// Serves each day what the folder holds after a look at it: a daemon may run for longer than its
/// certificates do.
async fn look_after_certificates(config: Config, served: Tls, fetched: Arc<RwLock<Certificates>>) {
    let config = Arc::new(config);
    loop {
        tokio::time::sleep(DAY).await;
        let config = config.clone();
        let look = tokio::task::spawn_blocking(move || certificates(&config));
        match look.await.map_err(Error::bug).flatten() {
            Ok((tls, certificates)) => {
                if let Some(tls) = tls {
                    served.replace(&tls);
                }
                *fetched.write().expect("no panic while held") = certificates;
            }
            Err(why) => tracing::warn!("the next look at the certificates is in a day: {why}"),
        }
    }
}

/// The engine's users as the API's accounts.
struct EngineAccounts(Arc<Engine>);

impl Accounts for EngineAccounts {
    fn verify(&self, name: String, profile: String, password: String) -> Verdict<'_> {
        Box::pin(async move { self.0.verify_password(&name, &profile, &password).await })
    }

    fn mark(&self, user: UserId) -> u64 {
        self.0.password_mark(user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn certificates_are_looked_after_each_day() {
        let state = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.paths.state = state.path().into();
        let pki = state.path().join("pki");
        let (tls, first) = certificates(&config).unwrap();
        let fetched = Arc::new(RwLock::new(first.clone()));
        tokio::spawn(look_after_certificates(config, tls.unwrap(), fetched.clone()));
        let tomorrow = || async {
            tokio::time::sleep(DAY + Duration::from_secs(1)).await;
            fetched.read().unwrap().clone()
        };
        std::fs::remove_file(pki.join("server.key")).unwrap();
        let second = tomorrow().await;
        assert!(second.ca == first.ca && second.engine != first.engine);
        // What cannot be made leaves what there is, and is looked at again.
        std::fs::rename(pki.join("ca.key"), pki.join("away")).unwrap();
        std::fs::remove_file(pki.join("server.key")).unwrap();
        assert_eq!(tomorrow().await.engine, second.engine);
        std::fs::rename(pki.join("away"), pki.join("ca.key")).unwrap();
        assert_ne!(tomorrow().await.engine, second.engine);
    }
}
