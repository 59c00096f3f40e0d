//! Network interfaces.

use super::device::{alias, devices, put};
use super::{Invalid, NicDevice, Plan};
use crate::model::NicId;
use crate::xml::Element;

/// The libvirt network of interfaces without one: its ports reach nobody, not even each other.
/// A device without any bridge behind it could not be moved to a network while its VM runs.
pub const NOWHERE: &str = "vireo-nowhere";

/// What the device says itself: what of it is absent is meant to be.
const WRITES: &[&str] = &["mac", "source", "model", "link", "filterref", "boot", "alias"];

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    let planned: Vec<String> = plan.nics.iter().map(|device| device.nic.id.alias()).collect();
    domain.ensure("devices").retain(|device| {
        let ours = device.name == "interface" && alias(device).and_then(NicId::from_alias).is_some();
        !ours || planned.iter().any(|planned| alias(device) == Some(planned))
    });
    for (planned, nic) in planned.iter().zip(plan.nics) {
        let device = device(nic)?;
        let is = |old: &Element| old.name == "interface" && alias(old) == Some(planned);
        let old_model = devices(domain).find(|old| is(old)).and_then(|old| old.value("model/@type"));
        // Another model may need another bus.
        let moved = old_model != device.value("model/@type");
        let writes: Vec<&str> = WRITES.iter().copied().chain(moved.then_some("address")).collect();
        put(domain, is, &writes, Some(device));
    }
    Ok(())
}

/// An interface's device: what a domain's document holds and what is plugged into a running VM.
pub fn device(device: &NicDevice) -> Result<Element, Invalid> {
    let NicDevice { nic, network, filter } = *device;
    let (kind, name) = match network {
        None => ("network", NOWHERE),
        Some(binding) => binding
            .split_once(':')
            .filter(|(kind, name)| matches!(*kind, "network" | "bridge") && !name.is_empty())
            .ok_or_else(|| {
                Invalid(format!("The network's binding '{binding}' leads nowhere on the host."))
            })?,
    };
    let mut interface = Element::new("interface")
        .with("type", kind)
        .child(Element::new("mac").with("address", nic.mac))
        .child(Element::new("source").with(kind, name))
        .child(Element::new("model").with("type", nic.interface.model()))
        .child(link(nic.linked))
        .child(Element::new("alias").with("name", nic.id.alias()));
    if let Some(filter) = filter {
        interface.push(Element::new("filterref").with("filter", filter));
    }
    Ok(interface)
}

fn link(up: bool) -> Element {
    Element::new("link").with("state", if up { "up" } else { "down" })
}

/// Where an interface leads, whoever wrote its device: `network:NAME` or `bridge:NAME`.
pub fn network(device: &Element) -> Option<String> {
    let source = device.first("source")?;
    match (source.get("network"), source.get("bridge")) {
        (Some(NOWHERE), _) | (None, None) => None,
        // A running one names the bridge of its network as well.
        (Some(network), _) => Some(format!("network:{network}")),
        (None, Some(bridge)) => Some(format!("bridge:{bridge}")),
    }
}

/// The updates that bring an interface of a running domain to what is wanted. A guest that is moved
/// to another network loses its carrier for a moment, so that it asks for its address anew.
pub fn bring_live(live: &Element, wanted: &Element) -> Vec<Element> {
    let present = devices(live).find(|old| alias(old) == alias(wanted));
    let Some(present) = present else { return Vec::new() };
    let up = wanted.value("link/@state").as_deref() != Some("down");
    let was_up = present.value("link/@state").as_deref() != Some("down");
    let moved = network(present) != network(wanted);
    let filter = |device: &Element| device.value("filterref/@filter");
    let filtered = filter(present) == filter(wanted);
    if !moved && filtered && up == was_up {
        return Vec::new();
    }
    // What is neither source nor link stays as libvirt has it: it refuses all else.
    let mut device = present.clone();
    device.replace(link(up));
    if !filtered {
        device.remove("filterref");
        wanted.first("filterref").into_iter().for_each(|filter| device.push(filter.clone()));
    }
    if !moved {
        return vec![device];
    }
    let kind = wanted.get("type").unwrap_or("network");
    device.set("type", kind);
    // Whether it is cut off from others is the network's to say.
    device.remove("port");
    device.replace(wanted.first("source").cloned().unwrap_or_else(|| Element::new("source")));
    let mut bounced = device.clone();
    bounced.replace(link(false));
    if up { vec![bounced, device] } else { vec![device] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::parse;

    fn live(source: &str, state: &str) -> Element {
        let document = format!(
            "<domain><devices><interface type='network'><mac address='00:1a:4a:16:00:01'/>{source}\
             <target dev='vnet3'/><link state='{state}'/><alias name='ua-1'/></interface></devices></domain>"
        );
        parse(document.as_bytes()).unwrap()
    }

    fn wanted(kind: &str, name: &str, state: &str) -> Element {
        let device = format!(
            "<interface type='{kind}'><source {kind}='{name}'/><link state='{state}'/><alias name='ua-1'/></interface>"
        );
        parse(device.as_bytes()).unwrap()
    }

    #[test]
    fn a_live_change_is_as_small_as_it_can_be() {
        let live = live("<source network='a' portid='x' bridge='virbr0'/>", "up");
        assert!(bring_live(&live, &wanted("network", "a", "up")).is_empty());
        let cut = bring_live(&live, &wanted("network", "a", "down"));
        assert_eq!(cut.len(), 1);
        assert_eq!(cut[0].value("link/@state").as_deref(), Some("down"));
        assert_eq!(cut[0].value("target/@dev").as_deref(), Some("vnet3"));
        let states = |updates: &[Element]| -> Vec<String> {
            updates.iter().filter_map(|update| update.value("link/@state")).collect()
        };
        let moved = bring_live(&live, &wanted("bridge", "br0", "up"));
        assert_eq!(states(&moved), ["down", "up"]);
        assert!(moved.iter().all(|it| network(it).as_deref() == Some("bridge:br0")));
        assert_eq!(states(&bring_live(&live, &wanted("bridge", "br0", "down"))), ["down"]);
        assert!(bring_live(&Element::new("domain"), &wanted("network", "a", "up")).is_empty());
        let filtered = wanted("network", "a", "up").child(Element::new("filterref").with("filter", "f"));
        let filtered = bring_live(&live, &filtered);
        assert_eq!(filtered.len(), 1);
        assert_eq!(filtered[0].value("filterref/@filter").as_deref(), Some("f"));
    }

    #[test]
    fn nowhere_is_no_network() {
        assert_eq!(network(&wanted("network", NOWHERE, "up")), None);
        let moved = bring_live(
            &live("<source network='vireo-nowhere' bridge='virbr1'/><port isolated='yes'/>", "up"),
            &wanted("network", "a", "up"),
        );
        assert_eq!(moved.len(), 2);
        assert!(moved.iter().all(|update| update.first("port").is_none()));
    }
}
