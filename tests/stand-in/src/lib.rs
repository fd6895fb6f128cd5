//! A stand-in for three services that no local AWS has in full: CloudFront's invalidations, CodeDeploy's hooks and Amazon ECS's
//! deployments.
//!
//! It serves their wire formats (REST XML 2020-05-31 and JSON 1.1) on a free loopback port, records every call, and
//! injects faults into calls. `tests/wire_format.rs` checks it against boto3 and botocore's API models.
//!
//! It can also be a recording proxy in front of the Step Functions, Lambda and SQS of a local AWS: see
//! [`StandIn::forward_executions_to`] and [`StandIn::forward_lambda_and_sqs_to`].
//!
//! To add an operation, add it to [`Operation`] and to `route`, and write a function that passes its work to `respond`.
//!
//! # What it gets wrong
//! - Every distribution and every deployment whose id has a valid form exists, unless a fault says otherwise. Every service
//!   deployment has rolled back.
//! - It counts no quotas and authorizes nobody: `TooManyInvalidationsInProgress`, `AccessDenied` and throttling are
//!   always faults.
//! - What CloudFront does with a repeated caller reference and CodeDeploy with a repeated status is not known for sure;
//!   [`Behavior`] has both.
//! - Every path that it accepts is invalidated. CloudFront accepts `%7E` and other unnecessary encodings and invalidates
//!   nothing.
//! - `ListInvalidations` returns one page.
//! - A refused connection is one that is closed without a response. Only a caller that sends its process id (see
//!   `connection`) can be killed or frozen.

#![expect(
    missing_docs,
    clippy::missing_errors_doc,
    clippy::must_use_candidate,
    reason = "its readers are the tests, and most names say what they are"
)]

mod cloudfront;
mod connection;
mod deployments;
mod faults;
mod forward;
mod records;
mod respond;
mod route;
mod state;

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, SystemTime},
};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use serde_json::Value;
use tokio::{net::TcpListener, sync::mpsc::UnboundedSender, task::JoinSet};

// For all modules.
use faults::rejected;
use respond::{ErrorCode, Protocol, respond};
use route::Request;
use state::{InjectedFault, Shared, State, latest};

pub use faults::{Behavior, ConnectionFault, Fault, ServiceError};
pub use records::{AcceptedStatus, Call, Function, Invalidation, Operation};

/// The account of everything: ministack takes it from the access key.
pub const ACCOUNT: &str = "111122223333";
/// The region of everything.
pub const REGION: &str = "eu-central-1";

/// The running stand-in. Dropping it stops it.
pub struct StandIn {
    pub address: SocketAddr,
    state: Shared,
    /// Aborted when it is dropped.
    _server: JoinSet<Infallible>,
}

