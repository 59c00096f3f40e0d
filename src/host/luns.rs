//! Block devices of this host that are units of SCSI targets.

use crate::model::{HostLun, HostLunKind};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Multipath devices are known by this, then by their world-wide name.
const MULTIPATH: &str = "dm-uuid-mpath-";
/// One way to a unit is known by this, then by its world-wide name.
const SCSI: &str = "scsi-3";

/// Those that nothing on the host uses, each once: by the device that joins all ways to it, where
/// there is one. `root` is that of the host's files.
pub fn of_host(root: &Path) -> Vec<HostLun> {
    let links = root.join("dev/disk/by-id");
    let mut found: BTreeMap<String, HostLun> = BTreeMap::new();
    for link in fs::read_dir(&links).into_iter().flatten().flatten() {
        let name = link.file_name().to_string_lossy().into_owned();
        let Some(kernel) = fs::read_link(link.path()).ok().and_then(|it| Some(it.file_name()?.to_owned()))
        else {
            continue;
        };
        let sys = root.join("sys/class/block").join(&kernel);
        // Partitions have links, too.
        if sys.join("partition").exists() {
            continue;
        }
        let (id, joined) = match (name.strip_prefix(MULTIPATH), name.strip_prefix(SCSI)) {
            (Some(id), _) => (id.to_owned(), true),
            (None, Some(_)) => (name["scsi-".len()..].to_owned(), false),
            _ => continue,
        };
        if is_used(root, &sys) {
            // Not by any of its ways.
            found.insert(id, HostLun::default());
            continue;
        }
        let known = found.get(&id);
        if known.is_none_or(|known| !known.device.is_empty() && joined) {
            let device = format!("/dev/disk/by-id/{name}");
            found.insert(id.clone(), read(&sys, id, device));
        }
    }
    found.into_values().filter(|lun| !lun.device.is_empty()).collect()
}

fn read(sys: &Path, id: String, device: String) -> HostLun {
    let ways = names(&sys.join("slaves"));
    let way = match ways.first() {
        Some(first) => sys.join("slaves").join(first),
        None => sys.to_owned(),
    };
    let place = fs::canonicalize(way.join("device")).unwrap_or_default();
    let over_iscsi = place.components().any(|part| part.as_os_str().to_string_lossy().starts_with("session"));
    HostLun {
        id,
        device,
        size: text(&sys.join("size")).parse().unwrap_or(0) * 512,
        vendor: text(&way.join("device/vendor")),
        product: text(&way.join("device/model")),
        serial: serial(&way.join("device/vpd_pg80")),
        paths: ways.len().max(1) as u32,
        kind: if over_iscsi { HostLunKind::Iscsi } else { HostLunKind::Fcp },
    }
}

