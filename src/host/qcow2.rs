//! The header of a qcow2 image, read by ourselves: a tool would open what a hostile one refers to.

use crate::error::{Error, Result};
use std::fs::File;
use std::os::unix::fs::FileExt;

const MAGIC: &[u8] = b"QFI\xfb";
const VERSION: usize = 4;
const BACKING_FILE: usize = 8;
const SIZE: usize = 24;
const INCOMPATIBLE_FEATURES: usize = 72;
/// The data lie in another file.
const EXTERNAL_DATA: u64 = 1 << 2;

/// The virtual size of an image that stands alone. One that refers to other files is refused.
pub fn virtual_size(file: &File) -> Result<u64> {
    let mut header = [0; 80];
    let damaged = || Error::host("The image is not a qcow2 image.");
    file.read_exact_at(&mut header, 0).map_err(|why| damaged().because(why))?;
    let number = |at: usize| header[at..at + 8].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    let version = number(VERSION) >> 32;
    if &header[..4] != MAGIC || !matches!(version, 2 | 3) {
        return Err(damaged());
    }
    let external = version == 3 && number(INCOMPATIBLE_FEATURES) & EXTERNAL_DATA != 0;
    if number(BACKING_FILE) != 0 || external {
        return Err(Error::invalid("The image refers to other files."));
    }
    Ok(number(SIZE))
}
