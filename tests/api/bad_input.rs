//! Whatever a body or a path says, the answer is a refusal with a fault, and nothing has changed.

use super::*;
use axum::http::Method;
use vireo::api::routes::{ROUTES, Route};

/// A host with a VM that is down, one that runs, their disks and a floating one.
struct Scene {
    sim: Sim,
    down: VmId,
    attached: DiskId,
    node: String,
    before: Vec<(String, String)>,
    /// What was not refused as it should be.
    wrong: Vec<String>,
}

impl Scene {
    async fn new() -> Self {
        let sim = Sim::start().await;
        let (down, up) = (sim.vm("down").await, sim.vm("up").await);
        let attached = sim.disk(&format!("/vms/{down}/disks"), "attached").await;
        sim.disk(&format!("/vms/{up}/disks"), "system").await;
        sim.disk("/disks", "floating").await;
        let node = sim.post(&format!("/vms/{down}/numanodes"), &numa::node(0, 512, &[0], None)).await;
        let node = node.is(201).at("@id");
        sim.start_vm(up).await;
        let mut scene = Self { sim, down, attached, node, before: Vec::new(), wrong: Vec::new() };
        scene.before = scene.world().await;
        scene
    }

    /// Everything that can be listed.
    async fn world(&self) -> Vec<(String, String)> {
        let collections = ROUTES.iter().filter(|it| it.method == Method::GET && !it.path.contains('{'));
        let mut paths: Vec<String> =
            collections.map(|it| it.path.to_owned()).filter(|path| path != "/").collect();
        for vm in self.sim.get("/vms").await.each("vm", "@id") {
            paths.extend(["disks", "cdroms", "numanodes"].map(|name| format!("/vms/{vm}/{name}")));
        }
        let mut world = Vec::new();
        for path in paths {
            let got = self.sim.send("GET", &path, &[("all-content", "true")], "").await.is(200);
            world.push((path, without_ovf(&got.body)));
        }
        world
    }

    /// Sends it, and holds against the answer what is no refusal.
    async fn try_it(
        &mut self,
        route: &Route,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) {
        let body: Vec<u8> = body.into();
        let said: String = String::from_utf8_lossy(&body).chars().take(200).collect();
        let got = self.sim.send(route.method.as_str(), path, headers, body).await;
        let fault = got.body.starts_with(PROLOG) && got.body.contains("<fault>");
        if !(400..500).contains(&got.status) || !fault {
            let answer: String = got.body.chars().take(300).collect();
            self.wrong.push(format!("{} {path} {said:?}: {} {answer}", route.method, got.status));
        }
    }

    async fn xml(&mut self, route: &Route, path: &str, body: &str) {
        self.try_it(route, path, &[("content-type", "application/xml")], body).await;
    }

    /// The address of a route, its placeholders filled with what is there.
    fn path(&self, route: &Route) -> String {
        self.filled(route.path)
    }

    fn filled(&self, path: &str) -> String {
        let fill = [
            ("{vm}", self.down.to_string()),
            ("{disk}", self.attached.to_string()),
            ("{cdrom}", BLANK.into()),
            ("{node}", self.node.clone()),
        ];
        fill.iter().fold(path.to_owned(), |path, (name, id)| path.replace(name, id))
    }

    async fn nothing_happened(self) {
        assert!(self.wrong.is_empty(), "{} were not refused:\n{}", self.wrong.len(), self.wrong.join("\n"));
        for (before, after) in self.before.iter().zip(&self.world().await) {
            assert_eq!(before, after);
        }
    }
}

/// The routes that change something.
fn modifying() -> impl Iterator<Item = &'static Route> {
    let modifies = |route: &&Route| [Method::POST, Method::PUT, Method::DELETE].contains(&route.method);
    ROUTES.iter().filter(modifies)
}

/// The document that a route wants.
fn root(route: &Route) -> &'static str {
    let last = route.path.rsplit('/').next().unwrap_or_default();
    match last {
        "vms" | "{vm}" if route.method != Method::DELETE => "vm",
        "disks" | "{disk}" if route.method != Method::DELETE => "disk",
        "cdroms" | "{cdrom}" if route.method != Method::DELETE => "cdrom",
        "numanodes" | "{node}" if route.method != Method::DELETE => "vm_numa_node",
        _ => "action",
    }
}

