//! Files that a guest finds on a medium of its own, and secrets that nobody else is told.

use super::vm::check_text;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// All files of a medium together: a floppy holds it, whatever their names.
const MAX_CONTENT: usize = 1024 * 1024;
/// What the root folder of a floppy has room for, and what of a long name goes into each of these.
const FLOPPY_ENTRIES: usize = 220;
const LETTERS: usize = 13;
/// Folders of ISO 9660, with the file in the last.
const MAX_DEPTH: usize = 8;
const MAX_FILES: usize = 100;

/// A text that no log shows.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PayloadKind {
    Cdrom,
    Floppy,
}

/// A file for a guest; what it holds may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestFile {
    pub name: String,
    pub content: Secret,
}

/// A medium that is made for each run of a VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    pub kind: PayloadKind,
    /// The medium's label.
    pub volume: Option<String>,
    pub files: Vec<GuestFile>,
}

impl Payload {
    fn check(&self) -> Result<(), String> {
        let most = match self.kind {
            PayloadKind::Cdrom => 32,
            PayloadKind::Floppy => 11,
        };
        if let Some(volume) = &self.volume {
            let plain = volume.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
            if volume.len() > most || volume.starts_with('-') || !plain {
                return Err(format!(
                    "The volume id of a payload has at most {most} letters, digits, '_', '-' or '.'."
                ));
            }
        }
        if self.files.is_empty() || self.files.len() > MAX_FILES {
            return Err(format!("A payload has between 1 and {MAX_FILES} files."));
        }
        for (index, file) in self.files.iter().enumerate() {
            check_file_name(&file.name)?;
            let name = file.name.to_ascii_lowercase();
            for other in &self.files[..index] {
                let other = other.name.to_ascii_lowercase();
                if name == other {
                    return Err(format!("The payload has two files named '{}'.", file.name));
                }
                let holds = |folder: &str, file: &str| {
                    file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
                };
                if holds(&name, &other) || holds(&other, &name) {
                    return Err(format!("The payload has a folder and a file of one name: '{}'.", file.name));
                }
            }
        }
        if self.kind == PayloadKind::Floppy && self.entries() > FLOPPY_ENTRIES {
            return Err("The names of the payload's files take more room than a floppy's folder has.".into());
        }
        match self.files.iter().map(|file| file.content.0.len()).sum::<usize>() > MAX_CONTENT {
            true => Err("The files of a payload are too large: they may have 1 MiB together.".into()),
            false => Ok(()),
        }
    }

    /// What the names of the root folder take there: each has a short form, too.
    fn entries(&self) -> usize {
        let roots: BTreeSet<&str> =
            self.files.iter().filter_map(|file| file.name.split('/').next()).collect();
        roots.iter().map(|name| 1 + name.encode_utf16().count().div_ceil(LETTERS)).sum()
    }
}

/// At most one medium of each kind.
pub fn check_payloads(payloads: &[Payload]) -> Result<(), String> {
    for (index, payload) in payloads.iter().enumerate() {
        payload.check()?;
        if payloads[..index].iter().any(|other| other.kind == payload.kind) {
            return Err("A VM has at most one payload of each type.".into());
        }
    }
    Ok(())
}

/// Folders and a file, by plain names that every file system of a medium takes:
/// `openstack/latest/user_data`.
fn check_file_name(name: &str) -> Result<(), String> {
    let parts: Vec<&str> = name.split('/').collect();
    match parts.len() <= MAX_DEPTH && parts.into_iter().all(is_plain) {
        true => Ok(()),
        false => Err(format!("'{name}' is not the name of a payload's file.")),
    }
}

fn is_plain(name: &str) -> bool {
    check_text("file name of a payload", name, 64).is_ok()
        && !name.is_empty()
        && !name.chars().any(|c| c.is_control() || "\\<>:\"|?*".contains(c))
        && !name.chars().all(|c| c == '.')
        && name.trim() == name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(name: &str) -> Payload {
        let content = Secret("x".into());
        Payload {
            kind: PayloadKind::Cdrom,
            volume: None,
            files: vec![GuestFile { name: name.into(), content }],
        }
    }

    #[test]
    fn names_are_plain() {
        for good in ["user-data", "A b.txt", "ü", &"x".repeat(64), "openstack/latest/user_data"] {
            assert_eq!(check_payloads(&[payload(good)]), Ok(()), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "/a",
            "a/",
            "a//b",
            "a/../b",
            "../x",
            &format!("{}a", "a/".repeat(8)),
            "a\\b",
            "c:",
            "x\n",
            " x",
            &"x".repeat(65),
        ] {
            assert!(check_payloads(&[payload(bad)]).is_err(), "{bad}");
        }
    }

    #[test]
    fn limits() {
        assert!(check_payloads(&[payload("a"), payload("a")]).is_err());
        let wrong: &[fn(&mut Payload)] = &[
            |it| it.files.clear(),
            |it| it.files.push(it.files[0].clone()),
            |it| it.files.push(GuestFile { name: "A/b".into(), content: Secret("x".into()) }),
            |it| it.files[0].content.0 = "x".repeat(MAX_CONTENT + 1),
            |it| {
                it.kind = PayloadKind::Floppy;
                let file = |number| GuestFile { name: format!("{number:064}"), content: Secret::default() };
                it.files = (0..60).map(file).collect();
            },
            |it| it.volume = Some("-o".into()),
            |it| it.volume = Some("x".repeat(33)),
        ];
        for change in wrong {
            let mut payload = payload("a");
            change(&mut payload);
            assert!(check_payloads(&[payload]).is_err());
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert!(!format!("{:?}", payload("a")).contains("\"x\""));
    }
}
