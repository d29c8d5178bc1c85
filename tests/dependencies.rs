//! The offline audit of what we depend on: sources, version floors below which an advisory is known, crates we refuse, and
//! licences. Reads `Cargo.lock`, and the manifests that cargo has unpacked.

use std::collections::BTreeMap;
use std::process::Command;

/// Versions from which the known advisories are mended (RUSTSEC ids in comments).
const FLOORS: &[(&str, [u64; 3])] = &[
    ("quick-xml", [0, 41, 0]),       // 2026-0194, 2026-0195
    ("h2", [0, 4, 16]),              // 2026-0258
    ("rustls-webpki", [0, 103, 13]), // CRL handling
    ("aws-lc-sys", [0, 39, 0]),      // upstream security releases
    ("crossbeam-epoch", [0, 9, 20]), // soundness
    ("lettre", [0, 11, 22]),         // 2026-0141
    ("tokio", [1, 44, 2]),           // 2025-0023
];

/// Crates that must not come in: a second TLS or crypto provider, or a known vulnerability without a patch.
const REFUSED: &[&str] = &["openssl", "openssl-sys", "native-tls", "rsa", "hickory-proto", "remove_dir_all", "tempdir", "git2"];

const LICENCES: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "MIT-0",
    "CC0-1.0",
    "Unlicense",
    "BSL-1.0",
    "Unicode-3.0",
    "CDLA-Permissive-2.0",
    "OpenSSL",
];

#[test]
fn locked_versions_are_above_their_floors_and_from_the_registry() {
    let lock: toml::Table = std::fs::read_to_string("Cargo.lock").unwrap().parse().unwrap();
    let packages = lock["package"].as_array().unwrap();
    let mut broken = Vec::new();
    for package in packages {
        let (name, version) = (package["name"].as_str().unwrap(), package["version"].as_str().unwrap());
        let source = package.get("source").map_or("", |it| it.as_str().unwrap());
        if name != "countersign" && !source.starts_with("registry+") {
            broken.push(format!("{name} {version} comes from {source:?}, not from the registry"));
        }
        if REFUSED.contains(&name) {
            broken.push(format!("{name} {version} is refused"));
        }
        if let Some((_, floor)) = FLOORS.iter().find(|(it, _)| *it == name)
            && numbers(version) < *floor
        {
            broken.push(format!("{name} {version} is below {floor:?}"));
        }
    }
    assert!(packages.len() > 100, "the lock file was read");
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn licences_are_allowed() {
    // Only what this platform builds: the rest was never fetched.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let arguments = ["metadata", "--format-version=1", "--offline", "--locked", "--filter-platform", &platform];
    let output = Command::new(env!("CARGO")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut broken = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let licence = package["license"].as_str().unwrap_or("none");
        if !allowed(licence) {
            broken.insert(package["name"].as_str().unwrap().to_owned(), licence.to_owned());
        }
    }
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn the_audit_sees_what_it_looks_for() {
    assert!(numbers("0.40.9") < [0, 41, 0] && numbers("0.41.0-alpha.1") >= [0, 41, 0]);
    assert!(allowed("MIT OR GPL-3.0") && allowed("(MIT OR Apache-2.0) AND Unicode-3.0") && allowed("MIT/Apache-2.0"));
    assert!(!allowed("GPL-3.0") && !allowed("MIT AND GPL-3.0") && !allowed("none"));
}

fn numbers(version: &str) -> [u64; 3] {
    let mut parts = version.split(['.', '-', '+']).map(|it| it.parse().unwrap_or(0));
    [parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0)]
}

// An SPDX expression: every AND part needs one OR part that we allow. The old form with a slash means OR.
fn allowed(expression: &str) -> bool {
    let flat = expression.replace('/', " OR ").replace(['(', ')'], "");
    flat.split(" AND ").all(|part| part.split(" OR ").any(|it| LICENCES.contains(&it.trim())))
}
