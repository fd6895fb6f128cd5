//! Invalid documents: a function never panics, and rejects them only with errors that the state machine catches by name.

use std::sync::LazyLock;

use handlers::{FUNCTIONS, Handlers, documents, errors};
use proptest::prelude::*;
use serde_json::{Value, json};
use stand_in::StandIn;
use tokio::runtime::Runtime;

/// Errors that the state machine or the queue retries, which an invalid document must not be. (`ExecutionUnreadable` is not
/// one of them: an event without the execution's input is valid, and here there is no Step Functions that has it.)
const RETRYABLE: [&str; 4] = [
    "CloudFrontBusy",
    "CloudFrontUnavailable",
    "CodeDeployUnavailable",
    "Unavailable",
];
/// `StartExecution` accepts as much input, in bytes.
const HUGE: usize = 262_144;
/// `serde_json` parses at most 128 levels.
const DEEP: usize = 120;

static LOCAL: LazyLock<(Runtime, Handlers)> = LazyLock::new(|| {
    let runtime = Runtime::new().unwrap();
    let aws = runtime.block_on(StandIn::start()).unwrap();
    (runtime, Handlers::new(aws))
});

fn hostile_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        // Not allowed in execution names, caller references and ids.
        "[ ./:*{}<>&'\"\\\\#%\u{0}\u{7f}\u{202e}\u{1f4a5}\u{e4}\u{301}-]{0,100}",
        Just(" ".to_owned()),
        Just("9999999999999999999999-13-32T25:61:61Z".to_owned()),
        Just("x".repeat(HUGE)),
    ]
}

fn hostile_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        hostile_text().prop_map(Value::from),
        Just((0..DEEP).fold(json!("/*"), |inner, _| json!([inner]))),
        Just((0..DEEP).fold(json!({}), |inner, _| json!({ "hook": inner }))),
        Just(json!(vec!["/*"; 10_000])),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(hostile_text(), inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// A document in which some values were removed, added, wrapped or replaced. What is added is such a field, with its name.
fn changed(document: &Value, field: &BoxedStrategy<(String, Value)>) -> BoxedStrategy<Value> {
    let kept = |value: &Value| prop::option::weighted(0.9, changed(value, field));
    let added = prop::option::weighted(0.1, field.clone());
    let inside = match document {
        Value::Object(fields) => {
            let fields = fields.iter();
            let fields = fields.map(|(name, value)| (Just(name.clone()), kept(value)));
            (fields.collect::<Vec<_>>(), added)
                .prop_map(|(fields, added)| {
                    let fields = fields.into_iter();
                    let kept = fields.filter_map(|(name, value)| Some((name, value?)));
                    Value::Object(kept.chain(added).collect())
                })
                .boxed()
        }
        Value::Array(items) => (items.iter().map(kept).collect::<Vec<_>>(), added)
            .prop_map(|(items, added)| {
                let added = added.map(|(_, value)| value);
                items.into_iter().flatten().chain(added).collect()
            })
            .boxed(),
        // The body of a message in a queue is a document in a document.
        Value::String(text) if text.starts_with('{') => {
            let body = serde_json::from_str(text).unwrap();
            let body = changed(&body, field);
            body.prop_map(|body| body.to_string().into()).boxed()
        }
        other => Just(other.clone()).boxed(),
    };
    let wrapped = inside.clone().prop_map(|value| json!([value]));
    let replaced = field.clone().prop_map(|(_, value)| value);
    prop_oneof![10 => inside, 1 => wrapped, 1 => replaced].boxed()
}

fn changed_event() -> impl Strategy<Value = (String, Value)> {
    // Made once: its regular expressions take long to parse.
    let field = (hostile_text(), hostile_value()).boxed();
    prop::sample::select(documents("sam/events").unwrap()).prop_flat_map(
        move |(function, _, event)| {
            let changed = changed(&event, &field);
            let changed = changed.prop_filter("unchanged", move |changed| *changed != event);
            (Just(function), changed)
        },
    )
}

fn invoke(function: &str, event: Value) -> Result<(), TestCaseError> {
    let (runtime, handlers) = &*LOCAL;
    let Err(failure) = runtime.block_on(handlers.invoke(function, event)) else {
        return Ok(());
    };
    let (name, message) = (failure.error_type.as_str(), &failure.error_message);
    prop_assert!(errors(function).contains(&name), "{name}: {message}");
    prop_assert!(!RETRYABLE.contains(&name), "{name}: {message}");
    prop_assert!(!message.is_empty(), "{name}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_event_is_processed_or_rejected_with_a_known_error(
        (function, event) in changed_event(),
    ) {
        invoke(&function, event)?;
    }

    #[test]
    fn any_json_is_processed_or_rejected_with_a_known_error(
        function in prop::sample::select(FUNCTIONS.map(|(name, _)| name).to_vec()),
        event in hostile_value(),
    ) {
        invoke(function, event)?;
    }
}
