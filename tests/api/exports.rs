//! Export domains: VMs and templates go there, are listed, come back and are removed.

use super::*;
use vireo::engine::ports::Images;

const CENTER: &str = "/datacenters/00000002-0002-0002-0002-000000000255/storagedomains";

struct Case {
    sim: Sim,
    /// The export domain.
    place: String,
    /// A thin VM with a snapshot.
    vm: String,
    template: String,
}

impl Case {
    async fn new() -> Self {
        let sim = Sim::start().await;
        let place = sim.domain("exports", "export").await;
        let (original, _) = sim.original("original").await;
        let template = sim.template("t", original, "").await;
        let thin = format!("<vm><name>thin</name><cluster id='{CLUSTER}'/><template id='{template}'/></vm>");
        let vm = sim.waited("/vms", thin).await.is(201).at("@id");
        let snapshot = "<snapshot><description>s</description></snapshot>".to_owned();
        sim.waited(&format!("/vms/{vm}/snapshots"), snapshot).await.is(201);
        Self { sim, place, vm, template }
    }

    fn action(&self, more: &str) -> String {
        format!(
            "<action><async>false</async><storage_domain><name>exports</name></storage_domain>{more}</action>"
        )
    }

    async fn export(&self, more: &str) -> Got {
        self.sim.post(&format!("/vms/{}/export", self.vm), &self.action(more)).await
    }

    fn inside(&self) -> String {
        format!("/storagedomains/{}/vms", self.place)
    }

    async fn import(&self, more: &str) -> Got {
        let body = format!(
            "<action><async>false</async><cluster id='{CLUSTER}'/><storage_domain id='{DATA}'/>{more}</action>"
        );
        self.sim.post(&format!("{}/{}/import", self.inside(), self.vm), &body).await
    }

    /// The VM's snapshots, but for the active one.
    async fn snapshots(&self, vm: &str) -> Vec<String> {
        let all = self.sim.get(&format!("/vms/{vm}/snapshots")).await.is(200);
        let all = all.each("snapshot", "description").into_iter();
        all.filter(|name| name != "Active VM").collect()
    }

    async fn events(&self) -> Vec<String> {
        self.sim.get("/events").await.is(200).each("event", "code")
    }

    fn files_in(&self, folder: &str) -> usize {
        self.sim.images.files().iter().filter(|file| file.starts_with(folder)).count()
    }
}

#[tokio::test]
async fn a_vm_goes_and_comes_back_as_it_was() {
    let case = Case::new().await;
    let Case { sim, vm, place, .. } = &case;
    let domain = sim.get(&format!("/storagedomains/{place}")).await.is(200);
    assert_eq!((domain.at("type"), domain.at("storage_format")), ("export".into(), "v1".into()));
    let mut rels: Vec<String> = domain.each("link", "@rel");
    rels.sort();
    assert_eq!(rels, ["permissions", "storageconnections", "templates", "vms"]);
    assert!(sim.get(&case.inside()).await.is(200).each("vm", "@id").is_empty());

    let before = sim.get(&format!("/vms/{vm}")).await;
    let disks = sim.get(&format!("/vms/{vm}/disks")).await.each("disk", "@id");
    let macs = sim.get(&format!("/vms/{vm}/nics")).await.each("nic", "mac/@address");
    let done = case.export("").await.is(200);
    assert_eq!(done.at("status/state"), "complete");
    assert_eq!(sim.get(&case.inside()).await.each("vm", "name"), ["thin"]);
    let shown = sim.get(&format!("{}/{vm}", case.inside())).await.is(200);
    assert_eq!((shown.at("@id"), shown.at("name")), (vm.clone(), "thin".into()));
    let there = format!("{}/{vm}/disks", case.inside());
    assert_eq!(sim.get(&there).await.is(200).each("disk", "@id"), disks);
    assert_eq!(case.files_in("/more/exports"), 2, "an image and the one of its snapshot");

    // Who sees the domain for a VM of theirs is told of nobody's copies.
    let anna = access::user(sim, "anna").await;
    let own = sim.vm("own").await;
    access::give(sim, &format!("/vms/{own}"), &anna, "00000000-0000-0000-0001-000000000001").await;
    let seen = access::as_user(sim, "anna", "GET", &case.inside(), &[], "").await.is(200);
    assert!(seen.each("vm", "name").is_empty(), "{}", seen.body);

    // It is there, and here.
    case.import("").await.refused(
        409,
        "Operation Failed",
        "[Cannot import VM. A VM with the same identifier exists already: clone makes another one.]",
    );
    sim.delete(&format!("/vms/{vm}")).await.is(204);
    sim.delete(&format!("/templates/{}", case.template)).await.is(204);
    let done = case.import("").await.is(200);
    assert_eq!(done.at("status/state"), "complete");
    let after = sim.get(&format!("/vms/{vm}")).await.is(200);
    for path in ["name", "memory", "creation_time", "os/boot/@dev"] {
        assert_eq!(after.at(path), before.at(path), "{path}");
    }
    assert_eq!((after.at("status/state"), after.at("template/@id")), ("down".into(), BLANK.into()));
    assert_eq!(sim.get(&format!("/vms/{vm}/disks")).await.each("disk", "@id"), disks);
    assert_eq!(sim.get(&format!("/vms/{vm}/nics")).await.each("nic", "mac/@address"), macs);
    assert_eq!(case.snapshots(vm).await, ["s"]);
    sim.start_vm(vm.parse().unwrap()).await;

    sim.delete(&format!("{}/{vm}", case.inside())).await.is(204);
    assert_eq!(case.files_in("/more/exports"), 0);
    sim.get(&format!("{}/{vm}", case.inside())).await.is(404);
    sim.delete(&format!("{}/{vm}", case.inside())).await.is(404);
    let events = case.events().await;
    for code in ["1150", "1152", "1160"] {
        assert!(events.iter().any(|it| it == code), "{code} in {events:?}");
    }
}

