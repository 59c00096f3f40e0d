//! Quotas and qualities of service: what they allow, and what comes of more.

use super::*;

const CENTER: &str = "/datacenters/00000002-0002-0002-0002-000000000255";
const REFUSED: &str = "[Cannot consume the Quota. The limit of quota small on";

impl Sim {
    async fn quota_mode(&self, mode: &str) {
        let body = format!("<data_center><quota_mode>{mode}</quota_mode></data_center>");
        assert_eq!(self.put(CENTER, &body).await.is(200).at("quota_mode"), mode);
    }

    /// A quota of that name: its address and its id.
    async fn quota(&self, name: &str) -> (String, String) {
        let body = format!("<quota><name>{name}</name></quota>");
        let id = self.post(&format!("{CENTER}/quotas"), &body).await.is(201).at("@id");
        (format!("{CENTER}/quotas/{id}"), id)
    }

    async fn consuming(&self, quota: &str, alias: &str) -> Got {
        let body = disk_body(alias).replace("</disk>", &format!("<quota id='{quota}'/></disk>"));
        self.send("POST", "/disks", &[("content-type", "application/xml"), CREATED], body).await
    }

    fn codes(&self) -> Vec<i32> {
        self.engine.history.events().into_iter().map(|event| event.code).collect()
    }
}

#[tokio::test]
async fn quotas_come_and_go() {
    let sim = Sim::start().await;
    let list = format!("{CENTER}/quotas");
    assert_eq!(sim.get(&list).await.is(200).each("quota", "name"), ["Default"]);
    sim.post(&list, "<quota/>").await.is(400);
    let (path, id) = sim.quota("small").await;
    sim.post(&list, "<quota><name>small</name></quota>").await.is(409);
    let shown = sim.get(&path).await.is(200);
    let rels = shown.each("link", "@rel");
    assert_eq!(rels, ["permissions", "quotaclusterlimits", "quotastoragelimits"]);
    sim.put(&path, "<quota><storage_hard_limit_pct>101</storage_hard_limit_pct></quota>").await.is(400);
    let changed =
        sim.put(&path, "<quota><storage_hard_limit_pct>50</storage_hard_limit_pct></quota>").await.is(200);
    assert_eq!(
        (changed.at("storage_hard_limit_pct"), changed.at("storage_soft_limit_pct")),
        ("50".into(), "80".into())
    );

    let permissions = format!("{path}/permissions");
    let given =
        format!("<permission><role><name>QuotaConsumer</name></role><user id='{ADMIN}'/></permission>");
    let given = sim.post(&permissions, &given).await.is(201).at("@id");
    assert!(sim.get(&permissions).await.each("permission", "@id").contains(&given));
    sim.get(&format!("{permissions}/{given}")).await.is(200);
    sim.delete(&format!("{permissions}/{given}")).await.is(204);

    let limits = format!("{path}/quotastoragelimits");
    sim.post(&limits, "<storage_quota_limit/>").await.is(400);
    sim.post(&limits, "<storage_quota_limit><limit>-2</limit></storage_quota_limit>").await.is(400);
    let one =
        format!("<storage_quota_limit><storage_domain id='{DATA}'/><limit>5</limit></storage_quota_limit>");
    let made = sim.post(&limits, &one).await.is(201);
    assert_eq!((made.at("@id"), made.at("limit"), made.at("usage")), (DATA.into(), "5".into(), "0".into()));
    sim.post(&limits, "<storage_quota_limit><limit>1</limit></storage_quota_limit>").await.is(409);
    for name in ["quotastoragelimits", "storagequotalimits"] {
        let at = format!("{path}/{name}");
        assert_eq!(sim.get(&at).await.is(200).each("storage_quota_limit", "@id"), [DATA]);
        let href = sim.get(&format!("{at}/{DATA}")).await.is(200).at("@href");
        assert_eq!(href, format!("/ovirt-engine/api{at}/{DATA}"));
    }
    sim.delete(&format!("{limits}/{DATA}")).await.is(204);
    sim.delete(&format!("{limits}/{DATA}")).await.is(404);
    let all = "<cluster_quota_limit><vcpu_limit>4</vcpu_limit><memory_limit>-1.000000e+00</memory_limit></cluster_quota_limit>";
    let made = sim.post(&format!("{path}/quotaclusterlimits"), all).await.is(201);
    let said = ["@id", "vcpu_limit", "memory_limit", "vcpu_usage"].map(|name| made.at(name));
    assert_eq!(said, [&*id, "4", "-1", "0"]);

    let disk = sim.consuming(&id, "d").await.is(201);
    assert_eq!(disk.at("quota/@id"), id);
    sim.delete(&path).await.is(409);
    sim.delete(&format!("/disks/{}", disk.at("@id"))).await.is(204);
    sim.delete(&path).await.is(204);
    sim.consuming(&id, "d").await.is(400);
}

