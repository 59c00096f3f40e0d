//! `/vms`

use super::access;
use super::app::App;
use super::fault::Fault;
use super::links;
use super::listed::Item;
use super::lookup;
use super::related::Related;
use super::rendered::Key;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::search::{self, Holds, Searched};
use super::vm_actions::made;
use super::{disks, hosts, machine, nics, ovf, statistics, tags};
use crate::engine::jobs::Started;
use crate::engine::{Import, NewVm, Source, VmView};
use crate::error::Error;
use crate::model::*;
use crate::wire::convert::{self, RunState, RunningConsole};
use crate::wire::types::{self, Action, Configuration};
use crate::wire::{Head, filled, frame, missing, require, write, write_item};
use axum::body::Bytes;
use std::sync::Arc;

const ITEM: &str = "/vms/{vm}";
/// What a guest's interface counts as able to carry: a gigabit a second, in bytes.
const NIC_SPEED: f64 = 125e6;

/// What every representation of a VM begins with; sub-collections join it by `detail`.
pub fn document(app: &App, view: &VmView, request: &Request, all_content: bool) -> types::Vm {
    let next = view.vm.next_run.as_deref().filter(|_| request.next_run);
    // The next run has its own.
    let runs = view.status.runs() && !request.next_run;
    let console = view.seen.as_ref().filter(|_| runs).and_then(|seen| {
        let wanted = view.vm.spec.display.as_ref().map(|display| display.protocol);
        let consoles = &seen.observed.graphics;
        let graphics = consoles.iter().find(|one| Some(one.protocol) == wanted).or(consoles.first())?;
        let address = graphics.address.clone().unwrap_or_default();
        Some(RunningConsole {
            protocol: graphics.protocol,
            address: app.console_address(&address),
            port: graphics.port,
            tls_port: graphics.tls_port,
        })
    });
    let (cpu_profile, pool) = {
        let world = app.engine.world();
        (world.cpu_profiles.keys().next().copied(), world.pool_of(view.vm.id))
    };
    let state = RunState {
        status: Some(view.status),
        pause: Some(view.pause),
        host: view.host.filter(|_| !request.filter),
        console,
        cpu_profile,
        pool,
        guest: app.engine.inventory.guest(view.vm.id).filter(|_| view.status.runs()),
    };
    let mut document = convert::vm(&view.vm, next.unwrap_or(&view.vm.spec), &state, all_content);
    if request.filter {
        // A user's view says nothing of hosts.
        document.placement_policy = None;
    }
    let href = document.href.clone().unwrap_or_default();
    document.actions = links::actions(ITEM, &href);
    document.link = links::collections(ITEM, &href);
    document
}

fn detailed(app: &App, id: VmId, request: &Request, mut document: types::Vm) -> Result<types::Vm, Fault> {
    if request.detail.has("disks") {
        document.disks = Some(disks::of_vm(app, id, request));
    }
    if request.detail.has("nics") {
        document.nics = Some(nics::of_vm(app, id, request)?);
    }
    if request.detail.has("tags") {
        let collection = links::href("/vms/{vm}/tags", &[&id]);
        document.tags = Some(tags::of(app, id.into(), &collection));
    }
    if request.detail.has("statistics") {
        document.statistics = Some(statistics::of_vm(app, id)?);
    }
    Ok(document)
}

fn has_details(request: &Request) -> bool {
    ["disks", "nics", "tags", "statistics"].iter().any(|name| request.detail.has(name))
}

/// All that the request asks for of a VM.
fn asked(app: &App, id: VmId, request: &Request) -> Result<types::Vm, Fault> {
    let view = app.engine.vm(id)?;
    let mut document = document(app, &view, request, request.all_content);
    if request.all_content {
        let configuration = ovf::of_vm(app, &view).and_then(|ovf| ovf.configuration);
        if configuration.is_some() {
            document.initialization.get_or_insert_default().configuration = configuration;
        }
    }
    detailed(app, id, request, document)
}

fn key(id: VmId, request: &Request) -> Key {
    Key {
        vm: id,
        format: request.format,
        version: request.version,
        all_content: request.all_content,
        filter: request.filter,
    }
}

