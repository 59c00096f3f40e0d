//! `GET /api?rsdl`: what may be asked of the API, told by the routes themselves.

use super::links::ROOT;
use super::routes::{ROUTES, Route};
use crate::wire::types::*;
use axum::http::Method;

/// The name of a collection in addresses, and the types of its items and of itself.
const TYPES: &[(&str, &str, &str)] = &[
    ("affinitygroups", "AffinityGroup", "AffinityGroups"),
    ("applications", "Application", "Applications"),
    ("bookmarks", "Bookmark", "Bookmarks"),
    ("capabilities", "VersionCaps", "Capabilities"),
    ("cdroms", "CdRom", "CdRoms"),
    ("clusters", "Cluster", "Clusters"),
    ("cpuprofiles", "CpuProfile", "CpuProfiles"),
    ("creation_status", "Creation", "Creation"),
    ("datacenters", "DataCenter", "DataCenters"),
    ("devices", "HostDevice", "HostDevices"),
    ("diskprofiles", "DiskProfile", "DiskProfiles"),
    ("disks", "Disk", "Disks"),
    ("domains", "Domain", "Domains"),
    ("events", "Event", "Events"),
    ("externalhostproviders", "ExternalHostProvider", "ExternalHostProviders"),
    ("files", "File", "Files"),
    ("graphicsconsoles", "GraphicsConsole", "GraphicsConsoles"),
    ("groups", "Group", "Groups"),
    ("hostdevices", "HostDevice", "HostDevices"),
    ("hosts", "Host", "Hosts"),
    ("icons", "Icon", "Icons"),
    ("instancetypes", "InstanceType", "InstanceTypes"),
    ("iscsibonds", "IscsiBond", "IscsiBonds"),
    ("jobs", "Job", "Jobs"),
    ("katelloerrata", "KatelloErratum", "KatelloErrata"),
    ("labels", "Label", "Labels"),
    ("macpools", "MacPool", "MacPools"),
    ("networkattachments", "NetworkAttachment", "NetworkAttachments"),
    ("networks", "Network", "Networks"),
    ("nics", "NIC", "Nics"),
    ("numanodes", "NumaNode", "NumaNodes"),
    ("openstackimageproviders", "OpenStackImageProvider", "OpenStackImageProviders"),
    ("openstacknetworkproviders", "OpenStackNetworkProvider", "OpenStackNetworkProviders"),
    ("openstackvolumeproviders", "OpenStackVolumeProvider", "OpenStackVolumeProviders"),
    ("operatingsystems", "OperatingSystemInfo", "OperatingSystemInfos"),
    ("permissions", "Permission", "Permissions"),
    ("permits", "Permit", "Permits"),
    ("qoss", "QoS", "QoSs"),
    ("quotas", "Quota", "Quotas"),
    ("reporteddevices", "ReportedDevice", "ReportedDevices"),
    ("roles", "Role", "Roles"),
    ("schedulingpolicies", "SchedulingPolicy", "SchedulingPolicies"),
    ("schedulingpolicyunits", "SchedulingPolicyUnit", "SchedulingPolicyUnits"),
    ("sessions", "Session", "Sessions"),
    ("snapshots", "Snapshot", "Snapshots"),
    ("sshpublickeys", "SSHPublicKey", "SSHPublicKeys"),
    ("statistics", "Statistic", "Statistics"),
    ("steps", "Step", "Steps"),
    ("storageconnectionextensions", "StorageConnectionExtension", "StorageConnectionExtensions"),
    ("storageconnections", "StorageConnection", "StorageConnections"),
    ("storagedomains", "StorageDomain", "StorageDomains"),
    ("tags", "Tag", "Tags"),
    ("templates", "Template", "Templates"),
    ("unmanagednetworks", "UnmanagedNetwork", "UnmanagedNetworks"),
    ("users", "User", "Users"),
    ("vmpools", "VmPool", "VmPools"),
    ("vms", "VM", "VMs"),
    ("vnicprofiles", "VnicProfile", "VnicProfiles"),
    ("watchdogs", "WatchDog", "WatchDogs"),
];

pub fn describe() -> Rsdl {
    let mut link: Vec<RsdlLink> = ROUTES.iter().filter(|route| route.path != "/").map(self::link).collect();
    link.sort_by(|a, b| (&a.href, &a.rel).cmp(&(&b.href, &b.rel)));
    Rsdl {
        href: Some(format!("{ROOT}?rsdl")),
        rel: Some("rsdl".into()),
        description: Some("The addresses of the API and what may be done there.".into()),
        version: Some(VersionNumber {
            major: Some(3),
            minor: Some(6),
            build: Some(0),
            revision: Some(0),
            full_version: None,
        }),
        schema: Some(RsdlSchema {
            href: Some(format!("{ROOT}?schema")),
            rel: Some("schema".into()),
            name: Some("ovirt-engine-api-schema.xsd".into()),
            description: Some("The schema of the API's documents.".into()),
        }),
        general: Some(general()),
        links: Some(RsdlLinks { link }),
    }
}

fn general() -> RsdlGeneral {
    let headers = [
        ("Filter", "true|false"),
        ("All-Content", "true|false"),
        ("Prefer", "persistent-auth"),
        ("Accept", "application/xml|application/json"),
        ("Correlation-Id", "any string"),
    ];
    RsdlGeneral {
        href: Some(format!("{ROOT}/*")),
        rel: Some("*".into()),
        description: Some("What every request may carry.".into()),
        request: Some(RsdlRequest {
            http_method: Some("GET".into()),
            headers: Some(RsdlHeaders {
                header: headers.iter().map(|(name, value)| header(name, value, false)).collect(),
            }),
            ..RsdlRequest::default()
        }),
        name: Some("general".into()),
    }
}

