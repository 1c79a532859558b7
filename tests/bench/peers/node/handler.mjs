// Replaces an instance that breaks a Config rule: the SDK's clients and commands, bundled, as its documentation has it.
import { AutoScalingClient, DescribeAutoScalingInstancesCommand, TerminateInstanceInAutoScalingGroupCommand } from "@aws-sdk/client-auto-scaling";
import { DynamoDBClient, PutItemCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { PublishCommand, SNSClient } from "@aws-sdk/client-sns";

const { TABLE_NAME, ALERT_TOPIC_ARN } = process.env;

const dynamodb = new DynamoDBClient({});
const autoscaling = new AutoScalingClient({});
const sns = new SNSClient({});

export const handler = async (event) => {
  for (const record of event.Records) {
    const { detail } = JSON.parse(record.body);
    if (detail.newEvaluationResult.complianceType === "NON_COMPLIANT") {
      await replace(detail.resourceId, detail.configRuleName);
    }
  }
};

const replace = async (instance, rule) => {
  const key = { pk: { S: instance }, sk: { S: rule } };
  try {
    await dynamodb.send(new PutItemCommand({
      TableName: TABLE_NAME,
      Item: { ...key, state: { S: "detected" }, at: { N: String(Math.floor(Date.now() / 1000)) } },
      ConditionExpression: "attribute_not_exists(pk)",
    }));
  } catch (error) {
    if (error.name === "ConditionalCheckFailedException") return; // the same event again
    throw error;
  }
  const { AutoScalingInstances: found } = await autoscaling.send(new DescribeAutoScalingInstancesCommand({ InstanceIds: [instance] }));
  if (!found?.length) throw new Error(`${instance} is in no Auto Scaling group`);
  const group = found[0].AutoScalingGroupName;
  await autoscaling.send(new TerminateInstanceInAutoScalingGroupCommand({ InstanceId: instance, ShouldDecrementDesiredCapacity: false }));
  await dynamodb.send(new UpdateItemCommand({
    TableName: TABLE_NAME,
    Key: key,
    UpdateExpression: "SET #state = :state, #group = :group",
    ExpressionAttributeNames: { "#state": "state", "#group": "group" },
    ExpressionAttributeValues: { ":state": { S: "replaced" }, ":group": { S: group } },
  }));
  await sns.send(new PublishCommand({
    TopicArn: ALERT_TOPIC_ARN,
    Subject: "An instance was replaced",
    Message: `${instance} of ${group} broke ${rule} and was terminated.`,
  }));
};
