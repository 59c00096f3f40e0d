//! Who may do what: tags, bookmarks, users, roles, permissions, and their enforcement on every route.

use super::*;
use vireo::api::routes::ROUTES;
use vireo::model::permits;

pub const READ_ONLY_ADMIN: &str = "def0000c-0000-0000-0000-def00000000c";
const VM_MANAGER: &str = "def00006-0000-0000-0000-def000000006";
pub const FILTER: (&str, &str) = ("filter", "true");

pub async fn user(sim: &Sim, name: &str) -> String {
    let body = format!("<user><user_name>{name}@internal</user_name><password>secret</password></user>");
    sim.post("/users", &body).await.is(201).at("@id")
}

pub async fn give(sim: &Sim, path: &str, user: &str, role: &str) -> Got {
    let body = format!("<permission><role id='{role}'/><user id='{user}'/></permission>");
    sim.post(&format!("{path}/permissions"), &body).await.is(201)
}

/// A request of a user who is no administrator.
pub async fn as_user(
    sim: &Sim,
    name: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Got {
    let credentials = format!("Basic {}", BASE64_STANDARD.encode(format!("{name}@internal:secret")));
    let mut all = vec![("content-type", "application/xml")];
    if !headers.iter().any(|(name, _)| *name == FILTER.0) {
        all.push(FILTER);
    }
    all.extend(headers);
    sim.send_as(&credentials, method, path, &all, body.to_owned()).await
}

async fn sees(sim: &Sim, name: &str, path: &str, item: &str) -> Vec<String> {
    as_user(sim, name, "GET", path, &[], "").await.is(200).each(item, "@id")
}

#[tokio::test]
async fn tags_are_a_tree() {
    let sim = Sim::start().await;
    assert_eq!(sim.get("/tags").await.is(200).each("tag", "name"), ["root"]);
    let linux =
        sim.post("/tags", "<tag><name>linux</name><description>Free</description></tag>").await.is(201);
    assert_eq!((linux.at("parent/tag/@id"), linux.at("description")), (BLANK.into(), "Free".into()));
    let body = "<tag><name>debian</name><parent><tag><name>linux</name></tag></parent></tag>";
    let debian = sim.post("/tags", body).await.is(201);
    assert_eq!(debian.at("parent/tag/@id"), linux.at("@id"));
    assert_eq!(sim.post("/tags", "<tag><name>debian</name></tag>").await.status, 409);
    for bad in ["<tag/>", "<tag><name>a b</name></tag>"] {
        assert_eq!(sim.post("/tags", bad).await.status, 400, "{bad}");
    }
    let cycle = format!("<tag><parent><tag id='{}'/></parent></tag>", debian.at("@id"));
    let path = format!("/tags/{}", linux.at("@id"));
    assert_eq!(sim.put(&path, &cycle).await.status, 409);
    assert_eq!(sim.put(&path, "<tag><name>unix</name></tag>").await.is(200).at("description"), "Free");
    assert_eq!(sim.put(&format!("/tags/{BLANK}"), "<tag><name>x</name></tag>").await.status, 409);
    assert_eq!(sim.delete(&format!("/tags/{BLANK}")).await.status, 409);
    sim.delete(&path).await.is(204);
    assert_eq!(sim.get("/tags").await.is(200).each("tag", "name"), ["root"], "with all below it");
}

#[tokio::test]
async fn things_carry_tags() {
    let sim = Sim::start().await;
    let vm = sim.vm("web").await;
    let tag = sim.post("/tags", "<tag><name>linux</name></tag>").await.is(201).at("@id");
    let host = sim.get("/hosts").await.at("host/@id");
    for at in [
        format!("/vms/{vm}"),
        format!("/hosts/{host}"),
        format!("/templates/{BLANK}"),
        format!("/users/{ADMIN}"),
    ] {
        let added = sim.post(&format!("{at}/tags"), "<tag><name>linux</name></tag>").await.is(201);
        assert_eq!(added.at("@href"), format!("/ovirt-engine/api{at}/tags/{tag}"));
        sim.post(&format!("{at}/tags"), &format!("<tag id='{tag}'/>")).await.is(201);
        assert_eq!(sim.get(&format!("{at}/tags")).await.is(200).each("tag", "name"), ["linux"]);
        sim.get(&format!("{at}/tags/{tag}")).await.is(200);
    }
    assert_eq!(sim.get(&format!("/vms/{vm}/tags")).await.at("tag/vm/@id"), vm.to_string());
    let detail = sim.get("/vms;detail=tags").await.is(200);
    assert_eq!(detail.at("vm/tags/tag/name"), "linux");
    assert_eq!(sim.post(&format!("/vms/{vm}/tags"), "<tag><name>nope</name></tag>").await.status, 404);
    sim.delete(&format!("/vms/{vm}/tags/{tag}")).await.is(204);
    assert_eq!(sim.delete(&format!("/vms/{vm}/tags/{tag}")).await.status, 404);
    sim.delete(&format!("/tags/{tag}")).await.is(204);
    assert_eq!(sim.get(&format!("/hosts/{host}/tags")).await.is(200).each("tag", "@id"), [""; 0]);
}

#[tokio::test]
async fn bookmarks() {
    let sim = Sim::start().await;
    let body = "<bookmark><name>up</name><value>Vms: status = up</value></bookmark>";
    let made = sim.post("/bookmarks", body).await.is(201);
    assert_eq!(sim.post("/bookmarks", body).await.status, 409);
    let path = format!("/bookmarks/{}", made.at("@id"));
    assert_eq!(
        sim.put(&path, "<bookmark><name>down</name></bookmark>").await.is(200).at("value"),
        "Vms: status = up"
    );
    assert_eq!(sim.get("/bookmarks").await.is(200).each("bookmark", "name"), ["down"]);
    sim.delete(&path).await.is(204);
    assert_eq!(sim.get(&path).await.status, 404);
}

#[tokio::test]
async fn users_roles_and_permissions() {
    let sim = Sim::start().await;
    let anna = user(&sim, "anna").await;
    let again = "<user><user_name>anna</user_name><password>secret</password></user>";
    assert_eq!(sim.post("/users", again).await.status, 409);
    assert_eq!(sim.post("/users", "<user><user_name>anna</user_name></user>").await.is(201).at("@id"), anna);
    for bad in [
        "<user/>",
        "<user><user_name>bob</user_name></user>",
        "<user><user_name>bob@ldap</user_name><password>secret</password></user>",
        "<user><user_name>bob</user_name><password>x</password></user>",
        "<user><user_name>b b</user_name><password>secret</password></user>",
    ] {
        assert_eq!(sim.post("/users", bad).await.status, 400, "{bad}");
    }
    assert!(!sim.get("/users").await.body.contains("password"));
    assert_eq!(sim.get("/users?search=login%3Danna").await.is(200).each("user", "@id"), [anna.as_str()]);
    assert_eq!(sim.get("/groups").await.is(200).each("group", "name"), ["Everyone"]);
    assert_eq!(sim.get("/domains").await.is(200).each("domain", "@id"), ["696E7465726E616C"]);
    assert_eq!(sim.get("/domains/696e7465726e616c/users").await.is(200).each("user", "@id").len(), 2);

    let roles = sim.get("/roles").await.is(200).each("role", "name");
    for known in ["SuperUser", "UserRole", "UserVmManager", "PowerUserRole"] {
        assert!(roles.contains(&known.to_owned()), "{roles:?}");
    }
    let role = "<role><name>Operator</name><permits><permit id='22'/><permit><name>stop_vm</name></permit></permits></role>";
    let role = sim.post("/roles", role).await.is(201);
    assert_eq!((role.at("mutable"), role.at("administrative")), ("true".into(), "false".into()));
    let path = format!("/roles/{}", role.at("@id"));
    assert_eq!(
        sim.get(&format!("{path}/permits")).await.is(200).each("permit", "name"),
        ["stop_vm", "run_vm"]
    );
    sim.post(&format!("{path}/permits"), "<permit id='17'/>").await.is(201);
    sim.delete(&format!("{path}/permits/18")).await.is(204);
    assert_eq!(sim.get(&format!("{path}/permits")).await.is(200).each("permit", "@id"), ["17", "22"]);
    assert_eq!(sim.delete(&format!("/roles/{VM_MANAGER}")).await.status, 409);
    assert_eq!(sim.post("/roles", "<role><name>X</name></role>").await.status, 400);
    // What administrators may do is not for users.
    let above = |administrative: bool| {
        format!(
            "<role><name>Y</name><administrative>{administrative}</administrative>\
             <permits><permit id='600'/></permits></role>"
        )
    };
    assert_eq!(sim.post("/roles", &above(false)).await.status, 409);
    assert_eq!(sim.post(&format!("{path}/permits"), "<permit id='600'/>").await.status, 409);
    let made = format!("/roles/{}", sim.post("/roles", &above(true)).await.is(201).at("@id"));
    assert_eq!(sim.put(&made, "<role><administrative>false</administrative></role>").await.status, 409);
    sim.delete(&made).await.is(204);

    let vm = sim.vm("web").await;
    let at = format!("/vms/{vm}");
    let given = give(&sim, &at, &anna, &role.at("@id")).await;
    assert_eq!((given.at("vm/@id"), given.at("user/@id")), (vm.to_string(), anna.clone()));
    let again = format!("<permission><role id='{}'/><user id='{anna}'/></permission>", role.at("@id"));
    assert_eq!(sim.post(&format!("{at}/permissions"), &again).await.status, 409);
    let listed = sim.get(&format!("{at}/permissions")).await.is(200);
    assert_eq!(listed.each("permission", "@id").len(), 2, "the administrator's, inherited, and this one");
    assert!(listed.each("permission", "vm/@id").iter().all(|id| *id == vm.to_string()));
    let own = sim.get(&format!("/users/{anna}/permissions")).await.is(200);
    assert_eq!((own.each("permission", "@id").len(), own.at("permission/vm/@id")), (1, vm.to_string()));
    assert_eq!(sim.delete(&path).await.status, 409, "somebody has the role");
    let system = sim.get("/permissions").await.is(200);
    let inherited = format!("{at}/permissions/{}", system.at("permission/@id"));
    assert_eq!(sim.delete(&inherited).await.status, 409);
    let last = format!("/permissions/{}", system.at("permission/@id"));
    assert_eq!(sim.delete(&last).await.status, 409, "nobody else may do everything");
    sim.delete(&format!("/users/{ADMIN}")).await.refused(
        409,
        "Operation Failed",
        "[Cannot remove User. User is currently logged in.]",
    );
    let disk = sim.disk("/disks", "data").await;
    let host = sim.get("/hosts").await.at("host/@id");
    for at in [
        format!("/disks/{disk}"),
        format!("/clusters/{CLUSTER}"),
        format!("/hosts/{host}"),
        format!("/storagedomains/{DATA}"),
        format!("/templates/{BLANK}"),
        String::new(),
    ] {
        let given = give(&sim, &at, &anna, &role.at("@id")).await;
        sim.get(&format!("{at}/permissions/{}", given.at("@id"))).await.is(200);
        sim.delete(&format!("{at}/permissions/{}", given.at("@id"))).await.is(204);
    }
    let body = format!("<permission><role><name>UserRole</name></role><disk id='{disk}'/></permission>");
    assert_eq!(
        sim.post(&format!("/users/{anna}/permissions"), &body).await.is(201).at("disk/@id"),
        disk.to_string()
    );
    sim.delete(&format!("/users/{anna}")).await.is(204);
    assert_eq!(sim.get(&format!("{at}/permissions")).await.is(200).each("permission", "@id").len(), 1);
    assert_eq!(as_user(&sim, "anna", "GET", "", &[], "").await.status, 401);
}

#[tokio::test]
async fn who_makes_things_sees_where_and_who_uses_a_vm_its_media() {
    let sim = Sim::start().await;
    let (vm, iso) = (sim.vm("a").await, sim.get("/storagedomains?search=type%3Diso").await);
    let iso = iso.at("storage_domain/@id");
    let (maker, uses) = (user(&sim, "maker").await, user(&sim, "uses").await);
    let role = |last| format!("00000000-0000-0000-0001-{last:0>12}");
    give(&sim, "", &maker, &role("2")).await;
    give(&sim, &format!("/vms/{vm}"), &uses, &role("1")).await;
    let places = ["clusters cluster", "datacenters data_center", "networks network"];
    for (path, item) in places.into_iter().filter_map(|place| place.split_once(' ')) {
        assert!(!sees(&sim, "maker", &format!("/{path}"), item).await.is_empty(), "{path}");
    }
    assert_eq!(sees(&sim, "maker", "/vms", "vm").await, [""; 0]);
    for name in ["maker", "uses"] {
        assert!(sees(&sim, name, "/storagedomains", "storage_domain").await.contains(&iso), "{name}");
        as_user(&sim, name, "GET", &format!("/storagedomains/{iso}/files"), &[], "").await.is(200);
    }
    assert_eq!(sees(&sim, "uses", "/disks", "disk").await, [""; 0]);
    as_user(&sim, "uses", "DELETE", &format!("/storagedomains/{iso}"), &[], "").await.is(403);
}

/// A template is where its disks and its cluster are.
#[tokio::test]
async fn a_data_center_has_its_templates() {
    let sim = Sim::start().await;
    let (vm, anna) = (sim.vm("a").await, user(&sim, "anna").await);
    let template = format!("<template><name>t</name><vm id='{vm}'/></template>");
    let headers = [("content-type", "application/xml"), CREATED];
    let template = sim.send("POST", "/templates", &headers, template).await.is(201).at("@id");
    let at = format!("/templates/{template}");
    let described = "<template><description>x</description></template>";
    let new =
        "<vm><name>new</name><cluster><name>Default</name></cluster><template><name>t</name></template></vm>";
    let power_user = "00000000-0000-0000-0001-000000000002";
    give(&sim, &format!("/clusters/{CLUSTER}"), &anna, power_user).await;
    as_user(&sim, "anna", "PUT", &at, &[], described).await.is(404);
    let center = "/datacenters/00000002-0002-0002-0002-000000000255";
    give(&sim, center, &anna, power_user).await;
    as_user(&sim, "anna", "POST", "/vms", &[], new).await.is(201);
    as_user(&sim, "anna", "PUT", &at, &[], described).await.is(404);
    give(&sim, center, &anna, "def00002-0000-0000-0000-def000000002").await;
    as_user(&sim, "anna", "PUT", &at, &[], described).await.is(200);
}

#[tokio::test]
async fn a_user_sees_and_does_only_what_is_its_own() {
    let sim = Sim::start().await;
    let (mine, other) = (sim.vm("mine").await, sim.vm("other").await);
    let own = sim.disk(&format!("/vms/{mine}/disks"), "own").await;
    let foreign = sim.disk(&format!("/vms/{other}/disks"), "foreign").await;
    let anna = user(&sim, "anna").await;
    let nobody = user(&sim, "nobody").await;
    give(&sim, &format!("/vms/{mine}"), &anna, VM_MANAGER).await;

    assert_eq!(sees(&sim, "anna", "/vms", "vm").await, [mine.to_string()]);
    assert_eq!(sees(&sim, "anna", "/vms?search=name%3D*", "vm").await, [mine.to_string()]);
    assert_eq!(sees(&sim, "anna", "/disks", "disk").await, [own.to_string()]);
    assert_eq!(sees(&sim, "anna", &format!("/vms/{mine}/disks"), "disk").await, [own.to_string()]);
    assert_eq!(sees(&sim, "anna", "/clusters", "cluster").await, [CLUSTER]);
    assert_eq!(sees(&sim, "anna", "/hosts", "host").await, [""; 0]);
    assert_eq!(sees(&sim, "anna", "/users", "user").await, [anna.as_str()]);
    assert_eq!(sees(&sim, "anna", "/templates", "template").await, [BLANK]);
    for collection in
        ["vms", "disks", "clusters", "datacenters", "storagedomains", "networks", "hosts", "events", "jobs"]
    {
        let got = as_user(&sim, "nobody", "GET", &format!("/{collection}"), &[], "").await.is(200);
        assert!(got.xml().elements().next().is_none(), "{collection}: {}", got.body);
    }
    for hidden in [
        format!("/vms/{other}"),
        format!("/vms/{other}/disks"),
        format!("/vms/{other}/statistics"),
        format!("/disks/{foreign}"),
        format!("/disks/{foreign}/statistics"),
        format!("/users/{ADMIN}"),
    ] {
        assert_eq!(as_user(&sim, "anna", "GET", &hidden, &[], "").await.status, 404, "{hidden}");
    }
    let domains = as_user(&sim, "anna", "GET", "/storagedomains", &[], "").await.is(200);
    assert!(domains.body.contains("<name>data</name>") && !domains.body.contains("path"), "{}", domains.body);
    let one = as_user(&sim, "anna", "GET", &format!("/storagedomains/{DATA}"), &[], "").await.is(200);
    assert!(!one.body.contains("path") && !one.body.contains("storageconnections"), "{}", one.body);
    for closed in ["/storageconnections".to_owned(), format!("/storagedomains/{DATA}/storageconnections")] {
        assert_eq!(as_user(&sim, "anna", "GET", &closed, &[], "").await.status, 400, "{closed}");
    }
    let events = as_user(&sim, "anna", "GET", "/events", &[], "").await.is(200);
    assert!(!events.body.contains("other") && events.body.contains("VM mine was created"), "{}", events.body);

    let unfiltered = as_user(&sim, "anna", "GET", "/vms", &[("filter", "false")], "").await;
    unfiltered.refused(400, "Operation Failed", "Query execution failed due to insufficient permissions.");
    as_user(&sim, "anna", "POST", &format!("/vms/{mine}/start"), &[], "<action/>").await.is(200);
    as_user(&sim, "anna", "PUT", &format!("/vms/{mine}"), &[], "<vm><comment>x</comment></vm>").await.is(200);
    assert_eq!(
        as_user(&sim, "anna", "POST", &format!("/vms/{other}/start"), &[], "<action/>").await.status,
        404
    );
    let denied = "[User is not authorized to perform this action.]";
    let tag = as_user(&sim, "anna", "POST", "/tags", &[], "<tag><name>x</name></tag>").await;
    tag.refused(403, "Operation Failed", denied);
    let vm = "<vm><name>new</name><cluster><name>Default</name></cluster><template><name>Blank</name></template></vm>";
    as_user(&sim, "anna", "POST", "/vms", &[], vm).await.refused(403, "Operation Failed", denied);
    // Who owns a VM lets others use it, and makes nobody an administrator of it.
    let uses = format!("<permission><role><name>UserRole</name></role><user id='{nobody}'/></permission>");
    let uses = as_user(&sim, "anna", "POST", &format!("/vms/{mine}/permissions"), &[], &uses).await.is(201);
    let uses = format!("/vms/{mine}/permissions/{}", uses.at("@id"));
    as_user(&sim, "anna", "DELETE", &uses, &[], "").await.is(204);
    let above = give(&sim, &format!("/vms/{mine}"), &nobody, "def00001-0000-0000-0000-def000000001").await;
    let above = format!("/vms/{mine}/permissions/{}", above.at("@id"));
    as_user(&sim, "anna", "DELETE", &above, &[], "").await.refused(403, "Operation Failed", denied);
    sim.delete(&above).await.is(204);
    let more = format!("<permission><role><name>SuperUser</name></role><user id='{anna}'/></permission>");
    let more = as_user(&sim, "anna", "POST", &format!("/vms/{mine}/permissions"), &[], &more).await;
    more.refused(403, "Operation Failed", denied);
    // Who may create owns what it created.
    give(&sim, &format!("/clusters/{CLUSTER}"), &anna, "def0000a-0000-0000-0000-def00000000d").await;
    let made = as_user(&sim, "anna", "POST", "/vms", &[], vm).await.is(201).at("@id");
    as_user(&sim, "anna", "DELETE", &format!("/vms/{made}"), &[], "").await.is(204);
    assert_eq!(sees(&sim, "anna", "/vms", "vm").await, [mine.to_string()]);

    // Who uses a VM changes what is in its drive, and nothing that stays.
    give(&sim, &format!("/vms/{other}"), &nobody, "00000000-0000-0000-0001-000000000001").await;
    as_user(&sim, "nobody", "POST", &format!("/vms/{other}/start"), &[], "<action/>").await.is(200);
    let drive = format!("/vms/{other}/cdroms/00000000-0000-0000-0000-000000000000");
    let empty = "<cdrom><file id=''/></cdrom>";
    as_user(&sim, "nobody", "PUT", &format!("{drive};current"), &[], empty).await.is(200);
    let kept = as_user(&sim, "nobody", "PUT", &drive, &[], empty).await;
    kept.refused(403, "Operation Failed", denied);
    as_user(&sim, "nobody", "DELETE", &drive, &[], "").await.refused(403, "Operation Failed", denied);
}

/// Every route, for who may do everything, who has a role on one VM, and who has none: nobody but
/// the first is let through where it has no permission.
#[tokio::test]
async fn every_route_asks_who_comes() {
    let sim = Sim::start().await;
    let (mine, other) = (sim.vm("mine").await, sim.vm("other").await);
    let anna = user(&sim, "anna").await;
    user(&sim, "nobody").await;
    give(&sim, &format!("/vms/{mine}"), &anna, VM_MANAGER).await;
    for route in ROUTES.iter() {
        let path = |vm: VmId| {
            let segments = route.path.split('/').map(|segment| match segment {
                "{vm}" => vm.to_string(),
                _ if segment.starts_with('{') => UNKNOWN.to_owned(),
                _ => segment.to_owned(),
            });
            segments.collect::<Vec<_>>().join("/").trim_end_matches('/').to_owned()
        };
        let method = route.method.as_str();
        let root = if route.path.starts_with("/vms/{vm}/") { "<action/>" } else { "<nothing/>" };
        let nobody = as_user(&sim, "nobody", method, &path(mine), &[], root).await.status;
        let stranger = as_user(&sim, "anna", method, &path(other), &[], root).await.status;
        match method {
            "GET" => {
                let wanted: &[u16] = if route.path.contains("{vm}") { &[404] } else { &[200, 400, 404] };
                assert!(wanted.contains(&nobody), "{method} {}: {nobody}", route.path);
                assert!(wanted.contains(&stranger), "{method} {}: {stranger}", route.path);
            }
            // What the body names is asked for when the body has been read.
            _ if IN_BODY.contains(&route.path) || (method, route.path) == ("POST", "/vms/{vm}") => {
                assert!([400, 403].contains(&nobody) && [400, 403].contains(&stranger), "{}", route.path);
            }
            _ => {
                assert!([403, 404].contains(&nobody), "{method} {}: {nobody}", route.path);
                assert!([403, 404].contains(&stranger), "{method} {}: {stranger}", route.path);
            }
        }
    }
    let left = sim.get("/vms").await.is(200).each("vm", "@id");
    assert_eq!(left.len(), 2, "nothing happened");
}

/// Where the body names what is changed.
const IN_BODY: [&str; 7] =
    ["/vms", "/disks", "/networks", "/templates", "/vnicprofiles", "/diskprofiles", "/vmpools"];

/// Interfaces go where somebody lets them: on networks whose profile is everybody's or the user's.
#[tokio::test]
async fn networks_are_used_by_those_who_may() {
    const PROFILE_USER: &str = "def0000a-0000-0000-0000-def000000010";
    const NETWORK_ADMIN: &str = "def00005-0000-0000-0000-def000000005";
    let sim = Sim::start().await;
    let vm = sim.vm("mine").await;
    let anna = user(&sim, "anna").await;
    give(&sim, &format!("/vms/{vm}"), &anna, VM_MANAGER).await;
    let body = "<network><name>red</name><data_center><name>Default</name></data_center></network>";
    let red = sim.post("/networks", body).await.is(201).at("@id");
    let attach = format!("<network id='{red}'/>");
    sim.post(&format!("/clusters/{CLUSTER}/networks"), &attach).await.is(201);
    let profiles = sim.get(&format!("/networks/{red}/vnicprofiles")).await.is(200);
    let profile = format!("/vnicprofiles/{}", profiles.at("vnic_profile/@id"));

    // A network comes with a profile for everybody.
    let nics = format!("/vms/{vm}/nics");
    let nic = |name: &str, more: &str| format!("<nic><name>{name}</name>{more}</nic>");
    let on_red = "<network><name>red</name></network>";
    let made = as_user(&sim, "anna", "POST", &nics, &[], &nic("nic1", on_red)).await.is(201);
    let path = format!("{nics}/{}", made.at("@id"));

    // Whom it is taken from stays where it is, and goes nowhere new.
    let permissions = format!("{profile}/permissions");
    let everybody = sim.get(&permissions).await.is(200).each("permission", "@id");
    for id in everybody {
        let gone = sim.delete(&format!("{permissions}/{id}")).await.status;
        assert!([204, 404, 409].contains(&gone), "{gone}");
    }
    let denied = "[User is not authorized to perform this action.]";
    let refused = as_user(&sim, "anna", "POST", &nics, &[], &nic("nic2", on_red)).await;
    refused.refused(403, "Operation Failed", denied);
    let moved =
        as_user(&sim, "anna", "PUT", &path, &[], "<nic><network><name>ovirtmgmt</name></network></nic>");
    moved.await.is(200);
    let back = as_user(&sim, "anna", "PUT", &path, &[], &format!("<nic>{on_red}</nic>")).await;
    back.refused(403, "Operation Failed", denied);
    let named = format!("<vnic_profile id='{}'/>", profiles.at("vnic_profile/@id"));
    let back = as_user(&sim, "anna", "PUT", &path, &[], &format!("<nic>{named}</nic>")).await;
    back.refused(403, "Operation Failed", denied);
    let spying =
        "<port_mirroring><networks><network><name>ovirtmgmt</name></network></networks></port_mirroring>";
    let spying = as_user(&sim, "anna", "PUT", &path, &[], &format!("<nic>{spying}</nic>")).await;
    spying.refused(403, "Operation Failed", denied);
    give(&sim, &profile, &anna, PROFILE_USER).await;
    as_user(&sim, "anna", "PUT", &path, &[], &format!("<nic>{on_red}</nic>")).await.is(200);

    // Who administers networks makes some, and nobody else does.
    let body = "<network><name>blue</name><data_center><name>Default</name></data_center></network>";
    as_user(&sim, "anna", "POST", "/networks", &[], body).await.refused(403, "Operation Failed", denied);
    let more = format!("<vnic_profile><name>x</name><network id='{red}'/></vnic_profile>");
    as_user(&sim, "anna", "POST", "/vnicprofiles", &[], &more).await.refused(403, "Operation Failed", denied);
    let home = made_in(&sim).await;
    give(&sim, &home, &anna, NETWORK_ADMIN).await;
    let blue = as_user(&sim, "anna", "POST", "/networks", &[], body).await.is(201).at("@id");
    as_user(&sim, "anna", "POST", "/vnicprofiles", &[], &more).await.is(201);
    as_user(&sim, "anna", "DELETE", &format!("/networks/{blue}"), &[], "").await.is(204);
    let told = sim.get("/events").await.is(200).each("event", "description").join("\n");
    for sentence in [
        "Network red was attached to cluster Default",
        "vNIC profile x was added",
        "Network blue was removed",
    ] {
        assert!(told.contains(sentence), "{sentence}: {told}");
    }
}

async fn made_in(sim: &Sim) -> String {
    format!("/datacenters/{}", sim.get("/datacenters").await.is(200).at("data_center/@id"))
}

/// A group's permissions are those of its members, and nobody else's.
#[tokio::test]
async fn groups_have_permissions() {
    const EVERYONE: &str = "eee00000-0000-0000-0000-123456789eee";
    let sim = Sim::start().await;
    let vm = sim.vm("ours").await;
    assert_eq!(sim.get("/groups").await.is(200).each("group", "@id"), [EVERYONE]);
    let group =
        sim.post("/groups", "<group><name>devs</name><domain><name>internal</name></domain></group>").await;
    let group = group.is(201).at("@id");
    assert_eq!(sim.post("/groups", "<group><name>devs</name></group>").await.is(201).at("@id"), group);
    for bad in [
        "<group/>",
        "<group><name>a b</name></group>",
        "<group><name>x</name><domain><name>y</name></domain></group>",
    ] {
        sim.post("/groups", bad).await.is(400);
    }
    let path = format!("/groups/{group}");
    let body = "<user><user_name>anna@internal</user_name><password>secret</password><groups><group><name>devs</name>\
                </group></groups></user>";
    let anna = sim.post("/users", body).await.is(201);
    assert_eq!(anna.at("groups/group/@id"), group);
    user(&sim, "bert").await;
    let given = format!("<permission><role id='{VM_MANAGER}'/><vm id='{vm}'/></permission>");
    let permission = sim.post(&format!("{path}/permissions"), &given).await.is(201);
    assert_eq!((permission.at("vm/@id"), permission.at("group/@id")), (vm.to_string(), group.clone()));
    assert_eq!(sees(&sim, "anna", "/vms", "vm").await, [vm.to_string()]);
    assert_eq!(sees(&sim, "bert", "/vms", "vm").await, [] as [String; 0]);
    let body = format!("<permission><role id='{VM_MANAGER}'/><group id='{UNKNOWN}'/></permission>");
    sim.post(&format!("/vms/{vm}/permissions"), &body).await.is(404);

    // Roles on everything, tags, and the search.
    let body = format!("<permission><role><name>UserRole</name></role><group id='{group}'/></permission>");
    sim.post("/permissions", &body).await.is(201);
    let roles = sim.get(&format!("{path}/roles")).await.is(200);
    assert_eq!(roles.each("role", "name"), ["UserRole"]);
    let role = format!("{path}/roles/{}", roles.at("role/@id"));
    assert!(!sim.get(&format!("{role}/permits")).await.is(200).each("permit", "@id").is_empty());
    sim.post(&format!("{role}/permits"), "<permit id='1'/>").await.is(409);
    sim.delete(&role).await.is(204);
    sim.delete(&role).await.is(404);
    assert!(sim.get(&format!("{path}/roles")).await.is(200).each("role", "name").is_empty());
    sim.post("/tags", "<tag><name>team</name></tag>").await.is(201);
    let tag = sim.post(&format!("{path}/tags"), "<tag><name>team</name></tag>").await.is(201);
    assert_eq!(tag.at("group/@id"), group);
    assert_eq!(
        sim.get("/groups?search=grpname%3Ddevs").await.is(200).each("group", "@id"),
        std::slice::from_ref(&group)
    );

    sim.delete(&format!("{path}/permissions/{}", permission.at("@id"))).await.is(204);
    sim.delete(&format!("/groups/{EVERYONE}")).await.is(409);
    sim.delete(&path).await.is(204);
    sim.get(&path).await.is(404);
    assert_eq!(sees(&sim, "anna", "/vms", "vm").await, [] as [String; 0], "permissions go with their group");
}

#[tokio::test]
async fn who_looks_gets_no_further() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    sim.disk(&format!("/vms/{vm}/disks"), "d").await;
    sim.start_vm(vm).await;
    let anna = user(&sim, "anna").await;
    give(&sim, &format!("/clusters/{CLUSTER}"), &anna, READ_ONLY_ADMIN).await;
    let console = format!("/vms/{vm}/graphicsconsoles/564e43");
    let all = ("filter", "false");
    as_user(&sim, "anna", "GET", &console, &[all], "").await.is(200);
    let viewer = [all, ("accept", "application/x-virt-viewer")];
    assert_eq!(as_user(&sim, "anna", "GET", &console, &viewer, "").await.status, 403);
    give(&sim, &format!("/vms/{vm}"), &anna, VM_MANAGER).await;
    as_user(&sim, "anna", "GET", &console, &viewer, "").await.is(200);

    // Nobody makes their own role one that may do more.
    let role = "<role><name>arranger</name><administrative>true</administrative><permits><permit id='501'/></permits></role>";
    let role = sim.post("/roles", role).await.is(201).at("@id");
    let body = format!("<permission><role id='{role}'/><user id='{anna}'/></permission>");
    sim.post("/permissions", &body).await.is(201);
    let denied = "[User is not authorized to perform this action.]";
    let (role, permits) = (format!("/roles/{role}"), format!("/roles/{role}/permits"));
    let more = as_user(&sim, "anna", "POST", &permits, &[all], "<permit id='800'/>").await;
    more.refused(403, "Operation Failed", denied);
    let lesser = "<role><administrative>false</administrative></role>";
    as_user(&sim, "anna", "PUT", &role, &[all], lesser).await.refused(403, "Operation Failed", denied);
    sim.post(&permits, "<permit id='800'/>").await.is(201);

    // A permission on the system is none on the template of the same id.
    let found = sim.get("/users?search=template.name%3DBlank").await.is(200);
    assert!(found.each("user", "@id").is_empty(), "{}", found.body);
}

