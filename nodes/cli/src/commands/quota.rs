//! `tidegate quota`.

mod import;

pub(crate) use import::Import;

use crate::client::Client;
use crate::failure::Failure;
use crate::output::Format;
use crate::table::table;
use clap::Args;
use std::str::FromStr;
use tidegate_gateway::api::{Page, QuotaAllowance, QuotaBudget, QuotaPeriod, QuotaPut, QuotaView};

const EXAMPLES: &str = "\
Examples:
  tidegate quota set standardDSv2Family 16                        16 vCPU of dedicated VMs in all
  tidegate quota set standardDSv2Family 64 --tier low_priority
  tidegate quota set all 100 --tier low_priority                  100 over all families together
  tidegate quota set standardDSv2Family 8 --for-workspace lab     the workspace may have 8 of them
  tidegate quota set standardDSv2Family none                      no limit

  Quota that is kept for somebody, and lent to others as long as he does not need it:
  tidegate quota set standardDSv2Family --for-workspace lab --nominal 8
  tidegate quota set standardDSv2Family --for-workspace lab --for-team nlp --nominal 4
  tidegate quota set standardDSv2Family --for-workspace lab --weight 3 --budget 500/week

A region contains workspaces, a workspace contains teams. What is spare goes to whoever has
borrowed the least for his weight, now and in the last weeks.";

/// Which allowance, and what is granted.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Set {
    /// The VM family, as `tidegate pool show` names it, or `all` for all families together
    family: String,
    /// Never more vCPU than this, or `none` to lift what was granted
    #[arg(required_unless_present_any = ["nominal", "borrowing_limit", "lending_limit", "weight", "budget"])]
    limit: Option<Limit>,
    /// `dedicated` or `low_priority`
    #[arg(long, default_value = "dedicated")]
    tier: String,
    /// The region; that of local pools when absent
    #[arg(long)]
    region: Option<String>,
    /// For this workspace, instead of all workspaces together
    #[arg(long, value_name = "WORKSPACE")]
    for_workspace: Option<String>,
    /// For this team of the workspace
    #[arg(long, value_name = "TEAM", requires = "for_workspace")]
    for_team: Option<String>,
    /// vCPU of its own: when some are free it comes before borrowers
    #[arg(long, value_name = "VCPU", conflicts_with = "limit")]
    nominal: Option<u64>,
    /// vCPU that it may have beyond its own; without it, all that nobody needs
    #[arg(long, value_name = "VCPU", conflicts_with = "limit")]
    borrowing_limit: Option<u64>,
    /// vCPU of its own that others may borrow; without it, all
    #[arg(long, value_name = "VCPU", conflicts_with = "limit")]
    lending_limit: Option<u64>,
    /// Its part of what is spare, beside its siblings [default: 1]
    #[arg(long, value_name = "N", conflicts_with = "limit")]
    weight: Option<u32>,
    /// vCPU-hours that it may use in a day, week or month of the calendar (UTC), as `500/week`
    #[arg(long, value_name = "HOURS/PERIOD", conflicts_with = "limit")]
    budget: Option<BudgetArg>,
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

/// vCPU-hours in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct BudgetArg(QuotaBudget);

impl FromStr for BudgetArg {
    type Err = String;

    fn from_str(text: &str) -> Result<BudgetArg, String> {
        let (hours, period) = text.split_once('/').unwrap_or((text, ""));
        let period = match period {
            "day" => QuotaPeriod::Day,
            "week" => QuotaPeriod::Week,
            "month" => QuotaPeriod::Month,
            _ => return Err("give vCPU-hours and `day`, `week` or `month`, as `500/week`".into()),
        };
        let vcpu_hours = hours.parse().map_err(|_| format!("`{hours}` is no number of vCPU-hours"))?;
        Ok(BudgetArg(QuotaBudget { vcpu_hours, period }))
    }
}

impl Set {
    pub(crate) fn run(&self, format: Format, client: &Client) -> Result<(), Failure> {
        let allowance = self.limit.is_none().then(|| QuotaAllowance {
            nominal: self.nominal.unwrap_or(0),
            borrowing_limit: self.borrowing_limit,
            lending_limit: self.lending_limit,
            weight: self.weight.unwrap_or(1),
            budget: self.budget.map(|budget| budget.0),
        });
        let wanted = QuotaPut {
            family: family(&self.family),
            tier: Some(self.tier.clone()),
            region: self.region.clone(),
            workspace: self.for_workspace.clone(),
            team: self.for_team.clone(),
            limit: self.limit.and_then(|limit| limit.0),
            allowance,
        };
        let quota: QuotaView = client.put("/quotas", &[], &wanted)?;
        format.print(&quota, |quota| quotas(std::slice::from_ref(quota)))
    }
}

/// `all` is no family.
fn family(name: &str) -> Option<String> {
    (name != "all").then(|| name.to_owned())
}

pub(crate) fn list(format: Format, client: &Client) -> Result<(), Failure> {
    let page: Page<QuotaView> = client.get("/quotas", &[])?;
    format.print(&page, |page| quotas(&page.items))
}

fn quotas(quotas: &[QuotaView]) -> String {
    let headings =
        ["FAMILY", "TIER", "REGION", "WORKSPACE", "TEAM", "USED", "LIMIT", "NOMINAL", "WEIGHT", "BUDGET"];
    let row = |quota: &QuotaView| {
        let coming = quota.reserved + quota.provisioning;
        let coming = (coming > 0).then(|| format!("{coming} on their way"));
        let borrowed = (quota.borrowed > 0).then(|| format!("{} borrowed", quota.borrowed));
        let notes: Vec<String> = coming.into_iter().chain(borrowed).collect();
        let used = match notes.as_slice() {
            [] => quota.used.to_string(),
            notes => format!("{} ({})", quota.used, notes.join(", ")),
        };
        let of = |part: fn(&QuotaAllowance) -> String| quota.allowance.as_ref().map_or("-".to_owned(), part);
        let budget = quota.allowance.and_then(|allowance| allowance.budget).map(|budget| {
            let spent = quota.spent_vcpu_hours.unwrap_or(0.0);
            format!("{spent:.1} of {} vCPU-hours a {}", budget.vcpu_hours, word(budget.period))
        });
        [
            quota.family.clone().unwrap_or_else(|| "(all)".to_owned()),
            quota.tier.clone(),
            quota.region.clone(),
            quota.workspace.clone().unwrap_or_else(|| "(all)".to_owned()),
            quota.team.clone().unwrap_or_else(|| "-".to_owned()),
            used,
            quota.limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string()),
            of(|allowance| allowance.nominal.to_string()),
            of(|allowance| allowance.weight.to_string()),
            budget.unwrap_or_else(|| "-".to_owned()),
        ]
    };
    table(headings, quotas.iter().map(row))
}

fn word(period: QuotaPeriod) -> &'static str {
    match period {
        QuotaPeriod::Day => "day",
        QuotaPeriod::Week => "week",
        QuotaPeriod::Month => "month",
    }
}
