//! Events and jobs: what the engine leaves of its work, and what others report of theirs.

use super::*;

/// The descriptions of events that answer a query, the latest first.
async fn told(sim: &Sim, query: &str) -> Vec<String> {
    sim.get(&format!("/events?search={query}")).await.is(200).each("event", "description")
}

#[tokio::test]
async fn what_is_done_is_told() {
    let sim = Sim::start().await;
    let body = "<vm><name>web</name><cluster><name>Default</name></cluster><template><name>Blank</name></template></vm>";
    let headers = [("content-type", "application/xml"), ("correlation-id", "nightly")];
    let vm: VmId = sim.send("POST", "/vms", &headers, body).await.is(201).at("@id").parse().unwrap();
    let event = sim.get("/events?search=type%3D34").await.is(200);
    assert_eq!(event.at("event/description"), "VM web was created by admin@internal.");
    assert_eq!(event.at("event/severity"), "normal");
    assert_eq!(event.at("event/correlation_id"), "nightly");
    assert_eq!(event.at("event/user/@id"), ADMIN);
    assert_eq!(event.at("event/vm/@href"), format!("/ovirt-engine/api/vms/{vm}"));
    assert_eq!(event.at("event/cluster/@id"), CLUSTER);
    assert_eq!(event.at("event/origin"), "vireo");
    let shown = sim.get(&format!("/events/{}", event.at("event/@id"))).await.is(200);
    assert_eq!(shown.at("description"), event.at("event/description"));

    sim.disk(&format!("/vms/{vm}/disks"), "system").await;
    sim.start_vm(vm).await;
    sim.post(&format!("/vms/{vm}/stop"), "<action/>").await.is(200);
    sim.delete(&format!("/vms/{vm}")).await.is(204);
    let all = told(&sim, "event_vm%3Dweb+sortby+id").await;
    let wanted = [
        "VM web was created by admin@internal.",
        "Disk system was added to VM web by admin@internal.",
        "VM web was started by admin@internal.",
        "VM web was stopped by admin@internal.",
        "VM web is down.",
        "VM web was removed by admin@internal.",
    ];
    let mut found = all.clone();
    found.sort();
    let mut sorted = wanted.map(str::to_owned);
    sorted.sort();
    assert_eq!(found, sorted, "{all:?}");
    let gone = sim.get("/events?search=type%3D113").await.is(200);
    assert_eq!((gone.at("event/vm/@id"), gone.at("event/vm/@href")), (vm.to_string(), String::new()));
}

#[tokio::test]
async fn a_failure_is_told_as_well() {
    let sim = Sim::start().await;
    let vm = sim.vm("web").await;
    sim.disk(&format!("/vms/{vm}/disks"), "system").await;
    sim.hypervisor.fail_at(1);
    assert!(sim.post(&format!("/vms/{vm}/start"), "<action/>").await.status >= 400);
    let failed = sim.get("/events?search=severity%3Derror").await.is(200);
    let graver = sim.get("/events?search=severity%3Enormal+and+time%3Dtoday+sortby+time+desc").await.is(200);
    assert!(graver.each("event", "severity").iter().all(|severity| severity != "normal"));
    sim.get("/events?search=severity%3Dnope").await.is(400);
    assert_eq!((failed.at("event/code"), failed.at("event/vm/@id")), ("54".into(), vm.to_string()));
    assert!(failed.at("event/description").starts_with("Starting VM web by admin@internal failed: "));
    let jobs = sim.get("/jobs;max=1").await.is(200);
    assert_eq!(
        (jobs.at("job/description"), jobs.at("job/status/state")),
        ("Starting VM web".into(), "failed".into())
    );
}

