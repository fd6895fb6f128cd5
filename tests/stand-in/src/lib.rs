//! A stand-in for the two services no local AWS has as they are: CloudFront's invalidations and CodeDeploy's hooks.
//!
//! It speaks their wire formats (REST XML 2020-05-31 and JSON 1.1) on a free loopback port, records every call, and lets
//! calls meet any [`Fault`] it is told to. `tests/wire_format.rs` holds it against botocore and its API models.
//!
//! It can also stand in front of Step Functions, Lambda and SQS, played by others: see [`StandIn::forward_executions_to`].
//!
//! # What it gets wrong
//! - Any distribution and any deployment whose id has the right form exists, unless a fault says otherwise.
//! - Quotas are not counted, and nobody is authorized: `TooManyInvalidationsInProgress`, `AccessDenied` and throttling
//!   come only as faults.
//! - What CloudFront does with a repeated caller reference and CodeDeploy with a repeated answer is not known for sure;
//!   [`Behavior`] has both ways.
//! - Every path that it accepts is invalidated. CloudFront accepts `%7E` and other needless encodings, and invalidates nothing.
//! - `ListInvalidations` has one page, and does not say whose invalidation is looked for: it goes by the process that
//!   calls, and by the last one that it asked to create.
//! - A refused connection is one that is closed without an answer. Only a caller that says which process it is (see
//!   `connection`) can be killed or frozen.

mod clock;
mod cloudfront;
mod codedeploy;
mod connection;
mod faults;
mod front;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant, SystemTime},
};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
use aws_credential_types::Credentials;
use axum::{Router, routing};
use tokio::{net::TcpListener, task::JoinHandle};

pub use clock::Clock;
pub use faults::{ConnectionFault, Fault, Function, Operation, ServiceError};
pub use front::post;

/// A call that reached the stand-in, as its caller meant it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Which operation.
    pub operation: Operation,
    /// The distribution, the deployment or the execution it was about.
    pub subject: String,
    /// Of a call about an invalidation: the caller reference that the invalidation was made with; of one about an
    /// execution: its name. Both begin with the deployment's id.
    pub caller_reference: Option<String>,
    /// What else it said.
    pub request: Request,
    /// The access key that it was signed with.
    pub access_key: Option<String>,
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
    HookStatus {
        /// The id of the hook run.
        hook_execution_id: String,
        /// `Succeeded` or `Failed`.
        status: String,
    },
    /// Something for another service, which answered that it takes so long to the next look, in seconds.
    Forwarded {
        /// The seconds; 0 if it did not say.
        wait_seconds: u64,
    },
    /// Nothing.
    Nothing,
}

/// An answer that CodeDeploy took for a hook: the first it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedStatus {
    /// The deployment.
    pub deployment_id: String,
    /// The hook run.
    pub hook_execution_id: String,
    /// `Succeeded` or `Failed`.
    pub status: String,
    /// When.
    pub at: SystemTime,
}

/// An invalidation that CloudFront has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeInvalidation {
    /// Of which distribution.
    pub distribution_id: String,
    /// MadeInvalidation with which caller reference.
    pub caller_reference: String,
    /// When somebody was first shown that it is `Completed`.
    pub shown_completed: Option<SystemTime>,
}

impl MadeInvalidation {
    /// Its place in the Map of its execution, which the product's caller references have after the execution's name.
    #[must_use]
    pub fn item(&self) -> Option<usize> {
        let mut parts = self.caller_reference.rsplit('-');
        parts.nth(1)?.parse().ok()
    }
}

fn concerns(about: &str, subject: &str, caller_reference: Option<&str>) -> bool {
    about == subject || caller_reference.is_some_and(|reference| reference.starts_with(about))
}

/// What the services are not known to do one way or the other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Behavior {
    /// CloudFront refuses a caller reference it knows, instead of returning the invalidation made with it.
    pub rejects_known_caller_reference: bool,
    /// CodeDeploy accepts the same answer twice, instead of saying that it has one.
    pub accepts_repeated_status: bool,
}

/// An invalidation as the stand-in keeps it.
#[derive(Debug, Clone)]
struct Invalidation {
    id: String,
    caller_reference: String,
    paths: Vec<String>,
    created: SystemTime,
    shown_completed: Option<SystemTime>,
}

#[derive(Debug, Default)]
struct State {
    clock: Clock,
    calls: Vec<(Instant, Call)>,
    faults: Vec<faults::Planned>,
    /// What [`StandIn::switch`] was told, the newest last.
    behavior: Vec<(String, Behavior)>,
    /// What [`StandIn::invalidations_take`] was told, the newest last.
    invalidation_times: Vec<(String, Option<Duration>)>,
    /// By distribution, oldest first.
    invalidations: BTreeMap<String, Vec<Invalidation>>,
    /// The answer that CodeDeploy has for each hook run.
    answers: Vec<AcceptedStatus>,
    /// The caller reference that a process last asked to create an invalidation with.
    asking: BTreeMap<u32, String>,
    /// The messages sent to SQS, each with its deployment.
    messages: Vec<(String, serde_json::Value)>,
    /// Where Lambda and SQS are.
    behind: Option<String>,
    /// Where Step Functions is, for which executions.
    engines: Vec<(String, String)>,
}

