//! One daemon per state folder.

use crate::error::{Error, Result};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The state folder is ours until this is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

impl StateLock {
    /// Takes the folder, or tells which process has it.
    pub fn take(state: &Path) -> Result<Self> {
        let path = state.join("vireo.lock");
        let wrong = |why: std::io::Error| {
            Error::host(format!("The state folder cannot be locked: {}: {why}", path.display()))
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(wrong)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // Between its lock and its line the holder's number is not there yet.
                let _ = file.take(20).read_to_string(&mut pid);
                return Err(Error::conflict(format!(
                    "Another vireo (process {}) uses the state folder {}.",
                    pid.trim(),
                    state.display()
                )));
            }
            Err(TryLockError::Error(why)) => return Err(wrong(why)),
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(wrong)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn the_second_is_refused_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let first = StateLock::take(dir.path()).unwrap();
        let error = StateLock::take(dir.path()).unwrap_err();
        assert_eq!(error.kind, Kind::Conflict);
        assert!(error.said.contains(&format!("(process {})", std::process::id())), "{error}");
        drop(first);
        // A program that another test begins has the file open until it runs.
        let free = (0..200).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            StateLock::take(dir.path()).is_ok()
        });
        assert!(free);
        assert!(StateLock::take(Path::new("/nonexistent")).unwrap_err().said.contains("No such file"));
    }
}
