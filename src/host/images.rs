//! Image files. A raw image is a plain file and needs no tool, and neither does a new qcow2 image
//! without data; others are made and grown by qemu-img, always with their format named.

use super::files::sync_folder;
use super::qcow2::{self, Header};
use super::{command, folders, qcow2_new};
use crate::engine::ports::{Examined, Images};
use crate::error::{Error, Kind, Result};
use crate::model::{DiskFormat, HostLun, Payload};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, OFlag, fallocate, posix_fallocate};
use nix::sys::statvfs::statvfs;
use nix::unistd::{Whence, lseek};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Even on slow storage, writing a new image's tables takes less.
const DEADLINE: Duration = Duration::from_secs(60);
/// QEMU counts whole sectors.
const SECTOR: u64 = 512;
/// Data move at no less than some MiB a second.
const DATA_DEADLINE: Duration = Duration::from_secs(24 * 3600);

/// Images on the file systems of this host.
pub struct QemuImg {
    program: PathBuf,
}

impl Default for QemuImg {
    fn default() -> Self {
        Self { program: "qemu-img".into() }
    }
}

impl Images for QemuImg {
    fn luns(&self) -> Result<Vec<HostLun>> {
        Ok(super::luns::of_host(Path::new("/")))
    }

    fn beneath(&self, folder: &Path, name: &str) -> Result<PathBuf> {
        super::beneath(folder, name)
    }

    fn create(&self, file: &Path, format: DiskFormat, size: u64, sparse: bool) -> Result<()> {
        self.bring(file, Header { size: whole_sectors(size)?, below: None }, format, |part, size| {
            self.make(part, format, size, sparse)
        })
    }

    fn overlay(&self, file: &Path, size: u64, below: &str, format: DiskFormat) -> Result<()> {
        let header = Header { size: whole_sectors(size)?, below: Some(below.to_owned()) };
        // The image below may be in use: nobody looks into it.
        self.bring(file, header, DiskFormat::Cow, |part, size| make_empty(part, size, Some((below, format))))
    }

    fn renew(&self, file: &Path, size: u64, below: &str, format: DiskFormat) -> Result<()> {
        let size = whole_sectors(size)?;
        // What it held may be what there is no room for.
        self.remove(file)?;
        whole(file, "made", |part| make_empty(part, size, Some((below, format))))
    }

    fn commit(&self, file: &Path) -> Result<()> {
        // A tool would open whatever an image refers to.
        let below = self.chain(file, DiskFormat::Cow)?.into_iter().nth(1);
        // Not emptied: whoever reads it still finds what it held.
        let args = ["commit", "-q", "-f", "qcow2", "-t", "writeback", "-d", "--"].map(OsStr::new);
        self.told(command::work(&self.program, args.into_iter().chain([file.as_os_str()]), DATA_DEADLINE))?;
        if let Some((below, _)) = below {
            self.sync(&file.with_file_name(below))?;
        }
        Ok(())
    }

    fn rebase(&self, file: &Path, below: &str, format: DiskFormat) -> Result<()> {
        let image = open(file, OpenOptions::new().read(true)).map_err(|why| failed("read", file, why))?;
        read_header(&image, DiskFormat::Cow)?;
        let args = ["rebase", "-q", "-u", "-f", "qcow2", "-F", format.driver(), "-b", below, "--"];
        self.run(args.map(OsStr::new).into_iter().chain([file.as_os_str()]))?;
        self.sync(file)
    }

    fn chain(&self, file: &Path, format: DiskFormat) -> Result<Vec<(String, DiskFormat)>> {
        let mut found: Vec<(String, DiskFormat)> = Vec::new();
        let mut next = Some((name_of(file), format));
        while let Some((name, format)) = next {
            if found.iter().any(|(known, _)| *known == name) {
                return Err(Error::host("The image's chain cannot be read on the host.").because(name));
            }
            let image = file.with_file_name(&name);
            let opened = open(&image, OpenOptions::new().read(true));
            let header = read_header(&opened.map_err(|why| failed("read", &image, why))?, format)?;
            found.push((name, format));
            next = header.below.map(|below| {
                let format = if below.ends_with(".raw") { DiskFormat::Raw } else { DiskFormat::Cow };
                (below, format)
            });
        }
        Ok(found)
    }

