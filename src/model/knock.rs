//! What a door knows of a request before it knows who sends it.

use std::net::IpAddr;

use uuid::Uuid;

/// The address that a request comes from.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// A request's id, which its answer tells.
#[derive(Debug, Clone, Copy)]
pub struct RequestId(pub Uuid);
