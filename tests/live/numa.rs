//! NUMA nodes, as guests see them and as the host keeps them.

use super::harness::{Boots, Guest, Lab, MIB, Vm, lab, skip};
use std::collections::{BTreeMap, BTreeSet};
use vireo::model::CpuSet;
use vireo::xml::Element;

fn node(index: u32, memory: u64, cores: [u32; 2], pin: &str) -> String {
    let [first, second] = cores;
    format!(
        "<vm_numa_node><index>{index}</index><memory>{memory}</memory><cpu><cores><core index='{first}'/>\
         <core index='{second}'/></cores></cpu>{pin}</vm_numa_node>"
    )
}

fn pinned(index: u32) -> String {
    format!("<numa_node_pins><numa_node_pin pinned='true' index='{index}'/></numa_node_pins>")
}

fn host_nodes(lab: &Lab) -> Element {
    let host = lab.client().get("/hosts").is(200).value("host/@id").unwrap();
    lab.client().get(&format!("/hosts/{host}/numanodes")).is(200)
}

/// The memory of a node in the guest, in MiB; kernels keep some for themselves.
fn memory(guest: &mut Guest, node: u32) -> u64 {
    let file = format!("/sys/devices/system/node/node{node}/meminfo");
    let kib: u64 = guest.ask(&format!("awk '/MemTotal/ {{ print $4 }}' {file}")).parse().unwrap();
    kib / 1024
}

#[test]
fn a_guest_sees_its_nodes() {
    let Some(lab) = lab() else { return };
    let four =
        format!("<memory>{}</memory><cpu><topology sockets='4' cores='1' threads='1'/></cpu>", 384 * MIB);
    let vm = lab.vm("numa", Boots::Linux, "");
    vm.update(&format!("{four}<numa_tune_mode>strict</numa_tune_mode>"));
    let path = format!("{}/numanodes", vm.path());
    // The cores cross, so that the guest's order is not what it would be anyway.
    lab.client().post(&path, &node(0, 128, [0, 2], &pinned(0))).is(201);
    lab.client().post(&path, &node(1, 256, [1, 3], &pinned(0))).is(201);
    let mut guest = vm.boot();

    assert_eq!(guest.ask("cat /sys/devices/system/node/online"), "0-1");
    for (node, cpus) in [(0, "0,2"), (1, "1,3")] {
        assert_eq!(guest.ask(&format!("cat /sys/devices/system/node/node{node}/cpulist")), cpus);
    }
    let (first, second) = (memory(&mut guest, 0), memory(&mut guest, 1));
    assert!((60..=128).contains(&first) && (200..=256).contains(&second), "{first} and {second} MiB");

    let live = vm.document();
    assert_eq!(live.value("numatune/memory/@nodeset").as_deref(), Some("0"));
    assert_eq!(live.every("numatune/memnode").len(), 2);
    let told = lab.host.virsh(&["numatune", &vm.id]);
    assert!(told.contains("strict") && told.contains('0'), "{told}");
    let near = cpus_of(&host_nodes(&lab), 0);
    assert_eq!(bound(&vm), (0..4).map(|vcpu| (vcpu, near.clone())).collect());
    lab.client().post(&path, &node(2, 1, [0, 1], "")).refused(409);
    assert_eq!(lab.host.persistent_document(&vm.id).every("cpu/numa/cell").len(), 2);
}

/// Ids of the CPUs of a node of the host.
fn cpus_of(nodes: &Element, index: u32) -> BTreeSet<u32> {
    let node = nodes.all("host_numa_node").find(|node| node.number("index") == Some(index)).unwrap();
    node.every("cpu/cores/core").into_iter().map(|core| core.number("@index").unwrap()).collect()
}

