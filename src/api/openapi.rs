//! The API's description in OpenAPI 3.1, made from the routes and the types that the handlers have: what a handler takes and
//! gives can't be described otherwise than it is. What the types do not say (a summary of each route) stands in `routes`.

use aide::OperationInput;
use aide::OperationOutput;
use aide::generate::GenContext;
use aide::openapi::{
    Info, OpenApi, Operation, Parameter, ParameterData, ParameterSchemaOrContent, PathStyle, ReferenceOr, Response, SchemaObject,
    SecurityScheme,
};
use aide::operation::add_parameters;
use aide::transform::{TransformOpenApi, TransformOperation};
use axum::Json;
use indexmap::IndexMap;
use schemars::{JsonSchema, json_schema};

use super::addons::Expansion;
use super::answer::{Accepted, Created, Document, Headed};
use super::error::ApiError;
use super::extract::{Allowed, Body, Caller, InApp, Named, Names, Oneself, Reader, Secrets, WholeAccount};
use super::range::{Page, Range};
use super::types;

/// What holds for all of it.
const DESCRIPTION: &str = "Heroku's Platform API, version 3, as hoist serves it.\n\nWhat was read has an `ETag`. Send it back \
as `If-None-Match`, and what has not changed is not sent again (`304`); as `If-Match` with a change, and the change is made \
only to what you have read (else `412`). `RateLimit-Remaining` tells how many requests the token may still make within the \
hour; then it is `429`, with `Retry-After`. Every answer has a `Request-Id`. Where a client can only POST, \
`X-HTTP-Method-Override` says which method is meant. Events and logs are streamed from the addresses that answers tell, \
which need no token.";

/// The name of the way in which requests are authorised.
const TOKEN: &str = "token";

/// Says what a route is for.
pub(super) fn about(summary: &'static str) -> impl FnOnce(TransformOperation<'_>) -> TransformOperation<'_> {
    move |operation| operation.summary(summary)
}

/// Every operation may fail, in the one form that all failures have.
pub(super) fn fails_with_an_error(api: TransformOpenApi<'_>) -> TransformOpenApi<'_> {
    api.default_response::<ApiError>()
}

/// What the routes do not say: the whole's name, and what stands in braces in their paths.
pub(super) fn finish(api: &mut OpenApi) {
    api.info = Info {
        title: "hoist".into(),
        description: Some(DESCRIPTION.into()),
        version: env!("CARGO_PKG_VERSION").into(),
        ..Info::default()
    };
    let scheme = SecurityScheme::Http {
        scheme: "bearer".into(),
        bearer_format: None,
        description: Some("An API token; also taken as the password of Basic authentication.".into()),
        extensions: IndexMap::new(),
    };
    let components = api.components.get_or_insert_default();
    components.security_schemes.insert(TOKEN.into(), ReferenceOr::Item(scheme));
    let paths = api.paths.get_or_insert_default();
    for (path, item) in &mut paths.paths {
        if let ReferenceOr::Item(item) = item {
            item.parameters.extend(names_in(path).map(path_parameter));
        }
    }
}

/// The names in the braces of a route's path.
fn names_in(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn path_parameter(name: &str) -> ReferenceOr<Parameter> {
    let parameter_data = ParameterData { required: true, ..parameter(name, format!("Names the {name}: its id, or its name.")) };
    ReferenceOr::Item(Parameter::Path { parameter_data, style: PathStyle::Simple })
}

fn parameter(name: &str, description: String) -> ParameterData {
    let schema = SchemaObject { json_schema: json_schema!({"type": "string"}), external_docs: None, example: None };
    ParameterData {
        name: name.into(),
        description: Some(description),
        required: false,
        deprecated: None,
        format: ParameterSchemaOrContent::Schema(schema),
        example: None,
        examples: IndexMap::new(),
        explode: None,
        extensions: IndexMap::new(),
    }
}

fn needs_token(operation: &mut Operation) {
    operation.security = vec![IndexMap::from_iter([(TOKEN.to_owned(), Vec::new())])];
}

macro_rules! needs_token {
    ($($extractor:ty),+) => {$(
        impl OperationInput for $extractor {
            fn operation_input(_: &mut GenContext, operation: &mut Operation) {
                needs_token(operation);
            }
        }
    )+};
}

needs_token!(Caller, Reader, Secrets, Oneself, WholeAccount);

impl<A: Allowed> OperationInput for InApp<A> {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        needs_token(operation);
        let needs = A::ACTION.needs().iter().map(|permission| permission.as_str()).collect::<Vec<_>>().join("` or `");
        operation.description = Some(format!("Needs the `{needs}` permission in the app."));
    }
}

/// The path says it.
impl OperationInput for Named {}

/// Likewise.
impl<const N: usize> OperationInput for Names<N> {}

impl OperationInput for Expansion {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        let description = "What is to be shown as a whole: `addon_service`, `plan`, or both with a comma between.";
        let header = Parameter::Header {
            parameter_data: parameter("Accept-Expansion", description.into()),
            style: aide::openapi::HeaderStyle::Simple,
        };
        add_parameters(ctx, operation, [header]);
    }
}