#[tokio::test]
async fn the_id_in_the_path_of_a_new_vm_says_nothing() {
    let sim = Sim::start().await;
    let other = sim.vm("other").await;
    let anna = user(&sim, "anna").await;
    give(&sim, &format!("/clusters/{CLUSTER}"), &anna, "def0000a-0000-0000-0000-def00000000d").await;
    let vm = "<vm><name>new</name><cluster><name>Default</name></cluster><template><name>Blank</name></template></vm>";
    let made = as_user(&sim, "anna", "POST", &format!("/vms/{other}"), &[], vm).await.is(201);
    assert_ne!(made.at("@id"), other.to_string());
}

#[tokio::test]
async fn users_have_keys() {
    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me@here";
    let sim = Sim::start().await;
    let anna = user(&sim, "anna").await;
    user(&sim, "bert").await;
    let keys = format!("/users/{anna}/sshpublickeys");
    let key = |content: &str| format!("<ssh_public_key><content>{content}</content></ssh_public_key>");
    let made = as_user(&sim, "anna", "POST", &keys, &[], &key(KEY)).await.is(201);
    assert_eq!((made.at("content"), made.at("user/@id")), (KEY.into(), anna.clone()));
    sim.post(&keys, &key(KEY)).await.is(409);
    sim.post(&keys, &key("ssh-rsa x")).await.is(400);
    sim.post(&keys, "<ssh_public_key/>").await.is(400);
    as_user(&sim, "bert", "POST", &keys, &[], &key(KEY)).await.is(404);
    let path = format!("{keys}/{}", made.at("@id"));
    assert_eq!(sim.get(&path).await.is(200).at("content"), KEY);
    sim.get(&format!("/users/{ADMIN}/sshpublickeys/{}", made.at("@id"))).await.is(404);
    as_user(&sim, "anna", "DELETE", &path, &[], "").await.is(204);
    assert_eq!(sim.get(&keys).await.is(200).each("ssh_public_key", "@id"), [] as [String; 0]);
}

