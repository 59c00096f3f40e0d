//! The configuration: a TOML file in which every key is optional, then the environment.

use crate::model::Portals;
use serde::Deserialize;
use std::ffi::OsString;
use std::fmt;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// Read when no file is named; may be absent.
pub const DEFAULT_FILE: &str = "/etc/vireo/vireo.toml";

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub server: Server,
    pub paths: Paths,
    pub libvirt: Libvirt,
    pub guests: Guests,
    pub stats: Stats,
    pub network: Network,
    pub storage: Storage,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    pub listen: SocketAddr,
    /// HTTPS; plain HTTP is for loopback addresses only.
    pub tls: bool,
    /// PEM files; without them a CA and a certificate are made under the state folder.
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Paths {
    pub state: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Libvirt {
    pub uri: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Guests {
    pub accelerator: AcceleratorChoice,
    /// See [`Config::boot_dirs`].
    boot_dirs: Option<Vec<PathBuf>>,
    /// Seconds; see [`Config::hotunplug_timeout`].
    hotunplug_timeout: u64,
    /// The address that graphics consoles listen on.
    pub listen: IpAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AcceleratorChoice {
    /// KVM where it works, else TCG.
    Auto,
    Kvm,
    Tcg,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stats {
    /// Seconds; see [`Config::stats_interval`].
    interval: u64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// What `ovirtmgmt` stands on: `network:NAME` of libvirt or `bridge:NAME` of the host.
    pub management: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Storage {
    /// Networks in which iSCSI portals may lie.
    pub iscsi_portals: Portals,
}

impl Default for Server {
    fn default() -> Self {
        Self { listen: (Ipv4Addr::LOCALHOST, 8443).into(), tls: true, tls_cert: None, tls_key: None }
    }
}

impl Default for Paths {
    fn default() -> Self {
        Self { state: "/var/lib/vireo".into() }
    }
}

impl Default for Libvirt {
    fn default() -> Self {
        Self { uri: "qemu:///system".into() }
    }
}

impl Default for Guests {
    fn default() -> Self {
        Self {
            accelerator: AcceleratorChoice::Auto,
            boot_dirs: None,
            hotunplug_timeout: 20,
            listen: Ipv4Addr::LOCALHOST.into(),
        }
    }
}

impl Default for Stats {
    fn default() -> Self {
        Self { interval: 3 }
    }
}

impl Default for Network {
    fn default() -> Self {
        Self { management: "network:default".into() }
    }
}

impl Config {
    /// Reads the file, or the default one when it is there, then the environment's `VIREO_<SECTION>_<KEY>`.
    pub fn load(
        path: Option<&Path>,
        env: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, String> {
        let file = path.unwrap_or(Path::new(DEFAULT_FILE));
        let mut config = match std::fs::read_to_string(file) {
            Ok(text) => toml::from_str(&text).map_err(|why| format!("{}: {why}", file.display()))?,
            Err(why) if why.kind() == ErrorKind::NotFound && path.is_none() => Self::default(),
            Err(why) => return Err(format!("{}: {why}", file.display())),
        };
        // What others put there need not be text.
        for (name, value) in env.filter(|(name, _)| name.as_encoded_bytes().starts_with(b"VIREO_")) {
            let wrong = |why: &str| format!("{}: {why}", name.display());
            let (Some(text), Some(value)) = (name.to_str(), value.to_str()) else {
                return Err(wrong("it is not UTF-8"));
            };
            if let Some((section, key)) = text["VIREO_".len()..].split_once('_') {
                config.set(section, key, value).map_err(|why| wrong(&why))?;
            }
        }
        config.check()?;
        Ok(config)
    }

    /// Folders below which kernels and initial ramdisks of guests may lie.
    pub fn boot_dirs(&self) -> Vec<PathBuf> {
        self.guests.boot_dirs.clone().unwrap_or_else(|| vec![self.paths.state.join("boot")])
    }

    /// How long a guest may take to let go of a device.
    pub fn hotunplug_timeout(&self) -> Duration {
        Duration::from_secs(self.guests.hotunplug_timeout)
    }

    /// The time between two samples of the statistics.
    pub fn stats_interval(&self) -> Duration {
        Duration::from_secs(self.stats.interval)
    }

    /// Sets one key from the environment. Variables of no section are not ours to judge.
    fn set(&mut self, section: &str, key: &str, value: &str) -> Result<(), String> {
        match (section, key) {
            ("SERVER", "LISTEN") => self.server.listen = parse(value)?,
            ("SERVER", "TLS") => self.server.tls = parse(value)?,
            ("SERVER", "TLS_CERT") => self.server.tls_cert = Some(value.into()),
            ("SERVER", "TLS_KEY") => self.server.tls_key = Some(value.into()),
            ("PATHS", "STATE") => self.paths.state = value.into(),
            ("LIBVIRT", "URI") => self.libvirt.uri = value.into(),
            ("GUESTS", "ACCELERATOR") => self.guests.accelerator = parse(value)?,
            ("GUESTS", "BOOT_DIRS") => self.guests.boot_dirs = Some(list(value)?),
            ("GUESTS", "HOTUNPLUG_TIMEOUT") => self.guests.hotunplug_timeout = parse(value)?,
            ("GUESTS", "LISTEN") => self.guests.listen = parse(value)?,
            ("STATS", "INTERVAL") => self.stats.interval = parse(value)?,
            ("NETWORK", "MANAGEMENT") => self.network.management = value.into(),
            ("STORAGE", "ISCSI_PORTALS") => self.storage.iscsi_portals = Portals(Some(list(value)?)),
            ("SERVER" | "PATHS" | "LIBVIRT" | "GUESTS" | "STATS" | "NETWORK" | "STORAGE", _) => {
                return Err(format!("[{}] has no key {}", section.to_lowercase(), key.to_lowercase()));
            }
            _ => {}
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        let Server { listen, tls, tls_cert, tls_key } = &self.server;
        if !tls && !listen.ip().is_loopback() {
            return Err(format!(
                "[server] tls = false sends passwords in the clear: it is accepted only on a loopback \
                 address, not on {listen}"
            ));
        }
        if tls_cert.is_some() != tls_key.is_some() {
            return Err("[server] tls_cert and tls_key go together: give both or none".into());
        }
        let boot_dirs = self.guests.boot_dirs.iter().flatten().map(|dir| ("[guests] boot_dirs", dir));
        for (key, path) in [("[paths] state", &self.paths.state)]
            .into_iter()
            .chain(tls_cert.iter().map(|path| ("[server] tls_cert", path)))
            .chain(tls_key.iter().map(|path| ("[server] tls_key", path)))
            .chain(boot_dirs)
        {
            if !path.is_absolute() {
                return Err(format!("{key}: '{}' is not an absolute path", path.display()));
            }
        }
        if self.libvirt.uri.is_empty() || self.libvirt.uri.contains(char::is_control) {
            return Err("[libvirt] uri is not a libvirt URI such as qemu:///system".into());
        }
        for (key, seconds) in [
            ("[guests] hotunplug_timeout", self.guests.hotunplug_timeout),
            ("[stats] interval", self.stats.interval),
        ] {
            if !(1..=3600).contains(&seconds) {
                return Err(format!("{key}: {seconds} is not a number of seconds between 1 and 3600"));
            }
        }
        let known = match self.network.management.split_once(':') {
            Some(("network", name)) => is_name(name, 255),
            // The kernel's limit of a device's name.
            Some(("bridge", name)) => is_name(name, 15),
            _ => false,
        };
        if !known {
            return Err(format!(
                "[network] management: '{}' is neither network:NAME nor bridge:NAME",
                self.network.management
            ));
        }
        Ok(())
    }
}

fn is_name(name: &str, max: usize) -> bool {
    (1..=max).contains(&name.len()) && name.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c))
}

fn parse<T: FromStr<Err: fmt::Display>>(value: &str) -> Result<T, String> {
    value.parse().map_err(|why| format!("'{value}': {why}"))
}

/// A comma separated list; an empty value is an empty list.
fn list<T: FromStr<Err: fmt::Display>>(value: &str) -> Result<Vec<T>, String> {
    value.split(',').map(str::trim).filter(|part| !part.is_empty()).map(parse).collect()
}

impl FromStr for AcceleratorChoice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "kvm" => Ok(Self::Kvm),
            "tcg" => Ok(Self::Tcg),
            _ => Err("expected auto, kvm or tcg"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    fn load(text: &str, env: &[(&str, &str)]) -> Result<Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("vireo.toml");
        std::fs::write(&file, text).unwrap();
        Config::load(Some(&file), env.iter().map(|(name, value)| (name.into(), value.into())))
    }

    #[test]
    fn every_key_is_optional() {
        let config = load("", &[]).unwrap();
        assert_eq!(config, Config::default());
        assert_eq!(config.server.listen.to_string(), "127.0.0.1:8443");
        assert_eq!(config.boot_dirs(), [PathBuf::from("/var/lib/vireo/boot")]);
        assert_eq!(config.hotunplug_timeout(), Duration::from_secs(20));
        assert_eq!(config.stats_interval(), Duration::from_secs(3));
    }

    #[test]
    fn every_key_is_read() {
        let config = load(
            r#"
            [server]
            listen = "[::1]:9000"
            tls = false
            tls_cert = "/c"
            tls_key = "/k"
            [paths]
            state = "/s"
            [libvirt]
            uri = "test:///default"
            [guests]
            accelerator = "tcg"
            boot_dirs = ["/a", "/b"]
            hotunplug_timeout = 2
            listen = "0.0.0.0"
            [stats]
            interval = 1
            [network]
            management = "bridge:br0"
            [storage]
            iscsi_portals = ["10.0.0.0/8", "::1"]
            "#,
            &[],
        )
        .unwrap();
        assert_eq!(config.server.listen.to_string(), "[::1]:9000");
        assert_eq!(config.guests.accelerator, AcceleratorChoice::Tcg);
        assert_eq!(config.boot_dirs(), [PathBuf::from("/a"), "/b".into()]);
        assert_eq!(config.network.management, "bridge:br0");
    }

    #[test]
    fn the_environment_wins() {
        let config = load(
            "[server]\nlisten = '127.0.0.1:1'",
            &[
                ("VIREO_SERVER_LISTEN", "0.0.0.0:2"),
                ("VIREO_SERVER_TLS_CERT", "/c"),
                ("VIREO_SERVER_TLS_KEY", "/k"),
                ("VIREO_GUESTS_BOOT_DIRS", "/a, /b"),
                ("VIREO_GUESTS_HOTUNPLUG_TIMEOUT", "7"),
                ("VIREO_STORAGE_ISCSI_PORTALS", ""),
                ("VIREO_ADMIN_PASSWORD", "x"),
                ("VIREO_FAILPOINT", "x"),
                ("PATH", "x"),
            ],
        )
        .unwrap();
        assert_eq!(config.server.listen.port(), 2);
        assert_eq!(config.server.tls_key, Some("/k".into()));
        assert_eq!(config.boot_dirs(), [PathBuf::from("/a"), "/b".into()]);
        assert_eq!(config.hotunplug_timeout(), Duration::from_secs(7));
        assert!(!config.storage.iscsi_portals.allow("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, said) in [
            ("\n[server]\ntsl = true", "line 3"),
            ("[server]\ntsl = true", "tls_cert"),
            ("[sever]", "sever"),
            ("[stats]\ninterval = 'x'", "line 2"),
            ("[stats]\ninterval = -1", "line 2"),
            ("[stats]\ninterval = 0", "[stats] interval: 0"),
            ("[guests]\naccelerator = 'xen'", "line 2"),
            ("[guests]\nhotunplug_timeout = 9999", "[guests] hotunplug_timeout: 9999"),
            ("[guests]\nboot_dirs = ['boot']", "[guests] boot_dirs: 'boot' is not an absolute path"),
            ("[paths]\nstate = 'x'", "[paths] state: 'x' is not an absolute path"),
            ("[server]\ntls_cert = '/c'", "give both or none"),
            ("[server]\ntls = false\nlisten = '0.0.0.0:80'", "loopback"),
            ("[network]\nmanagement = 'default'", "neither network:NAME nor bridge:NAME"),
            ("[network]\nmanagement = 'bridge:a/b'", "neither"),
            ("[network]\nmanagement = 'bridge:much-too-long-a-name'", "neither"),
            ("[storage]\niscsi_portals = ['10.0.0.0/33']", "not a network"),
            ("[libvirt]\nuri = ''", "libvirt URI"),
        ] {
            let error = load(text, &[]).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
        let error = load("", &[("VIREO_SERVER_TSL", "true")]).unwrap_err();
        assert!(error.contains("VIREO_SERVER_TSL: [server] has no key tsl"), "{error}");
        let error = load("", &[("VIREO_SERVER_TLS", "yes")]).unwrap_err();
        assert!(error.contains("VIREO_SERVER_TLS: 'yes'"), "{error}");
    }

    #[test]
    fn what_is_not_text_is_refused_where_it_is_ours() {
        let load = |name: &[u8], value: &[u8]| {
            let variable = (OsString::from_vec(name.to_vec()), OsString::from_vec(value.to_vec()));
            Config::load(Some(Path::new("/dev/null")), [variable].into_iter())
        };
        assert_eq!(load(b"X", b"\xff"), Ok(Config::default()));
        assert_eq!(load(b"X\xff", b"x"), Ok(Config::default()));
        for name in ["VIREO_LIBVIRT_URI", "VIREO_ADMIN_PASSWORD"] {
            assert_eq!(load(name.as_bytes(), b"\xff"), Err(format!("{name}: it is not UTF-8")));
        }
        assert_eq!(load(b"VIREO_LIBVIRT_\xff", b"x"), Err("VIREO_LIBVIRT_\u{fffd}: it is not UTF-8".into()));
    }

    #[test]
    fn a_named_file_must_exist() {
        let error = Config::load(Some(Path::new("/nonexistent/x.toml")), std::iter::empty()).unwrap_err();
        assert!(error.starts_with("/nonexistent/x.toml: "), "{error}");
    }

    #[test]
    fn portals() {
        let allows =
            |config: &Config, address: &str| config.storage.iscsi_portals.allow(address.parse().unwrap());
        let default = Config::default();
        for address in ["10.0.0.1", "192.0.2.1", "2001:db8::1"] {
            assert!(allows(&default, address), "{address}");
        }
        for address in
            ["127.0.0.1", "169.254.169.254", "0.0.0.0", "::1", "fe80::1", "::ffff:127.0.0.1", "224.0.0.1"]
        {
            assert!(!allows(&default, address), "{address}");
        }
        let one = load("[storage]\niscsi_portals = ['10.1.0.0/16', '2001:db8::/32']", &[]).unwrap();
        assert!(allows(&one, "10.1.2.3") && allows(&one, "::ffff:10.1.2.3") && allows(&one, "2001:db8::9"));
        assert!(!allows(&one, "10.2.0.1") && !allows(&one, "2001:db9::"));
    }
}
