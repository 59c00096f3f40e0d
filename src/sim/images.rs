//! Image files in memory.

use super::steps::{Steps, steered};
use crate::engine::ports::{Examined, Images};
use crate::error::{Error, Kind, Result};
use crate::model::{DiskFormat, GIB, HostLun, Payload};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the tables of an empty qcow2 image take.
const EMPTY_COW: u64 = 196_608;

#[derive(Clone, Default)]
pub struct SimImages {
    disk: Arc<Mutex<Disk>>,
    steps: Arc<Steps>,
}

struct Disk {
    files: BTreeMap<PathBuf, Image>,
    wiped: BTreeSet<PathBuf>,
    /// Ids of storage domains by their folders.
    marks: BTreeMap<PathBuf, String>,
    hints: BTreeMap<PathBuf, String>,
    /// Folders that are not there.
    missing: BTreeSet<PathBuf>,
    luns: Vec<HostLun>,
    capacity: u64,
}

#[derive(Clone)]
struct Image {
    /// The file below, in the same folder.
    below: Option<String>,
    /// `None` for a file that is no disk's image.
    format: Option<DiskFormat>,
    size: u64,
    /// Bytes of the capacity.
    used: u64,
}

impl Default for Disk {
    fn default() -> Self {
        Self {
            files: BTreeMap::new(),
            wiped: BTreeSet::new(),
            marks: BTreeMap::new(),
            hints: BTreeMap::new(),
            missing: BTreeSet::new(),
            luns: Vec::new(),
            capacity: 1024 * GIB,
        }
    }
}

impl Disk {
    fn free(&self) -> u64 {
        self.capacity.saturating_sub(self.files.values().map(|image| image.used).sum())
    }

    fn require(&self, folder: &Path) -> Result<()> {
        match self.missing.contains(folder) {
            true => Err(Error::conflict("The folder is not there.")),
            false => Ok(()),
        }
    }

    fn get(&mut self, file: &Path, format: DiskFormat) -> Result<&mut Image> {
        match self.files.get_mut(file) {
            Some(image) if image.format == Some(format) => Ok(image),
            _ => Err(Error::host("The image file cannot be read on the host.").because(file.display())),
        }
    }
}

steered!(SimImages);

impl SimImages {
    /// Changes the capacity of the storage.
    pub fn set_capacity(&self, bytes: u64) {
        self.disk().capacity = bytes;
    }

    /// The units of targets that the host has.
    pub fn set_luns(&self, luns: Vec<HostLun>) {
        self.disk().luns = luns;
    }

    /// Puts a file that is no disk's image: an ISO or a kernel.
    pub fn put(&self, file: impl Into<PathBuf>, size: u64) {
        self.disk().files.insert(file.into(), Image { below: None, format: None, size, used: size });
    }

    /// All files that are there.
    pub fn files(&self) -> Vec<PathBuf> {
        self.disk().files.keys().cloned().collect()
    }

    /// A folder goes, or is there again.
    pub fn set_missing(&self, folder: impl Into<PathBuf>, missing: bool) {
        let (mut disk, folder) = (self.disk(), folder.into());
        disk.missing.remove(&folder);
        disk.missing.extend(missing.then_some(folder));
    }

    /// The ids of storage domains by their folders.
    pub fn marks(&self) -> BTreeMap<PathBuf, String> {
        self.disk().marks.clone()
    }

    /// Was a file of that name wiped?
    pub fn wiped(&self, file: &Path) -> bool {
        self.disk().wiped.contains(file)
    }

    /// A running guest's QEMU grows its image.
    pub(super) fn grow(&self, file: &Path, size: u64) {
        if let Some(image) = self.disk().files.get_mut(file) {
            image.size = image.size.max(size);
        }
    }

