//! libvirt's networks.

use super::domain::found;
use crate::error::{Error, Result};
use crate::xml::{self, Element};
use virt::connect::Connect;
use virt::network::Network;

pub fn active(connect: &Connect, name: &str) -> Result<bool> {
    let network = lookup(connect, name)?;
    Ok(network.map(|network| network.is_active()).transpose()?.unwrap_or(false))
}

/// Defines it, or makes it anew where it differs, and lets it run.
pub fn ensure(connect: &Connect, document: &str) -> Result<()> {
    let wanted = parse(document)?;
    let present = lookup(connect, &wanted.value("name").unwrap_or_default())?;
    let network = match present {
        Some(network) if same(&parse(&network.xml_desc(0)?)?, &wanted) => network,
        Some(other) => {
            if other.is_active()? {
                other.destroy()?;
            }
            connect.define_network_xml(document)?
        }
        None => connect.define_network_xml(document)?,
    };
    if !network.is_active()? {
        let created = network.create();
        // Others bring it up, too.
        if !network.is_active()? {
            created?;
        }
    }
    if !network.autostart()? {
        network.set_autostart(true)?;
    }
    Ok(())
}

pub fn drop(connect: &Connect, name: &str) -> Result<()> {
    let Some(network) = lookup(connect, name)? else { return Ok(()) };
    if network.is_active()? {
        network.destroy()?;
    }
    found(network.undefine().map_err(Error::from)).map(|_| ())
}

fn lookup(connect: &Connect, name: &str) -> Result<Option<Network>> {
    found(connect.lookup_network_by_name(name).map_err(Error::from))
}

fn parse(document: &str) -> Result<Element> {
    xml::parse(document.as_bytes()).map_err(|why| Error::bug(format_args!("libvirt: {why}")))
}

/// In what vireo sets.
fn same(present: &Element, wanted: &Element) -> bool {
    ["mtu/@size", "bridge/@stp", "port/@isolated"]
        .into_iter()
        .all(|path| present.value(path) == wanted.value(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libvirt_adds_is_no_difference() {
        let wanted = parse("<network><name>a</name><bridge stp='off' delay='0'/></network>").unwrap();
        let present = "<network><name>a</name><uuid>1</uuid><bridge name='virbr3' stp='off' delay='0'/>\
                       <mac address='52:54:00:00:00:01'/>MTU</network>";
        assert!(same(&parse(&present.replace("MTU", "")).unwrap(), &wanted));
        assert!(!same(&parse(&present.replace("MTU", "<mtu size='9000'/>")).unwrap(), &wanted));
    }
}
