//! Makes a recipe's two tars with mmdebstrap, as root or in a user namespace.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};

use super::recipe::{Manifest, Recipe};
use super::{StackError, io_error};

/// Generous: two minutes are usual, and a slow mirror should not make it impossible.
const TIMEOUT: Duration = Duration::from_hours(1);
/// How long it may take to clean up once it is asked to end.
const PATIENCE: Duration = Duration::from_mins(1);
/// How much of the output is kept for the error message.
const LAST_WORDS: usize = 20;

/// Leaves `run.tar` and `build.tar` in `dir`; hands each line of progress to `on_line`.
pub(super) async fn make_tars(
    recipe: &Recipe,
    mirror: &str,
    dir: &Path,
    on_line: &mut (impl FnMut(&str) + Send),
) -> Result<(), StackError> {
    let (output, writer) = std::io::pipe().map_err(io_error("make a pipe"))?;
    see_through(spawn(recipe, mirror, dir, writer)?, output.into(), (TIMEOUT, PATIENCE), on_line).await
}

/// Follows `child` to its end. Once its time is over it is asked to end, and killed if its patience is over, too.
async fn see_through(
    child: Child,
    output: OwnedFd,
    (timeout, patience): (Duration, Duration),
    on_line: &mut (impl FnMut(&str) + Send),
) -> Result<(), StackError> {
    let mut running = Running(child);
    let id = running.id();
    let mut last_words = VecDeque::with_capacity(LAST_WORDS);
    let ended = {
        let mut work = pin!(async {
            follow(output, &mut last_words, on_line).await?;
            running.0.wait().await
        });
        let ended = tokio::time::timeout(timeout, &mut work).await;
        if ended.is_err() {
            ask_to_end(id);
            // However this ends: it took too long.
            let _ = tokio::time::timeout(patience, work).await;
        }
        ended
    };
    let Ok(status) = ended else {
        // Fails when it has ended after all.
        let _ = running.0.start_kill();
        return Err(StackError::ToolTimedOut(timeout));
    };
    let status = status.map_err(io_error("follow mmdebstrap"))?;
    if status.success() {
        return Ok(());
    }
    Err(StackError::ToolFailed { status: status.to_string(), last_words: Vec::from(last_words).join("\n") })
}

#[expect(clippy::disallowed_methods, reason = "the operator's own tool and recipe: no engine exists before there is a stack")]
fn spawn(recipe: &Recipe, mirror: &str, dir: &Path, output: std::io::PipeWriter) -> Result<Child, StackError> {
    let stdout = output.try_clone().map_err(io_error("share a pipe"))?;
    // The environment is inherited, as apt's own would be: proxies and TMPDIR are the operator's to set.
    Command::new("mmdebstrap")
        .args(arguments(recipe, mirror))
        .env("LC_ALL", "C.UTF-8")
        .env("SOURCE_DATE_EPOCH", recipe.manifest.source_date_epoch.to_string())
        .env("BUILD_PACKAGES", recipe.manifest.build.packages.join(" "))
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(output)
        .spawn()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => StackError::NoTool,
            _ => io_error("start mmdebstrap")(error),
        })
}

/// The scripts go in as text: in a user namespace, mmdebstrap need not be able to read our files.
fn arguments(recipe: &Recipe, mirror: &str) -> Vec<String> {
    let Manifest { suite, sources, run, .. } = &recipe.manifest;
    let mode = if rustix::process::geteuid().is_root() { "root" } else { "unshare" };
    let mut arguments = vec![
        format!("--mode={mode}"),
        "--variant=apt".into(),
        "--format=null".into(),
        format!("--include={}", run.packages.join(",")),
        // Otherwise `usrmerge` does it, and brings all of Perl into the run root.
        "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr".into(),
        "--aptopt=Acquire::Languages \"none\"".into(),
        "--aptopt=Acquire::Retries \"3\"".into(),
        "--aptopt=APT::Install-Recommends \"false\"".into(),
        "--dpkgopt=force-unsafe-io".into(),
    ];
    let unread = ["man/*", "info/*", "locale/*/*", "doc/*"];
    arguments.extend(unread.map(|path| format!("--dpkgopt=path-exclude=/usr/share/{path}")));
    arguments.push("--dpkgopt=path-include=/usr/share/doc/*/copyright".into());
    let hooks =
        [recipe.setup, recipe.pack, "download /root.tar run.tar", recipe.extend, recipe.pack, "download /root.tar build.tar"];
    arguments.extend(hooks.map(|hook| format!("--customize-hook={hook}")));
    arguments.extend([suite.clone(), "-".into()]);
    arguments.extend(sources.iter().map(|line| line.replace("{mirror}", mirror)));
    arguments
}