impl State {
    fn record(&mut self, call: Call) {
        self.calls.push((Instant::now(), call));
    }

    fn behavior(&self, subject: &str, caller_reference: Option<&str>) -> Behavior {
        let mut newest_first = self.behavior.iter().rev();
        newest_first
            .find(|(about, _)| concerns(about, subject, caller_reference))
            .map_or_else(Behavior::default, |(_, behavior)| *behavior)
    }

    fn engine(&self, execution: &str) -> Option<String> {
        let mut newest_first = self.engines.iter().rev();
        newest_first
            .find(|(about, _)| execution.starts_with(about))
            .map(|(_, url)| url.clone())
    }
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
        Self::start_with(Clock::default()).await
    }

    /// Starts it with a clock of its own, by which invalidations are created and purges take their time.
    ///
    /// # Errors
    /// The same.
    pub async fn start_with(clock: Clock) -> std::io::Result<Self> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Shared::default();
        state.lock().clock = clock;
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
            .route(
                "/2015-03-31/functions/{name}/invocations",
                routing::post(front::invoke),
            )
            .with_state(state.clone());
        let server = tokio::spawn(async move {
            connection::serve(listener, router).await;
        });
        Ok(Self {
            address,
            state,
            server,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same, for `AWS_ENDPOINT_URL_CLOUDFRONT` and `AWS_ENDPOINT_URL_CODEDEPLOY`.
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
    pub fn invalidations_take(&self, about: &str, time: Option<Duration>) {
        self.state
            .lock()
            .invalidation_times
            .push((about.to_owned(), time));
    }

    /// Answers the next calls of an operation with a fault. For `about` see [`Call::is_about`].
    pub fn inject(&self, operation: Operation, about: &str, times: usize, fault: Fault) {
        self.state.lock().faults.push(faults::Planned {
            operation,
            about: about.to_owned(),
            left: times,
            fault,
        });
    }

    /// Sets what the services are not known to do one way or the other. For `about` see [`Call::is_about`].
    pub fn set_behavior(&self, about: &str, behavior: Behavior) {
        let mut state = self.state.lock();
        state.behavior.push((about.to_owned(), behavior));
    }

    /// Passes invocations and messages on to a Lambda and an SQS at this address.
    pub fn forward_lambda_and_sqs_to(&self, url: &str) {
        self.state.lock().behind = Some(url.to_owned());
    }

    /// Passes calls about executions whose names begin so on to a Step Functions at this address.
    pub fn forward_executions_to(&self, name: &str, url: &str) {
        let mut state = self.state.lock();
        state.engines.push((name.to_owned(), url.to_owned()));
    }

    /// The requests with which messages about a deployment were sent to SQS.
    #[must_use]
    pub fn messages(&self, deployment_id: &str) -> Vec<serde_json::Value> {
        let state = self.state.lock();
        let all = state.messages.iter().filter(|(of, _)| of == deployment_id);
        all.map(|(_, request)| request.clone()).collect()
    }

    /// Every call so far, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        let state = self.state.lock();
        state.calls.iter().map(|(_, call)| call.clone()).collect()
    }

    /// The calls about something, in order. For `about` see [`Call::is_about`].
    #[must_use]
    pub fn calls_about(&self, about: &str) -> Vec<Call> {
        let log = self.timed_calls_about(about).into_iter();
        log.map(|(_, call)| call).collect()
    }

    /// The same, with the time at which each was answered.
    #[must_use]
    pub fn timed_calls_about(&self, about: &str) -> Vec<(Instant, Call)> {
        let state = self.state.lock();
        let calls = state.calls.iter().filter(|(_, call)| call.is_about(about));
        calls.cloned().collect()
    }

    /// The answers that CodeDeploy took for a deployment, in order: one for each hook run, if all is well.
    #[must_use]
    pub fn statuses(&self, deployment_id: &str) -> Vec<String> {
        let taken = self.accepted_statuses(deployment_id).into_iter();
        taken.map(|taken| taken.status).collect()
    }

    /// The same, with all there is to say about them; for a deployment or for one of its hook runs.
    #[must_use]
    pub fn accepted_statuses(&self, about: &str) -> Vec<AcceptedStatus> {
        let state = self.state.lock();
        let taken = state.answers.iter();
        taken
            .filter(|taken| taken.deployment_id == about || taken.hook_execution_id == about)
            .cloned()
            .collect()
    }

    /// The invalidations about something, by distribution. For `about` see [`Call::is_about`].
    #[must_use]
    pub fn invalidations(&self, about: &str) -> Vec<MadeInvalidation> {
        let state = self.state.lock();
        let all = state.invalidations.iter();
        let all = all.flat_map(|(distribution, made)| made.iter().map(move |i| (distribution, i)));
        all.filter(|(distribution, i)| concerns(about, distribution, Some(&i.caller_reference)))
            .map(|(distribution, i)| MadeInvalidation {
                distribution_id: distribution.clone(),
                caller_reference: i.caller_reference.clone(),
                shown_completed: i.shown_completed,
            })
            .collect()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}
