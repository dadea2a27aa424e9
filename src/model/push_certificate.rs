//! What a signed push was signed with.

/// The certificate of a push whose signature is valid (`git push --signed`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushCertificate {
    /// Of the SSH key, `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
    /// The commands and the signature, as they came.
    pub text: Vec<u8>,
}
