//! `tidegate quota import`: a subscription's limits, as the cloud's own tool lists them.

use super::quotas;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::Format;
use anyhow::{Context, anyhow};
use clap::Args;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::PathBuf;
use tidegate_gateway::api::{Page, QuotaPut, QuotaView, SizeView};

const EXAMPLES: &str = "\
Examples:
  az vm list-usage --location eastus -o json > usage.json
  tidegate quota import usage.json --region eastus
  az vm list-usage --location eastus -o json | tidegate quota import - --region eastus --dry-run

Limits of families that no VM size here is of, and of what is no vCPU, are told and left out.
`cores` becomes the limit over all families of dedicated VMs, `lowPriorityCores` that of
low-priority VMs.";

/// No list of limits is longer.
const LONGEST: u64 = 16 << 20;

/// Which file, and for which region.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Import {
    /// The JSON of `az vm list-usage`, or `-` for standard input
    file: PathBuf,
    /// The region that it was asked for; the file does not say it
    #[arg(long)]
    region: String,
    /// Say what would be set, and set nothing
    #[arg(long)]
    dry_run: bool,
}

/// One line of it.
#[derive(Debug, Deserialize)]
struct Usage {
    name: Name,
    limit: Amount,
}

#[derive(Debug, Deserialize)]
struct Name {
    value: String,
}

/// The tool writes numbers as text in some of its versions.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Amount {
    Number(i64),
    Text(String),
}

impl Amount {
    fn vcpu(&self) -> Option<u64> {
        match self {
            Amount::Number(number) => u64::try_from(*number).ok(),
            Amount::Text(text) => text.parse().ok(),
        }
    }
}

impl Import {
    pub(crate) fn run(&self, format: Format, client: &Client) -> Result<(), Failure> {
        let file = self.file.display();
        let usages: Vec<Usage> =
            serde_json::from_str(&self.read().map_err(Failure::Local)?).map_err(|error| {
                Failure::Usage(format!("{file} is not what `az vm list-usage -o json` writes: {error}"))
            })?;
        let sizes: Page<SizeView> = client.get("/sizes", &[])?;
        let families: BTreeSet<String> = sizes.items.into_iter().map(|size| size.family).collect();
        let (wanted, left_out) = limits(&usages, &families, &self.region);
        if wanted.is_empty() {
            let known = families.len();
            return Err(Failure::Usage(format!(
                "{file} has no limit of any of the {known} families that are known here"
            )));
        }
        if !left_out.is_empty() {
            let shown = left_out.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
            eprintln!(
                "left out {} of {}: no VM size here is of them ({shown}, ...)",
                left_out.len(),
                usages.len()
            );
        }
        if self.dry_run {
            eprintln!("would set {} limits in region {}; nothing was set", wanted.len(), self.region);
            return format.print(&wanted, |wanted| wanted.iter().map(line).collect());
        }
        let mut set = Vec::new();
        for put in &wanted {
            set.push(client.put("/quotas", &[], put)?);
        }
        let set: Page<QuotaView> = Page::whole(set);
        format.print(&set, |set| quotas(&set.items))
    }

    fn read(&self) -> anyhow::Result<String> {
        let mut text = String::new();
        let reader: Box<dyn Read> = match self.file.as_os_str() == "-" {
            true => Box::new(std::io::stdin()),
            false => {
                let open = std::fs::File::open(&self.file);
                Box::new(open.with_context(|| format!("cannot read {}", self.file.display()))?)
            }
        };
        let read = reader.take(LONGEST + 1).read_to_string(&mut text);
        read.with_context(|| format!("cannot read {}", self.file.display()))?;
        if text.len() as u64 > LONGEST {
            return Err(anyhow!("{} is longer than {LONGEST} bytes", self.file.display()));
        }
        Ok(text)
    }
}

/// What is to be set, and the names of what is left out.
fn limits(usages: &[Usage], families: &BTreeSet<String>, region: &str) -> (Vec<QuotaPut>, Vec<String>) {
    let (mut wanted, mut left_out) = (Vec::new(), Vec::new());
    for usage in usages {
        let name = usage.name.value.as_str();
        let known = families.iter().find(|family| family.eq_ignore_ascii_case(name));
        let (family, tier) = match (name, known) {
            ("cores", _) => (None, "dedicated"),
            ("lowPriorityCores", _) => (None, "low_priority"),
            (_, Some(family)) => (Some(family.clone()), "dedicated"),
            (_, None) => {
                left_out.push(name.to_owned());
                continue;
            }
        };
        match usage.limit.vcpu() {
            Some(limit) => wanted.push(QuotaPut {
                family,
                tier: Some(tier.to_owned()),
                region: Some(region.to_owned()),
                workspace: None,
                team: None,
                limit: Some(limit),
                allowance: None,
            }),
            // -1 is the tool's word for no limit.
            None => left_out.push(name.to_owned()),
        }
    }
    (wanted, left_out)
}

fn line(put: &QuotaPut) -> String {
    let family = put.family.as_deref().unwrap_or("all");
    let (tier, limit) = (put.tier.as_deref().unwrap_or_default(), put.limit.unwrap_or(0));
    format!("{family} ({tier}): {limit}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const USAGES: &str = r#"[
        {"currentValue": 0, "limit": 2500, "name": {"localizedValue": "Availability Sets", "value": "availabilitySets"}},
        {"currentValue": 4, "limit": 100, "name": {"localizedValue": "Total Regional vCPUs", "value": "cores"}},
        {"currentValue": "0", "limit": "24", "name": {"value": "standardDSv3Family"}, "unit": "Count"},
        {"currentValue": "0", "limit": "-1", "name": {"value": "standardNCFamily"}},
        {"currentValue": 0, "limit": 30, "name": {"value": "lowPriorityCores"}}
    ]"#;

    #[test]
    fn families_and_the_two_sums_are_taken() {
        let usages: Vec<Usage> = serde_json::from_str(USAGES).unwrap();
        let families = ["StandardDSv3Family", "standardNCFamily"].map(str::to_owned).into();
        let (wanted, left_out) = limits(&usages, &families, "eastus");
        let lines: Vec<String> = wanted.iter().map(line).collect();
        assert_eq!(
            lines,
            ["all (dedicated): 100\n", "StandardDSv3Family (dedicated): 24\n", "all (low_priority): 30\n"]
        );
        assert_eq!(left_out, ["availabilitySets", "standardNCFamily"]);
        assert!(wanted.iter().all(|put| put.region.as_deref() == Some("eastus")));
    }
}
