//! What the stub AWS is asked, and the answers that stand in files.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, bail};
use hyper::body::Bytes;
use hyper::http::request::Parts;
use serde_json::Value;

/// The media type of CBOR, which CloudWatch speaks.
const CBOR: &str = "application/cbor";

/// What was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// `DescribeAutoScalingGroups`, or method and path where the protocol names no action.
    pub action: String,
    /// The request: its JSON, or its form as an object of texts. Null: it is neither.
    pub fields: Value,
    /// The whole request, in which a text can be looked for.
    pub said: String,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// The media type of the body.
    pub content_type: &'static str,
    pub body: Bytes,
}

impl Answer {
    /// A successful answer in the JSON of AWS.
    pub fn json(body: &Value) -> Self {
        Self { status: 200, content_type: "application/x-amz-json-1.0", body: body.to_string().into() }
    }
}

impl Asked {
    /// Reads a request of any of AWS's protocols.
    pub fn read(head: &Parts, body: &Bytes) -> Self {
        let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
        let fields = serde_json::from_slice(body).unwrap_or_else(|_| form(body));
        let said = if fields.is_null() { String::from_utf8_lossy(body).into_owned() } else { fields.to_string() };
        let path = head.uri.path();
        let named =
            target.and_then(|target| target.rsplit('.').next()).or_else(|| Some(path.rsplit_once("/operation/")?.1));
        let named = named.or_else(|| fields.get("Action")?.as_str()).map(str::to_owned);
        Self { action: named.unwrap_or_else(|| format!("{} {path}", head.method)), fields, said }
    }

    /// A text of the request, by its top-level name.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.as_str()
    }
}

/// The fields of a form.
fn form(body: &[u8]) -> Value {
    let Ok(text) = std::str::from_utf8(body) else { return Value::Null };
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    Value::Object(pairs.map(|(name, value)| (decoded(name), Value::String(decoded(value)))).collect())
}

/// A text of a form, without its escapes.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let both = high.zip(low).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
                bytes.extend(both);
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An answer in a file.
#[derive(Debug, Clone)]
struct File {
    /// It is for requests that say this. None: for all others.
    says: Option<String>,
    content_type: &'static str,
    body: Vec<u8>,
}

/// The answers of a folder: `<service>/<Action>.json`, `.xml` or `.cbor.json`; `<Action>@<text>.xml` for those requests
/// that contain a text. `${Name}` stands for a field of the request.
#[derive(Debug, Clone, Default)]
pub struct Files(BTreeMap<(String, String), Vec<File>>);

impl Files {
    /// Reads a folder.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let mut files = Self::default();
        for service in listed(folder)? {
            for path in listed(&service)? {
                let (service, name) = (name_of(&service), name_of(&path));
                let stem = name.split('.').next().unwrap_or_default();
                let (action, says) = stem.split_once('@').map_or((stem, None), |(action, says)| (action, Some(says)));
                let text = std::fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
                let file = file(&name, says, &text).with_context(|| format!("{}", path.display()))?;
                files.0.entry((service, action.to_owned())).or_default().push(file);
            }
        }
        Ok(files)
    }

    /// These answers, and those of another folder in place of them.
    #[must_use]
    pub fn with(&self, other: Self) -> Self {
        let mut both = self.clone();
        both.0.extend(other.0);
        both
    }

    /// The answer to a request. None: there is no file for it.
    pub fn answer(&self, service: &str, asked: &Asked) -> Option<Answer> {
        let files = self.0.get(&(service.to_owned(), asked.action.clone()))?;
        let fits = |file: &&File| file.says.as_ref().is_some_and(|says| asked.said.contains(says.as_str()));
        let file = files.iter().find(fits).or_else(|| files.iter().find(|file| file.says.is_none()))?;
        Some(Answer { status: 200, content_type: file.content_type, body: filled(&file.body, asked).into() })
    }
}

fn listed(folder: &Path) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("{} cannot be listed", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn file(name: &str, says: Option<&str>, text: &str) -> anyhow::Result<File> {
    let (_, format) = name.split_once('.').unwrap_or_default();
    let format = match format {
        "cbor.json" => Format::Cbor,
        "json" => Format::Json,
        "xml" => Format::Xml,
        other => bail!("an answer is .json, .cbor.json or .xml, and not .{other}"),
    };
    let (content_type, body) = body_of(format, text)?;
    Ok(File { says: says.map(str::to_owned), content_type, body })
}

/// How a service writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON, in which times are numbers.
    Json,
    /// What CloudWatch speaks; the text of it is JSON.
    Cbor,
    /// XML, as of the services that speak in forms.
    Xml,
}

