//! How a guest is set up at its first boot.

use super::nic::BootProtocol;
use super::payload::{GuestFile, Secret};
use super::time_zone::iana;
use super::vm::{check_text, is_word};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

const MAX_SCRIPT: usize = 512 * 1024;

/// What a VM's guest is told. Texts are as the client gave them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Initialization {
    pub host_name: Option<String>,
    pub domain: Option<String>,
    pub time_zone: Option<String>,
    /// One public key a line.
    pub ssh_keys: Option<String>,
    pub regenerate_ssh_keys: bool,
    /// Addresses, apart by blanks.
    pub dns_servers: Option<String>,
    pub dns_search: Option<String>,
    pub nics: Vec<GuestNic>,
    /// Whom the password and the keys are for.
    pub user_name: Option<String>,
    pub password: Option<Secret>,
    /// Goes behind what is made of the rest.
    pub custom_script: Option<Secret>,
    /// Written into the guest; their names are paths.
    pub files: Vec<GuestFile>,
    pub input_locale: Option<String>,
    pub ui_language: Option<String>,
    pub system_locale: Option<String>,
    pub user_locale: Option<String>,
    pub windows_license_key: Option<Secret>,
    pub active_directory_ou: Option<String>,
    pub org_name: Option<String>,
}

/// An interface as the guest sets it up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestNic {
    pub name: String,
    pub protocol: BootProtocol,
    pub address: Option<String>,
    pub netmask: Option<String>,
    pub gateway: Option<String>,
    pub on_boot: bool,
}

impl Initialization {
    /// What is wrong with it by itself, in the client's words.
    pub fn check(&self) -> Result<(), String> {
        for (label, text, max) in [
            ("authorized SSH keys", &self.ssh_keys, 64 * 1024),
            ("user name", &self.user_name, 255),
            ("input locale", &self.input_locale, 255),
            ("UI language", &self.ui_language, 255),
            ("system locale", &self.system_locale, 255),
            ("user locale", &self.user_locale, 255),
            ("organizational unit", &self.active_directory_ou, 1000),
            ("organization name", &self.org_name, 1000),
            ("domain", &self.domain, 253),
        ] {
            check_text(label, text.as_deref().unwrap_or_default(), max)?;
        }
        for (label, secret, max) in [
            ("password", &self.password, 1000),
            ("custom script", &self.custom_script, MAX_SCRIPT),
            ("license key", &self.windows_license_key, 255),
        ] {
            check_text(label, secret.as_ref().map_or("", |secret| secret.0.as_str()), max)?;
        }
        if let Some(user) = self.user_name.as_deref().filter(|user| !is_word(user, "_-.@\\ $")) {
            return Err(format!("'{user}' is not the name of a guest's user."));
        }
        self.host_name.iter().chain(&words(&self.dns_search)).try_for_each(|name| check_host(name))?;
        if let Some(zone) = self.time_zone.as_ref().filter(|zone| iana(zone).is_none()) {
            return Err(format!("'{zone}' is not a time zone."));
        }
        words(&self.dns_servers).iter().try_for_each(|server| check_address("name server", server))?;
        self.nics.iter().try_for_each(GuestNic::check)?;
        self.check_files()
    }

    /// The domain of a guest; only Windows has no use of other texts.
    pub fn check_domain(&self) -> Result<(), String> {
        self.domain.as_deref().map_or(Ok(()), check_host)
    }

    fn check_files(&self) -> Result<(), String> {
        for file in &self.files {
            check_text("name of a guest's file", &file.name, 4000)?;
            if file.name.is_empty() {
                return Err("A file for a guest needs a name.".into());
            }
        }
        let all: usize = self.files.iter().map(|file| file.content.0.len()).sum();
        if all > MAX_SCRIPT { Err("The files for the guest are too large.".into()) } else { Ok(()) }
    }
}

impl GuestNic {
    /// The same of an interface.
    pub fn check(&self) -> Result<(), String> {
        if self.name.len() > 64 || !is_word(&self.name, "_-. ") {
            return Err(format!("'{}' is not the name of a guest's interface.", self.name));
        }
        for (label, text) in
            [("address", &self.address), ("netmask", &self.netmask), ("gateway", &self.gateway)]
        {
            text.as_deref().map_or(Ok(()), |text| check_address(label, text))?;
        }
        match self.protocol == BootProtocol::Static && self.address.is_none() {
            true => Err(format!("The interface {} of the guest has no address.", self.name)),
            false => Ok(()),
        }
    }
}

/// The words of a list that a client wrote with blanks, commas or semicolons between them.
pub fn words(text: &Option<String>) -> Vec<String> {
    let words = text.as_deref().unwrap_or_default().split([' ', ',', ';', '\n', '\t']);
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn check_host(name: &str) -> Result<(), String> {
    match name.len() > 253 || !is_word(name, "-._") || name.starts_with('-') {
        true => Err(format!("'{name}' is not a host's name.")),
        false => Ok(()),
    }
}

fn check_address(label: &str, text: &str) -> Result<(), String> {
    match text.parse::<IpAddr>() {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("'{text}' is not an IP {label}.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals() {
        let nic = GuestNic {
            name: "eth0".into(),
            protocol: BootProtocol::Dhcp,
            address: None,
            netmask: None,
            gateway: None,
            on_boot: true,
        };
        let mut good = Initialization { host_name: Some("web1.example.org".into()), ..Default::default() };
        good.nics.push(nic.clone());
        assert_eq!(good.check(), Ok(()));
        let wrong: &[fn(&mut Initialization)] = &[
            |it| it.host_name = Some("a b".into()),
            |it| it.user_name = Some("a:b".into()),
            |it| it.time_zone = Some("Mars/Base".into()),
            |it| it.dns_servers = Some("192.0.2.1 nope".into()),
            |it| it.nics[0].name = "../eth0".into(),
            |it| it.nics[0].gateway = Some("x".into()),
            |it| it.nics[0].protocol = BootProtocol::Static,
            |it| it.custom_script = Some(Secret("x".repeat(MAX_SCRIPT + 1))),
            |it| it.files.push(GuestFile { name: String::new(), content: Secret::default() }),
        ];
        for change in wrong {
            let mut it = good.clone();
            change(&mut it);
            assert!(it.check().is_err(), "{it:?}");
        }
    }
}
