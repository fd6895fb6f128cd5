//! Errors as the state machine and the Step Functions console see them.

use lambda_runtime::Diagnostic;

/// Turns a function's error into what Lambda reports: the enum variant's name, which `Retry` and `Catch` in
/// `statemachine/invalidate.asl.json` know, and its message, which becomes the cause an engineer reads.
///
/// It is also the one place where a failure is logged.
pub fn report<E>(error: &E) -> Diagnostic
where
    E: std::error::Error,
    for<'a> &'a E: Into<&'static str>,
{
    let name: &'static str = error.into();
    tracing::error!(error.name = name, "{error}");
    Diagnostic {
        error_type: name.to_owned(),
        error_message: error.to_string(),
    }
}