impl StandIn {
    /// Starts it on a free port of 127.0.0.1.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Shared::default();
        let mut server = JoinSet::new();
        server.spawn(connection::serve(listener, state.clone()));
        Ok(Self {
            address,
            state,
            _server: server,
        })
    }

    /// The time that it goes by: the time of day, or what was set.
    pub fn now(&self) -> SystemTime {
        self.state.lock().now()
    }

    /// Sets the time for the creation and the duration of invalidations. It doesn't pass by itself any more.
    pub fn set_time(&self, time: SystemTime) {
        self.state.lock().time = Some(time);
    }

    /// Its URL, for `AWS_ENDPOINT_URL_CLOUDFRONT`, `AWS_ENDPOINT_URL_CODEDEPLOY` and `AWS_ENDPOINT_URL_ECS`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A configuration for SDK clients that call it. They never retry, so that tests see the effect of one call.
    pub fn client_config(&self) -> SdkConfig {
        let config = client_config(&self.url()).into_builder();
        config.retry_config(RetryConfig::disabled()).build()
    }

    /// Sets how long invalidations take; with `None` they never complete. By default they are completed at the first
    /// status check. For `about` see [`Call::is_about`].
    pub fn invalidations_take(&self, about: &str, duration: Option<Duration>) {
        let durations = &mut self.state.lock().durations;
        durations.push((about.to_owned(), duration));
    }

    /// Sends each invalidation that is created to a cache that plays an edge location.
    pub fn send_invalidations_to(&self, edge: UnboundedSender<Invalidation>) {
        self.state.lock().edge = Some(edge);
    }

    /// Injects a fault into the next calls of an operation. For `about` see [`Call::is_about`].
    pub fn inject(&self, operation: Operation, about: &str, times: usize, fault: Fault) {
        self.state.lock().faults.push(InjectedFault {
            operation,
            about: about.to_owned(),
            remaining: times,
            fault,
        });
    }

    /// Sets what the services do where nobody knows for sure. For `about` see [`Call::is_about`].
    pub fn set_behavior(&self, about: &str, set: impl FnOnce(&mut Behavior)) {
        let mut behavior = Behavior::default();
        set(&mut behavior);
        let behaviors = &mut self.state.lock().behaviors;
        behaviors.push((about.to_owned(), behavior));
    }

    /// Sets the `application/deploymentGroup` of a deployment, which can be empty, and its creator, by default `shop/web` and
    /// `user`.
    pub fn set_deployment(&self, id: &str, group: &str, creator: &str) {
        let deployment = (group.to_owned(), creator.to_owned());
        let deployments = &mut self.state.lock().deployments;
        deployments.push((id.to_owned(), deployment));
    }

    /// Forwards invocations and messages to the Lambda and the SQS at this URL.
    pub fn forward_lambda_and_sqs_to(&self, url: &str) {
        self.state.lock().lambda_and_sqs_url = Some(url.to_owned());
    }

    /// Forwards calls about executions whose names begin with `name` to the Step Functions at this URL.
    pub fn forward_executions_to(&self, name: &str, url: &str) {
        let urls = &mut self.state.lock().step_functions_urls;
        urls.push((name.to_owned(), url.to_owned()));
    }

    /// The requests of all calls of an operation, oldest first. See [`Call::request`].
    pub fn requests(&self, operation: Operation) -> Vec<Value> {
        let calls = self.calls().into_iter();
        let calls = calls.filter(|call| call.operation == operation);
        calls.map(|call| call.request).collect()
    }

    /// All calls, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.state.lock().calls.clone()
    }

    /// The operations of all calls, oldest first.
    pub fn operations(&self) -> Vec<Operation> {
        let calls = &self.state.lock().calls;
        calls.iter().map(|call| call.operation).collect()
    }

    /// The calls about something, oldest first. For `about` see [`Call::is_about`].
    pub fn calls_about(&self, about: &str) -> Vec<Call> {
        matching(&self.state.lock().calls, |call| call.is_about(about))
    }

    /// The statuses that CodeDeploy accepted for a deployment, oldest first: one for each hook.
    pub fn statuses(&self, deployment_id: &str) -> Vec<String> {
        let accepted = self.accepted_statuses(deployment_id).into_iter();
        accepted.map(|accepted| accepted.status).collect()
    }

    /// The statuses that CodeDeploy accepted for a deployment or a hook execution, oldest first.
    pub fn accepted_statuses(&self, id: &str) -> Vec<AcceptedStatus> {
        matching(&self.state.lock().accepted_statuses, |accepted| {
            accepted.deployment_id == id || accepted.hook_execution_id == id
        })
    }

    /// The invalidations about something, oldest first. For `about` see [`Call::is_about`].
    pub fn invalidations(&self, about: &str) -> Vec<Invalidation> {
        matching(&self.state.lock().invalidations, |i| i.is_about(about))
    }
}

/// A configuration for SDK clients that call services on this machine, at this URL.
pub fn client_config(url: &str) -> SdkConfig {
    let credentials = Credentials::from_keys(ACCOUNT, "local", None);
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static(REGION))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(url)
        .build()
}

fn matching<T: Clone>(records: &[T], matches: impl Fn(&&T) -> bool) -> Vec<T> {
    records.iter().filter(matches).cloned().collect()
}
