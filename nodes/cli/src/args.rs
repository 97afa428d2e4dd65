//! What can be typed.

use crate::commands;
use crate::output::Format;
use clap::{Args, Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  tidegate up                            start a server with a pool of its own, here
  tidegate submit job.yml --stream       run a job file of Azure ML's, show what it prints
  tidegate submit job.yml --count 100    the same a hundred times, as one array
  tidegate run explain NAME              why a run waits
  tidegate up --controllers 3            the same server on three controllers: lose one and nothing else

Exit codes: 0 done, 1 the run failed, 2 usage or a failure on this machine, 3 refused by the
server, 4 cannot reach the server, 5 the run was cancelled.
For programs: `-o json` on any command; the shapes are those of the server's /openapi.json.";

/// Run machine-learning work on pools of machines that fill and drain by themselves.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, about, after_help = EXAMPLES, max_term_width = 100)]
#[command(disable_help_subcommand = true, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// How to print what was asked for; progress and logs go to standard error
    #[arg(short, long, global = true, value_enum, default_value_t, help_heading = "Global options")]
    pub(crate) output: Format,
    /// The server, or those of a cluster with commas between; that of the last `tidegate up` when absent
    #[arg(
        long,
        global = true,
        env = "TIDEGATE_SERVER",
        hide_env_values = true,
        value_name = "URL",
        help_heading = "Global options"
    )]
    pub(crate) server: Option<String>,
    /// The server's token; better given by the variable, or left to what `up` wrote
    #[arg(
        long,
        global = true,
        env = "TIDEGATE_TOKEN",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub(crate) token: Option<String>,
    /// The workspace; `default` when absent
    #[arg(
        long,
        global = true,
        env = "TIDEGATE_WORKSPACE",
        hide_env_values = true,
        value_name = "NAME",
        help_heading = "Global options"
    )]
    pub(crate) workspace: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a server and a pool of workers on this machine
    Up(commands::up::Up),
    /// Show how a job or pool file is read, as the body that Azure ML's REST API takes
    Spec(commands::spec::Spec),
    /// Queue a run
    Submit(commands::submit::Submit),
    /// Look at runs, end them, try them again
    #[command(subcommand)]
    Run(RunCommand),
    /// Make, change and remove pools
    #[command(subcommand)]
    Pool(PoolCommand),
    /// Look at nodes
    #[command(subcommand)]
    Node(NodeCommand),
    /// Look at limits, and set them
    #[command(subcommand)]
    Quota(QuotaCommand),
    /// Look at workspaces, and set how many runs they may have
    #[command(subcommand)]
    Workspace(WorkspaceCommand),
    /// Set up and run the controllers of a cluster; add, remove and list them
    #[command(subcommand)]
    Controller(ControllerCommand),
    /// Show how the server does
    Status,
    /// Search for faults in a simulated cluster; play what was found again
    #[command(subcommand)]
    Sim(SimCommand),
    /// Print a script that completes commands in a shell
    Completions(commands::completions::Completions),
    /// Work as a node of a pool
    #[command(subcommand, hide = true)]
    Worker(WorkerCommand),
    /// Own the runs of a node; started by its worker
    #[command(hide = true)]
    Keeper(commands::keeper::Keeper),
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunCommand {
    /// List runs, the newest first
    List(commands::run_list::List),
    /// Show all that is known of a run
    Show(commands::run_show::Show),
    /// Print what a run prints
    Logs(commands::run_logs::Logs),
    /// End a run
    Cancel(commands::run_change::Change),
    /// Queue what failed or was cancelled again
    Retry(commands::run_change::Change),
    /// Tell every reason why a run waits
    Explain(commands::run_explain::Explain),
    /// Fetch what a run left behind
    Download(commands::run_download::Download),
    /// Wait until a run has ended; the exit code tells how
    Wait(commands::run_wait::Wait),
}

#[derive(Debug, Subcommand)]
pub(crate) enum PoolCommand {
    /// Make a pool, or change one
    Apply(commands::pool::Apply),
    /// List pools
    List,
    /// Show a pool
    Show(commands::pool::Show),
    /// Remove a pool
    Delete(commands::pool::Delete),
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// List nodes
    List(commands::node::List),
}

#[derive(Debug, Subcommand)]
pub(crate) enum QuotaCommand {
    /// List what regions, workspaces and teams may have, and what they have
    List,
    /// Set or lift a limit, or what is kept for a workspace or a team
    Set(commands::quota::Set),
    /// Set the limits that a cloud's own tool lists
    Import(commands::quota::Import),
}

#[derive(Debug, Subcommand)]
pub(crate) enum WorkspaceCommand {
    /// List workspaces, what they run and what they may
    List,
    /// Set or lift how many runs a workspace may have
    Set(commands::workspace::Set),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ControllerCommand {
    /// Make the join bundles for a new cluster
    Init(commands::controller::Init),
    /// Run one controller, in the foreground
    Run(commands::controller::Run),
    /// Let another controller join
    Add(commands::controller::Add),
    /// Have a controller go
    Remove(commands::controller::Remove),
    /// List controllers: who leads, who is behind
    List,
    /// Give leadership to a controller
    Lead(commands::controller::Lead),
}

#[derive(Debug, Subcommand)]
pub(crate) enum SimCommand {
    /// Play many seeds, and tell which promises were broken
    Fuzz(commands::sim::Fuzz),
    /// Play one seed, or the record of a real controller, and tell all that happens
    Replay(commands::sim::Replay),
    /// Make a failing play smaller
    Shrink(commands::sim::Shrink),
}

#[derive(Debug, Subcommand)]
pub(crate) enum WorkerCommand {
    /// Run a worker until it is told to leave
    Run(commands::worker::Run),
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;
