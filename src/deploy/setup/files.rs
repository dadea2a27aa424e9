//! What an app's files say of how it is set up: app.json, and heroku.yml on the stack container.

use super::SetupFailure;
use crate::build::{self, ArchiveSource, Means};
use crate::model::{AppJson, ConfigVarSpec, EnvironmentName, HerokuYml, Invalid, Manifest, Setup, StackName};

/// Reads both, of an app that is to be made on this stack, if one is named. An app that has heroku.yml only is one on the
/// stack container.
pub(super) async fn read(
    source: &ArchiveSource,
    means: &Means<'_>,
    stack: Option<&StackName>,
    environment: EnvironmentName,
) -> Result<(AppJson, Manifest), SetupFailure> {
    let files = build::read_manifest_files(source, means).await?;
    let mut app_json = AppJson::default();
    match (&files.app_json, &files.heroku_yml) {
        (Some(text), _) => app_json = AppJson::parse(text)?,
        (None, Some(_)) => app_json.stack = Some(StackName::container()),
        (None, None) => return Err(SetupFailure::new("app.json not found: put one into the app's own folder")),
    }
    let mut wanted = app_json.manifest(environment);
    let is_container = stack.or(app_json.stack.as_ref()).is_some_and(StackName::is_container);
    if let Some(text) = files.heroku_yml.filter(|_| is_container) {
        let file = HerokuYml::parse(&text).map_err(|Invalid(why)| SetupFailure::Failed {
            message: "invalid heroku.yml".into(),
            manifest_errors: vec![why],
            cause: None,
        })?;
        add(&mut wanted, file.setup);
    }
    Ok((app_json, wanted))
}

/// Adds what only heroku.yml says: where both say something, app.json is what is written for a setup.
fn add(wanted: &mut Manifest, setup: Setup) {
    for (key, value) in setup.config {
        let spec = wanted.env.entry(key).or_insert(ConfigVarSpec { value: None, required: true, is_generated: false });
        if spec.value.is_none() && !spec.is_generated {
            spec.value = Some(value);
        }
    }
    let missing: Vec<_> = setup.addons.into_iter().filter(|addon| !wanted.addons.contains(addon)).collect();
    wanted.addons.extend(missing);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn app_json_wins_where_both_say_something() {
        let app_json =
            r#"{"env": {"A": "app", "B": {"required": true}, "C": {"generator": "secret"}}, "addons": ["heroku-redis"]}"#;
        let mut wanted = AppJson::parse(app_json.as_bytes()).unwrap().manifest(EnvironmentName::Base);
        let yml = "setup: {config: {A: yml, B: yml, C: yml, D: yml}, addons: [{plan: heroku-redis}, {plan: heroku-postgresql}]}
build: {docker: {web: Dockerfile}}";
        add(&mut wanted, HerokuYml::parse(yml.as_bytes()).unwrap().setup);
        let values: Vec<_> =
            wanted.env.values().map(|spec| spec.value.as_ref().map_or("made up", |value| value.expose())).collect();
        assert_eq!(values, ["app", "yml", "made up", "yml"]);
        let plans: Vec<_> = wanted.addons.iter().map(|addon| addon.plan.as_str()).collect();
        assert_eq!(plans, ["heroku-redis", "heroku-postgresql"]);
    }
}
