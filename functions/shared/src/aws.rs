//! AWS clients, set up once for all functions, and what their failures mean.

use std::{error::Error, time::Duration};

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

use crate::errors::shorten;

/// For TCP and TLS. CloudFront's API is in us-east-1 only: from Sydney a round trip takes 200 to 250 ms, a connection
/// three of them, and a 128 MB function has a fourteenth of a processor to do the arithmetic.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A connection, the request, and a response that takes a second.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// For all attempts of one call.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(9);
/// What each function but the hook has for one invocation (`Globals.Function.Timeout` in the template): enough for the longest sequence
/// of calls that one makes, each for as long as it may take.
pub const FUNCTION_TIMEOUT: Duration = Duration::from_secs(30);
/// Short faults are retried here; what lasts longer is the state machine's to wait for.
const MAX_ATTEMPTS: u32 = 3;

/// Reads region, credentials and endpoints from the environment, as every AWS SDK does, and sets the timeouts.
///
/// Lambda puts region and credentials into the environment, so the other places where the SDK would look (a profile, a
/// container's or an instance's metadata) are not made ready.
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

/// One connector for all clients, made while the function initializes: by itself the SDK makes one for each client and
/// another at the first call, each with all the authorities that the machine trusts.
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

/// How much of a service's message an error shows, in characters.
const SHOWN_CHARACTERS: usize = 600;

/// A call to AWS that failed, in one line an engineer can act on: `AccessDenied: User … is not authorized (HTTP 403)`.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct AwsFailure {
    code: Option<String>,
    message: Option<String>,
    transient: bool,
    text: String,
    source: Box<dyn Error + Send + Sync>,
}

impl AwsFailure {
    /// The service's name for the error, for example `NoSuchDistribution`; none where no service responded.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The service's message; none where no service responded.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Whether the same call may succeed later: throttled, a 5xx, no response, or one that can't be parsed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.transient
    }

    /// What to do about an error that is not about the request itself: the credentials or the clock it was signed with.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        match self.code.as_deref()? {
            "ExpiredToken" | "ExpiredTokenException" => Some(
                "The credentials have expired: on AWS, start a new execution with the same input; on your machine, sign in again",
            ),
            "InvalidClientTokenId" | "UnrecognizedClientException" | "InvalidAccessKeyId" => Some(
                "The credentials are not valid. If the function's role was deleted and created again, assign it again: aws lambda update-function-configuration --function-name … --role …",
            ),
            "RequestExpired" | "RequestTimeTooSkewed" => Some(CHECK_THE_CLOCK),
            "SignatureDoesNotMatch" | "InvalidSignatureException"
                if self.message.as_deref().is_some_and(is_about_time) =>
            {
                Some(CHECK_THE_CLOCK)
            }
            _ => None,
        }
    }

    /// A response that lacks what was asked for; the next one may have it.
    pub fn unusable(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source = reason.into();
        Self {
            code: None,
            message: None,
            transient: true,
            text: source.to_string(),
            source,
        }
    }
}

impl<E> From<SdkError<E, HttpResponse>> for AwsFailure
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        let code = error.code().map(str::to_owned);
        let message = error.message().map(str::to_owned);
        let (transient, text) = match &error {
            SdkError::ServiceError(response) => {
                let status = response.raw().status();
                let throttled_or_transient = code.as_deref().is_some_and(|code| {
                    THROTTLING_ERRORS.contains(&code) || TRANSIENT_ERRORS.contains(&code)
                });
                (
                    throttled_or_transient || !status.is_client_error(),
                    format!(
                        "{}: {} (HTTP {status})",
                        code.as_deref().unwrap_or("an error without a code"),
                        message.as_deref().unwrap_or("no message"),
                    ),
                )
            }
            SdkError::ConstructionFailure(_) => (
                false,
                format!("the request could not be built: {}", causes(&error)),
            ),
            SdkError::ResponseError(_) => (
                true,
                format!("a response that can't be parsed: {}", causes(&error)),
            ),
            _ => (true, format!("no response: {}", causes(&error))),
        };
        Self {
            code,
            message,
            transient,
            text: shorten(&text, SHOWN_CHARACTERS),
            source: error.into(),
        }
    }
}

const CHECK_THE_CLOCK: &str =
    "The request's time is too far from AWS's: check the clock of the machine that sent it";

/// `Signature expired: … is now earlier than …`, or `Signature not yet current: …`.
fn is_about_time(message: &str) -> bool {
    message.contains("Signature expired") || message.contains("not yet current")
}

/// The error and what it came from, without the bodies that `Debug` would show.
fn causes(error: &dyn Error) -> String {
    std::iter::successors(Some(error), |error| (*error).source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
