//! Where apps are: regions and domains.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NamedRef, Never, Timestamp};

/// `GET /regions`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Region {
    pub country: String,
    pub created_at: Timestamp,
    pub description: String,
    pub id: String,
    pub locale: String,
    pub name: String,
    pub private_capable: bool,
    pub provider: Provider,
    pub updated_at: Timestamp,
}

/// Who runs a region.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Provider {
    pub name: String,
    pub region: String,
}

/// `GET /apps/APP/domains`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Domain {
    pub acm_status: Never,
    pub acm_status_reason: Never,
    pub app: NamedRef,
    pub cname: Never,
    pub created_at: Timestamp,
    pub hostname: String,
    pub id: String,
    /// `heroku`: given by the platform.
    pub kind: String,
    pub sni_endpoint: Never,
    pub status: String,
    pub updated_at: Timestamp,
}
