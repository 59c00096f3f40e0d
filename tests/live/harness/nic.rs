//! A network interface of a VM.

use super::vm::statistic;
use super::{Reply, Vm};
use vireo::xml::Element;

pub struct Nic<'v> {
    pub vm: &'v Vm<'v>,
    pub id: String,
}

impl<'v> Nic<'v> {
    /// On the management network.
    pub fn create(vm: &'v Vm<'v>, name: &str, more: &str) -> Self {
        let made = Self::ask(vm, name, &format!("<network><name>ovirtmgmt</name></network>{more}")).is(201);
        Self { vm, id: made.value("@id").unwrap() }
    }

    pub fn ask(vm: &Vm, name: &str, more: &str) -> Reply {
        let path = format!("{}/nics", vm.path());
        vm.lab.client().post(&path, &format!("<nic><name>{name}</name>{more}</nic>"))
    }

    pub fn path(&self) -> String {
        format!("{}/nics/{}", self.vm.path(), self.id)
    }

    pub fn show(&self) -> Element {
        self.vm.lab.client().get(&self.path()).is(200)
    }

    pub fn field(&self, path: &str) -> String {
        self.show().value(path).unwrap_or_default()
    }

    pub fn mac(&self) -> String {
        self.field("mac/@address")
    }

    pub fn act(&self, action: &str) -> Reply {
        self.vm.lab.client().post(&format!("{}/{action}", self.path()), "<action/>")
    }

    pub fn put(&self, body: &str) -> Reply {
        self.vm.lab.client().put(&self.path(), &format!("<nic>{body}</nic>"))
    }

    pub fn delete(&self) -> Reply {
        self.vm.lab.client().delete(&self.path())
    }

    pub fn statistic(&self, name: &str) -> f64 {
        statistic(&self.vm.lab.client().get(&format!("{}/statistics", self.path())).is(200), name)
    }

    /// The addresses that the guest's agent or a lease tells.
    pub fn addresses(&self) -> Vec<String> {
        let reported = self.vm.lab.client().get(&format!("{}/reporteddevices", self.path())).is(200);
        let ips = reported.every("reported_device/ips/ip");
        ips.into_iter().filter_map(|ip| ip.value("@address")).collect()
    }

    /// The interface's device in the VM's live document.
    pub fn device(&self) -> Option<Element> {
        let alias = format!("ua-{}", self.id);
        let document = self.vm.document();
        let devices = document.every("devices/interface");
        devices.into_iter().find(|nic| nic.value("alias/@name").as_deref() == Some(&alias)).cloned()
    }
}
