//! The definition of the state machine.

use std::collections::BTreeSet;

use handlers::{FUNCTIONS, errors};

use crate::{of_the_definition, states, strings};

/// `report-status` describes an execution only for the queue of pending reports.
const NOT_IN_THE_STATE_MACHINE: &str = "ExecutionUnreadable";

#[test]
fn retry_and_catch_of_every_task_name_exactly_the_errors_of_its_function() {
    let mut states = states();
    states.retain(|_, (state, _)| state["Type"] == "Task");
    for (function, tasks) in FUNCTIONS {
        let mut errors: BTreeSet<_> = errors(function).iter().copied().collect();
        errors.remove(NOT_IN_THE_STATE_MACHINE);
        for task in tasks {
            let Some((state, catch)) = states.remove(*task) else {
                panic!("{task} of {function} is not a task");
            };
            for (what, rules) in [("Retry", &state["Retry"]), ("Catch", &catch)] {
                let rules = rules.as_array().unwrap().iter();
                let lists: Vec<_> = rules.map(|rule| strings(&rule["ErrorEquals"])).collect();
                let (last, ours) = lists.split_last().unwrap();
                assert_eq!(last, &["States.ALL"], "the last {what} of {task}");
                let named = ours.concat();
                let distinct: BTreeSet<_> = named.iter().copied().collect();
                assert_eq!(named.len(), distinct.len(), "{what} of {task}: {named:?}");
                assert_eq!(distinct, errors, "{what} of {task}, errors of {function}");
            }
        }
    }
    assert!(states.is_empty(), "tasks of no function: {states:?}");
}

/// The local AWS evaluates an expression only in an execution that enters its state.
#[tokio::test]
async fn every_expression_in_the_definition_is_jsonata() {
    of_the_definition("expressions.py").await;
}