/// A body that the route would take.
fn good(route: &Route) -> String {
    match root(route) {
        "vm" => new_vm("<name>new</name>"),
        "disk" => disk_body("new"),
        "cdrom" => "<cdrom><file id='debian-12.iso'/></cdrom>".into(),
        "vm_numa_node" => numa::node(1, 512, &[1], None),
        _ => "<action/>".into(),
    }
}

fn new_vm(more: &str) -> String {
    format!("<vm><cluster><name>Default</name></cluster><template><name>Blank</name></template>{more}</vm>")
}

#[tokio::test]
async fn bodies_that_are_no_documents() {
    let mut scene = Scene::new().await;
    for route in modifying() {
        let (path, root) = (scene.path(route), root(route));
        let deep = |open: &str, close: &str| format!("{}{}", open.repeat(100), close.repeat(100));
        let bodies: Vec<Vec<u8>> = [
            "<".to_owned(),
            "x".into(),
            format!("<{root}>"),
            format!("<{root}/><{root}/>"),
            format!("<{root}></other>"),
            "<nonsense/>".into(),
            format!("<!DOCTYPE {root} SYSTEM 'file:///etc/passwd'><{root}/>"),
            format!(
                "<!DOCTYPE {root} [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><{root}><name>&b;</name></{root}>"
            ),
            format!("<{root}><name>&unknown;</name></{root}>"),
            format!("<{root}><name>&#0;</name></{root}>"),
            format!("<{root}><name>&#1;</name></{root}>"),
            format!("<{root}><name>a\0b</name></{root}>"),
            format!("<{root}><name>a\u{1}b</name></{root}>"),
            format!("<{root}>{}</{root}>", deep("<a>", "</a>")),
            format!("<{root}><name>{}</name></{root}>", "x".repeat(2 << 20)),
        ]
        .map(String::into_bytes)
        .into_iter()
        .chain([b"<vm>\xff\xfe</vm>".to_vec()])
        .collect();
        for body in bodies {
            scene.try_it(route, &path, &[("content-type", "application/xml")], body).await;
        }
        for body in [
            "{",
            "[]",
            "[1]",
            "\"x\"",
            "7",
            "{\"name\":\"a\\u0000b\"}",
            &deep("{\"a\":", "}"),
            &deep("[", "]"),
        ] {
            scene.try_it(route, &path, &[("content-type", "application/json")], body).await;
        }
        for media in ["text/plain", "application/x-www-form-urlencoded", "x", ""] {
            scene.try_it(route, &path, &[("content-type", media)], good(route)).await;
        }
        scene.try_it(route, &path, &[], good(route)).await;
    }
    scene.nothing_happened().await;
}

#[tokio::test]
async fn addresses_that_name_nothing() {
    let mut scene = Scene::new().await;
    let long = "x".repeat(300);
    let tricks = [
        UNKNOWN,
        "..%2Fx",
        "%2e%2e",
        "-x",
        "a,b",
        "json:%7B%7D",
        "a%0Ab",
        "%00",
        "x",
        "*",
        "0",
        long.as_str(),
    ];
    // The specification lets a creation go to the address of any VM.
    for route in modifying()
        .filter(|it| it.path.contains('{') && (it.method != Method::POST || it.path != "/vms/{vm}"))
    {
        let body = good(route);
        for trick in tricks {
            for name in ["{vm}", "{disk}", "{cdrom}", "{node}"] {
                if route.path.contains(name) {
                    let path = scene.filled(&route.path.replace(name, trick));
                    scene.xml(route, &path, &body).await;
                }
            }
        }
    }
    scene.nothing_happened().await;
}

