//! Makes transcripts of different runs comparable.

/// Replaces what differs from run to run: addresses, commits, ids, sizes, times, names of one-off commands. What git itself says before the first line
/// of the remote, and its progress meters, go.
pub(crate) fn normalise(text: &str) -> String {
    let lines = text.lines().map(|line| line.rsplit('\r').next().unwrap_or(line).trim_end());
    lines.map(|line| normalise_line(line) + "\n").collect()
}

fn normalise_line(line: &str) -> String {
    // As wide as what is below it.
    if line.starts_with(" ──") {
        return " RULE".into();
    }
    // `-----> Built in 12.3s: compile 9.8s`: which parts are worth telling depends on the time they took.
    if let Some((before, _)) = line.split_once("-----> Built in ") {
        return format!("{before}-----> Built in TIME");
    }
    // `2026/11/22 13:43:39 +0000 (~ 2s ago)`
    if let Some((before, ago)) = line.split_once(" +0000 (~ ")
        && let Some(start) = before.len().checked_sub("2026/11/22 13:43:39".len())
        && let Some((_, after)) = ago.split_once(" ago)")
    {
        return format!("{}TIME{}", normalise_line(&before[..start]), normalise_line(after));
    }
    // JavaScript's: `Sun Nov 22 2026 13:43:39 GMT+0000 (Coordinated Universal Time)`
    if let Some((before, after)) = line.split_once(" GMT+0000 (Coordinated Universal Time)")
        && let Some(start) = before.len().checked_sub("Sun Nov 22 2026 13:43:39".len())
    {
        return format!("{}TIME{}", normalise_line(&before[..start]), normalise_line(after));
    }
    let words = line.split_inclusive([' ', '/', '@']);
    words.map(normalise_word).collect()
}

fn normalise_word(word: &str) -> String {
    let bare = word.trim_end_matches([' ', '/', '@', '.', ')', ':', ',']);
    let end = &word[bare.len()..];
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if bare.len() == 36 && bare.split('-').all(is_hex) {
        return format!("ID{end}");
    }
    // `ID?expires=1795300000&signature=…`, also as the end of a JSON text.
    if let Some((path, permit)) = bare.split_once("?expires=") {
        let rest = permit.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "&=-_".contains(c));
        return format!("{}{}", normalise_word(path), normalise_word(&format!("{rest}{end}")));
    }
    if let Some((from, to)) = bare.split_once("..")
        && from.len() >= 7
        && is_hex(from)
        && is_hex(to)
    {
        return format!("OLD..NEW{end}");
    }
    if bare.strip_prefix("127.0.0.1:").is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit())) {
        return format!("HOST{end}");
    }
    // `app[run.1234]`
    if let Some((source, dyno)) = bare.strip_suffix(']').and_then(|bare| bare.split_once('[')) {
        return format!("{source}[{}]{end}", normalise_word(dyno));
    }
    if bare.strip_prefix("hoist-").is_some_and(|token| token.len() == 64 && is_hex(token)) {
        return format!("TOKEN{end}");
    }
    // As much of a token as lists show.
    if let Some(shown) = bare.strip_prefix("hoist-")
        && let Some((first, last)) = shown.split_once("**********")
        && is_hex(first)
        && is_hex(last)
    {
        return format!("TOK**********EN{end}");
    }
    if bare.len() == "2026-11-22T13:43:39.123456+00:00".len() && bare.ends_with("+00:00") && bare.as_bytes()[10] == b'T' {
        return format!("TIME{end}");
    }
    if bare.len() == "2026-11-22T13:43:39Z".len() && bare.ends_with('Z') && bare.as_bytes()[10] == b'T' {
        return format!("TIME{end}");
    }
    if bare.strip_prefix("run.").is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())) {
        return format!("run.N{end}");
    }
    let size = bare.strip_suffix(['B', 'K', 'M', 'G']).filter(|number| !number.is_empty());
    if size.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')) {
        return format!("SIZE{end}");
    }
    word.to_owned()
}
