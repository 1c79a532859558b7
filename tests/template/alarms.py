"""What must hold in template.yaml of alarms and the topics that they notify: checks as in checks.py."""

from checks import arn, as_dict, as_list, of_type, properties, target_of


def alarms_are_heard(template):
    problems = []
    this_account = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    for name, topic in of_type(template, "AWS::SNS::Topic").items():
        if topic["Properties"].get("KmsMasterKeyId") != arn("AlertKey"):
            problems.append(f"{name} is not encrypted with our key")
    key = properties(template, "AlertKey")
    if key.get("EnableKeyRotation") is not True:
        problems.append("the key is never rotated")
    if not any(
        s["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
        and {"kms:Decrypt", "kms:GenerateDataKey*"} <= set(as_list(s["Action"]))
        and s.get("Condition") == this_account
        for s in key["KeyPolicy"]["Statement"]
    ):
        problems.append("the key does not let the alarms of this account in: they would be mute")
    statements = properties(template, "AlertTopicPolicy")["PolicyDocument"]["Statement"]
    if not any(
        s["Effect"] == "Allow" and s["Principal"] == {"Service": "cloudwatch.amazonaws.com"} and s.get("Condition") == this_account
        for s in statements
    ):
        problems.append("the topic does not let the alarms of this account in")
    over_tls = {
        target_of(topic)
        for policy in of_type(template, "AWS::SNS::TopicPolicy").values()
        for topic in policy["Properties"]["Topics"]
        for s in policy["Properties"]["PolicyDocument"]["Statement"]
        if s["Effect"] == "Deny" and s.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}} and s["Resource"] == topic
    }
    problems += [f"{name} takes messages without TLS" for name in of_type(template, "AWS::SNS::Topic") if name not in over_tls]
    for name, alarm in of_type(template, "AWS::CloudWatch::Alarm").items():
        if alarm["Properties"].get("AlarmActions") != [{"Ref": "AlertTopic"}]:
            problems.append(f"{name} tells nobody")
        if not alarm["Properties"].get("AlarmDescription"):
            problems.append(f"{name} does not say what to do")
    return problems


def alarms_carry_the_stacks_name(template):
    """Alarm names are unique in an account and region: a second stack could not be deployed beside one whose alarms have fixed names."""
    return [
        f"{name} has a name without the stack's"
        for name, alarm in of_type(template, "AWS::CloudWatch::Alarm").items()
        if not str(as_dict(alarm["Properties"].get("AlarmName")).get("Fn::Sub", "")).startswith("${AWS::StackName}-")
    ]


def silence_is_an_alarm(template):
    p = properties(template, "ResyncMissingAlarm")
    wanted = {"Namespace": "Driftless", "MetricName": "Resyncs", "TreatMissingData": "breaching", "ComparisonOperator": "LessThanThreshold"}
    problems = [f"ResyncMissingAlarm has {key} {p.get(key)}" for key, value in wanted.items() if p.get(key) != value]
    if p["Period"] < 60 * template["Parameters"]["ResyncMinutes"]["MaxValue"]:
        problems.append("ResyncMissingAlarm counts periods in which no resync is due")
    drift = properties(template, "ConfigDriftAlarm")
    wanted = {
        "AlarmName": {"Fn::Sub": "${AWS::StackName}-config-drift-detected"}, "Namespace": "Driftless", "MetricName": "NonCompliantInstances",
        "Statistic": "Maximum", "Threshold": 0, "TreatMissingData": "notBreaching",
    }
    problems += [f"ConfigDriftAlarm has {key} {drift.get(key)}" for key, value in wanted.items() if drift.get(key) != value]
    if "Dimensions" in drift:
        problems.append("ConfigDriftAlarm sees only one fleet")
    return problems