    fn resize(&self, file: &Path, format: DiskFormat, size: u64, sparse: bool) -> Result<()> {
        let size = whole_sectors(size)?;
        let wrong = |why| failed("resized", file, why);
        self.chain(file, format)?;
        let image = open(file, OpenOptions::new().read(true).write(true)).map_err(wrong)?;
        let before = size_of(&image, format)?;
        if size < before {
            return Err(Error::invalid("A disk cannot become smaller."));
        }
        if size == before {
            return Ok(());
        }
        match format {
            DiskFormat::Cow => {
                let args = ["resize", "-q", "-f", "qcow2", "--"].map(OsStr::new);
                self.run(args.into_iter().chain([file.as_os_str(), size.to_string().as_ref()]))?;
            }
            DiskFormat::Raw => {
                let grown = if sparse { image.set_len(size) } else { allocate(&image, size) };
                if let Err(why) = grown {
                    image.set_len(before).map_err(wrong)?;
                    return Err(wrong(why));
                }
            }
        }
        image.sync_all().map_err(wrong)
    }

    fn reserve(&self, file: &Path, size: u64) -> Result<()> {
        let size = i64::try_from(whole_sectors(size)?).map_err(Error::bug)?;
        let wrong = |why| failed("resized", file, why);
        let image = open(file, OpenOptions::new().write(true)).map_err(wrong)?;
        let before = image.metadata().map_err(wrong)?.len();
        match fallocate(&image, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, size) {
            // Where a file system takes no storage ahead, there is none to be taken.
            Ok(()) | Err(Errno::EOPNOTSUPP) => Ok(()),
            Err(why) => {
                // What lies behind the end already goes again.
                image.set_len(before).map_err(wrong)?;
                Err(wrong(why.into()))
            }
        }
    }

    fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        let wrong = |why| failed("copied", to, why);
        // What an interrupted copy left is none.
        clear(to).map_err(wrong)?;
        whole(to, "copied", |part| copy_data(from, part).map_err(wrong))
    }

    fn flatten(
        &self,
        from: &Path,
        its: DiskFormat,
        to: &Path,
        format: DiskFormat,
        sparse: bool,
    ) -> Result<()> {
        if to.exists() {
            // It has its name since it was whole.
            return sync_folder(to).map_err(|why| failed("made", to, why));
        }
        whole(to, "made", |part| self.convert(from, its, part, format, sparse))
    }

    fn sync(&self, file: &Path) -> Result<()> {
        let synced = open(file, OpenOptions::new().read(true)).and_then(|image| image.sync_all());
        synced.and_then(|()| sync_folder(file)).map_err(|why| failed("written", file, why))
    }

    fn remove(&self, file: &Path) -> Result<()> {
        let wrong = |why| failed("removed", file, why);
        clear(file).map_err(wrong)?;
        match sync_folder(file) {
            Err(why) if why.kind() != ErrorKind::NotFound => Err(wrong(why)),
            _ => Ok(()),
        }
    }

    fn wipe(&self, file: &Path) -> Result<()> {
        match open(file, OpenOptions::new().write(true)) {
            Ok(image) => zero_data(&image).map_err(|why| failed("wiped", file, why)),
            Err(why) if why.kind() == ErrorKind::NotFound => Ok(()),
            Err(why) => Err(failed("wiped", file, why)),
        }
    }

    fn actual_size(&self, file: &Path) -> Result<Option<u64>> {
        match fs::symlink_metadata(file) {
            Ok(metadata) => Ok(Some(metadata.blocks() * 512)),
            Err(why) if why.kind() == ErrorKind::NotFound => Ok(None),
            Err(why) => Err(failed("read", file, why)),
        }
    }

    fn written(&self, file: &Path) -> Result<u64> {
        let part = self.actual_size(&part_of(file))?;
        Ok(part.or(self.actual_size(file)?).unwrap_or(0))
    }

    fn virtual_size(&self, file: &Path, format: DiskFormat) -> Result<u64> {
        let image = open(file, OpenOptions::new().read(true)).map_err(|why| failed("read", file, why))?;
        size_of(&image, format)
    }

    fn space(&self, folder: &Path) -> Result<(u64, u64)> {
        let found = statvfs(folder).map_err(|why| failed("read", folder, why.into()))?;
        let unit = found.fragment_size();
        Ok((found.blocks() * unit, found.blocks_available() * unit))
    }

    fn vacant(&self, folder: &Path, suffixes: &[&str]) -> Result<()> {
        folders::vacant(folder, suffixes)
    }

    fn mark(&self, folder: &Path, id: &str) -> Result<()> {
        folders::mark(folder, id).map_err(|why| failed("made", folder, why))
    }

    fn marked(&self, folder: &Path) -> Result<Option<String>> {
        folders::marked(folder).map_err(|why| failed("read", folder, why))
    }

    fn unmark(&self, folder: &Path) -> Result<()> {
        folders::unmark(folder).map_err(|why| failed("removed", folder, why))
    }

    fn write(&self, file: &Path, parts: &mut dyn FnMut() -> Result<Option<Vec<u8>>>) -> Result<()> {
        folders::write(file, parts, |why| failed("written", file, why))
    }

    fn compose(&self, file: &Path, payload: &Payload) -> Result<()> {
        super::media::compose(file, payload)
    }

    fn keep_hint(&self, file: &Path, text: &str) -> Result<()> {
        if text.len() as u64 > folders::MAX_HINT {
            return Err(Error::conflict(
                "What there is to tell of the machine is larger than could be read back.",
            ));
        }
        super::files::write_private(file, text.as_bytes()).map_err(|why| failed("written", file, why))
    }

    fn drop_hint(&self, file: &Path) -> Result<()> {
        self.remove(file)
    }

    fn hints(&self, folder: &Path) -> Result<Vec<(String, String)>> {
        folders::hints(folder).map_err(|why| failed("read", folder, why))
    }

    fn examine(&self, folder: &Path, name: &str, format: DiskFormat) -> Result<Option<Examined>> {
        let file = folder.join(name);
        if self.actual_size(&file)?.is_none() {
            return Ok(None);
        }
        // Neither a link nor a pipe that would keep us waiting.
        let image = open(&super::beneath(folder, name)?, OpenOptions::new().read(true))
            .map_err(|why| failed("read", &file, why))?;
        let header = read_header(&image, format)?;
        let below = match (&header.below, format) {
            (Some(name), DiskFormat::Cow) => Some((name.clone(), qcow2::format_below(&image)?)),
            _ => None,
        };
        Ok(Some(Examined { size: header.size, below }))
    }

    fn sweep(&self, folder: &Path) -> Result<()> {
        folders::sweep(folder).map_err(|why| failed("read", folder, why))
    }

    fn list(&self, folder: &Path, suffixes: &[&str]) -> Result<Vec<(String, u64)>> {
        let wrong = |why| failed("read", folder, why);
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).map_err(wrong)? {
            let entry = entry.map_err(wrong)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            // A file may go while the folder is read.
            let Ok(metadata) = fs::symlink_metadata(entry.path()) else { continue };
            if metadata.is_file() && suffixes.iter().any(|suffix| name.ends_with(suffix)) {
                found.push((name, metadata.len()));
            }
        }
        found.sort();
        Ok(found)
    }
}

