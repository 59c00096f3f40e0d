//! Pictures that stand for machines where users see them.

use super::ids::{IconId, derived_id};
use super::operating_system::is_windows;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A picture that a client gave to a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Icon {
    /// `image/png`, `image/jpeg` or `image/gif`.
    pub media_type: String,
    /// Base64.
    pub data: String,
}

impl Icon {
    const MAX_BYTES: usize = 24 << 10;
    const MAX_WIDTH: u32 = 150;
    const MAX_HEIGHT: u32 = 120;

    /// The same picture has the same id, whoever shows it.
    pub fn id(&self) -> IconId {
        IconId(derived_id(&[b"icon", self.media_type.as_bytes(), b"\0", self.data.as_bytes()]))
    }

    /// What is wrong with the picture, in the client's words.
    pub fn check(&self) -> Result<(), String> {
        let bytes = BASE64_STANDARD.decode(&self.data).map_err(|_| "The icon's data is not base64.")?;
        if bytes.len() > Self::MAX_BYTES {
            return Err(format!("The icon is larger than {} bytes.", Self::MAX_BYTES));
        }
        let size = match self.media_type.as_str() {
            "image/png" => png(&bytes),
            "image/jpeg" => jpeg(&bytes),
            "image/gif" => gif(&bytes),
            other => return Err(format!("'{other}' is no icon: image/png, image/jpeg and image/gif are.")),
        };
        match size {
            Some((1..=Self::MAX_WIDTH, 1..=Self::MAX_HEIGHT)) => Ok(()),
            Some((width, height)) => Err(format!(
                "The icon has {width} times {height} pixels; at most {} times {} are allowed.",
                Self::MAX_WIDTH,
                Self::MAX_HEIGHT
            )),
            None => Err(format!("The icon's data is not of the type {}.", self.media_type)),
        }
    }
}

fn number(bytes: &[u8], at: usize, length: usize) -> Option<u32> {
    let part = bytes.get(at..at + length)?;
    Some(part.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}

/// Width and height of a PNG.
fn png(bytes: &[u8]) -> Option<(u32, u32)> {
    let header = bytes.starts_with(b"\x89PNG\r\n\x1a\n") && bytes.get(12..16) == Some(b"IHDR");
    header.then_some(())?;
    Some((number(bytes, 16, 4)?, number(bytes, 20, 4)?))
}

fn gif(bytes: &[u8]) -> Option<(u32, u32)> {
    let known = bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a");
    let low_first = |at: usize| number(bytes, at, 2).map(|it| u32::from((it as u16).swap_bytes()));
    known.then_some(())?;
    Some((low_first(6)?, low_first(8)?))
}

/// Width and height stand in the segment that begins the frame.
fn jpeg(bytes: &[u8]) -> Option<(u32, u32)> {
    bytes.starts_with(b"\xff\xd8\xff").then_some(())?;
    let mut at = 2;
    loop {
        let marker = number(bytes, at, 2)?;
        let length = number(bytes, at + 2, 2)?;
        match marker {
            0xffc4 | 0xffc8 | 0xffcc => {}
            0xffc0..=0xffcf => return Some((number(bytes, at + 7, 2)?, number(bytes, at + 5, 2)?)),
            0xff01..=0xffff if length >= 2 => {}
            _ => return None,
        }
        at += 2 + length as usize;
    }
}

/// The picture that was chosen for a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IconChoice {
    Family(Family),
    /// In both sizes: who shows it makes it smaller.
    Own(Arc<Icon>),
}

impl IconChoice {
    pub fn small(&self) -> IconId {
        match self {
            Self::Family(family) => family.small(),
            Self::Own(icon) => icon.id(),
        }
    }

    pub fn large(&self) -> IconId {
        match self {
            Self::Family(family) => family.large(),
            Self::Own(icon) => icon.id(),
        }
    }
}

/// A kind of operating systems; machines that were given no picture have that of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    Linux,
    Windows,
    Other,
}

impl Family {
    pub const ALL: [Self; 3] = [Self::Linux, Self::Windows, Self::Other];

    /// Of an operating system of `/operatingsystems`.
    pub fn of(os: &str) -> Self {
        let linux = ["rhel", "sles", "ubuntu", "debian", "other_linux"];
        match os {
            _ if is_windows(os) => Self::Windows,
            _ if linux.iter().any(|it| os.starts_with(it)) => Self::Linux,
            _ => Self::Other,
        }
    }

    pub fn large(self) -> IconId {
        IconId(derived_id(&[b"large icon", &[self as u8]]))
    }

    pub fn small(self) -> IconId {
        IconId(derived_id(&[b"small icon", &[self as u8]]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn icon(media_type: &str, bytes: &[u8]) -> Icon {
        Icon { media_type: media_type.into(), data: BASE64_STANDARD.encode(bytes) }
    }

    #[test]
    fn pictures_are_what_they_say_and_small() {
        let png = |width: u32, height: u32| {
            [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &width.to_be_bytes(), &height.to_be_bytes()]
                .concat()
        };
        let gif = b"GIF89a\x96\0\x78\0";
        let jpeg = b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x0b\x08\0\x2b\0\x2b\x01";
        for (media_type, bytes) in
            [("image/png", png(150, 120).as_slice()), ("image/gif", gif), ("image/jpeg", jpeg)]
        {
            assert_eq!(icon(media_type, bytes).check(), Ok(()), "{media_type}");
        }
        let large = vec![0; 25 << 10];
        for (media_type, bytes) in [
            ("image/png", png(151, 120).as_slice()),
            ("image/png", &png(0, 1)),
            ("image/png", gif),
            ("image/jpeg", &jpeg[..10]),
            ("image/svg+xml", b"<svg/>"),
            ("image/png", &large),
        ] {
            assert!(icon(media_type, bytes).check().is_err(), "{media_type} {bytes:?}");
        }
        assert!(Icon { media_type: "image/png".into(), data: "%".into() }.check().is_err());
    }

    #[test]
    fn systems_have_families() {
        assert_eq!(Family::of("windows_2012x64"), Family::Windows);
        assert_eq!(Family::of("rhel_7x64"), Family::Linux);
        assert_eq!(Family::of("freebsd"), Family::Other);
    }
}
