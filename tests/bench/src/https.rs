//! HTTPS in front of the stand-in, with a certificate authority that lives as long as the run.

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

/// The front. It is gone when this is dropped.
pub struct Https {
    /// Where it listens.
    pub url: String,
    /// Its certificate authority.
    pub authority: PathBuf,
    /// That and all the machine trusts: as many as a client has to read in earnest.
    pub authorities: PathBuf,
    server: JoinHandle<()>,
}

impl Https {
    /// Listens on a free port of 127.0.0.1 for what `behind` answers.
    ///
    /// # Errors
    /// When there is no free port, or the machine has no list of authorities.
    pub async fn in_front_of(behind: SocketAddr, folder: &Path) -> Result<Self> {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority
            .distinguished_name
            .push(DnType::CommonName, "make bench");
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new([Ipv4Addr::LOCALHOST.to_string()])?
            .signed_by(&key, &authority)?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )?;
        let trusted = TRUSTED
            .iter()
            .find_map(|file| fs::read_to_string(file).ok())
            .with_context(|| format!("none of {TRUSTED:?} is here: install ca-certificates"))?;
        let own = folder.join("authority.pem");
        fs::write(&own, authority.pem())?;
        let authorities = folder.join("authorities.pem");
        fs::write(&authorities, trusted + &authority.pem())?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("https://{}", listener.local_addr()?);
        let server = tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(config)), behind));
        Ok(Self {
            url,
            authority: own,
            authorities,
            server,
        })
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
