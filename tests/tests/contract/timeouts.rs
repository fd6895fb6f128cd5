//! Timeouts: all of them have to fit into the hour that CodeDeploy waits.

use serde_json::Value;
use shared::aws::FUNCTION_TIMEOUT;

use crate::{definition, properties, states, template};

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

#[test]
fn every_way_to_a_report_fits_into_the_hour() {
    let (template, definition) = (template(), definition());
    let hook = properties("HookFunction");
    let hour = 3600;
    let machine = number(&definition["TimeoutSeconds"]);
    let longest_wait = number(&template["Parameters"]["MaxWaitSeconds"]["MaxValue"]);
    let late_start = number(&hook["EventInvokeConfig"]["MaximumEventAgeInSeconds"]);
    let function = number(&template["Globals"]["Function"]["Timeout"]);
    assert_eq!(function, FUNCTION_TIMEOUT.as_secs());
    let hook = number(&hook["Timeout"]);
    assert_eq!(hook, hook::HOOK_TIMEOUT.as_secs());
    // Time for the last attempt to create, and to report, before the state machine times out.
    let create = &states()["CreateInvalidation"].0;
    let retries = create["Retry"].as_array().unwrap();
    let pauses = retries
        .iter()
        .filter_map(|retry| retry["MaxDelaySeconds"].as_u64());
    assert!(longest_wait + pauses.max().unwrap() + 100 < machine);
    // Also if the URLs are verified at the deadline, and the function crashes the first time.
    let verify = number(&definition["States"]["VerifyEdge"]["TimeoutSeconds"]);
    assert!(longest_wait + 2 * verify + 60 < machine);
    // Time for the queue of pending reports, even after a late start.
    assert!(late_start + hook + machine + 60 < hour);
    for (name, (state, _)) in states() {
        if state["Type"] == "Task" {
            let task = number(&state["TimeoutSeconds"]);
            assert!(task > function, "{name} times out before its function");
        }
    }
}

#[test]
fn the_queues_repeat_for_most_of_the_hour_or_for_three_and_never_while_the_function_runs() {
    let function = number(&template()["Globals"]["Function"]["Timeout"]);
    for (name, minutes) in [("PendingReports", 40..=60), ("Rollbacks", 180..=180)] {
        let queue = properties(&format!("{name}Queue"));
        let pause = number(&queue["VisibilityTimeout"]);
        let times = number(&queue["RedrivePolicy"]["maxReceiveCount"]);
        assert!(pause > function);
        assert!(minutes.contains(&(pause * times / 60)), "{name}");
        // The functions read one record of an event.
        let mapping = properties(&format!("{name}Mapping"));
        assert_eq!(mapping["BatchSize"], 1);
    }
}
