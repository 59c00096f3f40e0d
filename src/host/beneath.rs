//! Files that a client names: only below folders meant for it, and never through a link.

use crate::error::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use std::fs::File;
use std::path::{Path, PathBuf};

/// The regular file that `given` names below `root`, as a relative or as an absolute path.
///
/// The kernel resolves it: no `..`, no symbolic link and no mount trick leads out. Characters
/// that are special in an option of QEMU are refused before.
pub fn beneath(root: &Path, given: &str) -> Result<PathBuf> {
    let refused = || Error::invalid(format!("'{given}' is not a file of the allowed folders."));
    let below = match Path::new(given).strip_prefix(root) {
        Ok(below) => below.to_str().ok_or_else(refused)?,
        Err(_) => given,
    };
    if !below.split('/').all(is_plain) {
        return Err(refused());
    }
    let folder = File::open(root).map_err(|why| refused().because(format!("{}: {why}", root.display())))?;
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).resolve(
        ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS,
    );
    let found = loop {
        match openat2(&folder, below, how) {
            // The kernel saw a rename meanwhile and could not be sure.
            Err(Errno::EAGAIN | Errno::EINTR) => continue,
            other => break other.map_err(|why| refused().because(why))?,
        }
    };
    let is_file = File::from(found).metadata().is_ok_and(|metadata| metadata.is_file());
    if is_file { Ok(root.join(below)) } else { Err(refused()) }
}

/// One component of a path that means itself wherever it is written.
fn is_plain(component: &str) -> bool {
    !component.is_empty()
        && component.len() <= 255
        && !component.starts_with(['.', '-'])
        && !component.contains(|c: char| c.is_control() || ",:\\".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_files_below_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("boot");
        std::fs::create_dir_all(root.join("a/dir")).unwrap();
        for file in ["vmlinuz", "a/Windows 11 (de) ü.iso", "-x", ".hidden", "a,b"] {
            std::fs::write(root.join(file), "").unwrap();
        }
        std::fs::write(dir.path().join("canary"), "").unwrap();
        symlink(dir.path().join("canary"), root.join("link")).unwrap();
        symlink("vmlinuz", root.join("inner")).unwrap();
        symlink(dir.path(), root.join("up")).unwrap();
        symlink("/proc/self/cwd", root.join("magic")).unwrap();

        for good in ["vmlinuz", "a/Windows 11 (de) ü.iso"] {
            assert_eq!(beneath(&root, good).unwrap(), root.join(good));
            assert_eq!(beneath(&root, root.join(good).to_str().unwrap()).unwrap(), root.join(good));
        }
        let canary = dir.path().join("canary");
        let sideways = root.join("../canary");
        for bad in [
            "",
            ".",
            "..",
            "/",
            "//",
            "a",
            "a/dir",
            "a/",
            "a//vmlinuz",
            "./vmlinuz",
            "a/../vmlinuz",
            "../canary",
            "a/../../canary",
            "link",
            "inner",
            "up/canary",
            "magic/vmlinuz",
            "missing",
            "vmlinuz/",
            "vmlinuz/x",
            "vmlinuz\0",
            "vmlinuz\n",
            "-x",
            ".hidden",
            "a,b",
            "vmlinuz,readonly=on",
            "json:{}",
            "nbd:host:1",
            "file:vmlinuz",
            "a\\b",
            "/etc/passwd",
            "/dev/vda",
            "/proc/self/environ",
            canary.to_str().unwrap(),
            sideways.to_str().unwrap(),
            root.to_str().unwrap(),
            &"x".repeat(300),
            &"a/".repeat(3000),
        ] {
            let error = beneath(&root, bad).expect_err(bad);
            assert_eq!(error.kind, Kind::Invalid, "{bad}");
        }
    }
}
