//! Command lines in, what they mean out.

use super::*;
use clap::CommandFactory;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn what_people_type_is_taken() {
    for line in [
        "tidegate up",
        "tidegate up --data /d --http 127.0.0.1:0 --config c.toml",
        "tidegate up --controllers 3",
        "tidegate controller init --cluster sea --out d 10.0.0.1:1 10.0.0.2:1 [::1]:1",
        "tidegate controller run --config c.toml --join c1.join --record r",
        "tidegate controller add --learner --replaces c2 --out c4.join",
        "tidegate controller remove 2",
        "tidegate controller list --server a:1,b:2 -o json",
        "tidegate controller lead c3",
        "tidegate spec job.yml -o yaml",
        "tidegate submit job.yml",
        "tidegate submit -f job.yml --set a.b=c --set d=e --count 3 --name n --wait",
        "tidegate submit --file job.yml --stream -o json",
        "tidegate run list --state Running --tag a=b -o json --server http://h:1 --workspace w",
        "tidegate run show n --element 3",
        "tidegate run logs -f n --element 2 --only stderr",
        "tidegate run cancel n",
        "tidegate run retry n --element 1",
        "tidegate run explain n",
        "tidegate run download n --all --path d",
        "tidegate run wait n",
        "tidegate pool apply p.yml --name x",
        "tidegate pool list",
        "tidegate pool show p",
        "tidegate pool delete p --force",
        "tidegate node list --pool p",
        "tidegate quota list",
        "tidegate quota set standardDSv2Family 8 --tier low_priority --region eastus --for-workspace w",
        "tidegate quota set all --for-workspace w --for-team t --nominal 4 --lending-limit 0 --budget 9/month",
        "tidegate quota import usage.json --region eastus --dry-run",
        "tidegate quota set standardDSv2Family none",
        "tidegate workspace list",
        "tidegate workspace set w --max-running 3 --max-open none",
        "tidegate submit job.yml --after a --after b:failed --after c:ended --team t --max-concurrent 2",
        "tidegate status -o yaml",
        "tidegate sim fuzz --seeds 1000 --first 7 --threads 2 --stop-at-failure --without net.loss,process.crash",
        "tidegate sim fuzz --seeds 10 --mutant DropFence",
        "tidegate sim replay --seed 3 --skip-faults 1-3,7 --skip-requests 9 -o json",
        "tidegate sim replay --record r",
        "tidegate sim shrink --seed 3 --tries 10",
        "tidegate completions bash",
        "tidegate worker run --config c",
        "tidegate keeper --folder f --node n",
    ] {
        assert!(parse(line).is_ok(), "{line}: {}", parse(line).unwrap_err());
    }
}

#[test]
fn what_makes_no_sense_is_usage() {
    for line in [
        "tidegate",
        "tidegate up --controllers 2",
        "tidegate controller init --out d",
        "tidegate controller init --out d host:1",
        "tidegate controller run",
        "tidegate controller add",
        "tidegate controller remove",
        "tidegate controller lead first",
        "tidegate submit",
        "tidegate submit a.yml -f b.yml",
        "tidegate submit a.yml --count 0",
        "tidegate submit a.yml --wait --stream",
        "tidegate run download n --all --output-name m",
        "tidegate sim fuzz",
        "tidegate sim fuzz --seeds 0",
        "tidegate sim fuzz --seeds 1 --mutant Nonsense",
        "tidegate sim fuzz --seeds 1 --without net.nonsense",
        "tidegate sim replay",
        "tidegate sim replay --seed 1 --record r",
        "tidegate quota set f many",
        "tidegate quota set f",
        "tidegate quota set f 4 --nominal 4",
        "tidegate quota set f 4 --for-team t",
        "tidegate quota set f --budget 4/year",
        "tidegate quota import usage.json",
        "tidegate workspace set w",
        "tidegate workspace set w --max-open many",
        "tidegate submit a.yml --after b:done",
        "tidegate submit a.yml --max-concurrent 0",
        "tidegate status -o xml",
        "tidegate nonsense",
    ] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
}

#[test]
fn help_teaches() {
    let mut command = Cli::command().term_width(100);
    command.build();
    let mut text = command.render_help().to_string();
    for path in [
        &["submit"][..],
        &["run"],
        &["run", "logs"],
        &["up"],
        &["quota", "set"],
        &["quota", "import"],
        &["workspace", "set"],
        &["controller"],
        &["controller", "run"],
        &["controller", "remove"],
        &["sim", "fuzz"],
    ] {
        let found =
            path.iter().fold(&mut command, |command, name| command.find_subcommand_mut(name).unwrap());
        text.push_str(&format!("\n===== {}\n{}", path.join(" "), found.render_help()));
    }
    insta::assert_snapshot!(text);
}
