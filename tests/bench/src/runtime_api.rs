//! Lambda's runtime API for one process: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::{sync::Arc, time::Instant};

use anyhow::{Context, Result, ensure};
use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use tests::local_aws::{ACCOUNT, REGION};
use tokio::sync::{
    Mutex,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use crate::server::Server;

/// When it came, its path, and its body.
type Request = (Instant, String, String);

pub struct RuntimeApi {
    requests: UnboundedReceiver<Request>,
    events: UnboundedSender<String>,
    pub server: Server,
}

/// The process's ends of the channels.
type Channels = Arc<(UnboundedSender<Request>, Mutex<UnboundedReceiver<String>>)>;

impl RuntimeApi {
    pub async fn start() -> Result<Self> {
        let (request_sender, requests) = unbounded_channel();
        let (events, event_receiver) = unbounded_channel();
        let channels: Channels = Arc::new((request_sender, Mutex::new(event_receiver)));
        Ok(Self {
            requests,
            events,
            server: Server::http(Router::new().fallback(respond).with_state(channels)).await?,
        })
    }

    /// Waits until the function requests an event, and returns the time of the request.
    pub async fn event_requested(&mut self) -> Result<Instant> {
        let (at, _) = self.expect("/next").await?;
        Ok(at)
    }

    /// Sends the function an event, and returns the time of its response and the response.
    pub async fn invoke(&mut self, event: &str) -> Result<(Instant, String)> {
        self.events.send(event.to_owned())?;
        self.expect("/response").await
    }

    async fn expect(&mut self, suffix: &str) -> Result<(Instant, String)> {
        let request = self.requests.recv().await;
        let (at, path, body) = request.context("the runtime API has stopped")?;
        ensure!(
            path.ends_with(suffix),
            "called {path}, not {suffix}: {body}"
        );
        Ok((at, body))
    }
}

async fn respond(State(channels): State<Channels>, uri: Uri, body: String) -> Response {
    let request = (Instant::now(), uri.path().to_owned(), body);
    let (requests, events) = &*channels;
    // Nothing receives it when the process is about to be killed.
    let _ = requests.send(request);
    if !uri.path().ends_with("/next") {
        return StatusCode::ACCEPTED.into_response();
    }
    let event = events.lock().await.recv().await.unwrap_or_default();
    let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:bench");
    let trace = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1";
    let headers = [
        (
            "lambda-runtime-aws-request-id",
            "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
        ),
        ("lambda-runtime-deadline-ms", "4102444800000"),
        ("lambda-runtime-invoked-function-arn", &arn),
        ("lambda-runtime-trace-id", trace),
        ("content-type", "application/json"),
    ];
    (headers, event).into_response()
}
