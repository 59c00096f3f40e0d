//! Templates, VMs that are made of them, of snapshots and of other VMs: documents and refusals.

use super::*;

impl Sim {
    /// A VM with a disk of that alias and an interface.
    pub async fn original(&self, name: &str) -> (VmId, DiskId) {
        let vm = self.vm(name).await;
        let disk = self.disk(&format!("/vms/{vm}/disks"), "system").await;
        self.post(&format!("/vms/{vm}/nics"), "<nic><name>nic1</name></nic>").await.is(201);
        (vm, disk)
    }

    pub async fn waited(&self, path: &str, body: String) -> Got {
        self.send("POST", path, &[("content-type", "application/xml"), CREATED], body).await
    }

    pub async fn template(&self, name: &str, vm: VmId, more: &str) -> String {
        let body = format!("<template><name>{name}</name><vm id='{vm}'/>{more}</template>");
        self.waited("/templates", body).await.is(201).at("@id")
    }
}

fn link(got: &Got, rel: &str) -> String {
    let xml = got.xml();
    let found = xml.all("link").find(|link| link.get("rel") == Some(rel));
    found.and_then(|link| link.get("href")).unwrap_or_else(|| panic!("no {rel}: {}", got.body)).to_owned()
}

fn vm_of(name: &str, template: &str, more: &str) -> String {
    format!("<vm><name>{name}</name><cluster id='{CLUSTER}'/><template id='{template}'/>{more}</vm>")
}

#[tokio::test]
async fn a_template_is_made_shown_changed_and_removed() {
    let sim = Sim::start().await;
    let (vm, disk) = sim.original("a").await;
    sim.put(&format!("/vms/{vm}"), "<vm><memory>2147483648</memory><description>d</description></vm>").await;
    let body = format!("<template><name>t</name><description>of a</description><vm id='{vm}'/></template>");
    let made = sim.post("/templates", &body).await.is(202);
    assert_eq!(["status/state", "creation_status/state"].map(|path| made.at(path)), ["locked", "pending"]);
    sim.complete(&link(&made, "creation_status")).await;
    let path = format!("/templates/{}", made.at("@id"));
    let shown = sim.get(&path).await.is(200);
    let said = ["name", "description", "memory", "status/state", "cluster/@id", "version/version_number"];
    assert_eq!(said.map(|path| shown.at(path)), ["t", "of a", "2147483648", "ok", CLUSTER, "1"]);
    assert_eq!(shown.at("version/base_template/@id"), made.at("@id"));

    let disks = sim.get(&format!("{path}/disks")).await.is(200);
    assert_eq!(disks.each("disk", "alias"), ["system"]);
    assert_ne!(disks.each("disk", "@id"), [disk.to_string()]);
    assert_eq!(disks.each("disk", "template/@id"), [made.at("@id")]);
    let copy = disks.at("disk/@id");
    sim.get(&format!("{path}/disks/{copy}")).await.is(200);
    let nics = sim.get(&format!("{path}/nics")).await.is(200);
    assert_eq!(nics.each("nic", "name"), ["nic1"]);
    assert!(!nics.body.contains("<mac"), "{}", nics.body);
    sim.get(&format!("{path}/nics/{}", nics.at("nic/@id"))).await.is(200);
    assert_eq!(
        sim.get(&format!("{path}/graphicsconsoles")).await.each("graphics_console", "protocol"),
        ["VNC"]
    );

    // Nobody changes its disks.
    assert_eq!(sim.delete(&format!("/disks/{copy}")).await.status, 409);
    assert_eq!(sim.post(&format!("/vms/{vm}/disks"), &format!("<disk id='{copy}'/>")).await.status, 409);

    let changed =
        sim.put(&path, "<template><name>u</name><memory>1073741824</memory></template>").await.is(200);
    assert_eq!((changed.at("name"), changed.at("memory")), ("u".into(), "1073741824".into()));
    assert_eq!(sim.get("/templates?search=name%3Du").await.each("template", "@id"), [made.at("@id")]);
    assert_eq!(sim.put(&path, "<template><name>Blank</name></template>").await.status, 400);
    sim.put(&path, "<template><delete_protected>true</delete_protected></template>").await.is(200);
    assert_eq!(sim.delete(&path).await.status, 409);
    sim.put(&path, "<template><delete_protected>false</delete_protected></template>").await.is(200);
    sim.delete(&path).await.is(204);
    assert_eq!(sim.get(&path).await.status, 404);
    assert_eq!(sim.get(&format!("/disks/{copy}")).await.status, 404);
    let images = sim.images.files().into_iter().filter(|file| file.to_string_lossy().contains("/images/"));
    assert_eq!(images.count(), 1, "the original's");
}

