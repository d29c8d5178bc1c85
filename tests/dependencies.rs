//! The offline audit of what we depend on: sources and checksums, versions with a known advisory, crates we refuse, licences,
//! and what the tests' foreign clients pin. Reads lock files, and the manifests that cargo has unpacked.

use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

/// A crate, the first version that an advisory touches, the first that it no longer touches, and the advisory (RUSTSEC id).
type Advisory = (&'static str, [u64; 3], [u64; 3], &'static str);

/// Known advisories of crates that are in the tree or near it, so that an old version can't come back.
const ADVISORIES: &[Advisory] = &[
    ("ammonia", [0, 0, 0], [4, 1, 4], "scripts that nested markup lets through"),
    ("arc-swap", [0, 0, 0], [1, 1, 0], "2020-0091"),
    ("aws-lc-sys", [0, 0, 0], [0, 39, 0], "upstream's security releases"),
    ("axum-core", [0, 0, 0], [0, 2, 8], "2022-0055"),
    ("bumpalo", [1, 1, 0], [3, 11, 1], "2022-0078"),
    ("bytes", [1, 2, 1], [1, 11, 1], "2026-0007"),
    ("chrono", [0, 0, 0], [0, 4, 20], "2020-0159"),
    ("crossbeam-channel", [0, 5, 11], [0, 5, 15], "2025-0024"),
    ("crossbeam-epoch", [0, 0, 0], [0, 9, 20], "soundness"),
    ("crossbeam-utils", [0, 0, 0], [0, 8, 7], "2022-0041"),
    ("dashmap", [5, 0, 0], [5, 1, 0], "2022-0002"),
    ("futures-util", [0, 0, 0], [0, 3, 7], "2020-0059, 2020-0060"),
    ("h2", [0, 0, 0], [0, 4, 16], "2024-0332, 2026-0258"),
    ("hashbrown", [0, 15, 0], [0, 15, 1], "2024-0402"),
    ("hyper", [0, 0, 0], [0, 14, 10], "2021-0078, 2021-0079"),
    ("idna", [0, 0, 0], [1, 0, 0], "2024-0421"),
    ("lettre", [0, 0, 0], [0, 11, 22], "2026-0141"),
    ("lock_api", [0, 0, 0], [0, 4, 2], "2020-0070"),
    ("mio", [0, 7, 2], [0, 8, 11], "2024-0019"),
    ("protobuf", [0, 0, 0], [3, 7, 2], "2024-0437"),
    ("prost-types", [0, 0, 0], [0, 8, 0], "2021-0073"),
    ("quick-xml", [0, 0, 0], [0, 41, 0], "2026-0194, 2026-0195"),
    ("rand_core", [0, 6, 0], [0, 6, 2], "2021-0023"),
    ("regex", [0, 0, 0], [1, 5, 5], "2022-0013"),
    ("ring", [0, 0, 0], [0, 17, 12], "2025-0009"),
    ("rustls", [0, 0, 0], [0, 23, 18], "2024-0336, 2024-0399"),
    ("rustls-webpki", [0, 0, 0], [0, 103, 13], "handling of CRLs"),
    ("shlex", [0, 0, 0], [1, 3, 0], "2024-0006"),
    ("slab", [0, 4, 10], [0, 4, 11], "2025-0047"),
    ("smallvec", [0, 0, 0], [1, 6, 1], "2021-0003"),
    ("socket2", [0, 0, 0], [0, 3, 16], "2020-0079"),
    ("thread_local", [0, 0, 0], [1, 1, 4], "2022-0006"),
    ("time", [0, 0, 0], [0, 3, 47], "2020-0071, 2026-0009"),
    ("tokio", [0, 0, 0], [1, 44, 2], "2023-0001, 2025-0023"),
    ("tracing-subscriber", [0, 0, 0], [0, 3, 20], "2025-0055"),
];

/// The one exception: librdkafka's TLS is OpenSSL's, and nothing else may use it.
const OPENSSL: (&str, &str) = ("openssl-sys", "rdkafka-sys");

