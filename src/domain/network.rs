//! The networks that the engine makes: bridges without an address of the host's. Guests on one reach
//! each other and nobody else.

use super::nic::NOWHERE;
use crate::model::Network;
use crate::xml::Element;

/// The network of the API that nothing on the host stands for.
pub fn own(network: &Network) -> Element {
    let stp = if network.stp { "on" } else { "off" };
    let mut document = document(&Network::own_name(network.id), stp);
    document.push(Element::new("uuid").text(network.id));
    if network.mtu != 0 {
        document.push(Element::new("mtu").with("size", network.mtu));
    }
    document
}

/// The network of interfaces without one: its ports are kept apart.
pub fn nowhere() -> Element {
    document(NOWHERE, "off").child(Element::new("port").with("isolated", "yes"))
}

fn document(name: &str, stp: &str) -> Element {
    Element::new("network")
        .child(Element::new("name").text(name))
        .child(Element::new("bridge").with("stp", stp).with("delay", 0))
}