/// What no machine is made with.
pub const NO_MACHINE: [&str; 8] = [
    "<display><keyboard_layout>klingon</keyboard_layout></display>",
    "<os><kernel>/etc/shadow</kernel></os>",
    "<os><kernel>/sim/boot/../../etc/shadow</kernel></os>",
    "<os><kernel>iso://nope</kernel></os>",
    "<os><kernel>/sim/boot/vmlinuz</kernel><initrd>/etc/shadow</initrd></os>",
    "<custom_emulated_machine>pseries</custom_emulated_machine>",
    "<custom_emulated_machine>pc-q35-99.9</custom_emulated_machine>",
    "<custom_cpu_model>POWER9</custom_cpu_model>",
];

#[tokio::test]
async fn templates_that_no_vm_can_be_made_of() {
    let sim = Sim::start().await;
    sim.images.put("/sim/boot/vmlinuz", 1);
    let (vm, _) = sim.original("a").await;
    for bad in NO_MACHINE {
        sim.put(&format!("/vms/{vm}"), &format!("<vm>{bad}</vm>")).await.is(400);
        let body = format!("<template><name>t</name><vm id='{vm}'/>{bad}</template>");
        sim.post("/templates", &body).await.is(400);
    }
    assert_eq!(sim.get("/templates").await.each("template", "name"), ["Blank"]);
    let kernel = "<os><kernel>/sim/boot/vmlinuz</kernel></os>";
    let path = format!("/templates/{}", sim.template("t", vm, kernel).await);
    let shown = sim.get(&path).await.body;
    for bad in NO_MACHINE {
        let got = sim.put(&path, &format!("<template>{bad}</template>")).await.is(400);
        assert!(!got.body.contains("[The VM"), "{}", got.body);
    }
    assert_eq!(sim.get(&path).await.body, shown);
    // What was there once is not in the way of who sends all back.
    sim.images.set_missing("/sim/boot", true);
    sim.put(&path, &shown.replace("<name>t</name>", "<name>u</name>")).await.is(200);
    let same = "<template><os><kernel>/sim/boot/vmlinuz</kernel><cmdline>quiet</cmdline></os></template>";
    assert_eq!(sim.put(&path, same).await.is(200).at("os/cmdline"), "quiet");
    let more = "<template><os><initrd>/sim/boot/initrd</initrd></os></template>";
    sim.put(&path, more).await.is(400);
}

