//! Lambda's runtime API for one process: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use stand_in::{ACCOUNT, REGION};
use tests::server::Server;
use tokio::sync::{
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    oneshot,
};

/// Serves on a free port of 127.0.0.1.
pub async fn http(router: Router) -> Result<Server> {
    Server::start(async |listener| {
        let _ = axum::serve(listener, router).await;
    })
    .await
}

/// A request of the function. It waits for its response until it is dropped.
pub struct Request {
    pub at: Instant,
    path: String,
    pub body: String,
    event: oneshot::Sender<String>,
}

impl Request {
    /// Sends the function an event.
    pub fn respond(self, event: &str) {
        // If the function is gone, there will be no response to it.
        let _ = self.event.send(event.to_owned());
    }
}

pub struct RuntimeApi {
    requests: UnboundedReceiver<Request>,
    pub server: Server,
}

impl RuntimeApi {
    pub async fn start() -> Result<Self> {
        let (sender, requests) = unbounded_channel();
        let router = Router::new().fallback(respond).with_state(sender);
        let server = http(router).await?;
        Ok(Self { requests, server })
    }

    /// Waits for the next request of the function, whose path must end with this.
    pub async fn request(&mut self, path: &str) -> Result<Request> {
        let request = self.requests.recv().await;
        let request = request.context("the runtime API has stopped")?;
        let Request {
            path: called, body, ..
        } = &request;
        ensure!(
            called.ends_with(path),
            "called {called}, not {path}: {body}"
        );
        Ok(request)
    }
}

async fn respond(
    State(requests): State<UnboundedSender<Request>>,
    uri: Uri,
    body: String,
) -> Response {
    let (event, receiver) = oneshot::channel();
    let request = Request {
        at: Instant::now(),
        path: uri.path().to_owned(),
        body,
        event,
    };
    // Nothing receives it when the process is about to be killed.
    let _ = requests.send(request);
    let Ok(event) = receiver.await else {
        return StatusCode::ACCEPTED.into_response();
    };
    let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:bench");
    let trace = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1";
    let request_id = "8476a536-e9f4-11e8-9739-2dfe598c3fcd";
    let headers = [
        ("lambda-runtime-aws-request-id", request_id),
        ("lambda-runtime-deadline-ms", "4102444800000"),
        ("lambda-runtime-invoked-function-arn", &arn),
        ("lambda-runtime-trace-id", trace),
        ("content-type", "application/json"),
    ];
    (headers, event).into_response()
}