#[tokio::test]
async fn an_export_runs_on_and_holds_its_vm() {
    let case = Case::new().await;
    let Case { sim, vm, .. } = &case;
    let body = case.action("").replace("<async>false</async>", "");
    let accepted = sim.post(&format!("/vms/{vm}/export"), &body).await.is(202);
    let href = accepted.at("@href").replace("/ovirt-engine/api", "");
    sim.until("exported", || sim.engine.jobs.running() == 0).await;
    assert_eq!(sim.get(&href).await.is(200).at("status/state"), "complete");
    assert_eq!(sim.get(&format!("/vms/{vm}")).await.at("status/state"), "down");
}

#[tokio::test]
async fn an_export_is_written_over_on_purpose_only() {
    let case = Case::new().await;
    case.export("").await.is(200);
    case.export("").await.refused(
        409,
        "Operation Failed",
        "[Cannot export VM. The Export Domain has it already: exclusive writes over that.]",
    );
    case.export("<exclusive>true</exclusive><discard_snapshots>true</discard_snapshots>").await.is(200);
    assert_eq!(case.files_in("/more/exports"), 1, "collapsed");
    case.sim.delete(&format!("/vms/{}", case.vm)).await.is(204);
    case.import("").await.is(200);
    assert!(case.snapshots(&case.vm).await.is_empty());
}

#[tokio::test]
async fn a_clone_is_another_vm() {
    let case = Case::new().await;
    let Case { sim, vm, .. } = &case;
    case.export("").await.is(200);
    let named = "<clone>true</clone><vm><name>other</name></vm>";
    assert_eq!(case.import("<clone>true</clone>").await.status, 400, "its name is taken");
    case.import(named).await.is(200);
    let other = sim.get("/vms?search=name%3Dother").await.at("vm/@id");
    assert_ne!((&other, ""), (vm, ""));
    let of = async |vm: &str, what: &str, item: &str, path: &str| {
        sim.get(&format!("/vms/{vm}/{what}")).await.is(200).each(item, path)
    };
    assert_ne!(of(&other, "disks", "disk", "@id").await, of(vm, "disks", "disk", "@id").await);
    assert_ne!(of(&other, "nics", "nic", "mac/@address").await, of(vm, "nics", "nic", "mac/@address").await);
    assert_eq!(of(&other, "nics", "nic", "name").await, of(vm, "nics", "nic", "name").await);
    assert!(case.snapshots(&other).await.is_empty() && case.snapshots(vm).await.len() == 1);
    sim.start_vm(other.parse().unwrap()).await;
}

