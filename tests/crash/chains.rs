//! Chains of snapshots on real image files, against a model of what each state holds: whatever is
//! taken, removed and restored in whatever order, and whichever disks come and go meanwhile, every
//! state reads as it was written.

use super::lab::{new_disk, new_vm, onto, settings};
use crate::live::harness::run;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Arc;
use vireo::engine::ports::{Hypervisor, Images};
use vireo::engine::{DiskChange, Engine, NewDisk, NewSnapshot, Restored};
use vireo::error::Result;
use vireo::host::QemuImg;
use vireo::model::*;
use vireo::sim::{MemoryStore, SimMirrors, Simulated};

const STEPS: usize = 200;
const MOST_SNAPSHOTS: usize = 10;
const MOST_DISKS: usize = 4;
/// A disk begins with so many blocks, and grows by one at a time.
const BLOCKS: usize = 4;
const BLOCK: usize = 64 << 10;
/// The present content is looked at after so many steps, that of all states after so many more.
const LOOK: usize = 5;
const LOOK_AT_ALL: usize = 25;

#[derive(Clone, Debug)]
enum Step {
    Add(DiskFormat),
    /// Which one is a share of those that are there; of snapshots, too.
    Destroy(Index),
    Switch(Index),
    Write {
        disk: Index,
        block: usize,
        value: u8,
    },
    Take,
    /// The disk is left out.
    TakeWithout(Index),
    Remove(Index),
    RemoveDisk(Index, Index),
    Restore(Index),
    RestoreDisk(Index, Index),
    RestoreMixed([Index; 2], [Index; 2]),
    Look(Index, Index, u8),
    Grow(Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let index = any::<Index>;
    let step = prop_oneof![
        1 => prop_oneof![Just(DiskFormat::Cow), Just(DiskFormat::Raw)].prop_map(Step::Add),
        1 => index().prop_map(Step::Destroy),
        1 => index().prop_map(Step::Switch),
        9 => (index(), 0..BLOCKS, 1..=255u8).prop_map(|(disk, block, value)| Step::Write { disk, block, value }),
        6 => Just(Step::Take),
        1 => index().prop_map(Step::TakeWithout),
        4 => index().prop_map(Step::Remove),
        1 => (index(), index()).prop_map(|(which, disk)| Step::RemoveDisk(which, disk)),
        2 => index().prop_map(Step::Restore),
        1 => (index(), index()).prop_map(|(which, disk)| Step::RestoreDisk(which, disk)),
        1 => ([index(), index()], [index(), index()])
            .prop_map(|(states, disks)| Step::RestoreMixed(states, disks)),
        2 => (index(), index(), 1..=255u8).prop_map(|(which, disk, value)| Step::Look(which, disk, value)),
        1 => index().prop_map(Step::Grow),
    ];
    prop::collection::vec(step, STEPS)
}

/// What a disk holds, block by block.
type Content = Vec<u8>;

#[derive(Clone)]
struct Now {
    active: bool,
    content: Content,
}

#[derive(Clone)]
struct State {
    id: SnapshotId,
    disks: BTreeMap<DiskId, Now>,
    /// Disks that went back behind it.
    lost: BTreeSet<DiskId>,
}

/// The engine with a VM that is down, and what its disks are to hold now and in each snapshot.
struct Model {
    engine: Arc<Engine>,
    vm: VmId,
    now: BTreeMap<DiskId, Now>,
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
        let mut model = Self { engine, vm, now: BTreeMap::new(), states: Vec::new() };
        model.add(DiskFormat::Cow).await;
        model.add(DiskFormat::Raw).await;
        model
    }

    fn file(&self, disk: &Disk) -> std::path::PathBuf {
        self.engine.settings.state.join("images").join(disk.file_name())
    }

    async fn add(&mut self, format: DiskFormat) {
        let size = (BLOCKS * BLOCK) as u64;
        let new = NewDisk { format, size, ..new_disk(format.driver()) };
        let id = self.engine.add_disk(new, Some(onto(self.vm))).await.unwrap().finished().await.unwrap();
        self.now.insert(id, Now { active: true, content: vec![0; BLOCKS] });
    }

