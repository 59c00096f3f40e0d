//! A VM, seen by the API and by libvirt.

use super::{Disk, Guest, Lab, MIB, Reply, guests, until};
use vireo::xml::Element;

/// What a VM runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Boots {
    /// Linux with busybox and the guest agent.
    Linux,
    /// The polling guest, emulated: it is there at once.
    Mini,
    /// The polling guest on `/dev/kvm`.
    MiniKvm,
    /// A guest that does nothing, at no cost.
    Halt,
    /// What its disks hold, emulated.
    Disk,
}

impl Boots {
    pub fn document(self, name: &str, more: &str) -> String {
        let folder = guests().unwrap_or_default();
        let file = |name: &str| folder.join(name).display().to_string();
        let (memory, system, accelerator) = match self {
            Self::Linux => {
                let system = format!(
                    "<kernel>{}</kernel><initrd>{}</initrd><cmdline>console=ttyS0 quiet</cmdline>",
                    file("linux-kernel"),
                    file("linux-initrd")
                );
                (256, system, None)
            }
            Self::Mini => (32, format!("<kernel>{}</kernel>", file("mini.elf")), Some("tcg")),
            Self::MiniKvm => (32, format!("<kernel>{}</kernel>", file("mini.elf")), Some("kvm")),
            Self::Disk => (32, String::new(), Some("tcg")),
            Self::Halt => (32, format!("<kernel>{}</kernel>", file("halt.elf")), Some("tcg")),
        };
        let properties = accelerator.map_or(String::new(), |name| {
            format!(
                "<custom_properties><custom_property name='accelerator' value='{name}'/></custom_properties>"
            )
        });
        format!(
            "<vm><name>{name}</name><cluster><name>Default</name></cluster>\
             <template><name>Blank</name></template><memory>{}</memory><os><boot dev='hd'/>{system}</os>\
             <display><type>vnc</type></display><console enabled='true'/>{properties}{more}</vm>",
            memory * MIB
        )
    }
}

pub struct Vm<'l> {
    pub lab: &'l Lab,
    pub id: String,
}

impl<'l> Vm<'l> {
    pub fn create(lab: &'l Lab, name: &str, boots: Boots, more: &str) -> Self {
        let made = lab.client().post("/vms", &boots.document(name, more)).is(201);
        Self { lab, id: made.value("@id").unwrap() }
    }

    pub fn path(&self) -> String {
        format!("/vms/{}", self.id)
    }

    pub fn show(&self) -> Element {
        self.lab.client().get(&self.path()).is(200)
    }

    pub fn field(&self, path: &str) -> Option<String> {
        self.show().value(path)
    }

    pub fn state(&self) -> String {
        self.field("status/state").unwrap_or_default()
    }

    pub fn becomes(&self, state: &str, seconds: u64) {
        let mut seen = String::new();
        until(seconds, &format!("the VM is {state}"), || {
            let now = self.state();
            if now != seen {
                println!("{} is {now}", self.id);
                seen.clone_from(&now);
            }
            seen == state
        });
    }

    pub fn post(&self, action: &str, body: &str) -> Reply {
        self.lab.client().post(&format!("{}/{action}", self.path()), body)
    }

    /// An action that is done when it is answered.
    pub fn act(&self, action: &str) -> Element {
        self.act_with(action, "<action/>")
    }

    pub fn act_with(&self, action: &str, body: &str) -> Element {
        let answer = self.post(action, body).is(200);
        assert_eq!(answer.value("status/state").as_deref(), Some("complete"), "{action}");
        answer
    }

    pub fn start(&self) {
        self.act("start");
        self.becomes("up", 10);
    }

    pub fn update(&self, body: &str) -> Element {
        self.lab.client().put(&self.path(), &format!("<vm>{body}</vm>")).is(200)
    }

    /// Starts it and waits until its guest answers.
    pub fn boot(&self) -> Guest {
        self.start();
        self.guest()
    }

    /// The guest of the running VM, once it answers.
    pub fn guest(&self) -> Guest {
        Guest::on(&self.lab.host.virsh(&["ttyconsole", &self.id]))
    }

    pub fn add_disk(&self, document: &str) -> Disk<'_> {
        Disk::create(self, document)
    }

    /// libvirt's document: the live one while it runs.
    pub fn document(&self) -> Element {
        self.lab.host.document(&self.id)
    }

    pub fn statistic(&self, name: &str) -> f64 {
        statistic(&self.lab.client().get(&format!("{}/statistics", self.path())).is(200), name)
    }
}

/// A test that ends leaves nothing behind that would take the processor from the next one.
impl Drop for Vm<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.post("stop", "<action/>");
            self.lab.client().delete(&self.path());
            return;
        }
        let end = |what: &str| {
            std::process::Command::new("virsh").args(["-c", &self.lab.host.uri, what, &self.id]).output()
        };
        let _ = end("destroy");
    }
}

/// One figure of a list of statistics.
pub fn statistic(list: &Element, name: &str) -> f64 {
    let found = list.all("statistic").find(|one| one.value("name").as_deref() == Some(name));
    let value = found.and_then(|one| one.number("values/value/datum"));
    value.unwrap_or_else(|| panic!("no {name} in {list:?}"))
}