#[tokio::test]
async fn disks_come_where_the_action_says() {
    let case = Case::new().await;
    let Case { sim, vm, .. } = &case;
    let second = sim.domain("second", "data").await;
    case.export("").await.is(200);
    let disk = sim.get(&format!("/vms/{vm}/disks")).await.at("disk/@id");
    sim.delete(&format!("/vms/{vm}")).await.is(204);
    let at = |disk: &str, place: &str| {
        format!(
            "<vm><snapshots><collapse_snapshots>true</collapse_snapshots></snapshots><disks><disk id='{disk}'>\
             <storage_domains><storage_domain id='{place}'/></storage_domains></disk></disks></vm>"
        )
    };
    assert_eq!(case.import(&at(UNKNOWN, &second)).await.status, 404);
    let clone = format!("<clone>true</clone>{}", at(&disk, &second).replace("<vm>", "<vm><name>c</name>"));
    case.import(&clone).await.is(200);
    assert_eq!(case.files_in("/more/second"), 1, "by its id before it is another one");
    let cloned = sim.get("/vms?search=name%3Dc").await.at("vm/@id");
    sim.delete(&format!("/vms/{cloned}")).await.is(204);
    assert_eq!(case.import(&at(&disk, &case.place)).await.status, 400, "it is not a data domain");
    assert_eq!(sim.get("/vms?search=name%3Dthin").await.each("vm", "@id").len(), 0);
    case.import(&at(&disk, &second)).await.is(200);
    let disk = sim.get(&format!("/disks/{disk}")).await.is(200);
    assert_eq!(disk.at("storage_domains/storage_domain/@id"), second);
    assert_eq!((case.files_in("/more/second"), case.snapshots(vm).await.len()), (1, 0));
}

#[tokio::test]
async fn a_template_goes_and_comes_back() {
    let case = Case::new().await;
    let Case { sim, template, place, .. } = &case;
    let export = format!("/templates/{template}/export");
    sim.post(&export, &case.action("")).await.is(200);
    assert_eq!(sim.post(&export, &case.action("")).await.status, 409);
    sim.post(&export, &case.action("<exclusive>true</exclusive>")).await.is(200);
    assert_eq!(sim.post(&format!("/templates/{BLANK}/export"), &case.action("")).await.status, 409);
    let inside = format!("/storagedomains/{place}/templates");
    assert_eq!(sim.get(&inside).await.is(200).each("template", "name"), ["t"]);
    assert_eq!(sim.get(&format!("{inside}/{template}/disks")).await.is(200).each("disk", "@id").len(), 1);
    let import = |more: &str| {
        format!(
            "<action><async>false</async><cluster id='{CLUSTER}'/><storage_domain id='{DATA}'/>{more}</action>"
        )
    };
    let path = format!("{inside}/{template}/import");
    assert_eq!(sim.post(&path, "<action/>").await.status, 400);
    assert_eq!(sim.post(&path, &import("")).await.status, 409, "it is here");
    let cloned = "<clone>true</clone><template><name>u</name></template>";
    sim.post(&path, &import(cloned)).await.is(200);
    let other = sim.get("/templates?search=name%3Du").await.at("template/@id");
    assert_eq!(sim.get(&format!("/templates/{other}")).await.at("status/state"), "ok");
    sim.delete(&format!("/vms/{}", case.vm)).await.is(204);
    sim.delete(&format!("/templates/{template}")).await.is(204);
    sim.post(&path, &import("")).await.is(200);
    let made = format!("<vm><name>n</name><cluster id='{CLUSTER}'/><template id='{template}'/></vm>");
    sim.waited("/vms", made).await.is(201);
    sim.delete(&format!("/storagedomains/{place}/vms/{template}")).await.is(404);
    sim.delete(&format!("{inside}/{template}")).await.is(204);
    assert_eq!(case.files_in("/more/exports"), 0);
}

#[tokio::test]
async fn what_cannot_be_exported_is_refused() {
    let case = Case::new().await;
    let Case { sim, vm, .. } = &case;
    let path = format!("/vms/{vm}/export");
    assert_eq!(sim.post(&path, "<action/>").await.status, 400);
    let to = |name: &str| format!("<action><storage_domain><name>{name}</name></storage_domain></action>");
    assert_eq!(sim.post(&path, &to("none")).await.status, 404);
    sim.post(&path, &to("data")).await.refused(
        400,
        "Operation Failed",
        "[Cannot export VM. The Storage Domain is not one for exports.]",
    );
    sim.start_vm(vm.parse().unwrap()).await;
    sim.post(&path, &to("exports")).await.refused(
        409,
        "Operation Failed",
        "[Cannot export VM because the VM is in Up status.]",
    );
    sim.post(&format!("/vms/{vm}/stop"), "<action/>").await.is(200);
    sim.images.set_capacity(0);
    assert_eq!(sim.post(&path, &to("exports")).await.status, 409, "no room");
    sim.images.set_capacity(1024 * GIB);
    sim.post(&format!("{CENTER}/{}/deactivate", case.place), "<action/>").await.is(200);
    assert_eq!(sim.post(&path, &to("exports")).await.status, 409, "in maintenance");
    sim.post(&format!("{CENTER}/{}/activate", case.place), "<action/>").await.is(200);
    let data = sim.get("/storagedomains?search=name%3Ddata").await.at("storage_domain/@id");
    sim.post(&format!("{CENTER}/{data}/deactivate"), "<action/>").await.is(200);
    sim.post(&path, &to("exports")).await.refused(
        409,
        "Operation Failed",
        "[Cannot export VM. The relevant Storage Domain's status is Maintenance.]",
    );
    assert_eq!(case.files_in("/more/exports"), 0);
    assert_eq!(sim.get(&format!("/vms/{vm}")).await.at("status/state"), "down");
}

