//! What libvirt is told to switch a running domain's disks to new images.

use super::Invalid;
use super::os::utf8;
use crate::xml::Element;
use std::path::Path;

/// The document of a snapshot that libvirt keeps nothing of: the disks at these targets go on in
/// these qcow2 images, all others stay as they are; the guest's memory goes into a file, if any.
pub fn snapshot(
    targets: &[String],
    onto: &[(String, &Path)],
    memory: Option<&Path>,
) -> Result<Element, Invalid> {
    let mut disks = Element::new("disks");
    for target in targets {
        let disk = Element::new("disk").with("name", target);
        disks.push(match onto.iter().find(|(onto, _)| onto == target) {
            Some((_, file)) => disk
                .with("snapshot", "external")
                .with("type", "file")
                .child(Element::new("driver").with("type", "qcow2"))
                .child(Element::new("source").with("file", utf8(file)?)),
            None => disk.with("snapshot", "no"),
        });
    }
    let memory = match memory {
        Some(file) => Element::new("memory").with("snapshot", "external").with("file", utf8(file)?),
        None => Element::new("memory").with("snapshot", "no"),
    };
    Ok(Element::new("domainsnapshot").child(memory).child(disks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_that_are_not_named_stay() {
        let targets = ["vda".to_owned(), "sda".to_owned()];
        let told = snapshot(&targets, &[("vda".to_owned(), Path::new("/i/n.qcow2"))], None).unwrap();
        assert_eq!(
            told.to_string().split_whitespace().collect::<String>(),
            "<domainsnapshot><memorysnapshot=\"no\"/><disks><diskname=\"vda\"snapshot=\"external\"type=\"file\">\
             <drivertype=\"qcow2\"/><sourcefile=\"/i/n.qcow2\"/></disk><diskname=\"sda\"snapshot=\"no\"/></disks>\
             </domainsnapshot>"
        );
    }
}
