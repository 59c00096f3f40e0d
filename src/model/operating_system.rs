//! The operating systems that a VM may say it runs: number, name, description.

pub const OPERATING_SYSTEMS: &[(u32, &str, &str)] = &[
    (0, "other", "Other OS"),
    (1, "windows_xp", "Windows XP"),
    (3, "windows_2003", "Windows 2003"),
    (4, "windows_2008", "Windows 2008"),
    (5, "other_linux", "Linux"),
    (7, "rhel_5", "Red Hat Enterprise Linux 5.x"),
    (8, "rhel_4", "Red Hat Enterprise Linux 4.x"),
    (9, "rhel_3", "Red Hat Enterprise Linux 3.x"),
    (10, "windows_2003x64", "Windows 2003 x64"),
    (11, "windows_7", "Windows 7"),
    (12, "windows_7x64", "Windows 7 x64"),
    (13, "rhel_5x64", "Red Hat Enterprise Linux 5.x x64"),
    (14, "rhel_4x64", "Red Hat Enterprise Linux 4.x x64"),
    (15, "rhel_3x64", "Red Hat Enterprise Linux 3.x x64"),
    (16, "windows_2008x64", "Windows 2008 x64"),
    (17, "windows_2008R2x64", "Windows 2008 R2 x64"),
    (18, "rhel_6", "Red Hat Enterprise Linux 6.x"),
    (19, "rhel_6x64", "Red Hat Enterprise Linux 6.x x64"),
    (20, "windows_8", "Windows 8"),
    (21, "windows_8x64", "Windows 8 x64"),
    (23, "windows_2012x64", "Windows 2012 x64"),
    (24, "rhel_7x64", "Red Hat Enterprise Linux 7.x x64"),
    (26, "windows_10", "Windows 10"),
    (27, "windows_10x64", "Windows 10 x64"),
    (1193, "sles_11", "SUSE Linux Enterprise Server 11+"),
    (1252, "ubuntu_12_04", "Ubuntu Precise Pangolin LTS"),
    (1253, "ubuntu_12_10", "Ubuntu Quantal Quetzal"),
    (1254, "ubuntu_13_04", "Ubuntu Raring Ringtails"),
    (1255, "ubuntu_13_10", "Ubuntu Saucy Salamander"),
    (1256, "ubuntu_14_04", "Ubuntu Trusty Tahr LTS+"),
    (1300, "debian_7", "Debian 7+"),
    (1500, "freebsd", "FreeBSD 9.2"),
    (1501, "freebsdx64", "FreeBSD 9.2 x64"),
];

/// Whether a guest of that system is one of Windows.
pub fn is_windows(name: &str) -> bool {
    name.starts_with("windows")
}

/// The table's spelling of a name, which clients may write in any case.
pub fn operating_system(name: &str) -> Option<&'static str> {
    OPERATING_SYSTEMS
        .iter()
        .find(|(_, known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, known, _)| *known)
}
