//! How the protocols of AWS write errors.

use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use hyper::http::request::Parts;
use hyper::http::response::Builder;
use serde_json::{Value, json};

use super::call::Outcome;

/// A protocol of AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// JSON, with the content type that names its version.
    Json(String),
    /// Forms that are answered in XML.
    Query,
    /// The same, in the dialect of EC2.
    Ec2Query,
}

impl Protocol {
    pub(crate) fn of(head: &Parts, service: &str) -> Self {
        let content_type = head.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        match (content_type.starts_with("application/x-www-form-urlencoded"), service) {
            (true, "ec2") => Self::Ec2Query,
            (true, _) => Self::Query,
            (false, _) => Self::Json(content_type.to_owned()),
        }
    }

    /// An error as AWS would answer it.
    pub(crate) fn error(&self, status: u16, code: &str, message: &str) -> hyper::http::Result<Response<Full<Bytes>>> {
        let builder = Response::builder().status(status).header("x-amzn-requestid", "injected");
        let (builder, body) = self.error_body(builder, code, message);
        builder.body(Full::from(body))
    }

    fn error_body(&self, builder: Builder, code: &str, message: &str) -> (Builder, String) {
        let error = format!("<Code>{}</Code><Message>{}</Message>", escaped(code), escaped(message));
        match self {
            Self::Json(content_type) => (
                builder.header("content-type", content_type).header("x-amzn-errortype", code),
                json!({"__type": code, "message": message}).to_string(),
            ),
            Self::Query => (
                builder.header("content-type", "text/xml"),
                format!(
                    "<ErrorResponse><Error><Type>Sender</Type>{error}</Error><RequestId>injected</RequestId></ErrorResponse>"
                ),
            ),
            Self::Ec2Query => (
                builder.header("content-type", "text/xml"),
                format!("<Response><Errors><Error>{error}</Error></Errors><RequestID>injected</RequestID></Response>"),
            ),
        }
    }
}

/// What an answer says about its call.
pub(crate) fn outcome(status: u16, body: &[u8]) -> Outcome {
    let code = if status < 300 { None } else { code_of(&String::from_utf8_lossy(body)) };
    code.map_or(Outcome::Answered(status), |code| Outcome::Refused { status, code })
}

fn code_of(body: &str) -> Option<String> {
    if let Ok(document) = serde_json::from_str::<Value>(body) {
        let shape = document.get("__type").or_else(|| document.get("code"))?.as_str()?;
        return Some(shape.rsplit('#').next().unwrap_or(shape).to_owned());
    }
    let (_, after) = body.split_once("<Code>")?;
    after.split_once("</Code>").map(|(code, _)| code.to_owned())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_an_error_is_found_in_each_protocol() {
        for body in [
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#Busy","message":"x"}"#,
            r#"{"__type":"Busy"}"#,
            "<ErrorResponse><Error><Type>Sender</Type><Code>Busy</Code></Error></ErrorResponse>",
            "<Response><Errors><Error><Code>Busy</Code></Error></Errors></Response>",
        ] {
            assert_eq!(outcome(400, body.as_bytes()), Outcome::Refused { status: 400, code: "Busy".to_owned() });
        }
        assert_eq!(outcome(502, b"no answer"), Outcome::Answered(502));
        assert_eq!(outcome(200, b"<Code>Busy</Code>"), Outcome::Answered(200));
    }
}
