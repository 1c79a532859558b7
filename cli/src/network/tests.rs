//! Tests against a loopback server that responds as Lambda would.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use driftless_status::request::{Refusal, RefusalCause, RequestedAction};

use super::*;

/// A request as the server received it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Arrived {
    line: String,
    authorization: String,
    token: String,
    body: String,
}

/// A server that answers connections one after the other with these responses. It returns the requests that it
/// received.
struct Lambda {
    endpoint: String,
    serving: JoinHandle<Vec<Arrived>>,
}

impl Lambda {
    fn answering(answers: Vec<(u16, &'static str, String)>) -> Self {
        Self::at_its_endpoint(|_endpoint| answers)
    }

    fn at_its_endpoint(answers: impl FnOnce(&str) -> Vec<(u16, &'static str, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let answers = answers(&endpoint);
        let serving = std::thread::spawn(move || {
            answers.into_iter().map(|answer| serve(listener.accept().unwrap().0, &answer)).collect()
        });
        Self { endpoint, serving }
    }

    /// A connection to this server. The URLs of the functions are given if `is_known`, else they must be requested from
    /// Lambda.
    fn reached(&self, place: Place, is_known: bool) -> Connection {
        let known = |url: &str| is_known.then(|| format!("{}/{url}/", self.endpoint));
        let place = Place { status_url: known("status"), operator_url: known("operator"), ..place };
        let keys = Credentials::new("AKIAANA", "secret", Some("session".to_owned()), None, "test");
        Connection {
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            connector: connector(),
            login: Login::of(SharedCredentialsProvider::new(keys)),
            region: "eu-central-1".to_owned(),
            addresses: Addresses::new(&place, "eu-central-1", Some(self.endpoint.clone())),
        }
    }

    fn arrived(self) -> Vec<Arrived> {
        self.serving.join().unwrap()
    }
}

fn serve(mut stream: TcpStream, (status, error_type, body): &(u16, &'static str, String)) -> Arrived {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let header = |name: &str| {
        let found =
            head.iter().filter_map(|line| line.split_once(": ")).find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    let mut sent = vec![0; header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut sent).unwrap();
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} Said\r\nx-amzn-errortype: {error_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .unwrap();
    Arrived {
        line: head[0].clone(),
        authorization: header("authorization"),
        token: header("x-amz-security-token"),
        body: String::from_utf8(sent).unwrap(),
    }
}

fn place() -> Place {
    Place { stack: "driftless".to_owned(), region: None, profile: None, status_url: None, operator_url: None }
}

fn refusal() -> Refusal {
    Refusal { cause: RefusalCause::NotFound, says: "there is no fleet other".into() }
}

fn json(document: &impl Serialize) -> String {
    serde_json::to_string(document).unwrap()
}

fn ask(connection: &Connection) -> Result<Answer, OperatorApiError> {
    connection.send(Function::Status, &Question::Fleets)
}

#[test]
fn an_address_is_looked_up_once_and_each_request_is_signed_with_the_current_credentials() {
    let lambda = Lambda::at_its_endpoint(|endpoint| {
        let url = format!(r#"{{"FunctionUrl":"{endpoint}/status/","AuthType":"AWS_IAM"}}"#);
        let answer = json(&Answer::Refused(refusal()));
        vec![(200, "", url), (404, "", answer.clone()), (404, "", answer)]
    });
    let connection = lambda.reached(place(), false);
    for _ in 0..2 {
        assert_eq!(ask(&connection), Ok(Answer::Refused(refusal())));
    }
    let arrived = lambda.arrived();
    let lines: Vec<&str> = arrived.iter().map(|request| request.line.as_str()).collect();
    let asked = "GET /2021-10-31/functions/driftless-status/url HTTP/1.1";
    assert_eq!(lines, [asked, "POST /status/ HTTP/1.1", "POST /status/ HTTP/1.1"]);
    for request in &arrived {
        let (signed, scope) = (&request.authorization, "/eu-central-1/lambda/aws4_request");
        assert!(signed.starts_with("AWS4-HMAC-SHA256 Credential=AKIAANA/") && signed.contains(scope), "{signed}");
        assert!(signed.contains("host") && !signed.contains("secret"), "{signed}");
        assert_eq!(request.token, "session");
    }
    assert_eq!(arrived[1].body, r#"{"query":"fleets"}"#);
}

#[test]
fn orders_go_to_the_operator_alone() {
    let reply = Reply::Refused(refusal());
    let lambda = Lambda::answering(vec![(404, "", json(&reply))]);
    let connection = lambda.reached(place(), true);
    let action =
        RequestedAction::Command { fleet: "app".parse().unwrap(), command: driftless_planner::fact::Command::Rollback };
    let order = Order { request: "request-1".to_owned(), reason: None, cutover: None, action };
    assert_eq!(connection.send(Function::Operator, &order), Ok(reply));
    let arrived = lambda.arrived();
    assert_eq!(arrived[0].line, "POST /operator/ HTTP/1.1");
    assert_eq!(arrived[0].body, json(&order));
}

#[test]
fn what_lambda_says_in_the_place_of_a_function_has_a_name() {
    let denied = "User: arn:aws:iam::123456789012:user/ana is not authorized to perform: lambda:InvokeFunctionUrl";
    let message = |text: &str| format!(r#"{{"Message":"{text}"}}"#);
    let function = Function::Status;
    let unavailable = |why: &str| OperatorApiError::Unavailable { function, why: why.to_owned() };
    let no_credentials = |why: &str| OperatorApiError::NoCredentials { why: why.to_owned() };
    for (status, body, expected) in [
        (403, message(denied), OperatorApiError::Denied { function, why: denied.to_owned() }),
        (403, message("The security token included in the request is expired"), {
            no_credentials("The security token included in the request is expired")
        }),
        (429, message("Rate Exceeded."), unavailable("HTTP 429: Rate Exceeded.")),
        (502, "Internal Server Error".to_owned(), unavailable("HTTP 502: Internal Server Error")),
    ] {
        let lambda = Lambda::answering(vec![(status, "", body)]);
        assert_eq!(ask(&lambda.reached(place(), true)).unwrap_err(), expected);
        lambda.arrived();
    }
    let lambda = Lambda::answering(vec![(200, "", "{}".to_owned())]);
    assert!(matches!(ask(&lambda.reached(place(), true)), Err(OperatorApiError::Unreadable { .. })));
    lambda.arrived();
}

#[test]
fn a_search_for_the_address_that_fails_says_why() {
    let message = |text: &str| format!(r#"{{"message":"{text}"}}"#);
    let place = place();
    let no_stack = OperatorApiError::NoStack { stack: "driftless".to_owned(), region: "eu-central-1".to_owned() };
    for (status, error_type, expected) in [
        (404, "ResourceNotFoundException", no_stack.clone()),
        (403, "AccessDeniedException", OperatorApiError::Denied { function: Function::Status, why: "said".to_owned() }),
        (403, "ExpiredTokenException:http://internal", OperatorApiError::NoCredentials { why: "said".to_owned() }),
        (500, "ServiceException", {
            OperatorApiError::Unavailable { function: Function::Status, why: "HTTP 500: said".to_owned() }
        }),
    ] {
        let lambda = Lambda::answering(vec![(status, error_type, message("said"))]);
        assert_eq!(ask(&lambda.reached(place.clone(), false)).unwrap_err(), expected);
        lambda.arrived();
    }
    // An invalid stack name is not sent to Lambda.
    let lambda = Lambda::answering(Vec::new());
    for stack in ["", "../other", "a b"] {
        let place = Place { stack: stack.to_owned(), ..place.clone() };
        let refused = ask(&lambda.reached(place, false)).unwrap_err();
        assert_eq!(refused, OperatorApiError::NoStack { stack: stack.to_owned(), region: "eu-central-1".to_owned() });
    }
}

#[test]
fn a_connection_that_breaks_is_lost() {
    let lambda = Lambda::answering(Vec::new());
    let connection = lambda.reached(place(), true);
    lambda.arrived();
    assert!(ask(&connection).unwrap_err().is_lost());
}

#[test]
fn an_error_is_printed_with_its_sources_and_without_its_debug_form() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let lambda = Lambda { endpoint: closed, serving: std::thread::spawn(Vec::new) };
    let error = lambda.reached(place(), true).send::<Answer>(Function::Status, &Question::Fleets).unwrap_err();
    let OperatorApiError::Lost { why, .. } = &error else { panic!("{error:?}") };
    assert!(why.contains("tcp connect error: Connection refused"), "{why}");
    assert!(!why.contains(['{', '"']) && !why.contains("ConnectorError"), "{why}");
}