/// Crates that must not come in: a second TLS or crypto provider, or a known vulnerability without a patch.
const REFUSED: &[&str] = &["openssl", "native-tls", "rsa", "hickory-proto", "remove_dir_all", "tempdir", "git2"];

/// The only place from which crates come.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

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
    "BlueOak-1.0.0",
];

/// Crates under MPL-2.0, used as they are: their source need not be changed, and the licence covers their own files only.
const FILE_LICENCE: (&str, &[&str]) = ("MPL-2.0", &["cssparser", "dtoa-short"]);

#[test]
fn every_locked_crate_may_be_there() {
    let locks = lock_files();
    assert!(locks.contains(&PathBuf::from("Cargo.lock")), "{locks:?}");
    for path in locks {
        let lock = std::fs::read_to_string(&path).unwrap();
        assert!(lock.matches("[[package]]").count() > 10, "{} was read", path.display());
        let broken = crates(&lock);
        assert!(broken.is_empty(), "{}:\n{}", path.display(), broken.join("\n"));
    }
}

#[test]
fn licences_are_allowed() {
    // Only what this platform builds: the rest was never fetched.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let arguments = ["metadata", "--format-version=1", "--offline", "--locked", "--filter-platform", &platform];
    let output = Command::new(env!("CARGO")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(metadata["packages"].as_array().unwrap().len() > 100, "the manifests were read");
    let broken = licences(&metadata);
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_foreign_clients_are_pinned() {
    let read = |path: &str| std::fs::read_to_string(path).unwrap();
    let broken = modules(&read("tests/clients/node/package-lock.json"));
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    let setup = read(".ci/setup");
    let pip = setup.lines().find(|it| it.contains("pip install")).unwrap();
    let packages: Vec<_> =
        pip.split_once("pip install").unwrap().1.split(' ').filter(|it| !it.is_empty() && !it.starts_with('-')).collect();
    assert!(packages.len() >= 2 && packages.iter().all(|it| it.contains("==")), "{pip}");
}

#[test]
fn the_audit_sees_a_crate_that_may_not_be_there() {
    let crates_io = |name: &str, version: &str| {
        let sum = "0123456789abcdef".repeat(4);
        format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"{REGISTRY}\"\nchecksum = \"{sum}\"\n")
    };
    let check = |lock: String, expected: &str| {
        let broken = crates(&lock).join("\n");
        assert!(if expected.is_empty() { broken.is_empty() } else { broken.contains(expected) }, "{lock}\nis said to be: {broken}");
    };
    check(crates_io("bytes", "1.11.1"), "");
    check(crates_io("bytes", "1.11.0"), "2026-0007");
    check(crates_io("bytes", "1.11.1-rc.1"), "2026-0007");
    check(crates_io("bytes", "1.2.0"), "");
    check(crates_io("hashbrown", "0.15.0"), "2024-0402");
    check(crates_io("hashbrown", "0.14.5"), "");
    check(crates_io("quick-xml", "0.40.9"), "2026-0194");
    check(crates_io("openssl", "0.10.75"), "refused");
    check(format!("{}dependencies = [\"openssl-sys\"]\n", crates_io("curl", "0.4.49")), "refused");
    check(format!("{}dependencies = [\"openssl-sys\"]\n", crates_io("rdkafka-sys", "4.10.0")), "");
    let git = "git+https://github.com/somebody/bytes?rev=abc#abc";
    check(crates_io("bytes", "1.12.0").replace(REGISTRY, git), "comes from \"git+");
    check(crates_io("bytes", "1.12.0").replace(REGISTRY, "registry+https://crates.example.com/index"), "comes from \"registry+");
    check(crates_io("bytes", "1.12.0").replace(&format!("source = \"{REGISTRY}\"\n"), ""), "comes from \"\"");
    check(crates_io("bytes", "1.12.0").lines().filter(|it| !it.starts_with("checksum")).collect::<Vec<_>>().join("\n"), "no checksum");
    check("[[package]]\nname = \"countersign\"\nversion = \"0.1.0\"\n".into(), "");
}

#[test]
fn the_audit_sees_a_licence_that_is_not_allowed() {
    let check = |licence: Value, expected: bool| {
        let metadata = serde_json::json!({"packages": [{"name": "some", "license": licence}]});
        assert_eq!(licences(&metadata).is_empty(), expected, "{licence}");
    };
    for allowed in ["MIT", "MIT OR GPL-3.0", "(MIT OR Apache-2.0) AND Unicode-3.0", "MIT/Apache-2.0", "MIT AND (Zlib OR GPL-3.0)"] {
        check(allowed.into(), true);
    }
    for refused in ["GPL-3.0", "MIT AND GPL-3.0", "AGPL-3.0-only OR SSPL-1.0", "(MIT AND GPL-2.0) OR GPL-3.0", "", "(MIT", "MIT OR"] {
        check(refused.into(), false);
    }
    check(Value::Null, false);
    check("MPL-2.0".into(), false);
    let named = |name: &str| serde_json::json!({"packages": [{"name": name, "license": "MPL-2.0"}]});
    assert!(licences(&named("cssparser")).is_empty() && !licences(&named("cssparser2")).is_empty());
}

#[test]
fn the_audit_sees_a_module_that_may_not_be_there() {
    let module = serde_json::json!({"version": "1.0.0", "integrity": "sha512-AAAA", "license": "MIT"});
    let check = |change: fn(&mut Value), expected: usize| {
        let mut lock = serde_json::json!({"packages": {"": {"name": "ours"}, "node_modules/some": module}});
        change(&mut lock["packages"]["node_modules/some"]);
        assert_eq!(modules(&lock.to_string()).len(), expected, "{lock}");
    };
    check(|_| {}, 0);
    check(|it| it["resolved"] = "https://registry.example.com/some.tgz".into(), 1);
    check(|it| it["integrity"] = Value::Null, 1);
    check(|it| it["integrity"] = "sha1-AAAA".into(), 1);
    check(|it| it["license"] = "GPL-3.0".into(), 1);
    check(|it| it["hasInstallScript"] = true.into(), 1);
    assert_eq!(modules(r#"{"packages": {}}"#), ["the lock names no module"]);
}

/// The lock files of the repository: its own, and those of folders that are packages of their own.
fn lock_files() -> Vec<PathBuf> {
    let folders = std::fs::read_dir(".").unwrap().map(|it| it.unwrap().file_name());
    let folders = folders.filter(|it| it != "target").map(|it| PathBuf::from(it).join("Cargo.lock"));
    std::iter::once(PathBuf::from("Cargo.lock")).chain(folders).filter(|it| it.is_file()).collect()
}

/// What is wrong with the packages of a `Cargo.lock`. Packages of the repository have no source; all others come from crates.io.
fn crates(lock: &str) -> Vec<String> {
    let lock: toml::Table = lock.parse().unwrap();
    let mut broken = Vec::new();
    for package in lock["package"].as_array().unwrap() {
        let text = |part: &str| package.get(part).and_then(toml::Value::as_str).unwrap_or_default();
        let (name, version, source, sum) = (text("name"), text("version"), text("source"), text("checksum"));
        let is_own = name.starts_with("countersign") && source.is_empty();
        if !is_own && source != REGISTRY {
            broken.push(format!("{name} {version} comes from {source:?}, not from crates.io"));
        }
        if !is_own && (sum.len() != 64 || !sum.bytes().all(|it| it.is_ascii_hexdigit())) {
            broken.push(format!("{name} {version} has no checksum"));
        }
        if REFUSED.contains(&name) {
            broken.push(format!("{name} {version} is refused"));
        }
        let needs = package.get("dependencies").and_then(toml::Value::as_array).into_iter().flatten().filter_map(toml::Value::as_str);
        if name != OPENSSL.1 && needs.clone().any(|it| it == OPENSSL.0 || it.starts_with(&format!("{} ", OPENSSL.0))) {
            broken.push(format!("{name} {version} uses {}, which is refused", OPENSSL.0));
        }
        let touches = |it: &&Advisory| it.0 == name && (it.1, true) <= order(version) && order(version) < (it.2, true);
        broken.extend(ADVISORIES.iter().filter(touches).map(|it| format!("{name} {version} is touched by {}; take {:?}", it.3, it.2)));
    }
    broken
}

/// What is wrong with the licences in the output of `cargo metadata`.
fn licences(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().unwrap().iter();
    let spared = |it: &Value| it["license"] == FILE_LICENCE.0 && it["name"].as_str().is_some_and(|name| FILE_LICENCE.1.contains(&name));
    let broken = packages.filter(|it| !spared(it) && !it["license"].as_str().is_some_and(allowed));
    broken.map(|it| format!("{}: the licence {} is not allowed", it["name"], it["license"])).collect()
}

/// What is wrong with the modules of a `package-lock.json`: each is pinned by its digest, names no host that only some can
/// reach, runs nothing when it is installed, and has a licence that we allow.
fn modules(lock: &str) -> Vec<String> {
    let lock: Value = serde_json::from_str(lock).unwrap();
    let modules: Vec<_> = lock["packages"].as_object().unwrap().iter().filter(|(name, _)| !name.is_empty()).collect();
    if modules.is_empty() {
        return vec!["the lock names no module".to_owned()];
    }
    let wrong = |module: &Value| {
        let digest = module["integrity"].as_str().is_some_and(|it| it.starts_with("sha512-"));
        let licence = module["license"].as_str().is_some_and(allowed);
        !digest || !licence || !module["resolved"].is_null() || module["hasInstallScript"] == true
    };
    modules.into_iter().filter(|(_, it)| wrong(it)).map(|(name, it)| format!("{name}: {it}")).collect()
}

/// A version as it sorts: a pre-release comes before its release.
fn order(version: &str) -> ([u64; 3], bool) {
    let version = version.split('+').next().unwrap();
    let (numbers, pre) = version.split_once('-').map_or((version, false), |it| (it.0, true));
    let mut parts = numbers.split('.').map(|it| it.parse().unwrap_or(0));
    ([parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0)], !pre)
}

/// Whether an SPDX expression lets us choose a licence that we allow. The old form with a slash means OR.
fn allowed(expression: &str) -> bool {
    let flat = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<&str> = flat.split_whitespace().collect();
    let mut rest = tokens.as_slice();
    either(&mut rest) == Some(true) && rest.is_empty()
}

// AND binds closer than OR. Nothing when the expression can't be read.
fn either(tokens: &mut &[&str]) -> Option<bool> {
    let mut found = both(tokens)?;
    while let Some(("OR", rest)) = tokens.split_first().map(|it| (*it.0, it.1)) {
        *tokens = rest;
        found |= both(tokens)?;
    }
    Some(found)
}

fn both(tokens: &mut &[&str]) -> Option<bool> {
    let mut found = one(tokens)?;
    while let Some(("AND", rest)) = tokens.split_first().map(|it| (*it.0, it.1)) {
        *tokens = rest;
        found &= one(tokens)?;
    }
    Some(found)
}

fn one(tokens: &mut &[&str]) -> Option<bool> {
    let (first, rest) = tokens.split_first()?;
    *tokens = rest;
    if *first == "(" {
        let found = either(tokens)?;
        let (close, rest) = tokens.split_first()?;
        *tokens = rest;
        return (*close == ")").then_some(found);
    }
    if let ["WITH", exception, rest @ ..] = *tokens {
        *tokens = rest;
        return Some(LICENCES.contains(&format!("{first} WITH {exception}").as_str()));
    }
    (!["AND", "OR", ")"].contains(first)).then(|| LICENCES.contains(first))
}
