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

#[test]
fn lists_of_rendered_items_equal_the_rendered_list() {
    let vm = |name: &str| Vm { id: Some(name.into()), name: Some(name.into()), ..Vm::default() };
    let heads = [Head::default(), Head { size: Some(2), total: Some(7), ..Head::default() }];
    for format in [Format::Xml, Format::Json] {
        for head in &heads {
            for list in [vec![], vec![vm("a")], vec![vm("a"), vm("b")]] {
                let items: Vec<_> = list.iter().map(|vm| write_item(vm, format, Version::V3)).collect();
                let items: Vec<_> = items.into_iter().map(|item| String::from_utf8(item).unwrap()).collect();
                let frame = frame("vms", "vm", head, format, Version::V3);
                let listed = match items.is_empty() {
                    true => frame.empty,
                    false => frame.before + &items.join(frame.between) + &frame.after,
                };
                let whole = Vms { size: head.size, total: head.total, vm: list, ..Vms::default() };
                let whole = write(&whole, format, Version::V3);
                assert_eq!(listed, String::from_utf8(whole).unwrap());
            }
        }
    }
    let pools = frame("vm_pools", "vm_pool", &heads[0], Format::Json, Version::V3);
    assert_eq!(pools.before, r#"{"vmpool":["#);
}

#[test]
fn scalars_have_the_json_kinds_that_clients_know() {
    let statistic = Statistic {
        values: Some(StatisticValues {
            value: vec![StatisticValue { datum: Some(1e21), ..StatisticValue::default() }],
        }),
        ..Statistic::default()
    };
    assert_eq!(as_json(&statistic), r#"{"values":{"value":[{"datum":1000000000000000000000}]}}"#);
    let nan = StatisticValue { datum: Some(f64::NAN), ..StatisticValue::default() };
    let nan = Statistic { values: Some(StatisticValues { value: vec![nan] }), ..Statistic::default() };
    assert_eq!(as_json(&nan), r#"{"values":{"value":[{}]}}"#);
    let ticket = Ticket { value: Some("a\"\u{1}\\".into()), expiry: Some(120) };
    let action = Action { r#async: Some(false), ticket: Some(ticket), ..Action::default() };
    assert_eq!(as_json(&action), r#"{"async":"false","ticket":{"value":"a\"\u0001\\","expiry":"120"}}"#);
    let event = Event { time: Date::from_millis(1_423_490_081_000), ..Event::default() };
    assert_eq!(as_json(&event), r#"{"time":1423490081000}"#);
    let manager = StorageManager { priority: Some(5), value: Some(true) };
    let host = Host { storage_manager: Some(manager), ..Host::default() };
    assert_eq!(as_json(&host), r#"{"storage_manager":{"priority":"5","value":"true"}}"#);
    assert!(as_xml(&host).contains(r#"<storage_manager priority="5">true</storage_manager>"#));
}

#[test]
fn form_is_forgiven() {
    let vm: Vm = xml("<vm unknown='1'><name>a</name><nonsense><x/></nonsense><name>b</name><id>1</id>\
         <stateless>True</stateless><description/><memory/><creation_time> </creation_time>\
         <delete_protected></delete_protected><cluster/><cpu><topology><cores>2</cores></topology></cpu>\
         <high_availability><enabled>1</enabled><priority> 7 </priority></high_availability></vm>")
    .unwrap();
    let wanted = Vm {
        id: Some("1".into()),
        name: Some("b".into()),
        description: Some(String::new()),
        stateless: Some(true),
        cluster: Some(Ref::default()),
        cpu: Some(Cpu {
            topology: Some(CpuTopology { cores: Some(2), ..CpuTopology::default() }),
            ..Cpu::default()
        }),
        high_availability: Some(HighAvailability { enabled: Some(true), priority: Some(7) }),
        ..Vm::default()
    };
    assert_eq!(vm, wanted);
}

#[test]
fn json_is_read_in_every_spelling() {
    let wanted = Disk {
        provisioned_size: Some(8),
        sparse: Some(true),
        storage_domains: Some(StorageDomainRefs { storage_domain: vec![Ref::bare("1")] }),
        ..Disk::default()
    };
    for body in [
        r#"{"provisioned_size":8,"sparse":true,"storage_domains":{"storage_domain":[{"id":"1"}]}}"#,
        r#"{"provisioned_size":"8","sparse":"1","storage_domains":{"storage_domain":{"id":1}},"name":null}"#,
        r#"{"disk":{"size":8,"sparse":"TRUE","storage_domains":{"storage_domain":{"id":"1"}},"more":[]}}"#,
    ] {
        assert_eq!(json::<Disk>(body).unwrap(), wanted, "{body}");
    }
    let time = Date::from_millis(1_423_490_081_000);
    for body in [r#"{"time":1423490081000}"#, r#"{"time":"2015-02-09T13:54:41Z"}"#] {
        assert_eq!(json::<Event>(body).unwrap().time, time);
    }
}

#[test]
fn what_version_3_says_twice_or_differently_is_understood() {
    let body = "<disk><size>1</size><provisioned_size>2</provisioned_size><format>COW</format>\
                <wipe_after_disk>true</wipe_after_disk></disk>";
    let disk: Disk = xml(body).unwrap();
    assert_eq!((disk.provisioned_size, disk.wipe_after_delete), (Some(2), Some(true)));
    assert_eq!(disk.format.as_deref(), Some("cow"));
    assert_eq!(xml::<Disk>("<disk><size>1</size></disk>").unwrap().provisioned_size, Some(1));
    let nic: Nic = xml("<nic><type>e1000</type><active>false</active></nic>").unwrap();
    assert_eq!((nic.interface.as_deref(), nic.plugged), (Some("e1000"), Some(false)));
    let vm: Vm =
        xml("<vm><timezone>Etc/GMT</timezone><placement_policy><host id='1'/></placement_policy></vm>")
            .unwrap();
    assert_eq!(vm.time_zone.unwrap().name.as_deref(), Some("Etc/GMT"));
    assert_eq!(vm.placement_policy.unwrap().hosts.unwrap().host, [Ref::bare("1")]);
    let newer = Disk { qcow_version: Some("qcow2_v3".into()), ..Disk::default() };
    assert_eq!(as_json(&newer), "{}");
}

#[test]
fn of_a_document_that_comes_back_the_name_counts_that_says_something_new() {
    let over = |shown: &Disk, body: &str| {
        let body = format!("<disk>{body}</disk>");
        read_over(body.as_bytes(), Format::Xml, Version::V3, shown).unwrap()
    };
    let shown = Disk {
        alias: Some("a".into()),
        name: Some("a".into()),
        provisioned_size: Some(8),
        ..Disk::default()
    };
    let sizes = |new: u64, old: u64| format!("<provisioned_size>{new}</provisioned_size><size>{old}</size>");
    for (body, wanted) in [(sizes(8, 9), 9), (sizes(9, 8), 9), (sizes(9, 7), 9), (sizes(8, 8), 8)] {
        assert_eq!(over(&shown, &body).provisioned_size, Some(wanted), "{body}");
    }
    let disk = over(&shown, "<name>b</name><alias>a</alias>");
    assert_eq!((disk.alias, disk.name.as_deref()), (None, Some("b")));
    let disk = over(&shown, "<name>a</name><alias>b</alias>");
    assert_eq!(disk.alias.as_deref(), Some("b"));
    let nic = Nic { plugged: Some(true), ..Nic::default() };
    let body = br#"{"plugged":true,"active":"false"}"#;
    assert_eq!(read_over(body, Format::Json, Version::V3, &nic).unwrap().plugged, Some(false));
    let vm = Vm {
        time_zone: Some(TimeZone { name: Some("Etc/GMT".into()), ..TimeZone::default() }),
        ..Vm::default()
    };
    let body = b"<vm><timezone>Europe/Rome</timezone><time_zone><name>Etc/GMT</name></time_zone></vm>";
    let vm = read_over(body, Format::Xml, Version::V3, &vm).unwrap();
    assert_eq!(vm.time_zone.unwrap().name.as_deref(), Some("Europe/Rome"));
}

#[test]
fn boot_devices_are_read_in_both_versions_forms() {
    for os in [
        "<boot dev='HD'/><boot dev='network'/>",
        "<boot><dev>hd</dev></boot><boot dev='network'/>",
        "<boot><devices><device>hd</device><device>network</device></devices></boot>",
    ] {
        let vm: Vm = xml(&format!("<vm><os>{os}</os></vm>")).unwrap();
        assert_eq!(vm.os.unwrap().boot.unwrap().devices.unwrap().device, ["hd", "network"], "{os}");
    }
}

#[test]
fn blanks_and_null_stand_for_no_value() {
    let vm: Vm = xml("<vm>\n <os> \n</os><cluster/></vm>").unwrap();
    let wanted = (Some(OperatingSystem::default()), Some(Ref::default()));
    assert_eq!((vm.os, vm.cluster), wanted);
    let vm: Vm = json(r#"{"os":"","cluster":{},"high_availability":null}"#).unwrap();
    assert_eq!((vm.os, vm.cluster, vm.high_availability), (wanted.0, wanted.1, None));
}

#[test]
fn refusals_name_the_element() {
    let boolean = r#"isn't a valid boolean, it should be "true" , "false", "0" or "1""#;
    for (body, wanted) in [
        ("<vm><stateless>maybe</stateless></vm>", format!("vm/stateless: Value \"maybe\" {boolean}")),
        (
            "<vm><cpu><topology cores='2147483648'/></cpu></vm>",
            "vm/cpu/topology/cores: Value 2147483648 is greater than maximum integer 2147483647".into(),
        ),
        ("<vm><memory>-1</memory></vm>", "vm/memory: Value -1 is less than minimum long 0".into()),
        ("<vm><name><b/></name></vm>", "vm/name: a value is expected here, not elements".into()),
        ("<vm>x</vm>", "vm: elements are expected here, not a value".into()),
        (
            "<vm><high_availability>true</high_availability></vm>",
            "vm/high_availability: elements are expected here, not a value".into(),
        ),
        ("<vm><cluster>Default</cluster></vm>", "vm/cluster: elements are expected here, not a value".into()),
        ("<vm><os><boot>hd</boot></os></vm>", "vm/os/boot: elements are expected here, not a value".into()),
        ("<disk/>", "The root element is 'disk' instead of 'vm'.".into()),
        ("", "The body is empty; a 'vm' is expected.".into()),
    ] {
        assert_eq!(said(xml::<Vm>(body)), wanted);
    }
    for bad in [
        "<vm><creation_time>soon</creation_time></vm>",
        "<vm><memory>NaN</memory></vm>",
        "<vm><memory>1.5</memory></vm>",
        "<vm><memory>\u{663}</memory></vm>",
        "<vm><memory>99999999999999999999</memory></vm>",
        "<vm>",
        "<!DOCTYPE vm><vm/>",
    ] {
        said(xml::<Vm>(bad));
    }
    let deep = format!("{}1{}", r#"{"a":"#.repeat(70), "}".repeat(70));
    for bad in [
        " ",
        "[]",
        "1",
        "{",
        r#"{"name":"a\u0000b"}"#,
        r#"{"memory":1.5}"#,
        r#"{"memory":1e30}"#,
        r#"{"stateless":2}"#,
        r#"{"name":{"a":"b"}}"#,
        r#"{"high_availability":true}"#,
        r#"{"os":{"boot":["network"]}}"#,
        r#"{"custom_properties":[{"name":"a","value":"b"}]}"#,
        r#"{"disks":[{"id":"a"}]}"#,
        &deep,
    ] {
        said(json::<Vm>(bad));
    }
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    /// What XML can hold.
    fn text() -> impl Strategy<Value = Option<String>> {
        proptest::option::of("[ -~\\n\\t\u{e9}\u{4e2d}\u{1f600}]{1,12}")
    }

    fn vm() -> impl Strategy<Value = Vm> {
        let os = (text(), proptest::collection::vec("[a-z]{1,8}", 0..4));
        let pins = proptest::collection::vec((any::<i32>(), "[0-9,^-]{1,5}"), 0..3);
        let numbers = proptest::option::of((any::<i64>().prop_map(i64::unsigned_abs), any::<i32>()));
        (text(), text(), os, pins, numbers, any::<Option<bool>>()).prop_map(
            |(name, description, (cmdline, boot), pins, numbers, stateless)| Vm {
                name,
                description,
                memory: numbers.map(|(memory, _)| memory.min(i64::MAX as u64)),
                cpu_shares: numbers.map(|(_, shares)| shares),
                stateless,
                os: Some(OperatingSystem {
                    cmdline,
                    boot: (!boot.is_empty())
                        .then(|| Boot { devices: Some(boot.iter().map(String::as_str).collect()) }),
                    ..OperatingSystem::default()
                }),
                cpu: (!pins.is_empty()).then(|| Cpu {
                    cpu_tune: Some(CpuTune {
                        vcpu_pins: Some(VcpuPins {
                            vcpu_pin: pins
                                .into_iter()
                                .map(|(vcpu, set)| VcpuPin { vcpu: Some(vcpu), cpu_set: Some(set) })
                                .collect(),
                        }),
                    }),
                    ..Cpu::default()
                }),
                ..Vm::default()
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_document_survives_both_formats(vm in vm()) {
            prop_assert_eq!(&xml::<Vm>(&as_xml(&vm)).unwrap(), &vm);
            prop_assert_eq!(&json::<Vm>(&as_json(&vm)).unwrap(), &vm);
        }

        #[test]
        fn any_body_is_answered(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read::<Vm>(&body, Format::Xml, Version::V3);
            let _ = read::<Vm>(&body, Format::Json, Version::V3);
        }

        #[test]
        fn any_values_in_known_elements_are_answered(
            element in "status|os|boot|cpu|cpu_tune|placement_policy|time_zone|disks|name|link",
            inner in "[a-z<>/='0-9 ]{0,30}|<(state|boot|host|devices|vcpu_pin) dev='1'/>",
        ) {
            let _ = xml::<Vm>(&format!("<vm><{element}>{inner}</{element}><{element}/></vm>"));
        }
    }
}
