//! SDK clients that call the emulators directly, without the recording proxy: a call of a test is no call of a
//! function.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::sdk_config::{RetryConfig, SharedAsyncSleep, TimeoutConfig};

/// One client for each service that tests call.
#[derive(Debug, Clone)]
pub struct Clients {
    pub ec2: aws_sdk_ec2::Client,
    pub autoscaling: aws_sdk_autoscaling::Client,
    pub load_balancing: aws_sdk_elasticloadbalancingv2::Client,
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    pub dynamodb: aws_sdk_dynamodb::Client,
    pub sns: aws_sdk_sns::Client,
    pub sqs: aws_sdk_sqs::Client,
}

impl Clients {
    /// Clients for the two emulators.
    pub(crate) fn new(moto: &str, ministack: &str, region: &'static str) -> Self {
        let (moto, ministack) = (config(moto, region), config(ministack, region));
        Self {
            ec2: aws_sdk_ec2::Client::new(&moto),
            autoscaling: aws_sdk_autoscaling::Client::new(&moto),
            load_balancing: aws_sdk_elasticloadbalancingv2::Client::new(&moto),
            cloudwatch: aws_sdk_cloudwatch::Client::new(&ministack),
            dynamodb: aws_sdk_dynamodb::Client::new(&ministack),
            sns: aws_sdk_sns::Client::new(&ministack),
            sqs: aws_sdk_sqs::Client::new(&ministack),
        }
    }
}

fn config(endpoint: &str, region: &'static str) -> SdkConfig {
    // With a key that is not an account number, the emulators use their default account.
    let credentials = Credentials::from_keys("test", "secret", None);
    SdkConfig::builder()
        .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::from_static(region))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .timeout_config(TimeoutConfig::builder().operation_timeout(Duration::from_secs(30)).build())
        // A test must see the first error.
        .retry_config(RetryConfig::disabled())
        .build()
}
