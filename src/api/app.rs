//! What handlers work with.

use super::auth::{Accounts, Auth};
use super::routes::{ROUTES, Routes};
use std::sync::Arc;

/// The state behind the routes: one per daemon.
pub struct App {
    pub auth: Auth,
    pub routes: Routes,
    /// The certificate of the authority that clients trust, in PEM; none without TLS.
    pub ca: Option<String>,
    /// `Err` says what is degraded.
    pub health: Health,
}

/// Tells how the daemon is.
pub type Health = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

impl App {
    pub fn new(accounts: Arc<dyn Accounts>, ca: Option<String>, health: Health) -> Self {
        Self { auth: Auth::new(accounts), routes: Routes::new(ROUTES), ca, health }
    }
}
