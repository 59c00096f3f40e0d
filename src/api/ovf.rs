//! VMs and snapshots as OVF, for who asks for all content; and OVF that comes in.

use super::app::App;
use crate::engine::VmView;
use crate::error::{Error, Kind, Result};
use crate::model::*;
use crate::ovf::{self, Described};
use crate::wire::filled;
use crate::wire::types::{self, Configuration, Initialization};

/// The one type of configurations that there is.
const OVF: &str = "ovf";

/// The VM as it is now. A domain that somebody else made has none: nobody could bring it back by it.
pub fn of_vm(app: &App, view: &VmView) -> Option<Initialization> {
    (!view.foreign).then(|| carrying(app.engine.ovf_of_vm(view)))
}

/// The VM as the snapshot keeps it.
pub fn of_snapshot(app: &App, row: &Vm, snapshot: &Snapshot) -> Initialization {
    carrying(app.engine.ovf_of_snapshot(row, snapshot))
}

fn carrying(data: String) -> Initialization {
    let configuration = Configuration { r#type: Some(OVF.into()), data: Some(data) };
    Initialization { configuration: Some(configuration), ..Initialization::default() }
}

/// The configuration that a document of a new VM brings along.
pub fn brought(asked: &types::Vm) -> Option<&Configuration> {
    asked.initialization.as_ref()?.configuration.as_ref()
}

/// What the configuration describes.
pub fn described(configuration: &Configuration) -> Result<Described> {
    let kind = configuration.r#type.as_deref().unwrap_or_default();
    if !kind.eq_ignore_ascii_case(OVF) {
        let said = format!(
            "{kind} is not a member of ConfigurationType. Possible values for ConfigurationType are: {OVF}"
        );
        return Err(Error::new(Kind::Value, said));
    }
    ovf::read(filled(&configuration.data).unwrap_or_default()).map_err(|why| Error::invalid(why.to_string()))
}
