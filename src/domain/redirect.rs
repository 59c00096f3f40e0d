//! What the guest gets of a SPICE client's machine: USB devices, and its smartcard.

use super::device::{alias, devices, put};
use super::{Invalid, Plan};
use crate::xml::Element;

/// How many USB devices at once: as many as engines give their VMs, and half of the controller's ports.
const USB_SLOTS: usize = 4;

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    for slot in 0..USB_SLOTS {
        let name = format!("ua-redirected-{slot}");
        let device = Element::new("redirdev")
            .with("bus", "usb")
            .with("type", "spicevmc")
            .child(Element::new("alias").with("name", &name));
        let wanted = plan.spec.redirects_usb().then_some(device);
        put(domain, |device| alias(device) == Some(&name), &[], wanted);
    }
    let smartcard = Element::new("smartcard").with("mode", "passthrough").with("type", "spicevmc");
    put(domain, is_passed, &[], plan.spec.reads_smartcard().then_some(smartcard));
    if !devices(domain).any(|device| device.name == "smartcard") {
        // libvirt adds the reader by itself, and leaves it behind on a USB that may be gone.
        domain
            .ensure("devices")
            .retain(|device| device.name != "controller" || device.get("type") != Some("ccid"));
    }
    Ok(())
}

/// By what it is: the schema of libvirt 9 gives smartcards no alias.
fn is_passed(device: &Element) -> bool {
    device.name == "smartcard" && device.get("type") == Some("spicevmc")
}

#[cfg(test)]
mod tests {
    use super::super::samples::Sample;
    use super::*;
    use crate::model::vm::{Display, Protocol, UsbType};

    /// The redirected devices, the smartcards, their readers, and the model of the USB controller.
    fn found(domain: &Element) -> (usize, usize, usize, Option<&str>) {
        let count = |name: &str| devices(domain).filter(|device| device.name == name).count();
        let controllers = |kind: &'static str| {
            devices(domain).filter(move |it| it.name == "controller" && it.get("type") == Some(kind))
        };
        let usb = controllers("usb").next().and_then(|usb| usb.get("model"));
        (count("redirdev"), count("smartcard"), controllers("ccid").count(), usb)
    }

    #[test]
    fn they_come_and_go_with_what_is_asked_and_with_the_console() {
        let mut sample = Sample::smallest();
        sample.vm.spec.usb = true;
        sample.vm.spec.display = Some(Display { smartcard: true, ..Display::default() });
        let vnc = sample.build().unwrap();
        assert_eq!(found(&vnc), (0, 0, 0, Some("qemu-xhci")));

        sample.vm.spec.display.as_mut().unwrap().protocol = Protocol::Spice;
        let mut spice = sample.edit(vnc.clone()).unwrap();
        assert_eq!(found(&spice), (4, 1, 0, Some("qemu-xhci")));
        // As libvirt does.
        let reader = Element::new("controller").with("type", "ccid").with("index", 0);
        spice.ensure("devices").push(reader);
        assert_eq!(sample.edit(spice.clone()).unwrap(), spice);

        sample.vm.spec.usb_type = UsbType::Legacy;
        assert_eq!(found(&sample.edit(spice.clone()).unwrap()), (0, 1, 1, Some("qemu-xhci")));
        sample.vm.spec.usb = false;
        assert_eq!(found(&sample.edit(spice.clone()).unwrap()), (0, 1, 1, Some("qemu-xhci")));
        sample.vm.spec.display.as_mut().unwrap().smartcard = false;
        assert_eq!(found(&sample.edit(spice.clone()).unwrap()), (0, 0, 0, Some("none")));
        sample.vm.spec.display = None;
        assert_eq!(found(&sample.edit(spice).unwrap()), (0, 0, 0, Some("none")));
    }

    #[test]
    fn those_of_somebody_else_stay() {
        let mut domain = Sample::smallest().build().unwrap();
        for (name, kind) in [("redirdev", "spicevmc"), ("smartcard", "tcp"), ("controller", "ccid")] {
            domain.ensure("devices").push(Element::new(name).with("type", kind));
        }
        let (usb, card, reader, _) = found(&Sample::smallest().edit(domain).unwrap());
        assert_eq!((usb, card, reader), (1, 1, 1));
    }
}