#[tokio::test]
async fn versions_share_a_name() {
    let sim = Sim::start().await;
    let (vm, _) = sim.original("a").await;
    let first = sim.template("t", vm, "").await;
    let more = format!("<version><base_template id='{first}'/><version_name>second</version_name></version>");
    let second = sim.template("other", vm, &more).await;
    let shown = sim.get(&format!("/templates/{second}")).await;
    let said = ["name", "version/version_number", "version/version_name", "version/base_template/@id"];
    assert_eq!(said.map(|path| shown.at(path)), ["t", "2", "second", &first]);
    // A name stands for the last version.
    let body = format!("<vm><name>n</name><cluster id='{CLUSTER}'/><template><name>t</name></template></vm>");
    let vm = sim.waited("/vms", body).await.is(201);
    assert_eq!(vm.at("template/@id"), second);
    // The first one stands for the last, where that is asked for.
    let latest = "<use_latest_template_version>true</use_latest_template_version>";
    let body = vm_of("l", &first, &format!("<stateless>true</stateless>{latest}"));
    let vm = sim.waited("/vms", body).await.is(201);
    let said = ["template/@id", "use_latest_template_version"];
    assert_eq!(said.map(|path| vm.at(path)), [&second, "true"]);
    let body = format!(
        "<vmpool><name>p</name><size>1</size>{latest}<cluster id='{CLUSTER}'/><template id='{first}'/></vmpool>"
    );
    let pool = sim.waited("/vmpools", body).await.is(201);
    assert_eq!(said.map(|path| pool.at(path)), [&first, "true"]);
    assert_eq!(sim.get("/vms?search=name%3Dp-1").await.at("vm/template/@id"), second);

    // A later one comes to those who forget what they wrote, with their next start.
    let plain = sim.waited("/vms", vm_of("plain", &second, latest)).await.is(201);
    let (larger, _) = sim.original("b").await;
    sim.disk(&format!("/vms/{larger}/disks"), "more").await;
    sim.put(&format!("/vms/{larger}"), "<vm><memory>2147483648</memory></vm>").await.is(200);
    let third =
        sim.template("other", larger, &format!("<version><base_template id='{first}'/></version>")).await;
    let pooled = sim.get("/vms?search=name%3Dp-1").await.at("vm/@id");
    for (vm, template, disks) in
        [(vm.at("@id"), &third, 2), (pooled.clone(), &third, 2), (plain.at("@id"), &second, 1)]
    {
        let path = format!("/vms/{vm}");
        assert_eq!(sim.get(&path).await.at("template/@id"), second);
        let start = match vm == pooled {
            true => format!("/vmpools/{}/allocatevm", pool.at("@id")),
            false => format!("{path}/start"),
        };
        sim.post(&start, "<action/>").await.is(200);
        let shown = sim.get(&path).await;
        assert_eq!([shown.at("template/@id"), shown.at("status/state")], [template.as_str(), "up"]);
        // With all that a VM of it has.
        assert_eq!(shown.at("memory") == (2 * GIB).to_string(), template == &third);
        let has = sim.get(&format!("{path}/disks")).await.is(200);
        assert_eq!(has.each("disk", "@id").len(), disks);
        assert!(has.each("disk", "status/state").iter().all(|state| state == "ok"));
        sim.post(&format!("{path}/stop"), "<action/>").await.is(200);
        assert_eq!(sim.get(&path).await.at("template/@id"), *template);
    }
    let told = sim.get("/events").await.each("event", "description");
    assert!(told.iter().any(|text| text.starts_with("VM l is of the latest version of its template")));

    sim.put(&format!("/templates/{second}"), "<template><name>both</name></template>").await.is(200);
    assert_eq!(sim.get(&format!("/templates/{first}")).await.at("name"), "both");
    assert_eq!(sim.delete(&format!("/templates/{first}")).await.status, 409);
}

#[tokio::test]
async fn thin_vms_hold_their_template() {
    let sim = Sim::start().await;
    let (vm, _) = sim.original("a").await;
    let template = sim.template("t", vm, "").await;
    let below = sim.get(&format!("/templates/{template}/disks")).await.at("disk/image_id");
    let made = sim.post("/vms", &vm_of("n", &template, "")).await.is(202);
    assert_eq!((made.at("status/state"), made.at("template/@id")), ("image_locked".into(), template.clone()));
    sim.complete(&link(&made, "creation_status")).await;
    let path = format!("/vms/{}", made.at("@id"));
    assert_eq!(sim.get(&path).await.at("status/state"), "down");
    let disks = sim.get(&format!("{path}/disks")).await.is(200);
    let said = ["alias", "format", "status/state", "active"].map(|path| disks.at(&format!("disk/{path}")));
    assert_eq!(said, ["n_Disk1", "cow", "ok", "true"]);
    assert_ne!(disks.at("disk/image_id"), below);
    let macs = |nics: Got| nics.each("nic", "mac/@address");
    let (own, its) =
        (macs(sim.get(&format!("{path}/nics")).await), macs(sim.get(&format!("/vms/{vm}/nics")).await));
    assert!(own.len() == 1 && own != its, "{own:?} {its:?}");

    let at = format!("/templates/{template}");
    let refused = sim.delete(&at).await;
    assert!(refused.status == 409 && refused.body.contains("based on it: n."), "{}", refused.body);
    let keep = "<action><vm><disks><detach_only/></disks></vm></action>";
    assert_eq!(sim.with_body("DELETE", &path, keep).await.status, 409);
    // A copy of a thin disk stands alone.
    let disk = disks.at("disk/@id");
    let body = "<action><storage_domain><name>data</name></storage_domain><async>false</async></action>";
    sim.post(&format!("/disks/{disk}/copy"), body).await.is(200);
    sim.delete(&path).await.is(204);
    sim.delete(&at).await.is(204);
}

