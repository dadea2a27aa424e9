//! Results as lines of fields separated by tabs, which `scripts/bench` collects into one table.

use std::time::Duration;

/// Prints a comparison: hoist may take at most `goal` times what the peer takes.
pub(crate) fn compare(name: &str, hoist: Duration, peer: Duration, goal: f64) {
    let ratio = hoist.as_secs_f64() / peer.as_secs_f64();
    let fields = [format!("{hoist:.1?}"), format!("{peer:.1?}"), format!("{ratio:.3}"), format!("{goal}")];
    row(name, &fields, ratio <= goal);
}

/// Prints a row: hoist's value, the peer's, their ratio, the goal, and whether it is met.
pub(crate) fn row(name: &str, fields: &[String; 4], is_met: bool) {
    println!("result\t{name}\t{}\t{}", fields.join("\t"), if is_met { "ok" } else { "MISSED" });
}