#[tokio::test]
async fn vms_that_cannot_be() {
    let mut scene = Scene::new().await;
    let long = format!("<name>{}</name>", "x".repeat(256));
    let description = format!("<description>{}</description>", "x".repeat(5000));
    let values = [
        "<name></name>",
        "<name>../x</name>",
        "<name>..</name>",
        "<name>a,b</name>",
        "<name>json:{}</name>",
        "<name>a\nb</name>",
        "<name>a/b</name>",
        "<name>a b</name>",
        "<name>up</name>",
        &long,
        &description,
        "<name>a<b/></name>",
        "<memory>x</memory>",
        "<memory>-1</memory>",
        "<memory>0</memory>",
        "<memory>1.5</memory>",
        "<memory>NaN</memory>",
        "<memory>1e30</memory>",
        "<memory>9223372036854775807</memory>",
        "<memory>9223372036854775808</memory>",
        "<memory>99999999999999999999999999</memory>",
        "<memory><a/></memory>",
        "<memory_policy><guaranteed>2199023255552</guaranteed></memory_policy>",
        "<memory_policy><guaranteed>-1</guaranteed></memory_policy>",
        "<cpu><topology sockets='0'/></cpu>",
        "<cpu><topology sockets='-1'/></cpu>",
        "<cpu><topology sockets='99'/></cpu>",
        "<cpu><topology sockets='99999999999'/></cpu>",
        "<cpu><topology cores='x'/></cpu>",
        "<cpu><topology sockets='16' cores='16'/></cpu>",
        "<cpu><mode>fast</mode></cpu>",
        "<cpu><cpu_tune><vcpu_pin vcpu='0' cpu_set='x'/></cpu_tune></cpu>",
        "<cpu><cpu_tune><vcpu_pin vcpu='0' cpu_set='0-4000000000'/></cpu_tune></cpu>",
        "<cpu><cpu_tune><vcpu_pin vcpu='0' cpu_set='900'/></cpu_tune></cpu>",
        "<cpu><cpu_tune><vcpu_pin vcpu='-1' cpu_set='0'/></cpu_tune></cpu>",
        "<cpu><cpu_tune><vcpu_pin vcpu='9' cpu_set='0'/></cpu_tune></cpu>",
        "<cpu><cpu_tune><vcpu_pin cpu_set='0'/></cpu_tune></cpu>",
        "<cpu_shares>-1</cpu_shares>",
        "<cpu_shares>x</cpu_shares>",
        "<cpu_profile id='deadbeef-dead-4ead-8ead-deadbeefdead'/>",
        "<cpu_profile id='../x'/>",
        "<type>mainframe</type>",
        "<os type='beos'/>",
        "<os><boot dev='floppy'/></os>",
        "<os><kernel>/etc/shadow</kernel></os>",
        "<os><kernel>../../etc/shadow</kernel></os>",
        "<os><kernel>/sim/boot/../../etc/shadow</kernel></os>",
        "<os><kernel>iso://../../etc/shadow</kernel></os>",
        "<os><kernel>json:{}</kernel></os>",
        "<os><initrd>/sim/boot/initrd</initrd></os>",
        "<stateless>maybe</stateless>",
        "<delete_protected>2</delete_protected>",
        "<high_availability><priority>-1</priority></high_availability>",
        "<high_availability><priority>101</priority></high_availability>",
        "<display><type>cga</type></display>",
        "<display><monitors>0</monitors></display>",
        "<display><monitors>-4</monitors></display>",
        "<display><keyboard_layout>de,x</keyboard_layout></display>",
        "<display><keyboard_layout>klingon</keyboard_layout></display>",
        "<display><keyboard_layout>nl-be</keyboard_layout></display>",
        "<sso><methods><method id='abc'/></methods></sso>",
        "<sso>GUEST_AGENT</sso>",
        "<high_availability>true</high_availability>",
        "<cpu>4</cpu>",
        "<os>rhel</os>",
        "<os><boot>network</boot></os>",
        "<display><disconnect_action>EXPLODE</disconnect_action></display>",
        "<io><threads>-1</threads></io>",
        "<io><threads>100000</threads></io>",
        "<rng_device><source>DICE</source></rng_device>",
        "<rng_device><rate><bytes>-1</bytes></rate></rng_device>",
        "<custom_emulated_machine>q35,accel=x</custom_emulated_machine>",
        "<custom_emulated_machine>-x</custom_emulated_machine>",
        "<custom_cpu_model>host,+x</custom_cpu_model>",
        "<custom_properties><custom_property name='qemu_cmdline' value='x'/></custom_properties>",
        "<custom_properties><custom_property name='accelerator' value='xen'/></custom_properties>",
        "<serial_number><policy>custom</policy><value>a,b</value></serial_number>",
        "<serial_number><policy>mine</policy></serial_number>",
        "<time_zone><name>../../etc/passwd</name></time_zone>",
        "<origin>a,b</origin>",
        "<migration_downtime>99999999999</migration_downtime>",
        "<placement_policy><affinity>glued</affinity></placement_policy>",
        "<numa_tune_mode>loose</numa_tune_mode>",
        "<creation_time>yesterday</creation_time>",
    ];
    let routes: Vec<&Route> = modifying().filter(|route| root(route) == "vm").collect();
    for route in routes {
        let path = scene.path(route);
        for value in values {
            let body = match route.method == Method::PUT {
                true => format!("<vm>{value}</vm>"),
                false if value.starts_with("<name>") => new_vm(value),
                false => new_vm(&format!("<name>new</name>{value}")),
            };
            scene.xml(route, &path, &body).await;
        }
    }
    let route = modifying().find(|route| route.path == "/vms").unwrap();
    for (cluster, template) in [
        ("", "<template><name>Blank</name></template>"),
        ("<cluster/>", "<template><name>Blank</name></template>"),
        ("<cluster><name>x</name></cluster>", "<template><name>Blank</name></template>"),
        ("<cluster id='../x'/>", "<template><name>Blank</name></template>"),
        ("<cluster id='deadbeef-dead-4ead-8ead-deadbeefdead'/>", "<template><name>Blank</name></template>"),
        ("<cluster><name>Default</name></cluster>", ""),
        ("<cluster><name>Default</name></cluster>", "<template><name>../x</name></template>"),
        ("<cluster><name>Default</name></cluster>", "<template id='-x'/>"),
    ] {
        scene.xml(route, "/vms", &format!("<vm><name>new</name>{cluster}{template}</vm>")).await;
    }
    scene.nothing_happened().await;
}

