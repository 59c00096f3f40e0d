//! Folders of storage domains: whose they are, and files that come into them whole.

use super::files::sync_folder;
use crate::error::{Error, Result};
use nix::fcntl::OFlag;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Holds the id of the storage domain. Where a file system is not mounted, it is not there.
const MARK: &str = ".vireo-storage-domain";
/// An id, and a line's end.
const MAX_MARK: u64 = 64;
/// What a new file is called until it is whole begins and ends so.
const PARTIAL: (&str, &str) = (".", ".partial");

/// Refuses what is no folder of that very name, or holds other files than with these suffixes.
pub fn vacant(folder: &Path, suffixes: &[&str]) -> Result<()> {
    let said = |what: &str| Error::conflict(format!("The path {} {what}", folder.display()));
    // A link, or a way up, could let two domains share a folder.
    let real = folder.canonicalize().map_err(|why| said("is not there.").because(why))?;
    if real.as_os_str() != folder.as_os_str() || !folder.is_dir() {
        return Err(said("is not the plain name of a folder."));
    }
    let entries = fs::read_dir(folder).map_err(|why| said("cannot be read.").because(why))?;
    for entry in entries {
        let name = entry.map_err(|why| said("cannot be read.").because(why))?.file_name();
        let name = name.to_string_lossy();
        let fits = name == MARK || name == "lost+found" || suffixes.iter().any(|it| name.ends_with(it));
        if !fits {
            return Err(said("is not empty."));
        }
    }
    Ok(())
}

pub fn mark(folder: &Path, id: &str) -> io::Result<()> {
    super::files::write_private(&folder.join(MARK), id.as_bytes())
}

pub fn marked(folder: &Path) -> io::Result<Option<String>> {
    // Neither a link nor a pipe that would keep us waiting.
    let plain = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let opened = OpenOptions::new().read(true).custom_flags(plain).open(folder.join(MARK));
    let read = opened.and_then(|mark| {
        let mut id = String::new();
        match mark.metadata()?.is_file() {
            true => mark.take(MAX_MARK).read_to_string(&mut id).map(|_| id),
            false => Err(ErrorKind::InvalidData.into()),
        }
    });
    match read {
        Ok(id) => Ok(Some(id)),
        Err(why) if why.kind() == ErrorKind::NotFound => fs::metadata(folder).map(|_| None),
        Err(why) => Err(why),
    }
}

pub fn unmark(folder: &Path) -> io::Result<()> {
    let mark = folder.join(MARK);
    match fs::remove_file(&mark).and_then(|()| sync_folder(&mark)) {
        Err(why) if why.kind() != ErrorKind::NotFound => Err(why),
        _ => Ok(()),
    }
}

/// What a file that comes into this place is called until it is whole.
pub fn partial(file: &Path) -> PathBuf {
    let (before, after) = PARTIAL;
    file.with_file_name(format!("{before}{}{after}", Uuid::new_v4()))
}

/// Writes a file of many parts under a name of its own, and renames it when it is whole.
pub fn write(
    file: &Path,
    parts: &mut dyn FnMut() -> Result<Option<Vec<u8>>>,
    failed: impl Fn(io::Error) -> Error,
) -> Result<()> {
    let partial = partial(file);
    let mut written =
        OpenOptions::new().write(true).create_new(true).mode(0o644).open(&partial).map_err(&failed)?;
    let mut whole = || {
        while let Some(part) = parts()? {
            written.write_all(&part).map_err(&failed)?;
        }
        written.sync_all().map_err(&failed)?;
        fs::rename(&partial, file).and_then(|()| sync_folder(file)).map_err(&failed)
    };
    let done = whole();
    if done.is_err() {
        // Nothing to do about a file system that takes nothing back either.
        let _ = fs::remove_file(&partial);
    }
    done
}

/// No machine takes more to describe.
pub const MAX_HINT: u64 = 16 << 20;

/// Names and texts of the hints that lie in a folder. What is no plain file of a hint's size is none.
pub fn hints(folder: &Path) -> io::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let is_hint = name.strip_suffix(".ovf").is_some_and(|id| Uuid::try_parse(id).is_ok());
        if !is_hint {
            continue;
        }
        match hint(&entry.path()) {
            Ok(text) => found.extend(text.map(|text| (name, text))),
            // A file may go while the folder is read.
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => {}
            Err(why) => return Err(why),
        }
    }
    found.sort();
    Ok(found)
}

fn hint(file: &Path) -> io::Result<Option<String>> {
    let metadata = fs::symlink_metadata(file)?;
    if !metadata.is_file() || metadata.len() > MAX_HINT {
        return Ok(None);
    }
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NOFOLLOW.bits()).open(file)?;
    let mut text = Vec::new();
    file.take(MAX_HINT).read_to_end(&mut text)?;
    Ok(Some(String::from_utf8_lossy(&text).into_owned()))
}

/// Removes what writers left that died.
pub fn sweep(folder: &Path) -> io::Result<()> {
    let (before, after) = PARTIAL;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_id = |name: &str| {
            let id = name.strip_prefix(before).and_then(|name| name.strip_suffix(after));
            id.is_some_and(|id| Uuid::try_parse(id).is_ok())
        };
        if name.to_str().is_some_and(is_id) {
            match entry.file_type()?.is_dir() {
                true => fs::remove_dir_all(entry.path())?,
                false => fs::remove_file(entry.path())?,
            }
        }
    }
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_is_ours_once_it_is_marked() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().canonicalize().unwrap().join("a");
        assert!(vacant(&folder, &[]).is_err() && marked(&folder).is_err());
        fs::create_dir(&folder).unwrap();
        vacant(&folder, &[]).unwrap();
        assert_eq!(marked(&folder).unwrap(), None);
        for id in ["1", "2"] {
            mark(&folder, id).unwrap();
            assert_eq!(marked(&folder).unwrap().as_deref(), Some(id));
        }
        vacant(&folder, &[]).unwrap();
        fs::write(folder.join("x.iso"), "").unwrap();
        vacant(&folder, &[".iso"]).unwrap();
        assert!(vacant(&folder, &[]).is_err());
        for _ in 0..2 {
            unmark(&folder).unwrap();
        }
        let link = folder.with_file_name("link");
        symlink(&folder, &link).unwrap();
        for other in
            [link.clone(), folder.join("."), folder.join("../a"), "relative".into(), folder.join("x.iso")]
        {
            assert!(vacant(&other, &[".iso"]).is_err(), "{}", other.display());
        }
    }

    #[test]
    fn files_are_whole_or_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.iso");
        let host = |why: io::Error| Error::host(why.to_string());
        for text in ["one", "two"] {
            let mut parts = text.bytes().map(|byte| vec![byte]);
            write(&file, &mut || Ok(parts.next()), host).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        let mut parts = [Ok(Some(vec![1])), Err(Error::invalid("broken off"))].into_iter();
        assert!(write(&file, &mut || parts.next().unwrap(), host).is_err());
        assert_eq!(
            (names(dir.path()), fs::read_to_string(&file).unwrap()),
            (vec!["x.iso".to_owned()], "two".into())
        );
        let dead = dir.path().join(format!(".{}.partial", Uuid::new_v4()));
        fs::write(&dead, "half").unwrap();
        fs::write(dir.path().join(".other.partial"), "").unwrap();
        sweep(dir.path()).unwrap();
        assert_eq!(names(dir.path()), [".other.partial", "x.iso"]);
    }
}