    /// A running guest's QEMU writes one image into another: what lay over the first lies over the
    /// second then.
    pub(super) fn merge(&self, top: &Path, base: &Path) {
        let name = |file: &Path| file.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        let mut disk = self.disk();
        let size = disk.files.get(top).map_or(0, |image| image.size);
        for image in disk.files.values_mut().filter(|image| image.below == name(top)) {
            image.below = name(base);
        }
        if let Some(image) = disk.files.get_mut(base) {
            image.size = image.size.max(size);
        }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step<T>(&self, what: &str, act: impl FnOnce(&mut Disk) -> Result<T>) -> Result<T> {
        self.steps.step(what, || act(&mut self.disk()))
    }
}

fn low_space() -> Error {
    Error::conflict("Low disk space on the storage domain.")
}

impl Images for SimImages {
    fn create(&self, file: &Path, format: DiskFormat, size: u64, sparse: bool) -> Result<()> {
        self.step("create image", |disk| {
            if let Some(image) = disk.files.get(file) {
                return match image.format == Some(format) && image.size == size && image.below.is_none() {
                    true => Ok(()),
                    false => Err(Error::new(Kind::Exists, "The image file exists already.")),
                };
            }
            let used = match (format, sparse) {
                (_, false) => size,
                (DiskFormat::Cow, true) => EMPTY_COW,
                (DiskFormat::Raw, true) => 0,
            };
            if used > disk.free() {
                return Err(low_space());
            }
            disk.wiped.remove(file);
            disk.files.insert(file.to_owned(), Image { below: None, format: Some(format), size, used });
            Ok(())
        })
    }

    fn overlay(&self, file: &Path, size: u64, below: &str, _format: DiskFormat) -> Result<()> {
        self.step("overlay image", |disk| {
            let below = Some(below.to_owned());
            if let Some(image) = disk.files.get(file) {
                return match image.below == below && image.size == size {
                    true => Ok(()),
                    false => Err(Error::new(Kind::Exists, "The image file exists already.")),
                };
            }
            if EMPTY_COW > disk.free() {
                return Err(low_space());
            }
            let image = Image { below, format: Some(DiskFormat::Cow), size, used: EMPTY_COW };
            disk.files.insert(file.to_owned(), image);
            Ok(())
        })
    }

    fn renew(&self, file: &Path, size: u64, below: &str, _format: DiskFormat) -> Result<()> {
        self.step("renew image", |disk| {
            disk.files.remove(file);
            if EMPTY_COW > disk.free() {
                return Err(low_space());
            }
            let image =
                Image { below: Some(below.to_owned()), format: Some(DiskFormat::Cow), size, used: EMPTY_COW };
            disk.files.insert(file.to_owned(), image);
            Ok(())
        })
    }

    fn commit(&self, file: &Path) -> Result<()> {
        self.step("commit image", |disk| {
            let image = disk.get(file, DiskFormat::Cow)?.clone();
            let below = image.below.ok_or_else(|| Error::host("The image stands alone."))?;
            let below = disk.files.get_mut(&file.with_file_name(&below));
            let below = below.ok_or_else(|| Error::host("The image below is missing."))?;
            below.size = below.size.max(image.size);
            Ok(())
        })
    }

    fn rebase(&self, file: &Path, below: &str, _format: DiskFormat) -> Result<()> {
        self.step("rebase image", |disk| {
            disk.get(file, DiskFormat::Cow)?.below = Some(below.to_owned());
            Ok(())
        })
    }

    fn chain(&self, file: &Path, _format: DiskFormat) -> Result<Vec<(String, DiskFormat)>> {
        let disk = self.disk();
        let (mut chain, mut next) =
            (Vec::new(), file.file_name().and_then(|name| name.to_str()).map(str::to_owned));
        while let Some(name) = next {
            let image = disk.files.get(&file.with_file_name(&name));
            let image = image.ok_or_else(|| Error::host("The image's chain cannot be read on the host."))?;
            chain.push((name, image.format.unwrap_or(DiskFormat::Raw)));
            next = image.below.clone();
        }
        Ok(chain)
    }

    fn resize(&self, file: &Path, format: DiskFormat, size: u64, sparse: bool) -> Result<()> {
        self.step("resize image", |disk| {
            let free = disk.free();
            let image = disk.get(file, format)?;
            let more = size.checked_sub(image.size);
            let more = more.ok_or_else(|| Error::invalid("A disk cannot become smaller."))?;
            if format == DiskFormat::Raw && !sparse {
                if more > free {
                    return Err(low_space());
                }
                image.used += more;
            }
            image.size = size;
            Ok(())
        })
    }

    fn reserve(&self, file: &Path, size: u64) -> Result<()> {
        self.step("reserve storage", |disk| {
            let free = disk.free();
            let image = disk.get(file, DiskFormat::Raw)?;
            let more = size.saturating_sub(image.used);
            if more > free {
                return Err(low_space());
            }
            image.used += more;
            Ok(())
        })
    }

    fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        self.step("copy image", |disk| {
            let image = disk.files.get(from).cloned();
            let image = image.ok_or_else(|| Error::host("The image file cannot be read on the host."))?;
            if image.used > disk.free() {
                return Err(low_space());
            }
            disk.files.insert(to.to_owned(), image);
            Ok(())
        })
    }

    fn flatten(
        &self,
        from: &Path,
        its: DiskFormat,
        to: &Path,
        format: DiskFormat,
        sparse: bool,
    ) -> Result<()> {
        self.step("flatten image", |disk| {
            let source = disk.get(from, its)?.clone();
            let used = if sparse { source.used } else { source.size };
            if used > disk.free() {
                return Err(low_space());
            }
            let image = Image { below: None, format: Some(format), size: source.size, used };
            disk.files.entry(to.to_owned()).or_insert(image);
            Ok(())
        })
    }

    fn remove(&self, file: &Path) -> Result<()> {
        self.step("remove image", |disk| {
            disk.files.remove(file);
            Ok(())
        })
    }

    fn wipe(&self, file: &Path) -> Result<()> {
        self.step("wipe image", |disk| {
            if disk.files.contains_key(file) {
                disk.wiped.insert(file.to_owned());
            }
            Ok(())
        })
    }

    fn actual_size(&self, file: &Path) -> Result<Option<u64>> {
        Ok(self.disk().files.get(file).map(|image| image.used))
    }

    fn written(&self, file: &Path) -> Result<u64> {
        Ok(self.actual_size(file)?.unwrap_or(0))
    }

    fn sync(&self, _file: &Path) -> Result<()> {
        self.step("sync file", |_| Ok(()))
    }

    fn virtual_size(&self, file: &Path, format: DiskFormat) -> Result<u64> {
        self.disk().get(file, format).map(|image| image.size)
    }

    fn luns(&self) -> Result<Vec<HostLun>> {
        Ok(self.disk().luns.clone())
    }

    fn beneath(&self, folder: &Path, name: &str) -> Result<PathBuf> {
        let refused = || Error::invalid(format!("'{name}' is not a file of the allowed folders."));
        let file = folder.join(name);
        let climbs = name.split('/').any(|part| part == "..");
        let known = file.starts_with(folder) && !climbs && self.disk().files.contains_key(&file);
        if known { Ok(file) } else { Err(refused()) }
    }

    fn space(&self, folder: &Path) -> Result<(u64, u64)> {
        let disk = self.disk();
        disk.require(folder)?;
        Ok((disk.capacity, disk.free()))
    }

    fn vacant(&self, folder: &Path, suffixes: &[&str]) -> Result<()> {
        let disk = self.disk();
        disk.require(folder)?;
        let other = |file: &PathBuf| !suffixes.iter().any(|suffix| file.to_string_lossy().ends_with(suffix));
        match disk.files.keys().any(|file| file.starts_with(folder) && other(file)) {
            true => Err(Error::conflict("The folder is not empty.")),
            false => Ok(()),
        }
    }

    fn mark(&self, folder: &Path, id: &str) -> Result<()> {
        self.step("mark folder", |disk| {
            disk.require(folder)?;
            disk.marks.insert(folder.to_owned(), id.to_owned());
            Ok(())
        })
    }

    fn marked(&self, folder: &Path) -> Result<Option<String>> {
        let disk = self.disk();
        disk.require(folder)?;
        Ok(disk.marks.get(folder).cloned())
    }

    fn unmark(&self, folder: &Path) -> Result<()> {
        self.step("unmark folder", |disk| {
            disk.marks.remove(folder);
            Ok(())
        })
    }

    fn write(&self, file: &Path, parts: &mut dyn FnMut() -> Result<Option<Vec<u8>>>) -> Result<()> {
        let mut size = 0;
        while let Some(part) = parts()? {
            size += part.len() as u64;
        }
        self.step("write file", |disk| {
            let image = Image { below: None, format: None, size, used: size };
            disk.files.insert(file.to_owned(), image);
            Ok(())
        })
    }

    fn compose(&self, file: &Path, payload: &Payload) -> Result<()> {
        let size = payload.files.iter().map(|file| file.content.0.len() as u64).sum();
        self.step("compose medium", |disk| {
            let image = Image { below: None, format: None, size, used: size };
            disk.files.insert(file.to_owned(), image);
            Ok(())
        })
    }

