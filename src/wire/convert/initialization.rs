//! How a guest is set up at its first boot, flat and in the nested form before it; payloads.

use super::vm::set_text;
use super::{Named, named};
use crate::error::{Error, Kind, Result};
use crate::model::BootProtocol;
use crate::model::initialization::{GuestNic, Initialization};
use crate::model::payload::{GuestFile, Payload, Secret};
use crate::wire::types::{self, CloudInit};

/// The keys of a "cloud-config" that scripts begin with.
const CLOUD_CONFIG: &[&str] = &[
    "apt",
    "bootcmd",
    "ca-certs",
    "ca_certs",
    "chpasswd",
    "disk_setup",
    "disable_root",
    "final_message",
    "fqdn",
    "fs_setup",
    "groups",
    "growpart",
    "hostname",
    "manage_etc_hosts",
    "manage_resolv_conf",
    "mounts",
    "ntp",
    "package_update",
    "package_upgrade",
    "packages",
    "password",
    "phone_home",
    "power_state",
    "preserve_hostname",
    "resolv_conf",
    "rh_subscription",
    "runcmd",
    "ssh_authorized_keys",
    "ssh_pwauth",
    "swap",
    "timezone",
    "user",
    "users",
    "write_files",
    "yum_repos",
];

/// What stands for a password that is set.
const HIDDEN: &str = "******";

/// Puts what the document says over what is there; the nested form first.
pub fn change_initialization(given: &types::Initialization, known: &mut Initialization) -> Result<()> {
    if let Some(nested) = &given.cloud_init {
        change_nested(nested, known)?;
    }
    for (text, field) in [
        (&given.host_name, &mut known.host_name),
        (&given.domain, &mut known.domain),
        (&given.timezone, &mut known.time_zone),
        (&given.authorized_ssh_keys, &mut known.ssh_keys),
        (&given.dns_servers, &mut known.dns_servers),
        (&given.dns_search, &mut known.dns_search),
        (&given.user_name, &mut known.user_name),
        (&given.input_locale, &mut known.input_locale),
        (&given.ui_language, &mut known.ui_language),
        (&given.system_locale, &mut known.system_locale),
        (&given.user_locale, &mut known.user_locale),
        (&given.active_directory_ou, &mut known.active_directory_ou),
        (&given.org_name, &mut known.org_name),
    ] {
        set_text(text, field);
    }
    set_secret(&given.root_password, &mut known.password);
    set_secret(&given.custom_script, &mut known.custom_script);
    if let Some(files) = given.cloud_init.as_ref().and_then(|nested| nested.files.as_ref()) {
        change_files(files, known)?;
    }
    set_secret(&given.windows_license_key, &mut known.windows_license_key);
    known.regenerate_ssh_keys = given.regenerate_ssh_keys.unwrap_or(known.regenerate_ssh_keys);
    if let Some(nics) = &given.nic_configurations {
        let nics = nics.nic_configuration.iter();
        known.nics = nics
            .map(|nic| guest_nic(&nic.name, nic.ip.as_ref(), &nic.boot_protocol, nic.on_boot))
            .collect::<Result<_>>()?;
    }
    Ok(())
}

