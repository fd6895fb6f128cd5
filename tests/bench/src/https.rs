//! HTTPS in front of what speaks HTTP, with a certificate authority that lives as long as the run.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivatePkcs8KeyDer},
};

/// Where Linux distributions keep the authorities that they trust.
const TRUSTED: [&str; 2] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
];

/// An authority that only the candidates trust.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// Its certificate.
    pub alone: PathBuf,
    /// That and all the machine trusts: as many as a client has to read in earnest.
    pub among_others: PathBuf,
}

impl Authority {
    /// Writes its certificate into a folder.
    ///
    /// # Errors
    /// When it cannot be written, or the machine has no list of authorities.
    pub fn new(folder: &Path) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "make bench");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let alone = folder.join("authority.pem");
        fs::write(&alone, issuer.pem())?;
        let trusted = TRUSTED
            .iter()
            .find_map(|file| fs::read_to_string(file).ok())
            .with_context(|| format!("none of {TRUSTED:?} is here: install ca-certificates"))?;
        let among_others = folder.join("authorities.pem");
        fs::write(&among_others, trusted + &issuer.pem())?;
        Ok(Self {
            issuer,
            alone,
            among_others,
        })
    }
}

/// The front. It is gone when this is dropped.
pub struct Https {
    /// Where it listens.
    pub url: String,
    server: JoinHandle<()>,
}

impl Https {
    /// Listens on a free port of 127.0.0.1 for what is behind.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn in_front_of(behind: SocketAddr, authority: &Authority) -> Result<Self> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new([Ipv4Addr::LOCALHOST.to_string()])?
            .signed_by(&key, &authority.issuer)?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("https://{}", listener.local_addr()?);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let server = tokio::spawn(serve(listener, acceptor, behind));
        Ok(Self { url, server })
    }
}

impl Drop for Https {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, behind: SocketAddr) {
    while let Ok((client, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // A client that is killed leaves its connection broken, which is nobody's concern.
            let _ = connect(client, acceptor, behind).await;
        });
    }
}

async fn connect(
    client: TcpStream,
    acceptor: TlsAcceptor,
    behind: SocketAddr,
) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut client = acceptor.accept(client).await?;
    let mut server = TcpStream::connect(behind).await?;
    server.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