#[tokio::test]
async fn what_disks_take_is_counted() {
    let sim = Sim::start().await;
    let (path, id) = sim.quota("small").await;
    let limit =
        format!("<storage_quota_limit><storage_domain id='{DATA}'/><limit>2</limit></storage_quota_limit>");
    sim.post(&format!("{path}/quotastoragelimits"), &limit).await.is(201);
    let mut ids = Vec::new();
    for alias in ["a", "b", "c"] {
        ids.push(sim.consuming(&id, alias).await.is(201).at("@id"));
    }
    assert!(!sim.codes().contains(&3006), "nobody counts");
    sim.quota_mode("audit").await;
    ids.push(sim.consuming(&id, "d").await.is(201).at("@id"));
    assert!(sim.codes().contains(&3006), "what is too much is told");
    sim.quota_mode("enabled").await;
    let refused = sim.consuming(&id, "e").await.is(409);
    assert!(refused.at("detail").starts_with(REFUSED), "{}", refused.body);
    assert_eq!(
        sim.images.files().iter().filter(|file| file.to_string_lossy().contains("/images/")).count(),
        4
    );

    // What is there stays, and what takes less or nothing is fine.
    let vm = sim.vm("web").await;
    let on = format!("/vms/{vm}/disks");
    sim.post(&on, &format!("<disk id='{}'/>", ids[0])).await.is(200);
    sim.put(&format!("{on}/{}", ids[0]), "<disk><alias>x</alias></disk>").await.is(200);
    let grown = format!("<disk><provisioned_size>{}</provisioned_size></disk>", 2 * GIB);
    sim.put(&format!("{on}/{}", ids[0]), &grown).await.is(409);
    for gone in &ids[1..] {
        sim.delete(&format!("/disks/{gone}")).await.is(204);
    }
    sim.put(&format!("{on}/{}", ids[0]), &grown).await.is(200);
    let used = sim.get(&format!("{path}/quotastoragelimits/{DATA}")).await.is(200);
    assert_eq!(used.at("usage"), "2");
    let more = format!("<disk><provisioned_size>{}</provisioned_size></disk>", 3 * GIB);
    sim.put(&format!("{on}/{}", ids[0]), &more).await.is(409);
    // Who may exceed a limit, may by so much.
    sim.put(&path, "<quota><storage_hard_limit_pct>50</storage_hard_limit_pct></quota>").await.is(200);
    sim.put(&format!("{on}/{}", ids[0]), &more).await.is(200);
    sim.consuming(&id, "f").await.is(409);
    // A copy counts for what its original counts for.
    let copy = "<action><storage_domain><name>data</name></storage_domain></action>";
    sim.post(&format!("/disks/{}/copy", ids[0]), copy).await.is(409);
    // A quota that is for some places is for no others.
    let other = sim.domain("other", "data").await;
    let body = disk_body("g").replace(DATA, &other).replace("</disk>", &format!("<quota id='{id}'/></disk>"));
    assert!(sim.post("/disks", &body).await.is(409).at("detail").contains("no limit for the place"));
}

