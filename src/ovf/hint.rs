//! What a storage domain remembers of a machine whose disks lie in it: an OVF that others can read,
//! and in it the very rows of the engine, so that they can be had back when the database is lost.

use super::read::refused;
use super::{Machine, Refused, envelope, whole};
use crate::model::*;
use crate::xml::{self, Element};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const NAMESPACE: &str = "urn:vireo:1";
const ROWS: &str = "vireo:Rows";

/// The rows of one machine, of a disk that hangs on none, or of another storage domain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hint {
    /// The host whose engine wrote it.
    pub owner: Option<HostId>,
    pub vm: Option<Vm>,
    pub template: Option<Template>,
    pub disks: Vec<Disk>,
    pub attachments: Vec<Attachment>,
    pub nics: Vec<Nic>,
    /// What the interfaces lead to, by name: ids of networks go with the database.
    pub leads: Vec<Lead>,
    pub snapshots: Vec<Snapshot>,
    /// A storage domain that is not the one where this lies.
    pub place: Option<StorageDomain>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lead {
    pub nic: NicId,
    pub network: Option<String>,
    pub profile: Option<String>,
}

impl Hint {
    /// After what its file is called.
    pub fn id(&self) -> Option<Uuid> {
        let template = self.template.as_ref().map(|it| it.id.0);
        let place = self.place.as_ref().map(|it| it.id.0);
        let machine = self.vm.as_ref().map(|it| it.id.0).or(template).or(place);
        machine.or_else(|| self.disks.first().map(|disk| disk.id.0))
    }

    pub fn file_name(id: Uuid) -> String {
        format!("{id}.ovf")
    }

    /// The hint as a document; around the machine, where it is one's.
    pub fn document(&self, machine: Option<&Machine>) -> String {
        // Rows have no member that JSON could not hold.
        let rows = serde_json::to_string(self).unwrap_or_default();
        let rows = Element::new(ROWS).with("xmlns:vireo", NAMESPACE).text(rows);
        whole(envelope(machine).child(rows))
    }

    /// Reads what an engine like this one wrote.
    pub fn read(text: &str) -> Result<Self, Refused> {
        let envelope = xml::parse(text.as_bytes()).map_err(|why| Refused(why.0))?;
        let Some(rows) = envelope.first(ROWS) else { return refused("it has no rows of an engine") };
        serde_json::from_str(&rows.content()).map_err(|why| Refused(why.to_string()))
    }
}
