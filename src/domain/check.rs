//! What this host or its machines refuse, whatever the rest of the configuration says.

use super::{Chipset, Invalid, Plan};
use crate::model::Accelerator;
use crate::model::vm::Protocol;

/// Fails with the first thing in the plan that the host cannot give.
pub fn check(plan: &Plan) -> Result<(), Invalid> {
    let refuse = |reason: String| Err(Invalid(reason));
    if plan.accelerator() == Accelerator::Kvm && !plan.host.kvm {
        return refuse("The host does not offer the accelerator kvm.".into());
    }
    if let Some(machine) = plan.machine()
        && (Chipset::of(machine).is_none() || !plan.host.machines.contains_key(machine))
    {
        return refuse(format!("The emulated machine '{machine}' is not supported by the host."));
    }
    if let Some(model) = &plan.spec.cpu_model
        && !plan.host.models(plan.accelerator()).contains(model)
    {
        return refuse(format!("The CPU model '{model}' is not supported by the host."));
    }
    for pin in &plan.spec.cpu_pins {
        if let Some(cpu) = pin.cpus.0.difference(&plan.host.cpus).next() {
            return refuse(format!("The host has no CPU {cpu} to pin the virtual CPU {} to.", pin.vcpu));
        }
    }
    plan.spec.check_numa_on(plan.host).map_err(Invalid)?;
    if plan.spec.cpu_shares > plan.host.most_shares {
        return refuse(format!("The host takes at most {} CPU shares.", plan.host.most_shares));
    }
    if plan.spec.has_console(Protocol::Spice) && !plan.host.spice {
        return refuse("The host does not offer the display type spice.".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::samples::Sample;
    use super::*;
    use crate::model::vm::CpuPin;

    #[test]
    fn what_the_host_cannot_give_is_refused() {
        type Change = fn(&mut Sample);
        let wrong: &[(Change, &str)] = &[
            (|s| s.vm.spec.machine = Some("pc-q35-99.9".into()), "machine"),
            (|s| s.vm.spec.machine = Some("pseries".into()), "machine"),
            (|s| s.vm.spec.cpu_model = Some("POWER9".into()), "CPU model"),
            (|s| s.vm.spec.cpu_pins = vec![CpuPin { vcpu: 0, cpus: "0,9".parse().unwrap() }], "CPU 9"),
            (
                |s| {
                    s.host.kvm = false;
                    s.vm.spec.custom_properties = vec![("accelerator".into(), "kvm".into())];
                },
                "kvm",
            ),
            (
                |s| {
                    s.host.most_shares = 10_000;
                    s.vm.spec.cpu_shares = 10_001;
                },
                "CPU shares",
            ),
            (
                |s| {
                    s.host.spice = false;
                    s.vm.spec.display.as_mut().unwrap().protocol = Protocol::Spice;
                },
                "spice",
            ),
        ];
        for (change, said) in wrong {
            let mut sample = Sample::smallest();
            change(&mut sample);
            let Invalid(reason) = sample.with_plan(check).unwrap_err();
            assert!(reason.contains(said), "{reason}");
        }
        assert_eq!(Sample::smallest().with_plan(check), Ok(()));
    }
}
