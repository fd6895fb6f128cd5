//! The state `VerifyEdge`: requests the configured URLs through CloudFront, and decides whether edge locations still serve
//! objects from before the invalidations.
//!
//! An object that an edge location cached before the invalidation has an `Age` greater than the seconds since then. If one is
//! found, the execution waits and requests the URLs again; then it invalidates their paths, once; then it fails.

pub mod client;
pub mod settings;
pub mod url;
pub mod verdict;

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use aws_smithy_types::DateTime;
use futures_util::{StreamExt, stream};
use http::HeaderName;
use lambda_runtime::Diagnostic;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::{
    document::{self, InvalidDocument},
    errors::{self, shorten},
    invalidation::{Invalidation, InvalidationBatch, Target},
    items::Items,
    timestamp,
};
use tokio::time::Instant;

use crate::{
    client::Response,
    settings::{InvalidSettings, Settings},
    url::Url,
    verdict::{Answered, Verdict},
};

/// How many edge servers are asked for each URL, each on a connection of its own.
const REQUESTS_PER_URL: usize = 3;
/// At most ten URLs: all requests then end in 15 seconds, if each takes as long as it may.
const REQUESTS_AT_A_TIME: usize = 10;
/// How long to wait before the URLs are requested again, in seconds, while one is stale.
const WAITS: [u64; 2] = [5, 10];
/// The longest cause of an execution, in characters. Step Functions accepts 32,768.
const MAX_CAUSE_CHARACTERS: usize = 8_000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    /// For the log. It begins with the deployment's id; missing in an event that was written manually.
    execution_name: Option<String>,
    #[serde(deserialize_with = "document::non_empty_list")]
    invalidations: Vec<Invalidation>,
    /// How often the URLs have been requested since the invalidations were completed.
    attempt: usize,
    /// Whether the paths of stale URLs have been invalidated already.
    invalidated_again: bool,
    /// After this, nothing is repeated.
    #[serde(with = "timestamp")]
    deadline: DateTime,
}

/// What the execution does next.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// Of all URLs together.
    pub status: Status,
    /// What each URL has shown.
    pub urls: Vec<Verified>,
    /// How often the URLs have now been requested.
    pub attempt: usize,
    /// How long to wait before they are requested again, in seconds; 0 if they are not.
    pub wait_seconds: u64,
    /// What to invalidate again; empty if nothing is.
    pub again: Vec<InvalidationBatch>,
    /// The name of the error that the execution is to fail with; empty if it is not.
    pub error: &'static str,
    /// The cause of that error.
    pub cause: String,
}

/// The status of all URLs together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Status {
    /// No response was older than the invalidations.
    Fresh,
    /// No response was known to be older, but not every one shows it.
    NotVerified,
    /// At least one is stale: request them again.
    CheckAgain,
    /// At least one is still stale: invalidate their paths.
    InvalidateAgain,
    /// At least one is stale for good.
    Stale,
}

/// What a URL has shown.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Without its query string.
    pub url: String,
    /// What all its responses together show.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Each response, or why there is none.
    pub responses: Vec<Shown>,
}

/// A response, as the execution shows it.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Shown {
    /// Its headers.
    Response(Response),
    /// Why there is none.
    NoResponse {
        /// The reason.
        error: String,
    },
}

/// Why nothing was requested. `Retry` and `Catch` in the state machine match the names of the variants.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr, strum::VariantNames)]
pub enum Error {
    /// The input is invalid.
    #[error("{0}. Fix the execution input and start a new execution")]
    InvalidInput(#[from] InvalidDocument),
    /// The settings are invalid.
    #[error(
        "invalid settings of the verify-edge function: {0}. Correct the stack's VerifyUrls and VerifyHeader parameters and deploy it"
    )]
    InvalidSettings(#[from] InvalidSettings),
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        errors::diagnostic(&error)
    }
}