#[tokio::test]
async fn the_latest_events_come_first_and_only_as_many_as_wanted() {
    let sim = Sim::start().await;
    for name in ["a", "b", "c"] {
        sim.vm(name).await;
    }
    let all = sim.get("/events").await.is(200).each("event", "@id");
    let ids: Vec<u64> = all.iter().map(|id| id.parse().unwrap()).collect();
    assert!(ids.len() >= 4 && ids.windows(2).all(|pair| pair[0] > pair[1]), "{ids:?}");
    let newer = sim.get(&format!("/events;from={};max=2", ids[2])).await.is(200).each("event", "@id");
    assert_eq!(newer, all[..2]);
    assert_eq!(sim.get(&format!("/events?from={}", ids[0])).await.is(200).each("event", "@id"), [""; 0]);
    for nowhere in ["/events/999999", "/events/x", "/events/-1"] {
        assert_eq!(sim.get(nowhere).await.status, 404, "{nowhere}");
    }
}

#[tokio::test]
async fn others_report_events_that_can_be_hidden() {
    let sim = Sim::start().await;
    let vm = sim.vm("web").await;
    let event = |rest: &str| format!("<event><description>Rack is hot</description>{rest}</event>");
    let body = event(&format!(
        "<severity>Alert</severity><origin>monitor</origin><custom_id>7</custom_id><vm id='{vm}'/>\
         <custom_data>&lt;42&gt;</custom_data>"
    ));
    let added = sim.post("/events", &body).await.is(201);
    assert_eq!(
        (added.at("severity"), added.at("custom_id"), added.at("code")),
        ("alert".into(), "7".into(), "9804".into())
    );
    assert_eq!((added.at("custom_data"), added.at("vm/@id")), ("<42>".into(), vm.to_string()));
    assert!(added.header("location").ends_with(&added.at("@href")));
    assert_eq!(told(&sim, "origin%3Dmonitor+and+severity%3Dalert").await, ["Rack is hot"]);
    sim.post("/events", &event("<origin>monitor</origin>")).await.refused(
        400,
        "Incomplete parameters",
        "Event [severity, customId] required for add",
    );
    for bad in [
        "<severity>loud</severity><origin>monitor</origin><custom_id>7</custom_id>",
        "<severity>alert</severity><origin>oVirt</origin><custom_id>7</custom_id>",
    ] {
        assert_eq!(sim.post("/events", &event(bad)).await.status, 400, "{bad}");
    }
    let stray =
        format!("<severity>alert</severity><origin>m</origin><custom_id>7</custom_id><vm id='{UNKNOWN}'/>");
    assert_eq!(sim.post("/events", &event(&stray)).await.status, 404);

    let original = sim.vm("original").await;
    let template = sim.template("golden", original, "").await;
    let body = event(&format!(
        "<severity>normal</severity><origin>m</origin><custom_id>7</custom_id><template id='{template}'/>"
    ));
    sim.post("/events", &body).await.is(201);
    assert_eq!(told(&sim, "event_template%3Dgolden+and+origin%3Dm").await, ["Rack is hot"]);

    let path = format!("/events/{}", added.at("@id"));
    sim.delete(&path).await.is(204);
    assert_eq!(sim.get(&path).await.status, 404);
    assert_eq!(sim.delete(&path).await.status, 404);
    assert_eq!(told(&sim, "origin%3Dmonitor").await, [""; 0]);
    sim.post("/events/undelete", "<action/>").await.is(200);
    sim.get(&path).await.is(200);
}

#[tokio::test]
async fn an_operation_is_a_job_with_steps() {
    let sim = Sim::start().await;
    let disk = sim.disk("/disks", "data").await;
    let jobs = sim.get("/jobs").await.is(200);
    assert_eq!(jobs.at("job/description"), "Adding disk data");
    let job = format!("/jobs/{}", jobs.at("job/@id"));
    let shown = sim.get(&job).await.is(200);
    assert_eq!((shown.at("status/state"), shown.at("external")), ("finished".into(), "false".into()));
    assert_eq!(shown.at("owner/@id"), ADMIN);
    let steps = sim.get(&format!("{job}/steps")).await.is(200);
    assert_eq!(steps.each("step", "type"), ["validating", "executing"]);
    assert_eq!(steps.each("step", "status/state"), ["finished", "finished"]);
    for action in ["end", "clear"] {
        let body = "<action><status><state>finished</state></status></action>";
        assert_eq!(sim.post(&format!("{job}/{action}"), body).await.status, 409, "{action}");
    }
    sim.delete(&format!("/disks/{disk}")).await;
}

