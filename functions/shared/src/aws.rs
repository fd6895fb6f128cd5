//! The configuration of all AWS clients, and the errors of their calls.

use std::{error::Error, fmt::Display, time::Duration};

use aws_config::{
    BehaviorVersion, SdkConfig,
    environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider},
    retry::RetryConfig,
    timeout::TimeoutConfig,
};
use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};
use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn},
    orchestrator::HttpResponse,
    result::SdkError,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::errors::{causes, shorten};

/// For TCP and TLS. CloudFront's API is in us-east-1 only: from Sydney a round trip takes 200 to 250 ms and a connection
/// three round trips, and a 128 MB function has a fourteenth of a vCPU for the cryptography.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// For one attempt: a connection, the request, and a response that takes a second.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// For all attempts of one call together.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(9);
/// The timeout of each function but the hook (`Globals.Function.Timeout` in the template): longer than the longest sequence of
/// calls that a function makes, each of which may take [`OPERATION_TIMEOUT`].
pub const FUNCTION_TIMEOUT: Duration = Duration::from_secs(30);
// To get the configuration, to create, and to find the invalidation of an earlier attempt.
const _: () = assert!(3 * OPERATION_TIMEOUT.as_secs() < FUNCTION_TIMEOUT.as_secs());
/// The SDK retries short faults; the state machine retries what lasts longer.
const MAX_ATTEMPTS: u32 = 3;

/// Reads the region, credentials and endpoints from the environment, and sets the timeouts and retries.
///
/// Lambda sets the region and credentials in the environment, so the SDK's other providers (profiles, container and instance
/// metadata) are left out.
pub async fn config() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(EnvironmentVariableRegionProvider::new())
        .credentials_provider(EnvironmentVariableCredentialsProvider::new())
        .http_client(https())
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                .operation_timeout(OPERATION_TIMEOUT)
                .build(),
        )
        .retry_config(RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS))
        .load()
        .await
}

/// One connector for all clients, made while the function initializes. By default the SDK makes one for each client and
/// another at the first call, and each loads all trusted root certificates.
///
/// TLS is rustls on `ring`: the SDK's default provider spends about 300 ms of a 128 MB function's first call on
/// gathering entropy.
fn https() -> SharedHttpClient {
    let settings = HttpConnectorSettings::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .build();
    let connector = SharedHttpConnector::new(
        Connector::builder()
            .connector_settings(settings)
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build(),
    );
    http_client_fn(move |_, _| connector.clone())
}

/// The longest description of a failed call, in characters.
const SHOWN_CHARACTERS: usize = 600;

/// A call to AWS that failed, in one line: `AccessDenied: User … is not authorized (HTTP 403)`. The SDK's error is not kept:
/// its `Debug` output has whole responses.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct AwsFailure {
    text: String,
    transient: bool,
    throttled: bool,
    remedy: Option<&'static str>,
}

impl AwsFailure {
    /// Whether the same call may succeed later: it was throttled, timed out, or got a 5xx, no response, or one that can't be parsed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.transient
    }

    /// Whether there were too many requests: a later one may succeed.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        self.throttled
    }

    /// What to do about an error that is not about the request itself, but about its credentials or its time.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        self.remedy
    }

    /// A response that lacks what a caller needs; the next one may have it.
    pub fn unusable(reason: impl Display) -> Self {
        Self {
            text: reason.to_string(),
            transient: true,
            throttled: false,
            remedy: None,
        }
    }
}

impl<E> From<SdkError<E, HttpResponse>> for AwsFailure
where
    E: ProvideErrorMetadata + Error + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        Self::from(&error)
    }
}

impl<E> From<&SdkError<E, HttpResponse>> for AwsFailure
where
    E: ProvideErrorMetadata + Error + 'static,
{
    fn from(error: &SdkError<E, HttpResponse>) -> Self {
        let (code, message) = (error.code(), error.message());
        let is_status = |status| matches!(error, SdkError::ServiceError(response) if response.raw().status().as_u16() == status);
        let throttled =
            is_status(429) || code.is_some_and(|code| THROTTLING_ERRORS.contains(&code));
        let (transient, text) = match error {
            SdkError::ServiceError(response) => {
                let status = response.raw().status();
                (
                    throttled
                        || is_status(408)
                        || code.is_some_and(|code| TRANSIENT_ERRORS.contains(&code))
                        || !status.is_client_error(),
                    format!(
                        "{}: {} (HTTP {status})",
                        code.unwrap_or("no error code"),
                        message.unwrap_or("no message"),
                    ),
                )
            }
            SdkError::ConstructionFailure(_) => (
                false,
                format!("the request could not be built: {}", causes(error)),
            ),
            SdkError::ResponseError(_) => (
                true,
                format!("the response can't be parsed: {}", causes(error)),
            ),
            // The SDK says no more about the attempts before it.
            SdkError::TimeoutError(_) => (
                true,
                format!("no successful response in time: {}", causes(error)),
            ),
            _ => (true, format!("no response: {}", causes(error))),
        };
        Self {
            text: shorten(&text, SHOWN_CHARACTERS),
            transient,
            throttled,
            remedy: code.and_then(|code| remedy(code, message.unwrap_or_default())),
        }
    }
}

fn remedy(code: &str, message: &str) -> Option<&'static str> {
    const CHECK_THE_CLOCK: &str = "The time of the request is too far from AWS's time: check the clock of the machine that sent it";
    match code {
        "ExpiredToken" | "ExpiredTokenException" => Some(
            "The credentials have expired. On AWS, start a new execution with the same input; on your machine, sign in again",
        ),
        "InvalidClientTokenId" | "UnrecognizedClientException" | "InvalidAccessKeyId" => Some(
            "The credentials are not valid. If the function's role was deleted and created again, assign it to the function again: `aws lambda update-function-configuration --function-name … --role …`",
        ),
        "RequestExpired" | "RequestTimeTooSkewed" => Some(CHECK_THE_CLOCK),
        "SignatureDoesNotMatch" | "InvalidSignatureException"
            if message.contains("Signature expired") || message.contains("not yet current") =>
        {
            Some(CHECK_THE_CLOCK)
        }
        _ => None,
    }
}