/// Reads to the end, keeping the last lines and passing on those that mmdebstrap and the scripts mean to be read.
async fn follow(
    output: OwnedFd,
    last_words: &mut VecDeque<String>,
    on_line: &mut (impl FnMut(&str) + Send),
) -> std::io::Result<()> {
    let mut reader = BufReader::new(pipe::Receiver::from_owned_fd(output)?);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).await? > 0 {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        if let Some(progress) = progress(&text) {
            on_line(progress);
        }
        if last_words.len() == LAST_WORDS {
            last_words.pop_front();
        }
        last_words.push_back(text);
        line.clear();
    }
    Ok(())
}

fn progress(line: &str) -> Option<&str> {
    let text = ["I: ", "W: ", "E: "].iter().find_map(|prefix| line.strip_prefix(prefix))?;
    // Announcements of hooks are whole scripts.
    (!text.contains("-hook") && !text.contains("special hook")).then_some(text)
}

/// mmdebstrap cleans up (mounts, its folder) when asked to end, so that comes before killing it.
struct Running(Child);

impl Running {
    /// Its id; `None` once it has ended and been waited for.
    fn id(&self) -> Option<Pid> {
        self.0.id().and_then(|id| Pid::from_raw(id.cast_signed()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        ask_to_end(self.id());
    }
}

fn ask_to_end(id: Option<Pid>) {
    if let Some(id) = id {
        // It may have ended by itself just now.
        let _ = kill_process(id, Signal::TERM);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_leaves_out_scripts_and_package_noise() {
        assert_eq!(progress("I: extracting archives..."), Some("extracting archives..."));
        assert_eq!(progress("E: no such mirror"), Some("no such mirror"));
        for noise in ["I: running --customize-hook in shell: sh -c '# Prepares", "I: running special hook: download", "Get:1 x"] {
            assert_eq!(progress(noise), None, "{noise}");
        }
    }

    #[test]
    fn the_mirror_goes_into_every_source() {
        let recipe = super::super::recipe::read(&"debian-12".parse().unwrap()).unwrap();
        let arguments = arguments(&recipe, "http://mirror.test/debian");
        let sources: Vec<_> = arguments.iter().filter(|argument| argument.starts_with("deb ")).collect();
        assert_eq!(sources.len(), recipe.manifest.sources.len());
        assert!(sources.iter().all(|line| line.starts_with("deb http://mirror.test/debian")), "{sources:?}");
    }

    #[tokio::test]
    async fn what_takes_too_long_is_killed_if_it_does_not_end_when_asked() {
        let (output, writer) = std::io::pipe().unwrap();
        #[expect(clippy::disallowed_methods, reason = "stands in for mmdebstrap")]
        let child = Command::new("/bin/sh").args(["-c", "trap '' TERM; exec sleep 1000"]).stdout(writer).spawn().unwrap();
        let id = child.id().unwrap();
        let limit = Duration::from_millis(100);
        let ended = see_through(child, output.into(), (limit, limit), &mut |_: &str| ()).await;
        assert!(matches!(ended, Err(StackError::ToolTimedOut(_))), "{ended:?}");
        // It may stay as a zombie for a moment.
        while std::fs::read_to_string(format!("/proc/{id}/status")).is_ok_and(|status| !status.contains("State:\tZ")) {
            tokio::task::yield_now().await;
        }
    }
}
