//! The machine and what it boots besides devices: a kernel of the host.

use super::machine::covers;
use super::{Invalid, Plan};
use crate::xml::Element;
use std::path::Path;

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    let os = domain.ensure("os");
    let kind = os.ensure("type");
    if let Some(machine) = plan.machine()
        && !kind.get("machine").is_some_and(|present| covers(machine, present))
    {
        kind.set("machine", machine);
    }
    // libvirt adds a general boot device where no device has an order; both together are refused.
    os.remove("boot");
    for (name, file) in [("kernel", plan.kernel), ("initrd", plan.initrd)] {
        os.remove(name);
        if let Some(file) = file {
            os.push(Element::new(name).text(utf8(file)?));
        }
    }
    os.remove("cmdline");
    if let (Some(_), Some(cmdline)) = (plan.kernel, &plan.spec.os.cmdline) {
        os.push(Element::new("cmdline").text(cmdline));
    }
    os.replace(Element::new("bootmenu").with("enable", if plan.spec.boot_menu { "yes" } else { "no" }));
    os.replace(Element::new("smbios").with("mode", "sysinfo"));
    Ok(())
}

/// A path as a document can hold it.
pub fn utf8(file: &Path) -> Result<&str, Invalid> {
    file.to_str().ok_or_else(|| Invalid(format!("The path '{}' is not UTF-8.", file.display())))
}
