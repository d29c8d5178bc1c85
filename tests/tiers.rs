//! The script that runs the tiers, in a little repository with a cargo that only says what it is told: which tiers it runs and
//! how, and that it refuses to pass over a slow test or to call nothing a success.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

const ONE: &str = "test result: ok. 1 passed; 0 failed; 2 ignored";

#[test]
fn all_tiers_run_in_order_and_the_plain_tests_come_last() {
    let table = "one test slow\none test slow part_of\ntwo run ./command 30";
    let out = said(run(table, ONE, &[]));
    let headings: Vec<&str> = out.lines().filter(|it| it.starts_with("== ") && !it.ends_with(" s ==")).collect();
    assert_eq!(headings, ["== setup ==", "== check ==", "== one ==", "== two ==", "== test =="], "{out}");
    assert_eq!(out.lines().filter(|it| it.ends_with(" s ==")).count(), 4, "each but the last says how long it took: {out}");
    assert!(out.contains("cargo test --locked --profile proof --test slow -- --ignored --nocapture\n"), "{out}");
    assert!(out.contains("cargo test --locked --profile proof --test slow -- --ignored --nocapture part_of\n"), "{out}");
    assert!(out.contains("command 30\n") && out.trim_end().ends_with(ONE), "{out}");
}

#[test]
fn a_tier_runs_alone() {
    let out = said(run("one test slow\ntwo run ./command 30", ONE, &["two"]));
    assert!(out.contains("command 30") && !out.contains("cargo"), "{out}");
}

/// The check of the table comes before all else, so that this one fails for its own reason only.
#[test]
fn the_table_of_the_repository_is_whole() {
    let output = Command::new(".ci/run").arg("no-such-tier").output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.starts_with("there is no tier no-such-tier"), "{error}");
}

#[test]
fn what_would_prove_nothing_is_refused() {
    let check = |table: &str, cargo: &str, tiers: &[&str], expected: &str| {
        let output = run(table, cargo, tiers);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(expected), "{table}: {error}");
    };
    check("two run ./command 30", ONE, &[], "tests/slow has slow tests, and is in no tier");
    check("one test slow\none test gone", ONE, &[], "names tests/gone, which is not there");
    check("one test slow\ntwo run ./gone 30", ONE, &[], "names ./gone, which is not there");
    check("one test slow", ONE, &["three"], "there is no tier three; there are: check one test");
    check("one tests slow\none test slow", ONE, &[], "one is neither a test nor a command");
    check("one test slow part", "test result: ok. 0 passed; 0 failed", &["one"], "tests/slow has no slow test named part");
    check("one test slow", "test result: FAILED. 1 passed; 1 failed", &["one"], "tests/slow has no slow test");
}

fn said(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a copy of the script with another table, where cargo prints its arguments and then `cargo`.
fn run(table: &str, cargo: &str, tiers: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    let script = fs::read_to_string(".ci/run").unwrap();
    let (before, rest) = script.split_once("slow_tiers='\n").expect("the script has its table");
    let after = rest.split_once("'\n").unwrap().1;
    let write = |name: &str, text: &str| {
        let path = home.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    write(".ci/run", &format!("{before}slow_tiers='\n{table}\n'\n{after}"));
    write(".ci/setup", "#!/bin/sh\n");
    write("bin/cargo", &format!("#!/bin/sh\necho cargo \"$@\"\necho '{cargo}'\n"));
    write("bin/rustup", "#!/bin/sh\n");
    write("command", "#!/bin/sh\necho command \"$@\"\n");
    write("tests/slow.rs", "#[ignore = \"slow tier: one\"]\n");
    write("tests/quick.rs", "#[test]\n");
    let path = format!("{}:{}", home.path().join("bin").display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    // A home of its own, so that the machine's cargo stays out of it.
    command.arg(Path::new(".ci/run")).args(tiers).env("PATH", path).env("HOME", home.path()).current_dir(home.path());
    command.output().unwrap()
}
