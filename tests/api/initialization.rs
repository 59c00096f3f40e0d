//! What guests are told at their first boot, and files that they find.

use super::*;
use vireo::engine::ports::Hypervisor;

const FLAT: &str = "<initialization><host_name>web1</host_name><user_name>joe</user_name>\
    <root_password>s3cret-word</root_password><authorized_ssh_keys>ssh-rsa A</authorized_ssh_keys>\
    <dns_servers>192.0.2.1</dns_servers><custom_script>runcmd: []</custom_script></initialization>";
const NESTED: &str = "<initialization><cloud_init><host><address>web2</address></host><users><user>\
    <user_name>root</user_name><password>s3cret-word</password></user></users></cloud_init></initialization>";
const FILES: &str = "<payloads><payload type='cdrom'><files><file><name>greeting</name><content>hi</content>\
    </file></files><volume_id>mine</volume_id></payload><payload type='floppy'><files><file><name>a.txt</name>\
    <content>x</content></file></files></payload></payloads>";

impl Sim {
    async fn told(&self, name: &str, more: &str) -> VmId {
        let body = format!(
            "<vm><name>{name}</name><cluster><name>Default</name></cluster><template><name>Blank</name></template>\
             {more}</vm>"
        );
        let vm: VmId = self.post("/vms", &body).await.is(201).at("@id").parse().unwrap();
        self.disk(&format!("/vms/{vm}/disks"), name).await;
        vm
    }

    /// The files of media in the running VM, by their devices, and those that are there.
    fn made_media(&self, vm: VmId) -> (Vec<String>, usize) {
        let document = self.hypervisor.document(vm, false).unwrap().unwrap();
        let devices = xml::parse(document.as_bytes()).unwrap();
        let made = |disk: &&Element| disk.value("alias/@name").is_some_and(|it| it.starts_with("ua-made-"));
        let devices = devices.every("devices/disk");
        let kinds = devices.into_iter().filter(made).map(|disk| disk.get("device").unwrap().to_owned());
        let files = self.images.files();
        (kinds.collect(), files.iter().filter(|file| file.starts_with("/sim/payloads")).count())
    }

    async fn run(&self, vm: VmId, body: &str) -> (Vec<String>, usize) {
        self.post(&format!("/vms/{vm}/start"), body).await.is(200);
        let media = self.made_media(vm);
        self.post(&format!("/vms/{vm}/stop"), "<action/>").await.is(200);
        let (_, left) = self.made_media(vm);
        assert_eq!(left, 0, "the files go with the run");
        media
    }
}

#[tokio::test]
async fn it_is_kept_and_its_password_is_not_shown() {
    let sim = Sim::start().await;
    let vm = sim.told("a", &format!("{FLAT}{FILES}")).await;
    let path = format!("/vms/{vm}");
    let got = sim.send("GET", &path, &[("all-content", "true")], "").await.is(200);
    assert!(!got.body.contains("s3cret"), "{}", got.body);
    let values =
        ["host_name", "user_name", "root_password", "authorized_ssh_keys", "dns_servers", "custom_script"]
            .map(|name| got.at(&format!("initialization/{name}")));
    assert_eq!(values, ["web1", "joe", "******", "ssh-rsa A", "192.0.2.1", "runcmd: []"]);
    assert_eq!(got.at("initialization/configuration/type"), "ovf");
    assert_eq!(got.xml().every("payloads/payload").len(), 2);
    assert_eq!(got.at("payloads/payload/volume_id"), "mine");
    assert_eq!(sim.get(&path).await.at("initialization/root_password"), "******");
    assert!(!sim.get(&path).await.body.contains("<payloads"));

    // What was read is sent back with one change, as the SDK does it.
    let body = "<vm><initialization><host_name>web3</host_name><root_password>******</root_password>\
                </initialization></vm>";
    sim.put(&path, body).await.is(200);
    let spec = sim.engine.vm(vm).unwrap().vm.spec;
    let kept = spec.initialization.unwrap();
    assert_eq!((kept.password.unwrap().0.as_str(), kept.host_name.as_deref()), ("s3cret-word", Some("web3")));
    sim.put(&path, "<vm><payloads/></vm>").await.is(200);
    assert!(sim.engine.vm(vm).unwrap().vm.spec.payloads.is_empty());
    let said = format!("{:?}", sim.engine.vm(vm).unwrap().vm);
    assert!(!said.contains("s3cret"), "{said}");
}

