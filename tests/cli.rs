//! The program as it is typed.

use std::path::Path;
use std::process::{Command, Output};

fn run(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_countersign")).args(arguments).current_dir(dir).env_clear().output().expect("run")
}

fn demo(dir: &Path) {
    for (path, text) in countersign::demo::registration::files() {
        std::fs::create_dir_all(dir.join("demo")).expect("made");
        std::fs::write(dir.join(path), text).expect("written");
    }
    let socket = dir.join("admin.sock");
    std::fs::write(dir.join("c.toml"), format!("[registration]\nfiles = [\"demo\"]\n[admin]\nsocket = {socket:?}\n")).expect("written");
}

#[test]
fn check_config_tells_what_holds_and_what_is_registered() {
    let dir = tempfile::tempdir().expect("a directory");
    demo(dir.path());
    let output = run(dir.path(), &["check-config", "--config", "c.toml"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("dir = \"/var/lib/countersign\"") && text.contains("1 publishers, 4 alerts, 4 recipients"), "{text}");
}

#[test]
fn what_is_wrong_ends_with_its_code_and_says_what_to_do() {
    let dir = tempfile::tempdir().expect("a directory");
    demo(dir.path());
    let broken = std::fs::read_to_string(dir.path().join("demo/library.toml")).expect("read").replace("<%$otpa%>", "<%$otpx%>");
    std::fs::write(dir.path().join("broken.toml"), broken).expect("written");
    let check = |arguments: &[&str], code: i32, expected: &str| {
        let output = run(dir.path(), arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
    };
    check(&["status", "--config", "c.toml"], 1, "no server runs here");
    check(&["load", "--config", "c.toml"], 1, "no server runs here");
    check(&["load", "--config", "c.toml", "demo/publisher.toml", "demo/recipients.toml", "broken.toml"], 1, "broken.toml:19:7: ");
    check(&["load", "--config", "c.toml", "nowhere.toml"], 1, "nowhere.toml: can't be read");
    check(&["status", "--config", "nowhere.toml"], 1, "nowhere.toml: can't be read");
    check(&["unlock", "--config", "c.toml", "--institution", "1"], 2, "--phone <PHONE>");
    check(&["unlock", "--config", "c.toml", "--institution", "1", "--phone", "1", "--mail", "2"], 2, "cannot be used with");
    check(&["unlock", "--config", "c.toml", "--institution", "1", "--recipient", "demo"], 1, "PUBLISHER/ID");
    check(&["sreve"], 2, "unrecognized subcommand");
}