/// A VM's bytes; kept until something of the VM changes.
fn alone(app: &App, id: VmId, request: &Request) -> Result<Bytes, Fault> {
    let render = || asked(app, id, request).map(|vm| write(&vm, request.format, request.version).into());
    // What images take changes without a word: who asks for one VM's OVF gets the present one.
    if has_details(request) || request.next_run || request.all_content {
        return render();
    }
    app.rendered.alone(key(id, request), app.engine.inventory.stamp(id), render)
}

/// The same in a list.
fn item(app: &App, id: VmId, request: &Request) -> Result<Item, Fault> {
    let render = || asked(app, id, request).map(|vm| write_item(&vm, request.format, request.version).into());
    if has_details(request) || request.next_run {
        return render().map(Item::Whole);
    }
    app.rendered.item(key(id, request), app.engine.inventory.stamp(id), render)
}

/// What a VM may be in, and names that searches know beside them.
const STATUSES: &[&str] = &[
    "unassigned",
    "down",
    "up",
    "powering_up",
    "paused",
    "migrating",
    "migrating_from",
    "migrating_to",
    "unknown",
    "not_responding",
    "wait_for_launch",
    "reboot_in_progress",
    "saving_state",
    "restoring_state",
    "suspended",
    "image_illegal",
    "image_locked",
    "powering_down",
];

impl Searched for VmView {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "id",
        "status",
        "description",
        "comment",
        "cluster",
        "datacenter",
        "type",
        "memory",
        "os",
        "host",
        "template",
        "ip",
        "fqdn",
        "creationdate",
        "uptime",
        "address",
        "tag",
        "loggedinuser",
        "architecture",
        "compatibility_level",
        "custom_emulated_machine",
        "custom_cpu_type",
        "apps",
        "cpu_usage",
        "mem_usage",
        "network_usage",
        "migration_progress_percent",
        "quota",
        "pool",
        "cluster.name",
        "datacenter.name",
        "host.name",
        "host.status",
        "host.address",
        "template.name",
        "template.description",
        "storage",
        "storage.name",
        "storage.type",
        "vnic",
        "vnic.name",
        "vnic.network_name",
    ];
    const KINDS: &'static [(&'static str, Holds)] = &[
        ("status", Holds::Words(STATUSES)),
        ("type", Holds::Words(&["desktop", "server"])),
        ("memory", Holds::Number),
        ("creationdate", Holds::Time),
        ("uptime", Holds::Span),
        ("cpu_usage", Holds::Number),
        ("mem_usage", Holds::Number),
        ("network_usage", Holds::Number),
        ("migration_progress_percent", Holds::Number),
        ("host.status", Holds::Words(hosts::STATUSES)),
        ("storage.type", Holds::Words(&["data", "iso", "export", "image", "volume"])),
    ];
    const RELATED: &'static [Related] = &[Related::Users, Related::Events];

    fn object(&self) -> Option<Object> {
        Some(self.vm.id.into())
    }

    fn concerns(&self, event: &Event) -> bool {
        event.about.vm.as_ref().is_some_and(|it| it.id == self.vm.id)
    }

    fn field(&self, app: &App, name: &str) -> Option<String> {
        if let Some(own) = own(app, &self.vm, name) {
            return own.into_iter().next();
        }
        let world = app.engine.world();
        Some(match name {
            "cluster" | "cluster.name" => world.clusters.get(&self.vm.cluster)?.name.clone(),
            "datacenter" | "datacenter.name" => world.data_centers.values().next()?.name.clone(),
            "host" | "host.name" => {
                self.host.and_then(|host| world.hosts.get(&host)).map(|host| host.name.clone())?
            }
            "template" | "template.name" => world.template_name(self.vm.template)?.to_owned(),
            "pool" => world.vm_pools.get(&world.pool_of(self.vm.id)?)?.name.clone(),
            "template.description" => world.template(self.vm.template)?.spec.description,
            "uptime" => {
                let started = self.vm.started.filter(|_| self.status.runs())?;
                started.duration_until(jiff::Timestamp::now()).as_secs().to_string()
            }
            "address" | "host.address" => self.host.map(|_| app.host.name.clone())?,
            "host.status" => self.host.map(|_| hosts::status(app).to_owned())?,
            "fqdn" => self.guest(app)?.host_name.clone()?,
            "cpu_usage" => {
                drop(world);
                app.engine.vm_figures(self.vm.id).ok()?.cpu_total.round().to_string()
            }
            "mem_usage" => {
                drop(world);
                let used = app.engine.vm_figures(self.vm.id).ok()?.memory_used;
                (used * 100 / self.vm.spec.memory.max(1)).to_string()
            }
            "network_usage" => {
                let nics: Vec<Nic> = world.nics_of(self.vm.id).into_iter().cloned().collect();
                drop(world);
                let figures = nics.iter().map(|nic| app.engine.nic_figures(nic));
                let rates = figures.map(|it| (it.rx_rate + it.tx_rate, NIC_SPEED));
                statistics::network_usage(rates).to_string()
            }
            "migration_progress_percent" => 0.to_string(),
            "quota" => world.quotas.get(&self.vm.spec.quota?)?.name.clone(),
            _ => return None,
        })
    }

    fn several(&self, app: &App, name: &str) -> Option<Vec<String>> {
        let guest = || self.guest(app).into_iter();
        let id = self.vm.id;
        if name == "tag" {
            return Some(app.engine.tag_names_over(id.into()));
        }
        let world = app.engine.world();
        Some(match name {
            "ip" => guest()
                .flat_map(|guest| guest.interfaces.clone())
                .flat_map(|interface| interface.addresses)
                .map(|address| address.to_string())
                .collect(),
            "loggedinuser" => guest().flat_map(|guest| guest.users.clone()).collect(),
            "storage" | "storage.name" | "storage.type" => {
                let domains = world.disks_of(id).into_iter().map(|(_, disk)| disk.storage_domain);
                let rows = domains.filter_map(|id| world.storage_domains.get(&id));
                rows.map(|row| match name {
                    "storage.type" => convert::Named::name(row.kind).to_owned(),
                    _ => row.name.clone(),
                })
                .collect()
            }
            "vnic" | "vnic.name" => world.nics_of(id).into_iter().map(|nic| nic.name.clone()).collect(),
            "vnic.network_name" => {
                let networks = world.nics_of(id).into_iter().filter_map(|nic| nic.network);
                networks.filter_map(|id| Some(world.networks.get(&id)?.name.clone())).collect()
            }
            "apps" => guest().flat_map(|guest| guest.applications().collect::<Vec<_>>()).collect(),
            _ => return None,
        })
    }
}

