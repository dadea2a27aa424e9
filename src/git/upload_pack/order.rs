//! Commits in an order in which each comes after its parents. Dates do not tell: they may be anything.

use std::io;

use super::history::{Flags, History, Node};
use super::packs::Packs;
use super::pulse::Pulse;

/// Its parents have been put on the stack.
const ENTERED: u8 = 1;
/// It has its place in the order.
const PLACED: u8 = 2;

/// Puts commits, and those behind them that are `wanted`, into such an order.
pub(super) fn parents_first(
    packs: &mut Packs,
    history: &mut History,
    pulse: &Pulse,
    starts: &[Node],
    wanted: impl Fn(Node) -> bool,
) -> io::Result<Vec<Node>> {
    let (mut order, mut flags, mut open) = (Vec::with_capacity(starts.len()), Flags::default(), starts.to_vec());
    while let Some(node) = open.last().copied() {
        if flags.set(node, ENTERED) != 0 {
            pulse.beat()?;
            for parent in history.read_parents(packs, node)? {
                if flags.get(parent) & ENTERED == 0 && wanted(parent) {
                    open.push(parent);
                }
            }
            continue;
        }
        // Whatever was above it is placed.
        open.pop();
        if flags.set(node, PLACED) != 0 {
            order.push(node);
        }
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::upload_pack::handmade::{Handmade, commit};

    /// A criss-cross merge whose dates run backwards.
    #[test]
    fn dates_do_not_matter() {
        let mut pack = Handmade::default();
        let tree = pack.tree(&[]);
        let mut ids = vec![pack.whole(&commit(&tree, &[], 1000))];
        for (parents, date) in [(vec![0], 900), (vec![0], 50), (vec![1, 2], 800), (vec![2, 1], 40), (vec![3, 4], 700)] {
            let parents: Vec<_> = parents.into_iter().map(|at: usize| ids[at]).collect();
            ids.push(pack.whole(&commit(&tree, &parents, date)));
        }
        let dir = tempfile::tempdir().unwrap();
        pack.save(dir.path());
        let mut packs = Packs::open(dir.path()).unwrap();
        let (mut history, pulse) = (History::default(), Pulse::default());
        let nodes: Vec<_> = ids
            .iter()
            .map(|id| {
                let number = packs.get(id).unwrap();
                history.read(&mut packs, number).unwrap()
            })
            .collect();
        for starts in [vec![nodes[5]], nodes.clone(), nodes.iter().rev().copied().collect()] {
            let order = parents_first(&mut packs, &mut history, &pulse, &starts, |_| true).unwrap();
            assert_eq!(order.len(), nodes.len());
            for (at, node) in order.iter().enumerate() {
                let parents = history.read_parents(&mut packs, *node).unwrap();
                assert!(parents.iter().all(|parent| order[..at].contains(parent)), "{order:?}");
            }
        }
        let some = parents_first(&mut packs, &mut history, &pulse, &[nodes[5]], |node| node != nodes[3]).unwrap();
        assert!(!some.contains(&nodes[3]) && some.len() == 5);
    }
}
