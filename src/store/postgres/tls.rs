//! TLS to the database, by rustls: the server proves its name, and we prove ours where we have a certificate.

use super::secret;
use super::settings::{Settings, Unusable};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;
use zeroize::Zeroizing;

/// Most bytes that a file of certificates or a key may have.
const PEM_MAX: u64 = 1024 * 1024;

/// What checks the server's certificate against its host's name.
pub(super) fn verifying(settings: &Settings) -> Result<MakeRustlsConnect, Unusable> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Unusable(format!("TLS versions: {error}")))?;
    let builder = builder.with_root_certificates(match &settings.ca_file {
        Some(path) => authorities(path)?,
        None => system()?,
    });
    let mut config = match settings.certificate_file.as_deref().zip(settings.key_file.as_deref()) {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => builder
            .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
            .map_err(|error| Unusable(format!("{}: the key does not fit the certificate: {error}", certificate.display())))?,
    };
    // As PostgreSQL's own clients say since version 17; older servers don't look.
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(MakeRustlsConnect::new(config))
}

fn authorities(path: &Path) -> Result<RootCertStore, Unusable> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| Unusable(format!("the CA file {}: {error}", path.display())))?;
    }
    Ok(roots)
}

fn system() -> Result<RootCertStore, Unusable> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match roots.is_empty() {
        false => Ok(roots),
        true => Err(Unusable("this system trusts no authority: name the database's own as ca_file, or install ca-certificates".to_owned())),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let shown = path.display();
    let file = std::fs::File::open(path).map_err(|error| Unusable(format!("can't read {shown}: {error}")))?;
    let read = CertificateDer::pem_reader_iter(file.take(PEM_MAX)).collect::<Result<Vec<_>, _>>();
    match read {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(Unusable(format!("{shown} has no certificate in PEM form, or a broken one"))),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Unusable> {
    let unreadable = |why: &dyn std::fmt::Display| Unusable(format!("{}: no private key in PEM form: {why}", path.display()));
    let mut pem = Zeroizing::new(Vec::new());
    secret::open(path)?.take(PEM_MAX).read_to_end(&mut pem).map_err(|error| unreadable(&error))?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| unreadable(&error))
}