/// Example 15.18 as it is printed, but for its ids.
#[tokio::test]
async fn disks_are_cloned_of_a_template() {
    let sim = Sim::start().await;
    let (vm, _) = sim.original("a").await;
    sim.disk(&format!("/vms/{vm}/disks"), "data").await;
    let template = sim.template("t", vm, "").await;
    let ids = sim.get(&format!("/templates/{template}/disks")).await.each("disk", "@id");
    let body = format!(
        "<vm>\n    <name>cloned_vm</name>\n    <template id=\"{template}\"/>\n    <cluster id=\"{CLUSTER}\"/>\n    \
         <disks>\n        <clone>true</clone>\n        <disk id=\"{}\">\n            <format>COW</format>\n        \
         </disk>\n        <disk id=\"{}\">\n            <format>COW</format>\n        </disk>\n    </disks>\n</vm>",
        ids[0], ids[1]
    );
    let made = sim.waited(&format!("/vms/{UNKNOWN}"), body).await.is(201);
    assert_eq!(made.at("template/@id"), BLANK, "nothing ties it to the template");
    let disks = sim.get(&format!("/vms/{}/disks", made.at("@id"))).await;
    assert_eq!(disks.each("disk", "format"), ["cow", "cow"]);
    sim.delete(&format!("/templates/{template}")).await.is(204);

    let (more, raw) = (sim.template("t", vm, "").await, "<format>raw</format><alias>mine</alias>");
    let id = sim.get(&format!("/templates/{more}/disks")).await.at("disk/@id");
    let disks = |clone: bool, disk: &str| format!("<disks><clone>{clone}</clone>{disk}</disks>");
    let one = disks(true, &format!("<disk id='{id}'>{raw}</disk>"));
    let made = sim.waited("/vms", vm_of("b", &more, &one)).await.is(201).at("@id");
    let made = sim.get(&format!("/vms/{made}/disks")).await;
    assert!(made.each("disk", "alias").contains(&"mine".into()), "{}", made.body);
    assert!(made.each("disk", "format").contains(&"raw".into()), "{}", made.body);
    for (disk, status) in [
        (disks(true, &format!("<disk id='{UNKNOWN}'/>")), 404),
        (disks(true, "<disk><format>cow</format></disk>"), 400),
        (disks(false, &format!("<disk id='{id}'>{raw}</disk>")), 400),
        (disks(true, &format!("<disk id='{id}'><sparse>false</sparse></disk>")), 400),
        (
            disks(
                true,
                &format!(
                    "<disk id='{id}'><storage_domains><storage_domain id='{UNKNOWN}'/></storage_domains></disk>"
                ),
            ),
            404,
        ),
    ] {
        let got = sim.post("/vms", &vm_of("c", &more, &disk)).await;
        assert_eq!(got.status, status, "{disk}: {}", got.body);
    }
    assert_eq!(sim.get("/vms?search=name%3Dc").await.each("vm", "@id").len(), 0);
}

#[tokio::test]
async fn vms_are_made_of_snapshots_and_of_vms() {
    let sim = Sim::start().await;
    let (vm, disk) = sim.original("a").await;
    let take = "<snapshot><description>s</description></snapshot>".to_owned();
    let snapshot = sim.waited(&format!("/vms/{vm}/snapshots"), take).await.is(201).at("@id");
    sim.put(&format!("/vms/{vm}"), "<vm><memory>2147483648</memory></vm>").await.is(200);
    sim.start_vm(vm).await;
    let of = |name: &str, id: &str| {
        let snapshots = format!("<snapshots><snapshot id='{id}'/></snapshots>");
        format!("<vm><name>{name}</name><cluster><name>Default</name></cluster>{snapshots}</vm>")
    };
    let made = sim.waited("/vms", of("was", &snapshot)).await.is(201);
    assert_eq!(made.at("memory"), "1073741824", "as it was");
    assert_eq!(sim.get(&format!("/vms/{}/disks", made.at("@id"))).await.each("disk", "alias"), ["was_Disk1"]);
    assert_eq!(sim.post("/vms", &of("was", &snapshot)).await.status, 400, "the name is taken");
    assert_eq!(sim.post("/vms", &of("x", UNKNOWN)).await.status, 404);
    assert_eq!(sim.get(&format!("/vms/{vm}/snapshots")).await.each("snapshot", "@id").len(), 2);

    let clone = "<action><vm><name>twin</name></vm></action>";
    assert_eq!(sim.post(&format!("/vms/{vm}/clone"), clone).await.status, 409, "it runs");
    let running = format!("<template><name>t</name><vm id='{vm}'/></template>");
    assert_eq!(sim.post("/templates", &running).await.status, 409);
    sim.post(&format!("/vms/{vm}/stop"), "<action/>").await.is(200);
    sim.is_in(vm, "down").await;
    assert_eq!(sim.post(&format!("/vms/{vm}/clone"), "<action/>").await.status, 400);
    let begun = sim.post(&format!("/vms/{vm}/clone"), clone).await.is(202);
    sim.complete(&begun.at("@href")).await;
    let twin = sim.get("/vms?search=name%3Dtwin").await.is(200);
    assert_eq!((twin.at("vm/memory"), twin.at("vm/template/@id")), ("2147483648".into(), BLANK.into()));
    let disks = sim.get(&format!("/vms/{}/disks", twin.at("vm/@id"))).await;
    assert!(disks.each("disk", "@id") != [disk.to_string()], "{}", disks.body);
    assert_eq!(sim.post(&format!("/vms/{vm}/clone"), clone).await.status, 400, "the name is taken");
}

