//! An edge location of CloudFront: Varnish, with TLS in front of it, whose objects the stand-in's invalidations remove.
//! Distributions have ports instead of hosts.

use std::{
    collections::BTreeMap,
    env, fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use stand_in::Invalidation;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    task::JoinSet,
    time::timeout,
};

use crate::{
    guardian::Guarded,
    local_aws::{LocalAws, repository},
    server::Server,
    until::until,
};

/// It compiles its configuration first.
const START_TIMEOUT: Duration = Duration::from_mins(1);
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
        let script = fs::read_to_string(repository().join("tests/engines/edge.vcl"))?;
        let script = script.replace("@PORT@", &address.port().to_string());
        let silent_port = silent.local_addr()?.port().to_string();
        let script = script.replace("@SILENT_PORT@", &silent_port);
        let file = aws.folder.path().join("edge.vcl");
        fs::write(&file, script)?;
        let log = aws.folder.path().join("varnish.log");
        let output = fs::File::create(&log)?;
        let errors = output.try_clone()?;
        let libraries = repository().join(".tools/varnish/usr/lib");
        let process = Guarded::spawn(&program, |varnish| {
            varnish
                .args(["-F", "-j", "none", "-s", "malloc,16m", "-p", "vsl_space=1m"])
                .args(["-a", &address.to_string()])
                .arg("-n")
                .arg(aws.folder.path().join("varnish"))
                .arg("-f")
                .arg(&file)
                .env("LD_LIBRARY_PATH", folders_in(libraries))
                .stdout(output)
                .stderr(errors);
        });
        let process = process?;
        let host = address.to_string();
        let responds = async || Ok(request(address, "GET", &host, "/", "").await.is_ok());
        ensure!(
            until(START_TIMEOUT, POLL_INTERVAL, responds).await?,
            "varnishd does not respond. It says:\n{}",
            fs::read_to_string(log)?
        );
        let (sender, mut invalidations) = mpsc::unbounded_channel::<Invalidation>();
        aws.stand_in.send_invalidations_to(sender);
        let distributions = Distributions::default();
        let of_task = Arc::clone(&distributions);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let _silent = silent;
            while let Some(invalidation) = invalidations.recv().await {
                let Some(host) = host_of(&of_task, &invalidation.target_id) else {
                    continue;
                };
                for path in invalidation.paths {
                    let header = format!("x-pattern: {}\r\n", pattern(&path));
                    request(address, "BAN", &host, "/", &header).await?;
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
        if let Some(host) = host_of(&self.distributions, distribution) {
            return Ok(host);
        }
        let server = Server::https(self.address, &aws.certificate).await?;
        let host = server.address.to_string();
        let mut distributions = self
            .distributions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        distributions.insert(distribution.to_owned(), server);
        Ok(host)
    }

    /// Has the object of a URL in the cache since a while ago, if that is possible.
    pub async fn cache(&self, url: &str) -> Result<()> {
        let mut parts = url.splitn(4, '/').skip(2).map(str::to_owned);
        let (host, path) = (parts.next().unwrap_or_default(), parts.next());
        let path = format!("/{}", path.unwrap_or_default());
        let is_old = async || {
            let head = request(self.address, "GET", &host, &path, "").await;
            let head = head.unwrap_or_default().to_lowercase();
            let age = head.lines().find_map(|line| line.strip_prefix("age: "));
            let age = age.and_then(|age| age.parse().ok());
            Ok(!head.starts_with("http/1.1 200") || age.is_none_or(|age: u64| age >= OLD))
        };
        ensure!(
            until(PATIENCE, POLL_INTERVAL, is_old).await?,
            "the object of {path} is not in the cache"
        );
        Ok(())
    }
}

fn host_of(distributions: &Distributions, id: &str) -> Option<String> {
    let distributions = distributions.lock().unwrap_or_else(PoisonError::into_inner);
    Some(distributions.get(id)?.address.to_string())
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

/// The status line and the headers of the response.
async fn request(
    address: SocketAddr,
    method: &str,
    host: &str,
    path: &str,
    headers: &str,
) -> Result<String> {
    let respond = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut response = String::new();
        stream.read_to_string(&mut response).await?;
        Ok(response)
    };
    timeout(Duration::from_secs(2), respond).await?
}
