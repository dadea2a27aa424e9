//! Makes a tree that is like an npm `node_modules`: 45,000 files, 300 MB as tar, compressing about 6 to 1. The same
//! each time.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const PACKAGES: u64 = 1_500;
const FILES_PER_PACKAGE: u64 = 30;
const SYLLABLES: [&str; 32] = [
    "get", "set", "is", "has", "to", "from", "parse", "format", "node", "value", "key", "list", "map", "stream", "error",
    "event", "path", "file", "option", "config", "state", "token", "index", "type", "name", "data", "item", "result", "handle",
    "create", "update", "resolve",
];
const WORDS: [&str; 24] = [
    "the", "a", "of", "when", "returns", "given", "function", "object", "should", "be", "called", "with", "an", "array", "that",
    "is", "not", "value", "default", "if", "string", "and", "for", "module",
];

/// Makes the tree in `dir`, which it returns.
pub(crate) fn generate(dir: &Path) -> io::Result<PathBuf> {
    generate_packages(dir, PACKAGES)?;
    Ok(dir.to_owned())
}

/// Makes so many of its packages, of 30 files each.
pub(crate) fn generate_packages(dir: &Path, packages: u64) -> io::Result<()> {
    (0..packages).try_for_each(|package| Package::new(package).write(dir))
}

/// Changes every file of one package in a hundred: others in each of the first hundred rounds.
pub(crate) fn change_one_percent(dir: &Path, round: usize) -> io::Result<()> {
    let mut packages: Vec<_> =
        fs::read_dir(dir.join("node_modules"))?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    packages.sort_unstable();
    for package in packages.iter().skip(round).step_by(100) {
        for file in fs::read_dir(package.join("lib"))? {
            let path = file?.path();
            let text = fs::read_to_string(&path)?;
            fs::write(path, format!("// changed in round {round}\n{text}"))?;
        }
    }
    Ok(())
}

/// A package has its own vocabulary and says most things more than once: that is where the compression comes from.
struct Package {
    random: Random,
    name: String,
    identifiers: Vec<String>,
    statements: Vec<String>,
}

impl Package {
    fn new(number: u64) -> Self {
        let mut random = Random(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let identifiers = (0..150).map(|_| random.identifier()).collect();
        let name = format!("{}-{number}", random.pick(&SYLLABLES));
        Self { random, name, identifiers, statements: Vec::new() }
    }

    fn write(&mut self, dir: &Path) -> io::Result<()> {
        let lib = dir.join("node_modules").join(&self.name).join("lib");
        fs::create_dir_all(&lib)?;
        for file in 0..FILES_PER_PACKAGE {
            let extension = ["js", "js", "js", "d.ts", "json", "md", "js.map"][self.random.below(7)];
            let stem = self.random.identifier();
            fs::write(lib.join(format!("{stem}-{file}.{extension}")), self.content(extension))?;
        }
        Ok(())
    }

    fn content(&mut self, extension: &str) -> String {
        let size_bytes = self.random.file_size();
        let mut text = String::with_capacity(size_bytes + 200);
        while text.len() < size_bytes {
            match extension {
                "json" => self.property(&mut text),
                "md" => self.sentence(&mut text),
                "js.map" => self.mappings(&mut text),
                _ => self.statement(&mut text),
            }
        }
        text
    }

    fn identifier(&mut self) -> String {
        let skewed = self.random.skewed(self.identifiers.len());
        self.identifiers[skewed].clone()
    }

    fn statement(&mut self, text: &mut String) {
        if !self.statements.is_empty() && self.random.below(100) < 55 {
            let skewed = self.random.skewed(self.statements.len());
            text.push_str(&self.statements[skewed]);
            return;
        }
        let [a, b, c] = [self.identifier(), self.identifier(), self.identifier()];
        let number = self.random.below(1000);
        let statement = match self.random.below(8) {
            0 => format!("  const {a} = require('./{b}');\n"),
            1 => format!("  if ({a}.{b} === undefined) {{\n    return {c};\n  }}\n"),
            2 => format!("export function {a}({b}, {c}) {{\n"),
            3 => format!("    throw new TypeError('{a} must not be ' + {b}.{c});\n"),
            4 => format!("    this.{a} = {b}.{c}({number});\n"),
            5 => format!("  }}\n\n  /**\n   * @param {{{a}}} {b} the {c}\n   */\n"),
            6 => format!("      for (let i = 0; i < {a}.length; i++) {{ {b}.push({c}[i]); }}\n"),
            _ => format!("  return Object.assign({{}}, {a}, {{ {b}: {number}, {c}: null }});\n}}\n"),
        };
        text.push_str(&statement);
        self.statements.push(statement);
    }

    fn property(&mut self, text: &mut String) {
        let (key, value) = (self.identifier(), self.identifier());
        let number = self.random.below(100);
        let _ =
            writeln!(text, "    \"{key}\": {{ \"type\": \"{value}\", \"version\": \"^{number}.0.0\", \"optional\": false }},");
    }

    fn sentence(&mut self, text: &mut String) {
        for _ in 0..6 + self.random.below(12) {
            text.push_str(self.random.pick(&WORDS));
            text.push(' ');
        }
        let identifier = self.identifier();
        let _ = writeln!(text, "`{identifier}`.");
    }

    /// A source map's positions: short groups of base64 digits.
    fn mappings(&mut self, text: &mut String) {
        const DIGITS: &[u8] = b"AACAEGIKMQSUWYagkCDEF";
        for _ in 0..4 + self.random.below(2) {
            text.push(char::from(DIGITS[self.random.skewed(DIGITS.len())]));
        }
        text.push([',', ',', ',', ';'][self.random.below(4)]);
    }
}

/// Splitmix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    #[expect(clippy::cast_possible_truncation, reason = "smaller than the limit, a usize")]
    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// Below the limit, small numbers far more often than large ones.
    fn skewed(&mut self, limit: usize) -> usize {
        let unit = self.unit();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "in 0..limit")]
        let skewed = (unit * unit * unit * limit as f64) as usize;
        skewed.min(limit - 1)
    }

    /// In 0..1.
    fn unit(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).expect("32 bits")) / (f64::from(u32::MAX) + 1.0)
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    fn identifier(&mut self) -> String {
        let parts = 1 + self.below(3);
        (0..parts).map(|_| self.pick(&SYLLABLES)).collect()
    }

    /// Log-normal, as file sizes are: half below 2 KiB, a mean near 6 KiB, a few of hundreds.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousands")]
    fn file_size(&mut self) -> usize {
        // The sum of twelve is as good as normally distributed.
        let normal = (0..12).map(|_| self.unit()).sum::<f64>() - 6.0;
        (2048.0 * (1.45 * normal).exp()) as usize
    }
}
