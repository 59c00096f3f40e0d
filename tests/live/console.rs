//! Graphics consoles: nobody comes in without a ticket.

use super::harness::{Boots, Vm, lab, until};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

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

/// The web socket of a console, as a browser opens it; the status, and the socket if it is one.
fn web_socket(port: u16, ticket: &str) -> (String, TcpStream) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let request = format!(
        "GET /ovirt-engine/websocket-proxy/{ticket} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: binary\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    (String::from_utf8(head).unwrap().split(' ').nth(1).unwrap().to_owned(), stream)
}

/// The next binary message; what a server sends is short here, and not masked.
fn hear(socket: &mut TcpStream) -> Vec<u8> {
    loop {
        let mut head = [0; 2];
        socket.read_exact(&mut head).unwrap();
        let mut message = vec![0; usize::from(head[1])];
        assert!(head[1] < 126, "a long message");
        socket.read_exact(&mut message).unwrap();
        // The daemon may ask in between whether somebody is there.
        if head[0] == 0x82 {
            return message;
        }
    }
}

/// A client's messages are masked; a mask of zeros leaves them as they are.
fn say(socket: &mut TcpStream, message: &[u8]) {
    let head = [0x82, 0x80 | message.len() as u8, 0, 0, 0, 0];
    socket.write_all(&[&head, message].concat()).unwrap();
}

#[test]
fn a_browser_looks_at_the_console() {
    let Some(lab) = lab() else { return };
    let vm = lab.vm("browser", Boots::Halt, "");
    let action = "graphicsconsoles/564e43/proxyticket";
    vm.post(action, "<action/>").refused(409);
    vm.start();
    let ticket = vm.act(action).value("proxy_ticket/value").unwrap();
    let port = lab.daemon.port;
    assert_eq!(web_socket(port, "nonsense").0, "403");
    let (status, mut socket) = web_socket(port, &ticket);
    assert_eq!(status, "101");
    assert_eq!(web_socket(port, &ticket).0, "403", "a ticket lets in once");

    // QEMU's own VNC server is at the other end, and asks for no password any more.
    assert_eq!(hear(&mut socket), b"RFB 003.008\n");
    say(&mut socket, b"RFB 003.008\n");
    assert_eq!(hear(&mut socket), [1, 1], "one way in: without a password");
    say(&mut socket, &[1]);
    assert_eq!(hear(&mut socket), [0; 4]);
    say(&mut socket, &[1]);
    let screen = hear(&mut socket);
    let [width, height] = [0, 2].map(|at| u16::from_be_bytes([screen[at], screen[at + 1]]));
    assert!(width >= 320 && height >= 200, "{width} x {height}");

    let sessions = || lab.client().get(&format!("{}/sessions", vm.path())).is(200);
    let seen = sessions();
    assert_eq!(seen.every("session").len(), 1, "{seen}");
    assert_eq!(seen.value("session/console_user").as_deref(), Some("true"));
    assert_eq!(seen.value("session/ip/@address").as_deref(), Some("127.0.0.1"));
    assert_eq!(seen.value("session/user/user_name").as_deref(), Some("admin"));
    drop(socket);
    until(10, "the browser has gone", || sessions().every("session").is_empty());
    // With the VM goes its console.
    let ticket = vm.act(action).value("proxy_ticket/value").unwrap();
    vm.act("stop");
    assert_eq!(web_socket(port, &ticket).0, "409");
}

#[test]
fn a_console_of_another_kind_takes_the_place_of_one() {
    let Some(lab) = lab() else { return };
    let vm = lab.vm("swapped", Boots::Halt, "<display><type>spice</type></display>");
    let consoles = |document: vireo::xml::Element| -> Vec<String> {
        document.every("devices/graphics").iter().filter_map(|it| it.value("@type")).collect()
    };
    let kind = |kind: &str| format!("<display><type>{kind}</type></display>");
    vm.start();
    let client = lab.client();
    client.put(&format!("{};next_run", vm.path()), &format!("<vm>{}</vm>", kind("vnc"))).is(200);
    vm.act("stop");
    vm.becomes("down", 20);
    vm.start();
    assert_eq!(consoles(vm.document()), ["vnc"]);
    vm.act("stop");
    vm.becomes("down", 20);

    vm.update("<soundcard_enabled>true</soundcard_enabled>");
    vm.update(&kind("spice"));
    let defined = lab.host.persistent_document(&vm.id);
    assert_eq!(defined.value("devices/audio/@type").as_deref(), Some("spice"));
    assert_eq!(consoles(defined), ["spice"]);
    let list = format!("{}/graphicsconsoles", vm.path());
    client.post(&list, "<graphics_console><protocol>VNC</protocol></graphics_console>").is(201);
    client.delete(&format!("{list}/5350494345")).is(204);
    assert_eq!(consoles(lab.host.persistent_document(&vm.id)), ["vnc"]);
    vm.start();

    let both = lab.vm("both", Boots::Halt, "<display><type>vnc</type></display>");
    let list = format!("{}/graphicsconsoles", both.path());
    client.post(&list, "<graphics_console><protocol>SPICE</protocol></graphics_console>").is(201);
    both.start();
    let long = "<action><ticket><value>nine-long</value></ticket></action>";
    both.post("ticket", long).refused(400);
}