/// What a VM's row and its state tell by themselves; `None` of what it takes more for.
fn own(app: &App, vm: &Vm, name: &str) -> Option<Vec<String>> {
    let spec = &vm.spec;
    let one = match name {
        "name" => spec.name.clone(),
        "id" => vm.id.to_string(),
        "status" => app.engine.status(vm.id).name().into(),
        "description" => spec.description.clone(),
        "comment" => spec.comment.clone(),
        "type" => convert::Named::name(spec.kind).into(),
        "memory" => (spec.memory / MIB).to_string(),
        "os" => spec.os.kind.clone(),
        "creationdate" => vm.created.to_string(),
        "architecture" => "x86_64".into(),
        "compatibility_level" => "3.6".into(),
        "custom_emulated_machine" => return Some(spec.machine.clone().into_iter().collect()),
        "custom_cpu_type" => return Some(spec.cpu_model.clone().into_iter().collect()),
        _ => return None,
    };
    Some(vec![one])
}

/// Those VMs that the request searches for. Only of those that could be meant by what their rows
/// tell, a view is made.
fn found(app: &App, request: &Request) -> Result<Vec<VmId>, Fault> {
    let query = search::query::<VmView>(request)?;
    let foreign = app.engine.foreign_ids();
    let mut named: Vec<(String, VmId)> = {
        let world = app.engine.world();
        let may = |vm: &&Vm| query.may_hold(request.case_sensitive, |field| own(app, vm, field));
        world.vms.values().filter(may).map(|vm| (vm.spec.name.clone(), vm.id)).collect()
    };
    named.extend(foreign);
    named.sort();
    let views = named.into_iter().filter_map(|(_, id)| app.engine.vm(id).ok()).collect();
    Ok(search::chosen(app, request, &query, views).into_iter().map(|view: VmView| view.vm.id).collect())
}