#[tokio::test]
async fn what_running_vms_take_is_counted() {
    let sim = Sim::start().await;
    let (path, id) = sim.quota("small").await;
    let limit =
        "<cluster_quota_limit><vcpu_limit>2</vcpu_limit><memory_limit>4</memory_limit></cluster_quota_limit>";
    sim.post(&format!("{path}/quotaclusterlimits"), limit).await.is(201);
    sim.quota_mode("enabled").await;
    let mut vms = Vec::new();
    for name in ["a", "b", "c"] {
        let vm = sim.vm(name).await;
        sim.disk(&format!("/vms/{vm}/disks"), name).await;
        let body = format!("<vm><quota id='{id}'/></vm>");
        assert_eq!(sim.put(&format!("/vms/{vm}"), &body).await.is(200).at("quota/@id"), id);
        vms.push(vm);
    }
    for vm in &vms[..2] {
        sim.start_vm(*vm).await;
    }
    let refused = sim.post(&format!("/vms/{}/start", vms[2]), "<action/>").await.is(409);
    assert!(refused.at("fault/detail").starts_with(REFUSED), "{}", refused.body);
    let used = sim.get(&format!("{path}/quotaclusterlimits/{id}")).await.is(200);
    assert_eq!(used.at("vcpu_usage"), "2");
    sim.post(&format!("/vms/{}/stop", vms[0]), "<action/>").await.is(200);
    sim.start_vm(vms[2]).await;
    sim.put(&format!("/vms/{}", vms[0]), &format!("<vm><quota id='{UNKNOWN}'/></vm>")).await.is(400);
}

#[tokio::test]
async fn disks_are_as_fast_as_their_profile_lets_them() {
    let sim = Sim::start().await;
    let list = format!("{CENTER}/qoss");
    for (body, status) in [
        ("<qos/>", 400),
        ("<qos><name>x</name><type>network</type></qos>", 400),
        ("<qos><name>x</name><type>odd</type></qos>", 400),
        ("<qos><name>x</name><max_iops>-1</max_iops></qos>", 400),
        ("<qos><name>x</name><max_iops>1</max_iops><max_read_iops>1</max_read_iops></qos>", 400),
    ] {
        let got = sim.post(&list, body).await;
        assert!(
            got.status == status || got.status == 409 && body.contains("network"),
            "{body}: {}",
            got.body
        );
    }
    let body = "<qos type='storage'><name>slow</name><max_throughput>10</max_throughput><max_iops>100</max_iops></qos>";
    let qos = sim.post(&list, body).await.is(201);
    assert_eq!((qos.at("@type"), qos.at("max_throughput")), ("storage".into(), "10".into()));
    let qos = qos.at("@id");
    sim.post("/diskprofiles", "<disk_profile><name>x</name></disk_profile>").await.is(400);
    let body = format!(
        "<disk_profile><name>limited</name><storage_domain id='{DATA}'/><qos id='{qos}'/></disk_profile>"
    );
    let profile = sim.post("/diskprofiles", &body).await.is(201);
    assert_eq!(profile.at("qos/@id"), qos);
    let profile = profile.at("@id");
    sim.post("/diskprofiles", &body).await.is(409);
    sim.post(
        &format!("/storagedomains/{DATA}/diskprofiles"),
        "<disk_profile><name>more</name></disk_profile>",
    )
    .await
    .is(201);

    let vm = sim.vm("a").await;
    let on = format!("/vms/{vm}/disks");
    let body = disk_body("d").replace("</disk>", &format!("<disk_profile id='{profile}'/></disk>"));
    let disk =
        sim.send("POST", &on, &[("content-type", "application/xml"), CREATED], body).await.is(201).at("@id");
    sim.start_vm(vm).await;
    let documents = || {
        [true, false].map(|which| {
            vireo::engine::ports::Hypervisor::document(&sim.hypervisor, vm, which).unwrap().unwrap()
        })
    };
    let limited = |limits: &[&str]| {
        documents().iter().all(|it| {
            limits.iter().all(|limit| it.contains(limit)) && it.contains("<iotune>") != limits.is_empty()
        })
    };
    assert!(limited(&["<total_bytes_sec>10485760<", "<total_iops_sec>100<"]));
    let path = format!("{list}/{qos}");
    sim.put(&path, "<qos><max_throughput>20</max_throughput><max_iops>0</max_iops></qos>").await.is(200);
    assert!(limited(&["<total_bytes_sec>20971520<"]) && !documents()[0].contains("iops"));
    let at = format!("/diskprofiles/{profile}");
    sim.delete(&path).await.is(409);
    sim.delete(&at).await.is(409);
    sim.put(&at, "<disk_profile><qos/></disk_profile>").await.is(200);
    assert!(limited(&[]));
    sim.put(&at, &format!("<disk_profile><qos id='{qos}'/></disk_profile>")).await.is(200);
    assert!(limited(&["<total_bytes_sec>20971520<"]));
    let first = sim
        .get(&format!("/storagedomains/{DATA}/diskprofiles?search=name%3Ddata"))
        .await
        .at("disk_profile/@id");
    sim.put(&format!("{on}/{disk}"), &format!("<disk><disk_profile id='{first}'/></disk>")).await.is(200);
    assert!(limited(&[]));
    sim.delete(&at).await.is(204);
    sim.delete(&path).await.is(204);
    sim.get(&at).await.is(404);
}

