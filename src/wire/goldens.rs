//! Every document with every field, as files: `tests/wire/<noun>.v3.xml` and `.v3.json`.
//!
//! `VIREO_REGENERATE=1 cargo test --lib wire::` writes them anew; look at the difference before you
//! commit it. The XML ones are valid by the reference's schema.

use super::sample::sample;
use super::types::*;
use super::*;
use std::fmt::Debug;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/wire")
}

/// Does something with each document: its file's name, the document, and what a client reads of it.
trait Visit {
    fn document<T: Document + Debug + PartialEq>(&mut self, name: &str, written: T, read: T);
}

/// Storage is of one kind: on files, on units, or a mere connection.
fn on_files(storage: &mut HostStorage) {
    let HostStorage { logical_units, volume_group, override_luns, port, target, username, .. } = storage;
    (*logical_units, *volume_group, *override_luns, *port) = (None, None, None, None);
    (*target, *username) = (None, None);
    (storage.password, storage.portal) = (None, None);
}

fn on_units(storage: &mut HostStorage) {
    not_on_files(storage);
    let HostStorage { port, target, username, password, portal, .. } = storage;
    (*port, *target, *username, *password, *portal) = (None, None, None, None, None);
}

fn not_on_files(storage: &mut HostStorage) {
    let HostStorage { path, mount_options, vfs_type, nfs_version, nfs_timeo, nfs_retrans, .. } = storage;
    (*path, *mount_options, *vfs_type, *nfs_version) = (None, None, None, None);
    (*nfs_timeo, *nfs_retrans) = (None, None);
}

fn disk(disk: &mut Disk) {
    disk.lun_storage.iter_mut().for_each(on_units);
}

/// Links are links to others, which samples have none of.
fn described(rsdl: &mut Rsdl) {
    let request = rsdl.general.as_mut().unwrap().request.as_mut().unwrap();
    request.http_method = Some("GET".into());
    let link = RsdlLink { rel: Some("get".into()), request: Some(request.clone()), ..RsdlLink::default() };
    rsdl.links.as_mut().unwrap().link.push(link);
}

/// Documents and what must be changed about their samples.
macro_rules! documents {
    ($($type:ty, $name:literal $(, $adjust:expr)?;)*) => {
        fn each_document(visit: &mut impl Visit) {
            $(
                let make = |only_version_3| {
                    #[allow(unused_mut)]
                    let mut document = sample::<$type>(only_version_3);
                    $(
                        let adjust: fn(&mut $type) = $adjust;
                        adjust(&mut document);
                    )?
                    document
                };
                visit.document($name, make(false), make(true));
            )*
        }
    };
}

documents! {
    Action, "action", |action| {
        action.fault = None;
        action.iscsi.as_mut().unwrap().initiator = None;
        action.status = Some("complete".into());
    };
    Action, "action_failed", |action| {
        *action = Action {
            r#async: Some(false),
            status: Some("failed".into()),
            fault: action.fault.take(),
            ..Action::default()
        };
    };
    AffinityGroup, "affinity_group";
    Api, "api", |api| {
        // A link has no id.
        let special = api.special_objects.as_mut().unwrap();
        for reference in [&mut special.blank_template, &mut special.root_tag].into_iter().flatten() {
            *reference = Ref { href: reference.href.take(), ..Ref::default() };
        }
    };
    Bookmark, "bookmark";
    Capabilities, "capabilities";
    Cdrom, "cdrom";
    Cluster, "cluster";
    ClusterQuotaLimit, "cluster_quota_limit";
    CpuProfile, "cpu_profile";
    Creation, "creation";
    DataCenter, "data_center";
    Disk, "disk", disk;
    DiskProfile, "disk_profile";
    DiskSnapshot, "disk_snapshot", |image| image.lun_storage.iter_mut().for_each(on_units);
    Event, "event";
    Fault, "fault";
    File, "file";
    Floppy, "floppy";
    GraphicsConsole, "graphics_console";
    Group, "group";
    Host, "host";
    HostDevice, "host_device";
    HostNic, "host_nic";
    HostNumaNode, "host_numa_node";
    InstanceType, "instance_type";
    Job, "job";
    Label, "label";
    MacPool, "mac_pool";
    Network, "network";
    Nic, "nic";
    OperatingSystemInfo, "operating_system";
    Permission, "permission";
    Permit, "permit";
    Qos, "qos";
    Quota, "quota";
    ReportedDevice, "reported_device";
    Role, "role";
    Rsdl, "rsdl", described;
    SchedulingPolicy, "scheduling_policy";
    Session, "session";
    Snapshot, "snapshot";
    SshPublicKey, "ssh_public_key";
    Statistic, "statistic";
    Step, "step";
    StorageConnection, "storage_connection", |connection| {
        let StorageConnection { port, target, username, password, portal, .. } = connection;
        (*port, *target, *username, *password, *portal) = (None, None, None, None, None);
    };
    StorageDomain, "storage_domain", |domain| on_files(domain.storage.as_mut().unwrap());
    StorageDomain, "storage_domain_iscsi", |domain| on_units(domain.storage.as_mut().unwrap());
    StorageQuotaLimit, "storage_quota_limit";
    Tag, "tag";
    Template, "template";
    User, "user";
    Vm, "vm";
    VmNumaNode, "vm_numa_node";
    VmPool, "vm_pool";
    VnicProfile, "vnic_profile";
    Watchdog, "watchdog";
    // Lists differ in their names only.
    Applications, "applications";
    Clusters, "clusters";
    Disks, "disks";
    DiskSnapshots, "disk_snapshots", |list| {
        list.disk_snapshot.iter_mut().for_each(|image| image.lun_storage.iter_mut().for_each(on_units));
    };
    GraphicsConsoles, "graphics_consoles";
    HostStorages, "host_storage", |list| list.storage.iter_mut().for_each(on_units);
    Jobs, "jobs";
    Permissions, "permissions";
    Qoss, "qoss";
    Tags, "tags";
    VmNumaNodes, "vm_numa_nodes";
    VmPools, "vm_pools";
}

