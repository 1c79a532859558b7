//! The certificates of a run: an authority of its own, and what it vouches for.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::services::SERVICES;

/// The certificates of the stub AWS, as in AWS: a trusted root, an intermediate authority, and a server.
#[derive(Debug)]
pub struct Trust {
    pub server: Arc<ServerConfig>,
    root_pem: String,
}

impl Trust {
    /// Makes keys and certificates.
    pub fn new() -> anyhow::Result<Self> {
        let (root, root_pem) = authority("Driftless bench root", None)?;
        let mut between = parameters("Driftless bench")?;
        between.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        between.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate()?;
        let between_der = between.signed_by(&key, &root)?.der().clone();
        let between = Issuer::new(between, key);

        let mut server = CertificateParams::new(SERVICES.map(|service| service.address().to_string()))?;
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let chain: Vec<CertificateDer<'static>> = vec![server.signed_by(&key, &between)?.der().clone(), between_der];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(ring).with_safe_default_protocol_versions()?;
        let config = config.with_no_client_auth().with_single_cert(chain, key)?;
        Ok(Self { server: Arc::new(config), root_pem })
    }

    /// Writes who is trusted: Amazon's roots, as in production, and the run's own.
    pub fn write_roots(&self, amazon: &Path, to: &Path) -> anyhow::Result<()> {
        let mut roots = std::fs::read_to_string(amazon).with_context(|| format!("{}", amazon.display()))?;
        roots.push_str(&self.root_pem);
        std::fs::write(to, roots).with_context(|| format!("{} cannot be written", to.display()))
    }
}

fn parameters(name: &str) -> anyhow::Result<CertificateParams> {
    let mut parameters = CertificateParams::new(Vec::new())?;
    parameters.distinguished_name.push(DnType::CommonName, name);
    Ok(parameters)
}

fn authority(name: &str, path_length: Option<u8>) -> anyhow::Result<(Issuer<'static, KeyPair>, String)> {
    let mut root = parameters(name)?;
    root.is_ca = IsCa::Ca(path_length.map_or(BasicConstraints::Unconstrained, BasicConstraints::Constrained));
    root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate()?;
    let pem = root.self_signed(&key)?.pem();
    Ok((Issuer::new(root, key), pem))
}
