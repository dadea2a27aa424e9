//! Heroku's line grammar (conventions 3.1): where a line starts says what it is.

/// A new step.
#[must_use]
pub fn section(text: &str) -> String {
    format!("-----> {text}")
}

/// Something about the step.
#[must_use]
pub fn detail(text: &str) -> String {
    format!("       {text}")
}

/// A warning or an error.
#[must_use]
pub fn warning(text: &str) -> String {
    format!(" !     {text}")
}

/// A size as Heroku prints slugs': `41.7M`, `822K`, `1.2G`.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")];
    let Some((unit, letter)) = UNITS.iter().find(|(unit, _)| bytes >= *unit) else {
        return format!("{bytes}B");
    };
    let tenths = u128::from(bytes) * 10 / u128::from(*unit);
    if tenths % 10 == 0 { format!("{}{letter}", tenths / 10) } else { format!("{}.{}{letter}", tenths / 10, tenths % 10) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let cases =
            [(0, "0B"), (1023, "1023B"), (1024, "1K"), (43_700_000, "41.6M"), (500 << 20, "500M"), (1_300_000_000, "1.2G")];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }
}