fn name_of(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

impl QemuImg {
    /// Makes the image unless it is there, whole or not at all.
    fn bring(
        &self,
        file: &Path,
        wanted: Header,
        format: DiskFormat,
        make: impl FnOnce(&Path, u64) -> Result<()>,
    ) -> Result<()> {
        match open(file, OpenOptions::new().read(true)) {
            Ok(image) => {
                let there = read_header(&image, format)?;
                if there != wanted {
                    return Err(Error::new(Kind::Exists, "The image file exists already.")
                        .because(format!("{}: {there:?}, not {wanted:?}", file.display())));
                }
                // The process that made it may have died before this.
                return sync_folder(file).map_err(|why| failed("made", file, why));
            }
            Err(why) if why.kind() == ErrorKind::NotFound => {}
            Err(why) => return Err(failed("made", file, why)),
        }
        whole(file, "made", |part| make(part, wanted.size))
    }

    /// Makes a whole image, on the disk when this returns; a failure may leave a part of it.
    fn make(&self, part: &Path, format: DiskFormat, size: u64, sparse: bool) -> Result<()> {
        if (format, sparse) == (DiskFormat::Cow, true) {
            return make_empty(part, size, None);
        }
        let wrong = |why| failed("made", part, why);
        let image = fresh(part)?;
        match (format, sparse) {
            (DiskFormat::Raw, true) => image.set_len(size).map_err(wrong)?,
            (DiskFormat::Raw, false) => allocate(&image, size).map_err(wrong)?,
            (DiskFormat::Cow, _) => {
                // Lazy reference counts would cost a repair of the whole image after each crash.
                let options = "compat=1.1,lazy_refcounts=off,preallocation=falloc";
                let args = ["create", "-q", "-f", "qcow2", "-o", options, "--"].map(OsStr::new);
                self.run(args.into_iter().chain([part.as_os_str(), size.to_string().as_ref()]))?;
            }
        }
        image.sync_all().map_err(wrong)
    }

    /// Writes what an image shows into a new file.
    fn convert(
        &self,
        from: &Path,
        its: DiskFormat,
        part: &Path,
        format: DiskFormat,
        sparse: bool,
    ) -> Result<()> {
        self.chain(from, its)?;
        let image = fresh(part)?;
        let options = match (format, sparse) {
            (DiskFormat::Cow, _) => "compat=1.1,lazy_refcounts=off",
            (DiskFormat::Raw, true) => "preallocation=off",
            (DiskFormat::Raw, false) => "preallocation=falloc",
        };
        let args =
            ["convert", "-q", "-U", "-W", "-t", "writeback", "-f", its.driver(), "-O", format.driver()];
        let args = args.into_iter().chain(["-o", options, "--"]).map(OsStr::new);
        let files = [from.as_os_str(), part.as_os_str()];
        self.told(command::work(&self.program, args.chain(files), DATA_DEADLINE))?;
        image.sync_all().map_err(|why| failed("made", part, why))
    }

    fn run<'a>(&self, args: impl Iterator<Item = &'a OsStr>) -> Result<()> {
        self.told(command::run(&self.program, args, DEADLINE))
    }

    fn told<T>(&self, ended: std::result::Result<T, String>) -> Result<T> {
        ended.map_err(|why| {
            let error = if why.contains("No space left on device") || why.contains("Disk quota exceeded") {
                low_space()
            } else if why.contains("size is too large") {
                too_large()
            } else if why.contains("Is another process using the image") {
                Error::conflict("The image is in use.")
            } else {
                Error::host("The image operation failed on the host.")
            };
            error.because(why)
        })
    }
}

/// Removes a file and what was to become it; fine when they are gone.
fn clear(file: &Path) -> io::Result<()> {
    // A file system that cannot be written says so of files that are not there, too.
    let gone =
        |file: &Path| matches!(fs::symlink_metadata(file), Err(why) if why.kind() == ErrorKind::NotFound);
    [file, &part_of(file)].into_iter().try_for_each(|file| match fs::remove_file(file) {
        Err(_) if gone(file) => Ok(()),
        removed => removed,
    })
}

/// Makes a file under a name of its own until it is whole: what has the image's name is an image. A
/// failure leaves nothing.
fn whole(file: &Path, verb: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let part = part_of(file);
    let made = make(&part).and_then(|()| {
        fs::rename(&part, file).and_then(|()| sync_folder(file)).map_err(|why| failed(verb, file, why))
    });
    if made.is_err() {
        for leftover in [&part, file] {
            // Nothing to do about a file system that takes nothing back either.
            let _ = fs::remove_file(leftover);
        }
    }
    made
}

/// A new file, ours before qemu-img sees it: it keeps the file and so its mode.
fn fresh(part: &Path) -> Result<File> {
    let wrong = |why| failed("made", part, why);
    match fs::remove_file(part) {
        Err(why) if why.kind() != ErrorKind::NotFound => return Err(wrong(why)),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(part).map_err(wrong)
}

/// Makes a qcow2 image without data, on the disk when this returns.
fn make_empty(part: &Path, size: u64, below: Option<(&str, DiskFormat)>) -> Result<()> {
    let image = fresh(part)?;
    let written = qcow2_new::write(&image, size, below).and_then(|()| image.sync_all());
    written.map_err(|why| failed("made", part, why))
}

fn low_space() -> Error {
    Error::conflict("Low disk space on the storage domain.")
}

fn too_large() -> Error {
    Error::conflict("The storage domain cannot hold an image of that size.")
}

/// The client hears what it can help; which file it was is for the log.
fn failed(verb: &str, file: &Path, why: io::Error) -> Error {
    let error = match why.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => low_space(),
        ErrorKind::FileTooLarge => too_large(),
        _ => Error::host(format!("The image file cannot be {verb} on the host.")),
    };
    error.because(format!("{}: {why}", file.display()))
}