impl VmView {
    /// What the guest of the running VM tells.
    fn guest(&self, app: &App) -> Option<Arc<GuestReport>> {
        app.engine.inventory.guest(self.vm.id).filter(|_| self.status.runs())
    }
}

/// `GET /vms`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let ids = match &request.search {
        None => {
            let mut ids = app.engine.vm_ids();
            if !request.reach.is_super_user() {
                ids.retain(|id| access::shows(&app, &request, *id));
            }
            ids.truncate(request.max.unwrap_or(usize::MAX));
            ids
        }
        Some(_) => found(&app, &request)?,
    };
    // A VM that goes away meanwhile is simply not listed.
    let items: Vec<Item> = ids.iter().filter_map(|id| item(&app, *id, &request).ok()).collect();
    let head = Head { size: request.detail.has("size").then_some(items.len() as u32), ..Head::default() };
    let items = if request.detail.has("main") { items } else { Vec::new() };
    Ok(Reply::listed(frame("vms", "vm", &head, request.format, request.version), items))
}

/// `GET /vms/{vm}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    let id = request.id("vm")?;
    // A VM that is gone, or that libvirt has not told of, has no stamp to go by.
    app.engine.knows(id)?;
    Ok(Reply::written(alone(&app, id, &request)?))
}

/// `POST /vms`
pub async fn add(app: Arc<App>, request: Request) -> Answer {
    let asked: types::Vm = request.document().await?;
    if let Some(configuration) = ovf::brought(&asked) {
        return import(&app, &request, &asked, configuration).await;
    }
    let snapshot = asked.snapshots.as_ref().map(|snapshots| snapshots.snapshot.first());
    require(
        "VM",
        "add",
        &[
            ("name", filled(&asked.name).is_some()),
            ("template.id|name", snapshot.is_some() || lookup::is_named(&asked.template)),
            ("cluster.id|name", lookup::is_named(&asked.cluster)),
        ],
    )?;
    let source = match snapshot {
        Some(snapshot) => {
            let id = snapshot.and_then(|snapshot| snapshot.id.as_deref());
            let id = id.ok_or_else(|| missing("VM", &["snapshots.snapshot.id"], "add"))?;
            let id: SnapshotId = convert::parse_id(id, "Snapshot")?;
            let of = app.engine.world().snapshots.get(&id).map(|snapshot| snapshot.vm);
            let of = of.filter(|vm| access::shows(&app, &request, *vm));
            let of = of.ok_or_else(|| Error::not_found(format!("Snapshot: id={id}")))?;
            access::require(&app, &request, 12, of)?;
            Source::Snapshot(id)
        }
        None => {
            let mut id = lookup::template(&app, asked.template.as_ref())?;
            if asked.stateless == Some(true) && asked.use_latest_template_version == Some(true) {
                id = app.engine.world().newest_version(id);
            }
            access::require(&app, &request, 1, id)?;
            let clone = asked.disks.as_ref().and_then(|disks| disks.clone).unwrap_or(false);
            Source::Template { id, clone }
        }
    };
    let cluster = lookup::cluster(&app, asked.cluster.as_ref())?;
    access::require(&app, &request, 1, cluster)?;
    let mut spec = app.engine.spec_of(source)?;
    machine::change(&app, &asked, &mut spec)?;
    let drive = asked.cdroms.as_ref().and_then(|cdroms| cdroms.cdrom.first());
    if let Some(file) = drive.and_then(|drive| drive.file.as_ref()) {
        spec.cdrom = convert::medium(file);
    }
    let disks = disks::copies(&app, asked.disks.as_ref(), asked.storage_domain.as_ref())?;
    let clones = asked.permissions.as_ref().and_then(|permissions| permissions.clone).unwrap_or(false);
    let grants_of = match source {
        Source::Template { id, .. } if clones && id != BLANK => Some(id.into()),
        _ => None,
    };
    let started =
        create(&app, &request, NewVm { cluster, source, spec, disks, grants_of, pool: None }).await?;
    let id = started.value;
    // Nothing to wait for but the definition.
    let at_once = app.engine.world().disks_of(id).is_empty();
    let shown = || Ok(document(&app, &app.engine.vm(id)?, &request, true));
    made(started, at_once || request.expect_created, shown).await
}

