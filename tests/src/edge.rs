//! An edge location of CloudFront: Varnish, with TLS in front of it, whose objects the stand-in's invalidations remove.
//! Distributions have ports instead of hosts.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use http::{Request, Response, StatusCode, request::Builder};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use stand_in::{Invalidation, StandIn};
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinSet,
    time::timeout,
};

use crate::{
    command::repository,
    guardian::Guarded,
    server::{Certificate, Server},
    until::until,
};

/// What the ids of distributions begin with. The rest is the port.
const DISTRIBUTION: &str = "EEDGE";
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// For an object to be older than an invalidation by more than the product tolerates, in seconds.
const OLD: u64 = 7;
/// Longer than that, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Edge {
    address: SocketAddr,
    /// Of the distributions.
    servers: Mutex<Vec<Server>>,
    _process: Guarded,
    /// Removes what is invalidated from the cache.
    _tasks: JoinSet<Result<()>>,
}

/// Varnish, of Debian's packages or of this machine.
pub fn varnishd() -> Option<PathBuf> {
    let program = repository().join("tests/tools/varnishd");
    let version = Command::new(&program).arg("-V").output().ok()?;
    version.status.success().then_some(program)
}

impl Edge {
    /// Its log and its files are in the folder.
    pub async fn start(folder: &Path, stand_in: &StandIn) -> Result<Self> {
        let program = varnishd().context("there is no varnishd")?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let silent = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let silent_port = silent.local_addr()?.port().to_string();
        let script = include_str!("../engines/edge.vcl")
            .replace("@PORT@", &address.port().to_string())
            .replace("@SILENT_PORT@", &silent_port);
        let file = folder.join("edge.vcl");
        fs::write(&file, script)?;
        let configure = |varnish: &mut Command| {
            varnish
                .args(["-F", "-j", "none", "-s", "malloc,16m", "-p", "vsl_space=1m"])
                .args(["-a", &address.to_string()])
                .arg("-n")
                .arg(folder.join("varnish"))
                .arg("-f")
                .arg(&file);
        };
        let log = folder.join("varnish.log");
        let responds = async || send(address, "/", Request::builder()).await.is_ok();
        let process = Guarded::start(&program, &log, configure, responds).await?;
        let (sender, mut invalidations) = mpsc::unbounded_channel::<Invalidation>();
        stand_in.send_invalidations_to(sender);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let _silent = silent;
            while let Some(invalidation) = invalidations.recv().await {
                let Some(port) = invalidation.target_id.strip_prefix(DISTRIBUTION) else {
                    continue;
                };
                let host = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse()?)).to_string();
                for path in invalidation.paths {
                    let ban = Request::builder().method("BAN").header("host", &host);
                    send(address, "/", ban.header("x-pattern", pattern(&path))).await?;
                }
            }
            Ok(())
        });
        Ok(Self {
            address,
            servers: Mutex::default(),
            _process: process,
            _tasks: tasks,
        })
    }

    /// The id of a new distribution, and where viewers reach it by HTTPS.
    pub async fn distribution(&self, certificate: &Certificate) -> Result<(String, String)> {
        let server = Server::https(self.address, certificate).await?;
        let address = server.address;
        self.servers.lock().await.push(server);
        Ok((
            format!("{DISTRIBUTION}{:08}", address.port()),
            address.to_string(),
        ))
    }

    /// Has the object of a URL in the cache since a while ago, if that is possible.
    pub async fn cache(&self, url: &str) -> Result<()> {
        let url = url.trim_start_matches("https://");
        let (host, path) = url.split_at(url.find('/').unwrap_or(url.len()));
        let is_old = async || {
            let get = Request::builder().header("host", host);
            let response = send(self.address, path, get).await.ok();
            let response = response.filter(|response| response.status() == StatusCode::OK);
            let age = response.and_then(|response| {
                let age = response.headers().get("age")?;
                age.to_str().ok()?.parse().ok()
            });
            Ok(age.is_none_or(|age: u64| age >= OLD))
        };
        ensure!(
            until(PATIENCE, POLL_INTERVAL, is_old).await?,
            "the object of {url} is not in the cache"
        );
        Ok(())
    }
}

/// The regular expression for what an invalidation of a path removes.
fn pattern(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_".contains(c);
    let prefix = path.trim_end_matches('*');
    let any = |c: char| if plain(c) { c } else { '.' };
    let prefix: String = prefix.chars().map(any).collect();
    let end = if path.ends_with('*') { "" } else { "$" };
    format!("^{prefix}{end}")
}

/// Sends a request for a path, without a body; returns the head of the response.
async fn send(address: SocketAddr, path: &str, request: Builder) -> Result<Response<()>> {
    let request = request.uri(format!("http://{address}{path}"));
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request.body(String::new())?);
    let response = timeout(Duration::from_secs(2), response).await??;
    Ok(response.map(drop))
}