#[tokio::test]
async fn disks_that_cannot_be() {
    let mut scene = Scene::new().await;
    let iso = scene.sim.get("/storagedomains").await.each("storage_domain", "@id")[1].clone();
    let long = format!("<alias>{}</alias>", "x".repeat(300));
    let values = [
        "<provisioned_size>-1</provisioned_size>",
        "<provisioned_size>0</provisioned_size>",
        "<provisioned_size>x</provisioned_size>",
        "<provisioned_size>1.5</provisioned_size>",
        "<provisioned_size>NaN</provisioned_size>",
        "<provisioned_size>inf</provisioned_size>",
        "<provisioned_size>9223372036854775807</provisioned_size>",
        "<provisioned_size>9223372036854775808</provisioned_size>",
        "<provisioned_size>18446744073709551616</provisioned_size>",
        "<interface>floppy</interface>",
        "<interface>spapr_vscsi</interface>",
        "<interface>virtio,x</interface>",
        "<format>vmdk</format>",
        "<format>../x</format>",
        "<bootable>maybe</bootable>",
        "<sparse>2</sparse>",
        "<read_only>-1</read_only>",
        "<active>x</active>",
        "<disk_profile id='deadbeef-dead-4ead-8ead-deadbeefdead'/>",
        "<disk_profile id='a,b'/>",
        &long,
    ];
    let routes: Vec<&Route> = modifying().filter(|route| root(route) == "disk").collect();
    for route in routes {
        let path = scene.path(route);
        for value in values {
            let name = value[1..].split(['>', ' ']).next().unwrap();
            let rest: String = [
                ("provisioned_size", "<provisioned_size>1048576</provisioned_size>"),
                ("interface", "<interface>virtio</interface>"),
                ("format", "<format>cow</format>"),
            ]
            .iter()
            .filter(|(other, _)| *other != name && route.method == Method::POST)
            .map(|(_, element)| *element)
            .collect();
            let domain = format!("<storage_domains><storage_domain id='{DATA}'/></storage_domains>");
            scene.xml(route, &path, &format!("<disk>{domain}{rest}{value}</disk>")).await;
        }
        if route.method != Method::POST {
            continue;
        }
        for domain in ["", UNKNOWN, "../x", "-x", "json:{}", iso.as_str()] {
            scene.xml(route, &path, &disk_body("new").replace(DATA, domain)).await;
        }
        for missing in ["interface", "format", "provisioned_size"] {
            let body = disk_body("new")
                .replace(&format!("<{missing}>"), "<other>")
                .replace(&format!("</{missing}>"), "</other>");
            scene.xml(route, &path, &body).await;
        }
        scene.xml(route, &path, "<disk/>").await;
        for id in [UNKNOWN, "../x", "-x", "a,b", "json:{}", "a\nb"] {
            scene.xml(route, &path, &format!("<disk id='{id}'/>")).await;
        }
    }
    scene.nothing_happened().await;
}

