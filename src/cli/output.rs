//! What commands print, in the forms of the Heroku CLI: data on stdout, what is being done on stderr. Colours only reach
//! a terminal (`anstream` takes them out elsewhere).

use std::fmt;
use std::io::{Read, Write as _};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::error::CliError;
use crate::config;

const BOLD: Style = Style::new().bold();
/// How often something that takes a moment moves.
const TICK: Duration = Duration::from_millis(100);
const DIM: Style = Style::new().dimmed();

/// Prints data.
pub(super) fn print(text: &str) -> Result<(), CliError> {
    let mut stdout = anstream::stdout();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

/// Prints data as JSON.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value).map_err(anyhow::Error::from)?;
    print(&format!("{text}\n"))
}

/// Prints a log as it comes, without the NUL bytes that keep its connection alive (heroku-api 2.6).
pub(super) fn print_stream(mut stream: impl Read) -> Result<(), CliError> {
    let mut stdout = anstream::stdout();
    let mut piece = vec![0; 64 * 1024];
    loop {
        let length = stream.read(&mut piece)?;
        if length == 0 {
            return Ok(());
        }
        let text: Vec<u8> = piece[..length].iter().copied().filter(|byte| *byte != 0).collect();
        stdout.write_all(&text)?;
        stdout.flush()?;
    }
}

/// Prints a remark beside the data.
pub(super) fn note(text: &str) {
    aside(format_args!("{text}\n"));
}

/// Writes to stderr. Nobody can be told that it is closed, and what is done goes on: `eprintln!` would panic.
pub(super) fn aside(text: fmt::Arguments<'_>) {
    let _ = anstream::stderr().write_fmt(text);
}

/// Prints a warning.
pub(super) fn warn(text: &str) {
    let mark = Style::new().fg_color(Some(AnsiColor::Yellow.into()));
    aside(format_args!(" {mark}›{mark:#}   Warning: {text}\n"));
}

/// Something that takes a moment: `Creating example... done`. Ends in `!` when dropped before it is done. A terminal sees it
/// move meanwhile.
pub(super) struct Action {
    label: String,
    /// Drawn on a terminal only.
    bar: ProgressBar,
    is_done: bool,
}

impl Action {
    pub(super) fn start(label: &str) -> Self {
        Self::show(label, ProgressBar::new_spinner(), "{msg}... {spinner}")
    }

    /// With so many bytes to go through, which [`Action::counting`] counts.
    pub(super) fn start_bytes(label: &str, bytes: u64) -> Self {
        Self::show(label, ProgressBar::new(bytes), "{msg}... [{bar:30}] {percent:>3}%")
    }

    fn show(label: &str, bar: ProgressBar, template: &str) -> Self {
        let template = ProgressStyle::with_template(template).expect("the templates are right");
        let bar = bar.with_style(template.progress_chars("##-")).with_message(label.to_owned());
        if config::is_ci() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        if bar.is_hidden() {
            aside(format_args!("{label}... "));
        } else {
            bar.enable_steady_tick(TICK);
        }
        Self { label: label.to_owned(), bar, is_done: false }
    }

    /// Counts what is read.
    pub(super) fn counting<R: Read>(&self, read: R) -> impl Read + use<R> {
        self.bar.wrap_read(read)
    }

    pub(super) fn done(self) {
        self.done_with("");
    }

    /// Adds what came of it: `done, v4`.
    pub(super) fn done_with(mut self, result: &str) {
        let comma = if result.is_empty() { "" } else { ", " };
        self.end(&format!("done{comma}{result}"));
        self.is_done = true;
    }

    fn end(&self, word: &str) {
        if self.bar.is_hidden() {
            aside(format_args!("{word}\n"));
        } else {
            self.bar.finish_and_clear();
            aside(format_args!("{}... {word}\n", self.label));
        }
    }
}

impl Drop for Action {
    fn drop(&mut self) {
        if !self.is_done {
            self.end("!");
        }
    }
}

/// `=== TITLE` and an empty line.
pub(super) fn header(title: &str) -> String {
    format!("{DIM}==={DIM:#} {BOLD}{title}{BOLD:#}\n\n")
}

