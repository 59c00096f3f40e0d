//! NUMA nodes of VMs and of the host.

use super::{API, reference};
use crate::error::{Error, Kind, Result};
use crate::model::*;
use crate::wire::missing;
use crate::wire::types::{self, Ref};
use std::collections::BTreeSet;
use uuid::Uuid;

/// What a document says of a VM's node; `None` is not mentioned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NumaRequest {
    pub index: Option<u32>,
    /// Bytes.
    pub memory: Option<u64>,
    pub cores: Option<BTreeSet<u32>>,
    pub pins: Option<BTreeSet<u32>>,
}

impl NumaRequest {
    /// `nodes` has the indexes and ids of the host's nodes: a pin names one by either.
    pub fn read(document: &types::VmNumaNode, nodes: &[(u32, Uuid)]) -> Result<Self> {
        let cores = document.cpu.as_ref().and_then(|cpu| cpu.cores.as_ref());
        let core = |core: &types::Core| {
            index("cpu.cores.core.index", core.index.ok_or_else(|| missing("Core", &["index"], "update"))?)
        };
        let pin = |pin: &types::NumaNodePin| pinned_to(pin, nodes);
        Ok(Self {
            index: document.index.map(|given| index("index", given)).transpose()?,
            memory: document.memory.map(bytes).transpose()?,
            cores: cores.map(|cores| cores.core.iter().map(core).collect()).transpose()?,
            pins: document
                .numa_node_pins
                .as_ref()
                // What is not pinned only tells where the guest happened to lie.
                .map(|pins| {
                    pins.numa_node_pin.iter().filter(|it| it.pinned != Some(false)).map(pin).collect()
                })
                .transpose()?,
        })
    }

    /// Puts what was mentioned over the node.
    pub fn change(self, node: &mut NumaNode) {
        node.index = self.index.unwrap_or(node.index);
        node.memory = self.memory.unwrap_or(node.memory);
        node.cores = self.cores.unwrap_or_else(|| std::mem::take(&mut node.cores));
        node.pins = self.pins.unwrap_or_else(|| std::mem::take(&mut node.pins));
    }
}

fn index(path: &str, given: i32) -> Result<u32> {
    u32::try_from(given).map_err(|_| Error::new(Kind::Value, format!("{path}: {given} is negative.")))
}

/// Documents count in MiB.
fn bytes(given: u64) -> Result<u64> {
    given.checked_mul(MIB).ok_or_else(|| Error::new(Kind::Value, format!("memory: {given} is too large.")))
}

/// The index decides; clients send along whichever id they once read.
fn pinned_to(pin: &types::NumaNodePin, nodes: &[(u32, Uuid)]) -> Result<u32> {
    let id = pin.host_numa_node.as_ref().and_then(|node| node.id.as_deref()).filter(|id| !id.is_empty());
    match (pin.index, id) {
        (Some(given), _) => index("numa_node_pins.numa_node_pin.index", given),
        (None, Some(id)) => {
            let node = nodes.iter().find(|(_, known)| known.to_string().eq_ignore_ascii_case(id));
            let unknown = || Error::invalid(format!("Host numa node with id {id} does not exist."));
            node.map(|(index, _)| *index).ok_or_else(unknown)
        }
        (None, None) => Err(missing("NumaNodePin", &["index|hostNumaNode.id"], "update")),
    }
}

/// A VM's node as a document.
pub fn vm_numa_node(vm: VmId, node: &NumaNode, host: HostId) -> types::VmNumaNode {
    let pin = |index: &u32| types::NumaNodePin {
        pinned: Some(true),
        index: Some(*index as i32),
        host_numa_node: Some(Ref::at(host_node_href(host, *index), host.node(*index))),
    };
    types::VmNumaNode {
        id: Some(node.id.to_string()),
        href: Some(format!("{API}/vms/{vm}/numanodes/{}", node.id)),
        index: Some(node.index as i32),
        memory: Some(node.memory / MIB),
        cpu: Some(cores(&node.cores)),
        vm: Some(reference("vms", vm)),
        numa_node_pins: (!node.pins.is_empty())
            .then(|| types::NumaNodePins { numa_node_pin: node.pins.iter().map(pin).collect() }),
        ..Default::default()
    }
}