#[test]
fn documents_are_written_as_the_files_say_and_read_back() {
    struct Compare(Vec<String>);
    impl Visit for Compare {
        fn document<T: Document + Debug + PartialEq>(&mut self, name: &str, written: T, wanted: T) {
            for (format, ending) in [(Format::Xml, "xml"), (Format::Json, "json")] {
                let file = folder().join(format!("{name}.v3.{ending}"));
                let mut body = write(&written, format, Version::V3);
                assert_eq!(read::<T>(&body, format, Version::V3).unwrap(), wanted, "{}", file.display());
                if format == Format::Json {
                    let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
                    body = format!("{json:#}\n").into_bytes();
                }
                if std::env::var_os("VIREO_REGENERATE").is_some() {
                    std::fs::write(&file, &body).unwrap();
                }
                if std::fs::read(&file).ok() != Some(body) {
                    self.0.push(file.display().to_string());
                }
            }
        }
    }
    let mut different = Compare(Vec::new());
    each_document(&mut different);
    assert!(different.0.is_empty(), "these are written in another way now: {:#?}", different.0);
}

#[test]
fn every_file_is_valid_by_the_schema() {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "xml"));
    let checked = Command::new("xmllint")
        .args(["--noout", "--schema", "src/api/schema/ovirt-engine-api-3.6.xsd"])
        .args(&files)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("xmllint is needed to check the documents: install libxml2-utils");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

/// Applies version 3 one rule at a time and notes which changed something, and in which direction.
#[derive(Default)]
struct Spy {
    lowered: Mutex<Vec<(&'static str, v3::Rule)>>,
    lifted: Mutex<Vec<(&'static str, v3::Rule)>>,
}

impl Dialect for Spy {
    fn lower(&self, kind: &str, node: &mut Node) {
        for (kind, rule) in rules_of(kind) {
            let before = node.clone();
            rule.lower(node);
            if *node != before {
                self.lowered.lock().unwrap().push((kind, rule));
            }
        }
    }

    fn lift(&self, kind: &str, node: &mut Node) {
        for (kind, rule) in rules_of(kind).into_iter().rev() {
            let before = node.clone();
            rule.lift(node);
            if *node != before {
                self.lifted.lock().unwrap().push((kind, rule));
            }
        }
    }

    fn prefer_news(&self, kind: &str, node: &mut Node, shown: &Node) {
        v3::V3.prefer_news(kind, node, shown);
    }

    fn root(&self, name: &'static str) -> &'static str {
        v3::V3.root(name)
    }
}

/// A client may write its values in capitals.
fn shout(node: &mut Node) {
    if let Some(tree::Value::Text(text)) = &mut node.value
        && node.name != "rel"
    {
        text.make_ascii_uppercase();
    }
    node.children.iter_mut().for_each(shout);
}

fn rules_of(kind: &str) -> Vec<(&'static str, v3::Rule)> {
    let everywhere = v3_rules::EVERYWHERE.iter().map(|rule| ("", *rule));
    let own = v3_rules::RULES.iter().filter(|(of, _)| *of == kind);
    everywhere.chain(own.flat_map(|(of, rules)| rules.iter().map(|rule| (*of, *rule)))).collect()
}

#[test]
fn every_rule_has_an_effect() {
    struct Apply(Spy);
    impl Visit for Apply {
        fn document<T: Document + Debug + PartialEq>(&mut self, _: &str, written: T, _: T) {
            let body = render(&tree(&written, T::ROOT, &self.0), Format::Xml, true);
            let mut read = xml::read(&body, T::ROOT, &self.0).unwrap();
            shout(&mut read);
            de::document::<T>(read, &self.0).unwrap();
        }
    }
    let mut apply = Apply(Spy::default());
    each_document(&mut apply);
    for body in ["<wipe_after_disk>true</wipe_after_disk>", "<type>e1000</type>"] {
        read_as::<Disk>(format!("<disk>{body}</disk>").as_bytes(), Format::Xml, &apply.0).unwrap();
        read_as::<Nic>(format!("<nic>{body}</nic>").as_bytes(), Format::Xml, &apply.0).unwrap();
    }
    read_as::<Action>(b"<action><detach/></action>", Format::Xml, &apply.0).unwrap();
    let Spy { lowered, lifted } = apply.0;
    let (lowered, lifted) = (lowered.into_inner().unwrap(), lifted.into_inner().unwrap());
    let all = v3_rules::RULES.iter().flat_map(|(kind, rules)| rules.iter().map(|rule| (*kind, *rule)));
    let all = all.filter(|(_, rule)| !matches!(rule, v3::Rule::Twins(..)));
    for rule in all.chain(v3_rules::EVERYWHERE.iter().map(|rule| ("", *rule))) {
        let to_read = matches!(rule.1, v3::Rule::Lower(_) | v3::Rule::Synonym(..) | v3::Rule::Mentioned(_));
        let to_write = matches!(rule.1, v3::Rule::Attrs(_) | v3::Rule::Only4(_));
        assert!(to_read || lowered.contains(&rule), "no document needs {rule:?} when written");
        assert!(to_write || lifted.contains(&rule), "no document needs {rule:?} when read");
    }
}
