//! The connections that answers go over: where a [`Mishap`] happens.

use std::{convert::Infallible, fs, io, net::SocketAddr, path::PathBuf, process::Command};

use axum::{Router, body::Body, response::Response};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::Mishap;

/// Who is at the other end of the connection that a request came over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    caller: SocketAddr,
    /// A caller's port does not name its connection: to another server it may have the same.
    server: SocketAddr,
}

impl Caller {
    /// Sends a signal to the process that called.
    fn signal(self, signal: &str) -> io::Result<()> {
        let process = self.process()?;
        Command::new("kill").args([signal, &process]).status()?;
        Ok(())
    }

    /// The id of the process that called: the one that holds the socket which Linux lists with these two addresses,
    /// see proc(5), `/proc/net/tcp`.
    ///
    /// # Errors
    /// When it is gone, or this is not Linux.
    pub(crate) fn process(self) -> io::Result<String> {
        let ends = [self.caller, self.server].map(|end| format!("0100007F:{:04X}", end.port()));
        let sockets = fs::read_to_string("/proc/net/tcp")?;
        let inode = sockets
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .find(|fields| fields.get(1..3).is_some_and(|found| found == ends))
            .and_then(|fields| fields.get(9).copied())
            .ok_or(io::ErrorKind::NotFound)?;
        let socket = PathBuf::from(format!("socket:[{inode}]"));
        let holds = |process: &fs::DirEntry| {
            fs::read_dir(process.path().join("fd")).is_ok_and(|mut handles| {
                handles.any(|handle| {
                    handle.is_ok_and(|h| fs::read_link(h.path()).is_ok_and(|to| to == socket))
                })
            })
        };
        fs::read_dir("/proc")?
            .flatten()
            .find(holds)
            .and_then(|process| process.file_name().into_string().ok())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Serves until it is dropped.
pub(crate) async fn serve(listener: TcpListener, router: Router) -> Infallible {
    loop {
        let Ok((stream, caller)) = listener.accept().await else {
            continue;
        };
        let Ok(server) = stream.local_addr() else {
            continue;
        };
        let caller = Caller { caller, server };
        let router = router.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| answer(router.clone(), caller, request));
            // That a connection breaks is what some mishaps are.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    router: Router,
    caller: Caller,
    mut request: Request<Incoming>,
) -> io::Result<Response> {
    request.extensions_mut().insert(caller);
    let Ok(mut response) = router.oneshot(request.map(Body::new)).await;
    match response.extensions_mut().remove::<Mishap>() {
        None | Some(Mishap::Garbled) => return Ok(response),
        Some(Mishap::Dropped) => {}
        Some(Mishap::Silence) => std::future::pending::<()>().await,
        Some(Mishap::CallerKilled) => caller.signal("-KILL")?,
        Some(Mishap::CallerFrozen) => {
            caller.signal("-STOP")?;
            std::future::pending::<()>().await;
        }
    }
    // An error from the service makes the server close the connection without a word.
    Err(io::ErrorKind::ConnectionAborted.into())
}
