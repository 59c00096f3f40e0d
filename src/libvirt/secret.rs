//! Secrets that domains use: held in libvirt's memory, told to nobody.

use super::domain::found;
use crate::error::{Error, Result};
use crate::model::DiskId;
use crate::xml::Element;
use virt::connect::Connect;
use virt::secret::Secret;

pub fn ensure(connect: &Connect, id: DiskId, secret: &str) -> Result<()> {
    let usage = Element::new("usage").with("type", "iscsi").child(Element::new("target").text(id.alias()));
    let document = Element::new("secret")
        .with("ephemeral", "yes")
        .with("private", "yes")
        .child(Element::new("uuid").text(id))
        .child(usage);
    let defined = connect.define_secret_xml(&document.to_string(), 0)?;
    Ok(defined.set_value(secret.as_bytes(), 0)?)
}

pub fn drop(connect: &Connect, id: DiskId) -> Result<()> {
    match found(lookup(connect, id))? {
        Some(secret) => found(secret.undefine().map_err(Error::from)).map(|_| ()),
        None => Ok(()),
    }
}

fn lookup(connect: &Connect, id: DiskId) -> Result<Secret> {
    Ok(connect.lookup_secret_by_uuid(id.0)?)
}
