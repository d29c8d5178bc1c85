//! Certificates of a server that speaks TLS, and of a client that may come in by its own.

use super::home::Home;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The role that comes in by a certificate, without a password.
pub const CERTIFIED: &str = "certified";

/// An authority, and what it signed. The files are the test's: the server has copies.
pub struct Certificates(TempDir);

impl Certificates {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
            std::fs::set_permissions(folder.path().join(name), Permissions::from_mode(0o600)).unwrap();
        };
        let authority = authority("Test authority");
        write("ca.pem", &authority.pem());
        for (name, common, names) in [("server", "the server", vec!["localhost".to_owned()]), ("client", CERTIFIED, Vec::new())] {
            let mut params = CertificateParams::new(names).unwrap();
            params.distinguished_name.push(DnType::CommonName, common);
            let key = KeyPair::generate().unwrap();
            write(&format!("{name}.pem"), &params.signed_by(&key, &authority).unwrap().pem());
            write(&format!("{name}.key"), &key.serialize_pem());
        }
        write("other-ca.pem", &self::authority("Another authority").pem());
        Self(folder)
    }

    /// The authority that signed the server's certificate. That is for `localhost`, not for `127.0.0.1`.
    pub fn ca_file(&self) -> PathBuf {
        self.0.path().join("ca.pem")
    }

    /// An authority that signed nothing here.
    pub fn other_ca_file(&self) -> PathBuf {
        self.0.path().join("other-ca.pem")
    }

    /// The server's own, for one in the test's process.
    pub fn server(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let chain = CertificateDer::pem_file_iter(self.0.path().join("server.pem")).unwrap().map(Result::unwrap).collect();
        (chain, PrivateKeyDer::from_pem_file(self.0.path().join("server.key")).unwrap())
    }

    /// Certificate and key of the role [`CERTIFIED`].
    pub fn client(&self) -> (PathBuf, PathBuf) {
        (self.0.path().join("client.pem"), self.0.path().join("client.key"))
    }

    /// Copies what the server needs into `folder`; its settings for that.
    pub(super) fn install(&self, home: &Home, folder: &Path) -> String {
        for name in ["ca.pem", "server.pem", "server.key"] {
            home.replace(&folder.join(name), &std::fs::read_to_string(self.0.path().join(name)).unwrap());
        }
        let folder = folder.display();
        format!("ssl = on\nssl_ca_file = '{folder}/ca.pem'\nssl_cert_file = '{folder}/server.pem'\nssl_key_file = '{folder}/server.key'\n")
    }
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}
