//! The environment of a build, over what earlier ones have left for it.

use super::{CacheFolder, TakenSource};
use crate::engine::{Engine, EngineError, Environment, Groundwork, Spec};

/// A build's environment, and what it was started over.
#[derive(Debug)]
pub struct Started {
    pub environment: Environment,
    pub cache: Option<CacheFolder>,
    pub source: Option<TakenSource>,
}

/// Starts an environment for a build, over the unpacked cache of the last good one and over its source, if there is that.
pub async fn start(
    engine: &Engine,
    spec: Spec,
    cache: Option<CacheFolder>,
    source: Option<TakenSource>,
) -> Result<Started, EngineError> {
    let (layer, own) = (cache.as_ref().map(CacheFolder::path), source.as_ref().map(TakenSource::path));
    if layer.is_some() || own.is_some() {
        match engine.start_over(spec.clone(), Groundwork { layer: layer.as_deref(), own: own.as_deref() }).await {
            Ok(environment) => return Ok(Started { environment, cache, source }),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "a build can't start over what was made for it, and makes it once more");
            }
        }
    }
    if let Some(source) = source {
        source.release().await;
    }
    Ok(Started { environment: engine.start(spec).await?, cache: None, source: None })
}
