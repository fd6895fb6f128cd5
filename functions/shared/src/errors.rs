//! Errors as the state machine and the Step Functions console see them.

use lambda_runtime::Diagnostic;

/// The longest error message, in characters. Step Functions cuts a task's cause at 32,768 characters, and a Catch could not
/// parse what is left; and fifty messages must fit into a state's 256 KiB.
pub const MAX_MESSAGE_CHARACTERS: usize = 2_000;

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
    let message = shorten(&error.to_string(), MAX_MESSAGE_CHARACTERS);
    tracing::error!(error_name = name, "{message}");
    Diagnostic {
        error_type: name.to_owned(),
        error_message: message,
    }
}

/// The text, with `…` in place of what exceeds this many characters.
#[must_use]
pub fn shorten(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::shorten;

    #[test]
    fn only_what_is_too_long_is_cut_and_never_inside_a_character() {
        for (text, shortened) in [("", ""), ("äöü", "äöü"), ("äöüß", "äöü…")] {
            assert_eq!(shorten(text, 3), shortened);
        }
    }
}
