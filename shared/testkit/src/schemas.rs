//! Validates documents against their published schemas.

use jsonschema::Validator;
use serde_json::Value;

/// A published JSON schema, ready to validate documents.
#[derive(Debug)]
pub struct Published(Validator);

impl Published {
    /// Compiles a schema of `docs/schemas` from the text of its file. Formats such as `date-time` are validated as
    /// well.
    ///
    /// # Panics
    ///
    /// The text is not a JSON schema.
    pub fn of(text: &str) -> Self {
        let schema: Value = serde_json::from_str(text).unwrap();
        Self(jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap())
    }

    /// The differences of a document from the schema, one text for each. Empty: the document is valid.
    pub fn problems(&self, document: &Value) -> Vec<String> {
        let problem = |error: jsonschema::ValidationError<'_>| format!("{}: {error}", error.instance_path());
        self.0.iter_errors(document).map(problem).collect()
    }
}
