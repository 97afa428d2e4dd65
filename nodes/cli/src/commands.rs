//! Every command, one file each.

pub(crate) mod completions;
pub(crate) mod controller;
pub(crate) mod keeper;
pub(crate) mod node;
pub(crate) mod pool;
pub(crate) mod quota;
pub(crate) mod run_change;
pub(crate) mod run_download;
pub(crate) mod run_explain;
pub(crate) mod run_list;
pub(crate) mod run_logs;
pub(crate) mod run_show;
pub(crate) mod run_wait;
pub(crate) mod sim;
pub(crate) mod spec;
pub(crate) mod status;
pub(crate) mod submit;
pub(crate) mod up;
pub(crate) mod worker;
pub(crate) mod workspace;

use crate::args::{
    Cli, Command, ControllerCommand, NodeCommand, PoolCommand, QuotaCommand, RunCommand, SimCommand,
    WorkerCommand, WorkspaceCommand,
};
use crate::client::Client;
use crate::failure::Failure;

/// Does what was typed.
pub(crate) fn run(cli: Cli) -> Result<(), Failure> {
    let Cli { global, command } = cli;
    let format = global.output;
    let client = || Client::new(&global);
    match command {
        Command::Up(up) => up.run(format),
        Command::Spec(spec) => spec.run(format),
        Command::Submit(submit) => submit.run(format, &global),
        Command::Run(RunCommand::List(list)) => list.run(format, &client()?),
        Command::Run(RunCommand::Show(show)) => show.run(format, &client()?),
        Command::Run(RunCommand::Logs(logs)) => logs.run(&client()?),
        Command::Run(RunCommand::Cancel(change)) => change.cancel(format, &client()?),
        Command::Run(RunCommand::Retry(change)) => change.retry(format, &client()?),
        Command::Run(RunCommand::Explain(explain)) => explain.run(format, &client()?),
        Command::Run(RunCommand::Download(download)) => download.run(format, &client()?),
        Command::Run(RunCommand::Wait(wait)) => wait.run(format, &client()?),
        Command::Pool(PoolCommand::Apply(apply)) => apply.run(format, &client()?),
        Command::Pool(PoolCommand::List) => pool::list(format, &client()?),
        Command::Pool(PoolCommand::Show(show)) => show.run(format, &client()?),
        Command::Pool(PoolCommand::Delete(delete)) => delete.run(&client()?),
        Command::Node(NodeCommand::List(list)) => list.run(format, &client()?),
        Command::Quota(QuotaCommand::List) => quota::list(format, &client()?),
        Command::Quota(QuotaCommand::Set(set)) => set.run(format, &client()?),
        Command::Quota(QuotaCommand::Import(import)) => import.run(format, &client()?),
        Command::Workspace(WorkspaceCommand::List) => workspace::list(format, &client()?),
        Command::Workspace(WorkspaceCommand::Set(set)) => set.run(format, &client()?),
        Command::Controller(ControllerCommand::Init(init)) => init.run(format),
        Command::Controller(ControllerCommand::Run(run)) => run.run(format),
        Command::Controller(ControllerCommand::Add(add)) => add.run(format, &client()?),
        Command::Controller(ControllerCommand::Remove(remove)) => remove.run(&client()?),
        Command::Controller(ControllerCommand::List) => controller::list(format, &client()?),
        Command::Controller(ControllerCommand::Lead(lead)) => lead.run(&client()?),
        Command::Status => status::run(format, &client()?),
        Command::Sim(SimCommand::Fuzz(fuzz)) => fuzz.run(format),
        Command::Sim(SimCommand::Replay(replay)) => replay.run(format),
        Command::Sim(SimCommand::Shrink(shrink)) => shrink.run(format),
        Command::Completions(completions) => completions.run(),
        Command::Worker(WorkerCommand::Run(worker)) => worker.run(),
        Command::Keeper(keeper) => keeper.run(),
    }
}
