//! What cloud-init in a guest reads at its first boot: a medium with its "NoCloud" files.

use crate::model::initialization::{GuestNic, Initialization, words};
use crate::model::nic::BootProtocol;
use crate::model::payload::{GuestFile, Payload, PayloadKind, Secret};
use crate::model::time_zone::iana;
use serde_json::{Value, json};
use std::fmt::Write;

/// By this label cloud-init knows the medium.
const LABEL: &str = "cidata";

/// The medium for a guest of that name; cloud-init acts again whenever the instance is a new one.
pub fn seed(instance: &str, name: &str, wanted: &Initialization) -> Payload {
    let host = wanted.host_name.as_deref().unwrap_or(name);
    let meta = yaml(&[("instance-id", json!(instance)), ("local-hostname", json!(host))]);
    let mut files = vec![file("meta-data", meta), file("user-data", user_data(host, wanted))];
    if !wanted.nics.is_empty() {
        files.push(file("network-config", network_config(wanted)));
    }
    Payload { kind: PayloadKind::Cdrom, volume: Some(LABEL.into()), files }
}

pub(super) fn file(name: &str, content: String) -> GuestFile {
    GuestFile { name: name.into(), content: Secret(content) }
}

/// A block of YAML; its values are JSON, which YAML reads, so that no text can break out.
fn yaml(pairs: &[(&str, Value)]) -> String {
    pairs.iter().fold(String::new(), |mut text, (key, value)| {
        writeln!(text, "{key}: {value}").expect("a string takes all");
        text
    })
}

fn user_data(host: &str, wanted: &Initialization) -> String {
    let mut pairs = vec![("hostname", json!(host))];
    // A name with dots is the whole name already.
    if let Some(domain) = wanted.domain.as_ref().filter(|_| !host.contains('.'))
        && wanted.check_domain().is_ok()
    {
        pairs.push(("fqdn", json!(format!("{host}.{domain}"))));
    }
    let user = wanted.user_name.as_deref().unwrap_or("root");
    pairs.push(("user", json!(user)));
    pairs.push(("disable_root", json!(false)));
    if let Some(Secret(password)) = &wanted.password {
        pairs.push(("password", json!(password)));
        pairs.push(("chpasswd", json!({ "expire": false })));
        pairs.push(("ssh_pwauth", json!(true)));
    }
    let keys: Vec<&str> = lines(&wanted.ssh_keys);
    if !keys.is_empty() {
        pairs.push(("ssh_authorized_keys", json!(keys)));
    }
    // Left out, it is up to the image, which mostly gives each guest keys of its own.
    if wanted.regenerate_ssh_keys {
        pairs.push(("ssh_deletekeys", json!(true)));
    }
    if let Some(zone) = wanted.time_zone.as_deref().and_then(iana) {
        pairs.push(("timezone", json!(zone)));
    }
    if let Some(locale) = &wanted.system_locale {
        pairs.push(("locale", json!(locale)));
    }
    let (servers, search) = (words(&wanted.dns_servers), words(&wanted.dns_search));
    if !(servers.is_empty() && search.is_empty()) {
        pairs.push(("manage_resolv_conf", json!(true)));
        pairs.push(("resolv_conf", json!({ "nameservers": servers, "searchdomains": search })));
    }
    if !wanted.files.is_empty() {
        let written = wanted.files.iter().map(|it| json!({ "path": it.name, "content": it.content.0 }));
        pairs.push(("write_files", Value::Array(written.collect())));
    }
    let mut text = format!("#cloud-config\n{}", yaml(&pairs));
    if let Some(Secret(script)) = &wanted.custom_script {
        text.push_str(script);
        text.push('\n');
    }
    text
}

fn lines(text: &Option<String>) -> Vec<&str> {
    let lines = text.as_deref().unwrap_or_default().lines().map(str::trim);
    lines.filter(|line| !line.is_empty()).collect()
}

fn network_config(wanted: &Initialization) -> String {
    let mut config: Vec<Value> = wanted
        .nics
        .iter()
        .map(|nic| json!({ "type": "physical", "name": nic.name, "subnets": [subnet(nic)] }))
        .collect();
    let (servers, search) = (words(&wanted.dns_servers), words(&wanted.dns_search));
    if !(servers.is_empty() && search.is_empty()) {
        config.push(json!({ "type": "nameserver", "address": servers, "search": search }));
    }
    yaml(&[("version", json!(1)), ("config", Value::Array(config))])
}

fn subnet(nic: &GuestNic) -> Value {
    let kind = match nic.protocol {
        BootProtocol::Dhcp => "dhcp",
        BootProtocol::Static => "static",
        BootProtocol::None => "manual",
    };
    let mut subnet = json!({ "type": kind, "control": if nic.on_boot { "auto" } else { "manual" } });
    let fixed = [("address", &nic.address), ("netmask", &nic.netmask), ("gateway", &nic.gateway)];
    for (key, value) in fixed.into_iter().filter(|_| nic.protocol == BootProtocol::Static) {
        if let Some(value) = value {
            subnet[key] = json!(value);
        }
    }
    subnet
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(payload: &Payload, name: &str) -> Option<String> {
        payload.files.iter().find(|file| file.name == name).map(|file| file.content.0.clone())
    }

    #[test]
    fn what_cloud_init_reads() {
        let wanted = Initialization {
            host_name: Some("web1".into()),
            domain: Some("example.org".into()),
            user_name: Some("joe".into()),
            password: Some(Secret("a\": b\n#x".into())),
            ssh_keys: Some("ssh-rsa A a@b\n\nssh-rsa B\n".into()),
            time_zone: Some("Europe/Berlin".into()),
            dns_servers: Some("192.0.2.1, 192.0.2.2".into()),
            custom_script: Some(Secret("runcmd:\n- [touch, /x]".into())),
            nics: vec![GuestNic {
                name: "eth0".into(),
                protocol: BootProtocol::Static,
                address: Some("192.0.2.9".into()),
                netmask: Some("255.255.255.0".into()),
                gateway: None,
                on_boot: true,
            }],
            ..Initialization::default()
        };
        let made = seed("i-1", "vm", &wanted);
        assert_eq!(made.volume.as_deref(), Some("cidata"));
        assert_eq!(content(&made, "meta-data").unwrap(), "instance-id: \"i-1\"\nlocal-hostname: \"web1\"\n");
        assert_eq!(
            content(&made, "user-data").unwrap(),
            "#cloud-config\nhostname: \"web1\"\nfqdn: \"web1.example.org\"\nuser: \"joe\"\n\
             disable_root: false\npassword: \"a\\\": b\\n#x\"\nchpasswd: {\"expire\":false}\nssh_pwauth: true\n\
             ssh_authorized_keys: [\"ssh-rsa A a@b\",\"ssh-rsa B\"]\ntimezone: \"Europe/Berlin\"\nmanage_resolv_conf: true\n\
             resolv_conf: {\"nameservers\":[\"192.0.2.1\",\"192.0.2.2\"],\"searchdomains\":[]}\n\
             runcmd:\n- [touch, /x]\n"
        );
        let network = content(&made, "network-config").unwrap();
        assert!(network.starts_with("version: 1\nconfig: [{"), "{network}");
        assert!(network.contains("\"address\":\"192.0.2.9\""), "{network}");
    }

    #[test]
    fn nothing_asked_for_is_a_name_and_no_network() {
        let made = seed("i-1", "vm", &Initialization::default());
        assert_eq!(content(&made, "network-config"), None);
        assert!(content(&made, "user-data").unwrap().starts_with("#cloud-config\nhostname: \"vm\"\n"));
    }
}
