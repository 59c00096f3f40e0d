//! The rules of reading and writing, case by case.

use super::types::*;
use super::*;
use crate::error::Kind;

fn xml<T: Document>(body: &str) -> Result<T, Error> {
    read(body.as_bytes(), Format::Xml, Version::V3)
}

fn json<T: Document>(body: &str) -> Result<T, Error> {
    read(body.as_bytes(), Format::Json, Version::V3)
}

fn said<T: Document + std::fmt::Debug>(outcome: Result<T, Error>) -> String {
    let why = outcome.unwrap_err();
    assert_eq!(why.kind, Kind::Invalid);
    why.said
}

fn as_xml<T: Document>(document: &T) -> String {
    String::from_utf8(write(document, Format::Xml, Version::V3)).unwrap()
}

fn as_json<T: Document>(document: &T) -> String {
    String::from_utf8(write(document, Format::Json, Version::V3)).unwrap()
}

#[test]
fn absent_and_empty_parts_leave_nothing_but_structs_stay() {
    let vm = Vm { description: Some(String::new()), disks: Some(Disks::default()), ..Vm::default() };
    assert_eq!(as_xml(&vm), format!("{}<vm>\n  <disks/>\n</vm>\n", xml::PROLOG));
    assert_eq!(as_json(&vm), r#"{"disks":{}}"#);
    assert_eq!(as_xml(&Vms::default()), format!("{}<vms/>\n", xml::PROLOG));
}

#[test]
fn attributes_come_first_and_lists_stand_bare() {
    let pin = |vcpu, set: &str| VcpuPin { vcpu: Some(vcpu), cpu_set: Some(set.into()) };
    let vm = Vm {
        href: Some("/ovirt-engine/api/vms/1".into()),
        id: Some("1".into()),
        status: Some("paused".into()),
        status_detail: Some("eio".into()),
        memory: Some(1 << 30),
        cpu: Some(Cpu {
            topology: Some(CpuTopology { sockets: Some(1), cores: Some(2), threads: Some(1) }),
            cpu_tune: Some(CpuTune {
                vcpu_pins: Some(VcpuPins { vcpu_pin: vec![pin(0, "0-1"), pin(1, "2")] }),
            }),
            ..Cpu::default()
        }),
        os: Some(OperatingSystem {
            r#type: Some("other".into()),
            boot: Some(Boot { devices: Some(["hd", "network"].into_iter().collect()) }),
            ..OperatingSystem::default()
        }),
        time_zone: Some(TimeZone { name: Some("Etc/GMT".into()), ..TimeZone::default() }),
        ..Vm::default()
    };
    let wanted = r#"<vm href="/ovirt-engine/api/vms/1" id="1">
  <status>
    <state>paused</state>
    <detail>eio</detail>
  </status>
  <memory>1073741824</memory>
  <cpu>
    <topology sockets="1" cores="2" threads="1"/>
    <cpu_tune>
      <vcpu_pin vcpu="0" cpu_set="0-1"/>
      <vcpu_pin vcpu="1" cpu_set="2"/>
    </cpu_tune>
  </cpu>
  <os type="other">
    <boot dev="hd"/>
    <boot dev="network"/>
  </os>
  <timezone>Etc/GMT</timezone>
  <time_zone>
    <name>Etc/GMT</name>
  </time_zone>
</vm>
"#;
    let body = as_xml(&vm);
    assert_eq!(body, format!("{}{wanted}", xml::PROLOG));
    assert_eq!(xml::<Vm>(&body).unwrap(), vm);
    let body = as_json(&vm);
    assert!(body.contains(r#""memory":1073741824,"cpu":{"topology":{"sockets":"1","#), "{body}");
    assert!(body.contains(r#""boot":[{"dev":"hd"},{"dev":"network"}]"#), "{body}");
    assert_eq!(json::<Vm>(&body).unwrap(), vm);
}