#[tokio::test]
async fn where_quotas_count_nothing_is_without_one() {
    let sim = Sim::start().await;
    let default = sim.get(&format!("{CENTER}/quotas")).await.at("quota/@id");
    assert_eq!(sim.post("/disks", &disk_body("a")).await.is(202).at("quota/@id"), "");
    sim.quota_mode("audit").await;
    assert_eq!(sim.post("/disks", &disk_body("z")).await.is(202).at("quota/@id"), "");
    sim.quota_mode("enabled").await;
    assert_eq!(sim.post("/disks", &disk_body("b")).await.is(202).at("quota/@id"), default);
    let vm = sim.vm("web").await;
    assert_eq!(sim.get(&format!("/vms/{vm}")).await.at("quota/@id"), default);
    // Nothing gets out of it, either.
    assert_eq!(sim.put(&format!("/vms/{vm}"), "<vm><quota/></vm>").await.is(200).at("quota/@id"), default);
    // Users need the permit to consume it.
    let user = "<user><user_name>anna@internal</user_name><password>secret</password></user>";
    let anna = sim.post("/users", user).await.is(201).at("@id");
    let give = async |at: &str, role: &str| {
        let body = format!("<permission><role><name>{role}</name></role><user id='{anna}'/></permission>");
        sim.post(&format!("{at}/permissions"), &body).await.is(201);
    };
    give(&format!("/storagedomains/{DATA}"), "DiskCreator").await;
    let credentials = format!("Basic {}", BASE64_STANDARD.encode("anna@internal:secret"));
    let add = async |alias: &str| {
        let headers = [("content-type", "application/xml"), ("filter", "true")];
        sim.send_as(&credentials, "POST", "/disks", &headers, disk_body(alias)).await
    };
    assert_eq!(add("c").await.status, 403);
    give(&format!("{CENTER}/quotas/{default}"), "QuotaConsumer").await;
    add("c").await.is(202);
    // Without a default one, what names none is refused.
    let (_, named) = sim.quota("named").await;
    sim.put(&format!("{CENTER}/quotas/{default}"), "<quota><name>other</name></quota>").await.is(200);
    sim.post("/disks", &disk_body("d")).await.is(400);
    sim.consuming(&named, "e").await.is(201);
}

