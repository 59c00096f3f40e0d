//! Small media with files for a guest: ISO 9660 by xorriso, a FAT floppy by mtools.

use super::files::{private_folder, sync_folder};
use super::{command, folders};
use crate::error::{Error, Result};
use crate::model::{Payload, PayloadKind};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(30);

/// Makes the medium in a private folder beside its place, and moves it there when it is whole.
pub fn compose(file: &Path, payload: &Payload) -> Result<()> {
    let work = folders::partial(file);
    let made = make(&work, payload).and_then(|image| {
        let placed = fs::set_permissions(&image, Permissions::from_mode(0o600))
            .and_then(|()| File::open(&image)?.sync_all())
            .and_then(|()| fs::rename(&image, file))
            .and_then(|()| sync_folder(file));
        placed.map_err(failed)
    });
    // What stays is swept at the next start.
    let _ = fs::remove_dir_all(&work);
    made
}

fn make(work: &Path, payload: &Payload) -> Result<std::path::PathBuf> {
    let (content, image) = (work.join("files"), work.join("image"));
    private_folder(&content).map_err(failed)?;
    for file in &payload.files {
        let to = content.join(&file.name);
        let folder = to.parent().unwrap_or(&content);
        fs::create_dir_all(folder)
            .and_then(|()| write_new(&to, file.content.0.as_bytes()))
            .map_err(failed)?;
    }
    let volume = payload.volume.as_deref().unwrap_or("PAYLOAD");
    match payload.kind {
        PayloadKind::Cdrom => {
            let args = ["-as", "mkisofs", "-quiet", "-J", "-r", "-V", volume, "-o"].map(OsStr::new);
            run("xorriso", args.into_iter().chain([image.as_os_str(), content.as_os_str()]))?;
        }
        PayloadKind::Floppy => {
            let args = ["-C", "-f", "1440", "-v", volume, "-i"].map(OsStr::new);
            run("mformat", args.into_iter().chain([image.as_os_str(), OsStr::new("::")]))?;
            let top =
                fs::read_dir(&content).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(failed)?;
            let files: Vec<OsString> = top.iter().map(|entry| entry.path().into_os_string()).collect();
            let args = ["-s", "-i"].map(OsStr::new).into_iter().chain([image.as_os_str()]);
            let args = args.chain(files.iter().map(OsString::as_os_str)).chain([OsStr::new("::")]);
            run("mcopy", args)?;
        }
    }
    Ok(image)
}

fn write_new(file: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?.write_all(bytes)
}

fn run<'a>(program: &str, args: impl Iterator<Item = &'a OsStr>) -> Result<()> {
    command::run(Path::new(program), args, DEADLINE).map_err(|why| {
        Error::host("A medium with files for the guest cannot be made on the host.").because(why)
    })
}

fn failed(why: io::Error) -> Error {
    Error::host("A medium with files for the guest cannot be made on the host.").because(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{GuestFile, Secret};

    fn payload(kind: PayloadKind) -> Payload {
        let file = |name: &str, text: &str| GuestFile { name: name.into(), content: Secret(text.into()) };
        let files = vec![
            file("user-data", "#cloud-config\n"),
            file("Grüße an alle.txt", "hi"),
            file("openstack/latest/user_data", "deep"),
        ];
        Payload { kind, volume: Some("cidata".into()), files }
    }

    fn told(program: &str, args: &[&str]) -> String {
        let answer = command::output(Path::new(program), args, DEADLINE).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[test]
    fn a_cd_has_its_label_and_files() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.iso");
        for _ in 0..2 {
            compose(&file, &payload(PayloadKind::Cdrom)).unwrap();
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let bytes = fs::read(&file).unwrap();
        assert_eq!(&bytes[16 * 2048 + 40..][..6], b"cidata");
        let path = file.to_str().unwrap();
        let listed = told("xorriso", &["-indev", path, "-find", "/", "-type", "f"]);
        assert!(listed.contains("'/openstack/latest/user_data'"), "{listed}");
        assert!(listed.contains("'/user-data'") && listed.contains("Grüße an alle.txt"), "{listed}");
    }

    #[test]
    fn a_floppy_has_its_files() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.img");
        compose(&file, &payload(PayloadKind::Floppy)).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().len(), 1440 * 1024);
        let read = |name: &str| told("mtype", &["-i", file.to_str().unwrap(), name]);
        assert_eq!(read("::user-data"), "#cloud-config\n");
        assert_eq!(read("::openstack/latest/user_data"), "deep");
    }

    #[test]
    fn a_failure_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut large = payload(PayloadKind::Floppy);
        large.files[0].content.0 = "x".repeat(2 << 20);
        assert!(compose(&dir.path().join("a.img"), &large).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
