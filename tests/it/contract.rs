//! The API's own description, held against every answer that the tests get: what is described must be so, and what is
//! answered must be described.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

/// What `GET /openapi.json` says.
pub(crate) struct Contract {
    document: Value,
}

impl Contract {
    pub(crate) fn new(document: Value) -> Self {
        Self { document: closed(document) }
    }

    /// Panics when the answer is not as the description says.
    pub(crate) fn hold(&self, method: &Method, path: &str, status: StatusCode, body: &Value) {
        let path = path.split('?').next().unwrap();
        let Some((route, item)) = self.find(path) else { return };
        let Some(operation) = item.get(method.as_str().to_lowercase()) else { return };
        if status == StatusCode::NOT_MODIFIED {
            return;
        }
        let responses = &operation["responses"];
        let described = match responses.get(status.as_str()) {
            Some(response) => response,
            None if status.is_success() => panic!("{method} {route}: {status} is not described, only {responses}"),
            None => &responses["default"],
        };
        let schema = &described["content"]["application/json"]["schema"];
        let whole = json!({"allOf": [schema], "components": self.document["components"]});
        let validator = jsonschema::validator_for(&whole).unwrap();
        let errors: Vec<_> = validator.iter_errors(body).map(|error| format!("{error} at {}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{method} {route}: {status} is not as it is described: {errors:#?}\n{body:#}");
    }

    /// The route that a path takes: of several, that with the fewest names in it.
    fn find(&self, path: &str) -> Option<(&str, &Value)> {
        let parts: Vec<_> = path.split('/').collect();
        let takes = |route: &&String| {
            let names: Vec<_> = route.split('/').collect();
            let is_alike = |(name, part): (&&str, &&str)| name == part || name.starts_with('{');
            names.len() == parts.len() && names.iter().zip(&parts).all(is_alike)
        };
        let paths = self.document["paths"].as_object().unwrap();
        let route = paths.keys().filter(takes).min_by_key(|route| route.matches('{').count())?;
        Some((route, &paths[route]))
    }

    /// Every operation: its method, its route, what is said of it.
    pub(crate) fn operations(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        let items = self.document["paths"].as_object().unwrap().iter();
        items.flat_map(|(route, item)| {
            let operations = item.as_object().unwrap().iter().filter(|(method, _)| *method != "parameters");
            operations.map(|(method, operation)| (method.as_str(), route.as_str(), operation))
        })
    }
}

/// The document with every object closed: a field that is not described is a fault then.
fn closed(mut value: Value) -> Value {
    match &mut value {
        Value::Object(object) => {
            if object.contains_key("properties") && object.get("type") == Some(&json!("object")) {
                object.entry("additionalProperties").or_insert(json!(false));
            }
            object.values_mut().for_each(|inner| *inner = closed(inner.take()));
        }
        Value::Array(list) => list.iter_mut().for_each(|inner| *inner = closed(inner.take())),
        _ => {}
    }
    value
}
