//! `/clusters`

use super::app::App;
use super::fault::Fault;
use super::lookup::{differs, differs_in_version};
use super::reply::{Answer, Reply};
use super::request::Request;
use super::search::{self, Searched};
use super::{cpus, links, lookup, networks, profiles, rows, scheduling_policies};
use crate::engine::PlaceChange;
use crate::error::Error;
use crate::model::{Cluster, NetworkId, Object};
use crate::wire::convert;
use crate::wire::filled;
use crate::wire::types;
use std::collections::BTreeSet;
use std::sync::Arc;

const ITEM: &str = "/clusters/{cluster}";

fn document(app: &App, row: &Cluster) -> types::Cluster {
    let document = convert::cluster(row);
    let href = document.href.clone().unwrap_or_default();
    types::Cluster {
        actions: links::actions(ITEM, &href),
        link: links::collections(ITEM, &href),
        cpu: Some(cpus::best(app)),
        memory_policy: Some(types::MemoryPolicy {
            over_commit: Some(types::MemoryOverCommit { percent: Some(100) }),
            transparent_hugepages: Some(types::Enabled { enabled: Some(app.host.huge_pages) }),
            ..Default::default()
        }),
        scheduling_policy: Some(types::SchedulingPolicy {
            href: Some(links::href("/schedulingpolicies/{policy}", &[&scheduling_policies::NONE])),
            id: Some(scheduling_policies::NONE.to_string()),
            policy: Some("none".into()),
            ..Default::default()
        }),
        ksm: Some(types::Ksm { enabled: Some(app.host.shares_pages), ..Default::default() }),
        ..document
    }
}

/// What follows from the host, and stays: a document that says otherwise is refused.
fn check_fixed(now: &types::Cluster, asked: &types::Cluster) -> Result<(), Error> {
    fn policy(it: &types::Cluster) -> [Option<&str>; 2] {
        let it = it.scheduling_policy.as_ref();
        [it.and_then(|it| it.id.as_deref()), it.and_then(|it| it.name.as_deref().or(it.policy.as_deref()))]
    }
    fn memory(it: &types::Cluster) -> [Option<i64>; 2] {
        let it = it.memory_policy.as_ref();
        let enabled = it.and_then(|it| it.transparent_hugepages.as_ref()?.enabled);
        [it.and_then(|it| it.over_commit.as_ref()?.percent).map(i64::from), enabled.map(i64::from)]
    }
    // What is not shown is off.
    fn off(it: &types::Cluster) -> [bool; 3] {
        let fencing = it.fencing_policy.as_ref().and_then(|it| it.enabled);
        [it.optional_reason, it.maintenance_reason_required, fencing].map(|flag| flag.unwrap_or(false))
    }
    fn ksm(it: &types::Cluster) -> [Option<bool>; 2] {
        let it = it.ksm.as_ref();
        [it.and_then(|it| it.enabled), it.and_then(|it| it.merge_across_nodes.filter(|merged| *merged))]
    }
    fn migration(it: &types::Cluster) -> [Option<&str>; 2] {
        let it = it.migration.as_ref();
        let said = [it.and_then(|it| filled(&it.auto_converge)), it.and_then(|it| filled(&it.compressed))];
        said.map(|word| word.filter(|word| *word != "inherit"))
    }
    fn sources(it: &types::Cluster) -> [Option<&[String]>; 1] {
        let sources = it.required_rng_sources.as_ref().map(|it| it.required_rng_source.as_slice());
        [sources.filter(|sources| !sources.is_empty())]
    }
    let cpu = |it: &types::Cluster| [it.cpu.as_ref().and_then(|cpu| cpu.r#type.clone())];
    let on_error = |it: &types::Cluster| [it.error_handling.as_ref().and_then(|it| it.on_error.clone())];
    let proxy =
        |it: &types::Cluster| [it.display.as_ref().and_then(|it| filled(&it.proxy).map(str::to_owned))];
    let serial = |it: &types::Cluster| {
        [it.serial_number.as_ref().and_then(|it| filled(&it.policy).map(str::to_owned))]
    };
    let flags = |it: &types::Cluster| {
        [
            it.virt_service,
            it.gluster_service,
            it.threads_as_cores,
            it.tunnel_migration,
            it.trusted_service,
            it.ha_reservation,
            it.ballooning_enabled,
        ]
    };
    let rules = [
        ("cpu", differs(cpu(now), cpu(asked))),
        ("memory_policy", differs(memory(now), memory(asked))),
        ("scheduling_policy", differs(policy(now), policy(asked))),
        ("version", differs_in_version(&now.version, &asked.version)),
        ("error_handling", differs(on_error(now), on_error(asked))),
        ("services, memory and migration", differs(flags(now), flags(asked))),
        ("migration", differs(migration(now), migration(asked))),
        ("ksm", differs(ksm(now), ksm(asked))),
        ("display", differs(proxy(now), proxy(asked))),
        ("serial_number", differs(serial(now), serial(asked))),
        ("required_rng_sources", differs(sources(now), sources(asked))),
        ("reasons and fencing", off(now) != off(asked)),
    ];
    lookup::check_fixed("Cluster", &rules)
}

impl Searched for Cluster {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "id",
        "description",
        "comment",
        "architecture",
        "datacenter",
        "datacenter.name",
        "storage",
        "storage.name",
        "cluster_network",
        "cluster_network.name",
        "cluster_network.network_name",
    ];

    fn object(&self) -> Option<Object> {
        Some(self.id.into())
    }

    fn field(&self, app: &App, name: &str) -> Option<String> {
        Some(match name {
            "name" => self.name.clone(),
            "id" => self.id.to_string(),
            "description" => self.description.clone(),
            "comment" => self.comment.clone(),
            "architecture" => "x86_64".into(),
            "datacenter" | "datacenter.name" => {
                app.engine.world().data_centers.get(&self.data_center)?.name.clone()
            }
            _ => return None,
        })
    }

    fn several(&self, app: &App, name: &str) -> Option<Vec<String>> {
        let world = app.engine.world();
        Some(match name {
            "storage" | "storage.name" => {
                let here = world.storage_domains.values();
                here.filter(|it| it.data_center == Some(self.data_center)).map(|it| it.name.clone()).collect()
            }
            "cluster_network" | "cluster_network.name" | "cluster_network.network_name" => {
                world.networks_of(self.id).map(|it| it.name.clone()).collect()
            }
            _ => return None,
        })
    }
}

/// Those clusters that the request asks for.
pub fn some(app: &App, request: &Request, wanted: impl Fn(&Cluster) -> bool) -> Answer {
    let all = rows::by_name(&app.engine.world().clusters, |row| &row.name, wanted);
    let found = search::select(app, request, all)?;
    let cluster = found.iter().map(|row| document(app, row)).collect();
    Ok(Reply::ok(types::Clusters { cluster, ..Default::default() }))
}

/// The cluster of the path, if it is one of those.
pub fn one(app: &App, request: &Request, wanted: impl Fn(&Cluster) -> bool) -> Answer {
    let row = named(app, request)?;
    if wanted(&row) { Ok(Reply::ok(document(app, &row))) } else { Err(Error::not_found(row.id).into()) }
}

/// The cluster of the path.
fn named(app: &App, request: &Request) -> Result<Cluster, Fault> {
    rows::one(&app.engine.world().clusters, request, "cluster")
}

/// `GET /clusters`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    some(&app, &request, |_| true)
}