    // Hints are kept by themselves, at moments of their own: no step of any operation.

    fn keep_hint(&self, file: &Path, text: &str) -> Result<()> {
        self.disk().hints.insert(file.to_owned(), text.to_owned());
        Ok(())
    }

    fn drop_hint(&self, file: &Path) -> Result<()> {
        self.disk().hints.remove(file);
        Ok(())
    }

    fn hints(&self, folder: &Path) -> Result<Vec<(String, String)>> {
        let disk = self.disk();
        disk.require(folder)?;
        let inside = disk.hints.iter().filter(|(file, _)| file.parent() == Some(folder));
        Ok(inside
            .filter_map(|(file, text)| Some((file.file_name()?.to_str()?.into(), text.clone())))
            .collect())
    }

    fn examine(&self, folder: &Path, name: &str, format: DiskFormat) -> Result<Option<Examined>> {
        let disk = self.disk();
        let Some(image) = disk.files.get(&folder.join(name)).filter(|it| it.format == Some(format)) else {
            return Ok(None);
        };
        let format_of = |name: &String| disk.files.get(&folder.join(name)).and_then(|image| image.format);
        let below = image.below.as_ref().and_then(|name| Some((name.clone(), format_of(name)?)));
        Ok(Some(Examined { size: image.size, below }))
    }

    fn sweep(&self, _folder: &Path) -> Result<()> {
        Ok(())
    }

    fn list(&self, folder: &Path, suffixes: &[&str]) -> Result<Vec<(String, u64)>> {
        let disk = self.disk();
        let inside = disk.files.iter().filter(|(file, _)| file.parent() == Some(folder));
        let named =
            inside.filter_map(|(file, image)| Some((file.file_name()?.to_str()?.to_owned(), image.size)));
        Ok(named.filter(|(name, _)| suffixes.iter().any(|suffix| name.ends_with(suffix))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DiskFormat::{Cow, Raw};

    #[test]
    fn as_on_a_file_system() {
        let images = SimImages::default();
        let (a, b) = (Path::new("/d/a.qcow2"), Path::new("/d/b.raw"));
        for _ in 0..2 {
            images.create(a, Cow, GIB, true).unwrap();
        }
        assert_eq!(images.create(a, Cow, 2 * GIB, true).unwrap_err().kind, Kind::Exists);
        assert_eq!(images.actual_size(a).unwrap(), Some(EMPTY_COW));
        images.set_capacity(2 * GIB);
        images.create(b, Raw, GIB, false).unwrap();
        assert_eq!(images.resize(b, Raw, 4 * GIB, false).unwrap_err().kind, Kind::Conflict);
        assert_eq!(images.create(Path::new("/d/c"), Raw, GIB, false).unwrap_err().kind, Kind::Conflict);
        images.resize(a, Cow, 4 * GIB, true).unwrap();
        assert_eq!(images.virtual_size(a, Cow).unwrap(), 4 * GIB);
        assert!(images.virtual_size(a, Raw).is_err());
        assert_eq!(images.resize(a, Cow, GIB, true).unwrap_err().kind, Kind::Invalid);
        assert_eq!(images.space(Path::new("/d")).unwrap(), (2 * GIB, GIB - EMPTY_COW));
        images.wipe(a).unwrap();
        for _ in 0..2 {
            images.remove(a).unwrap();
        }
        assert!(images.wiped(a) && !images.wiped(b));
        assert_eq!(images.clone().files(), [b]);
        images.lose_answer_at(1);
        assert!(images.remove(b).is_err() && images.files().is_empty());
    }

    #[test]
    fn files_of_a_folder() {
        let images = SimImages::default();
        images.put("/i/x.iso", 5);
        images.put("/i/sub/y.iso", 5);
        images.put("/i/z.txt", 5);
        let folder = Path::new("/i");
        assert_eq!(images.list(folder, &["iso"]).unwrap(), [("x.iso".to_owned(), 5)]);
        assert_eq!(images.beneath(folder, "/i/x.iso").unwrap(), Path::new("/i/x.iso"));
        assert_eq!(images.beneath(folder, "sub/y.iso").unwrap(), Path::new("/i/sub/y.iso"));
        for bad in ["nope.iso", "/j/x.iso", "sub/../x.iso", ""] {
            assert!(images.beneath(folder, bad).is_err(), "{bad}");
        }
    }
}