/// The host's CPUs that the thread of each virtual CPU is bound to.
fn bound(vm: &Vm) -> BTreeMap<u32, BTreeSet<u32>> {
    let tasks = format!("/proc/{}/task", vm.lab.host.qemu(&vm.id).unwrap());
    let mut bound = BTreeMap::new();
    for task in std::fs::read_dir(tasks).unwrap() {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
        // `CPU 0/TCG`
        if let Some(vcpu) = field("Name:").strip_prefix("CPU ").and_then(|name| name.split('/').next()) {
            let cpus: CpuSet = field("Cpus_allowed_list:").parse().unwrap();
            bound.insert(vcpu.parse().unwrap(), cpus.0);
        }
    }
    bound
}

#[test]
fn a_node_of_the_host_is_shown_as_it_is() {
    let Some(lab) = lab() else { return };
    let nodes = host_nodes(&lab);
    let first = nodes.first("host_numa_node").unwrap();
    assert!(first.number::<u64>("memory").unwrap() > 0);
    assert_eq!(first.value("node_distance").unwrap().split(' ').next(), Some("10"));
    let path = first.value("@href").unwrap().replace("/ovirt-engine/api", "");
    let figures = lab.client().get(&format!("{path}/statistics")).is(200);
    let figure = |name: &str| super::harness::statistic(&figures, name);
    assert!(figure("memory.free") > 0.0 && figure("memory.used") > 0.0);
    let shares = figure("cpu.current.user") + figure("cpu.current.system") + figure("cpu.current.idle");
    // Each is told in two digits.
    assert!((95.0..105.0).contains(&shares), "{shares}");

    let vm = lab.vm("numa-absent", Boots::Halt, "");
    vm.update("<cpu><topology sockets='2'/></cpu>");
    let path = format!("{}/numanodes", vm.path());
    let refusal = lab.client().post(&path, &node(0, 16, [0, 1], &pinned(7))).refused(400);
    assert!(refusal.contains("index 7 does not exist"), "{refusal}");
}

#[test]
fn virtual_cpus_run_near_their_nodes() {
    if std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() < 2) {
        return skip("NUMA with several nodes: this machine has one processor");
    }
    let Some(lab) = Lab::with_nodes() else { return };
    let nodes = host_nodes(&lab);
    for index in [0, 1] {
        assert_eq!(cpus_of(&nodes, index), [index].into());
    }
    let distances = nodes.first("host_numa_node").unwrap().value("node_distance").unwrap();
    assert!(distances.starts_with("10 20"), "{distances}");

    let strict = "<numa_tune_mode>strict</numa_tune_mode>";
    let vm = lab.vm("numa-near", Boots::Halt, "");
    // One virtual CPU is where its node is, another where it was said, whatever its node says.
    let pin = "<cpu_tune><vcpu_pin vcpu='1' cpu_set='1'/></cpu_tune>";
    vm.update(&format!("<cpu><topology sockets='4'/>{pin}</cpu>{strict}"));
    let path = format!("{}/numanodes", vm.path());
    lab.client().post(&path, &node(0, 16, [0, 1], &pinned(0))).is(201);
    lab.client().post(&path, &node(1, 16, [2, 3], "")).is(201);
    vm.start();
    let bound = bound(&vm);
    assert_eq!((&bound[&0], &bound[&1]), (&[0].into(), &[1].into()));
    assert!(bound[&2].len() > 1, "{bound:?}");

    // The node that is not there in truth takes no memory: what QEMU is told of it is all there is.
    let far = lab.vm("numa-far", Boots::Halt, "");
    far.update(&format!("<cpu><topology sockets='2'/></cpu>{strict}"));
    let path = format!("{}/numanodes", far.path());
    lab.client().post(&path, &node(0, 32, [0, 1], &pinned(1))).is(201);
    let defined = lab.host.persistent_document(&far.id);
    assert_eq!(defined.value("numatune/memnode/@nodeset").as_deref(), Some("1"));
    let pins = defined.every("cputune/vcpupin");
    assert!(pins.len() == 2 && pins.iter().all(|pin| pin.get("cpuset") == Some("1")), "{defined}");
    far.post("start", "<action/>").refused(409);
    assert_eq!(far.state(), "down");
}