#[tokio::test]
async fn others_report_jobs() {
    let sim = Sim::start().await;
    sim.post("/jobs", "<job/>").await.refused(
        400,
        "Incomplete parameters",
        "Job [description] required for add",
    );
    let job = sim.post("/jobs", "<job><description>Backup</description></job>").await.is(201);
    let path = format!("/jobs/{}", job.at("@id"));
    assert_eq!((job.at("status/state"), job.at("external")), ("started".into(), "true".into()));
    let body = "<step><type>EXECUTING</type><description>Copying</description></step>";
    let first = sim.post(&format!("{path}/steps"), body).await.is(201);
    let inner = format!(
        "<step><type>unknown</type><description>One disk</description><parent_step id='{}'/></step>",
        first.at("@id")
    );
    let second = sim.post(&format!("{path}/steps"), &inner).await.is(201);
    assert_eq!((second.at("parent_step/@id"), second.at("number")), (first.at("@id"), "0".into()));
    let bad = "<step><type>dancing</type><description>x</description></step>";
    assert_eq!(sim.post(&format!("{path}/steps"), bad).await.status, 400);
    let end = "<action><status><state>finished</state></status></action>";
    assert_eq!(sim.post(&format!("{path}/end"), end).await.status, 409, "steps still run");
    let step = format!("{path}/steps/{}", second.at("@id"));
    sim.post(&format!("{step}/end"), "<action><succeeded>true</succeeded></action>").await.is(200);
    assert_eq!(sim.get(&step).await.is(200).at("status/state"), "finished");
    assert_eq!(
        sim.post(&format!("{step}/end"), "<action><succeeded>true</succeeded></action>").await.status,
        409
    );
    assert_eq!(sim.post(&format!("{path}/end"), "<action/>").await.status, 400);
    let force = "<action><force>true</force><status><state>failed</state></status></action>";
    sim.post(&format!("{path}/end"), force).await.is(200);
    assert_eq!(sim.get(&path).await.is(200).at("status/state"), "failed");
    sim.post(&format!("{path}/clear"), "<action/>").await.is(200);
    assert_eq!(sim.get(&path).await.status, 404);
}

#[tokio::test]
async fn actions_tell_their_jobs() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let headers = [("content-type", "application/xml"), ("correlation-id", "ours")];
    let refused = sim.send("POST", &format!("/vms/{vm}/start"), &headers, "<action/>").await.is(409);
    assert_eq!(refused.at("job/@href"), "", "what was refused at once began no job");
    sim.disk(&format!("/vms/{vm}/disks"), "d").await;
    let started = sim.send("POST", &format!("/vms/{vm}/start"), &headers, "<action/>").await.is(200);
    let href = started.at("job/@href");
    let job = sim.get(href.strip_prefix("/ovirt-engine/api").unwrap()).await.is(200);
    assert_eq!((job.at("description"), job.at("status/state")), ("Starting VM a".into(), "finished".into()));
    let events = sim.get("/events?search=correlation_id%3Dours").await.is(200).each("event", "code");
    assert_eq!(events, ["32"]);
    let suspended = sim.send("POST", &format!("/vms/{vm}/suspend"), &headers, "<action/>").await.is(202);
    let href = suspended.at("job/@href");
    let job = sim.get(href.strip_prefix("/ovirt-engine/api").unwrap()).await.is(200);
    assert_eq!(job.at("description"), "Suspending VM a");
}
