//! What a play is told beside its seed.

use crate::faults::FaultKind;
use std::collections::BTreeSet;
use tidegate_scheduler::mutants::Mutant;

/// What is left out of a play, what is put into it, and what is kept of it. All else is drawn from its seed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Kinds of faults that do not happen.
    pub without: BTreeSet<FaultKind>,
    /// Single faults that do not happen, by number.
    pub skip_faults: BTreeSet<u32>,
    /// Single requests that nobody makes, by number.
    pub skip_requests: BTreeSet<u32>,
    /// A known bug that is switched on. In a build without the feature `mutants` it changes nothing.
    pub mutant: Option<Mutant>,
    /// Keep the log of everything that happens.
    pub log: bool,
}

impl Options {
    /// As the command line says them after `tidegate sim replay --seed S`.
    pub fn arguments(&self) -> String {
        let mut arguments = String::new();
        if !self.without.is_empty() {
            let names: Vec<&str> = self.without.iter().map(|kind| kind.name()).collect();
            arguments.push_str(&format!(" --without {}", names.join(",")));
        }
        for (name, numbers) in [("skip-faults", &self.skip_faults), ("skip-requests", &self.skip_requests)] {
            if !numbers.is_empty() {
                arguments.push_str(&format!(" --{name} {}", ranges(numbers)));
            }
        }
        if let Some(mutant) = self.mutant {
            arguments.push_str(&format!(" --mutant {mutant:?}"));
        }
        arguments
    }
}

/// Numbers as `1-4,7`.
fn ranges(numbers: &BTreeSet<u32>) -> String {
    let mut parts: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => parts.push((*number, *number)),
        }
    }
    let part = |(from, to): &(u32, u32)| if from == to { from.to_string() } else { format!("{from}-{to}") };
    parts.iter().map(part).collect::<Vec<_>>().join(",")
}

/// Reads what [`Options::arguments`] writes for numbers.
///
/// # Errors
/// In words, when it is no list of numbers and ranges.
pub fn parse_ranges(text: &str) -> Result<BTreeSet<u32>, String> {
    let mut numbers = BTreeSet::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| {
            text.parse::<u32>().map_err(|_| format!("`{part}` is neither a number nor a range such as 3-7"))
        };
        let (from, to) = (number(from)?, number(to)?);
        if to.saturating_sub(from) > 1_000_000 {
            return Err(format!("`{part}` is too long a range"));
        }
        numbers.extend(from..=to);
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_written_and_read_back() {
        let numbers: BTreeSet<u32> = [1, 2, 3, 7, 9, 10].into();
        assert_eq!(ranges(&numbers), "1-3,7,9-10");
        assert_eq!(parse_ranges("1-3, 7,9-10"), Ok(numbers.clone()));
        assert!(parse_ranges("a").is_err() && parse_ranges("0-4000000000").is_err());
        let without = [FaultKind::Loss, FaultKind::Crash].into();
        let options = Options { without, skip_faults: numbers, ..Options::default() };
        assert_eq!(options.arguments(), " --without net.loss,process.crash --skip-faults 1-3,7,9-10");
    }
}
