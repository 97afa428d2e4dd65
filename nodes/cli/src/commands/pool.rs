//! `tidegate pool`.

use super::status::nodes;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output::{Format, note};
use crate::table::{mib, pairs, span, table};
use clap::Args;
use serde_json::Value;
use std::path::PathBuf;
use tidegate_gateway::api::{Page, PoolView};
use tidegate_spec::{Document, read_file, unsupported_pool};

const EXAMPLES: &str = "\
Examples:
  tidegate pool apply pool.yml
  tidegate pool apply --file pool.yml --name small

A pool file is an `amlcompute` of Azure ML's:
  type: amlcompute
  name: small
  size: Standard_DS3_v2
  min_instances: 0
  max_instances: 4
  idle_time_before_scale_down: 120
  tidegate:
    team: nlp        # whose quota its VMs count against; the workspace's without it
    order: fair      # teams take turns; `strict`: by priority, then by submission";

/// Which file.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Apply {
    /// A pool file
    #[arg(required_unless_present = "file_option")]
    file: Option<PathBuf>,
    /// The same, as `az` has it
    #[arg(short = 'f', long = "file", value_name = "FILE", conflicts_with = "file", id = "file_option")]
    file_option: Option<PathBuf>,
    /// The pool's name, in place of the file's
    #[arg(short, long)]
    name: Option<String>,
}

/// Which pool.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The pool
    name: String,
}

/// Which pool, and how.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// The pool
    name: String,
    /// Cancel its runs instead of refusing
    #[arg(long)]
    force: bool,
}

impl Apply {
    pub(crate) fn run(&self, format: Format, client: &Client) -> Result<(), Failure> {
        let file = self.file.as_ref().or(self.file_option.as_ref());
        let file = file.ok_or_else(|| Failure::Usage("give a pool file".to_owned()))?;
        let Document::Pool(mut pool) = read_file(file)? else {
            let file = file.display();
            return Err(Failure::Usage(format!(
                "{file} is a job, not a pool; queue it with `tidegate submit {file}`"
            )));
        };
        let wrong = unsupported_pool(&pool);
        if !wrong.is_empty() {
            return Err(Failure::Spec(wrong));
        }
        if let Some(name) = &self.name {
            pool.name = name.clone();
        }
        let body: Value = serde_json::to_value(&*pool).map_err(anyhow::Error::from)?;
        let view: PoolView = client.put(&format!("/pools/{}", segment(&pool.name)), &[], &body)?;
        format.print(&view, pool_table)
    }
}

impl Show {
    pub(crate) fn run(&self, format: Format, client: &Client) -> Result<(), Failure> {
        let view: PoolView = client.get(&format!("/pools/{}", segment(&self.name)), &[])?;
        format.print(&view, pool_table)
    }
}

impl Delete {
    pub(crate) fn run(&self, client: &Client) -> Result<(), Failure> {
        let query = [("force", self.force.to_string())];
        client.delete(&format!("/pools/{}", segment(&self.name)), &query)?;
        note(format_args!("pool {} goes once its nodes have been given back", self.name));
        Ok(())
    }
}

pub(crate) fn list(format: Format, client: &Client) -> Result<(), Failure> {
    let page: Page<PoolView> = client.get("/pools", &[])?;
    format.print(&page, |page| {
        let headings = ["NAME", "SIZE", "TIER", "LOCATION", "NODES", "MIN", "MAX", "OPEN RUNS", "QUEUED"];
        table(headings, page.items.iter().map(row))
    })
}

fn row(pool: &PoolView) -> [String; 9] {
    let name = if pool.deleting { format!("{} (being deleted)", pool.name) } else { pool.name.clone() };
    [
        name,
        pool.size.clone(),
        pool.tier.clone(),
        pool.location.clone(),
        nodes(&pool.nodes),
        pool.min_instances.to_string(),
        pool.max_instances.to_string(),
        pool.open_runs.to_string(),
        pool.queued_elements.to_string(),
    ]
}

fn pool_table(pool: &PoolView) -> String {
    let offers = match pool.gpus {
        0.0 => format!("{} vCPU, {}", pool.vcpu, mib(pool.memory_mib)),
        gpus => format!("{} vCPU, {}, {gpus} GPU", pool.vcpu, mib(pool.memory_mib)),
    };
    let failing =
        pool.last_failure.as_ref().map(|error| format!("{} times in a row: {error}", pool.boot_failures));
    pairs([
        ("name", Some(pool.name.clone())),
        ("workspace", Some(pool.workspace.clone())),
        ("size", Some(format!("{} ({offers})", pool.size))),
        ("family", Some(pool.family.clone())),
        ("tier", Some(pool.tier.clone())),
        ("team", pool.team.clone()),
        ("order", Some(pool.order.clone())),
        ("location", Some(pool.location.clone())),
        ("instances", Some(format!("{} to {}", pool.min_instances, pool.max_instances))),
        ("scale-down", Some(format!("after {} without work", span(pool.idle_time_before_scale_down)))),
        ("nodes", Some(nodes(&pool.nodes))),
        ("runs", Some(format!("{} open, {} elements queued", pool.open_runs, pool.queued_elements))),
        ("boot failed", failing),
        ("deleting", pool.deleting.then(|| "yes: it goes once its nodes have".to_owned())),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pool_reads_like_a_page() {
        let pool = json!({
            "name": "small", "workspace": "default", "location": "eastus", "size": "Standard_DS3_v2",
            "family": "standardDSv2Family", "tier": "dedicated", "team": "nlp", "order": "fair", "vcpu": 4, "memory_mib": 14336, "gpus": 0.0,
            "min_instances": 0, "max_instances": 4, "idle_time_before_scale_down": 120.0,
            "nodes": {"coming": 1, "idle": 0, "running": 2, "unusable": 0, "leaving": 0}, "open_runs": 3,
            "queued_elements": 8, "deleting": false, "boot_failures": 2, "last_failure": "no room",
        });
        let pool: PoolView = serde_json::from_value(pool).unwrap();
        let headings = ["NAME", "SIZE", "TIER", "LOCATION", "NODES", "MIN", "MAX", "OPEN RUNS", "QUEUED"];
        let list = table(headings, [row(&pool)]);
        insta::assert_snapshot!(format!("{list}\n\n{}", pool_table(&pool)));
    }
}