#[tokio::test]
async fn the_first_run_gets_it_and_later_ones_when_asked() {
    let sim = Sim::start().await;
    let vm = sim.told("a", NESTED).await;
    let seed = (vec!["cdrom".to_owned()], 1);
    assert_eq!(sim.run(vm, "<action><use_cloud_init>false</use_cloud_init></action>").await, (vec![], 0));
    assert_eq!(sim.run(vm, "<action/>").await, (vec![], 0), "that was the first run");
    assert_eq!(sim.run(vm, "<action><use_cloud_init>true</use_cloud_init></action>").await, seed);
    let other = sim.told("b", NESTED).await;
    assert_eq!(sim.run(other, "<action/>").await, seed);
    let plain = sim.told("c", "").await;
    assert_eq!(sim.run(plain, "<action/>").await, (vec![], 0));
    let body = format!("<action><use_cloud_init>true</use_cloud_init><vm>{NESTED}</vm></action>");
    assert_eq!(sim.run(plain, &body).await, seed);
    assert_eq!(sim.engine.vm(plain).unwrap().vm.spec.initialization, None, "for that run only");

    // Windows has its own way, and one floppy drive.
    let answers = (vec!["floppy".to_owned()], 1);
    let windows = sim.told("w", &format!("{NESTED}<os type='windows_2012x64'/>")).await;
    assert_eq!(sim.run(windows, "<action/>").await, answers);
    assert_eq!(sim.run(windows, "<action/>").await, (vec![], 0));
    assert_eq!(sim.run(windows, "<action><use_sysprep>true</use_sysprep></action>").await, answers);
    assert_eq!(sim.run(windows, "<action><use_cloud_init>true</use_cloud_init></action>").await, seed);
    assert_eq!(sim.run(plain, "<action><use_sysprep>true</use_sysprep></action>").await, answers);

    // Nothing of the kind comes by itself where something else has that drive.
    let kinds = ["cdrom", "floppy"].map(str::to_owned).to_vec();
    let other = sim.told("v", &format!("{FLAT}{FILES}<os type='windows_7'/>")).await;
    assert_eq!(sim.run(other, "<action/>").await, (kinds, 2));

    let all = sim.told("d", &format!("{FLAT}{FILES}")).await;
    let sysprep = "<action><use_sysprep>true</use_sysprep></action>";
    sim.post(&format!("/vms/{all}/start"), sysprep).await.is(409);
    let kinds = ["cdrom", "cdrom", "floppy"].map(str::to_owned).to_vec();
    assert_eq!(sim.run(all, "<action/>").await, (kinds, 3));
    let kinds = ["cdrom", "floppy"].map(str::to_owned).to_vec();
    assert_eq!(sim.run(all, "<action/>").await, (kinds, 2), "payloads come each time");
}

#[tokio::test]
async fn a_suspended_guest_keeps_its_media() {
    let sim = Sim::start().await;
    let vm = sim.told("a", FILES).await;
    sim.start_vm(vm).await;
    sim.post(&format!("/vms/{vm}/suspend"), "<action><async>false</async></action>").await.is(200);
    sim.is_in(vm, "suspended").await;
    assert_eq!(sim.images.files().iter().filter(|file| file.starts_with("/sim/payloads")).count(), 2);
    sim.post(&format!("/vms/{vm}/start"), "<action><use_cloud_init>true</use_cloud_init></action>")
        .await
        .is(409);
    sim.start_vm(vm).await;
    assert_eq!(sim.made_media(vm).1, 2);
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let sim = Sim::start().await;
    let vm = sim.told("a", "").await;
    for bad in [
        "<initialization><nic_configurations><nic_configuration><name>a/b</name></nic_configuration>\
         </nic_configurations></initialization>",
        "<initialization><timezone>../etc</timezone></initialization>",
        "<initialization><user_name>a:b</user_name></initialization>",
        "<payloads><payload type='tape'/></payloads>",
        "<payloads><payload type='cdrom'/></payloads>",
        "<payloads><payload type='cdrom'><files><file><name>../x</name><content>x</content></file></files>\
         </payload></payloads>",
        "<payloads><payload type='cdrom'><files><file><name>x</name></file></files><volume_id>-o x</volume_id>\
         </payload></payloads>",
    ] {
        sim.put(&format!("/vms/{vm}"), &format!("<vm>{bad}</vm>")).await.is(400);
    }
    // Only Windows has no use of such a domain, which the SDK sends for an object of its own.
    let domain = |system: &str| {
        let domain =
            "<initialization><domain>&lt;ovirtsdk.xml.params.Domain object&gt;</domain></initialization>";
        format!("<vm><os type='{system}'/>{domain}</vm>")
    };
    sim.put(&format!("/vms/{vm}"), &domain("other_linux")).await.is(200);
    sim.put(&format!("/vms/{vm}"), &domain("windows_7x64")).await.is(400);
    let start = format!("/vms/{vm}/start");
    let both = "<action><use_cloud_init>true</use_cloud_init><use_sysprep>true</use_sysprep></action>";
    sim.post(&start, both).await.is(409);
    let bad = "<action><vm><initialization><user_name>a:b</user_name></initialization></vm></action>";
    sim.post(&start, bad).await.is(400);
    sim.is_in(vm, "down").await;
}