/// What a snapshot or a template keeps of a quota or of a profile that has gone since stands in nobody's
/// way: not of its restore, and not of a VM that is made of it.
#[tokio::test]
async fn what_is_removed_is_named_by_nobody() {
    let sim = Sim::start().await;
    let (quota, id) = sim.quota("small").await;
    let profile = format!("<disk_profile><name>slow</name><storage_domain id='{DATA}'/></disk_profile>");
    let profile = sim.post("/diskprofiles", &profile).await.is(201).at("@id");
    let vm = sim.vm("a").await;
    sim.put(&format!("/vms/{vm}"), &format!("<vm><quota id='{id}'/></vm>")).await.is(200);
    let more = format!("<quota id='{id}'/><disk_profile id='{profile}'/></disk>");
    let disk = sim
        .send(
            "POST",
            &format!("/vms/{vm}/disks"),
            &[("content-type", "application/xml"), CREATED],
            disk_body("d").replace("</disk>", &more),
        )
        .await
        .is(201)
        .at("@id");
    let template = format!("<template><name>t</name><vm id='{vm}'/></template>");
    sim.send("POST", "/templates", &[("content-type", "application/xml"), CREATED], template).await.is(201);
    let snapshot = sim.take(vm, "").await;
    let at = format!("/vms/{vm}/snapshots/{snapshot}");
    sim.post(
        &format!("/vms/{vm}/preview_snapshot"),
        &format!("<action><snapshot id='{snapshot}'/></action>"),
    )
    .await
    .is(200);

    sim.delete(&quota).await.is(409);
    let first = sim
        .get(&format!("/storagedomains/{DATA}/diskprofiles?search=name%3Ddata"))
        .await
        .at("disk_profile/@id");
    let default = sim.get(&format!("{CENTER}/quotas")).await.is(200).at("quota/@id");
    let without = format!("<disk><quota id='{default}'/><disk_profile id='{first}'/></disk>");
    sim.put(&format!("/vms/{vm}/disks/{disk}"), &without).await.is(200);
    sim.put(&format!("/vms/{vm}"), &format!("<vm><quota id='{default}'/></vm>")).await.is(200);
    let of_template = sim.get("/templates?search=name%3Dt").await.is(200).at("template/@id");
    let copied = sim.get(&format!("/templates/{of_template}/disks")).await.is(200).at("disk/@id");
    let copied: DiskId = copied.parse().unwrap();
    assert_eq!(sim.engine.disk(copied).unwrap().quota.map(|it| it.to_string()), Some(id.clone()));
    sim.delete(&format!("/templates/{of_template}")).await.is(204);
    sim.delete(&format!("/diskprofiles/{profile}")).await.is(204);
    sim.delete(&quota).await.is(204);

    sim.post(&format!("/vms/{vm}/undo_snapshot"), "<action/>").await.is(200);
    sim.quota_mode("enabled").await;
    sim.post(&format!("{at}/restore"), "<action/>").await.is(200);
    let back = sim.engine.disk(disk.parse().unwrap()).unwrap();
    assert_eq!((back.quota, back.profile.map(|it| it.to_string())), (None, Some(first)));
}

/// Disks on their way count where they go, all of a VM's together.
#[tokio::test]
async fn what_moves_is_counted() {
    let sim = Sim::start().await;
    let (path, id) = sim.quota("small").await;
    let other = sim.domain("other", "data").await;
    for (domain, limit) in [(DATA, 4), (other.as_str(), 1)] {
        let limit = format!(
            "<storage_quota_limit><storage_domain id='{domain}'/><limit>{limit}</limit></storage_quota_limit>"
        );
        sim.post(&format!("{path}/quotastoragelimits"), &limit).await.is(201);
    }
    sim.quota_mode("enabled").await;
    let vm = sim.vm("a").await;
    for alias in ["one", "two"] {
        let disk = sim.consuming(&id, alias).await.is(201).at("@id");
        sim.post(&format!("/vms/{vm}/disks"), &format!("<disk id='{disk}'/>")).await.is(200);
    }
    let away = format!("<action><storage_domain id='{other}'/></action>");
    let refused = sim.post(&format!("/vms/{vm}/move"), &away).await.is(409);
    assert!(refused.at("fault/detail").starts_with(REFUSED), "{}", refused.body);
    let places = sim.get("/disks").await.is(200).each("disk", "storage_domains/storage_domain/@id");
    assert_eq!(places, [DATA, DATA], "neither has begun");
}
