//! `tidegate node`.

use crate::client::Client;
use crate::failure::Failure;
use crate::output::Format;
use crate::table::{mib, span, table};
use clap::Args;
use tidegate_gateway::api::{NodeView, Page};

/// Which nodes.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Those of this pool alone
    #[arg(long)]
    pool: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 1000)]
    limit: usize,
    /// Go on where an earlier list ended: its `next_cursor`
    #[arg(long)]
    cursor: Option<String>,
}

impl List {
    pub(crate) fn run(&self, format: Format, client: &Client) -> Result<(), Failure> {
        let mut query = vec![("limit", self.limit.to_string())];
        query.extend(self.pool.iter().map(|pool| ("pool", pool.clone())));
        query.extend(self.cursor.iter().map(|cursor| ("cursor", cursor.clone())));
        let page: Page<NodeView> = client.get("/nodes", &query)?;
        super::run_list::more(&page.next_cursor);
        format.print(&page, |page| {
            let headings = ["NAME", "POOL", "STATE", "FOR", "FREE VCPU", "FREE MEMORY", "RUNS"];
            table(headings, page.items.iter().map(row))
        })
    }
}

fn row(node: &NodeView) -> [String; 7] {
    let state = match &node.reason {
        Some(reason) => format!("{}: {reason}", node.state),
        None => node.state.to_string(),
    };
    let runs = match node.runs.as_slice() {
        [] => "-".to_owned(),
        few if few.len() <= 3 => few.join(", "),
        many => format!("{}, {} and {} more", many[0], many[1], many.len() - 2),
    };
    [
        node.name.clone(),
        node.pool.clone(),
        state,
        span(node.for_seconds),
        node.free_vcpu.to_string(),
        mib(node.free_memory_mib),
        runs,
    ]
}
