//! Operating systems: the one of a machine, and those that a machine may have.

use super::*;

part! {
    /// What a machine boots, and how.
    OperatingSystem {
        r#type: Option<String>,
        boot: Option<Boot>,
        kernel: Option<String>,
        initrd: Option<String>,
        cmdline: Option<String>,
        version: Option<VersionNumber>,
    }
}

part! {
    /// Where a machine boots from.
    Boot {
        devices: Option<BootSequence>,
    }
}

words! {
    BootSequence: device;
}

resource! {
    /// A known operating system.
    OperatingSystemInfo = "operating_system" {
        large_icon: Option<Icon>,
        small_icon: Option<Icon>,
    }
}

collection! {
    /// A list of `operating_system`.
    OperatingSystemInfos = "operating_systems" {
        operating_system: Vec<OperatingSystemInfo>,
    }
}

resource! {
    /// A picture.
    Icon = "icon" {
        media_type: Option<String>,
        /// Base64.
        data: Option<String>,
    }
}

collection! {
    /// A list of `icon`.
    Icons = "icons" {
        icon: Vec<Icon>,
    }
}