/// A role with these permits, beside that to log in: of a user, if they are.
async fn role(sim: &Sim, name: &str, permits: &[u16]) -> String {
    let above = permits.iter().any(|id| permits::administrative(*id).is_some());
    let administrative = format!("<administrative>{above}</administrative>");
    let permits = permits.iter().chain(&[1300]).map(|id| format!("<permit id='{id}'/>")).collect::<String>();
    let body = format!("<role><name>{name}</name>{administrative}<permits>{permits}</permits></role>");
    sim.post("/roles", &body).await.is(201).at("@id")
}

#[tokio::test]
async fn who_arranges_disks_does_not_destroy_them() {
    let sim = Sim::start().await;
    let vm = sim.vm("web").await;
    let disks = format!("/vms/{vm}/disks");
    let disk = sim.disk(&disks, "system").await;
    let anna = user(&sim, "anna").await;
    let storer = role(&sim, "storer", &[10]).await;
    give(&sim, &format!("/vms/{vm}"), &anna, &storer).await;
    let at = format!("{disks}/{disk}");
    let ask = async |method: &str, at: &str, body: &str| as_user(&sim, "anna", method, at, &[], body).await;
    for (at, body) in [
        (at.clone(), ""),
        (at.clone(), "<action/>"),
        (at.clone(), "<action><detach>false</detach></action>"),
        (format!("{at};detach=false"), ""),
    ] {
        ask("DELETE", &at, body).await.is(403);
    }
    ask("DELETE", &format!("{at};detach=true"), "").await.is(204);
    sim.get(&format!("/disks/{disk}")).await.is(200);
    sim.post(&disks, &format!("<disk id='{disk}'/>")).await.is(200);
    ask("DELETE", &at, "<action><detach>true</detach></action>").await.is(204);
    sim.get(&format!("/disks/{disk}")).await.is(200);
    // At the address of its storage domain, too.
    let keeper = role(&sim, "keeper", &[601]).await;
    give(&sim, &format!("/storagedomains/{DATA}"), &anna, &keeper).await;
    ask("DELETE", &format!("/storagedomains/{DATA}/disks/{disk}"), "").await.is(403);
    ask("POST", &format!("/storagedomains/{DATA}/disks"), &disk_body("new")).await.is(403);
    let remover = role(&sim, "remover", &[1104]).await;
    give(&sim, &format!("/disks/{disk}"), &anna, &remover).await;
    ask("DELETE", &format!("/storagedomains/{DATA}/disks/{disk}"), "").await.is(204);
}

