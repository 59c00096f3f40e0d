//! New qcow2 images without data, written by ourselves: starting qemu-img takes longer than all the rest.
//!
//! The layout is qemu-img's own: header, table of reference count blocks, one such block, the first
//! level table of the mapping, which maps nothing.

use super::qcow2::BACKING_FORMAT;
use crate::model::DiskFormat;
use nix::fcntl::posix_fallocate;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const CLUSTER_BITS: u32 = 16;
const CLUSTER: u64 = 1 << CLUSTER_BITS;
/// What one entry of the first level table maps: a cluster of eight byte entries.
const MAPPED: u64 = CLUSTER / 8 * CLUSTER;
/// QEMU refuses longer tables.
const MAX_TABLE: u64 = 32 << 20;
const HEADER_LENGTH: u32 = 104;
/// 1 << 4 bits for each reference count.
const REFCOUNT_ORDER: u32 = 4;

/// Writes an empty image of that virtual size into an empty file. `FileTooLarge` for what no qcow2
/// image can be.
pub fn write(file: &File, size: u64, below: Option<(&str, DiskFormat)>) -> io::Result<()> {
    let entries = size.div_ceil(MAPPED);
    let table = entries * 8;
    if table > MAX_TABLE {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    // Whoever gets an image has the storage for what describes it.
    let length = i64::try_from(3 * CLUSTER + table).map_err(|_| io::ErrorKind::FileTooLarge)?;
    posix_fallocate(file, 0, length)?;
    file.write_all_at(&header(size, entries as u32, below), 0)?;
    file.write_all_at(&(2 * CLUSTER).to_be_bytes(), CLUSTER)?;
    let taken = 3 + table.div_ceil(CLUSTER);
    let counts: Vec<u8> = (0..taken).flat_map(|_| 1u16.to_be_bytes()).collect();
    file.write_all_at(&counts, 2 * CLUSTER)
}

fn header(size: u64, entries: u32, below: Option<(&str, DiskFormat)>) -> Vec<u8> {
    let mut extensions = Vec::new();
    if let Some((_, format)) = below {
        let name = format.driver().as_bytes();
        extensions.extend(BACKING_FORMAT.to_be_bytes());
        extensions.extend((name.len() as u32).to_be_bytes());
        extensions.extend(name);
        extensions.resize(extensions.len().next_multiple_of(8), 0);
    }
    extensions.extend([0; 8]);
    let name = below.map_or("", |(name, _)| name);
    let name_at = if name.is_empty() { 0 } else { u64::from(HEADER_LENGTH) + extensions.len() as u64 };

    let mut header = b"QFI\xfb".to_vec();
    header.extend(3u32.to_be_bytes());
    header.extend(name_at.to_be_bytes());
    header.extend((name.len() as u32).to_be_bytes());
    header.extend(CLUSTER_BITS.to_be_bytes());
    header.extend(size.to_be_bytes());
    // Not encrypted.
    header.extend(0u32.to_be_bytes());
    header.extend(entries.to_be_bytes());
    header.extend((3 * CLUSTER).to_be_bytes());
    header.extend(CLUSTER.to_be_bytes());
    header.extend(1u32.to_be_bytes());
    // No internal snapshots, and no features that a reader must know of.
    header.resize(96, 0);
    header.extend(REFCOUNT_ORDER.to_be_bytes());
    header.extend(HEADER_LENGTH.to_be_bytes());
    header.extend(extensions);
    header.extend(name.as_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::qcow2;
    use std::path::Path;
    use std::process::Command;

    const GIB: u64 = 1 << 30;
    const BELOW: &str = "3f68ee63-0016-4f8c-9b8a-11d9f28f7c9e.raw";

    fn made(folder: &Path, size: u64, below: Option<(&str, DiskFormat)>) -> std::path::PathBuf {
        let path = folder.join(format!("{size}.qcow2"));
        let file = File::options().write(true).read(true).create_new(true).open(&path).unwrap();
        write(&file, size, below).unwrap();
        let read = qcow2::header(&file).unwrap();
        assert_eq!((read.size, read.below.as_deref()), (size, below.map(|(name, _)| name)));
        path
    }

    fn qemu_img(arguments: &[&str], file: &Path) -> String {
        let done = Command::new("qemu-img").args(arguments).arg(file).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "qemu-img {arguments:?}: {said}");
        String::from_utf8(done.stdout).unwrap()
    }

    #[test]
    fn qemu_finds_nothing_wrong() {
        let dir = tempfile::tempdir().unwrap();
        for size in [512, CLUSTER, GIB, 10 * GIB, 4096 * GIB, 4096 * GIB + 512, 9000 * GIB] {
            let file = made(dir.path(), size, None);
            assert!(qemu_img(&["check", "-f", "qcow2"], &file).contains("No errors"), "{size}");
            let told: serde_json::Value =
                serde_json::from_str(&qemu_img(&["info", "-f", "qcow2", "--output=json"], &file)).unwrap();
            assert_eq!(told["virtual-size"], size);
            assert_eq!(told["format-specific"]["data"]["compat"], "1.1");
            assert_eq!(told["format-specific"]["data"]["lazy-refcounts"], false);
        }
    }

    #[test]
    fn qemu_finds_what_lies_below_and_writes_above() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(BELOW), vec![7; 1 << 20]).unwrap();
        let file = made(dir.path(), 1 << 21, Some((BELOW, DiskFormat::Raw)));
        let io = |command: &str, file: &Path| {
            let done =
                Command::new("qemu-io").args(["-f", "qcow2", "-c", command]).arg(file).output().unwrap();
            let said = String::from_utf8_lossy(&done.stdout).into_owned();
            assert!(done.status.success() && !said.contains("failed"), "{command}: {said}");
        };
        io("read -P 7 0 1M", &file);
        io("read -P 0 1M 1M", &file);
        io("write -P 9 512k 1M", &file);
        io("read -P 9 512k 1M", &file);
        io("read -P 7 0 512k", &file);
        assert!(qemu_img(&["check", "-f", "qcow2"], &file).contains("No errors"));
        assert_eq!(std::fs::read(dir.path().join(BELOW)).unwrap(), vec![7; 1 << 20]);
    }

    #[test]
    fn what_qemu_could_not_open_is_not_made() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create(dir.path().join("a")).unwrap();
        write(&file, MAX_TABLE / 8 * MAPPED, None).unwrap();
        let refused = write(&file, MAX_TABLE / 8 * MAPPED + 1, None).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
    }
}
