//! The documents that functions and states exchange.

use std::{collections::BTreeSet, fs};

use handlers::{FUNCTIONS, Handlers, documents};
use stand_in::StandIn;
use tests::command::repository;

#[tokio::test]
async fn every_event_is_one_that_its_function_accepts() {
    let handlers = Handlers::new(StandIn::start().await.unwrap());
    for (function, name, event) in documents("sam/events").unwrap() {
        let error = handlers.invoke(&function, event).await.err();
        assert!(error.is_none(), "{name}: {error:?}");
    }
}

/// An execution that runs while the stack is updated calls the new functions with what the old definition sends, and uses
/// the fields that the old definition uses.
#[tokio::test]
async fn the_functions_still_work_with_the_definition_of_an_earlier_release() {
    let handlers = Handlers::new(StandIn::start().await.unwrap());
    let mut tried = BTreeSet::new();
    for release in fs::read_dir(repository().join("tests/recorded")).unwrap() {
        let release = release.unwrap().path();
        if !release.is_dir() {
            continue;
        }
        let documents = documents(release.to_str().unwrap()).unwrap().into_iter();
        let (inputs, used): (Vec<_>, Vec<_>) =
            documents.partition(|(_, name, _)| name != "read-by-the-definition.json");
        for (function, name, mut input) in inputs {
            // The deadline that was recorded has passed.
            if let Some(deadline) = input.get_mut("deadline") {
                *deadline = "2099-12-31T23:59:59.000Z".into();
            }
            let output = handlers.invoke(&function, input).await;
            let output = output.unwrap_or_else(|error| panic!("{name}: {error:?}"));
            for field in used[0].2[&function].as_array().unwrap() {
                let found = output.get(field.as_str().unwrap());
                assert!(found.is_some(), "{name}: no {field} in {output}");
            }
            tried.insert(function);
        }
    }
    // What invokes these is not of an earlier release.
    tried.extend(["hook", "ecs-hook"].map(str::to_owned));
    let functions = FUNCTIONS.iter().map(|(function, _)| (*function).to_owned());
    assert_eq!(tried, functions.collect());
}
