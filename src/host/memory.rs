//! What the process has in memory.

use nix::sys::mman::{MmapAdvise, madvise};
use std::ffi::c_void;
use std::io::{BufRead, BufReader};
use std::ptr::NonNull;

/// A mapping, as `/proc/self/smaps` tells of it.
struct Mapping {
    start: usize,
    end: usize,
    /// Of a file, never written, and not to be.
    is_pure: bool,
}

/// Lets go of all code and constants that are in memory: what the start needed, and the loading of
/// some sixty libraries, is much of it. What is needed again comes back from the kernel's own memory
/// of the files.
pub fn let_go_of_code() -> std::io::Result<()> {
    let pure = |mapping: &Mapping| mapping.is_pure;
    for Mapping { start, end, .. } in
        mappings(BufReader::new(std::fs::File::open("/proc/self/smaps")?))?.into_iter().filter(pure)
    {
        let Some(address) = NonNull::new(start as *mut c_void) else { continue };
        // SAFETY: its pages are the file's own, and nobody can write to them: they read the same
        // when they are mapped again. One that is gone by now is not there to be advised on.
        unsafe { madvise(address, end - start, MmapAdvise::MADV_DONTNEED)? };
    }
    Ok(())
}

fn mappings(smaps: impl BufRead) -> std::io::Result<Vec<Mapping>> {
    let mut found: Vec<Mapping> = Vec::new();
    for line in smaps.lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [range, rights, _, _, _, file @ ..] if rights.len() == 4 => {
                let ends = range.split_once('-');
                let number = |text: &str| usize::from_str_radix(text, 16).ok();
                let Some((start, end)) = ends.and_then(|(a, b)| Some((number(a)?, number(b)?))) else {
                    continue;
                };
                let is_file = file.first().is_some_and(|file| file.starts_with('/'));
                found.push(Mapping { start, end, is_pure: is_file && matches!(*rights, "r--p" | "r-xp") });
            }
            // Relocated once, and closed since.
            ["Anonymous:", size, _] if *size != "0" => {
                found.last_mut().into_iter().for_each(|it| it.is_pure = false);
            }
            _ => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
55e0-55f0 r-xp 00001000 fd:00 12 /usr/bin/vireo
Rss:                  16 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
55f0-5600 r--p 00002000 fd:00 12 /usr/bin/vireo
Anonymous:             4 kB
5600-5610 rw-p 00003000 fd:00 12 /usr/bin/vireo
Anonymous:             0 kB
5610-5620 r--p 00000000 00:00 0
Anonymous:             0 kB
5620-5630 r--s 00000000 fd:00 13 /var/lib/vireo/vireo.db-shm
Anonymous:             0 kB
5630-5640 r--p 00000000 fd:00 14 /usr/lib/libvirt.so.0 (deleted)
Anonymous:             0 kB
5640-5650 r-xp 00000000 00:00 0 [vdso]
";

    #[test]
    fn only_what_the_file_says_goes() {
        let pure: Vec<usize> = mappings(SMAPS.as_bytes())
            .unwrap()
            .into_iter()
            .filter(|mapping| mapping.is_pure)
            .map(|mapping| mapping.start)
            .collect();
        assert_eq!(pure, [0x55e0, 0x5630]);
    }

    #[test]
    fn the_process_goes_on() {
        static TABLE: [&str; 3] = ["a", "b", "c"];
        let_go_of_code().unwrap();
        assert_eq!(TABLE.concat(), "abc");
    }
}
