//! The published table.

use super::Policy;
use super::records::Records;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What was published of one workload.
pub(crate) struct Expected {
    /// Its name.
    pub(crate) workload: String,
    /// Allocated GPU in percent of the cluster's, by how much had arrived, in percent of the same.
    pub(crate) allocated: BTreeMap<(Policy, u32), f64>,
}

impl Expected {
    /// Reads the table (columns `workload`, `policy`, `arrived_pct`, `gpu_alloc_pct_mean`) of the workload with this
    /// name; without a name, of the only one there is, or of
    /// the one whose name the list of pods bears.
    pub(crate) fn open(path: &Path, pods: &Path, name: Option<&str>) -> Result<Expected, String> {
        let pods = pods.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        Expected::read(&Records::open(path)?, pods, name)
    }

    fn read(table: &Records, pods: &str, name: Option<&str>) -> Result<Expected, String> {
        let (workload, policy) = (table.column("workload")?, table.column("policy")?);
        let (arrived, mean) = (table.column("arrived_pct")?, table.column("gpu_alloc_pct_mean")?);
        let names = table.rows().map(|row| row.text(workload)).collect::<Result<BTreeSet<&str>, String>>()?;
        let chosen = match name {
            Some(name) => names.get(name).copied(),
            None if names.len() == 1 => names.first().copied(),
            None => bears(pods, &names),
        };
        let chosen = chosen.ok_or_else(|| {
            let known = names.iter().copied().collect::<Vec<_>>().join(", ");
            let sought = name.map_or(format!("the workload of {pods}"), |name| format!("workload `{name}`"));
            format!("{}: {sought} is not in it: name one of {known} with --workload", table.file())
        })?;
        let mut allocated = BTreeMap::new();
        for row in table.rows() {
            let (at, percent) = (row.number::<u32>(arrived)?, row.number::<f64>(mean)?);
            if !(0.0..=100.0).contains(&percent) {
                return Err(row.wrong(mean, "a share of the cluster is from 0 to 100 percent"));
            }
            let policy = Policy::published(row.text(policy)?);
            if let Some(policy) = policy.filter(|_| row.text(workload) == Ok(chosen)) {
                allocated.insert((policy, at), percent);
            }
        }
        Ok(Expected { workload: chosen.to_owned(), allocated })
    }

    /// What was published for the policy when so much had arrived.
    pub(crate) fn at(&self, policy: Policy, arrived: u32) -> Option<f64> {
        self.allocated.get(&(policy, arrived)).copied()
    }

    /// The published loads, ascending.
    pub(crate) fn arrived(&self) -> BTreeSet<u32> {
        self.allocated.keys().map(|(_, arrived)| *arrived).collect()
    }
}

/// The name that is part of the file's: the longest of them, between marks such as `_` and `.`.
fn bears<'a>(file: &str, names: &BTreeSet<&'a str>) -> Option<&'a str> {
    let mark = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    let part = |name: &&&str| {
        !name.is_empty()
            && file.match_indices(**name).any(|(at, found)| {
                mark(file[..at].chars().next_back()) && mark(file[at + found.len()..].chars().next())
            })
    };
    names.iter().filter(part).max_by_key(|name| name.len()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pods: &str, name: Option<&str>) -> Result<Expected, String> {
        let text = "policy,workload,arrived_pct,gpu_alloc_pct_mean\nFGD,default,100,95.2\nDotProd,default,100,90\nFGD,default-2,50,50\n";
        Expected::read(&Records::read("table.csv".to_owned(), text.as_bytes())?, pods, name)
    }

    #[test]
    fn the_list_of_pods_names_its_workload() {
        let default = read("openb_pod_list_default.csv.gz", None).expect("a workload");
        assert_eq!(default.allocated, BTreeMap::from([((Policy::Fgd, 100), 95.2)]));
        assert_eq!(read("list_default-2.csv", None).expect("a workload").arrived(), BTreeSet::from([50]));
        assert_eq!(read("pods.csv", Some("default")).expect("a workload").at(Policy::Fgd, 100), Some(95.2));
        let refused = read("defaults.csv", None).err().expect("no workload");
        assert!(refused.contains("default, default-2") && refused.contains("--workload"), "{refused}");
    }
}
