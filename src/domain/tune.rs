//! How the host schedules the VM: pins, shares and I/O threads.

use super::device::settle;
use super::{Invalid, Plan};
use crate::xml::Element;

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    domain.remove("iothreads");
    if plan.spec.io_threads > 0 {
        domain.push(Element::new("iothreads").text(plan.spec.io_threads));
    }
    let mut tune = domain.first("cputune").cloned().unwrap_or_else(|| Element::new("cputune"));
    tune.retain(|element| !matches!(element.name.as_str(), "shares" | "vcpupin"));
    if plan.spec.cpu_shares > 0 {
        tune.push(Element::new("shares").text(plan.spec.cpu_shares));
    }
    for pin in plan.spec.placed_vcpus(plan.host) {
        tune.push(Element::new("vcpupin").with("vcpu", pin.vcpu).with("cpuset", &pin.cpus));
    }
    settle(domain, tune);
    Ok(())
}
