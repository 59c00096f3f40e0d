//! The daemon dies at each of its failpoints, and its next start leaves nothing half done; or it is
//! held there while libvirtd or the guest's QEMU dies, and goes on.
//!
//! `VIREO_FAILPOINT_RUNS` says how often it dies at each (1; the full count is 3).

use super::place::{EXPECT, MIB, items, prompt};
use super::place::{Place, act, attempt, create_disk, create_vm, disk_document, start, vm_document};
use crate::live::harness::{Client, run};
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use vireo::engine::failpoint;
use vireo::xml::Element;

impl Place {
    /// A daemon that aborts at a failpoint, in the place of the one that runs.
    fn doomed(&mut self, failpoint: &str) -> Child {
        // What came to its end last is written a moment later: its end is not to be repeated here.
        std::thread::sleep(Duration::from_millis(100));
        self.lab.daemon.kill();
        let mut command = self.lab.daemon.command();
        command.env("VIREO_FAILPOINT", failpoint);
        self.lab.daemon.run(command, &self.lab.host.root.join("doomed.log"))
    }
}

/// Waits for the end of a daemon that was bound to die.
fn dies(child: &mut Child, what: &str) {
    let end = Instant::now() + Duration::from_secs(15);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("never reached: {what}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What is there when the daemon is about to die: a VM of that name, its disks and its interfaces.
struct Things {
    name: String,
    vm: String,
    disks: Vec<String>,
    nics: Vec<String>,
}

impl Things {
    fn new(client: &Client, name: &str, count: usize) -> Self {
        let vm = create_vm(client, name);
        let disk = |n| create_disk(client, Some(&vm), &format!("{name}-{n}"), "");
        let disks = (0..count).map(disk).collect();
        Self { name: name.to_owned(), vm, disks, nics: Vec::new() }
    }

    /// With interfaces of those names, added in their order.
    fn with_nics(mut self, client: &Client, names: &[&str]) -> Self {
        let path = format!("/vms/{}/nics", self.vm);
        let add = |name: &&str| client.post(&path, &nic_document(name)).is(201).value("@id").unwrap();
        self.nics = names.iter().map(add).collect();
        self
    }

    fn nic(&self) -> String {
        format!("/vms/{}/nics/{}", self.vm, self.nics[0])
    }

    fn disk(&self) -> String {
        format!("/vms/{}/disks/{}", self.vm, self.disks[0])
    }
}

/// Brings a daemon to the failpoints of one operation: what it needs, and the request.
struct Way {
    operation: &'static str,
    prepare: fn(&Client, &str) -> Things,
    request: fn(&Client, &Things),
}

const WAYS: &[Way] = &[
    Way {
        operation: "create_vm",
        prepare: |client, name| {
            let things = Things::new(client, name, 1);
            templated(client, &things);
            things
        },
        request: |client, it| {
            let from = format!("<template><name>{}</name></template>", template_name(it));
            let body = vm_document(&format!("{}-new", it.name));
            let body = body.replace("<template><name>Blank</name></template>", &from);
            drop(attempt(client, "POST", "/vms", &body))
        },
    },
    Way {
        operation: "unregister_vm",
        prepare: |client, name| {
            let things = with_domain(client, name);
            let body = format!("<storage_domain><name>{name}</name></storage_domain>");
            client.post(&attached(client), &body).is(201);
            let there = disk_document(&format!("{name}-disk"), "").replace(">data<", &format!(">{name}<"));
            client.send("POST", &format!("/vms/{}/disks", things.vm), EXPECT, &there).is(201);
            client.post(&format!("{}/deactivate", domain(client, name)), "<action/>").is(200);
            things
        },
        request: |client, it| drop(attempt(client, "DELETE", &domain(client, &it.name), "")),
    },
    Way {
        operation: "export",
        // In the place of what is there.
        prepare: exported_vm,
        request: |client, it| {
            let body = to_exports("<exclusive>true</exclusive>");
            drop(attempt(client, "POST", &format!("/vms/{}/export", it.vm), &body));
        },
    },
    Way {
        operation: "remove_export",
        prepare: exported_vm,
        request: |client, it| drop(attempt(client, "DELETE", &exported(client, it), "")),
    },
    Way {
        operation: "import",
        prepare: |client, name| {
            let things = exported_vm(client, name);
            client.delete(&format!("/vms/{}", things.vm)).is(204);
            things
        },
        request: |client, it| {
            let path = format!("{}/import", exported(client, it));
            drop(attempt(client, "POST", &path, &to_data(client)));
        },
    },
    Way {
        operation: "import_template",
        prepare: |client, name| {
            let things = with_exports(client, name);
            templated(client, &things);
            let template = template_of(client, &things).unwrap();
            client.post(&format!("/templates/{template}/export"), &to_exports("")).is(200);
            client.delete(&format!("/templates/{template}")).is(204);
            things
        },
        request: |client, it| {
            let inside = format!("/storagedomains/{}/templates", exports(client));
            let all = items(&client.get(&inside).is(200), "template");
            let named = |(_, one): &(&String, &Element)| one.value("name") == Some(template_name(it));
            let id = all.iter().find(named).unwrap().0;
            drop(attempt(client, "POST", &format!("{inside}/{id}/import"), &to_data(client)));
        },
    },
    Way {
        operation: "update_vm",
        prepare: running,
        request: |client, it| {
            let path = format!("/vms/{}", it.vm);
            drop(attempt(client, "PUT", &path, "<vm><description>new</description></vm>"));
        },
    },
    Way {
        operation: "remove_vm",
        prepare: |client, name| Things::new(client, name, 4),
        request: |client, it| drop(attempt(client, "DELETE", &format!("/vms/{}", it.vm), "")),
    },
    Way {
        operation: "add_disk",
        prepare: running,
        request: |client, it| {
            let path = format!("/vms/{}/disks", it.vm);
            drop(attempt(client, "POST", &path, &disk_document(&format!("{}-new", it.name), "")));
        },
    },
    Way {
        operation: "attach_disk",
        prepare: |client, name| {
            let mut things = running(client, name);
            things.disks = vec![create_disk(client, None, &format!("{name}-floating"), "")];
            things
        },
        request: |client, it| {
            let body = format!("<disk id='{}'><active>true</active></disk>", it.disks[0]);
            drop(attempt(client, "POST", &format!("/vms/{}/disks", it.vm), &body));
        },
    },
    Way {
        operation: "borrow_disk",
        prepare: |client, name| {
            let lender = Things::new(client, &format!("{name}-lender"), 1);
            let snapshots = format!("/vms/{}/snapshots", lender.vm);
            client
                .send("POST", &snapshots, EXPECT, "<snapshot><description>s</description></snapshot>")
                .is(201);
            Things { disks: lender.disks, ..running(client, name) }
        },
        request: |client, it| {
            let lender = client.get(&format!("/vms?search=name%3D{}-lender", it.name)).is(200);
            let lender = lender.value("vm/@id").unwrap();
            let all = client.get(&format!("/vms/{lender}/snapshots")).is(200);
            let taken =
                all.all("snapshot").find(|it| it.value("type").as_deref() == Some("regular")).unwrap();
            let body = format!(
                "<disk id='{}'><snapshot id='{}'/><active>true</active></disk>",
                it.disks[0],
                taken.value("@id").unwrap()
            );
            drop(attempt(client, "POST", &format!("/vms/{}/disks", it.vm), &body));
        },
    },
    Way {
        operation: "plug_disk",
        prepare: |client, name| {
            let things = running(client, name);
            act(client, &format!("{}/deactivate", things.disk()));
            things
        },
        request: |client, it| drop(attempt(client, "POST", &format!("{}/activate", it.disk()), "<action/>")),
    },
    Way {
        operation: "unplug_disk",
        prepare: running,
        request: |client, it| {
            drop(attempt(client, "POST", &format!("{}/deactivate", it.disk()), "<action/>"))
        },
    },
    Way {
        operation: "remove_disk",
        prepare: |client, name| {
            let mut things = Things::new(client, name, 0);
            let wiped = "<wipe_after_delete>true</wipe_after_delete>";
            things.disks = vec![create_disk(client, Some(&things.vm), name, wiped)];
            things
        },
        request: |client, it| drop(attempt(client, "DELETE", &format!("/disks/{}", it.disks[0]), "")),
    },
    Way {
        operation: "update_disk",
        prepare: |client, name| Things::new(client, name, 1),
        request: |client, it| {
            drop(attempt(client, "PUT", &it.disk(), "<disk><bootable>true</bootable></disk>"));
        },
    },
    Way {
        operation: "resize_disk",
        prepare: running,
        request: |client, it| {
            let body = format!("<disk><provisioned_size>{}</provisioned_size></disk>", 2 * MIB);
            drop(attempt(client, "PUT", &it.disk(), &body));
        },
    },
    Way {
        operation: "add_nic",
        prepare: running,
        request: |client, it| {
            drop(attempt(client, "POST", &format!("/vms/{}/nics", it.vm), &nic_document("new")));
        },
    },
    Way {
        operation: "nic",
        prepare: running,
        request: |client, it| {
            drop(attempt(client, "POST", &format!("/vms/{}/nics", it.vm), &nic_document("new")));
        },
    },
    Way {
        operation: "update_nic",
        prepare: |client, name| running(client, name).with_nics(client, &["a"]),
        request: |client, it| drop(attempt(client, "PUT", &it.nic(), "<nic><linked>false</linked></nic>")),
    },
    Way {
        operation: "unplug_nic",
        prepare: |client, name| {
            // The guest that answers an unplug.
            let document = vm_document(name).replace("halt.elf", "mini.elf");
            let vm = client.post("/vms", &document).is(201).value("@id").unwrap();
            let things = Things { name: name.to_owned(), vm, disks: Vec::new(), nics: Vec::new() };
            let things = things.with_nics(client, &["a"]);
            start(client, &things.vm);
            things
        },
        request: |client, it| {
            // A guest that just began does not listen yet: it is asked until it lets go.
            for _ in 0..10 {
                if attempt(client, "POST", &format!("{}/deactivate", it.nic()), "<action/>").is_none() {
                    return;
                }
            }
        },
    },
    Way {
        operation: "remove_nic",
        prepare: |client, name| Things::new(client, name, 0).with_nics(client, &["a"]),
        request: |client, it| drop(attempt(client, "DELETE", &it.nic(), "")),
    },
    Way {
        operation: "reorder_macs",
        prepare: |client, name| Things::new(client, name, 0).with_nics(client, &["b", "a"]),
        request: |client, it| {
            drop(attempt(client, "POST", &format!("/vms/{}/reordermacaddresses", it.vm), "<action/>"));
        },
    },
    Way {
        operation: "move_disk",
        prepare: |client, name| {
            second(client);
            running(client, name)
        },
        request: |client, it| drop(attempt(client, "POST", &format!("{}/move", it.disk()), TO_SECOND)),
    },
    Way {
        operation: "copy_disk",
        prepare: |client, name| {
            second(client);
            Things::new(client, name, 1)
        },
        request: |client, it| {
            drop(attempt(client, "POST", &format!("/disks/{}/copy", it.disks[0]), TO_SECOND));
        },
    },
    Way {
        operation: "add_storage_domain",
        prepare: |client, name| Things::new(client, name, 0),
        request: |client, it| {
            drop(attempt(client, "POST", "/storagedomains", &domain_document(client, &it.name)))
        },
    },
    Way {
        operation: "update_storage_domain",
        prepare: with_domain,
        request: |client, it| {
            let body = format!("<storage_domain><name>{}</name></storage_domain>", it.name);
            drop(attempt(client, "POST", &attached(client), &body));
        },
    },
    Way {
        operation: "remove_storage_domain",
        prepare: with_domain,
        request: |client, it| {
            let domains = items(&client.get("/storagedomains").is(200), "storage_domain");
            let named = |domain: &&Element| domain.value("name").as_deref() == Some(&it.name);
            let id = domains.values().find(named).unwrap().value("@id").unwrap();
            let body =
                "<storage_domain><host><name>localhost</name></host><format>true</format></storage_domain>"
                    .replace("localhost", &host(client));
            drop(attempt(client, "DELETE", &format!("/storagedomains/{id}"), &body));
        },
    },
    Way {
        operation: "add_network",
        prepare: |client, name| Things::new(client, name, 0),
        request: |client, it| drop(attempt(client, "POST", "/networks", &network_document(it))),
    },
    Way {
        operation: "update_network",
        prepare: with_network,
        request: |client, it| {
            drop(attempt(client, "PUT", &network(client, it), "<network><mtu>9000</mtu></network>"));
        },
    },
    Way {
        operation: "remove_network",
        prepare: with_network,
        request: |client, it| drop(attempt(client, "DELETE", &network(client, it), "")),
    },
    Way {
        operation: "update_profile",
        prepare: with_network,
        request: |client, it| {
            let profiles = client.get(&format!("{}/vnicprofiles", network(client, it))).is(200);
            let path = format!("/vnicprofiles/{}", profiles.value("vnic_profile/@id").unwrap());
            let body = "<vnic_profile><port_mirroring>true</port_mirroring></vnic_profile>";
            drop(attempt(client, "PUT", &path, body));
        },
    },
    Way {
        operation: "limit_disks",
        prepare: |client, name| {
            let things = Things::new(client, name, 1);
            start(client, &things.vm);
            things
        },
        request: |client, it| {
            let body = format!("<qos><name>{}</name><max_iops>1000</max_iops></qos>", it.name);
            let center = client.get("/datacenters").is(200).value("data_center/@id").unwrap();
            let qos =
                client.post(&format!("/datacenters/{center}/qoss"), &body).is(201).value("@id").unwrap();
            let body = format!("<disk_profile><qos id='{qos}'/></disk_profile>");
            drop(attempt(client, "PUT", "/diskprofiles/23fb2e0d-3062-4819-8165-3be88f2f587e", &body));
        },
    },
    Way {
        operation: "create_template",
        prepare: |client, name| Things::new(client, name, 2),
        request: |client, it| {
            drop(attempt(client, "POST", "/templates", &template_document(it)));
        },
    },
    Way {
        operation: "remove_template",
        prepare: |client, name| {
            let things = Things::new(client, name, 2);
            templated(client, &things);
            things
        },
        request: |client, it| {
            drop(attempt(client, "DELETE", &format!("/templates/{}", template_of(client, it).unwrap()), ""));
        },
    },
    Way {
        operation: "create_snapshot",
        prepare: running,
        request: |client, it| {
            drop(attempt(client, "POST", &format!("/vms/{}/snapshots", it.vm), SNAPSHOT));
        },
    },
    Way {
        operation: "remove_snapshot",
        prepare: |client, name| {
            let things = running(client, name);
            kept(client, &things.vm);
            things
        },
        request: |client, it| {
            let path = format!("/vms/{}/snapshots/{}", it.vm, newest(client, &it.vm));
            drop(attempt(client, "DELETE", &path, ""));
        },
    },
    Way {
        operation: "restore_snapshot",
        prepare: |client, name| {
            let things = Things::new(client, name, 2);
            kept(client, &things.vm);
            things
        },
        request: |client, it| {
            let path = format!("/vms/{}/snapshots/{}/restore", it.vm, newest(client, &it.vm));
            drop(attempt(client, "POST", &path, "<action/>"));
        },
    },
    Way {
        operation: "end_preview",
        prepare: |client, name| {
            let things = Things::new(client, name, 2);
            let id = kept(client, &things.vm);
            let body = format!("<action><snapshot id='{id}'/></action>");
            client.post(&format!("/vms/{}/preview_snapshot", things.vm), &body).is(200);
            things
        },
        request: |client, it| {
            drop(attempt(client, "POST", &format!("/vms/{}/commit_snapshot", it.vm), "<action/>"));
        },
    },
    Way {
        operation: "wake_vm",
        prepare: |client, name| {
            let things = running(client, name);
            let body = SNAPSHOT.replace("</snap", "<persist_memorystate>true</persist_memorystate></snap");
            let path = format!("/vms/{}/snapshots", things.vm);
            let id =
                client.send("POST", &path, &["Expect: 201-created"], &body).is(201).value("@id").unwrap();
            act(client, &format!("/vms/{}/stop", things.vm));
            let restore = "<action><restore_memory>true</restore_memory></action>";
            client.post(&format!("{path}/{id}/restore"), restore).is(200);
            things
        },
        request: |client, it| drop(attempt(client, "POST", &format!("/vms/{}/start", it.vm), "<action/>")),
    },
    Way {
        operation: "begin_stateless",
        prepare: |client, name| {
            let things = Things::new(client, name, 2);
            forgetful(client, &things);
            things
        },
        request: |client, it| drop(attempt(client, "POST", &format!("/vms/{}/start", it.vm), "<action/>")),
    },
    Way {
        operation: "follow_version",
        prepare: |client, name| {
            let things = Things::new(client, name, 1);
            templated(client, &things);
            let first = template_of(client, &things).unwrap();
            let of = format!(
                "<template id='{first}'/><stateless>true</stateless>\
                 <use_latest_template_version>true</use_latest_template_version>"
            );
            let body = vm_document(&format!("{name}-thin"));
            let body = body.replace("<template><name>Blank</name></template>", &of);
            let vm =
                client.send("POST", "/vms", &["Expect: 201-created"], &body).is(201).value("@id").unwrap();
            let version = format!("<version><base_template id='{first}'/></version></template>");
            let next = template_document(&things).replace("</template>", &version);
            client.send("POST", "/templates", &["Expect: 201-created"], &next).is(201);
            Things { vm, ..things }
        },
        request: |client, it| drop(attempt(client, "POST", &format!("/vms/{}/start", it.vm), "<action/>")),
    },
    Way {
        operation: "end_stateless",
        prepare: |client, name| {
            let things = Things::new(client, name, 2);
            forgetful(client, &things);
            start(client, &things.vm);
            things
        },
        request: |client, it| drop(attempt(client, "POST", &format!("/vms/{}/stop", it.vm), "<action/>")),
    },
    Way {
        operation: "start",
        prepare: |client, name| {
            let things = Things::new(client, name, 1);
            let told = "<vm><initialization><host_name>web1</host_name></initialization></vm>";
            client.put(&format!("/vms/{}", things.vm), told).is(200);
            things
        },
        request: |client, it| drop(attempt(client, "POST", &format!("/vms/{}/start", it.vm), "<action/>")),
    },
    Way {
        operation: "stop",
        prepare: running,
        request: |client, it| drop(attempt(client, "POST", &format!("/vms/{}/stop", it.vm), "<action/>")),
    },
    Way {
        operation: "suspend",
        prepare: running,
        request: |client, it| drop(attempt(client, "POST", &format!("/vms/{}/suspend", it.vm), "<action/>")),
    },
    Way {
        operation: "undo",
        prepare: |client, name| Things::new(client, name, 1),
        // Its image cannot be made.
        request: |client, it| drop(attempt(client, "POST", "/templates", &template_document(it))),
    },
];

const SNAPSHOT: &str = "<snapshot><description>kept</description></snapshot>";

fn forgetful(client: &Client, it: &Things) {
    client.put(&format!("/vms/{}", it.vm), "<vm><stateless>true</stateless></vm>").is(200);
}

fn kept(client: &Client, vm: &str) -> String {
    let path = format!("/vms/{vm}/snapshots");
    client.send("POST", &path, &["Expect: 201-created"], SNAPSHOT).is(201).value("@id").unwrap()
}

fn template_name(it: &Things) -> String {
    format!("of-{}", it.name)
}

fn template_document(it: &Things) -> String {
    format!("<template><name>{}</name><vm id='{}'/></template>", template_name(it), it.vm)
}

fn templated(client: &Client, it: &Things) {
    client.send("POST", "/templates", &["Expect: 201-created"], &template_document(it)).is(201);
}

fn template_of(client: &Client, it: &Things) -> Option<String> {
    let all = items(&client.get("/templates").is(200), "template");
    all.into_iter().find(|(_, one)| one.value("name") == Some(template_name(it))).map(|(id, _)| id)
}

fn newest(client: &Client, vm: &str) -> String {
    let all = client.get(&format!("/vms/{vm}/snapshots")).is(200);
    all.all("snapshot").nth(1).unwrap().value("@id").unwrap()
}

fn nic_document(name: &str) -> String {
    format!("<nic><name>{name}</name><interface>virtio</interface></nic>")
}

fn network_document(it: &Things) -> String {
    let home = "<data_center><name>Default</name></data_center>";
    format!("<network><name>{}</name>{home}</network>", network_name(it))
}

/// Short, as names of networks are.
fn network_name(it: &Things) -> &str {
    &it.vm[..8]
}

fn with_network(client: &Client, name: &str) -> Things {
    let things = Things::new(client, name, 0);
    client.post("/networks", &network_document(&things)).is(201);
    things
}

fn network(client: &Client, it: &Things) -> String {
    let networks = items(&client.get("/networks").is(200), "network");
    let named =
        |(_, network): &(&String, &Element)| network.value("name").as_deref() == Some(network_name(it));
    format!("/networks/{}", networks.iter().find(named).unwrap().0)
}

fn host(client: &Client) -> String {
    client.get("/hosts").is(200).value("host/name").unwrap()
}

/// The storage domains of the data center.
fn attached(client: &Client) -> String {
    format!(
        "/datacenters/{}/storagedomains",
        client.get("/datacenters").is(200).value("data_center/@id").unwrap()
    )
}

/// The storage domain of that name in its data center.
fn domain(client: &Client, name: &str) -> String {
    let all = items(&client.get(&attached(client)).is(200), "storage_domain");
    let named = |(_, domain): &(&String, &Element)| domain.value("name").as_deref() == Some(name);
    format!("{}/{}", attached(client), all.iter().find(named).unwrap().0)
}

/// A storage domain over a new folder beside the first one's.
fn domain_document(client: &Client, name: &str) -> String {
    let domains = items(&client.get("/storagedomains").is(200), "storage_domain");
    let data = domains.values().find(|domain| domain.value("name").as_deref() == Some("data")).unwrap();
    let images = data.value("storage/path").unwrap();
    let folder = images.replace("/vireo/images", &format!("/more-{name}"));
    std::fs::create_dir_all(&folder).unwrap();
    format!(
        "<storage_domain><name>{name}</name><type>data</type><host><name>{}</name></host>\
         <storage><type>localfs</type><path>{folder}</path></storage></storage_domain>",
        host(client)
    )
}

const TO_SECOND: &str = "<action><storage_domain><name>second</name></storage_domain></action>";

/// An active domain to which disks can go, made once.
fn second(client: &Client) {
    let domains = items(&client.get("/storagedomains").is(200), "storage_domain");
    if !domains.values().any(|domain| domain.value("name").as_deref() == Some("second")) {
        client.post("/storagedomains", &domain_document(client, "second")).is(201);
        let body = "<storage_domain><name>second</name></storage_domain>";
        client.post(&attached(client), body).is(201);
    }
}

/// An active export domain, made once.
fn exports(client: &Client) -> String {
    let domains = items(&client.get("/storagedomains").is(200), "storage_domain");
    let known = domains.iter().find(|(_, domain)| domain.value("name").as_deref() == Some("exports"));
    if let Some((id, _)) = known {
        return id.clone();
    }
    let body = domain_document(client, "exports").replace(">data<", ">export<");
    let made = client.post("/storagedomains", &body).is(201).value("@id").unwrap();
    client.post(&attached(client), &format!("<storage_domain id='{made}'/>")).is(201);
    made
}

/// A VM with a snapshot that an export can take along.
fn with_exports(client: &Client, name: &str) -> Things {
    exports(client);
    let things = Things::new(client, name, 2);
    client.send("POST", &format!("/vms/{}/snapshots", things.vm), EXPECT, SNAPSHOT).is(201);
    things
}

/// The same, which lies in the export domain, too.
fn exported_vm(client: &Client, name: &str) -> Things {
    let things = with_exports(client, name);
    client.post(&format!("/vms/{}/export", things.vm), &to_exports("")).is(200);
    things
}

fn to_exports(more: &str) -> String {
    format!(
        "<action><async>false</async><storage_domain><name>exports</name></storage_domain>{more}</action>"
    )
}

fn to_data(client: &Client) -> String {
    let cluster = client.get("/clusters").is(200).value("cluster/@id").unwrap();
    format!(
        "<action><async>false</async><cluster id='{cluster}'/>\
         <storage_domain><name>data</name></storage_domain></action>"
    )
}

/// Where the VM lies in the export domain.
fn exported(client: &Client, it: &Things) -> String {
    format!("/storagedomains/{}/vms/{}", exports(client), it.vm)
}

fn with_domain(client: &Client, name: &str) -> Things {
    client.post("/storagedomains", &domain_document(client, name)).is(201);
    Things::new(client, name, 0)
}

fn running(client: &Client, name: &str) -> Things {
    let things = Things::new(client, name, 1);
    start(client, &things.vm);
    things
}

fn runs_of_each() -> usize {
    std::env::var("VIREO_FAILPOINT_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

#[test]
fn every_failpoint() {
    let Some(mut place) = Place::new() else { return };
    let runs = runs_of_each();
    let mut times = Vec::new();
    for run in 0..runs {
        for point in failpoint::ALL {
            let operation = point.split('.').next().unwrap();
            let way = WAYS.iter().find(|way| way.operation == operation);
            let way = way.unwrap_or_else(|| panic!("no way leads to {point}"));
            let name = format!("{}-{run}", point.replace(['.', '_'], "-"));
            let things = (way.prepare)(&place.client(), &name);
            let mut doomed = place.doomed(point);
            let no_images = place.lab.daemon.tools().join("qemu-img");
            if operation == "undo" {
                std::os::unix::fs::symlink("/bin/false", &no_images).unwrap();
            }
            (way.request)(&place.client(), &things);
            dies(&mut doomed, point);
            if operation == "undo" {
                std::fs::remove_file(&no_images).unwrap();
            }
            times.push(place.recovered());
            if operation == "unregister_vm" {
                place.client().delete(&domain(&place.client(), &things.name)).is(204);
                place.client().get(&format!("/vms/{}", things.vm)).is(404);
            }
            if operation == "remove_vm" {
                let left = items(&place.client().get("/disks").is(200), "disk");
                let left = things.disks.iter().filter(|disk| left.contains_key(*disk)).count();
                assert!(left == 0 || left == 4, "{point}: {left} of 4 disks are left");
            }
            clean(&place, &things);
        }
    }
    let slowest = prompt(times);
    println!("{runs} x {} failpoints, whole again after {slowest:?} at most", failpoint::ALL.len());
}

/// What changes chains of images or makes images of others, and whether its guest runs meanwhile.
const STRICKEN: &[(&str, bool)] = &[
    ("create_snapshot", true),
    ("remove_snapshot", true),
    ("move_disk", true),
    ("wake_vm", true),
    ("restore_snapshot", false),
    ("end_preview", false),
    ("create_vm", false),
    ("create_template", false),
    ("import", false),
];

/// Waits until the process has stopped itself.
fn stops(child: &Child, what: &str) {
    let stat = format!("/proc/{}/stat", child.id());
    let state = || std::fs::read_to_string(&stat).unwrap().rsplit_once(") ").unwrap().1.chars().next();
    let end = Instant::now() + Duration::from_secs(15);
    while state() != Some('T') {
        assert!(Instant::now() < end, "never reached: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whoever else dies while the daemon is amid an operation, that one ends wholly or not at all.
#[test]
fn others_die_at_failpoints() {
    let Some(mut place) = Place::new() else { return };
    let mut strikes = 0;
    for point in failpoint::ALL {
        let operation = point.split('.').next().unwrap();
        let Some((_, runs)) = STRICKEN.iter().find(|(name, _)| *name == operation) else { continue };
        let way = WAYS.iter().find(|way| way.operation == operation).unwrap();
        let victims: &[&str] = match runs {
            false => &["libvirtd"],
            // In turns, to save time, or both.
            true if runs_of_each() == 1 => &[["libvirtd", "qemu"][strikes % 2]],
            true => &["libvirtd", "qemu"],
        };
        for victim in victims {
            let what = format!("{victim} at {point}");
            println!("{what}");
            let name = format!("{}-{victim}", point.replace(['.', '_'], "-"));
            let things = (way.prepare)(&place.client(), &name);
            let mut held = place.doomed(&format!("stop:{point}"));
            let client = place.client();
            std::thread::scope(|scope| {
                let asked = scope.spawn(|| (way.request)(&client, &things));
                stops(&held, &what);
                let qemu = (*victim == "qemu").then(|| place.lab.host.qemu(&things.vm)).flatten();
                match &qemu {
                    Some(qemu) => drop(run(Command::new("kill").args(["-KILL", qemu]))),
                    None => drop(place.lab.host.command(&["kill-libvirtd", "KILL"])),
                }
                run(Command::new("kill").args(["-CONT", &held.id().to_string()]));
                if qemu.is_none() {
                    // What is asked of it in vain.
                    std::thread::sleep(Duration::from_millis(300));
                    place.lab.host.command(&["start-libvirtd"]);
                }
                asked.join().unwrap();
            });
            place.whole();
            held.kill().unwrap();
            held.wait().unwrap();
            place.recovered();
            clean(&place, &things);
            strikes += 1;
        }
    }
    println!("{strikes} deaths of others, whole again after each");
}

/// What the next one does not need would only slow its audit.
fn clean(place: &Place, things: &Things) {
    let client = place.client();
    let vms = items(&client.get("/vms").is(200), "vm");
    let ours = |vm: &Element| vm.value("name").unwrap().starts_with(&things.name);
    let mut vms: Vec<_> = vms.iter().filter(|(_, vm)| ours(vm)).collect();
    // Who borrows another one's disk goes before it.
    vms.sort_by_key(|(_, vm)| vm.value("name"));
    for (id, vm) in vms {
        if vm.value("status/state").as_deref() != Some("down") {
            act(&client, &format!("/vms/{id}/stop"));
        }
        client.delete(&format!("/vms/{id}")).is(204);
    }
    let templates = items(&client.get("/templates").is(200), "template");
    let named = |one: &Element| one.value("name") == Some(template_name(things));
    let mut templates: Vec<_> = templates.iter().filter(|(_, one)| named(one)).collect();
    // The first version goes after all others.
    templates.sort_by_key(|(_, one)| std::cmp::Reverse(one.value("version/version_number")));
    for (id, _) in templates {
        client.delete(&format!("/templates/{id}")).is(204);
    }
    for (id, network) in items(&client.get("/networks").is(200), "network") {
        if network.value("name").as_deref() == Some(network_name(things)) {
            client.delete(&format!("/networks/{id}")).is(204);
        }
    }
    for disk in &things.disks {
        attempt(&client, "DELETE", &format!("/disks/{disk}"), "");
    }
}
