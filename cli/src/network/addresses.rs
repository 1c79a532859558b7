//! The URLs of the functions, from the command line or from Lambda.

use std::cell::RefCell;
use std::collections::BTreeMap;

use aws_types::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use serde::Deserialize;

use super::signed::Signer;
use super::{lost, refused, unreadable};
use crate::api::{Function, OperatorApiError, Place};

/// The URLs of the functions of an installation. Each one is requested at its first use, so that a caller who only
/// reads needs no permission on `operator`.
#[derive(Debug)]
pub(super) struct Addresses {
    stack: String,
    region: String,
    lambda: String,
    known: RefCell<BTreeMap<Function, String>>,
}

/// The response of `GetFunctionUrlConfig`, of which only one field is used.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UrlConfig {
    function_url: String,
}

impl Addresses {
    pub(super) fn new(place: &Place, region: &str, lambda: Option<String>) -> Self {
        let told = [(Function::Status, &place.status_url), (Function::Operator, &place.operator_url)];
        let known = told.into_iter().filter_map(|(function, url)| Some((function, url.clone()?)));
        Self {
            stack: place.stack.clone(),
            region: region.to_owned(),
            lambda: lambda.unwrap_or_else(|| lambda_of(region)),
            known: RefCell::new(known.collect()),
        }
    }

    /// The URL of a function.
    pub(super) async fn of(&self, function: Function, signer: &Signer<'_>) -> Result<String, OperatorApiError> {
        if let Some(known) = self.known.borrow().get(&function) {
            return Ok(known.clone());
        }
        let found = self.ask(function, signer).await?;
        self.known.borrow_mut().insert(function, found.clone());
        Ok(found)
    }

    /// Requests the URL of a function from Lambda. Functions are named after their stack. A name that no stack can have
    /// is not sent.
    async fn ask(&self, function: Function, signer: &Signer<'_>) -> Result<String, OperatorApiError> {
        let no_stack = || OperatorApiError::NoStack { stack: self.stack.clone(), region: self.region.clone() };
        let is_name = self.stack.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
        if !is_name || self.stack.is_empty() {
            return Err(no_stack());
        }
        let url = format!("{}/2021-10-31/functions/{}-{function}/url", self.lambda, self.stack);
        let response = signer.send("GET", &url, None).await.map_err(|failed| lost(function, failed))?;
        match response.status {
            200 => {
                let config: UrlConfig =
                    serde_json::from_str(&response.body).map_err(|error| unreadable(function, &error.to_string()))?;
                Ok(config.function_url)
            }
            404 => Err(no_stack()),
            _ => Err(refused(function, &response)),
        }
    }
}

/// The configured endpoint of Lambda. None: the endpoint of AWS is used.
pub(super) fn endpoint_of_lambda(config: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id("Lambda").env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let own = key.ok().and_then(|key| config.service_config()?.load_config(key));
    let endpoint = own.or_else(|| config.endpoint_url().map(str::to_owned))?;
    Some(endpoint.trim_end_matches('/').to_owned())
}

/// The AWS endpoint of Lambda in a region.
fn lambda_of(region: &str) -> String {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://lambda.{region}.{domain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lambda_is_where_the_region_has_it() {
        assert_eq!(lambda_of("eu-central-1"), "https://lambda.eu-central-1.amazonaws.com");
        assert_eq!(lambda_of("cn-north-1"), "https://lambda.cn-north-1.amazonaws.com.cn");
    }
}
