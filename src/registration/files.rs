//! Reads registration files from disk for [`super::read`], within limits. The only part of this room that is not pure.

use super::{Problem, references};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Largest single file, in bytes.
pub const LARGEST_FILE: u64 = 32 * 1024 * 1024;
/// Most bytes in all.
pub const LARGEST_ALL: u64 = 56 * 1024 * 1024;
/// Most files.
pub const MOST_FILES: usize = 10_000;

/// The registration files that `paths` name, with the files that these name. A directory stands for its `*.toml`, in the
/// order of names, without its subdirectories. Every file that can't be had is told.
///
/// A password file that everybody may read is refused.
pub fn gather(paths: &[PathBuf]) -> Result<Vec<(PathBuf, String)>, Vec<Problem>> {
    let mut gathered = Gathered::default();
    for path in paths {
        gathered.named(path);
    }
    for it in references(&gathered.files) {
        gathered.add(&it.path, it.secret);
    }
    match gathered.problems.is_empty() {
        true => Ok(gathered.files),
        false => Err(gathered.problems),
    }
}

#[derive(Default)]
struct Gathered {
    files: Vec<(PathBuf, String)>,
    problems: Vec<Problem>,
    bytes: u64,
}

impl Gathered {
    fn named(&mut self, path: &Path) {
        if !path.is_dir() {
            return self.add(path, false);
        }
        match in_directory(path) {
            Ok(files) if files.is_empty() => self.fail(path, "no *.toml in this directory; name another, or put files there".to_owned()),
            Ok(files) => files.iter().for_each(|it| self.add(it, false)),
            Err(error) => self.fail(path, format!("the directory can't be read: {error}")),
        }
    }

    fn add(&mut self, path: &Path, secret: bool) {
        if self.files.iter().any(|(it, _)| it == path) {
            return;
        }
        if self.files.len() >= MOST_FILES {
            return self.fail(path, format!("more than {MOST_FILES} files; join some of them"));
        }
        match read(path, secret, (LARGEST_ALL - self.bytes).min(LARGEST_FILE)) {
            Ok(text) => {
                self.bytes += text.len() as u64;
                self.files.push((path.to_owned(), text));
            }
            Err(message) => self.fail(path, message),
        }
    }

    fn fail(&mut self, path: &Path, message: String) {
        self.problems.push(Problem { file: path.to_owned(), line: 0, column: 0, message });
    }
}

fn in_directory(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path)?.take(MOST_FILES + 1) {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "toml") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path, secret: bool, most: u64) -> Result<String, String> {
    let failed = |error| format!("can't be read: {error}");
    let meta = fs::metadata(path).map_err(failed)?;
    if !meta.is_file() {
        return Err("not a file".to_owned());
    }
    if secret && meta.permissions().mode() & 0o007 != 0 {
        return Err("everybody may read this password file; chmod o-rwx it".to_owned());
    }
    let mut text = String::new();
    File::open(path).and_then(|it| it.take(most + 1).read_to_string(&mut text)).map_err(failed)?;
    if text.len() as u64 > most {
        return Err(format!("too large: at most {LARGEST_FILE} bytes a file and {LARGEST_ALL} in all"));
    }
    Ok(text)
}
