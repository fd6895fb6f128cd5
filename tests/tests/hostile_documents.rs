//! Invalid documents: a function never panics, and rejects them only with errors that the state machine catches by name.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod handlers;

use std::sync::LazyLock;

use handlers::{FUNCTIONS, Handlers, documents, errors};
use proptest::{prelude::*, sample::Index};
use regex::Regex;
use serde_json::{Value, json};
use shared::hook::HookEvent;
use tokio::runtime::Runtime;

/// Errors that the state machine or the queue retries, which an invalid document must not be. (`ExecutionUnreadable` is not
/// one of them: an event without the execution's input is valid, and here there is no Step Functions that has it.)
const RETRYABLE: [&str; 3] = [
    "CloudFrontBusy",
    "CloudFrontUnavailable",
    "CodeDeployUnavailable",
];
/// `StartExecution` accepts as much input, in bytes.
const HUGE: usize = 262_144;
/// `serde_json` parses at most 128 levels.
const DEEP: usize = 120;

static LOCAL: LazyLock<(Runtime, Handlers)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let handlers = runtime.block_on(Handlers::start());
    (runtime, handlers)
});

/// The invalid documents are made from these.
static EVENTS: LazyLock<Vec<(String, String, Value)>> = LazyLock::new(|| documents("sam/events"));

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

/// A change at one place of a document.
#[derive(Debug, Clone)]
enum Change {
    Remove(Index),
    Replace(Value),
    Add(String, Value),
    Wrap,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        any::<Index>().prop_map(Change::Remove),
        Just(Change::Wrap),
        hostile_value().prop_map(Change::Replace),
        (hostile_text(), hostile_value()).prop_map(|(name, value)| Change::Add(name, value)),
    ]
}

/// A place in a document: each step leads to one of the values in an object or array.
fn place<'a>(document: &'a mut Value, steps: &[Index]) -> &'a mut Value {
    steps.iter().fold(document, |value, step| match value {
        Value::Object(fields) if !fields.is_empty() => {
            let name = step
                .get(&fields.keys().cloned().collect::<Vec<_>>())
                .clone();
            &mut fields[&name]
        }
        Value::Array(items) if !items.is_empty() => step.get_mut(items),
        other => other,
    })
}

fn apply(change: Change, target: &mut Value) {
    match (change, target) {
        (Change::Replace(value), target) => *target = value,
        (Change::Wrap, target) => *target = json!([target.take()]),
        (Change::Add(name, value), Value::Object(fields)) => drop(fields.insert(name, value)),
        (Change::Add(_, value), Value::Array(items)) => items.push(value),
        (Change::Add(name, value), target) => *target = json!({ name: value }),
        (Change::Remove(which), Value::Object(fields)) if !fields.is_empty() => {
            let name = which
                .get(&fields.keys().cloned().collect::<Vec<_>>())
                .clone();
            fields.remove(&name);
        }
        (Change::Remove(which), Value::Array(items)) if !items.is_empty() => {
            items.remove(which.index(items.len()));
        }
        (Change::Remove(_), target) => *target = Value::Null,
    }
}

fn invoke(function: &str, event: Value) -> Result<(), TestCaseError> {
    let (runtime, handlers) = &*LOCAL;
    let Err(failure) = runtime.block_on(handlers.invoke(function, event)) else {
        return Ok(());
    };
    let (_, _, errors) = FUNCTIONS
        .iter()
        .find(|(name, ..)| *name == function)
        .unwrap();
    let (name, message) = (failure.error_type.as_str(), &failure.error_message);
    prop_assert!(
        errors.contains(&name) && !RETRYABLE.contains(&name),
        "{name}: {message}"
    );
    prop_assert!(!message.is_empty(), "{name}");
    Ok(())
}

fn execution_name(deployment_id: &str, hook_id: &str) -> Option<String> {
    let event = json!({ "DeploymentId": deployment_id, "LifecycleEventHookExecutionId": hook_id });
    let event: HookEvent = serde_json::from_value(event).ok()?;
    Some(shared::execution::name(&event.into()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_event_is_processed_or_rejected_with_a_known_error(
        event in prop::sample::select(&**EVENTS),
        changes in prop::collection::vec((prop::collection::vec(any::<Index>(), 0..6), change()), 1..4),
        in_body in any::<bool>(),
    ) {
        let (function, _, mut event) = event;
        // The body of a message in a queue is a document in a document.
        let body = event["Records"][0]["body"].as_str().filter(|_| in_body);
        let mut body = body.and_then(|body| serde_json::from_str(body).ok());
        for (steps, change) in changes {
            apply(change, place(body.as_mut().unwrap_or(&mut event), &steps));
        }
        if let Some(body) = body {
            event["Records"][0]["body"] = body.to_string().into();
        }
        invoke(&function, event)?;
    }

    #[test]
    fn any_json_is_processed_or_rejected_with_a_known_error(
        function in prop::sample::select(FUNCTIONS.map(|(name, _)| name).to_vec()),
        event in hostile_value(),
    ) {
        invoke(function, event)?;
    }

    /// Two hooks share no caller reference either: it is the execution's name, the index in the Map and the start in
    /// milliseconds, with hyphens between them.
    #[test]
    fn every_hook_has_one_execution_name_and_shares_it_with_no_other(
        deployment_id in hostile_text(),
        hook_id in hostile_text(),
        other_deployment_id in hostile_text(),
        other_hook_id in hostile_text(),
        cut in any::<Index>(),
    ) {
        let allowed = Regex::new("^[A-Za-z0-9_-]{1,80}$").unwrap();
        let Some(ours) = execution_name(&deployment_id, &hook_id) else {
            return Ok(());
        };
        prop_assert!(allowed.is_match(&ours), "{ours}");
        let again = execution_name(&deployment_id, &hook_id);
        prop_assert_eq!(Some(&ours), again.as_ref());
        // The same letters, divided elsewhere into the two ids, are another hook.
        let letters: Vec<_> = deployment_id.chars().chain(hook_id.chars()).collect();
        let (front, back) = letters.split_at(cut.index(letters.len()));
        let (front, back): (String, String) = (front.iter().collect(), back.iter().collect());
        for (deployment, hook) in [
            (&front, &back),
            (&other_deployment_id, &hook_id),
            (&deployment_id, &other_hook_id),
            (&other_deployment_id, &other_hook_id),
            (&hook_id, &deployment_id),
        ] {
            if (deployment, hook) != (&deployment_id, &hook_id) {
                let theirs = execution_name(deployment, hook);
                prop_assert_ne!(Some(&ours), theirs.as_ref());
            }
        }
    }
}