#[tokio::test]
async fn refusals() {
    let sim = Sim::start().await;
    let (vm, _) = sim.original("a").await;
    for (body, status) in [
        ("<template/>".to_owned(), 400),
        ("<template><name>t</name></template>".into(), 400),
        (format!("<template><name>t</name><vm id='{UNKNOWN}'/></template>"), 404),
        (format!("<template><name>a/b</name><vm id='{vm}'/></template>"), 400),
        (format!("<template><name>Blank</name><vm id='{vm}'/></template>"), 400),
        (format!("<template><name>t</name><vm id='{vm}'/><cluster id='{UNKNOWN}'/></template>"), 404),
        (
            format!(
                "<template><name>t</name><vm id='{vm}'/><storage_domain><name>iso</name></storage_domain></template>"
            ),
            400,
        ),
        (
            format!(
                "<template><name>t</name><vm id='{vm}'/><version><base_template id='{BLANK}'/></version></template>"
            ),
            400,
        ),
    ] {
        let got = sim.post("/templates", &body).await;
        assert_eq!(got.status, status, "{body}: {}", got.body);
    }
    let blank = format!("/templates/{BLANK}");
    sim.delete(&blank).await.refused(409, "Operation Failed", "[Removing Blank Template is not allowed.]");
    assert_eq!(sim.put(&blank, "<template><name>x</name></template>").await.status, 409);
    assert_eq!(sim.get(&format!("/templates/{UNKNOWN}")).await.status, 404);
    assert_eq!(sim.get("/templates").await.each("template", "name"), ["Blank"]);
}

