//! Chains of snapshots on real image files, against a model of what each state holds: whatever is
//! taken, removed and restored in whatever order, every state reads as it was written.

use super::lab::{new_disk, new_vm, onto, settings};
use crate::live::harness::run;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::process::Command;
use std::sync::Arc;
use vireo::engine::ports::{Hypervisor, Images};
use vireo::engine::{DiskChange, Engine, NewDisk, NewSnapshot, Restored};
use vireo::host::QemuImg;
use vireo::model::*;
use vireo::sim::{MemoryStore, SimMirrors, Simulated};

const STEPS: usize = 200;
const MOST_SNAPSHOTS: usize = 10;
/// A disk begins with so many blocks, and grows by one at a time.
const BLOCKS: usize = 4;
const BLOCK: usize = 64 << 10;
/// The present content is looked at after so many steps, that of all states after so many more.
const LOOK: usize = 5;
const LOOK_AT_ALL: usize = 25;

#[derive(Clone, Debug)]
enum Step {
    Write {
        disk: usize,
        block: usize,
        value: u8,
    },
    Take,
    /// The disk is left out.
    TakeWithout(usize),
    /// Which one is a share of those that are there.
    Remove(prop::sample::Index),
    RemoveDisk(prop::sample::Index, usize),
    Restore(prop::sample::Index),
    RestoreDisk(prop::sample::Index, usize),
    RestoreMixed(prop::sample::Index, prop::sample::Index),
    Look(prop::sample::Index, usize, u8),
    Grow(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let index = any::<prop::sample::Index>;
    let step = prop_oneof![
        6 => (0..2usize, 0..BLOCKS, 1..=255u8).prop_map(|(disk, block, value)| Step::Write { disk, block, value }),
        5 => Just(Step::Take),
        1 => (0..2usize).prop_map(Step::TakeWithout),
        3 => index().prop_map(Step::Remove),
        1 => (index(), 0..2usize).prop_map(|(which, disk)| Step::RemoveDisk(which, disk)),
        1 => index().prop_map(Step::Restore),
        1 => (index(), 0..2usize).prop_map(|(which, disk)| Step::RestoreDisk(which, disk)),
        1 => (index(), index()).prop_map(|(first, second)| Step::RestoreMixed(first, second)),
        1 => (index(), 0..2usize, 1..=255u8).prop_map(|(which, disk, value)| Step::Look(which, disk, value)),
        1 => (0..2usize).prop_map(Step::Grow),
    ];
    prop::collection::vec(step, STEPS)
}

/// What a disk holds, block by block.
type Content = Vec<u8>;

struct State {
    id: SnapshotId,
    disks: [Option<Content>; 2],
}

/// The engine with a VM that is down, and what its disks are to hold now and in each snapshot.
struct Model {
    engine: Arc<Engine>,
    vm: VmId,
    disks: [DiskId; 2],
    now: [Content; 2],
    states: Vec<State>,
}

impl Model {
    async fn new(folder: &std::path::Path) -> Self {
        std::fs::create_dir(folder.join("images")).unwrap();
        std::fs::create_dir(folder.join("boot")).unwrap();
        std::fs::write(folder.join("boot/kernel"), "").unwrap();
        let hypervisor: Arc<dyn Hypervisor> = Arc::new(Simulated::default());
        let images: Arc<dyn Images> = Arc::new(QemuImg::default());
        let store = Arc::new(MemoryStore::new().unwrap());
        let mirrors = Arc::new(SimMirrors::default());
        let engine = Engine::open(settings(folder), store, hypervisor, images, mirrors).await.unwrap();
        while !engine.connected() {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        let vm = engine.create_vm(new_vm("chains")).await.unwrap().finished().await.unwrap();
        let mut disks = Vec::new();
        for format in [DiskFormat::Cow, DiskFormat::Raw] {
            let size = (BLOCKS * BLOCK) as u64;
            let new = NewDisk { format, size, ..new_disk(format.driver()) };
            disks.push(engine.add_disk(new, Some(onto(vm))).await.unwrap().finished().await.unwrap());
        }
        let now = [vec![0; BLOCKS], vec![0; BLOCKS]];
        Self { engine, vm, disks: [disks[0], disks[1]], now, states: Vec::new() }
    }

    fn file(&self, disk: &Disk) -> std::path::PathBuf {
        self.engine.settings.state.join("images").join(disk.file_name())
    }

    fn write(&mut self, disk: usize, block: usize, value: u8) {
        let row = self.engine.disk(self.disks[disk]).unwrap();
        let write = format!("write -q -P {value} {} {BLOCK}", block * BLOCK);
        run(Command::new("qemu-io").args(["-f", row.format.driver(), "-c", &write]).arg(self.file(&row)));
        self.now[disk][block] = value;
    }

    async fn take(&mut self, without: Option<usize>) {
        let taken = |disk: &usize| Some(*disk) != without;
        let disks = (0..2).filter(taken).map(|disk| self.disks[disk]).collect();
        let new = NewSnapshot { description: "s".into(), memory: false, disks: Some(disks) };
        let id = self.engine.create_snapshot(self.vm, new).await.unwrap().finished().await.unwrap();
        let disks = [0, 1].map(|disk| Some(self.now[disk].clone()).filter(|_| taken(&disk)));
        self.states.push(State { id, disks });
    }

    /// All disks of the snapshot, or these as those snapshots have them.
    async fn restore(&mut self, which: usize, only: Option<&[(usize, usize)]>, commit: bool) {
        let as_of = |(disk, which): &(usize, usize)| (self.disks[*disk], self.states[*which].id);
        let only = only.map(|only| only.iter().map(as_of).collect());
        let restored = Restored { only, memory: false };
        self.engine.preview_snapshot(self.vm, self.states[which].id, restored, commit).await.unwrap();
    }

    /// A disk went back for good to that state.
    fn went_back(&mut self, disk: usize, which: usize) {
        self.now[disk] = self.states[which].disks[disk].clone().unwrap();
        self.states[which + 1..].iter_mut().for_each(|later| later.disks[disk] = None);
    }

    /// Who has nothing left to keep is gone.
    fn forget_empty(&mut self, shown: SnapshotId) {
        let kept = self.engine.snapshots(self.vm).unwrap();
        self.states.retain(|state| kept.iter().any(|it| it.id == state.id));
        let from = self.states.iter().position(|state| state.id == shown).unwrap();
        let empty = |state: &State| state.disks.iter().all(Option::is_none);
        assert!(!self.states[from + 1..].iter().any(empty));
    }

    async fn step(&mut self, step: Step) {
        let count = self.states.len();
        match step {
            Step::Write { disk, block, value } => self.write(disk, block, value),
            Step::Take | Step::TakeWithout(_) if count == MOST_SNAPSHOTS => {}
            Step::Take => self.take(None).await,
            Step::TakeWithout(disk) => self.take(Some(disk)).await,
            Step::Grow(disk) => {
                self.now[disk].push(0);
                let size = Some((self.now[disk].len() * BLOCK) as u64);
                let change = DiskChange { size, ..DiskChange::default() };
                self.engine.update_disk(self.disks[disk], Some(self.vm), change).await.unwrap();
            }
            _ if count == 0 => {}
            Step::Remove(which) => {
                let gone = self.states.remove(which.index(count));
                self.engine.remove_snapshot(self.vm, gone.id).await.unwrap().finished().await.unwrap();
            }
            Step::RemoveDisk(which, disk) => {
                let state = &mut self.states[which.index(count)];
                if state.disks[disk].take().is_some() {
                    let (id, disk) = (state.id, self.disks[disk]);
                    let removed = self.engine.remove_disk_snapshot(self.vm, id, disk).await.unwrap();
                    removed.finished().await.unwrap();
                }
            }
            Step::Restore(which) => {
                let which = which.index(count);
                // What is not in it would be unplugged.
                if let [Some(first), Some(second)] = self.states[which].disks.clone() {
                    self.restore(which, None, true).await;
                    self.now = [first, second];
                    self.states.truncate(which + 1);
                }
            }
            Step::RestoreDisk(which, disk) => {
                let which = which.index(count);
                if self.states[which].disks[disk].is_some() {
                    let shown = self.states[which].id;
                    self.restore(which, Some(&[(disk, which)]), true).await;
                    self.went_back(disk, which);
                    self.forget_empty(shown);
                }
            }
            Step::RestoreMixed(first, second) => {
                let (first, second) = (first.index(count), second.index(count));
                if self.states[first].disks[0].is_some() && self.states[second].disks[1].is_some() {
                    let shown = self.states[first].id;
                    self.restore(first, Some(&[(0, first), (1, second)]), true).await;
                    self.went_back(0, first);
                    self.went_back(1, second);
                    self.forget_empty(shown);
                }
            }
            Step::Look(which, disk, value) => {
                let which = which.index(count);
                if let [Some(first), Some(second)] = self.states[which].disks.clone() {
                    let before = std::mem::replace(&mut self.now, [first, second]);
                    self.restore(which, None, false).await;
                    self.check_present();
                    self.write(disk, 0, value);
                    self.engine.undo_snapshot(self.vm).await.unwrap();
                    self.now = before;
                }
            }
        }
    }

    fn content(&self, disk: &Disk) -> Content {
        let (file, raw) = (self.file(disk), self.engine.settings.state.join("content"));
        run(Command::new("qemu-img")
            .args(["convert", "-U", "-f", disk.format.driver(), "-O", "raw"])
            .arg(file)
            .arg(&raw));
        let content = std::fs::read(&raw).unwrap();
        assert_eq!(content.len() as u64, disk.size);
        let block = |block: &[u8]| {
            assert!(block.iter().all(|byte| *byte == block[0]), "a block of two minds");
            block[0]
        };
        content.chunks(BLOCK).map(block).collect()
    }

    fn check_present(&self) {
        for (disk, content) in self.disks.iter().zip(&self.now) {
            let disk = self.engine.disk(*disk).unwrap();
            assert_eq!(disk.status, DiskStatus::Ok);
            assert_eq!(self.content(&disk), *content, "{}", disk.alias);
        }
    }

    /// Every state reads as it was written, and nothing else lies there.
    fn check_all(&self) {
        let kept = self.engine.snapshots(self.vm).unwrap();
        assert_eq!(kept.len(), self.states.len());
        for (snapshot, state) in kept.iter().zip(&self.states) {
            assert_eq!((snapshot.id, snapshot.status), (state.id, SnapshotStatus::Ok));
            for (disk, content) in self.disks.iter().zip(&state.disks) {
                let saved = snapshot.disk(*disk).map(|saved| self.content(&saved.disk));
                assert_eq!(saved, *content);
            }
        }
        let world = self.engine.world();
        let images: usize = self.disks.iter().map(|disk| world.images_of(*disk).len()).sum();
        let folder = self.engine.settings.state.join("images");
        let images_there = |name: &str| name.ends_with(".qcow2") || name.ends_with(".raw");
        let names = std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name());
        let files = names.filter(|name| images_there(&name.to_string_lossy())).count();
        assert_eq!(files, images, "an image is nobody's");
    }
}

#[test]
fn every_state_reads_as_it_was_written() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // A failure is made smaller for a while only: each try takes its time.
    let config = Config { cases: 1, max_shrink_iters: 10, failure_persistence: None, ..Config::default() };
    let tried = TestRunner::new(config).run(&steps(), |steps| {
        // In memory: what is asked is what images hold, not what outlives a power cut.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        runtime.block_on(async {
            let mut model = Model::new(folder.path()).await;
            for (number, step) in steps.into_iter().enumerate() {
                model.step(step).await;
                if number % LOOK == 0 {
                    model.check_present();
                }
                if number % LOOK_AT_ALL == LOOK_AT_ALL - 1 {
                    model.check_all();
                }
            }
        });
        Ok(())
    });
    tried.unwrap();
}
