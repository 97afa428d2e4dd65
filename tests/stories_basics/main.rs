//! What people do every day, on a real server: submitting, watching, fetching, cancelling, trying again, sharing nodes.

mod array;
mod cancel;
mod exit_codes;
mod logs;
mod names;
mod outputs;
mod packing;
mod quota;
mod scaling;
mod shapes;
mod tries;

/// A pool of small nodes that go soon.
pub(crate) const POOL: &str = "{name: small, type: amlcompute, size: Standard_D2s_v3, max_instances: 2}";

/// A job for that pool with this command, which is written as a block, and more keys.
pub(crate) fn job(command: &str, more: &str) -> String {
    let lines: String = command.lines().map(|line| format!("  {line}\n")).collect();
    format!("command: |\n{lines}environment: azureml:any\ncompute: small\n{more}")
}