#[tokio::test]
async fn what_a_template_has_can_be_changed() {
    let sim = Sim::start().await;
    let (vm, _) = sim.original("a").await;
    let template = sim.template("t", vm, "").await;
    let path = format!("/templates/{template}");

    let nics = format!("{path}/nics");
    let body =
        "<nic><name>nic2</name><interface>e1000</interface><network><name>ovirtmgmt</name></network></nic>";
    let nic = sim.post(&nics, body).await.is(201);
    assert_eq!((nic.at("interface"), nic.at("template/@id")), ("e1000".into(), template.clone()));
    let one = format!("{nics}/{}", nic.at("@id"));
    assert_eq!(sim.post(&nics, body).await.status, 409);
    assert_eq!(sim.post(&nics, "<nic/>").await.status, 400);
    assert_eq!(sim.post(&nics, "<nic><name>a/b</name></nic>").await.status, 400);
    assert_eq!(
        sim.post(&nics, "<nic><name>x</name><network><name>none</name></network></nic>").await.status,
        400
    );
    let changed = sim.put(&one, "<nic><name>nic0</name><linked>false</linked></nic>").await.is(200);
    assert_eq!((changed.at("name"), changed.at("linked")), ("nic0".into(), "false".into()));
    assert_eq!(sim.put(&one, "<nic><name>nic1</name></nic>").await.status, 409);

    let watchdogs = format!("{path}/watchdogs");
    let body = "<watchdog><model>i6300esb</model><action>reset</action></watchdog>";
    let watchdog = sim.post(&watchdogs, body).await.is(201);
    let dog = format!("{watchdogs}/{}", watchdog.at("@id"));
    assert_eq!(sim.post(&watchdogs, body).await.status, 409);
    assert_eq!(
        sim.put(&dog, "<watchdog><action>poweroff</action></watchdog>").await.is(200).at("action"),
        "poweroff"
    );

    let consoles = format!("{path}/graphicsconsoles");
    let console = "<graphics_console><protocol>spice</protocol></graphics_console>";
    let spice = sim.post(&consoles, console).await.is(201);
    assert_eq!(sim.post(&consoles, console).await.status, 409);
    assert_eq!(sim.post(&consoles, "<graphics_console/>").await.status, 400);

    // A VM has what its template has.
    let made = sim.waited("/vms", vm_of("n", &template, "")).await.is(201).at("@id");
    let its = |part: &str| format!("/vms/{made}/{part}");
    assert_eq!(sim.get(&its("nics")).await.each("nic", "name"), ["nic0", "nic1"]);
    assert_eq!(sim.get(&its("watchdogs")).await.each("watchdog", "action"), ["poweroff"]);
    assert_eq!(sim.get(&its("graphicsconsoles")).await.each("graphics_console", "protocol").len(), 2);

    for part in [one, dog, format!("{consoles}/{}", spice.at("@id"))] {
        sim.delete(&part).await.is(204);
        assert_eq!(sim.get(&part).await.status, 404, "{part}");
        assert_eq!(sim.delete(&part).await.status, 404, "{part}");
    }
    for blank in ["nics", "watchdogs", "graphicsconsoles"] {
        let body = [
            "<nic><name>n</name></nic>",
            "<watchdog><model>i6300esb</model><action>reset</action></watchdog>",
            console,
        ];
        let body =
            body[["nics", "watchdogs", "graphicsconsoles"].iter().position(|it| *it == blank).unwrap()];
        assert_eq!(sim.post(&format!("/templates/{BLANK}/{blank}"), body).await.status, 409, "{blank}");
    }
}

#[tokio::test]
async fn a_templates_disk_says_whose_it_is_and_a_clone_who_it_is() {
    let sim = Sim::start().await;
    let (vm, disk) = sim.original("a").await;
    let template = sim.template("t", vm, "").await;
    let all = sim.get("/disks").await.is(200);
    let xml = all.xml();
    let of = |id: &str| xml.all("disk").find(|it| it.get("id") == Some(id)).unwrap().value("template/@id");
    let copy = sim.get(&format!("/templates/{template}/disks")).await.at("disk/@id");
    assert_eq!((of(&copy), of(&disk.to_string())), (Some(template), None));
    let body = "<action><async>false</async><vm><name>twin</name></vm></action>";
    let done = sim.post(&format!("/vms/{vm}/clone"), body).await.is(200);
    let twin = sim.get("/vms?search=name%3Dtwin").await.at("vm/@id");
    assert_eq!((done.at("vm/@id"), done.at("vm/name")), (twin, "twin".into()));
}

