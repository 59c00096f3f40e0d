//! The medium of a VM's CD-ROM drive, as clients name it.

/// A medium is the name of a file in an ISO domain: one name, no path, and the suffix of its kind.
pub fn check_medium(name: &str) -> Result<(), String> {
    check(name, "CD", ".iso")
}

pub fn check_floppy(name: &str) -> Result<(), String> {
    check(name, "floppy", ".vfd")
}

fn check(name: &str, what: &str, suffix: &str) -> Result<(), String> {
    let stem = name.len().checked_sub(suffix.len()).filter(|stem| *stem > 0 && name.is_char_boundary(*stem));
    if !stem.is_some_and(|stem| name[stem..].eq_ignore_ascii_case(suffix)) {
        return Err(format!("Invalid {what} image format."));
    }
    match name.contains('/') {
        true => Err(format!("The {what} image '{name}' is not the name of a file in an ISO domain.")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::check_medium;

    #[test]
    fn names_of_iso_files() {
        for good in ["x.iso", "Fedora 15 (x86_64).ISO", "ü.iso"] {
            assert_eq!(check_medium(good), Ok(()), "{good}");
        }
        for bad in
            ["", ".iso", "x", "x.img", "x.iso.qcow2", "xiso", "/isos/x.iso", "../x.iso", "a/x.iso", "€"]
        {
            assert!(check_medium(bad).is_err(), "{bad}");
        }
    }
}
