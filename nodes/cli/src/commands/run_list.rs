//! `tidegate run list`.

use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Format, note};
use crate::table::{between, elements, table};
use clap::Args;
use tidegate_gateway::api::{Page, RunSummary};

const EXAMPLES: &str = "\
Examples:
  tidegate run list --state Running
  tidegate run list --experiment mnist --tag team=vision --limit 20
  tidegate run list -o json";

/// Which runs.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct List {
    /// Those in this state alone: Queued, Running, Completed, Failed, Canceled, …
    #[arg(long)]
    state: Option<String>,
    /// Those of this experiment alone
    #[arg(long)]
    experiment: Option<String>,
    /// Those of this pool alone
    #[arg(long)]
    pool: Option<String>,
    /// Those whose name contains this
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Those that have this tag: KEY or KEY=VALUE
    #[arg(long)]
    tag: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Go on where an earlier list ended: its `next_cursor`
    #[arg(long)]
    cursor: Option<String>,
}

impl List {
    pub(crate) fn run(&self, format: Format, client: &Client) -> Result<(), Failure> {
        let mut query = vec![("limit", self.limit.to_string())];
        let filters = [
            ("state", &self.state),
            ("experiment", &self.experiment),
            ("pool", &self.pool),
            ("text", &self.name),
            ("tag", &self.tag),
            ("cursor", &self.cursor),
        ];
        query.extend(filters.into_iter().filter_map(|(key, value)| Some((key, value.clone()?))));
        let page: Page<RunSummary> = client.get("/runs", &query)?;
        more(&page.next_cursor);
        format.print(&page, |page| {
            let headings = ["NAME", "STATE", "EXPERIMENT", "POOL", "AGE", "DURATION", "ELEMENTS"];
            table(headings, page.items.iter().map(row))
        })
    }
}

/// Says how to see the rest of a list.
pub(crate) fn more(cursor: &Option<String>) {
    if let Some(cursor) = cursor {
        note(format_args!("there are more; go on with --cursor {cursor}"));
    }
}

fn row(run: &RunSummary) -> [String; 7] {
    let duration = match run.started_at {
        Some(_) => between(run.started_at.as_ref(), run.ended_at.as_ref()),
        None => "-".to_owned(),
    };
    [
        run.name.clone(),
        run.state.to_string(),
        run.experiment.clone(),
        run.pool.clone(),
        between(run.submitted_at.as_ref(), None),
        duration,
        elements(run.count, &run.elements),
    ]
}