/// `KEY: VALUE` lines, values in a column.
pub(super) fn fields<'a>(fields: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let fields: Vec<_> = fields.into_iter().collect();
    let width = fields.iter().map(|(key, _)| key.chars().count() + 1).max().unwrap_or_default();
    let line = |(key, value): &(&str, String)| format!("{:width$} {value}", format!("{key}:")).trim_end().to_owned() + "\n";
    fields.iter().map(line).collect()
}

/// A table with its heads; an empty one prints nothing.
pub(super) fn table<const N: usize>(heads: [&str; N], rows: &[[String; N]]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let heads = heads.map(str::to_owned);
    let length = |text: &String| text.chars().count();
    let width: [usize; N] = std::array::from_fn(|column| {
        rows.iter().map(|row| length(&row[column])).max().unwrap_or_default().max(length(&heads[column]))
    });
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(width).map(|(cell, width)| format!(" {cell:width$} "));
        format!(" {}", cells.collect::<Vec<_>>().join(" ")).trim_end().to_owned() + "\n"
    };
    let rule = "─".repeat(width.iter().sum::<usize>() + 3 * N - 1);
    let body: String = rows.iter().map(line).collect();
    format!("{BOLD}{}{BOLD:#}\n {rule}\n{body}\n", line(&heads).trim_end())
}

/// `2015/11/17 17:37:41 +0000 (~ 1h ago)`
pub(super) fn ago(at: OffsetDateTime, now: OffsetDateTime) -> String {
    const FORMAT: &[BorrowedFormatItem<'_>] = format_description!("[year]/[month]/[day] [hour]:[minute]:[second] +0000");
    let text = at.to_offset(time::UtcOffset::UTC).format(FORMAT).expect("every field is there");
    match (now - at).whole_seconds().max(0) {
        seconds @ 0..60 => format!("{text} (~ {seconds}s ago)"),
        seconds @ 60..3600 => format!("{text} (~ {}m ago)", seconds / 60),
        seconds @ 3600..90_000 => format!("{text} (~ {}h ago)", seconds / 3600),
        _ => text,
    }
}

/// `12 KB`, in powers of 1024, rounded.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KB", "MB", "GB", "TB"];
    let fits = |power: &usize| bytes < 1024_u64.pow(u32::try_from(*power).unwrap_or(u32::MAX) + 1);
    let power = (0..UNITS.len() - 1).find(fits).unwrap_or(UNITS.len() - 1);
    let unit = 1_u64 << (10 * power);
    format!("{} {}", bytes.saturating_add(unit / 2) / unit, UNITS[power])
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn ages_are_told_up_to_a_day() {
        let at = datetime!(2026-11-22 05:58:35 UTC);
        let after = |seconds| ago(at, at + time::Duration::seconds(seconds));
        assert_eq!(after(2), "2026/11/22 05:58:35 +0000 (~ 2s ago)");
        assert_eq!(after(-2), "2026/11/22 05:58:35 +0000 (~ 0s ago)", "clocks differ");
        assert_eq!(after(60), "2026/11/22 05:58:35 +0000 (~ 1m ago)");
        assert_eq!(after(7199), "2026/11/22 05:58:35 +0000 (~ 1h ago)");
        assert_eq!(after(90_000), "2026/11/22 05:58:35 +0000");
    }

    #[test]
    fn sizes_are_rounded() {
        let sizes = [0, 1023, 1024, 1536, 1024 * 1024 - 1, 300 * 1024 * 1024, u64::MAX].map(size);
        assert_eq!(sizes, ["0 B", "1023 B", "1 KB", "2 KB", "1024 KB", "300 MB", "16777215 TB"]);
    }

    #[test]
    fn values_stand_in_columns() {
        assert_snapshot!(fields([("A", "1".into()), ("Long key", "2".into()), ("Empty", String::new())]), @"
        A:        1
        Long key: 2
        Empty:
        ");
        let rows = [["v12", "é"], ["v2", "something"]].map(|row| row.map(str::to_owned));
        assert_snapshot!(anstream::adapter::strip_str(&table(["v", "description"], &rows)), @r#"
         v     description
        ───────────────────
         v12   é
         v2    something
        "#);
    }
}
