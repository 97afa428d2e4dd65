//! `tidegate quota`.

use crate::client::Client;
use crate::failure::Failure;
use crate::output::Format;
use crate::table::table;
use clap::Args;
use std::str::FromStr;
use tidegate_gateway::api::{Page, QuotaPut, QuotaView};

const EXAMPLES: &str = "\
Examples:
  tidegate quota set standardDSv2Family 16                         16 vCPU of dedicated VMs
  tidegate quota set standardDSv2Family 64 --tier low_priority
  tidegate quota set standardDSv2Family 8 --workspace-limit team   8 for one workspace
  tidegate quota set standardDSv2Family none                       no limit";

/// Which limit, and how much.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Set {
    /// The VM family, as `tidegate pool show` names it
    family: String,
    /// vCPU, or `none` to lift the limit
    limit: Limit,
    /// `dedicated` or `low_priority`
    #[arg(long, default_value = "dedicated")]
    tier: String,
    /// The region; that of local pools when absent
    #[arg(long)]
    region: Option<String>,
    /// Limit this workspace, instead of all workspaces together
    #[arg(long, value_name = "WORKSPACE")]
    workspace_limit: Option<String>,
}

/// An amount of vCPU, or no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limit(Option<u64>);

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Limit, String> {
        match text {
            "none" => Ok(Limit(None)),
            number => number
                .parse()
                .map(|limit| Limit(Some(limit)))
                .map_err(|_| "give a number of vCPU, or `none`".into()),
        }
    }
}

impl Set {
    pub(crate) fn run(&self, format: Format, client: &Client) -> Result<(), Failure> {
        let wanted = QuotaPut {
            family: self.family.clone(),
            tier: Some(self.tier.clone()),
            region: self.region.clone(),
            workspace: self.workspace_limit.clone(),
            limit: self.limit.0,
        };
        let quota: QuotaView = client.put("/quotas", &[], &wanted)?;
        format.print(&quota, |quota| quotas(std::slice::from_ref(quota)))
    }
}

pub(crate) fn list(format: Format, client: &Client) -> Result<(), Failure> {
    let page: Page<QuotaView> = client.get("/quotas", &[])?;
    format.print(&page, |page| quotas(&page.items))
}

fn quotas(quotas: &[QuotaView]) -> String {
    let headings = ["FAMILY", "TIER", "REGION", "WORKSPACE", "USED", "LIMIT"];
    let row = |quota: &QuotaView| {
        let used = match quota.reserved + quota.provisioning {
            0 => quota.used.to_string(),
            coming => format!("{} ({coming} on their way)", quota.used),
        };
        [
            quota.family.clone(),
            quota.tier.clone(),
            quota.region.clone(),
            quota.workspace.clone().unwrap_or_else(|| "(all)".to_owned()),
            used,
            quota.limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string()),
        ]
    };
    table(headings, quotas.iter().map(row))
}