#[tokio::test]
async fn an_export_domain_of_another_engine_is_imported_from() {
    let case = Case::new().await;
    case.export("").await.is(200);
    // Detached and removed, its contents stay: here they are another engine's.
    let inside = format!("{CENTER}/{}", case.place);
    case.sim.post(&format!("{inside}/deactivate"), "<action/>").await.is(200);
    case.sim.delete(&inside).await.is(204);
    let host = "<storage_domain><host><name>host</name></host></storage_domain>";
    let format = host.replace("</storage_domain>", "<format>true</format></storage_domain>");
    let at = format!("/storagedomains/{}", case.place);
    assert_eq!(case.sim.with_body("DELETE", &at, &format).await.status, 409, "it still holds something");
    case.sim.with_body("DELETE", &format!("/storagedomains/{}", case.place), host).await.is(204);
    case.sim.delete(&format!("/vms/{}", case.vm)).await.is(204);
    let body = "<storage_domain><import>true</import><type>export</type><host><name>host</name></host>\
                <storage><type>localfs</type><path>/more/exports</path></storage></storage_domain>";
    let place = case.sim.post("/storagedomains", body).await.is(201).at("@id");
    assert_eq!(place, case.place);
    case.sim.post(CENTER, &format!("<storage_domain id='{place}'/>")).await.is(201);
    case.import("").await.is(200);
    assert_eq!(case.snapshots(&case.vm).await, ["s"]);
}

/// What a hint says may be anybody's: nothing but the export domain is read for it.
#[tokio::test]
async fn what_says_that_it_lies_elsewhere_is_refused() {
    let case = Case::new().await;
    let Case { sim, vm, place, .. } = &case;
    case.export("").await.is(200);
    sim.delete(&format!("/vms/{vm}")).await.is(204);
    let folder = std::path::Path::new("/more/exports");
    let (name, text) = sim.images.hints(folder).unwrap().remove(0);
    sim.images.keep_hint(&folder.join(&name), &text.replace(place.as_str(), DATA)).unwrap();
    let refused = case.import("").await.is(409);
    assert!(refused.body.contains("is left out: its storage domain is not there"), "{}", refused.body);
    // A disk that is here, and that nobody has.
    let floating = sim.disk("/disks", "floating").await;
    let on = |disk: &str| {
        format!(r#"{{"vm":"{vm}","disk":"{disk}","active":true,"read_only":false,"target":"vdq"}}"#)
    };
    let stolen =
        text.replace(r#""attachments":["#, &format!(r#""attachments":[{},"#, on(&floating.to_string())));
    assert_ne!(stolen, text);
    sim.images.keep_hint(&folder.join(&name), &stolen).unwrap();
    for more in ["", "<clone>true</clone><vm><name>other</name></vm>"] {
        assert_eq!(case.import(more).await.status, 409);
    }
    assert_eq!(sim.get(&format!("/disks/{floating}")).await.is(200).at("status/state"), "ok");
    // A snapshot's that would be another VM's when it is restored.
    let saved = text
        .replace(&format!(r#""attachment":{{"vm":"{vm}""#), &format!(r#""attachment":{{"vm":"{UNKNOWN}""#));
    assert_ne!(saved, text);
    sim.images.keep_hint(&folder.join(&name), &saved).unwrap();
    assert_eq!(case.import("").await.status, 409);
    sim.images.keep_hint(&folder.join(name), &text).unwrap();
    assert_eq!(sim.get("/vms?search=name%3Dthin").await.each("vm", "@id").len(), 0);
    case.import("").await.is(200);
}
