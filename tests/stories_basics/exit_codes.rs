//! How a command ends tells how it went.

use anyhow::Result;
use tidegate_tests::Cluster;

use crate::{POOL, job};

#[test]
fn exit_codes_tell_how_a_run_ended_and_who_is_at_fault() -> Result<()> {
    let mut cluster = Cluster::up()?;
    cluster.apply(POOL)?;
    let good = cluster.job(&job("echo well", ""))?;
    let bad = cluster.job(&job("echo ill >&2; exit 7", ""))?;

    let waited = cluster.tidegate(["submit", &good, "--wait", "--name", "good-1"])?.succeeded()?;
    assert_eq!(waited.stdout, "good-1\n");
    assert!(waited.stderr.contains("run good-1 Completed"), "{waited}");
    let streamed = cluster.tidegate(["submit", &good, "--stream"])?.succeeded()?;
    assert_eq!(streamed.stdout, "well\n");

    let failed = cluster.tidegate(["submit", &bad, "--wait"])?.ended_with(1)?;
    assert!(failed.stderr.contains("Failed") && failed.stderr.contains('7'), "{failed}");
    let failed = cluster.tidegate(["submit", &bad, "--stream"])?.ended_with(1)?;
    assert_eq!(failed.stdout, "");
    assert!(failed.stderr.contains("ill\n"), "{failed}");

    for how in ["--wait", "--stream"] {
        let name = format!("gone{how}");
        let slow = cluster.job(&job("echo on; sleep 1000", ""))?;
        let mut waiting = cluster.command();
        let child = waiting.args(["submit", &slow, how, "--name", &name]).spawn()?;
        cluster.wait_for_state(&name, "Running")?;
        cluster.tidegate(["run", "cancel", &name])?.succeeded()?;
        assert_eq!(child.wait_with_output()?.status.code(), Some(5), "{how}");
        cluster.tidegate(["run", "wait", &name])?.ended_with(5)?;
    }

    let unknown = cluster.tidegate(["run", "show", "nobody"])?.ended_with(3)?;
    assert!(unknown.stderr.contains("nobody"), "{unknown}");
    let elsewhere = cluster.job("command: echo\nenvironment: azureml:any\ncompute: nowhere\n")?;
    let refused = cluster.tidegate(["submit", &elsewhere])?.ended_with(3)?;
    assert!(refused.stderr.contains("nowhere") && refused.stderr.contains("tidegate pool"), "{refused}");

    cluster.tidegate(["submit"])?.ended_with(2)?;
    cluster.tidegate(["submit", "no-such-file.yml"])?.ended_with(2)?;
    cluster.tidegate(["submit", &good, "--wait", "--stream"])?.ended_with(2)?;
    cluster.tidegate(["frobnicate"])?.ended_with(2)?;

    assert!(cluster.stop()?.success());
    let away = cluster.tidegate(["submit", &good])?.ended_with(4)?;
    assert!(away.stderr.contains("cannot reach the server") && away.stderr.contains("tidegate up"), "{away}");
    Ok(())
}
