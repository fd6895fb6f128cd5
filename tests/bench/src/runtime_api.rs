//! Lambda's side of a function: its runtime API, for one process.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use anyhow::{Context, Result, bail};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tests::local_aws::{ACCOUNT, REGION};
use tokio::{
    net::TcpListener,
    sync::{
        Mutex,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
    task::JoinHandle,
};

const REQUEST_ID: &str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd";

/// What the process said.
enum Said {
    Next,
    Answer(Bytes),
    Error(Bytes),
}

#[derive(Clone)]
struct Ends {
    said: UnboundedSender<(Instant, Said)>,
    events: Arc<Mutex<UnboundedReceiver<String>>>,
}

/// The API. It is gone when this is dropped.
pub struct RuntimeApi {
    /// For `AWS_LAMBDA_RUNTIME_API`.
    pub address: SocketAddr,
    said: UnboundedReceiver<(Instant, Said)>,
    events: UnboundedSender<String>,
    server: JoinHandle<()>,
}

impl RuntimeApi {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (said_sender, said) = unbounded_channel();
        let (events, event_receiver) = unbounded_channel();
        let invocation = "/2018-06-01/runtime/invocation";
        let router = Router::new()
            .route(&format!("{invocation}/next"), get(next))
            .route(
                &format!("{invocation}/{{request_id}}/response"),
                post(answer),
            )
            .route(&format!("{invocation}/{{request_id}}/error"), post(error))
            .route("/2018-06-01/runtime/init/error", post(error))
            .with_state(Ends {
                said: said_sender,
                events: Arc::new(Mutex::new(event_receiver)),
            });
        let server = tokio::spawn(async move {
            // It ends with the task.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address,
            said,
            events,
            server,
        })
    }

    /// Waits until the function asks for an event, and returns when it did.
    ///
    /// # Errors
    /// When it says anything else.
    pub async fn asked_for_event(&mut self) -> Result<Instant> {
        match self.listen().await? {
            (at, Said::Next) => Ok(at),
            (_, Said::Answer(said) | Said::Error(said)) => {
                bail!("said instead of asking for an event: {}", text(&said))
            }
        }
    }

    /// Gives the function an event, and returns its answer and when it came.
    ///
    /// # Errors
    /// When it fails.
    pub async fn invoke(&mut self, event: &str) -> Result<(Instant, String)> {
        self.events.send(event.to_owned())?;
        match self.listen().await? {
            (at, Said::Answer(said)) => Ok((at, text(&said))),
            (_, Said::Error(said)) => bail!("failed: {}", text(&said)),
            (_, Said::Next) => bail!("asked for an event before it had answered the last one"),
        }
    }

    async fn listen(&mut self) -> Result<(Instant, Said)> {
        self.said.recv().await.context("the runtime API is gone")
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn text(said: &Bytes) -> String {
    String::from_utf8_lossy(said).into_owned()
}

async fn next(State(ends): State<Ends>) -> Response {
    // Nobody listens any more when the process is about to be ended.
    let _ = ends.said.send((Instant::now(), Said::Next));
    let Some(event) = ends.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let headers = [
        ("lambda-runtime-aws-request-id", REQUEST_ID.to_owned()),
        ("lambda-runtime-deadline-ms", "4102444800000".to_owned()),
        (
            "lambda-runtime-invoked-function-arn",
            format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:bench"),
        ),
        (
            "lambda-runtime-trace-id",
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1".to_owned(),
        ),
        ("content-type", "application/json".to_owned()),
    ];
    (headers, event).into_response()
}

async fn answer(State(ends): State<Ends>, body: Bytes) -> StatusCode {
    let _ = ends.said.send((Instant::now(), Said::Answer(body)));
    StatusCode::ACCEPTED
}

async fn error(State(ends): State<Ends>, body: Bytes) -> StatusCode {
    let _ = ends.said.send((Instant::now(), Said::Error(body)));
    StatusCode::ACCEPTED
}
