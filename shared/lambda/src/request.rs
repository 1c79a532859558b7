//! A request of an operator or a pipeline: to the function's URL, whose caller AWS has verified and names, or a direct
//! invocation, which AWS has let in and of whose caller it says nothing. A dashboard's widget invokes directly too: beside
//! what is asked stands what it is drawn for, and it shows what comes back.

use aws_lambda_events::lambda_function_urls::LambdaFunctionUrlRequest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Err: it cannot be read at all, and why.
    body: Result<String, String>,
    caller: Option<String>,
    way: Way,
}

/// How it came: the answer goes back the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Way {
    Url,
    Direct,
    Widget(Value),
    /// Whoever adds the widget to a dashboard asks what it is.
    Description,
}

impl Request {
    /// Reads an event. What is no request to a URL is itself what is asked. A request that cannot be read is one too: whoever
    /// sent it is told why by [`Self::parse`], the same way, and the same whatever order its fields came in.
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

    /// Who sent it, as AWS says: the ARN of a user, or of a role's session. None: AWS does not say.
    pub fn caller(&self) -> Option<&str> {
        self.caller.as_deref()
    }

    /// What a widget is drawn for: its `widgetContext`. None: no widget asks.
    pub const fn widget(&self) -> Option<&Value> {
        match &self.way {
            Way::Widget(context) => Some(context),
            Way::Url | Way::Direct | Way::Description => None,
        }
    }

    /// Whether it is asked what the widget is.
    pub fn is_description(&self) -> bool {
        self.way == Way::Description
    }

    /// What is asked.
    ///
    /// # Errors
    /// The field that cannot be read, and why, for whoever sent it.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, String> {
        let body = self.body.as_ref().map_err(Clone::clone)?;
        let mut json = serde_json::Deserializer::from_str(body);
        serde_path_to_error::deserialize(&mut json).map_err(|error| format!("the request cannot be read: {error}"))
    }

    /// The answer, in the shape that the way it came asks for.
    ///
    /// # Errors
    /// The answer is no JSON.
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
    fn a_direct_invocation_names_nobody_and_is_answered_as_it_is() {
        let request = Request::read(json!({"fleet": "app"}));
        assert_eq!((request.caller(), request.parse()), (None, Ok(app())));
        assert_eq!(request.reply(404, &app()).unwrap(), json!({"fleet": "app"}));
    }

    #[test]
    fn a_widget_asks_the_same_beside_what_it_is_drawn_for() {
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
    fn who_says_in_the_body_who_they_are_is_not_believed() {
        let body = json!({"fleet": "app", "caller": "arn:aws:iam::123456789012:root"});
        let request = Request::read(body);
        assert_eq!(request.caller(), None);
        assert!(request.parse::<Asked>().unwrap_err().contains("caller"), "and the field is refused");
    }

    #[test]
    fn a_url_that_let_somebody_in_without_a_signature_names_nobody() {
        let context = json!({"timeEpoch": 0, "http": {"method": "POST"}});
        let request = Request::read(url("{}", &json!({"requestContext": context})));
        assert_eq!(request.caller(), None);
    }

    #[test]
    fn what_cannot_be_read_is_told_by_its_field() {
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
    fn what_is_said_does_not_depend_on_the_order_of_fields() {
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