fn whole_sectors(size: u64) -> Result<u64> {
    size.checked_next_multiple_of(SECTOR)
        .filter(|size| (1..=i64::MAX as u64).contains(size))
        .ok_or_else(|| Error::invalid(format!("{size} is not the size of a disk.")))
}

/// Opens an image's own file: a link could lead anywhere.
fn open(file: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options.custom_flags(OFlag::O_NOFOLLOW.bits()).open(file)
}

fn size_of(image: &File, format: DiskFormat) -> Result<u64> {
    read_header(image, format).map(|header| header.size)
}

fn read_header(image: &File, format: DiskFormat) -> Result<Header> {
    match format {
        DiskFormat::Cow => qcow2::header(image),
        DiskFormat::Raw => image
            .metadata()
            .map(|metadata| Header { size: metadata.len(), below: None })
            .map_err(|why| Error::host("The image file cannot be read on the host.").because(why)),
    }
}

fn part_of(file: &Path) -> PathBuf {
    file.with_added_extension("part")
}

/// Gives the file that size and all of its storage.
fn allocate(image: &File, size: u64) -> io::Result<()> {
    let size = i64::try_from(size).map_err(|_| ErrorKind::FileTooLarge)?;
    Ok(posix_fallocate(image, 0, size)?)
}

/// Copies what a file holds; on the disk when this returns. Holes stay holes, and what has all of
/// its storage keeps it so.
fn copy_data(from: &Path, to: &Path) -> io::Result<()> {
    let source = open(from, OpenOptions::new().read(true))?;
    let target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    let metadata = source.metadata()?;
    match metadata.blocks() * 512 >= metadata.len() {
        true if metadata.len() > 0 => allocate(&target, metadata.len())?,
        _ => target.set_len(metadata.len())?,
    }
    let mut buffer = vec![0; 1 << 20];
    let mut end = 0;
    loop {
        let data = match lseek(&source, end, Whence::SeekData) {
            Ok(data) => data,
            // No data behind this point.
            Err(Errno::ENXIO) => break,
            Err(why) => return Err(why.into()),
        };
        end = lseek(&source, data, Whence::SeekHole)?;
        let mut at = data;
        while at < end {
            let length = buffer.len().min((end - at) as usize);
            source.read_exact_at(&mut buffer[..length], at as u64)?;
            target.write_all_at(&buffer[..length], at as u64)?;
            at += length as i64;
        }
    }
    target.sync_all()
}

