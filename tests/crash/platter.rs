//! What a power cut leaves of a directory, made from the shim's journal.
//!
//! The rules, at least as strict as those of ext4 with ordered data:
//!
//! - Bytes and lengths of a file are durable when an `fsync` or `fdatasync` that began after they were written has ended.
//!   `sync_file_range` counts for nothing.
//! - The name of a file or directory is durable when its directory was synced so. Syncing the file does not sync its name: POSIX
//!   says no more (ext4 would). A rename is one step: never both names, never none.
//! - What was not synced may be there nevertheless, in any mixture: [`Cut::Torn`] keeps each sector (512 bytes) of each unsynced
//!   write by chance, and a random number of the unsynced changes of names, in their order, as a journal does.

use super::dice::Dice;
use super::shim::Op;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

const SECTOR: u64 = 512;
/// The node of the root.
const ROOT: usize = 0;

/// Which of the states that a power cut may leave.
pub enum Cut {
    /// What was synced, and nothing else.
    Exact,
    /// And parts of the rest by chance.
    Torn(Dice),
    /// Everything, as when only the process died. For checking the shim against the real directory.
    Nothing,
}

/// A disk: what is on it for good, and what is pending.
#[derive(Clone, Default)]
pub struct Platter {
    nodes: Vec<Node>,
    /// By file descriptor.
    open: HashMap<u32, usize>,
    /// Syncs under way: the node, and when it began.
    syncs: HashMap<u64, (usize, u64)>,
    /// Counts operations.
    clock: u64,
    /// Changes of names that no sync covered, oldest first.
    names: Vec<Renaming>,
}

#[derive(Clone, Default)]
struct Node {
    is_dir: bool,
    /// Durable bytes of a file, and what was done to them since.
    bytes: Vec<u8>,
    pending: Vec<(u64, Pending)>,
    /// Names in a directory: for good, and now.
    durable: BTreeMap<String, usize>,
    now: BTreeMap<String, usize>,
}

#[derive(Clone)]
enum Pending {
    Write(u64, Vec<u8>),
    Length(u64),
}

/// One step, and when: in each directory, a name and what it stands for then.
#[derive(Clone)]
struct Renaming(u64, Vec<(usize, String, Option<usize>)>);

impl Platter {
    /// A disk that holds what the directory `root` holds, all of it durable.
    pub fn of(root: &Path) -> Self {
        let mut platter = Self { nodes: vec![Node { is_dir: true, ..Node::default() }], ..Self::default() };
        platter.take_in(ROOT, root);
        platter
    }

    fn take_in(&mut self, dir: usize, path: &Path) {
        for item in std::fs::read_dir(path).unwrap() {
            let item = item.unwrap();
            let kind = item.file_type().unwrap();
            let bytes = if kind.is_file() { std::fs::read(item.path()).unwrap() } else { Vec::new() };
            let id = self.add(Node { is_dir: kind.is_dir(), bytes, ..Node::default() });
            let name = item.file_name().into_string().unwrap();
            self.nodes[dir].durable.insert(name.clone(), id);
            self.nodes[dir].now.insert(name, id);
            if kind.is_dir() {
                self.take_in(id, &item.path());
            }
        }
    }

    fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Does one operation.
    pub fn play(&mut self, op: &Op) {
        self.clock += 1;
        match op {
            Op::Open { fd, path, create, truncate, directory } => {
                let id = self.find(path).unwrap_or_else(|| {
                    assert!(*create && !directory, "{path} was opened, and nothing made it");
                    self.make(path, false)
                });
                if *truncate {
                    self.pend(id, Pending::Length(0));
                }
                self.open.insert(*fd, id);
            }
            Op::Close { fd } => drop(self.open.remove(fd)),
            Op::Duplicate { fd, to } => drop(self.open.insert(*to, self.open[fd])),
            Op::Write { fd, at, bytes } => self.pend(self.open[fd], Pending::Write(*at, bytes.clone())),
            Op::Truncate { fd, length } => self.pend(self.open[fd], Pending::Length(*length)),
            Op::SyncBegins { fd, token } => drop(self.syncs.insert(*token, (self.open[fd], self.clock))),
            Op::SyncEnds { token } => {
                let (id, begun) = self.syncs.remove(token).expect("a sync ends that began");
                self.sync(id, begun);
            }
            Op::Rename { from, to } => {
                let id = self.find(from).expect("what is renamed is there");
                let ((old, old_name), (new, new_name)) = (self.place(from), self.place(to));
                self.name(vec![(old, old_name, None), (new, new_name, Some(id))]);
            }
            Op::Unlink { path } => {
                let (dir, name) = self.place(path);
                self.name(vec![(dir, name, None)]);
            }
            Op::Mkdir { path } => drop(self.make(path, true)),
        }
    }

