//! What somebody may have meant who has mistyped a name.

/// Below this, two names have nothing to do with each other; clap's own for its commands.
const LEAST_LIKENESS: f64 = 0.7;

/// The name that is most like the one that was typed, if any is.
pub(super) fn nearest(typed: &str, names: impl IntoIterator<Item = String>) -> Option<String> {
    let likeness = |name: String| (strsim::jaro(typed, &name), name);
    let alike = names.into_iter().map(likeness).filter(|(likeness, _)| *likeness > LEAST_LIKENESS);
    alike.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_alike_was_meant() {
        let names = || ["shop", "shop-staging", "blog"].map(str::to_owned);
        assert_eq!(nearest("shpo", names()).as_deref(), Some("shop"));
        assert_eq!(nearest("shop-stagin", names()).as_deref(), Some("shop-staging"));
        assert_eq!(nearest("weather", names()), None);
    }
}