/// Media type and body of a readable text, as AWS sends it: without the blanks that make it readable.
pub fn body_of(format: Format, text: &str) -> anyhow::Result<(&'static str, Vec<u8>)> {
    Ok(match format {
        Format::Cbor => {
            let mut body = Vec::new();
            cbor(&serde_json::from_str(text)?, &mut body)?;
            (CBOR, body)
        }
        Format::Json => ("application/x-amz-json-1.1", serde_json::from_str::<Value>(text)?.to_string().into_bytes()),
        Format::Xml => ("text/xml", text.lines().map(str::trim).collect::<String>().into_bytes()),
    })
}

/// The body, with fields of the request in the places of their names.
fn filled(body: &[u8], asked: &Asked) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(body) else { return body.to_vec() };
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        filled.push_str(before);
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        filled.push_str(asked.text(name).unwrap_or_default());
        rest = after;
    }
    filled.push_str(rest);
    filled.into_bytes()
}

/// Writes a value as CBOR. `{"$time": seconds}` is a time.
fn cbor(value: &Value, to: &mut Vec<u8>) -> anyhow::Result<()> {
    match value {
        Value::Null => to.push(0xf6),
        Value::Bool(truth) => to.push(if *truth { 0xf5 } else { 0xf4 }),
        Value::Number(number) => {
            if let Some(count) = number.as_u64() {
                head(0, count, to);
            } else {
                to.push(0xfb);
                to.extend(number.as_f64().context("a number that is none")?.to_be_bytes());
            }
        }
        Value::String(text) => {
            head(3, text.len().try_into()?, to);
            to.extend(text.as_bytes());
        }
        Value::Array(items) => {
            head(4, items.len().try_into()?, to);
            for item in items {
                cbor(item, to)?;
            }
        }
        Value::Object(fields) => {
            if let Some(seconds) = fields.get("$time") {
                head(6, 1, to);
                return cbor(seconds, to);
            }
            head(5, fields.len().try_into()?, to);
            for (name, field) in fields {
                cbor(&Value::String(name.clone()), to)?;
                cbor(field, to)?;
            }
        }
    }
    Ok(())
}

/// A CBOR head: the kind, and how much of it.
fn head(kind: u8, count: u64, to: &mut Vec<u8>) {
    let kind = kind << 5;
    let bytes = count.to_be_bytes();
    let (width, marker) = match count {
        0..=23 => (0, 0),
        24..=0xff => (1, 24),
        0x100..=0xffff => (2, 25),
        0x1_0000..=0xffff_ffff => (4, 26),
        _ => (8, 27),
    };
    to.push(if width == 0 { kind | bytes.last().copied().unwrap_or_default() } else { kind | marker });
    to.extend(bytes.iter().skip(bytes.len() - width));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(fields: Value) -> Asked {
        Asked { action: "Describe".to_owned(), said: fields.to_string(), fields }
    }

    #[test]
    fn a_form_is_read_without_its_escapes() {
        let fields = form(b"Action=Describe&Filters.member.1.Name=tag%3Adriftless%3Afleet&Say=a+b%2");
        assert_eq!(fields, json!({"Action": "Describe", "Filters.member.1.Name": "tag:driftless:fleet", "Say": "a b"}));
    }

    #[test]
    fn the_file_that_names_a_text_of_the_request_wins() {
        let file = |says: Option<&str>, body: &str| file("x.xml", says, body).unwrap();
        let key = ("ec2".to_owned(), "Describe".to_owned());
        let files = Files([(key, vec![file(None, "all"), file(Some("green"), "<id>${Id}</id>")])].into());
        let body = |fields: Value| files.answer("ec2", &asked(fields)).unwrap().body;
        assert_eq!(body(json!({"Id": "app-green"})), "<id>app-green</id>");
        assert_eq!(body(json!({"Id": "app-blue"})), "all");
        assert_eq!(files.answer("sns", &asked(Value::Null)), None);
    }

    #[test]
    fn cbor_is_written_as_cloudwatch_writes_it() {
        let written = |value: Value| {
            let mut bytes = Vec::new();
            cbor(&value, &mut bytes).unwrap();
            bytes
        };
        assert_eq!(
            written(json!({"a": [1, 24, 500, true]})),
            [0xa1, 0x61, b'a', 0x84, 1, 0x18, 24, 0x19, 1, 0xf4, 0xf5]
        );
        assert_eq!(written(json!({"$time": 70000})), [0xc1, 0x1a, 0, 1, 0x11, 0x70]);
    }
}