    fn make(&mut self, path: &str, is_dir: bool) -> usize {
        let id = self.add(Node { is_dir, ..Node::default() });
        let (dir, name) = self.place(path);
        self.name(vec![(dir, name, Some(id))]);
        id
    }

    fn name(&mut self, step: Vec<(usize, String, Option<usize>)>) {
        step.iter().for_each(|(dir, name, to)| set(&mut self.nodes[*dir].now, name, *to));
        self.names.push(Renaming(self.clock, step));
    }

    fn pend(&mut self, id: usize, pending: Pending) {
        self.nodes[id].pending.push((self.clock, pending));
    }

    // What was done before it began: to the file, or to names in the directory.
    fn sync(&mut self, id: usize, begun: u64) {
        let covered = |step: &Renaming| step.0 < begun && step.1.iter().any(|it| it.0 == id);
        let (done, left): (Vec<_>, Vec<_>) = std::mem::take(&mut self.names).into_iter().partition(covered);
        self.names = left;
        done.iter().for_each(|step| apply(&mut self.nodes, step));
        let node = &mut self.nodes[id];
        let (done, left): (Vec<_>, Vec<_>) = std::mem::take(&mut node.pending).into_iter().partition(|it| it.0 < begun);
        node.pending = left;
        done.iter().for_each(|it| it.1.apply(&mut node.bytes, |_| true));
    }

    fn find(&self, path: &str) -> Option<usize> {
        path.split('/').filter(|it| !it.is_empty()).try_fold(ROOT, |at, name| self.nodes[at].now.get(name).copied())
    }

    fn place(&self, path: &str) -> (usize, String) {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        (self.find(dir).expect("the directory is there"), name.to_owned())
    }

    /// Puts what is left after a power cut into the empty directory `to`.
    pub fn cut(&self, how: Cut, to: &Path) {
        let mut left = self.clone();
        match how {
            Cut::Exact => {}
            Cut::Torn(mut dice) => {
                let kept = dice.below(left.names.len() as u64 + 1) as usize;
                left.names.drain(..kept).for_each(|step| apply(&mut left.nodes, &step));
                left.nodes.iter_mut().for_each(|node| node.keep(|_| dice.chance(50)));
            }
            Cut::Nothing => {
                left.names.drain(..).for_each(|step| apply(&mut left.nodes, &step));
                left.nodes.iter_mut().for_each(|node| node.keep(|_| true));
            }
        }
        left.write(ROOT, to);
    }

    fn write(&self, dir: usize, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for (name, id) in &self.nodes[dir].durable {
            let path = to.join(name);
            match self.nodes[*id].is_dir {
                true => self.write(*id, &path),
                false => std::fs::write(path, &self.nodes[*id].bytes).unwrap(),
            }
        }
    }
}

impl Node {
    fn keep(&mut self, mut sector: impl FnMut(u64) -> bool) {
        for (_, pending) in std::mem::take(&mut self.pending) {
            pending.apply(&mut self.bytes, &mut sector);
        }
    }
}

impl Pending {
    // Sector by sector, those that `kept` says.
    fn apply(&self, bytes: &mut Vec<u8>, mut kept: impl FnMut(u64) -> bool) {
        match self {
            Self::Length(length) if kept(0) => bytes.resize(*length as usize, 0),
            Self::Length(_) => {}
            Self::Write(at, data) => {
                let end = at + data.len() as u64;
                for sector in at / SECTOR..=end.saturating_sub(1) / SECTOR {
                    if !kept(sector) {
                        continue;
                    }
                    let (from, to) = ((sector * SECTOR).max(*at), ((sector + 1) * SECTOR).min(end));
                    if bytes.len() < to as usize {
                        bytes.resize(to as usize, 0);
                    }
                    bytes[from as usize..to as usize].copy_from_slice(&data[(from - at) as usize..(to - at) as usize]);
                }
            }
        }
    }
}

fn apply(nodes: &mut [Node], step: &Renaming) {
    step.1.iter().for_each(|(dir, name, to)| set(&mut nodes[*dir].durable, name, *to));
}

fn set(names: &mut BTreeMap<String, usize>, name: &str, to: Option<usize>) {
    match to {
        Some(id) => drop(names.insert(name.to_owned(), id)),
        None => drop(names.remove(name)),
    }
}
