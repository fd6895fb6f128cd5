//! Errors as the state machine and the Step Functions console see them.

use std::error::Error;

use lambda_runtime::Diagnostic;

/// The longest error message, in characters. Step Functions cuts a task's cause at 32,768 characters, and a Catch could not
/// parse the rest; and fifty messages must fit into a state's 256 KiB.
pub const MAX_MESSAGE_CHARACTERS: usize = 2_000;

/// Turns a function's error into what Lambda reports: the name of the enum variant, which `Retry` and `Catch` in
/// `statemachine/invalidate.asl.json` match, and the message, which becomes the cause.
pub fn diagnostic<E>(error: &E) -> Diagnostic
where
    E: Error,
    for<'a> &'a E: Into<&'static str>,
{
    let name: &'static str = error.into();
    Diagnostic {
        error_type: name.to_owned(),
        error_message: shorten(&error.to_string(), MAX_MESSAGE_CHARACTERS),
    }
}

/// The text, cut after this many characters and ended with `…` if it is longer.
#[must_use]
pub fn shorten(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// The error and its sources. Not with `Debug`, which shows whole responses.
#[must_use]
pub fn causes(error: &(dyn Error + 'static)) -> String {
    std::iter::successors(Some(error), |&error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

#[cfg(test)]
mod tests {
    use super::shorten;

    #[test]
    fn only_a_longer_text_is_cut_and_never_inside_a_character() {
        for (text, shortened) in [("", ""), ("äöü", "äöü"), ("äöüß", "äöü…")] {
            assert_eq!(shorten(text, 3), shortened);
        }
    }
}