fn change_nested(given: &CloudInit, known: &mut Initialization) -> Result<()> {
    set_text(&given.host.as_ref().and_then(|host| host.address.clone()), &mut known.host_name);
    set_text(&given.timezone, &mut known.time_zone);
    known.regenerate_ssh_keys = given.regenerate_ssh_keys.unwrap_or(known.regenerate_ssh_keys);
    if let Some(keys) = &given.authorized_keys {
        let keys: Vec<&str> = keys.authorized_key.iter().filter_map(|key| key.key.as_deref()).collect();
        set_text(&Some(keys.join("\n")), &mut known.ssh_keys);
    }
    if let Some(network) = &given.network_configuration {
        if let Some(nics) = &network.nics {
            let nics = nics.nic.iter();
            known.nics = nics
                .map(|nic| {
                    let ip = nic.network.as_ref().and_then(|network| network.ip.as_ref());
                    guest_nic(&nic.name, ip, &nic.boot_protocol, nic.on_boot)
                })
                .collect::<Result<_>>()?;
        }
        if let Some(dns) = &network.dns {
            set_text(&dns.servers.as_ref().map(addresses), &mut known.dns_servers);
            set_text(&dns.search_domains.as_ref().map(addresses), &mut known.dns_search);
        }
    }
    if let Some(users) = &given.users {
        if users.user.len() > 1 {
            return Err(Error::new(Kind::Value, "cloud_init.users: a guest is set up with one user."));
        }
        if let Some(user) = users.user.first() {
            set_text(&user.user_name, &mut known.user_name);
            set_secret(&user.password, &mut known.password);
        }
    }
    Ok(())
}

/// Files of the nested form: those for the guest, and those that clients carry a script in, from before
/// it had an element of its own.
fn change_files(files: &types::Files, known: &mut Initialization) -> Result<()> {
    let (scripts, files): (Vec<GuestFile>, _) = guest_files(files)?.into_iter().partition(is_script);
    known.files = files;
    if !scripts.is_empty() {
        let scripts: Vec<String> = scripts.into_iter().map(|script| script.content.0).collect();
        known.custom_script = Some(Secret(scripts.join("\n")));
    }
    Ok(())
}

/// Whether cloud-init is to read it: a file of the guest has a whole path, and begins with no key of a
/// "cloud-config".
fn is_script(file: &GuestFile) -> bool {
    let mut lines = file.content.0.lines().map(str::trim_end);
    let first = lines.find(|line| !line.is_empty() && (!line.starts_with('#') || *line == "#cloud-config"));
    let key = first.and_then(|line| line.split_once(':')).map(|(key, _)| key);
    let is_config = first == Some("#cloud-config") || key.is_some_and(|key| CLOUD_CONFIG.contains(&key));
    !file.name.starts_with('/') || is_config
}

fn addresses(hosts: &types::CloudInitHosts) -> String {
    let addresses: Vec<&str> = hosts.host.iter().filter_map(|host| host.address.as_deref()).collect();
    addresses.join(" ")
}

fn guest_nic(
    name: &Option<String>,
    ip: Option<&types::Ip>,
    protocol: &Option<String>,
    on_boot: Option<bool>,
) -> Result<GuestNic> {
    let text = |of: fn(&types::Ip) -> &Option<String>| {
        ip.and_then(|ip| of(ip).clone()).filter(|text| !text.is_empty())
    };
    let protocol = match protocol.as_deref().filter(|text| !text.is_empty()) {
        Some(protocol) => named(protocol)?,
        None if ip.is_some() => BootProtocol::Static,
        None => BootProtocol::Dhcp,
    };
    Ok(GuestNic {
        name: name.clone().unwrap_or_default(),
        protocol,
        address: text(|ip| &ip.address),
        netmask: text(|ip| &ip.netmask),
        gateway: text(|ip| &ip.gateway),
        on_boot: on_boot.unwrap_or(true),
    })
}

fn guest_files(files: &types::Files) -> Result<Vec<GuestFile>> {
    let files = files.file.iter().map(|file| {
        let encoded = file.r#type.as_deref().filter(|kind| !kind.eq_ignore_ascii_case("plaintext"));
        if let Some(kind) = encoded {
            return Err(Error::new(Kind::Value, format!("file.type: {kind} is not served, only plaintext.")));
        }
        let content = Secret(file.content.clone().unwrap_or_default());
        Ok(GuestFile { name: file.name.clone().unwrap_or_default(), content })
    });
    files.collect()
}

