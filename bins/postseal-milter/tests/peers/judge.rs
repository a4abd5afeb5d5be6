//! Holds what came of the cells against the list of what peers cannot do.

use std::fmt::Write as _;

use crate::cells::{Cell, Direction, Peer};
use crate::listed::Listed;

/// What came of a cell: `Err` has what the party that could not do it says.
pub(crate) type Outcome = Result<(), String>;

pub(crate) struct Report {
    /// How many cells pass, and what is listed.
    pub(crate) summary: String,
    /// Empty if all is as the list has it.
    pub(crate) faults: String,
}

pub(crate) fn judge(outcomes: &[(Cell, Outcome)], list: &[Listed]) -> Report {
    let mut faults = String::new();
    let mut used = vec![0_usize; list.len()];
    for (cell, outcome) in outcomes {
        let entry = list.iter().position(|entry| entry.means(cell));
        if let Some(entry) = entry {
            used[entry] += 1;
        }
        let listed = entry.map(|entry| list[entry].says);
        match (listed, outcome) {
            (None, Ok(())) => {}
            (None, Err(said)) => writeln!(faults, "{cell} fails: {said}").unwrap(),
            (Some(listed), Ok(())) => writeln!(faults, "{cell} works, and is listed with: {listed}").unwrap(),
            (Some(listed), Err(said)) if listed != said => {
                writeln!(faults, "{cell} is listed with: {listed}\n  and there is said: {said}").unwrap();
            }
            (Some(_), Err(_)) => {}
        }
    }
    for (entry, _) in list.iter().zip(&used).filter(|(_, used)| **used == 0) {
        writeln!(faults, "an entry is for no cell: {} {}", entry.says, entry.why).unwrap();
    }
    Report { summary: summary(outcomes, list, &used), faults }
}

fn summary(outcomes: &[(Cell, Outcome)], list: &[Listed], used: &[usize]) -> String {
    let mut text = String::new();
    for peer in [Peer::Dkimpy, Peer::OpenDkim] {
        for direction in [Direction::PeerVerifies, Direction::PeerSigns] {
            let cells = outcomes.iter().filter(|(cell, _)| cell.peer == peer && cell.direction == direction);
            let (passed, others): (Vec<_>, Vec<_>) = cells.partition(|(_, outcome)| outcome.is_ok());
            let (passed, others) = (passed.len(), others.len());
            writeln!(text, "{peer:?} {direction:?}: {passed} cells pass, {others} do not").unwrap();
        }
    }
    for (entry, used) in list.iter().zip(used) {
        let (peer, direction) = (entry.peer, entry.direction);
        writeln!(text, "listed: {used:>3} cells, {peer:?} {direction:?}: {}\n    {}", entry.says, entry.why).unwrap();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::{Body, Key};

    const LIST: &[Listed] = &[Listed {
        peer: Peer::Dkimpy,
        direction: Direction::PeerSigns,
        header: None,
        body_canon: Some("relaxed"),
        key: None,
        bodies: &[Body::Empty],
        says: "no",
        why: "why",
    }];

    fn cell(body_canon: &'static str, body: Body) -> Cell {
        Cell {
            peer: Peer::Dkimpy,
            direction: Direction::PeerSigns,
            header: "simple",
            body_canon,
            key: Key::Ed25519,
            body,
        }
    }

    /// The faults found when the cell that is listed and one that is not have these outcomes.
    fn faults(listed: Outcome, other: Outcome) -> String {
        judge(&[(cell("relaxed", Body::Empty), listed), (cell("simple", Body::Empty), other)], LIST).faults
    }

    #[test]
    fn what_is_as_listed_is_no_fault() {
        assert_eq!(faults(Err("no".to_owned()), Ok(())), "");
    }

    #[test]
    fn whatever_differs_from_the_list_is_a_fault() {
        assert!(faults(Ok(()), Ok(())).contains("relaxed ed25519 Empty works"));
        assert!(faults(Err("never".to_owned()), Ok(())).contains("and there is said: never"));
        assert!(faults(Err("no".to_owned()), Err("no".to_owned())).contains("simple ed25519 Empty fails: no"));
        let unused = judge(&[(cell("relaxed", Body::Plain), Ok(()))], LIST).faults;
        assert_eq!(unused, "an entry is for no cell: no why\n");
    }
}
