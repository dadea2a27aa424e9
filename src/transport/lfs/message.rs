//! What a client asks for with `POST /objects/batch`.

use serde::Deserialize;

use crate::model::{Digest, LfsObject, LfsOperation};

/// Most objects of one question. Git LFS asks for a hundred.
const MOST_OBJECTS: usize = 1000;

/// A question for many objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    pub operation: LfsOperation,
    pub objects: Vec<Result<LfsObject, BadObject>>,
}

/// What can be no object of Git LFS, as the client has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadObject {
    pub oid: String,
    pub size: i64,
}

/// Why a question is not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// At this line and column. What stands there is not repeated.
    #[error("This is no batch request: it is wrong at line {0}, column {1}.")]
    Json(usize, usize),
    #[error("The operation is upload or download.")]
    Operation,
    #[error("hoist knows the transfer `basic` only.")]
    Transfer,
    #[error("hoist knows objects by their sha256 only.")]
    HashAlgorithm,
    #[error("At most {MOST_OBJECTS} objects can be asked for at once. Ask for fewer: git config lfs.transfer.batchSize 100")]
    TooMany,
}

#[derive(Deserialize)]
struct Wire {
    operation: String,
    /// `basic` when it is missing. So it is with `hash_algo` and sha256.
    transfers: Option<Vec<String>>,
    hash_algo: Option<String>,
    objects: Option<Vec<WireObject>>,
}

#[derive(Deserialize)]
struct WireObject {
    oid: String,
    size: i64,
}

/// Reads a question.
pub fn parse_batch(body: &[u8]) -> Result<Batch, BatchError> {
    let wire: Wire = serde_json::from_slice(body).map_err(|error| BatchError::Json(error.line(), error.column()))?;
    let operation = wire.operation.parse().map_err(|_| BatchError::Operation)?;
    if wire.transfers.is_some_and(|offered| !offered.is_empty() && !offered.iter().any(|one| one == "basic")) {
        return Err(BatchError::Transfer);
    }
    if wire.hash_algo.is_some_and(|algorithm| algorithm != "sha256") {
        return Err(BatchError::HashAlgorithm);
    }
    let objects = wire.objects.unwrap_or_default();
    if objects.len() > MOST_OBJECTS {
        return Err(BatchError::TooMany);
    }
    Ok(Batch { operation, objects: objects.into_iter().map(WireObject::check).collect() })
}

impl WireObject {
    fn check(self) -> Result<LfsObject, BadObject> {
        // Any other spelling of the same digest would be another object to the client.
        let is_lower = !self.oid.contains(|c: char| c.is_ascii_uppercase());
        let digest = format!("sha256:{}", self.oid).parse::<Digest>().ok().filter(|_| is_lower);
        match (digest, u64::try_from(self.size)) {
            (Some(digest), Ok(size_bytes)) => Ok(LfsObject { digest, size_bytes }),
            _ => Err(BadObject { oid: self.oid, size: self.size }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(wire: &Value) -> Result<Batch, BatchError> {
        parse_batch(wire.to_string().as_bytes())
    }

    #[test]
    fn objects_are_told_from_others() {
        let oid = "ab".repeat(32);
        let wire = json!({"operation": "upload", "transfers": ["lfs-standalone-file", "basic"], "ref": {"name": "refs/heads/main"},
            "hash_algo": "sha256", "objects": [
                {"oid": oid, "size": 3}, {"oid": oid.to_uppercase(), "size": 3}, {"oid": "ab", "size": 3}, {"oid": oid, "size": -1}]});
        let Batch { operation, objects } = parse(&wire).unwrap();
        assert_eq!(operation, LfsOperation::Upload);
        assert_eq!(objects[0], Ok(LfsObject { digest: format!("sha256:{oid}").parse().unwrap(), size_bytes: 3 }));
        let bad = |oid: &str, size| Err(BadObject { oid: oid.to_owned(), size });
        assert_eq!(objects[1..], [bad(&oid.to_uppercase(), 3), bad("ab", 3), bad(&oid, -1)]);
    }

    #[test]
    fn what_may_be_left_out_may_be() {
        let batch = parse(&json!({"operation": "download", "objects": null, "ref": null})).unwrap();
        assert_eq!(batch, Batch { operation: LfsOperation::Download, objects: Vec::new() });
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let with = |key: &str, value: Value| {
            let mut wire = json!({"operation": "upload", "objects": []});
            wire[key] = value;
            parse(&wire)
        };
        assert_eq!(with("operation", json!("destroy")), Err(BatchError::Operation));
        assert_eq!(with("transfers", json!(["tus"])), Err(BatchError::Transfer));
        assert_eq!(with("hash_algo", json!("sha512")), Err(BatchError::HashAlgorithm));
        let object = json!({"oid": "ab".repeat(32), "size": 1});
        assert_eq!(with("objects", vec![object.clone(); MOST_OBJECTS + 1].into()), Err(BatchError::TooMany));
        assert!(with("objects", vec![object; MOST_OBJECTS].into()).is_ok());
        assert!(matches!(with("objects", json!([{"oid": 1}])), Err(BatchError::Json(1, _))));
        assert!(matches!(parse_batch(b"\xff"), Err(BatchError::Json(..))));
    }
}
