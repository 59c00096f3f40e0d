//! The header of a qcow2 image, read by ourselves: a tool would open what a hostile one refers to.

use crate::error::{Error, Result};
use crate::model::DiskFormat;
use std::fs::File;
use std::os::unix::fs::FileExt;

const MAGIC: &[u8] = b"QFI\xfb";
const VERSION: usize = 4;
const BACKING_FILE: usize = 8;
const BACKING_NAME_LENGTH: usize = 16;
const SIZE: usize = 24;
const INCOMPATIBLE_FEATURES: usize = 72;
const HEADER_LENGTH: u64 = 100;
/// Extensions of the header: the format of the image below, and that there are no more.
pub(super) const BACKING_FORMAT: u32 = 0xe279_2aca;
const END: u32 = 0;
const MAX_EXTENSIONS: usize = 32;
/// The data lie in another file.
const EXTERNAL_DATA: u64 = 1 << 2;
/// No name in our folders is longer.
const MAX_NAME: u64 = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The virtual size in bytes.
    pub size: u64,
    /// The file below, by its name in the image's own folder.
    pub below: Option<String>,
}

/// What the image says of itself. One that refers to files of other folders is refused.
pub fn header(file: &File) -> Result<Header> {
    let mut header = [0; 80];
    let damaged = || Error::host("The image is not a qcow2 image.");
    let outside = || Error::invalid("The image refers to other files.");
    file.read_exact_at(&mut header, 0).map_err(|why| damaged().because(why))?;
    let number = |at: usize| header[at..at + 8].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    let version = number(VERSION) >> 32;
    if &header[..4] != MAGIC || !matches!(version, 2 | 3) {
        return Err(damaged());
    }
    if version == 3 && number(INCOMPATIBLE_FEATURES) & EXTERNAL_DATA != 0 {
        return Err(outside());
    }
    let below = match (number(BACKING_FILE), number(BACKING_NAME_LENGTH) >> 32) {
        (0, _) => None,
        (at, length @ 1..=MAX_NAME) => {
            let mut name = vec![0; length as usize];
            file.read_exact_at(&mut name, at).map_err(|why| damaged().because(why))?;
            let name = String::from_utf8(name).ok().filter(|name| is_ours(name)).ok_or_else(outside)?;
            // One that tells another format, or none, would have a guest's own bytes for a format.
            if !name.ends_with(&format!(".{}", format_below(file)?.driver())) {
                return Err(outside());
            }
            Some(name)
        }
        _ => return Err(outside()),
    };
    Ok(Header { size: number(SIZE), below })
}

/// The format that the image below is read as. One that does not say is refused: who reads it would
/// have to guess, and a guest could have written what is guessed from.
pub fn format_below(file: &File) -> Result<DiskFormat> {
    let unsaid = || Error::invalid("The image does not say what format the image below it has.");
    let number = |at: u64| -> Result<u32> {
        let mut bytes = [0; 4];
        file.read_exact_at(&mut bytes, at).map_err(|why| unsaid().because(why))?;
        Ok(u32::from_be_bytes(bytes))
    };
    let mut at = match number(VERSION as u64)? {
        2 => 72,
        _ => u64::from(number(HEADER_LENGTH)?),
    };
    for _ in 0..MAX_EXTENSIONS {
        let (kind, length) = (number(at)?, u64::from(number(at + 4)?));
        match kind {
            BACKING_FORMAT if length <= 8 => {
                let mut name = vec![0; length as usize];
                file.read_exact_at(&mut name, at + 8).map_err(|why| unsaid().because(why))?;
                let known = [DiskFormat::Cow, DiskFormat::Raw].into_iter();
                return known.into_iter().find(|it| it.driver().as_bytes() == name).ok_or_else(unsaid);
            }
            END => break,
            _ => at += 8 + length.next_multiple_of(8),
        }
    }
    Err(unsaid())
}

/// Images are named by their id and format: such a name leads nowhere else.
fn is_ours(name: &str) -> bool {
    let Some((id, suffix)) = name.split_once('.') else { return false };
    id.len() == 36 && id.parse::<uuid::Uuid>().is_ok() && matches!(suffix, "qcow2" | "raw")
}

#[cfg(test)]
mod tests {
    use super::is_ours;

    #[test]
    fn only_images_of_the_folder_lie_below() {
        assert!(is_ours("3f68ee63-0016-4f8c-9b8a-11d9f28f7c9e.raw"));
        for name in ["/etc/passwd", "3f68ee63-0016-4f8c-9b8a-11d9f28f7c9e.img", "nbd:x.raw", "../a.raw", ""] {
            assert!(!is_ours(name), "{name}");
        }
    }
}
