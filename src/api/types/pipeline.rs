//! Pipelines, the apps in them, and promotions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{IdRef, NamedRef, Timestamp};
use crate::model::{AccountId, AppId, CouplingId, PipelineId, PromotionId, PromotionTargetId, ReleaseId};

/// `GET /pipelines/PIPELINE`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Pipeline {
    pub created_at: Timestamp,
    pub generation: NamedRef,
    pub id: PipelineId,
    pub name: String,
    pub owner: PipelineOwner,
    pub updated_at: Timestamp,
}

/// Always a user: hoist has no teams.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PipelineOwner {
    pub id: AccountId,
    #[serde(rename = "type")]
    pub kind: String,
}

/// `POST /pipelines`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct NewPipeline {
    #[serde(default)]
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<NewPipelineOwner>,
}

/// Whose it is to be.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct NewPipelineOwner {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
}

/// `PATCH /pipelines/PIPELINE`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct PipelineChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// `POST /pipeline-transfers`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct NewPipelineTransfer {
    /// By id, or by name.
    pub pipeline: IdRef<String>,
    pub new_owner: NewPipelineOwner,
}

/// A pipeline that has another owner now.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PipelineTransfer {
    pub pipeline: IdRef<PipelineId>,
    pub previous_owner: PipelineOwner,
    pub new_owner: PipelineOwner,
}

/// `GET /pipeline-couplings/COUPLING`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PipelineCoupling {
    pub app: IdRef<AppId>,
    pub created_at: Timestamp,
    pub id: CouplingId,
    pub pipeline: PipelineRef,
    pub stage: String,
    pub updated_at: Timestamp,
}

/// With the name, which the Heroku CLI reads although the schema has only the id.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PipelineRef {
    pub id: PipelineId,
    pub name: String,
}

/// `POST /pipeline-couplings`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct NewPipelineCoupling {
    /// Name or id.
    #[serde(default)]
    pub app: String,
    #[serde(default)]
    pub pipeline: String,
    #[serde(default)]
    pub stage: String,
}

/// `PATCH /pipeline-couplings/COUPLING`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct PipelineCouplingChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
}

/// `GET /pipeline-promotions/PROMOTION`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PipelinePromotion {
    pub created_at: Timestamp,
    pub id: PromotionId,
    pub pipeline: IdRef<PipelineId>,
    pub source: PromotionSource,
    /// `pending` or `completed`.
    pub status: String,
    pub updated_at: Option<Timestamp>,
}

/// What was promoted.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PromotionSource {
    pub app: IdRef<AppId>,
    pub release: IdRef<ReleaseId>,
}

/// `POST /pipeline-promotions`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct NewPipelinePromotion {
    pub pipeline: IdRef<String>,
    pub source: NewPromotionSource,
    pub targets: Vec<NewPromotionTarget>,
}

/// What is to be promoted: the app's current release, unless another is named.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct NewPromotionSource {
    pub app: IdRef<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<IdRef<String>>,
}

/// Where to.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct NewPromotionTarget {
    pub app: IdRef<String>,
}

/// `GET /pipeline-promotions/PROMOTION/promotion-targets`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PipelinePromotionTarget {
    pub app: IdRef<AppId>,
    pub error_message: Option<String>,
    pub id: PromotionTargetId,
    pub pipeline_promotion: IdRef<PromotionId>,
    pub release: Option<IdRef<ReleaseId>>,
    /// `pending`, `succeeded` or `failed`.
    pub status: String,
}

/// `POST /filters/apps`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct AppsFilter {
    #[serde(rename = "in", default)]
    pub within: AppIds,
}

/// Of apps.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct AppIds {
    #[serde(default)]
    pub id: Vec<String>,
}
