//! Pushes that are refused before their pack is looked at, and the words for every push that was not taken.

use super::advertise::Advertised;
use super::certificate::CertificateError;
use super::commands::Request;
use super::index::IndexError;
use super::receive_pack::ReceiveError;
use crate::model::PushCertificate;

/// Why a push is refused at once: the pusher's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// git's own words for it.
    #[error("shallow update not allowed")]
    Shallow,
    #[error("push certificate not accepted")]
    Certificate(#[source] CertificateError),
}

/// What is said about a push that was not taken.
pub(super) struct Words {
    /// Behind `unpack`; `None` where nothing was wrong with the pack.
    pub unpack: Option<String>,
    /// Beside each ref.
    pub reason: String,
    /// On the pusher's screen.
    pub text: Option<String>,
}

/// Refuses what need not be looked at; gives the certificate of a signed push, verified, if it can be.
pub(super) fn refuse_at_once(
    request: &Request,
    options: &[String],
    advertised: &Advertised,
) -> Result<Option<PushCertificate>, Refusal> {
    // Deleting needs no history.
    if request.shallow && request.brings_pack() {
        return Err(Refusal::Shallow);
    }
    let Some(certificate) = &request.certificate else { return Ok(None) };
    certificate.verify(options, advertised).map_err(Refusal::Certificate)
}

/// Puts into words why a push was not taken.
pub(super) fn explain(error: &ReceiveError) -> Words {
    let unpacker = |text: String| Words { unpack: Some(text), reason: "unpacker error".into(), text: None };
    match error {
        ReceiveError::Refused(refusal) => Words { unpack: None, reason: refusal.to_string(), text: Some(remedy(refusal)) },
        ReceiveError::Pack(IndexError::BadObject(what)) => {
            // What git's own server lets its indexer say.
            let text = format!("error: {what}\nfatal: fsck error in packed object\n");
            Words { text: Some(text), ..unpacker(what.clone()) }
        }
        ReceiveError::Pack(IndexError::Refused(reason)) => unpacker(reason.clone()),
        ReceiveError::Pack(error @ IndexError::Idle(_)) => unpacker(error.to_string()),
        ReceiveError::Pack(_) => unpacker("this is the server's fault, not yours; please try again".into()),
        other => unpacker(other.to_string()),
    }
}

fn remedy(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Shallow => "This clone is shallow: a part of the history is missing, and hoist keeps all of it.\n\
             Run `git fetch --unshallow`, then push again.\n"
            .into(),
        Refusal::Certificate(error) => format!("{error}\n"),
    }
}
