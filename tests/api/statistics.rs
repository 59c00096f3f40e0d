//! Statistics of VMs, disks and the host.

use super::*;

/// Name, type, unit and type of the values of each entry.
fn entries(got: &Got) -> Vec<String> {
    let xml = got.xml();
    let one = |it: &Element| {
        ["name", "type", "unit", "values/@type"].map(|path| it.value(path).unwrap_or_default()).join(" ")
    };
    xml.all("statistic").map(one).collect()
}

fn datum(got: &Got, name: &str) -> f64 {
    let xml = got.xml();
    let found = xml.all("statistic").find(|it| it.value("name").as_deref() == Some(name));
    found.unwrap().number("values/value/datum").unwrap()
}

#[tokio::test]
async fn no_more_than_are_wanted() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let host = sim.get("/hosts").await.at("host/@id");
    for path in [format!("/vms/{vm}/statistics"), format!("/hosts/{host}/statistics")] {
        assert_eq!(
            sim.get(&format!("{path};max=2")).await.is(200).each("statistic", "name").len(),
            2,
            "{path}"
        );
    }
}

#[tokio::test]
async fn of_a_vm_and_its_disks() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let disk = sim.disk(&format!("/vms/{vm}/disks"), "d").await;
    let path = format!("/vms/{vm}/statistics");
    let got = sim.get(&path).await.is(200);
    assert_eq!(
        entries(&got),
        [
            "memory.installed GAUGE BYTES INTEGER",
            "memory.used GAUGE BYTES INTEGER",
            "cpu.current.guest GAUGE PERCENT DECIMAL",
            "cpu.current.hypervisor GAUGE PERCENT DECIMAL",
            "cpu.current.total GAUGE PERCENT DECIMAL",
            "migration.progress GAUGE PERCENT DECIMAL",
            "memory.buffered GAUGE BYTES INTEGER",
            "memory.cached GAUGE BYTES INTEGER",
            "memory.free GAUGE BYTES INTEGER",
        ]
    );
    assert_eq!(datum(&got, "memory.installed"), GIB as f64);
    assert_eq!(datum(&got, "cpu.current.total"), 0.0);
    sim.start_vm(vm).await;
    let mut total = 0.0;
    for _ in 0..1000 {
        total = datum(&sim.get(&path).await.is(200), "cpu.current.total");
        if total > 0.0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The simulated processor is busy for a tenth of the time.
    assert!((5.0..=15.0).contains(&total), "{total}");
    for path in [format!("/vms/{vm}/disks/{disk}/statistics"), format!("/disks/{disk}/statistics")] {
        let got = sim.get(&path).await.is(200);
        assert_eq!(entries(&got).len(), 5, "{path}");
        assert!(datum(&got, "data.current.read") > 0.0, "{path}");
        let first = got.xml().first("statistic").cloned().unwrap();
        assert_eq!(first.get("id"), Some("33b9212b-f9cb-3fd0-b364-248fb61e1272"));
        let href = first.get("href").unwrap();
        assert_eq!(href, format!("/ovirt-engine/api{path}/33b9212b-f9cb-3fd0-b364-248fb61e1272"));
        let one = sim.get(href.strip_prefix("/ovirt-engine/api").unwrap()).await.is(200);
        assert_eq!(one.at("name"), "data.current.read");
        sim.get(&format!("{path}/{UNKNOWN}")).await.is(404);
    }
    assert!(datum(&sim.get(&path).await, "memory.used") > 0.0);
    sim.post(&format!("/vms/{vm}/stop"), "<action/>").await.is(200);
    assert_eq!(datum(&sim.get(&path).await, "memory.used"), 0.0);
    let detailed = sim.get(&format!("/vms/{vm};detail=statistics+disks")).await.is(200);
    assert_eq!(detailed.xml().every("statistics/statistic").len(), 9);
    assert_eq!(detailed.xml().every("disks/disk").len(), 1);
}

#[tokio::test]
async fn of_the_host() {
    let sim = Sim::start().await;
    let id = sim.get("/hosts").await.at("host/@id");
    let got = sim.get(&format!("/hosts/{id}/statistics")).await.is(200);
    assert_eq!(
        entries(&got),
        [
            "memory.total GAUGE BYTES INTEGER",
            "memory.used GAUGE BYTES INTEGER",
            "memory.free GAUGE BYTES INTEGER",
            "memory.shared GAUGE BYTES INTEGER",
            "memory.buffers GAUGE BYTES INTEGER",
            "memory.cached GAUGE BYTES INTEGER",
            "swap.total GAUGE BYTES INTEGER",
            "swap.free GAUGE BYTES INTEGER",
            "swap.used GAUGE BYTES INTEGER",
            "swap.cached GAUGE BYTES INTEGER",
            "ksm.cpu.current GAUGE PERCENT DECIMAL",
            "cpu.current.user GAUGE PERCENT DECIMAL",
            "cpu.current.system GAUGE PERCENT DECIMAL",
            "cpu.current.idle GAUGE PERCENT DECIMAL",
            "cpu.load.avg.5m GAUGE PERCENT DECIMAL",
            "boot.time GAUGE NONE INTEGER",
        ]
    );
    assert!(datum(&got, "memory.used") > 0.0);
    assert_eq!(datum(&got, "boot.time"), 1_700_000_000.0);
    assert_eq!(got.at("statistic/host/@id"), id);
}
