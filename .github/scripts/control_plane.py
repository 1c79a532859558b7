"""Updates the control plane in two steps, with an approval between them: `create` writes a change set and shows it, `execute`
carries it out while CloudFormation watches the stack's own alarms, and takes it back when one of them goes into ALARM.

An operator makes the first deployment: `sam deploy --guided`. Its parameters are kept from then on.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

# Longer than the 15 minutes after which resync-missing goes into ALARM: then a deployment that broke the resync is taken back.
WATCHED_MINUTES = 20
# What the control plane watches itself by. None of them speaks of fleets: their drift is no reason to take a deployment back.
CANARY_ALARMS = ("resync-missing", "reconcile-errors")
# What CloudFormation says of a change set without changes: the second of a template with a transform, as SAM's.
NO_CHANGES = ("didn't contain changes", "No updates are to be performed")


def aws(*arguments):
    """What the AWS CLI answers to a call. It ends the program where the call fails: the CLI has said why."""
    result = subprocess.run(["aws", *arguments, "--output", "json"], stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"aws {' '.join(arguments[:2])} failed")
    return json.loads(result.stdout) if result.stdout.strip() else {}


def stack_of(name):
    return aws("cloudformation", "describe-stacks", "--stack-name", name)["Stacks"][0]


def kept_parameters(stack, summary):
    """The stack's own values, for each parameter that the template still has. A new parameter begins with its default."""
    wanted = {parameter["ParameterKey"] for parameter in summary["Parameters"]}
    known = sorted(parameter["ParameterKey"] for parameter in stack.get("Parameters", []))
    return [{"ParameterKey": key, "UsePreviousValue": True} for key in known if key in wanted]


def rollback_triggers(stack):
    """The alarms that take the deployment back, by their ARNs: the stack's own, but for the name."""
    partition, region, account = (stack["StackId"].split(":")[part] for part in (1, 3, 4))
    prefix = f"arn:{partition}:cloudwatch:{region}:{account}:alarm:{stack['StackName']}-control-"
    triggers = [{"Arn": prefix + alarm, "Type": "AWS::CloudWatch::Alarm"} for alarm in CANARY_ALARMS]
    return {"RollbackTriggers": triggers, "MonitoringTimeInMinutes": WATCHED_MINUTES}


def upload(template, bucket, stack, name):
    """Puts the functions and the template where CloudFormation finds them, and answers with the template's address."""
    packaged = Path(template).with_name("packaged.yaml")
    subprocess.run(
        ["sam", "package", "--template-file", template, "--s3-bucket", bucket, "--s3-prefix", stack, "--output-template-file", packaged],
        check=True,
    )
    key = f"{stack}/templates/{name}.yaml"
    aws("s3api", "put-object", "--bucket", bucket, "--key", key, "--body", str(packaged))
    location = aws("s3api", "get-bucket-location", "--bucket", bucket)["LocationConstraint"]
    # The oldest region calls itself nothing.
    return f"https://{bucket}.s3.{location or 'us-east-1'}.amazonaws.com/{key}"


def create(options):
    stack = stack_of(options.stack)
    url = upload(options.template, options.bucket, options.stack, options.name)
    summary = aws("cloudformation", "get-template-summary", "--template-url", url)
    arn = aws(
        "cloudformation", "create-change-set", "--stack-name", options.stack, "--change-set-name", options.name,
        "--change-set-type", "UPDATE", "--template-url", url, "--capabilities", "CAPABILITY_IAM",
        "--parameters", json.dumps(kept_parameters(stack, summary)),
        "--rollback-configuration", json.dumps(rollback_triggers(stack)),
    )["Id"]
    # It answers with an error for a change set without changes, which is none.
    subprocess.run(["aws", "cloudformation", "wait", "change-set-create-complete", "--change-set-name", arn], check=False)
    change_set = aws("cloudformation", "describe-change-set", "--change-set-name", arn)
    changes = [change["ResourceChange"] for change in change_set.get("Changes", [])]
    if change_set["Status"] == "CREATE_COMPLETE":
        publish("GITHUB_OUTPUT", f"arn={arn}")
        publish("GITHUB_STEP_SUMMARY", table_of(changes))
    elif not changes and any(words in change_set.get("StatusReason", "") for words in NO_CHANGES):
        aws("cloudformation", "delete-change-set", "--change-set-name", arn)
        publish("GITHUB_STEP_SUMMARY", "The control plane is as the template says: nothing to do.")
    else:
        sys.exit(f"the change set is {change_set['Status']}: {change_set.get('StatusReason')}")


def table_of(changes):
    """What the operator who approves reads. A replaced resource needs the most attention."""
    rows = [f"| {c['Action']} | {c['LogicalResourceId']} | {c['ResourceType']} | {c.get('Replacement', '')} |" for c in changes]
    return "\n".join(["| action | resource | type | replaced |", "| --- | --- | --- | --- |", *rows])


def execute(options):
    ours = aws("cloudformation", "describe-change-set", "--change-set-name", options.change_set)
    watched = {trigger["Arn"] for trigger in ours.get("RollbackConfiguration", {}).get("RollbackTriggers", [])}
    if ours["StackName"] != options.stack or not watched:
        sys.exit("this change set is for another stack, or nothing watches it")
    in_alarm = aws("cloudwatch", "describe-alarms", "--state-value", "ALARM", "--alarm-name-prefix", f"{options.stack}-control-")
    names = [alarm["AlarmName"] for alarm in in_alarm["MetricAlarms"] if alarm["AlarmArn"] in watched]
    if names:
        sys.exit(f"these are in ALARM already, so that they cannot show whether the deployment works: {', '.join(names)}")
    aws("cloudformation", "execute-change-set", "--change-set-name", options.change_set)
    waited = subprocess.run(
        ["aws", "cloudformation", "wait", "stack-update-complete", "--stack-name", options.stack], check=False
    ).returncode
    status = stack_of(options.stack)["StackStatus"]
    publish("GITHUB_STEP_SUMMARY", f"The control plane is {status}.")
    if waited != 0 or status != "UPDATE_COMPLETE":
        sys.exit(f"the deployment did not hold: {status}")


def publish(variable, text):
    """Writes to one of the files that GitHub reads after a step, and to the log."""
    print(text)
    if path := os.environ.get(variable):
        with open(path, "a", encoding="utf-8") as file:
            file.write(text + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    steps = parser.add_subparsers(required=True)
    first = steps.add_parser("create")
    for option in ("--stack", "--bucket", "--name", "--template"):
        first.add_argument(option, required=True)
    first.set_defaults(run=create)
    second = steps.add_parser("execute")
    for option in ("--stack", "--change-set"):
        second.add_argument(option, required=True)
    second.set_defaults(run=execute)
    options = parser.parse_args()
    if empty := [key for key, value in vars(options).items() if value == ""]:
        parser.error(f"empty: {', '.join(empty)}. Is the repository variable set?")
    options.run(options)


if __name__ == "__main__":
    main()