#[tokio::test]
async fn a_templates_disk_lies_in_several_storage_domains() {
    let sim = Sim::start().await;
    let (vm, _) = sim.original("a").await;
    let template = sim.template("t", vm, "").await;
    let second = sim.domain("second", "data").await;
    let disk = sim.get(&format!("/templates/{template}/disks")).await.at("disk/@id");
    let path = format!("/templates/{template}/disks/{disk}");
    let there = |name: &str| {
        format!("<storage_domains><storage_domain><name>{name}</name></storage_domain></storage_domains>")
    };
    let near = format!("<disks><disk id='{disk}'>{}</disk></disks>", there("second"));
    assert_eq!(sim.post("/vms", &vm_of("n", &template, &near)).await.status, 400, "no copy is there yet");

    let to = |name: &str| {
        format!("<action><async>false</async><storage_domain><name>{name}</name></storage_domain></action>")
    };
    assert_eq!(sim.post(&format!("{path}/copy"), "<action/>").await.status, 400);
    assert_eq!(sim.post(&format!("{path}/copy"), &to("none")).await.status, 404);
    assert_eq!(sim.post(&format!("{path}/copy"), &to("iso")).await.status, 400);
    assert_eq!(sim.post(&format!("{path}/copy"), &to("data")).await.status, 409, "it is there");
    sim.post(&format!("{path}/copy"), &to("second")).await.is(200);
    assert_eq!(sim.post(&format!("{path}/copy"), &to("second")).await.status, 409);
    let domains = |got: Got| -> Vec<String> {
        let xml = got.xml();
        xml.every("storage_domains/storage_domain")
            .into_iter()
            .map(|it| it.get("id").unwrap().to_owned())
            .collect()
    };
    assert_eq!(domains(sim.get(&path).await.is(200)), [DATA, &second]);

    // A thin VM lies where it is told to, over what is there.
    let made = sim.waited("/vms", vm_of("n", &template, &near)).await.is(201).at("@id");
    let thin = sim.get(&format!("/vms/{made}/disks")).await.is(200);
    assert_eq!(thin.at("disk/storage_domains/storage_domain/@id"), second);
    let center = "/datacenters/00000002-0002-0002-0002-000000000255";
    assert_eq!(
        sim.post(&format!("{center}/storagedomains/{second}/deactivate"), "<action/>").await.status,
        200
    );
    sim.post(&format!("{center}/storagedomains/{second}/activate"), "<action/>").await.is(200);

    // Its disk moves to where the template's is, and nowhere else.
    sim.domain("third", "data").await;
    let its = format!("/vms/{made}/disks/{}/move", thin.at("disk/@id"));
    assert_eq!(sim.post(&its, &to("third")).await.status, 409);
    sim.post(&its, &to("data")).await.is(200);
    sim.post(&its, &to("second")).await.is(200);

    let from = |name: &str| format!("<action><storage_domain><name>{name}</name></storage_domain></action>");
    let off = async |name: &str| sim.with_body("DELETE", &path, &from(name)).await.status;
    assert_eq!(sim.delete(&path).await.status, 400);
    assert_eq!(off("second").await, 409, "a thin disk lies over it");
    sim.delete(&format!("/vms/{made}")).await.is(204);
    // The first one may go as well: the other is the disk's own then.
    assert_eq!(off("data").await, 204);
    assert_eq!(domains(sim.get(&path).await.is(200)), std::slice::from_ref(&second));
    assert_eq!((off("data").await, off("second").await), (409, 409), "it is the last");
    sim.post(&format!("{path}/copy"), &to("data")).await.is(200);
    sim.delete(&format!("/templates/{template}")).await.is(204);
    let images = sim
        .images
        .files()
        .into_iter()
        .filter(|file| file.extension().is_some_and(|it| it == "raw" || it == "qcow2"));
    assert_eq!(images.count(), 1, "the original's");
}

#[tokio::test]
async fn there_is_no_provider_to_export_a_template_disk_to() {
    let sim = Sim::start().await;
    let (vm, _) = sim.original("a").await;
    let template = sim.template("t", vm, "").await;
    let disk = sim.get(&format!("/templates/{template}/disks")).await.at("disk/@id");
    let path = format!("/templates/{template}/disks/{disk}/export");
    assert_eq!(sim.post(&path, "<action/>").await.status, 400);
    let unknown = "<action><storage_domain><name>none</name></storage_domain></action>";
    assert_eq!(sim.post(&path, unknown).await.status, 404);
    let data = "<action><storage_domain><name>data</name></storage_domain></action>";
    assert_eq!(sim.post(&path, data).await.status, 409);
}

#[tokio::test]
async fn permissions_come_along_when_asked_for() {
    let sim = Sim::start().await;
    let (vm, _) = sim.original("a").await;
    let template = sim.template("t", vm, "").await;
    let user = sim.post("/users", "<user><user_name>u@internal</user_name><domain><name>internal</name></domain><password>secret-1</password></user>").await.is(201).at("@id");
    let given = format!("<permission><role><name>UserRole</name></role><user id='{user}'/></permission>");
    sim.post(&format!("/templates/{template}/permissions"), &given).await.is(201);
    let holders = async |vm: &str| {
        sim.get(&format!("/vms/{vm}/permissions")).await.is(200).each("permission", "user/@id")
    };
    let plain = sim.waited("/vms", vm_of("n", &template, "")).await.is(201).at("@id");
    assert!(!holders(&plain).await.contains(&user));
    let with = "<permissions><clone>true</clone></permissions>";
    let cloned = sim.waited("/vms", vm_of("m", &template, with)).await.is(201).at("@id");
    assert!(holders(&cloned).await.contains(&user));
}
