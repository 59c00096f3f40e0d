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
fn device_named<'a>(domain: &'a Element, name: &str) -> Option<&'a Element> {
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

/// The device of that alias as libvirt takes it into a definition that has all others already, if
/// they can stay as they are: none comes behind it when the firmware looks for a system.
pub fn added_last(domain: &Element, name: &str) -> Option<Element> {
    if !boots_last(domain, name) {
        return None;
    }
    let mut device = device_named(domain, name)?.clone();
    let others = devices(domain).filter(|other| alias(other) != Some(name));
    if others.into_iter().all(|other| other.first("boot").is_none()) {
        // libvirt has given the domain a general boot device, and refuses places beside that.
        device.remove("boot");
    }
    Some(device)
}

/// The alias of a device.
pub fn alias(device: &Element) -> Option<&str> {
    device.first("alias")?.get("name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::parse;

    #[test]
    fn a_device_is_added_alone_where_no_other_moves() {
        let domain = |devices: &str| {
            let text = format!("<domain><devices>{devices}</devices></domain>");
            parse(text.as_bytes()).unwrap()
        };
        let device = |name: &str, order: &str| format!("<disk><alias name='{name}'/>{order}</disk>");
        let (first, second) = (device("a", "<boot order='1'/>"), device("b", "<boot order='2'/>"));
        let both = domain(&format!("{first}{second}"));
        assert_eq!(added_last(&both, "a"), None, "the other would be the second one then");
        assert_eq!(added_last(&both, "b").unwrap().value("boot/@order").as_deref(), Some("2"));
        let idle = domain(&format!("{first}{}", device("c", "")));
        assert_eq!(added_last(&idle, "c").unwrap().first("boot"), None);
        // The general boot device of libvirt's finds it.
        assert_eq!(added_last(&idle, "a").unwrap().first("boot"), None);
        assert_eq!(added_last(&idle, "d"), None);
    }
}
