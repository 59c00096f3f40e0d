//! What Windows reads when it is set up anew (sysprep): a floppy with its answers.

use super::seed::file as guest_file;
use crate::model::initialization::Initialization;
use crate::model::payload::{Payload, PayloadKind, Secret};
use crate::model::time_zone::windows;
use crate::xml::Element;
use std::fmt::Write;

/// NetBIOS knows no longer names.
const LONGEST_NAME: usize = 15;

/// Those that read `sysprep.inf`; later ones read `unattend.xml`.
const OLDER: &[&str] = &["windows_xp", "windows_2003", "windows_2003x64"];

/// The medium for a guest of that name. A script of the client's is all of the answers.
pub fn answers(os: &str, name: &str, wanted: &Initialization) -> Payload {
    let host = wanted.host_name.as_deref().unwrap_or(name);
    let host: String = host.split('.').next().unwrap_or_default().chars().take(LONGEST_NAME).collect();
    let older = OLDER.contains(&os);
    let made = || match older {
        true => sections(&host, wanted),
        false => unattend(os, &host, wanted),
    };
    let script = wanted.custom_script.as_ref().map(|script| script.0.clone());
    let content = script.filter(|script| !script.trim().is_empty()).unwrap_or_else(made);
    let file = if older { "sysprep.inf" } else { "unattend.xml" };
    Payload { kind: PayloadKind::Floppy, volume: None, files: vec![guest_file(file, content)] }
}

/// A name, and what there is to say under it.
type Said<'a> = (&'a str, Option<&'a str>);

fn secret(text: &Option<Secret>) -> Option<&str> {
    text.as_ref().map(|secret| secret.0.as_str())
}

fn unattend(os: &str, host: &str, wanted: &Initialization) -> String {
    let settings = |pass: &str| Element::new("settings").with("pass", pass);
    let shell = || component(os, "Microsoft-Windows-Shell-Setup");
    let zone = wanted.time_zone.as_deref().and_then(windows);
    let named = with(
        shell(),
        &[
            ("ComputerName", Some(host)),
            ("ProductKey", secret(&wanted.windows_license_key)),
            ("RegisteredOrganization", wanted.org_name.as_deref()),
            ("RegisteredOwner", wanted.user_name.as_deref()),
            ("TimeZone", zone.as_deref()),
        ],
    );
    let joins = wanted.domain.as_deref().map(|domain| {
        let mut identification = Element::new("Identification");
        if let (Some(user), Some(password)) = (wanted.user_name.as_deref(), secret(&wanted.password)) {
            // A name that says its domain goes without another one.
            let beside = Some(domain).filter(|_| !user.contains(['\\', '@']));
            let who = [("Domain", beside), ("Username", Some(user)), ("Password", Some(password))];
            identification.push(with(Element::new("Credentials"), &who));
        }
        let place =
            [("JoinDomain", Some(domain)), ("MachineObjectOU", wanted.active_directory_ou.as_deref())];
        component(os, "Microsoft-Windows-UnattendedJoin").child(with(identification, &place))
    });
    let specialize = joins.into_iter().fold(settings("specialize").child(named), Element::child);
    let speaks = with(
        component(os, "Microsoft-Windows-International-Core"),
        &[
            ("InputLocale", wanted.input_locale.as_deref()),
            ("SystemLocale", wanted.system_locale.as_deref()),
            ("UILanguage", wanted.ui_language.as_deref()),
            ("UserLocale", wanted.user_locale.as_deref()),
        ],
    );
    let quiet =
        [("HideEULAPage", Some("true")), ("NetworkLocation", Some("Work")), ("ProtectYourPC", Some("1"))];
    let mut users = shell().child(with(Element::new("OOBE"), &quiet));
    if let Some(password) = secret(&wanted.password) {
        let password = [("Value", Some(password)), ("PlainText", Some("true"))];
        let password = with(Element::new("AdministratorPassword"), &password);
        users.push(Element::new("UserAccounts").child(password));
    }
    let welcome = settings("oobeSystem").child(speaks).child(users);
    let document = Element::new("unattend").with("xmlns", "urn:schemas-microsoft-com:unattend");
    let document = document.child(specialize).child(welcome);
    format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n{document}")
}

fn component(os: &str, name: &str) -> Element {
    let architecture = if os.ends_with("x64") { "amd64" } else { "x86" };
    Element::new("component")
        .with("name", name)
        .with("processorArchitecture", architecture)
        .with("publicKeyToken", "31bf3856ad364e35")
        .with("language", "neutral")
        .with("versionScope", "nonSxS")
}

