//! HTTP servers.

use std::net::Ipv4Addr;

use anyhow::Result;
use axum::Router;
use tests::server::Server;

/// Serves on a free port of 127.0.0.1.
pub async fn http(router: Router) -> Result<Server> {
    Server::start(Ipv4Addr::LOCALHOST, async |listener| {
        let _ = axum::serve(listener, router).await;
    })
    .await
}
