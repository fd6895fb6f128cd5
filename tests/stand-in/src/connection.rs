//! The connections that answers go over: where a [`ConnectionFault`] happens.

use std::{convert::Infallible, io, process::Command};

use axum::{Router, body::Body, http::HeaderMap, response::Response};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::ConnectionFault;

/// The id of the process that called, where it was started with its own id as `AWS_SDK_UA_APP_ID`, which AWS's SDKs send
/// as `app/…` among what they say of themselves.
pub(crate) fn process(headers: &HeaderMap) -> Option<u32> {
    let agent = headers.get("x-amz-user-agent")?.to_str().ok()?;
    let id = agent
        .split(' ')
        .find_map(|part| part.strip_prefix("app/"))?;
    id.parse().ok()
}

/// The access key that signed a request.
pub(crate) fn access_key(headers: &HeaderMap) -> Option<String> {
    let authorization = headers.get("authorization")?.to_str().ok()?;
    let (_, credential) = authorization.split_once("Credential=")?;
    credential.split('/').next().map(str::to_owned)
}

/// Serves until it is dropped.
pub(crate) async fn serve(listener: TcpListener, router: Router) -> Infallible {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let router = router.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| answer(router.clone(), request));
            // That a connection breaks is what some mishaps are.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(router: Router, request: Request<Incoming>) -> io::Result<Response> {
    let caller = process(request.headers());
    let Ok(mut response) = router.oneshot(request.map(Body::new)).await;
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
    // An error from the service makes the server close the connection without a word.
    Err(io::ErrorKind::ConnectionAborted.into())
}

/// A caller that is gone already cannot be signalled, and need not be.
fn signal(signal: &str, process: Option<u32>) -> io::Result<()> {
    let process = process.expect("a caller to be killed or frozen says which process it is");
    Command::new("kill")
        .args([signal, &process.to_string()])
        .status()?;
    Ok(())
}
