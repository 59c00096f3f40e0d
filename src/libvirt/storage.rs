//! Directory pools.

use super::domain::found;
use crate::error::{Error, Result};
use crate::xml::{self, Element};
use std::path::Path;
use virt::connect::Connect;
use virt::storage_pool::StoragePool;

/// A pool holds nothing but the name of its folder, so one that stands elsewhere is defined anew.
pub fn ensure_pool(connect: &Connect, name: &str, folder: &Path) -> Result<()> {
    let Some(folder) = folder.to_str() else {
        return Err(Error::invalid("The folder's name is not UTF-8."));
    };
    let pool = match found(lookup(connect, name))? {
        Some(pool) if stands_on(&pool.xml_desc(0)?, folder) => pool,
        Some(other) => {
            if other.is_active()? {
                other.destroy()?;
            }
            other.undefine()?;
            define(connect, name, folder)?
        }
        None => define(connect, name, folder)?,
    };
    if !pool.is_active()? {
        pool.create(0)?;
    }
    if !pool.autostart()? {
        pool.set_autostart(true)?;
    }
    Ok(())
}

pub fn drop_pool(connect: &Connect, name: &str) -> Result<()> {
    let Some(pool) = found(lookup(connect, name))? else { return Ok(()) };
    if pool.is_active()? {
        pool.destroy()?;
    }
    Ok(pool.undefine()?)
}

pub fn refresh(connect: &Connect, name: &str) -> Result<()> {
    Ok(lookup(connect, name)?.refresh(0)?)
}

fn lookup(connect: &Connect, name: &str) -> Result<StoragePool> {
    Ok(connect.lookup_storage_pool_by_name(name)?)
}

fn define(connect: &Connect, name: &str, folder: &str) -> Result<StoragePool> {
    let target = Element::new("target").child(Element::new("path").text(folder));
    let document =
        Element::new("pool").with("type", "dir").child(Element::new("name").text(name)).child(target);
    let pool = connect.define_storage_pool_xml(&document.to_string(), 0)?;
    // Makes the folder where it is missing.
    pool.build(0)?;
    Ok(pool)
}

fn stands_on(document: &str, folder: &str) -> bool {
    xml::parse(document.as_bytes()).is_ok_and(|pool| {
        pool.get("type") == Some("dir") && pool.value("target/path").as_deref() == Some(folder)
    })
}
