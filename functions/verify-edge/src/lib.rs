//! The state `VerifyEdge`: requests the configured URLs through CloudFront, and decides whether edge locations still serve
//! objects from before the invalidations.
//!
//! An object that an edge location cached before the invalidation has an `Age` greater than the seconds since then. If one is
//! found, the execution waits and requests the URL again; then it invalidates the URL's path, once; then it fails.

pub mod client;
pub mod settings;
pub mod url;
pub mod verdict;

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use aws_smithy_types::DateTime;
use futures_util::future::join_all;
use http::HeaderName;
use lambda_runtime::Diagnostic;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::{
    document::{self, InvalidDocument},
    errors::{self, shorten},
    invalidation::{Created, InvalidationBatch, Target},
    items::Items,
    timestamp,
};
use tokio::time::Instant;

use crate::{
    client::Response,
    settings::{InvalidSettings, Settings},
    url::Url,
    verdict::{Answered, Criterion, Verdict},
};

/// How often each URL is requested, on a new connection each time. The requests of a URL follow each other, and all URLs are
/// requested at the same time, so that this takes at most 15 seconds.
const REQUESTS: usize = 3;
/// How long to wait before stale URLs are requested again, in seconds.
const WAITS: [u64; 2] = [5, 10];
/// The longest cause of an execution, in characters. Step Functions accepts 32,768.
const MAX_CAUSE_CHARACTERS: usize = 8_000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    /// For the log. It begins with the deployment's id; missing in an event that was written manually.
    execution_name: Option<String>,
    /// All are completed.
    #[serde(deserialize_with = "document::non_empty_list")]
    invalidations: Vec<Created>,
    /// What the invocation before this one has found.
    earlier: Progress,
    /// After this, nothing is repeated.
    #[serde(with = "timestamp")]
    deadline: DateTime,
}

/// What the function has found so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// How often the URLs have been requested since the last invalidations were completed.
    pub attempt: usize,
    /// Whether the paths of stale URLs have been invalidated.
    pub invalidated_again: bool,
    /// What each URL has shown; empty before the first request.
    pub urls: Vec<Verified>,
}

/// What the execution does next.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// Of all URLs together.
    pub status: Status,
    /// How long to wait before stale URLs are requested again, in seconds; 0 if they are not.
    pub wait_seconds: u64,
    /// What to invalidate again; empty if nothing is.
    pub again: Vec<InvalidationBatch>,
    /// The name of the error that the execution is to fail with, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'static str>,
    /// The cause of that error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// For the next invocation, and for the output of the execution.
    pub progress: Progress,
}

/// The status of all URLs together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Status {
    /// No response was older than the invalidations.
    Fresh,
    /// No response was known to be older, but not every one shows it.
    NotVerified,
    /// At least one URL is stale: request it again.
    CheckAgain,
    /// At least one URL is still stale: invalidate its path.
    InvalidateAgain,
    /// At least one URL is stale for good.
    Stale,
}

/// What a URL has shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Shown {
    /// Why there is none.
    NoResponse {
        /// The reason.
        error: String,
    },
    /// Its headers.
    Response(Response),
}

/// Why nothing was requested. `Retry` and `Catch` in the state machine match the names of the variants.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr, strum::VariantNames)]
pub enum Error {
    /// The input is invalid.
    #[error("{0}. Fix the execution input and start a new execution")]
    InvalidInput(#[from] InvalidDocument),

    /// The settings are invalid.
    #[error(
        "invalid settings of the verify-edge function: {0}. Correct the stack's VerifyUrls and VerifyHeader parameters and redeploy the stack"
    )]
    InvalidSettings(#[from] InvalidSettings),
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        errors::diagnostic(&error)
    }
}

