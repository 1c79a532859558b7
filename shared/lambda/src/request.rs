//! A request of an operator or a pipeline. It comes to the function's URL, where AWS verifies and names the caller, or
//! by a direct invocation, where IAM has allowed the call and AWS does not name the caller. A dashboard widget uses
//! direct invocation: its event contains the request and the widget's context, and the widget shows the response.

use aws_lambda_events::lambda_function_urls::LambdaFunctionUrlRequest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A request as it was received, with its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The content of the request as JSON text. Err: the event cannot be read, with the reason.
    body: Result<String, String>,
    caller: Option<String>,
    way: Way,
}

/// The way in which the request reached the function. It determines the format of the response.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Way {
    Url,
    Direct,
    Widget(Value),
    /// CloudWatch requests the documentation of the widget when an operator adds the widget to a dashboard.
    Description,
}

impl Request {
    /// Reads an event. An event that did not come through the function's URL is itself the content of the request. An
    /// unreadable event also becomes a request: [`Self::parse`] returns the reason, which is sent back in the same
    /// format. The reason does not depend on the order of the event's fields.
    pub fn read(mut event: Value) -> Self {
        event.sort_all_objects();
        if event.get("requestContext").is_none() {
            return Self::invoked(event);
        }
        match serde_json::from_value::<LambdaFunctionUrlRequest>(event) {
            Ok(request) => Self::from_url(request),
            Err(error) => Self {
                body: Err(format!("this is no request to a function URL: {error}")),
                caller: None,
                way: Way::Url,
            },
        }
    }

    fn invoked(mut event: Value) -> Self {
        let mut take = |field: &str| event.as_object_mut().and_then(|fields| fields.remove(field));
        let way = match (take("describe"), take("widgetContext")) {
            (Some(_), _) => Way::Description,
            (None, Some(context)) => Way::Widget(context),
            (None, None) => Way::Direct,
        };
        Self { body: Ok(event.to_string()), caller: None, way }
    }

    fn from_url(request: LambdaFunctionUrlRequest) -> Self {
        let iam = request.request_context.authorizer.and_then(|authorizer| authorizer.iam);
        let body = if request.is_base64_encoded {
            Err("the body came encoded: send it with content-type application/json".to_owned())
        } else {
            Ok(request.body.unwrap_or_default())
        };
        Self { body, caller: iam.and_then(|iam| iam.user_arn), way: Way::Url }
    }

    /// The caller as AWS names it: the ARN of a user or of a role session. None: AWS does not name the caller.
    pub fn caller(&self) -> Option<&str> {
        self.caller.as_deref()
    }

    /// The context of the widget that sent the request (`widgetContext`). None: the request did not come from a widget.
    pub const fn widget(&self) -> Option<&Value> {
        match &self.way {
            Way::Widget(context) => Some(context),
            Way::Url | Way::Direct | Way::Description => None,
        }
    }

    /// Whether the request asks for the documentation of the widget.
    pub fn is_description(&self) -> bool {
        self.way == Way::Description
    }

