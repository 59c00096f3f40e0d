//! A disk of a VM.

use super::vm::statistic;
use super::{MIB, Reply, Vm};
use std::path::PathBuf;
use std::process::Command;
use vireo::xml::Element;

pub struct Disk<'v> {
    pub vm: &'v Vm<'v>,
    pub id: String,
}

impl<'v> Disk<'v> {
    /// The parts of a new disk's document: the size in MiB.
    pub fn document(size: u64, interface: &str, format: &str, more: &str) -> String {
        format!(
            "<disk><provisioned_size>{}</provisioned_size><interface>{interface}</interface>\
             <format>{format}</format><storage_domains><storage_domain><name>data</name></storage_domain>\
             </storage_domains>{more}</disk>",
            size * MIB
        )
    }

    pub fn create(vm: &'v Vm<'v>, document: &str) -> Self {
        let path = format!("{}/disks", vm.path());
        let made = vm.lab.client().send("POST", &path, &["Expect: 201-created"], document).is(201);
        Self { vm, id: made.value("@id").unwrap() }
    }

    /// A disk that exists, on another VM.
    pub fn attach(vm: &'v Vm<'v>, id: &str, more: &str) -> Reply {
        vm.lab.client().post(&format!("{}/disks", vm.path()), &format!("<disk id='{id}'>{more}</disk>"))
    }

    pub fn of(vm: &'v Vm<'v>, id: &str) -> Self {
        Self { vm, id: id.to_owned() }
    }

    pub fn path(&self) -> String {
        format!("{}/disks/{}", self.vm.path(), self.id)
    }

    pub fn show(&self) -> Element {
        self.vm.lab.client().get(&self.path()).is(200)
    }

    pub fn field(&self, path: &str) -> Option<String> {
        self.show().value(path)
    }

    pub fn is_active(&self) -> bool {
        self.field("active").as_deref() == Some("true")
    }

    pub fn act(&self, action: &str) -> Reply {
        self.vm.lab.client().post(&format!("{}/{action}", self.path()), "<action/>")
    }

    pub fn activate(&self) {
        self.act("activate").is(200);
        assert!(self.is_active());
    }

    pub fn deactivate(&self) {
        self.act("deactivate").is(200);
        assert!(!self.is_active());
    }

    pub fn update(&self, body: &str) -> Reply {
        self.vm.lab.client().put(&self.path(), &format!("<disk>{body}</disk>"))
    }

    /// To a size in MiB.
    pub fn resize(&self, size: u64) -> Reply {
        self.update(&format!("<provisioned_size>{}</provisioned_size>", size * MIB))
    }

    pub fn delete(&self) {
        self.vm.lab.client().delete(&self.path()).is(204);
    }

    pub fn statistic(&self, name: &str) -> f64 {
        statistic(&self.vm.lab.client().get(&format!("{}/statistics", self.path())).is(200), name)
    }

    /// The serial number that the guest reads.
    pub fn serial(&self) -> &str {
        &self.id[..20]
    }

    pub fn file(&self) -> PathBuf {
        let show = self.show();
        let suffix = if show.value("format").as_deref() == Some("raw") { "raw" } else { "qcow2" };
        self.vm.lab.daemon.image(&format!("{}.{suffix}", show.value("image_id").unwrap()))
    }

    /// What the guest would read, from the image file itself.
    pub fn content(&self) -> Vec<u8> {
        let file = self.file();
        let raw = file.with_extension("content");
        let mut convert = Command::new("qemu-img");
        super::host::run(convert.args(["convert", "-U", "-O", "raw"]).arg(&file).arg(&raw));
        let content = std::fs::read(&raw).unwrap();
        std::fs::remove_file(raw).unwrap();
        content
    }

    /// The disk's device in the VM's live document.
    pub fn device(&self) -> Option<Element> {
        let alias = format!("ua-{}", self.id);
        let document = self.vm.document();
        let devices = document.every("devices/disk");
        devices.into_iter().find(|disk| disk.value("alias/@name").as_deref() == Some(&alias)).cloned()
    }
}
