//! Servers on free ports of 127.0.0.1, among them those in front of others, with HTTPS.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
};

use anyhow::{Context, Result};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivatePkcs8KeyDer},
};

/// A running server. It stops when it is dropped.
pub struct Server {
    pub address: SocketAddr,
    _task: JoinSet<()>,
}

impl Server {
    /// Terminates TLS in front of an HTTP server.
    pub async fn https(behind: SocketAddr, certificate: &Certificate) -> Result<Self> {
        let tls = certificate.0.clone();
        Self::start(async move |listener| {
            while let Ok((client, _)) = listener.accept().await {
                // A client that is killed leaves a broken connection, which is not an error.
                tokio::spawn(forward(client, tls.clone(), behind));
            }
        })
        .await
    }

    pub async fn start<F>(serve: impl FnOnce(TcpListener) -> F) -> Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        Ok(Self {
            address: listener.local_addr()?,
            _task: [serve(listener)].into_iter().collect(),
        })
    }
}

async fn forward(client: TcpStream, tls: TlsAcceptor, to: SocketAddr) -> io::Result<(u64, u64)> {
    client.set_nodelay(true)?;
    let mut server = TcpStream::connect(to).await?;
    server.set_nodelay(true)?;
    copy_bidirectional(&mut tls.accept(client).await?, &mut server).await
}

/// A certificate for 127.0.0.1 that only whoever gets its file trusts.
pub struct Certificate(TlsAcceptor);

impl Certificate {
    /// Writes it to `certificate.pem`, and to `bundle.pem` together with all authorities that the machine trusts: as many as
    /// a client reads on Lambda.
    pub fn new(folder: &Path) -> Result<Self> {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([Ipv4Addr::LOCALHOST.to_string()])?;
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key.into())?;
        let trusted = openssl_probe::probe().cert_file;
        let trusted = fs::read_to_string(trusted.context("install ca-certificates")?)?;
        fs::write(folder.join("certificate.pem"), cert.pem())?;
        fs::write(folder.join("bundle.pem"), trusted + &cert.pem())?;
        Ok(Self(Arc::new(config).into()))
    }
}