    /// It goes with its images in all states; those that kept nothing else stay, without disks.
    async fn destroy(&mut self, disk: DiskId) {
        self.engine.remove_disk(disk).await.unwrap();
        self.now.remove(&disk);
        for state in &mut self.states {
            state.disks.remove(&disk);
            state.lost.remove(&disk);
        }
    }

    async fn switch(&mut self, disk: DiskId) {
        let now = self.now.get_mut(&disk).unwrap();
        now.active = !now.active;
        match now.active {
            true => self.engine.activate_disk(self.vm, disk).await.unwrap(),
            false => self.engine.deactivate_disk(self.vm, disk).await.unwrap(),
        }
    }

    fn write(&mut self, disk: DiskId, block: usize, value: u8) {
        let row = self.engine.disk(disk).unwrap();
        let write = format!("write -q -P {value} {} {BLOCK}", block * BLOCK);
        run(Command::new("qemu-io").args(["-f", row.format.driver(), "-c", &write]).arg(self.file(&row)));
        self.now.get_mut(&disk).unwrap().content[block] = value;
    }

    async fn take(&mut self, without: Option<DiskId>) {
        let mut taken = self.now.clone();
        taken.retain(|disk, _| Some(*disk) != without);
        let disks = taken.keys().copied().collect();
        let new = NewSnapshot { description: "s".into(), memory: false, disks: Some(disks) };
        let id = self.engine.create_snapshot(self.vm, new).await.unwrap().finished().await.unwrap();
        self.states.push(State { id, disks: taken, lost: BTreeSet::new() });
    }

    /// All disks of the snapshot, or these as those snapshots have them.
    async fn restore(&self, which: usize, only: Option<&[(DiskId, usize)]>, commit: bool) -> Result<()> {
        let as_of = |(disk, which): &(DiskId, usize)| (*disk, self.states[*which].id);
        let only = only.map(|only| only.iter().map(as_of).collect());
        let restored = Restored { only, memory: false };
        self.engine.preview_snapshot(self.vm, self.states[which].id, restored, commit).await
    }

    /// What the disks are when that state is shown; nothing where it is not whole any more.
    fn whole(&self, which: usize) -> Option<BTreeMap<DiskId, Now>> {
        let state = &self.states[which];
        let mut shown = self.now.clone();
        for (disk, now) in &mut shown {
            match state.disks.get(disk) {
                Some(saved) => *now = saved.clone(),
                // What came later is unplugged, where snapshots may take it.
                None => now.active = false,
            }
        }
        state.lost.is_empty().then_some(shown)
    }

    /// A disk went back for good to that state.
    fn went_back(&mut self, disk: DiskId, which: usize) {
        self.now.insert(disk, self.states[which].disks[&disk].clone());
        for later in &mut self.states[which + 1..] {
            if later.disks.remove(&disk).is_some() {
                later.lost.insert(disk);
            }
        }
    }

    /// Disks went back for good, as that state was shown. Who has nothing left to keep is gone.
    fn go_back(&mut self, shown: usize, disks: &[(DiskId, usize)]) {
        let before: Vec<usize> = self.states.iter().map(|state| state.lost.len()).collect();
        disks.iter().for_each(|(disk, which)| self.went_back(*disk, *which));
        let mut at = 0..;
        self.states.retain(|state| {
            let at = at.next().unwrap();
            let is_cut = at > shown || state.lost.len() > before[at];
            at == shown || !is_cut || !state.disks.is_empty()
        });
    }

    fn disk(&self, which: Index) -> DiskId {
        *self.now.keys().nth(which.index(self.now.len())).unwrap()
    }

