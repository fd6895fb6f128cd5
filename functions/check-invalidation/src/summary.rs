//! Summarizes the invalidations of an execution, for the log and for the error of the execution.

use aws_smithy_types::DateTime;
use shared::{errors::shorten, invalidation::Invalidation};

use crate::Status;

/// The longest cause of an execution, in characters. Step Functions accepts 32,768; the rows have the causes in full.
const MAX_CAUSE_CHARACTERS: usize = 8_000;

/// One sentence for each invalidation.
pub(crate) fn all(invalidations: &[Invalidation]) -> String {
    let sentences: Vec<_> = invalidations.iter().map(describe).collect();
    sentences.join("; ")
}

/// The status of invalidations of which none is in progress, and the error and cause that the execution is to fail with, if it
/// is.
///
/// A failure outweighs a timeout. Different errors are summarized as `MultipleErrors`.
pub(crate) fn end(
    invalidations: &[Invalidation],
    deadline: DateTime,
) -> (Status, Option<(String, String)>) {
    let failed = |invalidation: &&Invalidation| !matches!(invalidation, Invalidation::Completed(_));
    let failed: Vec<_> = invalidations.iter().filter(failed).collect();
    let mut errors = failed.iter().filter_map(|invalidation| match invalidation {
        Invalidation::Failed(failed) => Some(&failed.error),
        _ => None,
    });
    let (status, error) = match errors.next() {
        Some(first) if errors.all(|other| other == first) => (Status::Failed, first.as_str()),
        Some(_) => (Status::Failed, "MultipleErrors"),
        None if failed.is_empty() => return (Status::Completed, None),
        None => (Status::TimedOut, "InvalidationTimedOut"),
    };
    let count = match invalidations.len() {
        1 => String::new(),
        all => format!("{} of {all} invalidations did not complete: ", failed.len()),
    };
    let sentences: Vec<_> = failed.iter().copied().map(describe).collect();
    let advice = match status {
        Status::TimedOut => format!(
            ", at the deadline {deadline}. CloudFront continues to process every invalidation that is in progress; none can be canceled. See the invalidations in the CloudFront console"
        ),
        _ => String::new(),
    };
    let cause = format!("{count}{}{advice}", sentences.join("; "));
    let cause = shorten(&cause, MAX_CAUSE_CHARACTERS);
    (status, Some((error.to_owned(), cause)))
}

fn describe(invalidation: &Invalidation) -> String {
    let (created, status) = match invalidation {
        Invalidation::Failed(failed) => return failed.cause.clone(),
        Invalidation::InProgress(created) | Invalidation::TimedOut(created) => {
            (created, "still in progress")
        }
        Invalidation::Completed(created) => (created, "completed"),
    };
    let last_error = created
        .last_error
        .as_ref()
        .map(|error| format!(" (last status check: {error})"))
        .unwrap_or_default();
    format!(
        "invalidation {} of {} is {status} after {} s{last_error}",
        created.invalidation_id, created.target, created.elapsed_seconds
    )
}
