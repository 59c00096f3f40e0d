//! The accelerator, the CPU that the guest sees, and how many of them.

use super::device::keep;
use super::{Invalid, Plan};
use crate::model::vm::{CpuMode, Topology};
use crate::model::{Accelerator, CpuChoice};
use crate::xml::Element;

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    domain.set("type", plan.accelerator().domain_type());
    let topology = plan.spec.topology;
    let sockets = match most_sockets(topology, plan.accelerator())? {
        most if plan.spec.numa_nodes.is_empty() => most,
        // A CPU that is plugged in later would have no node to be in.
        _ => topology.sockets,
    };
    domain.replace(
        Element::new("vcpu")
            .with("placement", "static")
            .with("current", topology.vcpus())
            .text(sockets * topology.cores * topology.threads),
    );
    let mut cpu = model(plan).child(
        Element::new("topology")
            .with("sockets", sockets)
            .with("cores", topology.cores)
            .with("threads", topology.threads),
    );
    if let Some(old) = domain.first("cpu") {
        keep(old, &mut cpu, &["model", "vendor", "feature", "numa"]);
    }
    domain.replace(cpu);
    Ok(())
}

/// Sockets up to this number can be plugged into the running VM.
///
/// An APIC id has a power of two for each level. Those beyond 254 work with kvm in guests that
/// know how, so they are for VMs that cannot do without.
fn most_sockets(topology: Topology, accelerator: Accelerator) -> Result<u32, Invalid> {
    let Topology { sockets, cores, threads } = topology;
    let ids = cores.next_power_of_two() * threads.next_power_of_two();
    let most = Topology::MAX_SOCKETS.min(Topology::MAX_TOTAL / (cores * threads)).min(256 / ids);
    match accelerator {
        Accelerator::Tcg if sockets > most => Err(Invalid(format!(
            "Without kvm a VM with {cores} cores of {threads} threads has at most {most} sockets, not {sockets}."
        ))),
        _ => Ok(most.max(sockets)),
    }
}

fn model(plan: &Plan) -> Element {
    let choice = plan.host.cpu(plan.accelerator());
    if let Some(name) = &plan.spec.cpu_model {
        return named(name);
    }
    match (plan.spec.cpu_mode, plan.accelerator()) {
        // TCG has no host CPU to pass on: everything that it can emulate comes closest.
        (Some(CpuMode::HostPassthrough), Accelerator::Tcg) => Element::new("cpu").with("mode", "maximum"),
        (Some(CpuMode::HostPassthrough), Accelerator::Kvm) => passthrough(disabled(choice)),
        (Some(CpuMode::HostModel), _) => host_model(disabled(choice)),
        (Some(CpuMode::Custom) | None, _) => match choice {
            CpuChoice::HostPassthrough { disable } => passthrough(disable),
            CpuChoice::HostModel => host_model(&[]),
            CpuChoice::Named(name) => named(name),
        },
    }
}

fn passthrough(disable: &[String]) -> Element {
    without(Element::new("cpu").with("mode", "host-passthrough").with("migratable", "on"), disable)
}

fn host_model(disable: &[String]) -> Element {
    without(Element::new("cpu").with("mode", "host-model"), disable)
}

/// libvirt's own check is off: it refuses models of which QEMU lacks a detail, and the names
/// are those that the host is known to start.
fn named(name: &str) -> Element {
    Element::new("cpu")
        .with("mode", "custom")
        .with("match", "exact")
        .with("check", "none")
        .child(Element::new("model").with("fallback", "forbid").text(name))
}

fn without(cpu: Element, features: &[String]) -> Element {
    features.iter().fold(cpu, |cpu, name| {
        cpu.child(Element::new("feature").with("policy", "disable").with("name", name))
    })
}

/// What QEMU cannot start with on this host, whichever mode asks for it.
fn disabled(choice: &CpuChoice) -> &[String] {
    match choice {
        CpuChoice::HostPassthrough { disable } => disable,
        CpuChoice::HostModel | CpuChoice::Named(_) => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_pluggable_as_far_as_ids_reach() {
        let most = |sockets, cores, threads, accelerator| {
            most_sockets(Topology { sockets, cores, threads }, accelerator)
        };
        for accelerator in [Accelerator::Kvm, Accelerator::Tcg] {
            assert_eq!(most(1, 1, 1, accelerator), Ok(16));
            assert_eq!(most(2, 16, 1, accelerator), Ok(15));
            assert_eq!(most(1, 16, 8, accelerator), Ok(1));
            assert_eq!(most(1, 5, 3, accelerator), Ok(8));
        }
        assert_eq!(most(16, 5, 3, Accelerator::Kvm), Ok(16));
        assert!(most(16, 5, 3, Accelerator::Tcg).is_err());
    }
}
