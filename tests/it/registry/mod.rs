//! The registry: `conformance` follows the OCI Distribution specification, `words` is what hoist adds and refuses, `rights`
//! who may do what, `uploads` what survives cuts and crashes, `clients` the real clients.

mod clients;
mod conformance;
mod rights;
mod uploads;
mod words;
mod world;
