//! Graphics consoles: nobody comes in without a ticket.

use super::harness::{Boots, Vm, lab};

/// The security type of RFB that demands a password.
const PASSWORD: u8 = 2;

/// The security types that the VNC server offers. It listens on the network of the host.
fn ways_in(vm: &Vm) -> Vec<u8> {
    let shown = vm.show();
    let (address, port) = (shown.value("display/address").unwrap(), shown.value("display/port").unwrap());
    let talk = format!(
        "exec 3<>/dev/tcp/{address}/{port}; head -c 12 <&3; printf 'RFB 003.008\\n' >&3; \
         head -c 2 <&3 | od -An -tu1"
    );
    let said = vm.lab.host.command(&["exec", "bash", "-c", &talk]);
    let (version, types) = said.split_once('\n').unwrap();
    assert_eq!(version, "RFB 003.008");
    let mut types = types.split_whitespace().map(|number| number.parse().unwrap());
    let count: u8 = types.next().unwrap();
    assert_eq!(count, 1, "more than one way in");
    types.collect()
}

#[test]
fn a_ticket_opens_the_console() {
    let Some(lab) = lab() else { return };
    let vm = lab.vm("console", Boots::Halt, "");
    vm.post("ticket", "<action/>").refused(409);
    vm.start();
    assert_eq!(ways_in(&vm), [PASSWORD], "before any ticket");
    let password = || vm.document().value("devices/graphics/@passwd");
    let first = password();
    assert!(first.is_some());

    let generated = vm.act("ticket");
    let value = generated.value("ticket/value").unwrap();
    assert_eq!((value.len(), generated.number("ticket/expiry")), (8, Some(7200)));
    assert_eq!(password(), Some(value));

    let own = "<action><ticket><value>open-it</value><expiry>60</expiry></ticket></action>";
    vm.act_with("ticket", own);
    assert_eq!(password().as_deref(), Some("open-it"));
    assert!(vm.document().value("devices/graphics/@passwdValidTo").is_some());
    assert_eq!(ways_in(&vm), [PASSWORD], "with a ticket");

    let long = "<action><ticket><value>nine-long</value></ticket></action>";
    vm.post("ticket", long).refused(400);
    assert_eq!(password().as_deref(), Some("open-it"));
}