impl OperationInput for Range {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        let description = "Which part of the list: `ATTRIBUTE [START]..[END][; max=200, order=asc]`. What is cut short is \
                           answered with `206`, and the `Next-Range` to ask for then.";
        let header = Parameter::Header {
            parameter_data: parameter("Range", description.into()),
            style: aide::openapi::HeaderStyle::Simple,
        };
        add_parameters(ctx, operation, [header]);
    }
}

impl<T: JsonSchema> OperationInput for Body<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Json::<T>::operation_input(ctx, operation);
    }
}

impl OperationOutput for ApiError {
    type Inner = types::Error;

    fn operation_response(ctx: &mut GenContext, operation: &mut Operation) -> Option<Response> {
        Json::<types::Error>::operation_response(ctx, operation)
    }

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, Response)> {
        Self::operation_response(ctx, operation).into_iter().map(|response| (None, response)).collect()
    }
}

impl OperationOutput for Document {
    type Inner = serde_json::Value;

    fn operation_response(ctx: &mut GenContext, operation: &mut Operation) -> Option<Response> {
        Json::<serde_json::Value>::operation_response(ctx, operation)
    }

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, Response)> {
        Json::<serde_json::Value>::inferred_responses(ctx, operation)
    }
}

impl<T: JsonSchema> OperationOutput for Page<T> {
    type Inner = Vec<T>;

    fn operation_response(ctx: &mut GenContext, operation: &mut Operation) -> Option<Response> {
        Json::<Vec<T>>::operation_response(ctx, operation)
    }

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, Response)> {
        let list = Self::operation_response(ctx, operation);
        [200, 206].into_iter().filter_map(|status| Some((Some(status), list.clone()?))).collect()
    }
}

impl<T: JsonSchema> OperationOutput for Created<T> {
    type Inner = T;

    fn operation_response(ctx: &mut GenContext, operation: &mut Operation) -> Option<Response> {
        Json::<T>::operation_response(ctx, operation)
    }

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, Response)> {
        Self::operation_response(ctx, operation).into_iter().map(|response| (Some(201), response)).collect()
    }
}

impl<T: JsonSchema> OperationOutput for Accepted<T> {
    type Inner = T;

    fn operation_response(ctx: &mut GenContext, operation: &mut Operation) -> Option<Response> {
        Json::<T>::operation_response(ctx, operation)
    }

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, Response)> {
        Self::operation_response(ctx, operation).into_iter().map(|response| (Some(202), response)).collect()
    }
}

impl<T: OperationOutput> OperationOutput for Headed<T> {
    type Inner = T::Inner;

    fn operation_response(ctx: &mut GenContext, operation: &mut Operation) -> Option<Response> {
        T::operation_response(ctx, operation)
    }

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, Response)> {
        T::inferred_responses(ctx, operation)
    }
}
