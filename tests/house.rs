//! Holds the table of `src/lib.rs`: which room may name which. Breaks with the file and the line.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A room, and the rooms it may name. `boot` and `main` may name all.
const TABLE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("vault", &["domain"]),
    ("soap", &["domain"]),
    ("dialect", &["domain"]),
    ("registration", &["domain"]),
    ("store", &["domain", "vault"]),
    ("connect", &["domain", "soap", "dialect", "vault"]),
    ("engine", &["domain", "store", "connect", "vault"]),
    ("bus", &["domain", "connect", "engine", "vault"]),
    ("http", &["domain", "soap", "dialect", "engine", "vault", "telemetry"]),
    ("admin", &["domain", "registration", "engine", "store"]),
    ("demo", &["domain", "registration", "http"]),
    ("bench", &["boot", "config", "domain", "registration", "soap", "vault"]),
    ("config", &["bus", "connect", "dialect", "http", "store", "admin", "telemetry", "registration"]),
    ("telemetry", &[]),
    ("cli", &["bench", "boot", "config", "domain", "admin", "registration", "store", "vault", "telemetry"]),
];

/// Crates that a pure room must not name (architecture: no runtime, server, store, clock or randomness).
const IMPURE: &[&str] = &[
    "tokio",
    "hyper",
    "axum",
    "reqwest",
    "lettre",
    "sled",
    "rand",
    "serde_json",
    "std::fs",
    "std::net",
    "std::process",
    "Utc::now",
    "Instant::now",
    "SystemTime",
];
/// Pure rooms, and what each may name all the same: a dialect reads JSON, and compares addresses it is given.
const PURE: &[(&str, &[&str])] = &[("domain", &[]), ("soap", &[]), ("dialect", &["serde_json", "std::net"])];

