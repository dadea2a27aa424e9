//! Which buildpacks the app wants: those that are set on it, unless a config var or a file of its own says otherwise.

use super::{Build, BuildError};
use crate::model::{BuildpackRef, ConfigVars, Invalid};

/// Config vars that name a buildpack in place of those that are set, the newer one first (conventions 3.6).
const OVERRIDES: [&str; 2] = ["BUILDPACK_URL", "LANGUAGE_PACK_URL"];
/// Names one buildpack a line; without any that is set, it counts. heroku-buildpack-multi has brought it up.
const LIST_FILE: &str = ".buildpacks";
const MAX_LIST_BYTES: usize = 64 * 1024;
/// More than anybody's app has: each is put into the environment.
const MAX_PACKS: usize = 50;

/// Finds out which buildpacks are wanted and says it; none means detection.
pub async fn choose_buildpacks(
    build: &Build<'_>,
    config: &ConfigVars,
    set: &[BuildpackRef],
) -> Result<Vec<BuildpackRef>, BuildError> {
    if let Some((name, buildpack)) = of_config(config)? {
        announce(build, std::slice::from_ref(&buildpack));
        build.transcript.detail(&format!("as the config var {name} says"));
        return Ok(vec![buildpack]);
    }
    if !set.is_empty() {
        announce(build, set);
        return Ok(set.to_vec());
    }
    let listed = read_list(build).await?;
    announce(build, &listed);
    if !listed.is_empty() {
        build.transcript.detail(&format!("as {LIST_FILE} says"));
    }
    Ok(listed)
}

fn announce(build: &Build<'_>, wanted: &[BuildpackRef]) {
    match wanted {
        [] => build.transcript.section("Determining which buildpack to use for this app"),
        [one] => build.transcript.section(&format!("Using buildpack: {}", one.shown())),
        several => {
            build.transcript.section("Using buildpacks:");
            for (number, buildpack) in (1..).zip(several) {
                build.transcript.detail(&format!("{number}. {}", buildpack.shown()));
            }
        }
    }
}

fn of_config(config: &ConfigVars) -> Result<Option<(&'static str, BuildpackRef)>, BuildError> {
    for name in OVERRIDES {
        if let Some(value) = config.get(name).map(|value| value.expose().trim()).filter(|value| !value.is_empty()) {
            let bad = |why| BuildError::BadBuildpack { told_by: format!("the config var {name}"), why };
            return Ok(Some((name, value.parse::<BuildpackRef>().map_err(bad)?)));
        }
    }
    Ok(None)
}

async fn read_list(build: &Build<'_>) -> Result<Vec<BuildpackRef>, BuildError> {
    let script = format!("test ! -f {LIST_FILE} || exec head -c {MAX_LIST_BYTES} {LIST_FILE}");
    let text = build.answer_of(&["sh", "-c", &script]).await?.stdout;
    parse_list(&text).map_err(|why| BuildError::BadBuildpack { told_by: LIST_FILE.to_owned(), why })
}

/// Reads one reference a line, without empty lines and those that begin with `#`.
fn parse_list(text: &str) -> Result<Vec<BuildpackRef>, Invalid> {
    let lines = (1..).zip(text.lines().map(str::trim));
    let wanted = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let read = |(number, line): (usize, &str)| {
        line.parse::<BuildpackRef>().map_err(|Invalid(why)| Invalid(format!("line {number}: {why}")))
    };
    let listed = wanted.map(read).collect::<Result<Vec<_>, _>>()?;
    if listed.len() > MAX_PACKS { Err(Invalid(format!("it names more than {MAX_PACKS} buildpacks"))) } else { Ok(listed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;

    #[test]
    fn a_list_has_a_reference_a_line() {
        let listed = parse_list("# ours\nhttps://h/o/pack.git#v1\r\n\n  heroku/nodejs  \n./pack").unwrap();
        let names: Vec<_> = listed.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["https://h/o/pack.git#v1", "heroku/nodejs", "./pack"]);
        assert!(parse_list("\nhttps://h/o/pack.git\nNo Pack\n").unwrap_err().to_string().starts_with("line 3: `No Pack` is not"));
        assert!(parse_list(&"./pack\n".repeat(51)).is_err());
    }

    #[test]
    fn the_newer_config_var_wins_and_an_empty_one_says_nothing() {
        let of = |vars: &[(&str, &str)]| {
            let config = vars.iter().map(|(key, value)| (key.parse().unwrap(), Secret::new(*value))).collect();
            of_config(&ConfigVars(config)).map(|found| found.map(|(name, buildpack)| format!("{name} {buildpack}")))
        };
        let (new, old) = (("BUILDPACK_URL", "https://h/new.git"), ("LANGUAGE_PACK_URL", "https://h/old.git"));
        assert_eq!(of(&[old, new]).unwrap().as_deref(), Some("BUILDPACK_URL https://h/new.git"));
        assert_eq!(of(&[old, ("BUILDPACK_URL", " ")]).unwrap().as_deref(), Some("LANGUAGE_PACK_URL https://h/old.git"));
        assert_eq!(of(&[]).unwrap(), None);
        assert!(of(&[("BUILDPACK_URL", "file:///pack")]).unwrap_err().to_string().starts_with("the config var BUILDPACK_URL: "));
    }
}
