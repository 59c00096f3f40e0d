//! `kill -9` at random moments of a mixed load.
//!
//! `VIREO_KILLS` says how often (20; the full count is 500), `VIREO_SEED` with which numbers; half
//! of the kills come at the same moments each time, half at new ones.

use super::place::{MIB, Place, attempt, disk_document, items, prompt, vm_document};
use crate::live::harness::Client;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};
use vireo::xml::{Element, parse};

const CLIENTS: u64 = 2;
/// Each client keeps to so many VMs.
const VMS: usize = 2;

/// Numbers that look random (SplitMix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// What the daemon has acknowledged, by paths: is it there? Unknown while nobody was told.
type Promised = BTreeMap<String, Option<bool>>;

/// A client that does what comes to its mind, and remembers what it was told.
struct Load {
    client: Client,
    random: Random,
    name: String,
    vms: Vec<String>,
    disks: Vec<(String, String)>,
    count: u32,
    promised: Promised,
    done: u32,
}

impl Load {
    fn new(client: Client, seed: u64) -> Self {
        Self {
            client,
            random: Random(seed),
            name: format!("load-{seed:x}"),
            vms: vec![],
            disks: vec![],
            count: 0,
            promised: Promised::new(),
            done: 0,
        }
    }

    fn send(&mut self, method: &str, path: &str, body: &str) -> Option<(u16, Element)> {
        let reply = attempt(&self.client, method, path, body)?;
        assert!(
            reply.status < 500 || reply.status == 503,
            "{method} {path}: {} {}",
            reply.status,
            reply.body
        );
        self.done += u32::from(reply.status < 300);
        Some((reply.status, parse(reply.body.as_bytes()).unwrap_or_default()))
    }

    fn create(&mut self, path: &str, body: &str) -> Option<String> {
        let (status, made) = self.send("POST", path, body)?;
        let id = made.value("@id").filter(|_| status == 201)?;
        let kind = if path == "/vms" { "vms" } else { "disks" };
        self.promised.insert(format!("/{kind}/{id}"), Some(true));
        Some(id)
    }

    fn remove(&mut self, paths: &[String], path: &str) {
        for gone in paths {
            self.promised.insert(gone.clone(), None);
        }
        let there = match self.send("DELETE", path, "") {
            Some((204, _)) => Some(false),
            Some(_) => Some(true),
            None => None,
        };
        for gone in paths {
            self.promised.insert(gone.clone(), there);
        }
    }

    /// One change, whichever.
    fn step(&mut self) {
        self.count += 1;
        let name = format!("{}-{}", self.name, self.count);
        if self.vms.len() < VMS {
            let made = self.create("/vms", &vm_document(&name));
            self.vms.extend(made);
            return;
        }
        let vm = self.vms[self.random.below(VMS as u64) as usize].clone();
        let disk = match self.disks.len() as u64 {
            0 => None,
            count => Some(self.disks[self.random.below(count) as usize].clone()),
        };
        match (self.random.below(12), disk) {
            (0 | 1, _) | (_, None) if self.disks.len() < 6 => {
                let made = self.create(&format!("/vms/{vm}/disks"), &disk_document(&name, ""));
                self.disks.extend(made.map(|disk| (vm, disk)));
            }
            (2 | 3, _) => self.act(&format!("/vms/{vm}/start")),
            (4, _) => self.act(&format!("/vms/{vm}/stop")),
            (5, _) => self.act(&format!("/vms/{vm}/suspend")),
            (6, Some((vm, disk))) => self.act(&format!("/vms/{vm}/disks/{disk}/deactivate")),
            (7, Some((vm, disk))) => self.act(&format!("/vms/{vm}/disks/{disk}/activate")),
            (8, Some((vm, disk))) => {
                let size = (2 + u64::from(self.count)) * MIB;
                let body = format!("<disk><provisioned_size>{size}</provisioned_size></disk>");
                self.send("PUT", &format!("/vms/{vm}/disks/{disk}"), &body);
            }
            (9, Some((_, disk))) => {
                let path = format!("/disks/{disk}");
                self.remove(std::slice::from_ref(&path), &path);
                // One that was refused to go hangs on its VM as before, and goes with it.
                if self.promised[&path] != Some(true) {
                    self.disks.retain(|(_, id)| *id != disk);
                }
            }
            (10, _) => {
                self.act(&format!("/vms/{vm}/stop"));
                let own = self.disks.iter().filter(|(on, _)| *on == vm);
                let mut paths: Vec<String> = own.map(|(_, disk)| format!("/disks/{disk}")).collect();
                paths.push(format!("/vms/{vm}"));
                self.remove(&paths, &format!("/vms/{vm}"));
                self.disks.retain(|(on, _)| *on != vm);
                self.vms.retain(|id| *id != vm);
            }
            _ => {
                let body = format!("<vm><description>{name}</description></vm>");
                self.send("PUT", &format!("/vms/{vm}"), &body);
            }
        }
    }

    fn act(&mut self, path: &str) {
        self.send("POST", path, "<action/>");
    }

    /// In a thread of its own, until told to stop.
    fn run(mut self, stop: Arc<AtomicBool>, ended: Arc<Mutex<Vec<Load>>>) -> JoinHandle<()> {
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                self.step();
            }
            ended.lock().unwrap().push(self);
        })
    }

    /// Removes what it made, and forgets.
    fn clean(&mut self) {
        for (kind, one, named) in [("vms", "vm", "name"), ("disks", "disk", "alias")] {
            let all = items(&self.client.get(&format!("/{kind}")).is(200), one);
            let own = all.iter().filter(|(_, it)| it.value(named).is_some_and(|n| n.starts_with(&self.name)));
            for path in own.map(|(id, _)| format!("/{kind}/{id}")).collect::<Vec<_>>() {
                if one == "vm" {
                    self.act(&format!("{path}/stop"));
                }
                self.send("DELETE", &path, "");
            }
        }
        self.vms.clear();
        self.disks.clear();
        self.promised.clear();
    }
}

#[test]
fn kills_under_load() {
    let Some(mut place) = Place::new() else { return };
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (kills, fixed) = (number("VIREO_KILLS").unwrap_or(20), number("VIREO_SEED").unwrap_or(1));
    let fresh = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64;
    println!("seeds {fixed} and {fresh}");
    let mut moments = [Random(fixed), Random(fresh)];
    let mut loads: Vec<Load> =
        (0..CLIENTS).map(|n| Load::new(place.client(), fixed.wrapping_mul(31) + n)).collect();
    let mut times: Vec<Duration> = Vec::new();
    for kill in 0..kills {
        let (stop, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let threads: Vec<_> = loads.drain(..).map(|load| load.run(stop.clone(), ended.clone())).collect();
        std::thread::sleep(Duration::from_millis(30 + moments[kill as usize % 2].below(1200)));
        // First the kill: requests are under way.
        place.lab.daemon.kill();
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        loads = std::mem::take(&mut *ended.lock().unwrap());
        times.push(place.recovered());
        for (path, there) in loads.iter().flat_map(|load| &load.promised) {
            let found = place.client().get(path).status;
            let kept = there.is_none_or(|there| (found == 200) == there);
            assert!(kept, "kill {kill}: {path} was promised as {there:?}, the answer is {found}");
        }
        if kill % 5 == 4 {
            loads.iter_mut().for_each(Load::clean);
        }
    }
    let slowest = prompt(times);
    let done: u32 = loads.iter().map(|load| load.done).sum();
    println!("{kills} kills among {done} changes; whole again after {slowest:?} at most");
}
