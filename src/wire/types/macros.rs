//! What the structs share, written once. Not `serde(flatten)`: that makes numbers lose their types.

/// A struct that stands only inside of documents.
macro_rules! part {
    ($(#[$meta:meta])* $name:ident { $($(#[$about:meta])* $field:ident: $type:ty),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $name {
            $($(#[$about])* pub $field: $type),*
        }
    };
}

/// A struct that is a document by itself: with its root element, and the fields of every resource.
macro_rules! resource {
    ($(#[$meta:meta])* $name:ident = $root:literal { $($(#[$about:meta])* $field:ident: $type:ty),* $(,)? }) => {
        part! {
            $(#[$meta])*
            $name {
                href: Option<String>,
                id: Option<String>,
                actions: Option<$crate::wire::types::Actions>,
                name: Option<String>,
                description: Option<String>,
                comment: Option<String>,
                creation_status: Option<String>,
                link: Vec<$crate::wire::types::Link>,
                $($(#[$about])* $field: $type),*
            }
        }

        impl $crate::wire::Document for $name {
            const ROOT: &'static str = $root;
        }

        impl $crate::wire::Resource for $name {
            fn href(&self) -> Option<&str> {
                self.href.as_deref()
            }

            fn in_the_making(mut self, job: uuid::Uuid) -> Self {
                let progress = format!("{}/creation_status/{job}", self.href.as_deref().unwrap_or_default());
                self.creation_status = Some("pending".into());
                self.link.push($crate::wire::types::Link::new("creation_status", progress));
                self
            }
        }
    };
}

/// A list of documents.
macro_rules! collection {
    ($(#[$meta:meta])* $name:ident = $root:literal { $($(#[$about:meta])* $field:ident: $type:ty),* $(,)? }) => {
        part! {
            $(#[$meta])*
            $name {
                actions: Option<$crate::wire::types::Actions>,
                size: Option<u32>,
                total: Option<u32>,
                active: Option<u32>,
                $($(#[$about])* $field: $type),*
            }
        }

        impl $crate::wire::Document for $name {
            const ROOT: &'static str = $root;
        }
    };
}

/// A virtual machine's definition, which templates share, and what follows it.
macro_rules! machine {
    ($(#[$meta:meta])* $name:ident = $root:literal { $($(#[$about:meta])* $field:ident: $type:ty),* $(,)? }) => {
        resource! {
            $(#[$meta])*
            $name = $root {
                r#type: Option<String>,
                status: Option<String>,
                /// Why a paused machine is paused.
                status_detail: Option<String>,
                /// Bytes.
                memory: Option<u64>,
                cpu: Option<Cpu>,
                cpu_shares: Option<i32>,
                bios: Option<Bios>,
                os: Option<OperatingSystem>,
                cluster: Option<Ref>,
                storage_domain: Option<Ref>,
                creation_time: Option<Date>,
                origin: Option<String>,
                stateless: Option<bool>,
                delete_protected: Option<bool>,
                high_availability: Option<HighAvailability>,
                display: Option<Display>,
                sso: Option<Sso>,
                rng_device: Option<RngDevice>,
                console: Option<Console>,
                timezone: Slot,
                domain: Option<Domain>,
                usb: Option<Usb>,
                soundcard_enabled: Option<bool>,
                tunnel_migration: Option<bool>,
                migration_downtime: Option<i32>,
                virtio_scsi: Option<VirtioScsi>,
                serial_number: Option<SerialNumber>,
                start_paused: Option<bool>,
                cpu_profile: Option<Ref>,
                migration: Option<MigrationOptions>,
                io: Option<Io>,
                custom_properties: Option<CustomProperties>,
                custom_emulated_machine: Option<String>,
                custom_cpu_model: Option<String>,
                time_zone: Option<TimeZone>,
                small_icon: Option<Icon>,
                large_icon: Option<Icon>,
                memory_policy: Option<MemoryPolicy>,
                $($(#[$about])* $field: $type),*
            }
        }
    };
}

/// Lists of references: the struct and the name of its items.
macro_rules! references {
    ($($name:ident: $item:ident;)*) => {$(
        part! {
            #[doc = concat!("References, each a `", stringify!($item), "`.")]
            $name { $item: Vec<$crate::wire::types::Ref> }
        }

        impl FromIterator<$crate::wire::types::Ref> for $name {
            fn from_iter<I: IntoIterator<Item = $crate::wire::types::Ref>>(items: I) -> Self {
                Self { $item: items.into_iter().collect() }
            }
        }
    )*};
}

/// Lists of words: the struct and the name of its items.
macro_rules! words {
    ($($name:ident: $item:ident;)*) => {$(
        part! {
            #[doc = concat!("Words, each a `", stringify!($item), "`.")]
            $name { $item: Vec<String> }
        }

        impl<T: Into<String>> FromIterator<T> for $name {
            fn from_iter<I: IntoIterator<Item = T>>(words: I) -> Self {
                Self { $item: words.into_iter().map(Into::into).collect() }
            }
        }
    )*};
}
