//! How OpenAPI describes what stands on the wire as a text, and the maps of such.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::Timestamp;
use crate::model::{
    AccountId, AddonId, AppId, AppSetupId, AttachmentId, AttemptId, AuthorizationId, BuildId, BuildpackRef, ConfigKey,
    ConfigVars, ConnectionId, CouplingId, DeliveryId, DynoId, EventId, GitCredentialId, NotificationId, OciImageId, PipelineId,
    ProcessType, PromotionId, PromotionTargetId, ReleaseId, ReviewAppId, Secret, SlugId, TestRunId, TriggerId, WebhookId,
};

macro_rules! text {
    ($schema:tt: $($name:ident),+ $(,)?) => {$(
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )+};
}

text!({"type": "string", "format": "date-time"}: Timestamp);
text!({"type": "string", "format": "uuid"}: AddonId, AttachmentId, AttemptId, DeliveryId, EventId, NotificationId, WebhookId, AccountId, AppId, AppSetupId, TestRunId, AuthorizationId, BuildId, ConnectionId, CouplingId, TriggerId, DynoId, OciImageId, PipelineId, PromotionId,
    PromotionTargetId, ReleaseId, ReviewAppId, SlugId, GitCredentialId);
text!({"type": "string"}: BuildpackRef, ConfigKey, ProcessType, Secret);

impl JsonSchema for ConfigVars {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ConfigVars".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<ConfigKey, Secret>::json_schema(generator)
    }
}