/// The media that a document asks for.
pub fn payloads(given: &types::Payloads) -> Result<Vec<Payload>> {
    let payloads = given.payload.iter().map(|payload| {
        let kind = payload
            .r#type
            .as_deref()
            .ok_or_else(|| Error::new(Kind::Incomplete, "Payload [type] required for payloads"))?;
        Ok(Payload {
            kind: named(kind)?,
            volume: payload.volume_id.clone().filter(|volume| !volume.is_empty()),
            files: payload.files.as_ref().map(guest_files).transpose()?.unwrap_or_default(),
        })
    });
    payloads.collect()
}

/// As it is shown: passwords and keys are only told to be there.
pub fn initialization(known: &Initialization) -> types::Initialization {
    let hidden = |secret: &Option<Secret>| secret.is_some().then(|| HIDDEN.to_owned());
    let nic = |nic: &GuestNic| types::NicConfiguration {
        name: Some(nic.name.clone()),
        ip: nic.address.is_some().then(|| types::Ip {
            address: nic.address.clone(),
            netmask: nic.netmask.clone(),
            gateway: nic.gateway.clone(),
            version: None,
        }),
        boot_protocol: Some(nic.protocol.name().into()),
        on_boot: Some(nic.on_boot),
    };
    types::Initialization {
        // Files have no place in the flat form.
        cloud_init: (!known.files.is_empty())
            .then(|| CloudInit { files: Some(shown_files(&known.files)), ..CloudInit::default() }),
        host_name: known.host_name.clone(),
        domain: known.domain.clone(),
        timezone: known.time_zone.clone(),
        authorized_ssh_keys: known.ssh_keys.clone(),
        regenerate_ssh_keys: Some(known.regenerate_ssh_keys),
        dns_servers: known.dns_servers.clone(),
        dns_search: known.dns_search.clone(),
        nic_configurations: (!known.nics.is_empty())
            .then(|| types::NicConfigurations { nic_configuration: known.nics.iter().map(nic).collect() }),
        windows_license_key: hidden(&known.windows_license_key),
        root_password: hidden(&known.password),
        custom_script: known.custom_script.as_ref().map(|script| script.0.clone()),
        input_locale: known.input_locale.clone(),
        ui_language: known.ui_language.clone(),
        system_locale: known.system_locale.clone(),
        user_locale: known.user_locale.clone(),
        user_name: known.user_name.clone(),
        active_directory_ou: known.active_directory_ou.clone(),
        org_name: known.org_name.clone(),
        ..Default::default()
    }
}

fn shown_files(files: &[GuestFile]) -> types::Files {
    let file = |file: &GuestFile| types::File {
        name: Some(file.name.clone()),
        content: Some(file.content.0.clone()),
        ..Default::default()
    };
    types::Files { file: files.iter().map(file).collect(), ..Default::default() }
}

pub fn shown_payloads(payloads: &[Payload]) -> types::Payloads {
    let payload = |payload: &Payload| types::Payload {
        r#type: Some(payload.kind.name().into()),
        files: Some(shown_files(&payload.files)),
        volume_id: payload.volume.clone(),
    };
    types::Payloads { payload: payloads.iter().map(payload).collect() }
}

