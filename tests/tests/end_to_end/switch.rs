//! The stop switch, set and lifted as the operator's command will do it.

use driftless_aws::{Aws, Endpoints, Keys, Names, Roots, Settings, sdk_config};
use driftless_planner::observation::{Freeze, FreezeScope};
use driftless_tests::stack::{LocalStack, REGION};
use jiff::{SignedDuration, Timestamp};

/// The stop switch, as the operator's command will throw it.
pub(crate) fn switch(stack: &LocalStack) -> anyhow::Result<Aws> {
    let settings = Settings {
        region: REGION.to_owned(),
        keys: Keys { access_key_id: "test".to_owned(), secret_access_key: "secret".to_owned(), session_token: None },
        endpoints: Endpoints::from_variables([("AWS_ENDPOINT_URL".to_owned(), stack.endpoint().to_owned())]),
        app_name: "end-to-end".to_owned(),
        attempt_timeout: SignedDuration::from_secs(5),
        operation_timeout: SignedDuration::from_secs(10),
        roots: Roots::Amazon,
    };
    let output = |name| stack.deployment().output(name).map(str::to_owned);
    let names = Names {
        table: output("TableName")?,
        wake_queue_url: output("WakeQueueUrl")?,
        alert_topic_arn: output("AlertTopicArn")?,
        chat_topic_arn: output("ChatTopicArn")?,
        event_bus: "default".to_owned(),
        runbooks: driftless_planner::notification::Runbooks::default(),
    };
    Ok(Aws::new(sdk_config(&settings)?, names))
}

/// A freeze that ends when it is lifted.
pub(crate) fn freeze(scope: FreezeScope) -> Freeze {
    Freeze { reason: "incident 7".into(), owner: "ana".into(), since: Timestamp::now(), expires_at: None, scope }
}