/// What a route does: to a collection or an item, or as an action of one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Get,
    Add,
    Update,
    Delete,
    Action(&'static str),
}

impl Deed {
    fn of(route: &Route) -> Self {
        let last = route.path.rsplit('/').next().unwrap_or_default();
        let is_read = || ROUTES.iter().any(|it| it.path == route.path && it.method == Method::GET);
        match route.method {
            Method::GET => Self::Get,
            Method::PUT => Self::Update,
            Method::DELETE => Self::Delete,
            _ if is_read() => Self::Add,
            _ => Self::Action(last),
        }
    }

    fn rel(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Add => "add",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Action(name) => name,
        }
    }
}

fn link(route: &Route) -> RsdlLink {
    let deed = Deed::of(route);
    let is_item = route.path.ends_with('}');
    let (collection, item, list) = types(route.path);
    let object = if is_item { format!("one of {collection}") } else { collection.to_owned() };
    let (description, sent, answered) = match deed {
        Deed::Get => (format!("Shows {object}."), None, Some(if is_item { item } else { list })),
        Deed::Add => (format!("Adds to {object}."), Some(item), Some(item)),
        // A file is sent as it is.
        Deed::Update => (format!("Changes {object}."), (collection != "files").then_some(item), Some(item)),
        Deed::Delete => (format!("Removes {object}."), None, None),
        Deed::Action(name) => {
            (format!("The action {name} of one of {collection}."), Some("Action"), Some("Action"))
        }
    };
    RsdlLink {
        href: Some(format!("{ROOT}{}", with_ids(route.path))),
        rel: Some(deed.rel().into()),
        description: Some(description),
        request: Some(RsdlRequest {
            http_method: Some(route.method.to_string()),
            headers: headers(deed),
            url: url(route, deed, collection),
            body: sent.map(|sent| RsdlBody { required: Some(true), r#type: Some(sent.into()) }),
        }),
        response: answered.map(|answered| RsdlResponse { r#type: Some(answered.into()) }),
    }
}

/// The innermost collection of a path, and its types.
fn types(path: &'static str) -> (&'static str, &'static str, &'static str) {
    let names: Vec<&'static str> = path.split('/').filter(|segment| !segment.starts_with('{')).collect();
    let of_host = path.starts_with("/hosts/{host}/nics");
    let of_vm = path.starts_with("/vms/");
    let known = names.iter().rev().find_map(|name| TYPES.iter().find(|(known, ..)| known == name));
    match known {
        Some(("nics", ..)) if of_host => ("nics", "HostNIC", "HostNics"),
        Some(("numanodes", ..)) if of_vm => ("numanodes", "VirtualNumaNode", "VirtualNumaNodes"),
        // How far an action is, is told where it was asked for.
        Some((name, ..)) if path.ends_with("/{operation}") => (name, "Action", "Action"),
        Some(known) => *known,
        None => ("", "", ""),
    }
}

/// `/vms/{vm}` is `/vms/{vm:id}` there.
fn with_ids(path: &str) -> String {
    path.replace('}', ":id}")
}

fn header(name: &str, value: &str, required: bool) -> RsdlHeader {
    RsdlHeader { required: Some(required), name: Some(name.into()), value: Some(value.into()) }
}

fn headers(deed: Deed) -> Option<RsdlHeaders> {
    let mut all = match deed {
        Deed::Get => return None,
        Deed::Delete => vec![],
        _ => vec![header("Content-Type", "application/xml|application/json", true)],
    };
    all.push(header("Correlation-Id", "any string", false));
    match deed {
        Deed::Add => all.push(header("Expect", "201-created", false)),
        Deed::Update => all.push(header("Expect", "202-accepted", false)),
        _ => {}
    }
    Some(RsdlHeaders { header: all })
}

fn url(route: &Route, deed: Deed, collection: &str) -> Option<RsdlUrl> {
    let parameter = |context: &str, name: &str, kind: &str, value: &str| RsdlParameter {
        required: Some(false),
        r#type: Some(kind.into()),
        context: Some(context.into()),
        name: Some(name.into()),
        value: Some(value.into()),
    };
    let is_list = deed == Deed::Get && !route.path.ends_with('}');
    let parameter: Vec<RsdlParameter> = match deed {
        Deed::Get if is_list && !matches!(collection, "statistics" | "capabilities") => {
            let mut all = vec![parameter("matrix", "max", "xs:int", "max results")];
            if super::entry::is_searched(route.path) {
                all.push(parameter("query", "search", "xs:string", "search query"));
                all.push(parameter("matrix", "case_sensitive", "xs:boolean", "true|false"));
            }
            all
        }
        Deed::Get | Deed::Add => return None,
        _ => vec![parameter("matrix", "async", "xs:boolean", "true|false")],
    };
    (!parameter.is_empty()).then(|| RsdlUrl { parameters_set: vec![RsdlParameters { parameter }] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_tells_what_it_is_about_in_the_schemas_words() {
        let schema = include_str!("schema/ovirt-engine-api-3.6.xsd");
        for route in ROUTES.iter().filter(|route| route.path != "/") {
            let (collection, item, list) = types(route.path);
            for known in [item, list] {
                let typed = schema.contains(&format!("complexType name=\"{known}\""));
                assert!(!collection.is_empty() && typed, "{} {}: {known}", route.method, route.path);
            }
        }
        assert_eq!(describe().links.unwrap().link.len(), ROUTES.len() - 1);
    }
}
