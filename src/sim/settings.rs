//! The settings of an engine over a simulated host.

use crate::engine::{SecretKey, Settings};
use std::path::Path;
use std::time::Duration;

/// What most tests want; what a test wants otherwise, it says over these.
pub fn settings(state: impl AsRef<Path>) -> Settings {
    let state = state.as_ref();
    Settings {
        state: state.to_owned(),
        host_name: "host".into(),
        boot_dirs: vec![state.join("boot")],
        portals: Default::default(),
        secret_key: SecretKey::random(),
        templates: None,
        hotunplug_timeout: Duration::from_secs(2),
        stats_interval: Duration::from_secs(3600),
        management: "network:default".into(),
        graphics_listen: "127.0.0.1".into(),
        admin_password: Some("secret".into()),
    }
}