#[test]
fn rooms_name_only_whom_the_table_allows() {
    let mut broken = Vec::new();
    for file in sources(Path::new("src")) {
        let Some(room) = room_of(&file) else { continue };
        let Some((_, allowed)) = TABLE.iter().find(|(name, _)| *name == room) else { continue };
        for (number, line) in code_lines(&file) {
            for named in rooms_named(&line) {
                if named != room && !allowed.contains(&named.as_str()) {
                    broken.push(format!("{}:{number}: {room} may not name {named}: {}", file.display(), line.trim()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn pure_rooms_know_no_machine() {
    let mut broken = Vec::new();
    for file in sources(Path::new("src")) {
        let room = room_of(&file);
        let Some((_, spared)) = PURE.iter().find(|(name, _)| room.as_deref() == Some(name)) else { continue };
        for (number, line) in code_lines(&file) {
            if let Some(named) = IMPURE.iter().find(|it| !spared.contains(it) && names(&line, it)) {
                broken.push(format!("{}:{number}: a pure room may not name {named}: {}", file.display(), line.trim()));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

/// Files that name each other, directly or by way of others. A `mod.rs` and the files below it are one piece here.
#[test]
fn no_circle_ties_the_files() {
    let files = sources(Path::new("src"));
    let modules: HashMap<String, &PathBuf> = files.iter().map(|it| (module_of(it), it)).collect();
    let mut names: HashMap<String, HashSet<String>> = HashMap::new();
    for (module, file) in &modules {
        let own = |it: &String| it != module && !it.starts_with(&format!("{module}::")) && !module.starts_with(&format!("{it}::"));
        let named = code_lines(file).into_iter().flat_map(|(_, line)| modules_named(module, &line, &modules)).filter(own);
        names.insert(module.clone(), named.collect());
    }
    let reaches = |from: &String, to: &String| {
        let (mut seen, mut next) = (HashSet::new(), vec![from.clone()]);
        while let Some(at) = next.pop() {
            for named in &names[&at] {
                if named == to {
                    return true;
                }
                if seen.insert(named.clone()) {
                    next.push(named.clone());
                }
            }
        }
        false
    };
    let mut circle: Vec<_> = modules.keys().filter(|it| reaches(it, it)).collect();
    circle.sort();
    assert!(circle.is_empty(), "these files stand in a circle: {circle:?}");
}

#[test]
fn every_room_is_in_the_table() {
    let rooms: Vec<_> = sources(Path::new("src")).iter().filter_map(|it| room_of(it)).collect();
    for room in rooms {
        assert!(["lib", "main", "boot"].contains(&room.as_str()) || TABLE.iter().any(|(name, _)| *name == room), "{room} is in no table");
    }
}

#[test]
fn the_reader_of_this_table_sees_a_breach() {
    assert_eq!(rooms_named("use crate::store::contract::Store;"), ["store"]);
    assert_eq!(rooms_named("    x: crate::http::App, y: crate::domain::id::EventId"), ["http", "domain"]);
    assert_eq!(rooms_named("use crate::{soap, vault::Vault};"), ["soap", "vault"]);
    let file = PathBuf::new();
    let modules = ["domain::a", "domain::b", "store", "store::x"].map(|it| (it.to_owned(), &file)).into();
    assert_eq!(modules_named("domain::a", "use super::b::Thing;", &modules), ["domain::b"]);
    assert_eq!(modules_named("domain::a", "use crate::store::x::Thing; crate::store::Y", &modules), ["store::x", "store"]);
    assert!(names("use tokio::sync::Mutex;", "tokio") && !names("let tokiol = 1;", "tokio"));
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect();
    files.retain(|path| path.extension().is_some_and(|it| it == "rs"));
    files.sort();
    files
}

fn module_of(file: &Path) -> String {
    let path = file.strip_prefix("src").unwrap().with_extension("");
    let mut parts: Vec<_> = path.components().map(|it| it.as_os_str().to_string_lossy().into_owned()).collect();
    parts.pop_if(|it| it == "mod");
    parts.join("::")
}

// The modules that a line names from the crate's root or from its parent, as far down as they are files.
fn modules_named(module: &str, line: &str, modules: &HashMap<String, &PathBuf>) -> Vec<String> {
    let parent = module.rsplit_once("::").map_or("", |it| it.0);
    let absolute = line.split("crate::").skip(1).map(str::to_owned);
    let relative = line.split("super::").skip(1).filter(|_| !line.contains("super::super") && !parent.is_empty());
    let relative = relative.map(|rest| format!("{parent}::{rest}"));
    let longest = |path: String| {
        let path: String = path.chars().take_while(|it| it.is_alphanumeric() || matches!(it, '_' | ':')).collect();
        let parts: Vec<&str> = path.split("::").filter(|it| !it.is_empty()).collect();
        (1..=parts.len()).rev().map(|count| parts[..count].join("::")).find(|it| modules.contains_key(it))
    };
    absolute.chain(relative).filter_map(longest).collect()
}

fn room_of(file: &Path) -> Option<String> {
    let first = file.strip_prefix("src").ok()?.components().next()?;
    Some(Path::new(first.as_os_str()).file_stem()?.to_string_lossy().into_owned())
}

// Tests inside a file may name what they like, so reading stops there; comments and doc links are no imports.
fn code_lines(file: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap();
    let lines = code.lines().enumerate().map(|(index, line)| (index + 1, line.split("//").next().unwrap().to_owned()));
    lines.filter(|(_, line)| !line.trim().is_empty()).collect()
}

fn rooms_named(line: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for rest in line.split("crate::").skip(1) {
        let word = |text: &str| text.trim().chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect::<String>();
        match rest.strip_prefix('{') {
            Some(list) => rooms.extend(list.split('}').next().unwrap().split(',').map(word)),
            None => rooms.push(word(rest)),
        }
    }
    rooms
}

fn names(line: &str, what: &str) -> bool {
    line.match_indices(what).any(|(at, _)| {
        let edge = |it: Option<char>| it.is_none_or(|it| !it.is_alphanumeric() && it != '_');
        edge(line[..at].chars().next_back()) && edge(line[at + what.len()..].chars().next())
    })
}