/// `GET /clusters/{cluster}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    one(&app, &request, |_| true)
}

/// `PUT /clusters/{cluster}`: its name, description and comment.
pub async fn update(app: Arc<App>, request: Request) -> Answer {
    let row = named(&app, &request)?;
    let id = row.id;
    let asked: types::Cluster = request.document().await?;
    lookup::same_id(asked.id.as_deref(), id)?;
    check_fixed(&document(&app, &row), &asked)?;
    app.engine
        .update_cluster(
            id,
            PlaceChange { name: asked.name, description: asked.description, comment: asked.comment },
        )
        .await?;
    Ok(Reply::ok(document(&app, &named(&app, &request)?)))
}

fn networks_of(app: &App, cluster: &Cluster) -> BTreeSet<NetworkId> {
    app.engine.world().networks_of(cluster.id).map(|network| network.id).collect()
}

/// `GET /clusters/{cluster}/networks`
pub async fn list_networks(app: Arc<App>, request: Request) -> Answer {
    let cluster = named(&app, &request)?;
    let here = networks_of(&app, &cluster);
    networks::some(&app, &request, Some(&cluster), |row| here.contains(&row.id))
}

/// `GET /clusters/{cluster}/networks/{network}`
pub async fn show_network(app: Arc<App>, request: Request) -> Answer {
    let cluster = named(&app, &request)?;
    let here = networks_of(&app, &cluster);
    networks::one(&app, &request, Some(&cluster), |row| here.contains(&row.id))
}

/// `GET /clusters/{cluster}/cpuprofiles`
pub async fn list_cpu_profiles(app: Arc<App>, request: Request) -> Answer {
    let id = named(&app, &request)?.id;
    profiles::some_cpu(&app, &request, |row| row.cluster == id)
}

/// `GET /clusters/{cluster}/cpuprofiles/{profile}`
pub async fn show_cpu_profile(app: Arc<App>, request: Request) -> Answer {
    let id = named(&app, &request)?.id;
    profiles::one_cpu(&app, &request, |row| row.cluster == id)
}
