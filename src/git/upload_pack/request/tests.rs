use super::*;

const A: &str = "1111111111111111111111111111111111111111";

/// Reads a command; `|` stands for the delimiter.
fn read(lines: &str) -> Result<Command, FetchError> {
    let mut reader = CommandReader::default();
    for line in lines.lines() {
        if line == "|" { reader.read_delimiter()? } else { reader.read_line(line.as_bytes())? }
    }
    reader.finish()
}

fn read_fetch(arguments: &str) -> Fetch {
    match read(&format!("command=fetch\nagent=git/2.47.3\nobject-format=sha1\n|\n{arguments}")) {
        Ok(Command::Fetch(fetch)) => *fetch,
        other => panic!("{other:?}"),
    }
}

#[test]
fn refs_are_asked_for_by_prefixes() {
    let Ok(Command::LsRefs(asked)) = read("command=ls-refs\n|\npeel\nsymrefs\nunborn\nref-prefix HEAD\nref-prefix refs/tags/")
    else {
        panic!("a good request")
    };
    assert!(asked.peel && asked.symrefs && asked.unborn);
    assert!(asked.asks_for("HEAD") && asked.asks_for("refs/tags/v1") && !asked.asks_for("refs/heads/main"));
    let Ok(Command::LsRefs(asked)) = read("command=ls-refs\n|\nref-prefix b\nref-prefix a\nref-prefix ab\nref-prefix c/d") else {
        panic!("a good request")
    };
    let names = ["", "a", "aa", "ab", "abc", "b", "c", "c/c", "c/d", "c/de", "c/e", "d"];
    let told: Vec<_> = names.into_iter().filter(|name| asked.asks_for(name)).collect();
    assert_eq!((told, asked.prefixes.len()), (vec!["a", "aa", "ab", "abc", "b", "c/d", "c/de"], 3));
    let many = format!("command=ls-refs\n|\n{}", "ref-prefix x\n".repeat(MAX_PREFIXES + 1));
    let Ok(Command::LsRefs(asked)) = read(&many) else { panic!("a good request") };
    assert!(asked.prefixes.is_empty() && asked.asks_for("refs/heads/main"), "too many select nothing");
    let long = format!("command=ls-refs\n|\n{}", format!("ref-prefix {}\n", "x".repeat(1000)).repeat(5000));
    let Ok(Command::LsRefs(asked)) = read(&long) else { panic!("a good request") };
    assert!(asked.prefixes.is_empty() && asked.asks_for("refs/heads/main"), "nor do very long ones");
}

#[test]
fn what_is_named_again_and_again_takes_no_room() {
    let mut fetch = Fetch::default();
    for _ in 0..100 * WEED_FROM {
        assert!(fetch.read_line(&format!("want {A}")).unwrap() && fetch.read_line(&format!("shallow {A}")).unwrap());
    }
    assert!(fetch.wants.capacity().max(fetch.shallow.client.capacity()) <= 2 * WEED_FROM);
    let name = format!("deepen-not {}", "x".repeat(60_000));
    let mut taken = 0;
    while fetch.read_line(&name).is_ok() {
        taken += name.len();
        assert!(taken < 2 * MAX_NAME_BYTES);
    }
    assert_eq!(fetch.finish().unwrap().shallow.not.len(), 1);
}

#[test]
fn objects_are_asked_for_by_id() {
    let asked = read_fetch(&format!(
        "thin-pack\nofs-delta\ninclude-tag\nno-progress\nsideband-all\nwait-for-done\nwant {A}\nwant {A}\nhave {A}\n\
         shallow {A}\ndeepen 3\ndeepen-relative\nfilter blob:none\ndone"
    ));
    assert_eq!((asked.wants.len(), asked.haves.len(), asked.shallow.client.len(), asked.named()), (1, 1, 1, 3));
    assert!(asked.thin_pack && asked.ofs_delta && asked.include_tag && asked.no_progress && asked.sideband_all);
    assert!(asked.wait_for_done && asked.done && asked.shallow.is_relative && asked.shallow.changes());
    assert_eq!((asked.shallow.depth, asked.filter.blob_limit()), (Some(3), Some(0)));
    let asked = read_fetch("deepen-since 1700000000\ndeepen-not v1");
    assert_eq!((asked.shallow.since, asked.shallow.not), (Some(1_700_000_000), vec!["v1".to_owned()]));
}

#[test]
fn nonsense_is_named() {
    let check = |lines: &str, words: &str| {
        let error = read(lines).expect_err(lines).to_string();
        assert!(error.contains(words), "{lines}: {error}");
    };
    check("", "no command requested");
    check("|\npeel", "no command requested");
    check("command=push", "invalid command 'push'");
    check("command=fetch\ncommand=fetch", "invalid command");
    check("command=fetch\nobject-format=sha256", "mismatched object format: server sha1; client sha256");
    check("command=fetch\nx", "unknown capability 'x'");
    check("command=fetch\n|\n|", "unexpected delimiter");
    check("command=fetch\n|\npeel", "unexpected line: 'peel'");
    check("command=ls-refs\n|\nwant x", "unexpected line: 'want x'");
    for (argument, words) in [
        ("want 1", "invalid object id '1'"),
        ("deepen 0", "invalid deepen: 0"),
        ("deepen -1", "invalid deepen: -1"),
        ("deepen 2147483648", "invalid deepen"),
        ("deepen-since x", "invalid deepen-since: x"),
        ("deepen 1\ndeepen-not v1", "cannot be used together"),
        ("filter sparse:oid=x", "filter 'sparse:oid' not supported"),
    ] {
        check(&format!("command=fetch\n|\n{argument}"), words);
    }
}
