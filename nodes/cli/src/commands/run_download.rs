//! `tidegate run download`.

use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output::{Format, note};
use crate::table::size;
use crate::upload::progress;
use anyhow::{Context as _, anyhow};
use clap::Args;
use indicatif::ProgressBar;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidegate_gateway::api::{OutputList, OutputView};
use tidegate_store::{BlobSource, Digest, FileMode, MAX_TREE_BYTES, StoreError, Tree, materialize};

const EXAMPLES: &str = "\
Examples:
  tidegate run download NAME                         its folders `outputs` and `logs`, into ./NAME
  tidegate run download NAME --all --path results     and its named outputs, each into a folder of its name
  tidegate run download NAME --output-name model";

/// What to fetch, and where to.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Download {
    /// The run
    name: String,
    /// One output that the job names
    #[arg(long, value_name = "OUTPUT", conflicts_with = "all")]
    output_name: Option<String>,
    /// Everything that the run left behind
    #[arg(long)]
    all: bool,
    /// The folder to write to; a new one of the run's name when absent
    #[arg(short, long, value_name = "FOLDER")]
    path: Option<PathBuf>,
    /// One element of an array
    #[arg(long, value_name = "N")]
    element: Option<u32>,
}

impl Download {
    pub(crate) fn run(&self, format: Format, client: &Client) -> Result<(), Failure> {
        let query: Vec<_> =
            self.element.map(|element| ("element", element.to_string())).into_iter().collect();
        let list: OutputList = client.get(&format!("/runs/{}/outputs", segment(&self.name)), &query)?;
        let wanted = self.choose(&list)?;
        let folder = self.path.clone().unwrap_or_else(|| PathBuf::from(&list.run));
        let bar = progress("downloading", wanted.iter().map(|output| output.bytes).sum());
        for output in &wanted {
            // Under the run's own folder, as the client of Azure ML does: `default` lies open, the others by name.
            let place = if output.name == "default" {
                folder.clone()
            } else {
                folder.join("named").join(&output.name)
            };
            fetch(client, output, &place, &bar)?;
        }
        bar.finish_and_clear();
        for output in &wanted {
            note(format_args!("{}: {} files, {}", output.name, output.files, size(output.bytes)));
        }
        format.print(&wanted, |_| folder.display().to_string())
    }

    fn choose(&self, list: &OutputList) -> Result<Vec<OutputView>, Failure> {
        let name = match &self.output_name {
            None if self.all => return Ok(list.items.clone()),
            None => "default",
            Some(name) => name,
        };
        let found: Vec<OutputView> =
            list.items.iter().filter(|output| output.name == name).cloned().collect();
        if !found.is_empty() || (self.output_name.is_none() && list.items.is_empty()) {
            return Ok(found);
        }
        let names: Vec<&str> = list.items.iter().map(|output| output.name.as_str()).collect();
        let has = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        Err(Failure::Usage(format!("run {} left no output `{name}`; it left {has}", list.run)))
    }
}

fn fetch(client: &Client, output: &OutputView, place: &Path, bar: &ProgressBar) -> Result<(), Failure> {
    let digest: Digest = output.tree.parse().map_err(anyhow::Error::from)?;
    let mut bytes = Vec::new();
    let (listing, _) = client.get_stream(&format!("/blobs/{digest}"), &[])?;
    listing
        .take(MAX_TREE_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| broken_off(&output.name, &error))?;
    if Digest::of(&bytes) != digest {
        return Err(anyhow!("what came for output {} is not what its digest says", output.name).into());
    }
    let tree = Tree::decode(&bytes).with_context(|| format!("output {}", output.name))?;
    std::fs::create_dir_all(place).with_context(|| format!("cannot make {}", place.display()))?;
    // Nothing is written outside `place`, whatever the tree says.
    let blobs = RemoteBlobs { client, bar };
    materialize(&tree, place, &blobs, FileMode::Copy).map_err(|error| anyhow::Error::from(error).into())
}

fn broken_off(what: &str, error: &io::Error) -> Failure {
    Failure::Unreachable(format!("the download of {what} broke off: {error}; try again"))
}

/// Contents as the server has them; their digests are checked by who writes them.
struct RemoteBlobs<'a> {
    client: &'a Client,
    bar: &'a ProgressBar,
}

impl BlobSource for RemoteBlobs<'_> {
    fn read_blob(&self, digest: &Digest) -> Result<Option<Box<dyn Read + '_>>, StoreError> {
        match self.client.get_stream(&format!("/blobs/{digest}"), &[]) {
            Ok((reader, _)) => Ok(Some(Box::new(self.bar.wrap_read(reader)))),
            Err(Failure::Refused(problem)) if problem.status == 404 => Ok(None),
            Err(failure) => Err(StoreError::Source(Arc::new(io::Error::other(failure.to_string())))),
        }
    }
}