/// Overwrites what the file holds. Holes hold nothing: they stay.
fn zero_data(image: &File) -> io::Result<()> {
    let zeros = vec![0; 1 << 20];
    let mut at = 0;
    loop {
        let data = match lseek(image, at, Whence::SeekData) {
            Ok(data) => data,
            // No data behind this point.
            Err(Errno::ENXIO) => break,
            Err(why) => return Err(why.into()),
        };
        let end = lseek(image, data, Whence::SeekHole)?;
        at = data;
        while at < end {
            let length = zeros.len().min((end - at) as usize);
            image.write_all_at(&zeros[..length], at as u64)?;
            at += length as i64;
        }
    }
    image.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;
    use DiskFormat::{Cow, Raw};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::Command;

    const MIB: u64 = 1 << 20;

    fn folder() -> (tempfile::TempDir, QemuImg) {
        (tempfile::tempdir().unwrap(), QemuImg::default())
    }

    /// A qemu-img that runs this script instead. A child writes it: as long as this process had it
    /// open, a concurrent test's child could hold it, too, and nobody could execute it.
    fn fake(dir: &Path, script: &str) -> QemuImg {
        let program = dir.join("fake-qemu-img");
        let write = "printf '#!/bin/sh\\n%s' \"$1\" >\"$2\" && chmod 700 \"$2\"";
        let written = Command::new("sh").args(["-c", write, "sh", script]).arg(&program).status();
        assert!(written.unwrap().success());
        QemuImg { program }
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn qemu_sees(file: &Path, format: DiskFormat) -> u64 {
        let seen = Command::new("qemu-img")
            .args(["info", "--output=json", "-f", format.driver(), "--"])
            .arg(file)
            .output()
            .unwrap();
        let seen: serde_json::Value = serde_json::from_slice(&seen.stdout).unwrap();
        seen["virtual-size"].as_u64().unwrap()
    }

    #[test]
    fn images_are_made_grown_and_removed() {
        let (dir, images) = folder();
        for (format, sparse) in [(Cow, true), (Cow, false), (Raw, true), (Raw, false)] {
            let file = dir.path().join("image");
            for _ in 0..2 {
                images.create(&file, format, 4 * MIB, sparse).unwrap();
            }
            assert_eq!(names(dir.path()), ["image"]);
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(images.virtual_size(&file, format).unwrap(), 4 * MIB);
            assert_eq!(qemu_sees(&file, format), 4 * MIB);
            assert_eq!(images.actual_size(&file).unwrap().unwrap() >= 4 * MIB, !sparse);
            assert_eq!(images.create(&file, format, 5 * MIB, sparse).unwrap_err().kind, Kind::Exists);

            for _ in 0..2 {
                images.resize(&file, format, 8 * MIB, sparse).unwrap();
            }
            assert_eq!(qemu_sees(&file, format), 8 * MIB);
            assert_eq!(images.virtual_size(&file, format).unwrap(), 8 * MIB);
            if format == Raw {
                assert_eq!(images.actual_size(&file).unwrap().unwrap() >= 8 * MIB, !sparse);
            }
            assert_eq!(images.resize(&file, format, MIB, sparse).unwrap_err().kind, Kind::Invalid);

            for _ in 0..2 {
                images.wipe(&file).unwrap();
                images.remove(&file).unwrap();
            }
            assert_eq!(images.actual_size(&file).unwrap(), None);
        }
    }

    #[test]
    fn storage_is_taken_before_a_guest_has_it() {
        let (dir, images) = folder();
        let file = dir.path().join("image");
        images.create(&file, Raw, 4 * MIB, false).unwrap();
        images.reserve(&file, 8 * MIB).unwrap();
        assert_eq!(images.virtual_size(&file, Raw).unwrap(), 4 * MIB);
        assert!(images.actual_size(&file).unwrap().unwrap() >= 8 * MIB);
        // QEMU only moves the end.
        File::options().write(true).open(&file).unwrap().set_len(8 * MIB).unwrap();
        assert!(images.actual_size(&file).unwrap().unwrap() >= 8 * MIB);
        assert_eq!(images.reserve(&file, 1 << 50).unwrap_err().kind, Kind::Conflict);
        assert!(images.actual_size(&file).unwrap().unwrap() < 9 * MIB);
    }

    #[test]
    fn overlays_are_committed_and_rebased() {
        let (dir, images) = folder();
        let name = |format: DiskFormat| format!("{}.{}", uuid::Uuid::new_v4(), format.driver());
        let at = |name: &str| dir.path().join(name);
        let (base, middle, top) = (name(Raw), name(Cow), name(Cow));
        images.create(&at(&base), Raw, MIB, true).unwrap();
        for _ in 0..2 {
            images.overlay(&at(&middle), 2 * MIB, &base, Raw).unwrap();
            images.overlay(&at(&top), 2 * MIB, &middle, Cow).unwrap();
        }
        assert_eq!(images.overlay(&at(&top), 2 * MIB, &base, Raw).unwrap_err().kind, Kind::Exists);
        images.renew(&at(&top), 2 * MIB, &base, Raw).unwrap();
        assert_eq!(images.chain(&at(&top), Cow).unwrap()[1..], [(base.clone(), Raw)]);
        images.renew(&at(&top), 2 * MIB, &middle, Cow).unwrap();
        assert_eq!(fs::metadata(at(&top)).unwrap().permissions().mode() & 0o777, 0o600);
        let chain = |file: &str| images.chain(&at(file), Cow).unwrap();
        let whole = [(top.clone(), Cow), (middle.clone(), Cow), (base.clone(), Raw)];
        assert_eq!(chain(&top), whole);
        let write = |file: &str, what: &str| {
            let said = Command::new("qemu-io").args(["-f", "qcow2", "-c", what]).arg(at(file)).output();
            assert!(said.unwrap().status.success());
        };
        write(&middle, "write -P 7 1536k 64k");
        for _ in 0..2 {
            images.commit(&at(&middle)).unwrap();
            images.rebase(&at(&top), &base, Raw).unwrap();
        }
        assert_eq!(chain(&top), [(top.clone(), Cow), (base.clone(), Raw)]);
        let grown = fs::read(at(&base)).unwrap();
        assert_eq!((grown.len() as u64, grown[1536 * 1024]), (2 * MIB, 7));
    }

    #[test]
    fn sizes_are_whole_sectors() {
        let (dir, images) = folder();
        for format in [Cow, Raw] {
            let file = dir.path().join(format.driver());
            for _ in 0..2 {
                images.create(&file, format, 1000, true).unwrap();
            }
            assert_eq!(images.virtual_size(&file, format).unwrap(), 1024);
            for bad in [0, u64::MAX, i64::MAX as u64] {
                let error = images.create(&dir.path().join("x"), format, bad, true).unwrap_err();
                assert_eq!(error.kind, Kind::Invalid);
            }
        }
        let huge = images.create(&dir.path().join("x"), Cow, 1 << 60, true).unwrap_err();
        assert_eq!(huge.kind, Kind::Conflict, "{huge}");
        assert_eq!(names(dir.path()), ["qcow2", "raw"]);
    }

    #[test]
    fn a_failure_leaves_nothing() {
        let (dir, _) = folder();
        let store = dir.path().join("store");
        fs::create_dir(&store).unwrap();
        let file = store.join("image");
        let full = fake(dir.path(), "echo half >\"$8\"; echo 'x: No space left on device' >&2; exit 1");
        let error = full.create(&file, Cow, MIB, false).unwrap_err();
        assert_eq!((error.kind, &*error.said), (Kind::Conflict, "Low disk space on the storage domain."));
        assert_eq!(names(&store), [""; 0]);
        let broken = QemuImg { program: "/nonexistent/qemu-img".into() };
        assert_eq!(broken.create(&file, Cow, MIB, false).unwrap_err().kind, Kind::Host);
        assert_eq!(names(&store), [""; 0]);
        assert_eq!(broken.create(&dir.path().join("no/x"), Raw, MIB, true).unwrap_err().kind, Kind::Host);
    }

    #[test]
    fn a_copy_has_the_same_bytes_and_holes() {
        let (dir, images) = folder();
        let (file, copy) = (dir.path().join("image"), dir.path().join("copy"));
        for sparse in [true, false] {
            images.create(&file, Raw, 16 * MIB, sparse).unwrap();
            let image = File::options().write(true).open(&file).unwrap();
            for at in [0, 5 * MIB + 77, 15 * MIB] {
                image.write_all_at(&vec![7; 4096], at).unwrap();
            }
            for _ in 0..2 {
                fs::write(dir.path().join("copy.part"), "half").unwrap();
                images.copy(&file, &copy).unwrap();
                assert_eq!(names(dir.path()), ["copy", "image"]);
                assert!(fs::read(&file).unwrap() == fs::read(&copy).unwrap());
                assert_eq!(images.actual_size(&copy).unwrap().unwrap() >= 16 * MIB, !sparse);
                assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
            }
            images.remove(&file).unwrap();
        }
        assert!(images.copy(&file, &copy).is_err());
        assert_eq!(names(dir.path()), [""; 0]);
        symlink("/etc/passwd", &file).unwrap();
        assert!(images.copy(&file, &copy).is_err());
    }

    #[test]
    fn a_full_file_system_is_told() {
        let Ok(dir) = tempfile::tempdir_in("/dev/shm") else { return };
        let (images, file) = (QemuImg::default(), dir.path().join("image"));
        images.create(&file, Raw, MIB, false).unwrap();
        let error = images.resize(&file, Raw, 1 << 50, false).unwrap_err();
        assert_eq!((error.kind, &*error.said), (Kind::Conflict, "Low disk space on the storage domain."));
        assert_eq!(images.virtual_size(&file, Raw).unwrap(), MIB);
        images.remove(&file).unwrap();
        assert!(images.create(&file, Raw, 1 << 50, false).is_err());
        assert_eq!(names(dir.path()), [""; 0]);
        let (total, free) = images.space(dir.path()).unwrap();
        assert!(free <= total && total > 0);
    }

    #[test]
    fn what_a_dead_daemon_left_is_replaced_or_removed() {
        let (dir, images) = folder();
        let (file, part) = (dir.path().join("image"), dir.path().join("image.part"));
        fs::write(&part, "half").unwrap();
        images.create(&file, Cow, MIB, true).unwrap();
        assert_eq!(names(dir.path()), ["image"]);
        fs::write(&part, "half").unwrap();
        images.remove(&file).unwrap();
        assert_eq!(names(dir.path()), [""; 0]);
    }

    #[test]
    fn hostile_images_are_refused() {
        let (dir, images) = folder();
        let canary = dir.path().join("canary");
        fs::write(&canary, vec![0; MIB as usize]).unwrap();
        let (backed, external) = (dir.path().join("backed"), dir.path().join("external"));
        let data = format!("data_file={}", dir.path().join("data").display());
        let canary_text = canary.to_str().unwrap();
        for (file, args) in
            [(&backed, vec!["-b", canary_text, "-F", "raw"]), (&external, vec!["-o", data.as_str()])]
        {
            let made = Command::new("qemu-img")
                .args(["create", "-q", "-f", "qcow2"])
                .args(args)
                .arg(file)
                .arg("1M")
                .status();
            assert!(made.unwrap().success());
            assert_eq!(images.virtual_size(file, Cow).unwrap_err().kind, Kind::Invalid);
            assert_eq!(images.resize(file, Cow, 2 * MIB, true).unwrap_err().kind, Kind::Invalid);
            // A raw disk is its bytes, whatever a guest writes to its start.
            assert_eq!(images.virtual_size(file, Raw).unwrap(), fs::metadata(file).unwrap().len());
        }
        assert_eq!(images.virtual_size(&canary, Cow).unwrap_err().kind, Kind::Host);
        let link = dir.path().join("link");
        symlink(&canary, &link).unwrap();
        assert!(images.virtual_size(&link, Raw).is_err());
        assert!(images.wipe(&link).is_err());
        assert!(images.resize(&link, Raw, 2 * MIB, true).is_err());
        assert!(images.create(&link, Raw, MIB, true).is_err());
        assert_eq!(fs::metadata(&canary).unwrap().len(), MIB);
    }

    #[test]
    fn a_wipe_leaves_zeros_and_holes() {
        let (dir, images) = folder();
        let file = dir.path().join("image");
        images.create(&file, Raw, 64 * MIB, true).unwrap();
        let image = File::options().write(true).open(&file).unwrap();
        for at in [0, 10 * MIB + 123, 63 * MIB] {
            image.write_all_at(&vec![7; MIB as usize], at).unwrap();
        }
        images.wipe(&file).unwrap();
        assert!(fs::read(&file).unwrap().iter().all(|byte| *byte == 0));
        assert!(images.actual_size(&file).unwrap().unwrap() < 8 * MIB);
        assert_eq!(images.virtual_size(&file, Raw).unwrap(), 64 * MIB);
    }

    #[test]
    fn a_listing_has_plain_files_only() {
        let (dir, images) = folder();
        for name in ["b.iso", "a.iso", "x.txt"] {
            fs::write(dir.path().join(name), "xy").unwrap();
        }
        fs::create_dir(dir.path().join("d.iso")).unwrap();
        symlink("/etc/passwd", dir.path().join("l.iso")).unwrap();
        let found = images.list(dir.path(), &[".iso", ".vfd"]).unwrap();
        assert_eq!(found, [("a.iso".to_owned(), 2), ("b.iso".to_owned(), 2)]);
        assert!(images.list(&dir.path().join("nope"), &[".iso"]).is_err());
    }
}
