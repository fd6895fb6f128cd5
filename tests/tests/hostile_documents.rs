//! Documents that nobody should send: never a panic, and always a run or an error that the state machine knows by name.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod handlers;

use std::{fs, sync::LazyLock};

use handlers::{FUNCTIONS, Handlers};
use proptest::{prelude::*, sample::Index};
use regex::Regex;
use serde_json::{Map, Value, json};
use shared::hook::{Hook, HookEvent};
use tests::local_aws::repository;
use tokio::runtime::Runtime;

/// What the state machine or the queue repeats, because it passes. A mistake does not. (`ExecutionUnreadable` is none of them:
/// an event that came without its execution's input is no mistake, and here nobody has the execution.)
const PASSING: [&str; 3] = [
    "CloudFrontBusy",
    "CloudFrontUnavailable",
    "CodeDeployUnavailable",
];
/// As many as `StartExecution` takes in an execution's input, in bytes.
const HUGE: usize = 262_144;
/// `serde_json` reads no deeper text than 128; a document that came through can be so deep.
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

/// The events of `sam/events`, each with its function: what the hostile ones are made from.
fn good_events() -> Vec<(String, Value)> {
    let mut events: Vec<_> = fs::read_dir(repository().join("sam/events"))
        .unwrap()
        .map(|entry| {
            let file = entry.unwrap().path();
            let name = file.file_name().unwrap().to_str().unwrap();
            let function = name.split('.').next().unwrap().to_owned();
            let event = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
            (function, event)
        })
        .collect();
    events.sort_by(|(one, _), (other, _)| one.cmp(other));
    events
}

/// A text that an id, a path or a time is not.
fn hostile_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        // What execution names, caller references and ids cannot hold.
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

/// What is done to a document, at a place in it.
#[derive(Debug, Clone)]
enum Tampering {
    Remove,
    Replace(Value),
    Add(String, Value),
    Wrap,
}

fn tampering() -> impl Strategy<Value = Tampering> {
    prop_oneof![
        Just(Tampering::Remove),
        Just(Tampering::Wrap),
        hostile_value().prop_map(Tampering::Replace),
        (hostile_text(), hostile_value()).prop_map(|(name, value)| Tampering::Add(name, value)),
    ]
}

/// Everything in a document, and the document itself, by JSON pointer.
fn places(document: &Value, here: &str, found: &mut Vec<String>) {
    found.push(here.to_owned());
    match document {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                places(value, &format!("{here}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (number, value) in items.iter().enumerate() {
                places(value, &format!("{here}/{number}"), found);
            }
        }
        _ => {}
    }
}

fn tamper(document: &mut Value, place: Index, tampering: Tampering) {
    let mut all = Vec::new();
    places(document, "", &mut all);
    let pointer = place.get(&all);
    let target = document.pointer_mut(pointer).unwrap();
    match tampering {
        Tampering::Replace(value) => *target = value,
        Tampering::Wrap => *target = json!([target.take()]),
        Tampering::Add(name, value) => match target {
            Value::Object(fields) => drop(fields.insert(name, value)),
            Value::Array(items) => items.push(value),
            other => *other = Value::Object(Map::from_iter([(name, value)])),
        },
        Tampering::Remove => {
            let Some((parent, last)) = pointer.rsplit_once('/') else {
                *document = Value::Null;
                return;
            };
            match document.pointer_mut(parent).unwrap() {
                Value::Array(items) => drop(items.remove(last.parse().unwrap())),
                fields => {
                    let name = last.replace("~1", "/").replace("~0", "~");
                    fields.as_object_mut().unwrap().remove(&name);
                }
            }
        }
    }
}

/// The body of a queue's message is a document inside of a document: it is tampered with like any other.
fn open_message(event: &Value) -> Option<Value> {
    serde_json::from_str(event["Records"][0]["body"].as_str()?).ok()
}

fn invoke(function: &str, event: Value) -> Result<(), TestCaseError> {
    let (runtime, handlers) = &*LOCAL;
    let Err(failure) = runtime.block_on(handlers.invoke(function, event)) else {
        return Ok(());
    };
    let known = FUNCTIONS.iter().find(|(name, ..)| *name == function);
    let (_, _, errors) = known.unwrap();
    let name = failure.error_type.as_str();
    prop_assert!(
        errors.contains(&name) && !PASSING.contains(&name),
        "{}: {}",
        failure.error_type,
        failure.error_message
    );
    prop_assert!(!failure.error_message.is_empty());
    Ok(())
}

fn hook(deployment_id: &str, hook_id: &str) -> Option<Hook> {
    let event = json!({ "DeploymentId": deployment_id, "LifecycleEventHookExecutionId": hook_id });
    let event: Result<HookEvent, _> = serde_json::from_value(event);
    event.ok().map(Into::into)
}

fn name(deployment_id: &str, hook_id: &str) -> Option<String> {
    hook(deployment_id, hook_id).map(|hook| shared::execution::name(&hook))
}

proptest! {
    // Each is a call or two over loopback.
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_function_runs_or_fails_by_a_known_name_whatever_it_is_sent(
        event in any::<Index>(),
        tamperings in prop::collection::vec((any::<Index>(), tampering()), 1..4),
        inside in any::<bool>(),
    ) {
        let (function, mut event) = event.get(&good_events()).clone();
        let body = open_message(&event).filter(|_| inside);
        match body {
            Some(mut body) => {
                for (place, tampering) in tamperings {
                    tamper(&mut body, place, tampering);
                }
                event["Records"][0]["body"] = json!(body.to_string());
            }
            None => {
                for (place, tampering) in tamperings {
                    tamper(&mut event, place, tampering);
                }
            }
        }
        invoke(&function, event)?;
    }

    #[test]
    fn no_document_at_all_is_no_different(
        function in prop::sample::select(FUNCTIONS.iter().map(|(name, ..)| *name).collect::<Vec<_>>()),
        event in hostile_value(),
    ) {
        invoke(function, event)?;
    }

    /// And so they share no caller reference either: it begins with the execution's name, and the rest, the place in the
    /// Map and the start's milliseconds, has a fixed number of hyphens.
    #[test]
    fn two_hooks_never_share_an_execution_name_and_one_always_has_the_same(
        deployment_id in hostile_text(),
        hook_id in hostile_text(),
        other_deployment_id in hostile_text(),
        other_hook_id in hostile_text(),
        cut in any::<Index>(),
    ) {
        let allowed = Regex::new("^[A-Za-z0-9_-]{1,80}$").unwrap();
        let Some(ours) = name(&deployment_id, &hook_id) else {
            return Ok(());
        };
        prop_assert!(allowed.is_match(&ours), "{ours}");
        let again = name(&deployment_id, &hook_id);
        prop_assert_eq!(Some(&ours), again.as_ref());
        // The same letters, with the border between the two ids elsewhere, are another hook.
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
                let theirs = name(deployment, hook);
                prop_assert_ne!(Some(&ours), theirs.as_ref());
            }
        }
    }
}
