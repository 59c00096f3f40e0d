//! What handlers work with.

use super::auth::{Accounts, Auth};
use super::certificates::Certificates;
use super::console_proxy::Passes;
use super::meters::Meters;
use super::rendered::Rendered;
use super::routes::{ROUTES, Routes};
use crate::engine::Engine;
use crate::host::facts::HostInfo;
use std::sync::{Arc, RwLock};

/// The state behind the routes: one per daemon.
pub struct App {
    pub engine: Arc<Engine>,
    pub auth: Auth,
    pub routes: Routes,
    pub rendered: Rendered,
    /// What the host is, and how busy.
    pub host: HostInfo,
    pub meters: Meters,
    pub passes: Passes,
    /// Of what is served now.
    pub certificates: Arc<RwLock<Certificates>>,
}

impl App {
    pub fn new(
        engine: Arc<Engine>,
        accounts: Arc<dyn Accounts>,
        certificates: Certificates,
        host: HostInfo,
    ) -> Self {
        let auth = Auth::new(accounts);
        Self {
            engine,
            auth,
            routes: Routes::new(&ROUTES),
            rendered: Rendered::default(),
            host,
            meters: Meters::default(),
            passes: Passes::default(),
            certificates: Arc::new(RwLock::new(certificates)),
        }
    }

    /// `Err` says what is degraded.
    pub fn health(&self) -> Result<(), String> {
        match self.engine.connected() {
            true => Ok(()),
            false => Err("libvirt is not available".into()),
        }
    }

    /// Where clients reach a console that listens on that address: one that stands for every
    /// address is told by the host's name.
    pub fn console_address(&self, listens: &str) -> String {
        match listens {
            "" | "0.0.0.0" | "::" => self.host.name.clone(),
            _ => listens.to_owned(),
        }
    }
}
