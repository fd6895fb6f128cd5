//! An edge location of CloudFront: Varnish, with TLS in front of it, whose objects the stand-in's invalidations remove.
//! Distributions have ports instead of hosts.

use std::{
    collections::BTreeMap,
    env, fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    process::Command,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use http::{
    Request, Response, StatusCode, Uri,
    request::Builder,
    uri::{Authority, PathAndQuery},
};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use stand_in::Invalidation;
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinSet,
    time::timeout,
};

use crate::{
    guardian::Guarded,
    local_aws::{LocalAws, repository},
    server::Server,
    until::until,
};

const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// For an object to be older than an invalidation by more than the product tolerates, in seconds.
const OLD: u64 = 7;
/// Longer than that, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Edge {
    address: SocketAddr,
    distributions: Distributions,
    _process: Guarded,
    /// Removes what is invalidated from the cache.
    _tasks: JoinSet<Result<()>>,
}

/// The distribution of a stack that verifies what the edge location serves.
pub fn distribution(stack: &str) -> String {
    let number = stack.rsplit('-').next().and_then(|last| last.parse().ok());
    format!("EEDGE{:08}", number.unwrap_or(0_u32))
}

/// Varnish, as `make tools` has it from Debian's packages, or as it is installed.
pub fn varnish() -> Option<PathBuf> {
    let own = repository().join(".tools/varnish/usr/sbin");
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = [own, PathBuf::from("/usr/sbin")].into_iter();
    let programs = folders.chain(env::split_paths(&path));
    let mut programs = programs.map(|folder| folder.join("varnishd"));
    programs.find(|program| program.exists())
}

/// By their ids.
type Distributions = Arc<Mutex<BTreeMap<String, Server>>>;

impl Edge {
    pub async fn start(aws: &LocalAws) -> Result<Self> {
        let program = varnish().context("there is no varnishd")?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let silent = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let silent_port = silent.local_addr()?.port().to_string();
        let script = include_str!("../engines/edge.vcl")
            .replace("@PORT@", &address.port().to_string())
            .replace("@SILENT_PORT@", &silent_port);
        let file = aws.folder.path().join("edge.vcl");
        fs::write(&file, script)?;
        let libraries = folders_in(repository().join(".tools/varnish/usr/lib"));
        let configure = |varnish: &mut Command| {
            varnish
                .args(["-F", "-j", "none", "-s", "malloc,16m", "-p", "vsl_space=1m"])
                .args(["-a", &address.to_string()])
                .arg("-n")
                .arg(aws.folder.path().join("varnish"))
                .arg("-f")
                .arg(&file)
                .env("LD_LIBRARY_PATH", libraries);
        };
        let log = aws.folder.path().join("varnish.log");
        let responds = async || send(address, "/", Request::builder()).await.is_ok();
        let process = Guarded::start(&program, &log, configure, responds).await?;
        let (sender, mut invalidations) = mpsc::unbounded_channel::<Invalidation>();
        aws.stand_in.send_invalidations_to(sender);
        let distributions = Distributions::default();
        let of_task = Arc::clone(&distributions);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let _silent = silent;
            while let Some(invalidation) = invalidations.recv().await {
                let distributions = of_task.lock().await;
                let Some(host) = distributions.get(&invalidation.target_id) else {
                    continue;
                };
                for path in invalidation.paths {
                    let ban = Request::builder().method("BAN");
                    let ban = ban.header("host", host.address.to_string());
                    send(address, "/", ban.header("x-pattern", pattern(&path))).await?;
                }
            }
            Ok(())
        });
        Ok(Self {
            address,
            distributions,
            _process: process,
            _tasks: tasks,
        })
    }

    /// Where viewers reach a distribution, by HTTPS.
    pub async fn host(&self, aws: &LocalAws, distribution: &str) -> Result<String> {
        let mut distributions = self.distributions.lock().await;
        if !distributions.contains_key(distribution) {
            let server = Server::https(self.address, &aws.certificate).await?;
            distributions.insert(distribution.to_owned(), server);
        }
        Ok(distributions[distribution].address.to_string())
    }

    /// Has the object of a URL in the cache since a while ago, if that is possible.
    pub async fn cache(&self, url: &str) -> Result<()> {
        let url: Uri = url.parse()?;
        let host = url.authority().map_or("", Authority::as_str);
        let path = url.path_and_query().map_or("/", PathAndQuery::as_str);
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

/// The folder and those in it.
fn folders_in(folder: PathBuf) -> String {
    let inner = fs::read_dir(&folder).into_iter().flatten().flatten();
    let folders = inner.map(|entry| entry.path()).chain([folder]);
    let folders: Vec<_> = folders.map(|f| f.display().to_string()).collect();
    folders.join(":")
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