    async fn step(&mut self, step: Step) {
        let count = self.states.len();
        match step {
            Step::Add(_) if self.now.len() == MOST_DISKS => {}
            Step::Add(format) => self.add(format).await,
            Step::Destroy(_) if self.now.len() == 1 => {}
            Step::Destroy(which) => self.destroy(self.disk(which)).await,
            Step::Switch(which) => self.switch(self.disk(which)).await,
            Step::Write { disk, block, value } => self.write(self.disk(disk), block, value),
            Step::Take | Step::TakeWithout(_) if count == MOST_SNAPSHOTS => {}
            Step::Take => self.take(None).await,
            Step::TakeWithout(which) => self.take(Some(self.disk(which))).await,
            Step::Grow(which) => {
                let disk = self.disk(which);
                let now = self.now.get_mut(&disk).unwrap();
                now.content.push(0);
                let size = Some((now.content.len() * BLOCK) as u64);
                let change = DiskChange { size, ..DiskChange::default() };
                self.engine.update_disk(disk, Some(self.vm), change).await.unwrap();
            }
            _ if count == 0 => {}
            Step::Remove(which) => {
                let gone = self.states.remove(which.index(count));
                self.engine.remove_snapshot(self.vm, gone.id).await.unwrap().finished().await.unwrap();
            }
            Step::RemoveDisk(which, disk) => {
                let disk = self.disk(disk);
                let state = &mut self.states[which.index(count)];
                if state.disks.remove(&disk).is_some() {
                    let removed = self.engine.remove_disk_snapshot(self.vm, state.id, disk).await.unwrap();
                    removed.finished().await.unwrap();
                }
            }
            Step::Restore(which) => {
                let which = which.index(count);
                let whole = self.whole(which);
                assert_eq!(self.restore(which, None, true).await.is_ok(), whole.is_some());
                if let Some(now) = whole {
                    let back: Vec<_> = self.states[which].disks.keys().map(|disk| (*disk, which)).collect();
                    self.go_back(which, &back);
                    self.now = now;
                }
            }
            Step::RestoreDisk(which, disk) => {
                let (which, disk) = (which.index(count), self.disk(disk));
                if self.states[which].disks.contains_key(&disk) {
                    let back = [(disk, which)];
                    self.restore(which, Some(&back), true).await.unwrap();
                    self.go_back(which, &back);
                }
            }
            Step::RestoreMixed(states, disks) => {
                let [first, second] = states.map(|which| which.index(count));
                let [one, other] = disks.map(|which| self.disk(which));
                let are_there = self.states[first].disks.contains_key(&one)
                    && self.states[second].disks.contains_key(&other);
                if one != other && are_there {
                    let back = [(one, first), (other, second)];
                    self.restore(first, Some(&back), true).await.unwrap();
                    self.go_back(first, &back);
                }
            }
            Step::Look(which, disk, value) => {
                let which = which.index(count);
                let whole = self.whole(which);
                assert_eq!(self.restore(which, None, false).await.is_ok(), whole.is_some());
                if let Some(shown) = whole {
                    let before = std::mem::replace(&mut self.now, shown);
                    self.check_present();
                    // What is not of the state is the present's.
                    let disk = self.disk(disk);
                    if self.states[which].disks.contains_key(&disk) {
                        self.write(disk, 0, value);
                    }
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
        let hung = self.engine.world().disks_of(self.vm).len();
        assert_eq!(hung, self.now.len());
        for (disk, now) in &self.now {
            let (attachment, disk) = self.engine.attachment(self.vm, *disk).unwrap();
            assert_eq!((disk.status, attachment.active), (DiskStatus::Ok, now.active), "{}", disk.alias);
            assert_eq!(self.content(&disk), now.content, "{}", disk.alias);
        }
    }

    /// Every state reads as it was written, and nothing else lies there.
    fn check_all(&self) {
        let kept = self.engine.snapshots(self.vm).unwrap();
        assert_eq!(kept.len(), self.states.len());
        for (snapshot, state) in kept.iter().zip(&self.states) {
            assert_eq!((snapshot.id, snapshot.status), (state.id, SnapshotStatus::Ok));
            assert_eq!(snapshot.disks.len(), state.disks.len());
            for (disk, now) in &state.disks {
                let saved = snapshot.disk(*disk).unwrap();
                assert_eq!(self.content(&saved.disk), now.content);
            }
        }
        let world = self.engine.world();
        let images: usize = self.now.keys().map(|disk| world.images_of(*disk).len()).sum();
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
