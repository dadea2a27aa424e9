//! DSSE envelopes (github.com/secure-systems-lab/dsse): an in-toto statement in base64, with the signatures over it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::sign::{NotAKey, SigningKey, is_signed};
use super::to_json;

/// What an envelope holds.
pub const STATEMENT_TYPE: &str = "application/vnd.in-toto+json";

/// Why an envelope proves nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    #[error(transparent)]
    Key(#[from] NotAKey),
    #[error("it is no in-toto statement in a DSSE envelope")]
    Form,
    #[error("it is not signed with this key, or it was changed since")]
    Unsigned,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload_type: String,
    payload: String,
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    sig: String,
}

/// Signs a statement.
pub(super) fn seal(key: &SigningKey, statement: &Value) -> Vec<u8> {
    let statement = to_json(statement);
    let signature = key.sign(&pre_authentication(&statement));
    to_json(&json!({
        "payloadType": STATEMENT_TYPE,
        "payload": BASE64_STANDARD.encode(&statement),
        "signatures": [{ "keyid": "", "sig": signature }],
    }))
}

/// Returns the statement of an envelope that the public key's owner has signed.
pub fn open_envelope(public_key_pem: &str, envelope: &[u8]) -> Result<Value, EnvelopeError> {
    let envelope: Envelope = serde_json::from_slice(envelope).map_err(|_| EnvelopeError::Form)?;
    if envelope.payload_type != STATEMENT_TYPE {
        return Err(EnvelopeError::Form);
    }
    let statement = BASE64_STANDARD.decode(&envelope.payload).map_err(|_| EnvelopeError::Form)?;
    let signed = pre_authentication(&statement);
    for Signature { sig } in &envelope.signatures {
        if is_signed(public_key_pem, &signed, sig)? {
            // Only now: what nobody vouches for is not looked at.
            return serde_json::from_slice(&statement).map_err(|_| EnvelopeError::Form);
        }
    }
    Err(EnvelopeError::Unsigned)
}

/// What is signed (DSSE protocol, "Signature Definition"): `PAE(type, body)`.
fn pre_authentication(body: &[u8]) -> Vec<u8> {
    [format!("DSSEv1 {} {STATEMENT_TYPE} {} ", STATEMENT_TYPE.len(), body.len()).as_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_keys_owner_has_signed_is_opened() {
        let key = SigningKey::open(tempfile::tempdir().unwrap().path()).unwrap();
        let statement = json!({ "subject": [] });
        let sealed = seal(&key, &statement);
        let pem = key.public_key_pem();
        assert_eq!(open_envelope(&pem, &sealed), Ok(statement));

        let changed = |change: fn(&mut Value)| {
            let mut envelope: Value = serde_json::from_slice(&sealed).unwrap();
            change(&mut envelope);
            open_envelope(&pem, envelope.to_string().as_bytes())
        };
        assert_eq!(changed(|envelope| envelope["payload"] = json!(BASE64_STANDARD.encode("{}"))), Err(EnvelopeError::Unsigned));
        assert_eq!(changed(|envelope| envelope["signatures"] = json!([])), Err(EnvelopeError::Unsigned));
        assert_eq!(changed(|envelope| envelope["signatures"][0]["sig"] = json!("?")), Err(EnvelopeError::Unsigned));
        assert_eq!(changed(|envelope| envelope["payloadType"] = json!("text/plain")), Err(EnvelopeError::Form));
        assert_eq!(changed(|envelope| envelope["payload"] = json!("?")), Err(EnvelopeError::Form));
        let other = SigningKey::open(tempfile::tempdir().unwrap().path()).unwrap();
        assert_eq!(open_envelope(&other.public_key_pem(), &sealed), Err(EnvelopeError::Unsigned));
        assert_eq!(open_envelope("no key", &sealed), Err(EnvelopeError::Key(NotAKey)));
        assert_eq!(open_envelope(&pem, b"{}"), Err(EnvelopeError::Form));
    }

    #[test]
    fn what_is_signed_says_its_type_and_length() {
        assert_eq!(pre_authentication(b"hello"), b"DSSEv1 28 application/vnd.in-toto+json 5 hello");
    }
}
