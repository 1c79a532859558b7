"""Replaces an instance that breaks a Config rule: boto3, as a first version of such a function is written."""

import json
import os
import time

import boto3
from botocore.exceptions import ClientError

TABLE = os.environ["TABLE_NAME"]
TOPIC = os.environ["ALERT_TOPIC_ARN"]

dynamodb = boto3.client("dynamodb")
autoscaling = boto3.client("autoscaling")
sns = boto3.client("sns")


def handler(event, context):
    for record in event["Records"]:
        detail = json.loads(record["body"])["detail"]
        if detail["newEvaluationResult"]["complianceType"] == "NON_COMPLIANT":
            replace(detail["resourceId"], detail["configRuleName"])


def replace(instance, rule):
    key = {"pk": {"S": instance}, "sk": {"S": rule}}
    try:
        dynamodb.put_item(
            TableName=TABLE,
            Item={**key, "state": {"S": "detected"}, "at": {"N": str(int(time.time()))}},
            ConditionExpression="attribute_not_exists(pk)",
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            return  # the same event again
        raise
    found = autoscaling.describe_auto_scaling_instances(InstanceIds=[instance])["AutoScalingInstances"]
    if not found:
        raise LookupError(f"{instance} is in no Auto Scaling group")
    group = found[0]["AutoScalingGroupName"]
    autoscaling.terminate_instance_in_auto_scaling_group(InstanceId=instance, ShouldDecrementDesiredCapacity=False)
    dynamodb.update_item(
        TableName=TABLE,
        Key=key,
        UpdateExpression="SET #state = :state, #group = :group",
        ExpressionAttributeNames={"#state": "state", "#group": "group"},
        ExpressionAttributeValues={":state": {"S": "replaced"}, ":group": {"S": group}},
    )
    sns.publish(TopicArn=TOPIC, Subject="An instance was replaced", Message=f"{instance} of {group} broke {rule} and was terminated.")
