//! The connections: where each [`ConnectionFault`] happens, and what headers say about the caller.

use std::{convert::Infallible, io, process::Command};

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Request},
    response::Response,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::{ConnectionFault, route::route, state::Shared};

/// The id of the calling process, if its `AWS_SDK_UA_APP_ID` was set to it. AWS's SDKs send that as `app/…`.
pub fn process(headers: &HeaderMap) -> Option<u32> {
    let agent = headers.get("x-amz-user-agent")?.to_str().ok()?;
    let mut parts = agent.split(' ');
    let id = parts.find_map(|part| part.strip_prefix("app/"))?;
    id.parse().ok()
}

/// The access key that signed a request.
pub fn access_key(headers: &HeaderMap) -> Option<String> {
    let authorization = headers.get("authorization")?.to_str().ok()?;
    let (_, credential) = authorization.split_once("Credential=")?;
    credential.split('/').next().map(str::to_owned)
}

/// Serves until it is dropped.
pub async fn serve(listener: TcpListener, shared: Shared) -> Infallible {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let shared = shared.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| respond(&shared, request));
            // A connection fault is an error here.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn respond(shared: &Shared, request: Request<Incoming>) -> io::Result<Response> {
    let caller = process(request.headers());
    let (parts, body) = request.into_parts();
    let body = to_bytes(Body::new(body), usize::MAX).await;
    let request = Request::from_parts(parts, body.map_err(io::Error::other)?);
    let mut response = route(shared, request).await;
    match response.extensions_mut().remove::<ConnectionFault>() {
        None | Some(ConnectionFault::Unparseable) => return Ok(response),
        Some(ConnectionFault::Closed) => {}
        Some(ConnectionFault::NoResponse) => std::future::pending::<()>().await,
        Some(ConnectionFault::CallerKilled) => signal("-KILL", caller)?,
        Some(ConnectionFault::CallerFrozen) => {
            signal("-STOP", caller)?;
            std::future::pending::<()>().await;
        }
    }
    // On an error hyper closes the connection without a response.
    Err(io::ErrorKind::ConnectionAborted.into())
}

/// The exit status is ignored: the process may be gone already.
fn signal(signal: &str, process: Option<u32>) -> io::Result<()> {
    let process = process.expect("a caller that is to be killed or stopped sends its process id");
    Command::new("kill")
        .args([signal, &process.to_string()])
        .status()?;
    Ok(())
}
