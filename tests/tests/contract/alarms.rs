//! When the alarms fire, minute by minute, computed from the metrics that AWS publishes:
//!
//! - SQS publishes each minute, `ApproximateNumberOfMessagesNotVisible` only if a message is in flight.
//!   A queue that nobody has used for six hours is inactive, and its metrics can lag by 15 minutes:
//!   <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html>,
//!   <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-monitoring-using-cloudwatch.html>
//! - Lambda publishes an error with the time at which the invocation began:
//!   <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html>
//! - In metric math, `FILL(metric, 0)` is 0 where the metric has no value:
//!   <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html>
//! - An alarm fires when `DatapointsToAlarm` (by default all) of the last `EvaluationPeriods` are breaching. With
//!   `notBreaching`, a missing one is not: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html>

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{properties, template};

/// CodeDeploy's hour and some more.
const MINUTES: usize = 90;
/// The metrics of an inactive queue are late by as many minutes.
const INACTIVE_QUEUE_LAG: usize = 15;

const PENDING: &str = "PendingReportsQueue";
const DEAD_LETTERS: &str = "ReportsDeadLetterQueue";
const VISIBLE: &str = "ApproximateNumberOfMessagesVisible";
const IN_FLIGHT: &str = "ApproximateNumberOfMessagesNotVisible";

/// The value of a metric of a resource in a minute, if the service publishes one.
type Published<'a> = &'a dyn Fn(&str, &str, usize) -> Option<f64>;

/// All resources of a type, by their names.
fn of_type(kind: &str) -> BTreeMap<String, Value> {
    let resources = template()["Resources"].take();
    let mut all: BTreeMap<String, Value> = serde_json::from_value(resources).unwrap();
    all.retain(|_, resource| resource["Type"] == kind);
    all
}

/// The minute in which an alarm fires, if each metric is published so many minutes late.
fn fires(alarm: &str, published: Published, lag: usize) -> Option<usize> {
    let alarm = &properties(alarm);
    // With `ignore`, the state stays as it is: that has no effect on when it fires first.
    assert!(["notBreaching", "ignore"].contains(&alarm["TreatMissingData"].as_str().unwrap()));
    assert_eq!(alarm["ComparisonOperator"], "GreaterThanThreshold");
    let threshold = alarm["Threshold"].as_f64().unwrap();
    let count = |field: &str| Some(usize::try_from(alarm[field].as_u64()?).unwrap());
    let periods = count("EvaluationPeriods").unwrap();
    let needed = count("DatapointsToAlarm").unwrap_or(periods);
    (0..MINUTES).find(|&now| {
        let window = (now + 1).saturating_sub(periods)..=now;
        let known: Published = &|metric, resource, minute| {
            published(metric, resource, minute).filter(|_| minute + lag <= now)
        };
        let values = window.filter_map(|minute| value(alarm, known, minute));
        values.filter(|value| *value > threshold).count() >= needed
    })
}

/// The value that an alarm evaluates in a minute: of its metric, or the sum of its metrics.
fn value(alarm: &Value, published: Published, minute: usize) -> Option<f64> {
    let of = |metric: &Value, period: &Value| {
        assert_eq!(*period, 60);
        // A !Ref, or a !GetAtt of an attribute.
        let resource = metric["Dimensions"][0]["Value"].as_object().unwrap();
        let resource = resource.values().next().unwrap().as_str().unwrap();
        let resource = resource.split('.').next().unwrap();
        published(metric["MetricName"].as_str().unwrap(), resource, minute)
    };
    let Some(queries) = alarm["Metrics"].as_array() else {
        return of(alarm, &alarm["Period"]);
    };
    let returned = queries.iter().filter(|query| query["ReturnData"] != false);
    let returned: Vec<_> = returned.collect();
    assert_eq!(returned.len(), 1, "{queries:?}");
    let terms = returned[0]["Expression"].as_str().unwrap().split(" + ");
    let values = terms.map(|term| {
        let id = term.strip_prefix("FILL(").unwrap();
        let id = id.strip_suffix(", 0)").unwrap();
        let query = queries.iter().find(|query| query["Id"] == id);
        let stat = &query.unwrap()["MetricStat"];
        of(&stat["Metric"], &stat["Period"]).unwrap_or(0.0)
    });
    Some(values.sum())
}

/// The queue of pending reports, with as many messages in flight.
fn pending_reports(
    in_flight: fn(usize) -> Option<f64>,
) -> impl Fn(&str, &str, usize) -> Option<f64> {
    move |metric, resource, minute| match (resource, metric) {
        (PENDING, VISIBLE) => Some(0.0),
        (PENDING, IN_FLIGHT) => in_flight(minute),
        _ => None,
    }
}

/// A report that never succeeds: received each minute, in flight in between, and moved to the dead-letter queue at last.
fn stuck_report() -> impl Fn(&str, &str, usize) -> Option<f64> {
    let queue = properties(PENDING);
    assert_eq!(queue["VisibilityTimeout"], 60);
    let receives = queue["RedrivePolicy"]["maxReceiveCount"].as_u64().unwrap();
    let receives = usize::try_from(receives).unwrap();
    move |metric, resource, minute| match (resource, metric) {
        (PENDING, VISIBLE) => Some(0.0),
        (PENDING, IN_FLIGHT) => (minute < receives).then_some(1.0),
        (DEAD_LETTERS, VISIBLE) => (minute >= receives + INACTIVE_QUEUE_LAG).then_some(1.0),
        _ => None,
    }
}