/// Requests all URLs, or those that were stale; `get` requests one.
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
    // What CloudFront has cached after the first of them was not removed by it.
    let created = input.invalidations.iter().map(|created| created.created_at);
    let invalidation_age = timestamp::between(created.min().unwrap_or(now.into()), now);
    let Progress {
        attempt,
        invalidated_again,
        urls: earlier,
    } = input.earlier;
    let began = Instant::now();
    let verifying = urls.iter().enumerate().map(async |(index, url)| {
        let name = url.to_string();
        // Without their query strings, several can have the same name.
        let earlier = earlier.get(index).filter(|earlier| earlier.url == name);
        match earlier {
            Some(earlier) if !earlier.is_stale() => return earlier.clone(),
            _ => {}
        }
        let mut responses = Vec::new();
        for _ in 0..REQUESTS {
            let response = get(url, header.as_ref()).await;
            responses.push((response, invalidation_age + began.elapsed()));
        }
        let criterion = Criterion {
            header: header.as_ref().map(HeaderName::as_str),
            path_was_invalidated: invalidated_again && !url.items().is_empty(),
        };
        Verified::new(name, responses, criterion, earlier)
    });
    let verified = join_all(verifying).await;
    let time_left = timestamp::until(now, input.deadline);
    let stale: Vec<_> = urls
        .iter()
        .zip(&verified)
        .filter(|(_, v)| v.is_stale())
        .collect();
    let again = batches(&input.invalidations, stale.iter().map(|(url, _)| *url));
    let is_fresh = |verified: &Verified| verified.verdict == Verdict::Fresh;
    let status = if verified.iter().all(is_fresh) {
        Status::Fresh
    } else if stale.is_empty() {
        Status::NotVerified
    } else if attempt < WAITS.len() && !time_left.is_zero() {
        Status::CheckAgain
    } else if !invalidated_again && !again.is_empty() && time_left > time_to_invalidate(&again) {
        Status::InvalidateAgain
    } else {
        Status::Stale
    };
    let sentences: Vec<_> = verified.iter().map(describe).collect();
    tracing::info!(
        execution_name = input.execution_name,
        status = ?status,
        "requested the URLs: {}",
        sentences.join("; ")
    );
    let is_stale = status == Status::Stale;
    let cause = is_stale.then(|| cause(&stale, invalidated_again));
    let repeats = status == Status::InvalidateAgain;
    Ok(Output {
        status,
        wait_seconds: match status {
            Status::CheckAgain => WAITS[attempt],
            _ => 0,
        },
        again: if repeats { again } else { Vec::new() },
        error: is_stale.then_some("EdgeStale"),
        cause,
        progress: Progress {
            attempt: if repeats { 0 } else { attempt + 1 },
            invalidated_again: invalidated_again || repeats,
            urls: verified,
        },
    })
}

/// Usually half of this is enough. The state machine creates one every two seconds.
fn time_to_invalidate(batches: &[InvalidationBatch]) -> Duration {
    Duration::from_mins(1)
        + Duration::from_secs(2) * u32::try_from(batches.len()).unwrap_or(u32::MAX)
}

impl Verified {
    fn new(
        url: String,
        responses: Vec<Answered>,
        criterion: Criterion<'_>,
        earlier: Option<&Self>,
    ) -> Self {
        let mut verdict = verdict::of_all(&responses, criterion);
        // An error page does not show that what was stale is fresh.
        let shows_nothing = verdict::show_nothing(&responses);
        if let (Some(earlier), true) = (earlier, shows_nothing) {
            verdict = earlier.verdict.clone();
        }
        let responses = responses.into_iter().map(|(response, _)| match response {
            Ok(response) => Shown::Response(response),
            Err(error) => Shown::NoResponse { error },
        });
        Self {
            url,
            verdict,
            responses: responses.collect(),
        }
    }

    fn is_stale(&self) -> bool {
        matches!(self.verdict, Verdict::Stale(_))
    }
}

/// What to invalidate again, in everything that was invalidated: the stack does not know which distribution serves which host.
fn batches<'a>(
    invalidations: &[Created],
    stale: impl Iterator<Item = &'a Url>,
) -> Vec<InvalidationBatch> {
    let items: BTreeSet<_> = stale.flat_map(Url::items).collect();
    let Ok(paths) = Items::try_from(items) else {
        return Vec::new();
    };
    let targets: BTreeSet<&Target> = invalidations
        .iter()
        .map(|created| &created.target)
        .collect();
    let batches = targets.into_iter().map(|target| InvalidationBatch {
        target: target.clone(),
        paths: paths.clone(),
    });
    batches.collect()
}

fn describe(verified: &Verified) -> String {
    let url = &verified.url;
    match &verified.verdict {
        Verdict::Fresh => format!("{url} is fresh"),
        Verdict::Stale(reason) => format!("{url} is stale: {reason}"),
        Verdict::NotVerified(reason) => format!("{url} is not verified: {reason}"),
    }
}

fn cause(stale: &[(&Url, &Verified)], invalidated_again: bool) -> String {
    let again = if invalidated_again {
        "was then invalidated as well, without effect"
    } else {
        "could not be invalidated as well before the deadline"
    };
    let stale: Vec<_> = stale
        .iter()
        .map(|(url, verified)| {
            let again = if url.items().is_empty() {
                "can't be invalidated without invalidating everything: CloudFront accepts no ~ and no unnecessary encoding in it, and takes * for a wildcard"
            } else {
                again
            };
            format!("{}; its path {again}", describe(verified))
        })
        .collect();
    let cause = format!(
        "the invalidations are completed, but an edge location served an old version: {}. Check that the stack's distributions serve these hosts, and under which path CloudFront caches the objects: a default root object, a function that rewrites the path or a custom error page can change the path",
        stale.join(". ")
    );
    shorten(&cause, MAX_CAUSE_CHARACTERS)
}