/// The host has mounted it or swaps to it, or something else than the joining of its ways lies over it.
fn is_used(root: &Path, sys: &Path) -> bool {
    let parts =
        names(sys).into_iter().map(|name| sys.join(name)).filter(|part| part.join("partition").exists());
    std::iter::once(sys.to_owned()).chain(parts).any(|device| {
        let number = text(&device.join("dev"));
        let name =
            device.file_name().map(|name| format!("/dev/{}", name.to_string_lossy())).unwrap_or_default();
        let mounted = fs::read_to_string(root.join("proc/self/mountinfo")).unwrap_or_default();
        let swaps = fs::read_to_string(root.join("proc/swaps")).unwrap_or_default();
        mounted.lines().any(|line| line.split(' ').nth(2) == Some(&number))
            || mounted.lines().any(|line| line.rsplit(' ').nth(1) == Some(&name))
            || swaps.lines().any(|line| line.split(' ').next() == Some(&name))
            || names(&device.join("holders")).iter().any(|holder| {
                !text(&device.join("holders").join(holder).join("dm/uuid")).starts_with("mpath-")
            })
    })
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|it| it.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn text(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_default().trim().to_owned()
}

/// Page 0x80 of what the unit tells of itself: four bytes, then the number.
fn serial(page: &Path) -> String {
    let bytes = fs::read(page).unwrap_or_default();
    String::from_utf8_lossy(bytes.get(4..).unwrap_or_default()).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new() -> Self {
            let tree = Self(tempfile::tempdir().unwrap());
            for folder in ["dev/disk/by-id", "sys/class/block", "proc/self"] {
                fs::create_dir_all(tree.0.path().join(folder)).unwrap();
            }
            tree.write("proc/self/mountinfo", "22 1 8:0 / / rw - ext4 /dev/sda rw\n");
            tree.write("proc/swaps", "Filename\n/dev/sde partition\n");
            tree
        }

        fn write(&self, file: &str, contents: &str) {
            let file = self.0.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, contents).unwrap();
        }

        fn link(&self, name: &str, to: &str) {
            symlink(to, self.0.path().join(name)).unwrap();
        }

        /// A SCSI device at the end of a way.
        fn disk(&self, name: &str, id: &str, number: &str, way: &str) {
            let at = format!("sys/devices/{way}/{name}");
            self.write(&format!("{at}/vendor"), "IET     \n");
            self.write(&format!("{at}/model"), "VIRTUAL-DISK\n");
            self.write(&format!("{at}/vpd_pg80"), "\0\u{1}\0\u{8}     abc");
            let block = format!("sys/class/block/{name}");
            self.write(&format!("{block}/size"), "2048\n");
            self.write(&format!("{block}/dev"), number);
            let place = self.0.path().join(at);
            self.link(&format!("{block}/device"), place.to_str().unwrap());
            if !self.0.path().join(format!("dev/disk/by-id/scsi-{id}")).exists() {
                self.link(&format!("dev/disk/by-id/scsi-{id}"), &format!("../../{name}"));
            }
        }
    }

    #[test]
    fn units_that_nothing_uses_are_listed_once() {
        let tree = Tree::new();
        tree.disk("sda", "3600a", "8:0", "host0/rport-0:0");
        tree.disk("sdb", "3600b", "8:16", "host1/session1");
        tree.disk("sdc", "3600c", "8:32", "host0/rport-0:0");
        tree.disk("sde", "3600e", "8:64", "host0/rport-0:0");
        tree.disk("sdf", "3600f", "8:80", "host0/rport-0:0");
        // Two ways that are joined; another holder than that is a use.
        tree.write("sys/class/block/dm-0/size", "2048");
        tree.write("sys/class/block/dm-0/dev", "252:0");
        tree.write("sys/class/block/dm-0/dm/uuid", "mpath-3600c");
        fs::create_dir_all(tree.0.path().join("sys/class/block/dm-0/slaves")).unwrap();
        let block = tree.0.path().join("sys/class/block");
        for way in ["sdc", "sdd"] {
            tree.link(&format!("sys/class/block/dm-0/slaves/{way}"), block.join("sdc").to_str().unwrap());
        }
        tree.write("sys/class/block/sdc/holders/dm-0/dm/uuid", "mpath-3600c");
        tree.write("sys/class/block/sdf/holders/dm-1/dm/uuid", "LVM-x");
        tree.link("dev/disk/by-id/dm-uuid-mpath-3600c", "../../dm-0");
        tree.write("sys/class/block/sdb1/partition", "1");
        tree.link("dev/disk/by-id/scsi-3600b-part1", "../../sdb1");
        tree.link("dev/disk/by-id/ata-x", "../../sdb");

        let found = of_host(tree.0.path());
        let seen: Vec<_> = found.iter().map(|lun| (&*lun.id, &*lun.device, lun.paths, lun.kind)).collect();
        assert_eq!(
            seen,
            [
                ("3600b", "/dev/disk/by-id/scsi-3600b", 1, HostLunKind::Iscsi),
                ("3600c", "/dev/disk/by-id/dm-uuid-mpath-3600c", 2, HostLunKind::Fcp),
            ]
        );
        let said = |lun: &HostLun| (lun.size, lun.vendor.clone(), lun.product.clone(), lun.serial.clone());
        let wanted = (1 << 20, "IET".to_owned(), "VIRTUAL-DISK".to_owned(), "abc".to_owned());
        assert_eq!(found.iter().map(said).collect::<Vec<_>>(), [wanted.clone(), wanted]);
        assert!(of_host(Path::new("/nonexistent")).is_empty());
    }
}
