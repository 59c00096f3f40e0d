//! Small devices of a machine.

use super::*;

resource! {
    /// The CD drive; no `file` means that it is empty.
    Cdrom = "cdrom" {
        template: Option<Ref>,
        instance_type: Option<Ref>,
        vm: Option<Ref>,
        file: Option<File>,
    }
}

collection! {
    /// A list of `cdrom`.
    Cdroms = "cdroms" {
        cdrom: Vec<Cdrom>,
    }
}

resource! {
    /// A floppy drive.
    Floppy = "floppy" {
        vm: Option<Ref>,
        file: Option<File>,
    }
}

collection! {
    /// A list of `floppy`.
    Floppies = "floppies" {
        floppy: Vec<Floppy>,
    }
}

resource! {
    /// A watchdog.
    Watchdog = "watchdog" {
        template: Option<Ref>,
        instance_type: Option<Ref>,
        vm: Option<Ref>,
        model: Option<String>,
        action: Option<String>,
    }
}

collection! {
    /// A list of `watchdog`.
    Watchdogs = "watchdogs" {
        watchdog: Vec<Watchdog>,
    }
}

resource! {
    /// A console that shows graphics.
    GraphicsConsole = "graphics_console" {
        vm: Option<Ref>,
        template: Option<Ref>,
        instance_type: Option<Ref>,
        protocol: Option<String>,
        port: Option<i32>,
        tls_port: Option<i32>,
        address: Option<String>,
    }
}

collection! {
    /// A list of `graphics_console`.
    GraphicsConsoles = "graphics_consoles" {
        graphics_console: Vec<GraphicsConsole>,
    }
}

resource! {
    /// A host's device, perhaps passed to a machine.
    HostDevice = "host_device" {
        host: Option<Ref>,
        parent_device: Option<Ref>,
        capability: Option<String>,
        product: Option<Ref>,
        vendor: Option<Ref>,
        iommu_group: Option<i32>,
        physical_function: Option<Ref>,
        virtual_functions: Option<i32>,
        placeholder: Option<bool>,
        vm: Option<Ref>,
    }
}

collection! {
    /// A list of `host_device`.
    HostDevices = "host_devices" {
        host_device: Vec<HostDevice>,
    }
}