/// Also if the metrics come late: FILL makes zeros of what is not yet published.
#[test]
fn a_report_that_never_succeeds_sets_off_an_alarm_in_time_to_report_manually() {
    for lag in 0..=4 {
        let minute = fires("PendingReportsAlarm", &stuck_report(), lag);
        assert!(minute.is_some_and(|m| m <= 10), "{lag}: {minute:?}");
    }
}

#[test]
fn a_minute_without_data_does_not_silence_the_alarm_for_pending_reports() {
    let with_gaps = pending_reports(|minute| (minute % 5 != 2).then_some(1.0));
    // Nobody receives the message.
    let visible =
        |metric: &str, queue: &str, _| ((queue, metric) == (PENDING, VISIBLE)).then_some(1.0);
    for published in [&with_gaps as Published, &visible] {
        let minute = fires("PendingReportsAlarm", published, 0);
        assert!(minute.is_some_and(|minute| minute <= 10), "{minute:?}");
    }
}

#[test]
fn the_dead_letter_alarm_fires_after_the_hour_and_its_description_says_so() {
    assert_eq!(
        fires("ReportsDeadLetterAlarm", &stuck_report(), 0),
        Some(70)
    );
    let description = properties("ReportsDeadLetterAlarm")["AlarmDescription"].to_string();
    assert!(description.contains("usually fires after CodeDeploy's one-hour limit"));
}

#[test]
fn reports_that_succeed_at_once_set_off_no_alarm() {
    let metrics = pending_reports(|minute| Some(f64::from(u8::from(minute % 3 == 0))));
    assert_eq!(fires("PendingReportsAlarm", &metrics, 0), None);
    assert_eq!(fires("ReportsDeadLetterAlarm", &metrics, 0), None);
}

#[test]
fn an_execution_that_does_not_succeed_sets_off_an_alarm_at_once_however_it_ended() {
    for ended in ["Failed", "TimedOut", "Aborted"] {
        let counted = (&*format!("Executions{ended}"), "InvalidateStateMachine", 7);
        // Step Functions publishes a metric only when it has something to count.
        let once = |metric: &str, machine: &str, minute: usize| {
            ((metric, machine, minute) == counted).then_some(1.0)
        };
        let alarm = format!("Executions{ended}Alarm");
        assert_eq!(fires(&alarm, &once, 0), Some(7), "{alarm}");
        assert_eq!(fires(&alarm, &|_, _, _| None, 0), None, "{alarm}");
    }
}

#[test]
fn a_hook_function_that_fails_sets_off_an_alarm_also_if_its_metric_comes_late() {
    let errors = |metric: &str, function: &str, minute: usize| {
        let count = f64::from(u8::from(minute == 7));
        ((metric, function) == ("Errors", "HookFunction")).then_some(count)
    };
    for lag in 0..=4 {
        assert_eq!(fires("HookErrorsAlarm", &errors, lag), Some(7 + lag));
    }
}

#[test]
fn a_hook_without_an_execution_sets_off_an_alarm_at_once_whichever_function_reports() {
    let alarm = properties("ExecutionNotStartedAlarm");
    let mut groups = Vec::new();
    for (name, mut filter) in of_type("AWS::Logs::MetricFilter") {
        let filter = &mut filter["Properties"];
        // The end-to-end tests find this field, and false, in the functions' logs. template.rs checks the other pattern.
        if name != "RollbackNotStartedFilter" {
            assert_eq!(filter["FilterPattern"], "{ $.execution_started IS FALSE }");
        }
        let transformations = filter["MetricTransformations"].as_array().unwrap();
        assert_eq!(transformations.len(), 1);
        assert_eq!(transformations[0]["MetricNamespace"], alarm["Namespace"]);
        assert_eq!(transformations[0]["MetricName"], alarm["MetricName"]);
        groups.push(filter["LogGroupName"].take());
    }
    let expected = "EcsHookLogGroup HookLogGroup ReportStatusLogGroup RollbackLogGroup";
    let expected = expected.split(' ').map(|name| json!({ "!Ref": name }));
    assert!(groups.iter().cloned().eq(expected), "{groups:?}");
    assert_eq!(alarm["EvaluationPeriods"], 1);
    assert_eq!(alarm["Threshold"], 0);
}

#[test]
fn every_alarm_notifies_the_topic() {
    let alarms = of_type("AWS::CloudWatch::Alarm");
    for (name, alarm) in &alarms {
        let actions = alarm["Properties"]["AlarmActions"].to_string();
        assert!(actions.contains("AlarmTopicArn"), "{name}: {actions}");
    }
    let names = "ExecutionNotStarted ExecutionsAborted ExecutionsFailed ExecutionsTimedOut HookErrors \
        PendingReports ReportsDeadLetter RollbacksDeadLetter";
    let names = names.split(' ').map(|name| format!("{name}Alarm"));
    assert!(names.eq(alarms.into_keys()));
}