/// Requests all URLs; `get` requests one.
///
/// # Errors
/// When the input or the settings are invalid. A URL without a response is no error.
pub async fn handle(
    get: impl AsyncFn(&Url, Option<&HeaderName>) -> Result<Response, String>,
    settings: &Result<Settings, InvalidSettings>,
    event: Value,
    now: SystemTime,
) -> Result<Output, Error> {
    let input: Input = document::parse("the input of VerifyEdge", &event)?;
    let Settings { urls, header } = settings.as_ref().map_err(Clone::clone)?;
    let header = header.as_ref();
    let began = Instant::now();
    let invalidation_age = timestamp::between(first_created(&input.invalidations), now);
    let requests = urls.iter().flat_map(|url| [url; REQUESTS_PER_URL]);
    let responses: Vec<Answered> = stream::iter(requests)
        .map(async |url| {
            let response = get(url, header).await;
            (response, invalidation_age + began.elapsed())
        })
        .buffered(REQUESTS_AT_A_TIME)
        .collect()
        .await;
    let verdicts = responses.chunks(REQUESTS_PER_URL);
    let verdicts: Vec<_> = verdicts.map(|of| verdict::of_all(of, header)).collect();
    let stale: Vec<_> = urls
        .iter()
        .zip(&verdicts)
        .filter(|(_, verdict)| matches!(verdict, Verdict::Stale(_)))
        .collect();
    let time_left = timestamp::until(now, input.deadline);
    let mut again = Vec::new();
    let mut status = status(&verdicts, &input, time_left);
    if status == Status::InvalidateAgain {
        again = batches(&input.invalidations, &stale);
        if again.is_empty() {
            status = Status::Stale;
        }
    }
    let (error, cause) = match status {
        Status::Stale => ("EdgeStale", cause(&stale, input.invalidated_again)),
        _ => ("", String::new()),
    };
    tracing::info!(
        execution_name = input.execution_name,
        status = ?status,
        "requested the URLs: {}",
        urls.iter().zip(&verdicts).map(describe).collect::<Vec<_>>().join("; ")
    );
    let mut responses = responses.into_iter().map(|(response, _)| match response {
        Ok(response) => Shown::Response(response),
        Err(error) => Shown::NoResponse { error },
    });
    let verified = urls.iter().zip(verdicts).map(|(url, verdict)| Verified {
        url: url.to_string(),
        verdict,
        responses: responses.by_ref().take(REQUESTS_PER_URL).collect(),
    });
    Ok(Output {
        status,
        urls: verified.collect(),
        attempt: input.attempt + 1,
        wait_seconds: match status {
            Status::CheckAgain => WAITS[input.attempt],
            _ => 0,
        },
        again,
        error,
        cause,
    })
}

/// When the first invalidation was created: what CloudFront cached after that is of the new version.
fn first_created(invalidations: &[Invalidation]) -> DateTime {
    let created = invalidations
        .iter()
        .filter_map(|invalidation| match invalidation {
            Invalidation::Completed(created) => Some(created.created_at),
            _ => None,
        });
    created.min().unwrap_or(DateTime::from_secs(0))
}

fn status(verdicts: &[Verdict], input: &Input, time_left: Duration) -> Status {
    let is_stale = |verdict: &Verdict| matches!(verdict, Verdict::Stale(_));
    if verdicts.iter().all(|verdict| *verdict == Verdict::Fresh) {
        Status::Fresh
    } else if !verdicts.iter().any(is_stale) {
        Status::NotVerified
    } else if time_left.is_zero() {
        Status::Stale
    } else if input.attempt < WAITS.len() {
        Status::CheckAgain
    } else if !input.invalidated_again {
        Status::InvalidateAgain
    } else {
        Status::Stale
    }
}

/// The paths of the stale URLs, in everything that was invalidated: which distribution serves which host, the stack is not
/// told.
fn batches(invalidations: &[Invalidation], stale: &[(&Url, &Verdict)]) -> Vec<InvalidationBatch> {
    let items: BTreeSet<_> = stale.iter().filter_map(|(url, _)| url.item()).collect();
    let Ok(paths) = Items::try_from(items) else {
        return Vec::new();
    };
    let targets: BTreeSet<&Target> = invalidations
        .iter()
        .filter_map(|invalidation| match invalidation {
            Invalidation::Completed(created) => Some(&created.target),
            _ => None,
        })
        .collect();
    let batches = targets.into_iter().map(|target| InvalidationBatch {
        target: target.clone(),
        paths: paths.clone(),
    });
    batches.collect()
}

fn describe((url, verdict): (&Url, &Verdict)) -> String {
    match verdict {
        Verdict::Fresh => format!("{url} is fresh"),
        Verdict::Stale(reason) => format!("{url} is stale: {reason}"),
        Verdict::NotVerified(reason) => format!("{url} is not verified: {reason}"),
    }
}

fn cause(stale: &[(&Url, &Verdict)], invalidated_again: bool) -> String {
    let stale: Vec<_> = stale
        .iter()
        .map(|(url, verdict)| describe((url, verdict)))
        .collect();
    let again = if invalidated_again {
        "The paths of the URLs were then invalidated as well, without effect"
    } else {
        "MaxWaitSeconds left no time to invalidate the paths of the URLs as well"
    };
    let cause = format!(
        "the invalidations are completed, but an edge location serves an old version: {}. {again}. Check that the stack's distributions serve these hosts, and that CloudFront caches the objects under these paths (not, for example, under the path of a custom error page)",
        stale.join("; ")
    );
    shorten(&cause, MAX_CAUSE_CHARACTERS)
}