    /// Parses the content of the request.
    ///
    /// # Errors
    ///
    /// A message to the sender, which names the field that cannot be read and the reason.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, String> {
        let body = self.body.as_ref().map_err(Clone::clone)?;
        let mut json = serde_json::Deserializer::from_str(body);
        serde_path_to_error::deserialize(&mut json).map_err(|error| format!("the request cannot be read: {error}"))
    }

    /// Builds the response in the format that matches the request.
    ///
    /// # Errors
    ///
    /// The response cannot be serialized.
    pub fn reply(&self, status: u16, answer: &impl Serialize) -> serde_json::Result<Value> {
        let mut reply = match self.way {
            Way::Direct | Way::Widget(_) | Way::Description => serde_json::to_value(answer)?,
            Way::Url => {
                let headers = json!({"content-type": "application/json", "cache-control": "no-store"});
                json!({"statusCode": status, "headers": headers, "body": serde_json::to_string(answer)?})
            }
        };
        reply.sort_all_objects();
        Ok(reply)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Eq, Deserialize, Serialize)]
    #[serde(deny_unknown_fields)]
    struct Asked {
        fleet: String,
    }

    fn app() -> Asked {
        Asked { fleet: "app".to_owned() }
    }

    fn url(body: &str, more: &Value) -> Value {
        let mut event = json!({
            "version": "2.0", "rawPath": "/", "headers": {}, "body": body, "isBase64Encoded": false,
            "requestContext": {
                "timeEpoch": 0,
                "http": {"method": "POST", "path": "/"},
                "authorizer": {"iam": {"userArn": "arn:aws:sts::123456789012:assumed-role/ops/ana"}},
            },
        });
        for (field, value) in more.as_object().unwrap() {
            event[field] = value.clone();
        }
        event
    }

    #[test]
    fn a_signed_request_names_its_caller_and_is_answered_as_http() {
        let request = Request::read(url(r#"{"fleet":"app"}"#, &json!({})));
        assert_eq!(request.caller(), Some("arn:aws:sts::123456789012:assumed-role/ops/ana"));
        assert_eq!(request.parse(), Ok(app()));
        let reply = request.reply(404, &app()).unwrap();
        assert_eq!((&reply["statusCode"], &reply["body"]), (&json!(404), &json!(r#"{"fleet":"app"}"#)));
    }

    #[test]
    fn a_direct_invocation_names_no_caller_and_gets_the_plain_response() {
        let request = Request::read(json!({"fleet": "app"}));
        assert_eq!((request.caller(), request.parse()), (None, Ok(app())));
        assert_eq!(request.reply(404, &app()).unwrap(), json!({"fleet": "app"}));
    }

    #[test]
    fn a_widget_sends_its_request_beside_its_context() {
        let request = Request::read(json!({"fleet": "app", "widgetContext": {"theme": "dark"}}));
        assert_eq!((request.caller(), request.parse()), (None, Ok(app())));
        assert_eq!(request.widget(), Some(&json!({"theme": "dark"})));
        assert!(!request.is_description());
        assert!(Request::read(json!({"describe": true})).is_description());
        for other in [json!({"fleet": "app"}), url("{}", &json!({"widgetContext": {}}))] {
            let request = Request::read(other);
            assert_eq!((request.widget(), request.is_description()), (None, false));
        }
    }

    #[test]
    fn an_identity_in_the_body_is_ignored() {
        let body = json!({"fleet": "app", "caller": "arn:aws:iam::123456789012:root"});
        let request = Request::read(body);
        assert_eq!(request.caller(), None);
        assert!(request.parse::<Asked>().unwrap_err().contains("caller"), "and the field is refused");
    }

    #[test]
    fn an_unsigned_request_to_the_url_names_no_caller() {
        let context = json!({"timeEpoch": 0, "http": {"method": "POST"}});
        let request = Request::read(url("{}", &json!({"requestContext": context})));
        assert_eq!(request.caller(), None);
    }

    #[test]
    fn an_unreadable_request_is_refused_by_the_name_of_its_field() {
        let request = Request::read(json!({"fleet": 5}));
        let problem = request.parse::<Asked>().unwrap_err();
        assert!(problem.contains("fleet: invalid type"), "{problem}");
        let encoded = Request::read(url("e30=", &json!({"isBase64Encoded": true})));
        let problem = encoded.parse::<Asked>().unwrap_err();
        assert!(problem.contains("application/json"), "{problem}");
        let event = Request::read(url("{}", &json!({"requestContext": 5})));
        let problem = event.parse::<Asked>().unwrap_err();
        assert!(problem.contains("no request to a function URL"), "{problem}");
        for unreadable in [encoded, event] {
            let reply = unreadable.reply(400, &app()).unwrap();
            assert_eq!(reply["statusCode"], 400, "it is answered the way it came");
        }
    }

    #[test]
    fn the_response_does_not_depend_on_the_order_of_fields() {
        let problem = |body: &str| Request::read(serde_json::from_str(body).unwrap()).parse::<Asked>().unwrap_err();
        assert_eq!(problem(r#"{"zone":1,"age":2}"#), problem(r#"{"age":2,"zone":1}"#));
        let answer = json!({"fleet": "app", "cutover": {"to": 2, "from": 1}});
        let direct = Request::read(json!({})).reply(200, &answer).unwrap();
        assert_eq!(direct.to_string(), r#"{"cutover":{"from":1,"to":2},"fleet":"app"}"#);
        let by_url = Request::read(url("{}", &json!({}))).reply(404, &app()).unwrap().to_string();
        let said = r#"{"body":"{\"fleet\":\"app\"}","headers":{"cache-control":"no-store","content-type":"application/json"},"statusCode":404}"#;
        assert_eq!(by_url, said);
    }
}
