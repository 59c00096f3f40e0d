//! Who the VM is: to libvirt, to whoever finds the document, and to its guest.

use super::{Invalid, Plan};
use crate::model::VmId;
use crate::model::vm::SerialNumber;
use crate::xml::Element;

/// The namespace of vireo's element in a domain's metadata.
const NAMESPACE: &str = "urn:vireo:1";

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    // A domain of the name as it is keeps it: one that runs or was saved cannot have another.
    if domain.value("name").as_ref() != Some(&plan.spec.name) {
        domain.replace(Element::new("name").text(domain_name(&plan.spec.name, plan.vm.id)));
    }
    domain.replace(Element::new("uuid").text(plan.vm.id));
    domain.remove("description");
    if !plan.spec.description.is_empty() {
        domain.push(Element::new("description").text(&plan.spec.description));
    }
    let metadata = domain.ensure("metadata");
    metadata.retain(|element| !is_ours(element));
    metadata.push(Element::new("vireo:vm").with("xmlns:vireo", NAMESPACE).with("id", plan.vm.id));

    let id = plan.vm.id.to_string();
    let serial = match &plan.spec.serial_number {
        None | Some(SerialNumber::Host) => plan.host_uuid,
        Some(SerialNumber::Vm) => &id,
        Some(SerialNumber::Custom(text)) => text,
    };
    let entry = |name: &str, text: &str| Element::new("entry").with("name", name).text(text);
    let system = Element::new("system")
        .child(entry("manufacturer", "vireo"))
        .child(entry("serial", serial))
        .child(entry("uuid", &id));
    domain.replace(Element::new("sysinfo").with("type", "smbios").child(system));
    Ok(())
}

/// What the VM's domain is called: as the VM, unless that is too long for libvirt, which names files
/// after its domains.
pub fn domain_name(name: &str, id: VmId) -> String {
    const ROOM: usize = 200;
    const KEPT: usize = 160;
    match name.len() <= ROOM {
        true => name.to_owned(),
        false => format!("{}-{id}", &name[..name.floor_char_boundary(KEPT)]),
    }
}

fn is_ours(element: &Element) -> bool {
    element.name == "vireo:vm" || element.attributes.iter().any(|(_, value)| value == NAMESPACE)
}

/// The VM that the domain was made for, if vireo made it.
pub fn id(domain: &Element) -> Option<VmId> {
    domain.first("metadata")?.elements().find(|element| is_ours(element))?.get("id")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_and_stay_unique() {
        let id = VmId::random();
        assert_eq!(domain_name("web1", id), "web1");
        for long in ["n".repeat(255), "ä".repeat(255), format!("a{}", "ä".repeat(254))] {
            let cut = domain_name(&long, id);
            assert!(cut.len() <= 200 && cut.ends_with(&id.to_string()), "{cut}");
            assert_eq!(domain_name(&cut, id), cut);
        }
    }
}