/// What was read comes back without having been told.
fn set_secret(given: &Option<String>, field: &mut Option<Secret>) {
    if let Some(text) = given.as_ref().filter(|text| *text != HIDDEN) {
        *field = Some(Secret(text.clone())).filter(|secret| !secret.0.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Format, Version, read};

    fn changed(body: &str) -> Result<Initialization> {
        let document = format!("<vm><initialization>{body}</initialization></vm>");
        let vm: types::Vm = read(document.as_bytes(), Format::Xml, Version::V3)?;
        let mut known = Initialization::default();
        change_initialization(vm.initialization.as_ref().unwrap(), &mut known)?;
        Ok(known)
    }

    const NESTED: &str = "<cloud_init><host><address>web1</address></host><authorized_keys><authorized_key>\
        <user><name>root</name></user><key>ssh-rsa A</key></authorized_key></authorized_keys>\
        <network_configuration><nics><nic><name>eth0</name><boot_protocol>STATIC</boot_protocol>\
        <network><ip address='192.0.2.9' netmask='255.255.255.0' gateway='192.0.2.1'/></network>\
        <on_boot>true</on_boot></nic></nics><dns><servers><host><address>192.0.2.3</address></host></servers>\
        <search_domains><host><address>example.org</address></host></search_domains></dns>\
        </network_configuration><regenerate_ssh_keys>true</regenerate_ssh_keys><timezone>Europe/Berlin</timezone>\
        <users><user><user_name>root</user_name><password>s3cret</password></user></users>\
        <files><file><name>/etc/motd</name><content>hi</content><type>PLAINTEXT</type></file></files></cloud_init>";

    #[test]
    fn both_forms_say_the_same() {
        let nested = changed(NESTED).unwrap();
        let flat = changed(
            "<host_name>web1</host_name><timezone>Europe/Berlin</timezone>\
             <authorized_ssh_keys>ssh-rsa A</authorized_ssh_keys><regenerate_ssh_keys>true</regenerate_ssh_keys>\
             <dns_servers>192.0.2.3</dns_servers><dns_search>example.org</dns_search><nic_configurations>\
             <nic_configuration><name>eth0</name><ip address='192.0.2.9' netmask='255.255.255.0' \
             gateway='192.0.2.1'/><boot_protocol>static</boot_protocol><on_boot>true</on_boot>\
             </nic_configuration></nic_configurations><root_password>s3cret</root_password>\
             <user_name>root</user_name>",
        )
        .unwrap();
        assert_eq!(Initialization { files: Vec::new(), ..nested.clone() }, flat);
        assert_eq!((nested.check(), nested.files.len()), (Ok(()), 1));
    }

    #[test]
    fn a_script_that_comes_as_a_file_is_a_script() {
        let files = |files: &[(&str, &str)]| {
            let files: String = files
                .iter()
                .map(|(name, content)| {
                    format!("<file><name>{name}</name><content>{content}</content></file>")
                })
                .collect();
            let known = changed(&format!(
                "<cloud_init><files>{files}</files></cloud_init><custom_script>old: 1</custom_script>"
            ))
            .unwrap();
            let names: Vec<String> = known.files.into_iter().map(|file| file.name).collect();
            (known.custom_script.unwrap().0, names.join(" "))
        };
        let run = "runcmd:\n- touch /x";
        assert_eq!(files(&[("ignored", run)]), (run.into(), String::new()));
        assert_eq!(files(&[("/etc/resolv.conf", run)]), (run.into(), String::new()));
        assert_eq!(files(&[("/etc/motd", "runs: well")]), ("old: 1".into(), "/etc/motd".into()));
        let config = "\n#cloud-config\n";
        assert_eq!(
            files(&[("a", config), ("/b", "b"), ("c", run)]),
            (format!("{config}\n{run}"), "/b".into())
        );
    }

    #[test]
    fn what_is_shown_changes_nothing_and_hides_the_password() {
        let known = changed(NESTED).unwrap();
        let shown = initialization(&known);
        assert_eq!(shown.root_password.as_deref(), Some(HIDDEN));
        let mut again = known.clone();
        change_initialization(&shown, &mut again).unwrap();
        assert_eq!(again, known);
        let cleared = types::Initialization { root_password: Some(String::new()), ..Default::default() };
        change_initialization(&cleared, &mut again).unwrap();
        assert_eq!(again.password, None);
    }

    #[test]
    fn refusals() {
        for bad in [
            "<cloud_init><users><user><user_name>a</user_name></user><user><user_name>b</user_name></user>\
             </users></cloud_init>",
            "<nic_configurations><nic_configuration><name>eth0</name><boot_protocol>x</boot_protocol>\
             </nic_configuration></nic_configurations>",
            "<cloud_init><files><file><name>a</name><type>BASE64</type></file></files></cloud_init>",
        ] {
            assert!(changed(bad).is_err(), "{bad}");
        }
    }
}
