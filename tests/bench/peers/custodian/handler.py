"""Cloud Custodian's own Lambda handler, on the event that its policy reads.

Custodian has no mode for Config's compliance events. An input transformer of the EventBridge rule makes one of them into the
event of an instance that the mode `ec2-instance-state` reads; here the handler does so, and takes it out of the SQS record.
"""

import json

from c7n.handler import dispatch_event


def handler(event, context):
    for record in event["Records"]:
        compliance = json.loads(record["body"])
        detail = compliance["detail"]
        if detail["newEvaluationResult"]["complianceType"] != "NON_COMPLIANT":
            continue
        transformed = {**compliance, "detail": {"instance-id": detail["resourceId"], "state": "running"}}
        if not dispatch_event(transformed, context):
            raise RuntimeError("Custodian found no policy to run")