#[tokio::test]
async fn what_administrators_say_of_vms_is_theirs() {
    let sim = Sim::start().await;
    let vm = sim.vm("web").await;
    let at = format!("/vms/{vm}");
    let host = sim.get("/hosts").await.at("host/@id");
    let anna = user(&sim, "anna").await;
    give(&sim, &at, &anna, VM_MANAGER).await;
    let properties =
        "<custom_properties><custom_property name='viodiskcache' value='writeback'/></custom_properties>";
    let pin = "<cpu><cpu_tune><vcpu_pin vcpu='0' cpu_set='0'/></cpu_tune></cpu>";
    let placement = format!("<placement_policy><hosts><host id='{host}'/></hosts></placement_policy>");
    let put = async |body: &str| as_user(&sim, "anna", "PUT", &at, &[], &format!("<vm>{body}</vm>")).await;
    for body in [properties, pin, &placement] {
        put(body).await.is(403);
        let once = format!("<action><vm>{body}</vm></action>");
        if body != pin {
            as_user(&sim, "anna", "POST", &format!("{at}/start"), &[], &once).await.is(403);
        }
    }
    put("<description>mine</description>").await.is(200);
    sim.put(&at, &format!("<vm>{properties}{pin}{placement}</vm>")).await.is(200);
    // A whole document that comes back as it was read changes nothing of it.
    put(&format!("<comment>c</comment>{properties}{pin}{placement}")).await.is(200);
    put("<custom_properties/>").await.is(403);
    // So with new VMs.
    let creator = role(&sim, "creator", &[1, 3]).await;
    let cluster = sim.get("/clusters").await.at("cluster/@id");
    give(&sim, &format!("/clusters/{cluster}"), &anna, &creator).await;
    let new = |name: &str, rest: &str| {
        format!("<vm><name>{name}</name><cluster id='{cluster}'/><template id='{BLANK}'/>{rest}</vm>")
    };
    as_user(&sim, "anna", "POST", "/vms", &[], &new("a", pin)).await.is(403);
    as_user(&sim, "anna", "POST", "/vms", &[], &new("a", "")).await.is(201);
    // Clones and templates are no way round it.
    let clone = |rest: &str| format!("<action><vm><name>b</name>{rest}</vm></action>");
    as_user(&sim, "anna", "POST", &format!("{at}/clone"), &[], &clone("<custom_properties/>")).await.is(403);
    let template = |rest: &str| format!("<template><name>t</name><vm id='{vm}'/>{rest}</template>");
    let maker = role(&sim, "maker", &[200, 201, 1100]).await;
    give(&sim, "", &anna, &maker).await;
    as_user(&sim, "anna", "POST", "/templates", &[], &template("<custom_properties/>")).await.is(403);
    let made = as_user(&sim, "anna", "POST", "/templates", &[], &template("")).await.is(202).at("@id");
    let changed = "<template><custom_properties/></template>";
    as_user(&sim, "anna", "PUT", &format!("/templates/{made}"), &[], changed).await.is(403);
}
