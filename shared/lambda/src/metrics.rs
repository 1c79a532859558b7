//! Metrics in CloudWatch's embedded metric format: JSON lines in the log that CloudWatch turns into metrics. They need
//! no call and no permission and are never throttled. CloudWatch reads the lines unchanged, so they bypass `tracing`.

use std::io::Write as _;

use driftless_planner::resync::Resynced;
use jiff::Timestamp;
use serde_json::{Value, json};

/// The namespace of all metrics of Driftless.
const NAMESPACE: &str = "Driftless";

/// The metrics of a resync: the number of non-compliant instances of each fleet and in total, the age of the oldest
/// work, and a count of the resync itself, whose absence raises an alarm. Zeros are included, so that the series have
/// no gaps and an alarm can return to OK.
///
/// Only `NonCompliantInstances` has the fleet as a dimension, because CloudWatch bills each series.
pub fn of_resync(resynced: &Resynced, now: Timestamp) -> Vec<Value> {
    let mut lines: Vec<Value> = resynced
        .non_compliant
        .iter()
        .map(|(fleet, count)| {
            json!({
                "_aws": about(now, &json!([["Fleet"]]), "NonCompliantInstances", "Count"),
                "Fleet": fleet,
                "NonCompliantInstances": count,
            })
        })
        .collect();
    let total: usize = resynced.non_compliant.values().sum();
    lines.push(json!({
        "_aws": about(now, &json!([[]]), "NonCompliantInstances", "Count"),
        "NonCompliantInstances": total,
    }));
    lines.push(json!({
        "_aws": about(now, &json!([[]]), "OldestOpenWorkSeconds", "Seconds"),
        "OldestOpenWorkSeconds": resynced.oldest_open_work.as_secs(),
    }));
    lines.push(json!({"_aws": about(now, &json!([[]]), "Resyncs", "Count"), "Resyncs": 1}));
    lines.iter_mut().for_each(Value::sort_all_objects);
    lines
}

/// Writes metrics to the log.
pub fn publish(lines: &[Value]) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    for line in lines {
        writeln!(stdout, "{line}")?;
    }
    stdout.flush()
}

fn about(now: Timestamp, dimensions: &Value, metric: &str, unit: &str) -> Value {
    json!({
        "Timestamp": now.as_millisecond(),
        "CloudWatchMetrics": [{
            "Namespace": NAMESPACE,
            "Dimensions": dimensions,
            "Metrics": [{"Name": metric, "Unit": unit}],
        }],
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn a_resync_publishes_a_zero_for_a_fleet_without_drift() {
        let non_compliant = BTreeMap::from([("app".parse().unwrap(), 2), ("web".parse().unwrap(), 0)]);
        let lines = of_resync(&Resynced { non_compliant, ..Resynced::default() }, Timestamp::UNIX_EPOCH);
        let values: Vec<_> = lines.iter().map(|line| (&line["Fleet"], &line["NonCompliantInstances"])).collect();
        assert_eq!(values[0], (&json!("app"), &json!(2)));
        assert_eq!(values[1], (&json!("web"), &json!(0)));
        assert_eq!(values[2], (&Value::Null, &json!(2)));
        assert_eq!(lines[3]["OldestOpenWorkSeconds"], json!(0), "without work too");
        assert_eq!(lines[4]["Resyncs"], json!(1));
        assert_eq!(lines[0]["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["Fleet"]]));
    }

    #[test]
    fn the_age_of_the_oldest_work_is_published_in_seconds() {
        let resynced = Resynced { oldest_open_work: SignedDuration::from_hours(25), ..Resynced::default() };
        let lines = of_resync(&resynced, Timestamp::UNIX_EPOCH);
        let line = lines.iter().find(|line| !line["OldestOpenWorkSeconds"].is_null()).unwrap();
        assert_eq!(line["OldestOpenWorkSeconds"], json!(90_000));
        let metric = &line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0];
        assert_eq!(*metric, json!({"Name": "OldestOpenWorkSeconds", "Unit": "Seconds"}));
    }

    #[test]
    fn a_line_has_its_fields_in_order() {
        let lines = of_resync(&Resynced::default(), Timestamp::UNIX_EPOCH);
        let expected = concat!(
            r#"{"Resyncs":1,"_aws":{"CloudWatchMetrics":[{"Dimensions":[[]],"Metrics":[{"Name":"Resyncs","Unit":"Count"}],"#,
            r#""Namespace":"Driftless"}],"Timestamp":0}}"#,
        );
        assert_eq!(lines.last().unwrap().to_string(), expected);
    }
}
