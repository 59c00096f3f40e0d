//! NUMA nodes of VMs and of the host. The simulated host has two nodes of 32 GiB and 8 CPUs.

use super::*;

/// A node's document; the memory in MiB.
pub fn node(index: u32, memory: u64, cores: &[u32], pin: Option<u32>) -> String {
    let cores: String = cores.iter().map(|core| format!("<core index='{core}'/>")).collect();
    let pin = pin.map_or(String::new(), |pin| {
        format!("<numa_node_pins><numa_node_pin pinned='true' index='{pin}'/></numa_node_pins>")
    });
    format!(
        "<vm_numa_node><index>{index}</index><memory>{memory}</memory><cpu><cores>{cores}</cores></cpu>{pin}\
         </vm_numa_node>"
    )
}

impl Sim {
    /// A VM of 1 GiB with four CPUs, and where its nodes are.
    async fn numa_vm(&self, more: &str) -> (VmId, String) {
        let vm = self.vm("numa").await;
        let body = format!("<vm><cpu><topology sockets='4' cores='1' threads='1'/></cpu>{more}</vm>");
        self.put(&format!("/vms/{vm}"), &body).await.is(200);
        (vm, format!("/vms/{vm}/numanodes"))
    }
}

#[tokio::test]
async fn nodes_come_change_and_go() {
    let sim = Sim::start().await;
    let (vm, nodes) = sim.numa_vm("<numa_tune_mode>strict</numa_tune_mode>").await;
    assert!(sim.get(&format!("/vms/{vm}")).await.body.contains("rel=\"numanodes\""));
    let first = sim.post(&nodes, &node(0, 512, &[0, 1], None)).await.is(201);
    let second = sim.post(&nodes, &node(1, 512, &[2, 3], Some(1))).await.is(201);
    let (first, id) = (format!("{nodes}/{}", first.at("@id")), second.at("@id"));
    assert_eq!(second.header("location"), format!("https://vireo:8443/ovirt-engine/api{nodes}/{id}"));
    let second = format!("{nodes}/{id}");

    let host = sim.get("/hosts").await.at("host/@id");
    let host_nodes = sim.get(&format!("/hosts/{host}/numanodes")).await.is(200);
    assert_eq!(host_nodes.each("host_numa_node", "index"), ["0", "1"]);
    let ids = host_nodes.each("host_numa_node", "@id");
    let shown = sim.get(&second).await.is(200);
    let pin = "numa_node_pins/numa_node_pin";
    let values =
        ["index", "memory", "vm/@id", &format!("{pin}/@pinned"), &format!("{pin}/host_numa_node/@id")]
            .map(|path| shown.at(path));
    assert_eq!(values, ["1", "512", &vm.to_string(), "true", &ids[1]]);
    assert_eq!(shown.xml().every("cpu/cores/core").len(), 2);
    // A client that sends back what it read changes nothing.
    sim.put(&second, &shown.body).await.is(200);
    assert_eq!(sim.get(&second).await.body, shown.body);

    let document = sim.defined(vm);
    let cells = document.every("cpu/numa/cell");
    let cell = |cell: &Element| ["id", "cpus", "memory"].map(|name| cell.get(name).unwrap().to_owned());
    assert_eq!(cell(cells[0]), ["0", "0-1", "524288"]);
    assert_eq!(cell(cells[1]), ["1", "2-3", "524288"]);
    assert_eq!(document.value("vcpu").as_deref(), Some("4"), "every possible CPU has a node");
    let bound = document.at("numatune/memnode").unwrap();
    assert_eq!(["cellid", "mode", "nodeset"].map(|name| bound.get(name).unwrap()), ["1", "strict", "1"]);
    assert!(document.at("numatune/memory").is_none(), "the other node may lie anywhere");
    let pins = document.every("cputune/vcpupin");
    assert_eq!(pins.iter().map(|pin| pin.get("vcpu").unwrap()).collect::<Vec<_>>(), ["2", "3"]);

    let pin = format!(
        "<vm_numa_node><numa_node_pins><numa_node_pin pinned='true'><host_numa_node id='{}'/></numa_node_pin>\
         </numa_node_pins></vm_numa_node>",
        ids[0]
    );
    let pinned = sim.put(&first, &pin).await.is(200);
    assert_eq!(pinned.at("numa_node_pins/numa_node_pin/@index"), "0");
    assert_eq!(pinned.at("memory"), "512");
    assert_eq!(sim.defined(vm).value("numatune/memory/@nodeset").as_deref(), Some("0-1"));
    sim.put(&first, "<vm_numa_node><numa_node_pins/></vm_numa_node>").await.is(200);
    assert!(!sim.get(&first).await.body.contains("numa_node_pin"));

    let continuous = "[NUMA node indexes must be continuous and begin with 0.]";
    sim.delete(&first).await.refused(400, "Operation Failed", continuous);
    sim.delete(&second).await.is(204);
    assert_eq!(sim.get(&second).await.status, 404);
    sim.delete(&first).await.is(204);
    let document = sim.defined(vm);
    assert!(document.at("cpu/numa").is_none() && document.at("numatune").is_none());
    assert!(document.at("cputune/vcpupin").is_none());
    assert_eq!(document.value("vcpu").as_deref(), Some("16"));
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let sim = Sim::start().await;
    let (vm, nodes) = sim.numa_vm("<numa_tune_mode>strict</numa_tune_mode>").await;
    let first = sim.post(&nodes, &node(0, 512, &[0, 1], None)).await.is(201).at("@id");
    for (body, said) in [
        (node(0, 1, &[2], None), "The NUMA node index 0 is used twice."),
        (node(2, 1, &[2], None), "NUMA node indexes must be continuous and begin with 0."),
        (node(1, 1, &[1], None), "The virtual CPU 1 is in two NUMA nodes."),
        (node(1, 1, &[4], None), "The virtual CPU 4 of the NUMA node 1 does not exist."),
        (node(1, 0, &[2], None), "The NUMA node 1 needs memory and at least one core."),
        (node(1, 1, &[], None), "The NUMA node 1 needs memory and at least one core."),
        (
            node(1, 513, &[2], None),
            "NUMA node memory error. The nodes have more memory than the 1024 MiB of the VM.",
        ),
        (node(1, 1, &[2], Some(2)), "Host numa node with index 2 does not exist."),
    ] {
        sim.post(&nodes, &body).await.refused(400, "Operation Failed", &format!("[{said}]"));
    }
    sim.post(&nodes, "<vm_numa_node><memory>1</memory></vm_numa_node>").await.refused(
        400,
        "Incomplete parameters",
        "VirtualNumaNode [index, cpu] required for add",
    );
    for (change, said) in [
        ("<memory>268435456</memory>", "more memory than the 256 MiB"),
        ("<cpu><topology sockets='1'/></cpu>", "The virtual CPU 1"),
        ("<numa_tune_mode>preferred</numa_tune_mode>", "preferred mode"),
    ] {
        let got = sim.put(&format!("/vms/{vm}"), &format!("<vm>{change}</vm>")).await.is(400);
        assert!(got.at("detail").contains(said), "{}", got.body);
    }
    let first = format!("{nodes}/{first}");
    let mine = format!("<vm_numa_node id='{UNKNOWN}'/>");
    assert_eq!(sim.put(&first, &mine).await.at("reason"), "Broken immutability constraint");
    for path in [format!("{nodes}/{UNKNOWN}"), format!("{nodes}/x"), format!("/vms/{UNKNOWN}/numanodes")] {
        assert_eq!(sim.get(&path).await.status, 404, "{path}");
    }
    assert_eq!(sim.put(&format!("{nodes}/{UNKNOWN}"), "<vm_numa_node/>").await.status, 404);

    sim.put(&format!("/vms/{vm}"), &format!("<vm><memory>{}</memory></vm>", 40 * GIB)).await.is(200);
    let large = "<vm_numa_node><memory>34816</memory><numa_node_pins><numa_node_pin index='0'/></numa_node_pins>\
                 </vm_numa_node>";
    let said = "[NUMA node memory error. The node 0 has more memory than the host's node 0.]";
    sim.put(&first, large).await.refused(400, "Operation Failed", said);
    sim.put(&format!("/vms/{vm}"), "<vm><numa_tune_mode>interleave</numa_tune_mode></vm>").await.is(200);
    sim.put(&first, large).await.is(200);
    sim.put(&format!("/vms/{vm}"), "<vm><numa_tune_mode>preferred</numa_tune_mode></vm>").await.is(200);
}

