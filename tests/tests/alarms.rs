//! The alarms' states, minute by minute, computed from the metrics that AWS documents, for what they are there to tell.
//!
//! - SQS publishes each minute, `ApproximateNumberOfMessagesNotVisible` only if a message is in flight; `ApproximateAgeOfOldestMessage` leaves out a message that was received three times or more
//!   and not deleted, also with a redrive policy. A queue that nobody has used for six hours is inactive, and its metrics can
//!   lag by 15 minutes: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html>,
//!   <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-monitoring-using-cloudwatch.html>
//! - In metric math, a metric that is missing counts as 0 in a sum (an older page); or else the sum is missing, too. Both are
//!   tried: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html>
//! - An alarm fires when `DatapointsToAlarm` of the last `EvaluationPeriods` breach, all where it is not set; with
//!   `notBreaching` a missing one does not:
//!   <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html>

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, fs};

use serde_yaml_ng::Value as Yaml;
use tests::local_aws::repository;

/// For so many minutes the alarms are computed; CodeDeploy's hour is over before.
const MINUTES: usize = 90;
/// Until the metrics of a queue that nobody reads show what is in it, in minutes.
const INACTIVE_QUEUE_LAG: usize = 15;

/// A value for each minute; none where the service publishes none.
type Series = Vec<Option<f64>>;
/// By the metric's name and its dimension's value.
type Metrics = BTreeMap<(&'static str, &'static str), Series>;

fn series(value: impl Fn(usize) -> Option<f64>) -> Series {
    (0..MINUTES).map(value).collect()
}

fn template() -> Yaml {
    let text = fs::read_to_string(repository().join("sam/template.yaml")).unwrap();
    serde_yaml_ng::from_str(&text).unwrap()
}

/// A report that never succeeds: received each minute, in flight in between, and given up after the last time.
fn stuck_report() -> Metrics {
    let queue = &template()["Resources"]["PendingReportsQueue"]["Properties"];
    let receives = queue["RedrivePolicy"]["maxReceiveCount"].as_u64().unwrap();
    let receives = usize::try_from(receives).unwrap();
    assert_eq!(queue["VisibilityTimeout"].as_u64(), Some(60));
    let (queue, dead_letters) = ("PendingReportsQueue", "ReportsDeadLetterQueue");
    let visible = "ApproximateNumberOfMessagesVisible";
    let in_flight = "ApproximateNumberOfMessagesNotVisible";
    let age = "ApproximateAgeOfOldestMessage";
    Metrics::from([
        ((visible, queue), series(|_| Some(0.0))),
        (
            (in_flight, queue),
            series(|minute| (minute < receives).then_some(1.0)),
        ),
        (
            (age, queue),
            series(|minute| Some([0.0, 60.0, 120.0].get(minute).copied().unwrap_or_default())),
        ),
        (
            (visible, dead_letters),
            series(|minute| (minute >= receives + INACTIVE_QUEUE_LAG).then_some(1.0)),
        ),
    ])
}

/// The minute in which an alarm fires; the same whether or not a metric that is missing counts as 0 in a sum.
fn fires(alarm: &str, metrics: &Metrics) -> Option<usize> {
    let [one, other] = [false, true].map(|missing_is_0| fires_if(alarm, metrics, missing_is_0));
    assert_eq!(one, other, "{alarm}");
    one
}

fn fires_if(alarm: &str, metrics: &Metrics, missing_is_0: bool) -> Option<usize> {
    let alarm = &template()["Resources"][alarm]["Properties"];
    assert_eq!(alarm["TreatMissingData"].as_str(), Some("notBreaching"));
    assert_eq!(
        alarm["ComparisonOperator"].as_str(),
        Some("GreaterThanThreshold")
    );
    let threshold = alarm["Threshold"].as_f64().unwrap();
    let count = |field: &str| Some(usize::try_from(alarm.get(field)?.as_u64()?).unwrap());
    let periods = count("EvaluationPeriods").unwrap();
    let needed = count("DatapointsToAlarm").unwrap_or(periods);
    let values = match alarm["Metrics"].as_sequence() {
        None => of(alarm, metrics),
        Some(queries) => {
            let shown = |query: &&Yaml| query["ReturnData"].as_bool() != Some(false);
            let shown: Vec<_> = queries.iter().filter(shown).collect();
            assert_eq!(shown.len(), 1);
            let expression = shown[0]["Expression"].as_str().unwrap();
            sum(expression, queries, metrics, missing_is_0)
        }
    };
    (0..MINUTES).find(|&minute| {
        let window = &values[(minute + 1).saturating_sub(periods)..=minute];
        let breaching = window.iter().flatten().filter(|value| **value > threshold);
        breaching.count() >= needed
    })
}

/// The series of a metric: of a query's `MetricStat`, or of an alarm.
fn of(properties: &Yaml, metrics: &Metrics) -> Series {
    let metric = match &properties["MetricStat"] {
        Yaml::Null => properties,
        stat => &stat["Metric"],
    };
    let period = properties
        .get("Period")
        .or(properties["MetricStat"].get("Period"));
    assert_eq!(period.and_then(Yaml::as_u64), Some(60));
    let name = metric["MetricName"].as_str().unwrap();
    let dimension = serde_yaml_ng::to_string(&metric["Dimensions"]).unwrap();
    let found = metrics
        .iter()
        .find(|((of, resource), _)| *of == name && dimension.contains(resource));
    found.map_or_else(|| series(|_| None), |(_, series)| series.clone())
}

