//! VMs and snapshots as OVF, for who asks for all content.

use super::app::App;
use crate::engine::VmView;
use crate::model::*;
use crate::wire::ovf::{self, Connected, Image, Machine};
use crate::wire::types::{Configuration, Initialization};
use jiff::Timestamp;

/// The VM as it is now. A domain that somebody else made has none: nobody could bring it back by it.
pub fn of_vm(app: &App, view: &VmView) -> Option<Initialization> {
    if view.foreign {
        return None;
    }
    let id = view.vm.id;
    let (disks, nics) = {
        let world = app.engine.world();
        let saved = world.disks_of(id).into_iter();
        let saved = saved.map(|(on, disk)| SavedDisk { disk: disk.clone(), attachment: on.clone() });
        (saved.collect::<Vec<_>>(), world.nics_of(id).into_iter().cloned().collect::<Vec<_>>())
    };
    Some(rendered(app, &view.vm, &view.vm.spec, (SnapshotId::active(id), "Active VM"), disks, &nics))
}

/// The VM as the snapshot keeps it.
pub fn of_snapshot(app: &App, row: &Vm, snapshot: &Snapshot) -> Initialization {
    let moment = (snapshot.id, snapshot.description.as_str());
    rendered(app, row, &snapshot.spec, moment, snapshot.disks.clone(), &snapshot.nics)
}

fn rendered(
    app: &App,
    row: &Vm,
    spec: &VmSpec,
    snapshot: (SnapshotId, &str),
    disks: Vec<SavedDisk>,
    nics: &[Nic],
) -> Initialization {
    let image = |saved: SavedDisk| Image { actual_size: app.engine.image_size(&saved.disk), saved };
    let disks: Vec<Image> = disks.into_iter().map(image).collect();
    let (data_center, template, nics) = {
        let world = app.engine.world();
        let connected = |nic: &Nic| Connected {
            profile: nic.profile.and_then(|id| Some(world.vnic_profiles.get(&id)?.name.clone())),
            network: nic.network.and_then(|id| Some(world.networks.get(&id)?.name.clone())),
            nic: nic.clone(),
        };
        let nics: Vec<Connected> = nics.iter().map(connected).collect();
        let cluster = world.clusters.get(&row.cluster);
        let home = cluster.map_or(DataCenterId(uuid::Uuid::nil()), |cluster| cluster.data_center);
        (home, world.template_name(row.template).unwrap_or_default().to_owned(), nics)
    };
    let data = ovf::document(&Machine {
        vm: row.id,
        created: row.created,
        template: (row.template, &template),
        data_center,
        spec,
        snapshot,
        exported: Timestamp::now(),
        disks: &disks,
        nics: &nics,
    });
    let configuration = Configuration { r#type: Some("ovf".into()), data: Some(data) };
    Initialization { configuration: Some(configuration), ..Default::default() }
}
