//! Whether anything can be started in a root: better told now than at somebody's push.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::engine::{Command, Engine, Exit, Spec};
use crate::model::{APP_DIR, ImageName, Limits};
use crate::stack::StackError;
use crate::stack::inside::open_inside;

const TIME: Duration = Duration::from_mins(1);
/// Of what is said on the way.
const MAX_WORDS_BYTES: usize = 1024;

/// What buildpacks and process types are started with, and what hoist itself runs; each is started or at least there.
const SCRIPT: &str = r#"
for program in /bin/sh /usr/bin/env cp head mkdir; do
  command -v "$program" >/dev/null || { echo "it has no $program"; exit 1; }
done
/bin/sh -c : && /bin/bash -c : && /usr/bin/env bash -c : && echo fit
"#;

/// How it says that something is missing.
const LACKS: &str = "it has no ";

/// Where programs are looked for unless the image says so.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Starts bash in a root, as builds do.
pub(super) async fn probe(
    name: &ImageName,
    root: &Path,
    env: &BTreeMap<String, String>,
    limits: &Limits,
    engine: &Engine,
) -> Result<(), StackError> {
    let unfit = |why: String| StackError::Unfit { image: Box::new(name.clone()), why };
    if matches!(open_inside(root, "bin/bash"), Ok(None)) {
        return Err(unfit("it has no bash, with which buildpacks and apps are started".into()));
    }
    let spec = Spec {
        root: root.to_owned(),
        name: "probe".to_owned(),
        memory_bytes: limits.build_memory_bytes,
        pids: limits.build_pids,
        cpus: limits.build_cpus,
        disk_bytes: limits.build_disk_bytes,
        network: false,
    };
    let environment =
        engine.start(spec).await.map_err(|error| unfit(format!("no sandbox can be made of it: {}", causes(&error))))?;
    let command = Command {
        argv: ["bash", "-c", SCRIPT].map(str::to_owned).to_vec(),
        env: [("PATH".to_owned(), PATH.to_owned())].into_iter().chain(env.clone()).collect(),
        cwd: APP_DIR.to_owned(),
        needs_network: false,
        timeout: TIME,
    };
    let mut words = Vec::new();
    // An empty tar: where the engine has made no folder of the image's, there is one then.
    let ran = match environment.put_in(APP_DIR, [0; 1024].as_slice()).await {
        Ok(()) => {
            environment.run(command, |_, piece| words.extend(&piece[..piece.len().min(MAX_WORDS_BYTES - words.len())])).await
        }
        Err(error) => Err(error),
    };
    environment.stop().await?;
    let text = String::from_utf8_lossy(&words);
    match ran? {
        Exit::Code(0) if text.trim_end().ends_with("fit") => Ok(()),
        Exit::TimedOut => Err(unfit("bash does not come to an end in it".into())),
        exit => {
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            if words.starts_with(LACKS) {
                return Err(unfit(format!("{}, which builds need", words.escape_debug())));
            }
            Err(unfit(format!("bash can't be started in it as buildpacks and apps need it ({exit:?}): {}", words.escape_debug())))
        }
    }
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
