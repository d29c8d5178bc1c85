//! The shim (`shim.c`): built once by `cc`, and what it wrote down, read.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Bytes of a record before its own: what, fd, number, length.
const HEAD: usize = 17;

/// One change of the disk, in the order in which they happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    Open { fd: u32, path: String, create: bool, truncate: bool, directory: bool },
    Close { fd: u32 },
    Duplicate { fd: u32, to: u32 },
    Write { fd: u32, at: u64, bytes: Vec<u8> },
    Truncate { fd: u32, length: u64 },
    SyncBegins { fd: u32, token: u64 },
    SyncEnds { token: u64 },
    Rename { from: String, to: String },
    Unlink { path: String },
    Mkdir { path: String },
}

/// The shared library, built with the C compiler.
pub fn library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| compiled("shim.c", "shim.so", &["-shared", "-fPIC"]))
}

/// The program for the self-test.
pub fn probe() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| compiled("probe.c", "probe", &[]))
}

fn compiled(source: &str, name: &str, how: &[&str]) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shim-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let (from, to) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crash").join(source), dir.join(name));
    let mut compiler = Command::new("cc");
    let built = compiler.args(["-O1", "-Wall", "-Wextra", "-Werror"]).args(how).arg("-o").arg(&to).arg(from).arg("-lpthread").output();
    let built = built.expect("a C compiler named cc, which builds of this project need anyway");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    to
}

/// What puts a program on the disk below `root`; it breaks by `fault` (see `shim.c`) once `trigger` is there.
pub struct Under<'a> {
    pub root: &'a Path,
    pub journal: &'a Path,
    pub fault: &'a str,
    pub trigger: Option<&'a Path>,
}

impl Under<'_> {
    pub fn environment(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let mut all = vec![
            ("LD_PRELOAD".to_owned(), text(library())),
            ("SHIM_ROOT".to_owned(), text(self.root)),
            ("SHIM_JOURNAL".to_owned(), text(self.journal)),
            ("SHIM_FAULT".to_owned(), self.fault.to_owned()),
        ];
        all.extend(self.trigger.map(|it| ("SHIM_TRIGGER".to_owned(), text(it))));
        all
    }
}

/// Reads a journal. Each operation comes with the journal's length after it; what was cut off at the end is left out.
/// Paths are given from `root` on.
pub fn journal(file: &Path, root: &Path) -> Vec<(u64, Op)> {
    let bytes = std::fs::read(file).unwrap();
    let root = format!("{}/", root.to_str().unwrap());
    let (mut ops, mut at) = (Vec::new(), 0);
    while let Some(head) = bytes.get(at..at + HEAD) {
        let length = u32::from_le_bytes(head[13..17].try_into().unwrap()) as usize;
        let Some(body) = bytes.get(at + HEAD..at + HEAD + length) else { break };
        at += HEAD + length;
        let fd = u32::from_le_bytes(head[1..5].try_into().unwrap());
        let number = u64::from_le_bytes(head[5..13].try_into().unwrap());
        ops.push((at as u64, op(head[0], (fd, number), body, &root)));
    }
    ops
}

fn op(what: u8, (fd, number): (u32, u64), body: &[u8], root: &str) -> Op {
    const CREATE: u64 = 0o100;
    const TRUNCATE: u64 = 0o1000;
    // The root itself is the empty path.
    let path =
        |bytes: &[u8]| format!("{}/", std::str::from_utf8(bytes).unwrap()).strip_prefix(root).unwrap().trim_end_matches('/').to_owned();
    match what {
        b'O' | b'd' => {
            Op::Open { fd, path: path(body), create: number & CREATE != 0, truncate: number & TRUNCATE != 0, directory: what == b'd' }
        }
        b'C' => Op::Close { fd },
        b'P' => Op::Duplicate { fd, to: number as u32 },
        b'W' => Op::Write { fd, at: number, bytes: body.to_vec() },
        b'T' => Op::Truncate { fd, length: number },
        b'B' => Op::SyncBegins { fd, token: number },
        b'E' => Op::SyncEnds { token: number },
        b'R' => {
            let zero = body.iter().position(|it| *it == 0).unwrap();
            Op::Rename { from: path(&body[..zero]), to: path(&body[zero + 1..]) }
        }
        b'U' | b'D' => Op::Unlink { path: path(body) },
        b'M' => Op::Mkdir { path: path(body) },
        other => panic!("the shim wrote {other}, which nobody reads"),
    }
}