#[tokio::test]
async fn a_running_vm_keeps_its_nodes_until_its_next_run() {
    let sim = Sim::start().await;
    let (vm, nodes) = sim.numa_vm("").await;
    sim.disk(&format!("/vms/{vm}/disks"), "system").await;
    let first = sim.post(&nodes, &node(0, 512, &[0, 1], None)).await.is(201).at("@id");
    sim.start_vm(vm).await;
    let up = "[Cannot change the NUMA nodes of VM because the VM is in Up status.]";
    sim.post(&nodes, &node(1, 512, &[2, 3], None)).await.refused(409, "Operation Failed", up);
    sim.put(&format!("{nodes}/{first}"), &node(0, 256, &[0], None)).await.refused(
        409,
        "Operation Failed",
        up,
    );
    sim.delete(&format!("{nodes}/{first}")).await.refused(409, "Operation Failed", up);
    let as_read = sim.get(&format!("{nodes}/{first}")).await.is(200).body;
    sim.put(&format!("{nodes}/{first}"), &as_read).await.is(200);

    let next = sim.post(&format!("{nodes};next_run"), &node(1, 512, &[2, 3], None)).await.is(201).at("@id");
    assert_eq!(sim.get(&nodes).await.each("vm_numa_node", "@id"), std::slice::from_ref(&first));
    assert_eq!(
        sim.get(&format!("{nodes};next_run")).await.each("vm_numa_node", "@id"),
        [first.clone(), next.clone()]
    );
    sim.post(&format!("/vms/{vm}/stop"), "<action/>").await.is(200);
    sim.until("adopted", || sim.engine.vm(vm).unwrap().vm.next_run.is_none()).await;
    assert_eq!(sim.get(&nodes).await.each("vm_numa_node", "@id"), [first, next]);
}