#[tokio::test]
async fn actions_that_cannot_be() {
    let mut scene = Scene::new().await;
    for route in modifying().filter(|route| root(route) == "action") {
        let path = scene.path(route);
        for value in [
            "<async>maybe</async>",
            "<grace_period><expiry>x</expiry></grace_period>",
            "<grace_period><expiry>-1</expiry></grace_period>",
            "<grace_period><expiry>99999999999999999999</expiry></grace_period>",
            "<force>2</force>",
            "<detach>maybe</detach>",
        ] {
            scene.xml(route, &path, &format!("<action>{value}</action>")).await;
        }
        let illegal = format!("{path};async=maybe");
        scene.xml(route, &illegal, "<action/>").await;
    }
    let start = modifying().find(|route| route.path.ends_with("/start")).unwrap();
    let path = scene.path(start);
    for once in [
        "<os><kernel>/etc/shadow</kernel></os>",
        "<os><kernel>/sim/boot/../../etc/shadow</kernel></os>",
        "<os><kernel>iso://../x</kernel></os>",
        "<os><boot dev='floppy'/></os>",
        "<display><type>cga</type></display>",
        "<display><keyboard_layout>klingon</keyboard_layout></display>",
        "<cpu_shares>-1</cpu_shares>",
        "<custom_cpu_model>a,b</custom_cpu_model>",
        "<custom_emulated_machine>q35,x=y</custom_emulated_machine>",
        "<custom_properties><custom_property name='x' value='y'/></custom_properties>",
        "<cdroms><cdrom><file id='../../etc/passwd'/></cdrom></cdroms>",
        "<cdroms><cdrom><file id='/etc/passwd'/></cdrom></cdroms>",
        "<cdroms><cdrom><file id='-x'/></cdrom></cdroms>",
        "<cdroms><cdrom><file id='json:{}'/></cdrom></cdroms>",
        "<cdroms><cdrom><file id='a,b'/></cdrom></cdroms>",
        "<cdroms><cdrom><file id='nope.iso'/></cdrom></cdroms>",
    ] {
        scene.xml(start, &path, &format!("<action><vm>{once}</vm></action>")).await;
    }
    scene.xml(start, &path, "<action><pause>maybe</pause></action>").await;
    let ticket = modifying().find(|route| route.path.ends_with("/ticket")).unwrap();
    let up = scene.sim.get("/vms?search=name%3Dup").await.at("vm/@id");
    for value in [
        "<expiry>-1</expiry>",
        "<expiry>x</expiry>",
        "<expiry>99999999999</expiry>",
        "<value>123456789</value>",
        "<value>a\nb</value>",
    ] {
        let body = format!("<action><ticket>{value}</ticket></action>");
        scene.xml(ticket, &format!("/vms/{up}/ticket"), &body).await;
    }
    scene.nothing_happened().await;
}
