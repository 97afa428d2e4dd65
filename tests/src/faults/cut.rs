//! Cut networks: packets from one host to another are lost without a word, until that is healed.

use std::{collections::BTreeSet, net::Ipv4Addr, sync::PoisonError};

use anyhow::{Context, Result};

use super::hosts::Hosts;

/// Who is not heard, and by whom.
pub(super) type Cuts = BTreeSet<(Ipv4Addr, Ipv4Addr)>;

impl Hosts {
    /// Cuts the network between all of these and all of those, in both directions and at once.
    ///
    /// # Errors
    /// There is no such host, or the system refuses.
    pub fn cut(&self, these: &[usize], those: &[usize]) -> Result<()> {
        let mut pairs = self.pairs(these, those)?;
        pairs.extend(self.pairs(those, these)?);
        self.change(|cuts| cuts.extend(pairs))
    }

    /// Cuts the network in one direction: what `from` send does not reach `to`, what `to` send reaches `from`.
    ///
    /// # Errors
    /// As [`Hosts::cut`].
    pub fn cut_one_way(&self, from: &[usize], to: &[usize]) -> Result<()> {
        let pairs = self.pairs(from, to)?;
        self.change(|cuts| cuts.extend(pairs))
    }

    /// Cuts one host off from all others, in both directions. For one direction, see [`Hosts::others`].
    ///
    /// # Errors
    /// As [`Hosts::cut`].
    pub fn cut_off(&self, one: usize) -> Result<()> {
        self.cut(&[one], &self.others(one))
    }

    /// Undoes what was cut between all of these and all of those, in both directions.
    ///
    /// # Errors
    /// As [`Hosts::cut`].
    pub fn heal_between(&self, these: &[usize], those: &[usize]) -> Result<()> {
        let mut pairs = self.pairs(these, those)?;
        pairs.extend(self.pairs(those, these)?);
        self.change(|cuts| cuts.retain(|pair| !pairs.contains(pair)))
    }

    /// Undoes all cuts.
    ///
    /// # Errors
    /// The system refuses.
    pub fn heal(&self) -> Result<()> {
        self.change(Cuts::clear)
    }

    fn pairs(&self, from: &[usize], to: &[usize]) -> Result<Cuts> {
        let address = |host: &usize| {
            let known = self.all().get(*host).with_context(|| format!("there is no host {host}"))?;
            Ok(known.address())
        };
        let to = to.iter().map(address).collect::<Result<Vec<_>>>()?;
        let mut pairs = Cuts::new();
        for from in from {
            let from = address(from)?;
            pairs.extend(to.iter().filter(|to| **to != from).map(|to| (from, *to)));
        }
        Ok(pairs)
    }

    /// All cuts change in one transaction: there is no moment with half of them.
    fn change(&self, change: impl FnOnce(&mut Cuts)) -> Result<()> {
        let mut cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wanted = cuts.clone();
        change(&mut wanted);
        let mut script = "flush set bridge faults cut\n".to_owned();
        if !wanted.is_empty() {
            let pairs: Vec<String> = wanted.iter().map(|(from, to)| format!("{from} . {to}")).collect();
            script.push_str(&format!("add element bridge faults cut {{ {} }}\n", pairs.join(", ")));
        }
        self.nft(&script)?;
        *cuts = wanted;
        Ok(())
    }
}
