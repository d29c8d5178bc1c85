//! The clients: how each is run, and what its users catch.

use super::{case, process};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// A client that somebody else wrote.
pub struct Foreign {
    /// Its name in the table of cases.
    pub name: &'static str,
    /// What it raises for a SOAP fault: the exception that its users catch.
    pub raises: &'static str,
    run: fn(base: &str) -> Output,
}

/// zeep, from PyPI.
pub const ZEEP: Foreign = Foreign { name: "zeep", raises: "zeep.exceptions.Fault", run: zeep };
/// `soap`, from npm.
pub const NODE: Foreign = Foreign { name: "node", raises: "error.root.Envelope.Body.Fault", run: node };
/// SoapClient, from Debian's php-soap.
pub const PHP: Foreign = Foreign { name: "php", raises: "SoapFault", run: php };
/// C++ that gSOAP generates, from Debian.
pub const GSOAP: Foreign = Foreign { name: "gsoap", raises: "soap_fault", run: gsoap };

impl Foreign {
    /// Runs all its cases against the server at `base`; gives back what it tells, by the name of each case.
    pub fn ask(&self, base: &str) -> Value {
        self.try_ask(base).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// The same; what it could not make sense of is an error.
    pub fn try_ask(&self, base: &str) -> Result<Value, String> {
        let output = (self.run)(base);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if !output.status.success() {
            return Err(text(&output.stderr));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| format!("{error}: {}", text(&output.stdout)))
    }
}

fn zeep(base: &str) -> Output {
    let mut command = Command::new(process::python());
    run(command.arg(source("zeep/client.py")).arg(base).arg(case::path()), ".ci/setup tests")
}

fn node(base: &str) -> Output {
    let modules = peers("node/node_modules");
    assert!(modules.join("soap").is_dir(), "node's `soap` is missing; install it with `.ci/setup clients`");
    let mut command = Command::new("node");
    run(command.env("NODE_PATH", modules).arg(source("node/client.js")).arg(base).arg(case::path()), ".ci/setup clients")
}

fn php(base: &str) -> Output {
    let mut command = Command::new("php");
    run(command.arg(source("php/client.php")).arg(base).arg(case::path()), ".ci/setup clients")
}

fn gsoap(base: &str) -> Output {
    let made = generated(base);
    let flat = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(flat.path(), case::flat(&case::of(GSOAP.name))).unwrap();
    run(Command::new(made.join("client")).arg(base).arg(flat.path()), ".ci/setup clients")
}

/// Where gSOAP's client and server are: generated from the WSDL that a running server gives, and compiled, which takes a
/// minute. Once for all tests.
pub fn generated(base: &str) -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let out = peers("gsoap-served");
        let wsdl = format!("{base}{}?wsdl", process::IMS);
        let built = run(Command::new(source("gsoap/build")).arg(&out).arg(wsdl), ".ci/setup clients");
        let said = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "gSOAP is installed with `.ci/setup clients`; its build says:\n{said}");
        out
    })
}

fn run(command: &mut Command, install: &str) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; install it with `{install}`"))
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

fn peers(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers").join(name)
}
