//! A stand-in for the two services no local AWS has as they are: CloudFront's invalidations and CodeDeploy's hooks.
//!
//! It speaks their wire formats (REST XML 2020-05-31 and JSON 1.1) on a free loopback port, records every call, and
//! answers with any error it is told to. `tests/wire_format.rs` holds it against botocore and its API models.
//!
//! # What it gets wrong
//! - Any distribution and any deployment whose id has the right form exists, unless a fault says otherwise.
//! - Quotas are not counted, and nobody is authorized: `TooManyInvalidationsInProgress`, `AccessDenied` and throttling
//!   come only as faults.
//! - What CloudFront does with a repeated caller reference and CodeDeploy with a repeated answer is not known for sure;
//!   [`Switches`] has both ways.
//! - `ListInvalidations` has one page.

mod cloudfront;
mod codedeploy;
mod faults;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
use aws_credential_types::Credentials;
use axum::{Router, routing};
use tokio::{net::TcpListener, task::JoinHandle};

pub use faults::{Fault, Operation};

/// A call that reached the stand-in, as its caller meant it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Which operation.
    pub operation: Operation,
    /// The distribution or the deployment it was about.
    pub subject: String,
    /// Of a call about an invalidation: the caller reference that the invalidation was made with.
    pub caller_reference: Option<String>,
    /// What else it said.
    pub request: Request,
    /// The error code it was answered with; none if it was answered well.
    pub error: Option<String>,
}

impl Call {
    /// Whether it is about this distribution, this deployment, or an invalidation whose caller reference begins so
    /// (as the product's do, with the deployment's id).
    #[must_use]
    pub fn is_about(&self, subject: &str) -> bool {
        concerns(subject, &self.subject, self.caller_reference.as_deref())
    }
}

/// What a call said beyond its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// The paths of a batch, in the order they came in.
    Paths(Vec<String>),
    /// The id of an invalidation.
    Invalidation(String),
    /// An answer for a hook.
    Answer {
        /// The id of the hook run.
        hook_execution_id: String,
        /// `Succeeded` or `Failed`.
        status: String,
    },
    /// Nothing.
    Nothing,
}

fn concerns(about: &str, subject: &str, caller_reference: Option<&str>) -> bool {
    about == subject || caller_reference.is_some_and(|reference| reference.starts_with(about))
}

/// What the services are not known to do one way or the other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Switches {
    /// CloudFront refuses a caller reference it knows, instead of returning the invalidation made with it.
    pub caller_reference_conflicts: bool,
    /// CodeDeploy accepts the same answer twice, instead of saying that it has one.
    pub same_answer_accepted_twice: bool,
}

/// An invalidation as the stand-in keeps it.
#[derive(Debug, Clone)]
struct Invalidation {
    id: String,
    caller_reference: String,
    paths: Vec<String>,
    created: Instant,
    created_at: aws_smithy_types::DateTime,
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<Call>,
    faults: Vec<faults::Planned>,
    switches: Switches,
    /// What [`StandIn::purge_takes`] was told, the newest last.
    purge_times: Vec<(String, Option<Duration>)>,
    /// By distribution, oldest first.
    invalidations: BTreeMap<String, Vec<Invalidation>>,
    /// The answer that CodeDeploy has for a hook run.
    answers: BTreeMap<String, String>,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<State>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder of the lock panics")
    }
}

/// The running stand-in. It stops when it is dropped.
pub struct StandIn {
    address: SocketAddr,
    state: Shared,
    server: JoinHandle<()>,
}

impl StandIn {
    /// Starts it on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Shared::default();
        let router = Router::new()
            .route("/", routing::post(codedeploy::handle))
            .route(
                "/2020-05-31/distribution/{distribution_id}/invalidation",
                routing::post(cloudfront::create).get(cloudfront::list),
            )
            .route(
                "/2020-05-31/distribution/{distribution_id}/invalidation/{id}",
                routing::get(cloudfront::get),
            )
            .with_state(state.clone());
        let server = tokio::spawn(async move {
            // It ends only by being aborted.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address,
            state,
            server,
        })
    }

    /// Where it listens, for `AWS_ENDPOINT_URL_CLOUDFRONT` and `AWS_ENDPOINT_URL_CODEDEPLOY`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A configuration for SDK clients that talk to it: each call is tried once, so that tests see what one does.
    #[must_use]
    pub fn client_config(&self) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(
                aws_credential_types::provider::SharedCredentialsProvider::new(
                    Credentials::from_keys("stand-in", "stand-in", None),
                ),
            )
            .retry_config(RetryConfig::disabled())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(self.url())
            .build()
    }

    /// Lets invalidations take so long; never ends them when there is no time. Without this they are completed at the
    /// first look. For `about` see [`Call::is_about`].
    pub fn purge_takes(&self, about: &str, time: Option<Duration>) {
        self.state.lock().purge_times.push((about.to_owned(), time));
    }

    /// Answers the next calls of an operation with a fault. For `about` see [`Call::is_about`].
    pub fn plan(&self, operation: Operation, about: &str, times: usize, fault: Fault) {
        self.state.lock().faults.push(faults::Planned {
            operation,
            about: about.to_owned(),
            left: times,
            fault,
        });
    }

    /// Sets what the services are not known to do one way or the other.
    pub fn switch(&self, switches: Switches) {
        self.state.lock().switches = switches;
    }

    /// Every call so far, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.state.lock().calls.clone()
    }

    /// The calls about something, in order. For `about` see [`Call::is_about`].
    #[must_use]
    pub fn calls_about(&self, about: &str) -> Vec<Call> {
        let mut calls = self.calls();
        calls.retain(|call| call.is_about(about));
        calls
    }

    /// The answers that CodeDeploy took for a deployment, in order: one, if all is well.
    #[must_use]
    pub fn answers(&self, deployment_id: &str) -> Vec<String> {
        self.calls_about(deployment_id)
            .into_iter()
            .filter(|call| call.error.is_none())
            .filter_map(|call| match call.request {
                Request::Answer { status, .. } => Some(status),
                _ => None,
            })
            .collect()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}