fn sum(expression: &str, queries: &[Yaml], metrics: &Metrics, missing_is_0: bool) -> Series {
    let terms: Vec<Series> = expression
        .split('+')
        .map(|id| {
            let named = |query: &&Yaml| query["Id"].as_str() == Some(id.trim());
            of(queries.iter().find(named).unwrap(), metrics)
        })
        .collect();
    series(|minute| {
        let all_missing = terms.iter().all(|term| term[minute].is_none());
        let values = terms.iter().map(|term| match term[minute] {
            None if missing_is_0 && !all_missing => Some(0.0),
            value => value,
        });
        values.sum()
    })
}

#[test]
fn a_report_that_never_succeeds_is_told_in_time_to_do_it_manually() {
    let minute = fires("PendingReportsAlarm", &stuck_report());
    assert!(minute.is_some_and(|minute| minute <= 10), "{minute:?}");
}

#[test]
fn a_minute_without_data_does_not_silence_the_alarm_for_pending_reports() {
    let queue = "PendingReportsQueue";
    let with_gaps = series(|minute| (minute % 5 != 2).then_some(1.0));
    let metrics = Metrics::from([
        (
            ("ApproximateNumberOfMessagesVisible", queue),
            series(|_| Some(0.0)),
        ),
        (("ApproximateNumberOfMessagesNotVisible", queue), with_gaps),
    ]);
    let minute = fires("PendingReportsAlarm", &metrics);
    assert!(minute.is_some_and(|minute| minute <= 10), "{minute:?}");
}

#[test]
fn the_dead_letter_alarm_comes_at_last_and_says_that_it_may_be_late() {
    let minute = fires("ReportsDeadLetterAlarm", &stuck_report());
    assert_eq!(minute, Some(70));
    let template = template();
    let description = &template["Resources"]["ReportsDeadLetterAlarm"]["Properties"];
    let description = description["AlarmDescription"].as_str().unwrap();
    assert!(
        description.contains("after CodeDeploy's hour"),
        "{description}"
    );
}

#[test]
fn reports_that_succeed_at_once_are_no_alarm() {
    let queue = "PendingReportsQueue";
    let now_and_then = series(|minute| Some(f64::from(u8::from(minute % 3 == 0))));
    let metrics = Metrics::from([
        (
            ("ApproximateNumberOfMessagesVisible", queue),
            series(|_| Some(0.0)),
        ),
        (
            ("ApproximateNumberOfMessagesNotVisible", queue),
            now_and_then,
        ),
    ]);
    assert_eq!(fires("PendingReportsAlarm", &metrics), None);
    assert_eq!(fires("ReportsDeadLetterAlarm", &metrics), None);
}

#[test]
fn an_execution_that_does_not_succeed_is_told_at_once_in_whatever_way_it_ended() {
    // Step Functions publishes a metric where it has something to count.
    let once = || series(|minute| (minute == 7).then_some(1.0));
    for metric in [
        "ExecutionsFailed",
        "ExecutionsTimedOut",
        "ExecutionsAborted",
    ] {
        let metrics = Metrics::from([((metric, "InvalidateStateMachine"), once())]);
        let alarm = format!("{metric}Alarm");
        assert_eq!(fires(&alarm, &metrics), Some(7), "{metric}");
        assert_eq!(fires(&alarm, &Metrics::new()), None);
    }
}

#[test]
fn a_hook_without_an_execution_is_told_at_once_whoever_reports_for_it() {
    let template = template();
    let resources = template["Resources"].as_mapping().unwrap();
    let alarm = &template["Resources"]["ExecutionNotStartedAlarm"]["Properties"];
    let filters: Vec<_> = resources
        .values()
        .filter(|resource| resource["Type"].as_str() == Some("AWS::Logs::MetricFilter"))
        .map(|resource| &resource["Properties"])
        .collect();
    let mut groups = Vec::new();
    for filter in filters {
        let [transformation] = &filter["MetricTransformations"].as_sequence().unwrap()[..] else {
            panic!("{filter:?}");
        };
        assert_eq!(transformation["MetricNamespace"], alarm["Namespace"]);
        assert_eq!(transformation["MetricName"], alarm["MetricName"]);
        // The end-to-end tests find this field, and false, in the functions' logs.
        let pattern = filter["FilterPattern"].as_str();
        assert_eq!(pattern, Some("{ $.execution_started IS FALSE }"));
        groups.push(serde_yaml_ng::to_string(&filter["LogGroupName"]).unwrap());
    }
    groups.sort();
    assert_eq!(
        groups,
        ["!Ref HookLogGroup\n", "!Ref ReportStatusLogGroup\n"]
    );
    assert_eq!(alarm["EvaluationPeriods"].as_u64(), Some(1));
    assert_eq!(alarm["Threshold"].as_f64(), Some(0.0));
}

#[test]
fn every_alarm_goes_to_the_topic() {
    let template = template();
    let resources = template["Resources"].as_mapping().unwrap();
    let alarms = resources
        .iter()
        .filter(|(_, resource)| resource["Type"].as_str() == Some("AWS::CloudWatch::Alarm"));
    let mut names = Vec::new();
    for (name, alarm) in alarms {
        let actions = serde_yaml_ng::to_string(&alarm["Properties"]["AlarmActions"]).unwrap();
        assert!(actions.contains("AlarmTopicArn"), "{name:?}: {actions}");
        names.push(name.as_str().unwrap());
    }
    assert_eq!(
        names,
        [
            "ExecutionsFailedAlarm",
            "ExecutionsTimedOutAlarm",
            "ExecutionsAbortedAlarm",
            "ExecutionNotStartedAlarm",
            "PendingReportsAlarm",
            "ReportsDeadLetterAlarm",
        ]
    );
}