/// A VM that its document describes as OVF; what the document says beside that is put over it.
async fn import(app: &App, request: &Request, asked: &types::Vm, brought: &Configuration) -> Answer {
    require(
        "VM",
        "add",
        &[
            ("initialization.configuration.type", filled(&brought.r#type).is_some()),
            ("initialization.configuration.data", filled(&brought.data).is_some()),
            ("cluster.id|name", lookup::is_named(&asked.cluster)),
        ],
    )?;
    let cluster = lookup::cluster(app, asked.cluster.as_ref())?;
    access::require(app, request, 1, cluster)?;
    let mut described = ovf::described(brought)?;
    convert::change_vm(asked, &mut described.spec)?;
    lookup::cpu_profile(app, described.spec.cpu_profile)?;
    access::may_shape(app, request, cluster, (&VmSpec::default(), &described.spec))?;
    described.spec.quota = access::quota(app, request, described.spec.quota)?;
    let (disks, profiles) = {
        let world = app.engine.world();
        let disks: Vec<DiskId> = described.disks.iter().map(|disk| disk.id).collect();
        let lead = |nic| world.named_lead(cluster, nic).1;
        let profiles: Vec<VnicProfileId> = described.nics.iter().filter_map(lead).collect();
        (disks, profiles)
    };
    disks.into_iter().try_for_each(|disk| access::require(app, request, 1101, disk))?;
    profiles.into_iter().try_for_each(|profile| access::require(app, request, nics::USE, profile))?;
    let renewed = asked.initialization.as_ref().and_then(|it| it.regenerate_ids).unwrap_or(false);
    let id = app.engine.import_vm(Import { cluster, described, renewed }).await?;
    Ok(Reply::created(document(app, &app.engine.vm(id)?, request, true)))
}

/// Makes a VM, for who may make its disks where they go, give it what its source has not, and let it
/// count on its quota.
pub async fn create(app: &App, request: &Request, mut new: NewVm) -> Result<Started<VmId>, Fault> {
    let of_source = app.engine.spec_of(new.source)?;
    access::may_shape(app, request, new.cluster, (&of_source, &new.spec))?;
    new.spec.quota = access::quota(app, request, new.spec.quota)?;
    for place in app.engine.places_of(new.source, &new.disks)? {
        access::require(app, request, 1100, place)?;
    }
    Ok(app.engine.create_vm(new).await?)
}

/// `PUT /vms/{vm}`
pub async fn update(app: Arc<App>, request: Request) -> Answer {
    let id: VmId = request.id("vm")?;
    let shown = document(&app, &app.engine.vm(id)?, &request, false);
    let asked = request.change_of(&shown).await?;
    lookup::same_id(asked.id.as_deref(), id)?;
    if lookup::is_named(&asked.cluster) {
        lookup::cluster(&app, asked.cluster.as_ref())?;
    }
    let change = |spec: &mut VmSpec| {
        let before = spec.clone();
        machine::change(&app, &asked, spec)?;
        if spec.quota != before.quota {
            spec.quota = access::quota(&app, &request, spec.quota)?;
        }
        access::may_shape(&app, &request, id, (&before, spec))
    };
    app.engine.update_vm(id, request.next_run, change).await?;
    let view = app.engine.vm(id)?;
    Ok(Reply::ok(document(&app, &view, &request, true)))
}

/// `DELETE /vms/{vm}`
pub async fn remove(app: Arc<App>, request: Request) -> Answer {
    let id: VmId = request.id("vm")?;
    app.engine.vm(id)?;
    let asked = request.optional::<Action>().await?.unwrap_or_default();
    // Its presence decides, whatever it holds.
    let keep =
        asked.vm.as_ref().and_then(|vm| vm.disks.as_ref()).is_some_and(|disks| disks.detach_only.is_some());
    match asked.force == Some(true) {
        true => app.engine.remove_vm_by_force(id, keep).await?,
        false => app.engine.remove_vm(id, keep).await?,
    }
    Ok(Reply::no_content())
}
