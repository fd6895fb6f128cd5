//! HTTP servers.

use anyhow::Result;
use axum::Router;
use tests::server::Server;

/// Serves on a free port of 127.0.0.1.
pub async fn http(router: Router) -> Result<Server> {
    Server::start(async |listener| {
        let _ = axum::serve(listener, router).await;
    })
    .await
}
