//! The local AWS as containers reach it: at the address that this machine has on Docker's bridge. (`sam local invoke` puts
//! its containers there, also with `--docker-network host`.)

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::{command, local_aws::LocalAws, server::Server};

/// What the local AWS's endpoints are to containers, until this is dropped.
pub struct Endpoints {
    /// `AWS_ENDPOINT_URL` and its likes.
    pub environment: Vec<(&'static str, String)>,
    _servers: Vec<Server>,
}

impl Endpoints {
    pub async fn open(aws: &LocalAws) -> Result<Self> {
        let bridge = bridge().await?;
        let mut environment = Vec::new();
        let mut servers = Vec::new();
        for (name, url) in aws.endpoints() {
            let to = url.trim_start_matches("http://").parse()?;
            let server = Server::proxy(bridge, to, None).await.with_context(|| {
                format!("{bridge}, where Docker's bridge should be, is no address of this machine")
            })?;
            environment.push((name, format!("http://{}", server.address)));
            servers.push(server);
        }
        Ok(Self {
            environment,
            _servers: servers,
        })
    }
}

/// The first address of the bridge's subnet, which Docker gives to this machine.
async fn bridge() -> Result<Ipv4Addr> {
    let mut inspect = Command::new("docker");
    inspect.args(["network", "inspect", "bridge", "--format"]);
    inspect.arg("{{(index .IPAM.Config 0).Subnet}}");
    let subnet = command::text(&command::run(&mut inspect).await?.stdout);
    let start = subnet.split('/').next().unwrap_or_default().parse();
    let start: Ipv4Addr =
        start.with_context(|| format!("Docker's bridge has the subnet {subnet:?}"))?;
    Ok(Ipv4Addr::from_bits(start.to_bits() + 1))
}