/// A host's node as a document.
pub fn host_numa_node(host: HostId, node: &HostNode) -> types::HostNumaNode {
    let distances: Vec<String> = node.distances.values().map(u32::to_string).collect();
    types::HostNumaNode {
        id: Some(host.node(node.index).to_string()),
        href: Some(host_node_href(host, node.index)),
        host: Some(reference("hosts", host)),
        index: Some(node.index as i32),
        memory: Some(node.memory / MIB),
        cpu: Some(cores(&node.cpus)),
        node_distance: Some(distances.join(" ")),
        ..Default::default()
    }
}

fn host_node_href(host: HostId, index: u32) -> String {
    format!("{API}/hosts/{host}/numanodes/{}", host.node(index))
}

fn cores(indexes: &BTreeSet<u32>) -> types::Cpu {
    let core = |index: &u32| types::Core { index: Some(*index as i32), socket: None };
    types::Cpu {
        cores: Some(types::Cores { core: indexes.iter().map(core).collect() }),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Format, Version, read};

    const HOST: HostId = HostId(Uuid::from_u128(7));

    fn request(body: &str) -> Result<NumaRequest> {
        let nodes = [(0, HOST.node(0)), (1, HOST.node(1))];
        NumaRequest::read(&read::<types::VmNumaNode>(body.as_bytes(), Format::Xml, Version::V3)?, &nodes)
    }

    #[test]
    fn what_comes_back_is_what_was_set() {
        let asked = request(
            "<vm_numa_node><index>1</index><memory>1024</memory><cpu><cores><core index='0'/><core index='3'/>\
             </cores></cpu><numa_node_pins><numa_node_pin pinned='true' index='1'/>\
             <numa_node_pin pinned='false' index='0'/></numa_node_pins></vm_numa_node>",
        )
        .unwrap();
        let mut node = NumaNode {
            id: NumaNodeId::random(),
            index: 0,
            memory: 0,
            cores: BTreeSet::new(),
            pins: BTreeSet::new(),
        };
        asked.clone().change(&mut node);
        assert_eq!((node.index, node.memory), (1, GIB));
        assert_eq!((&node.cores, &node.pins), (&[0, 3].into(), &[1].into()));
        let shown = vm_numa_node(VmId::random(), &node, HOST);
        assert_eq!(NumaRequest::read(&shown, &[]).unwrap(), asked);
        NumaRequest::default().change(&mut node);
        assert_eq!(node.cores, [0, 3].into());
    }

    #[test]
    fn a_pin_names_its_node_by_index_or_by_id() {
        let pins = |pin: &str| {
            request(&format!(
                "<vm_numa_node><numa_node_pins><numa_node_pin pinned='true'{pin}</numa_node_pin>\
                 </numa_node_pins></vm_numa_node>"
            ))
            .map(|asked| asked.pins.unwrap())
        };
        let id = format!("><host_numa_node id='{}'/>", HOST.node(1));
        assert_eq!(pins(&id).unwrap(), [1].into());
        assert_eq!(pins(&format!(" index='0'{id}")).unwrap(), [0].into());
        assert_eq!(pins("><host_numa_node id='x'/>").unwrap_err().kind, Kind::Invalid);
        assert_eq!(pins(">").unwrap_err().kind, Kind::Incomplete);
        assert_eq!(pins(" index='-1'>").unwrap_err().kind, Kind::Value);
        assert_eq!(request("<vm_numa_node><numa_node_pins/></vm_numa_node>").unwrap().pins, Some([].into()));
        assert_eq!(request("<vm_numa_node/>").unwrap(), NumaRequest::default());
        assert!(request("<vm_numa_node><memory>99999999999999999</memory></vm_numa_node>").is_err());
    }
}
