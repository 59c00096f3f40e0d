//! How parts write devices: over what is there, so that libvirt's addresses survive.

use crate::xml::{Element, Node};

/// Puts a device in the place of the one that `is` it, or behind all others; `None` removes it.
///
/// Of the old one those children survive that the new one lacks, but for the names that vireo
/// `writes` itself: their absence is meant.
pub fn put(domain: &mut Element, is: impl Fn(&Element) -> bool, writes: &[&str], device: Option<Element>) {
    let devices = domain.ensure("devices");
    let place = devices.children.iter().position(|node| matches!(node, Node::Element(old) if is(old)));
    let old = devices.elements().find(|old| is(old)).cloned();
    devices.retain(|old| !is(old));
    if let Some(mut device) = device {
        if let Some(old) = old {
            keep(&old, &mut device, writes);
        }
        let place = place.unwrap_or(devices.children.len());
        devices.children.insert(place, Node::Element(device));
    }
}

/// Gives the new element those children of the old one which vireo does not write.
pub fn keep(old: &Element, new: &mut Element, writes: &[&str]) {
    for child in old.elements() {
        if !writes.contains(&child.name.as_str()) && new.first(&child.name).is_none() {
            new.push(child.clone());
        }
    }
}

/// Puts an element in its place below the domain, or takes it away where it would say nothing.
pub fn settle(domain: &mut Element, element: Element) {
    match element.children.is_empty() && element.attributes.is_empty() {
        true => domain.remove(&element.name),
        false => domain.replace(element),
    }
}

/// A domain's devices.
pub fn devices(domain: &Element) -> impl Iterator<Item = &Element> {
    domain.first("devices").into_iter().flat_map(Element::elements)
}

/// The domain's device of that alias.
pub fn device_named<'a>(domain: &'a Element, name: &str) -> Option<&'a Element> {
    devices(domain).find(|device| alias(device) == Some(name))
}

/// Whether the domain has a device of that alias.
pub fn holds(domain: &Element, name: &str) -> bool {
    device_named(domain, name).is_some()
}

/// Whether no other device comes behind the one of that alias when the firmware looks for a system.
pub fn boots_last(domain: &Element, name: &str) -> bool {
    let place = |device: &Element| device.value("boot/@order").and_then(|order| order.parse::<u32>().ok());
    let its = devices(domain).find(|device| alias(device) == Some(name)).and_then(place);
    devices(domain).filter_map(place).max() == its || its.is_none()
}

/// The alias of a device.
pub fn alias(device: &Element) -> Option<&str> {
    device.first("alias")?.get("name")
}