#[tokio::test]
async fn a_host_shows_its_nodes() {
    let sim = Sim::start().await;
    let host = sim.get("/hosts").await.at("host/@id");
    let all = sim.get(&format!("/hosts/{host}/numanodes")).await.is(200);
    assert_eq!(all.each("host_numa_node", "memory"), ["32768", "32768"]);
    assert_eq!(all.each("host_numa_node", "node_distance"), ["10 20", "20 10"]);
    let id = &all.each("host_numa_node", "@id")[1];
    let path = format!("/hosts/{host}/numanodes/{id}");
    let one = sim.get(&path).await.is(200);
    assert_eq!([one.at("index"), one.at("host/@id")], ["1".to_owned(), host.clone()]);
    assert_eq!(one.xml().every("cpu/cores/core").len(), 8);
    let figures = sim.get(&format!("{path}/statistics")).await.is(200);
    let names = figures.each("statistic", "name");
    assert_eq!(names[..3], ["memory.total", "memory.used", "memory.free"]);
    assert_eq!(figures.each("statistic", "host_numa_node/@id"), vec![id.clone(); 6]);
    let total = format!("{path}/statistics/{}", figures.each("statistic", "@id")[0]);
    assert_eq!(sim.get(&total).await.is(200).at("values/value/datum"), (32 * GIB).to_string());
    for path in [format!("/hosts/{host}/numanodes/{UNKNOWN}"), format!("/hosts/{UNKNOWN}/numanodes")] {
        assert_eq!(sim.get(&path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn copies_of_a_vm_have_nodes_of_their_own() {
    let sim = Sim::start().await;
    let (vm, nodes) = sim.numa_vm("").await;
    let first = sim.post(&nodes, &node(0, 512, &[0, 1], None)).await.is(201).at("@id");
    sim.post(&nodes, &node(1, 512, &[2, 3], None)).await.is(201);
    let clone = format!("/vms/{vm}/clone");
    let cloning = sim.post(&clone, "<action><vm><name>copy</name></vm></action>").await.is(202);
    sim.complete(&cloning.at("@href")).await;
    let copy = sim.get("/vms?search=name%3Dcopy").await.at("vm/@id");
    let copied = sim.get(&format!("/vms/{copy}/numanodes")).await.is(200);
    assert_eq!(copied.each("vm_numa_node", "memory"), ["512", "512"]);
    let ids = copied.each("vm_numa_node", "@id");
    assert!(!ids.contains(&first), "{ids:?}");
    assert_eq!(sim.get(&nodes).await.each("vm_numa_node", "@id")[0], first);
}

#[tokio::test]
async fn how_memory_is_bound_is_told_at_any_time() {
    let sim = Sim::start().await;
    let (vm, _) = sim.numa_vm("").await;
    sim.disk(&format!("/vms/{vm}/disks"), "system").await;
    sim.start_vm(vm).await;
    let path = format!("/vms/{vm}");
    sim.put(&path, "<vm><numa_tune_mode>preferred</numa_tune_mode></vm>").await.is(200);
    sim.put(&path, "<vm><display><smartcard_enabled>true</smartcard_enabled></display></vm>").await.is(200);
    let shown = sim.get(&path).await;
    assert_eq!([shown.at("numa_tune_mode"), shown.at("display/smartcard_enabled")], ["preferred", "true"]);
    sim.put(&path, "<vm><display><monitors>2</monitors></display></vm>").await.is(400);
    // What is said of the present run holds for the next one, too.
    let next = format!("{path};next_run");
    sim.put(&next, "<vm><display><monitors>2</monitors></display></vm>").await.is(200);
    let body = "<vm><display><smartcard_enabled>false</smartcard_enabled></display><usb><type>legacy</type></usb></vm>";
    sim.put(&path, body).await.is(200);
    sim.put(&next, "<vm><usb><enabled>true</enabled></usb></vm>").await.is(200);
    let shown = sim.get(&next).await;
    let fields = ["display/monitors", "display/smartcard_enabled", "usb/type"];
    assert_eq!(fields.map(|field| shown.at(field)), ["2", "false", "legacy"]);
}