/// The element with those of the children that have something to say.
fn with(element: Element, said: &[Said<'_>]) -> Element {
    let said = said.iter().filter_map(|(name, text)| Some(Element::new(*name).text((*text)?)));
    said.fold(element, Element::child)
}

fn sections(host: &str, wanted: &Initialization) -> String {
    let (domain, user) = (wanted.domain.as_deref(), wanted.user_name.as_deref());
    let password = secret(&wanted.password);
    let joins = domain.map_or([("JoinWorkgroup", Some("WORKGROUP")), ("", None), ("", None)], |domain| {
        [("JoinDomain", Some(domain)), ("DomainAdmin", user), ("DomainAdminPassword", password)]
    });
    let said: [(&str, &[Said<'_>]); 5] = [
        ("Unattended", &[("OemSkipEula", Some("Yes"))]),
        (
            "GuiUnattended",
            &[("AdminPassword", password), ("OEMSkipRegional", Some("1")), ("OemSkipWelcome", Some("1"))],
        ),
        (
            "UserData",
            &[
                ("FullName", user),
                ("OrgName", wanted.org_name.as_deref()),
                ("ComputerName", Some(host)),
                ("ProductKey", secret(&wanted.windows_license_key)),
            ],
        ),
        ("Identification", &joins),
        ("Networking", &[("InstallDefaultComponents", Some("Yes"))]),
    ];
    let mut text = String::new();
    for (section, lines) in said {
        write!(text, "[{section}]\r\n").expect("a string takes all");
        for (key, value) in lines {
            if let Some(value) = value {
                write!(text, "{key}={}\r\n", quoted(value)).expect("a string takes all");
            }
        }
    }
    text
}

/// A value that stays one, whatever it holds.
fn quoted(value: &str) -> String {
    let line = value.replace(|c: char| c.is_control(), " ");
    format!("\"{}\"", line.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::parse;

    fn told() -> Initialization {
        Initialization {
            host_name: Some("a-name-that-is-too-long.example.org".into()),
            domain: Some("example.org".into()),
            user_name: Some("joe".into()),
            password: Some(Secret("<\"&>\n[x]".into())),
            time_zone: Some("Europe/Berlin".into()),
            org_name: Some("A & B".into()),
            windows_license_key: Some(Secret("AAAAA-BBBBB".into())),
            system_locale: Some("de-DE".into()),
            active_directory_ou: Some("OU=a,DC=b".into()),
            ..Initialization::default()
        }
    }

    fn content(payload: &Payload) -> (&str, &str) {
        (payload.files[0].name.as_str(), payload.files[0].content.0.as_str())
    }

    #[test]
    fn what_windows_reads() {
        let payload = answers("windows_2012x64", "vm", &told());
        assert_eq!(payload.kind, PayloadKind::Floppy);
        let (name, text) = content(&payload);
        assert_eq!(name, "unattend.xml");
        let document = parse(text.as_bytes()).unwrap();
        let all: Vec<&Element> =
            document.all("settings").flat_map(|settings| settings.all("component")).collect();
        assert!(all.iter().all(|it| it.get("processorArchitecture") == Some("amd64")));
        let said = |path: &str| all.iter().find_map(|it| it.value(path)).unwrap_or_default();
        assert_eq!(said("ComputerName"), "a-name-that-is-");
        assert_eq!(
            (said("TimeZone"), said("ProductKey")),
            ("W. Europe Standard Time".into(), "AAAAA-BBBBB".into())
        );
        assert_eq!(said("RegisteredOrganization"), "A & B");
        assert_eq!(said("Identification/JoinDomain"), "example.org");
        assert_eq!(said("Identification/Credentials/Password"), "<\"&>\n[x]");
        assert_eq!(said("UserAccounts/AdministratorPassword/Value"), "<\"&>\n[x]");
        assert_eq!(said("SystemLocale"), "de-DE");
    }

    #[test]
    fn a_user_is_of_one_domain() {
        for (user, beside) in [("joe", true), ("DOM\\joe", false), ("joe@dom.example", false)] {
            let wanted = Initialization { user_name: Some(user.into()), ..told() };
            let payload = answers("windows_7x64", "vm", &wanted);
            let who = content(&payload).1.split("<Credentials>").nth(1).unwrap().to_owned();
            let who = who.split("</Credentials>").next().unwrap();
            assert!(who.contains(&format!("<Username>{user}</Username>")), "{who}");
            assert_eq!(who.contains("<Domain>"), beside, "{who}");
        }
    }

    #[test]
    fn what_older_ones_read() {
        let payload = answers("windows_xp", "vm", &told());
        let (name, text) = content(&payload);
        assert_eq!(name, "sysprep.inf");
        for line in [
            "[UserData]",
            "ComputerName=\"a-name-that-is-\"",
            "AdminPassword=\"<\"\"&> [x]\"",
            "JoinDomain=\"example.org\"",
        ] {
            assert!(text.contains(&format!("{line}\r\n")), "{line}: {text}");
        }
        let alone = answers("windows_xp", "vm", &Initialization::default());
        assert!(content(&alone).1.contains("JoinWorkgroup=\"WORKGROUP\"\r\n"));
    }

    #[test]
    fn a_script_is_all_of_the_answers() {
        let script = Some(Secret("<unattend/>".into()));
        let payload = answers("windows_7", "vm", &Initialization { custom_script: script, ..told() });
        assert_eq!(content(&payload), ("unattend.xml", "<unattend/>"));
    }
}
