//! Bringing a job's code and local inputs to the server: only what it does not have.

use crate::client::Client;
use crate::failure::Failure;
use crate::table::size;
use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Cursor, IsTerminal, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tidegate_gateway::api::MissingBlobs;
use tidegate_spec::{CommandJob, Found, LocalPath, Role};
use tidegate_store::{Digest, DigestWriter, ScanOptions, Tree, TreeEntry, TreeKind, scan_folder};

/// The most bytes that one input folder may have: a slip, such as the root folder, ends here.
const INPUT_MAX_BYTES: u64 = 1 << 40;
/// Digests in one question.
const ASK_AT_ONCE: usize = 4096;

/// Uploads what the job needs from this machine, and puts the content's addresses in its place.
pub(crate) fn upload(job: &mut CommandJob, folder: &Path, client: &Client) -> Result<(), Failure> {
    let locals = job.local_paths(folder);
    if locals.is_empty() {
        return Ok(());
    }
    let mut upload = Upload::default();
    let mut addresses = Vec::new();
    for local in locals {
        let found = job.check_local_path(&local)?;
        let address = upload.gather(&local, found).map_err(|error| Failure::Usage(format!("{error:#}")))?;
        addresses.push((local.role, address));
    }
    upload.send(client)?;
    for (role, address) in addresses {
        job.set_uploaded(&role, &address)?;
    }
    Ok(())
}

/// What is to be there, each content once.
#[derive(Default)]
struct Upload {
    contents: BTreeMap<Digest, (u64, Source)>,
}

enum Source {
    File(PathBuf),
    Bytes(Vec<u8>),
}

impl Upload {
    fn gather(&mut self, local: &LocalPath, found: Found) -> anyhow::Result<String> {
        match (&local.role, found) {
            (Role::Code, Found::Folder) => self.folder(&local.path, &ScanOptions::CODE),
            (Role::Input(_), Found::Folder) => self.folder(&local.path, &ScanOptions::input(INPUT_MAX_BYTES)),
            // Code that is one file is a folder with that file.
            (Role::Code, Found::File) => self.folder_of_file(&local.path),
            (Role::Input(_), Found::File) => {
                self.file(&local.path).map(|(digest, _)| format!("blob:{digest}"))
            }
        }
    }

    fn folder(&mut self, path: &Path, options: &ScanOptions) -> anyhow::Result<String> {
        let scanned = scan_folder(path, options)?;
        for (name, digest, length) in scanned.tree.files() {
            self.contents.entry(digest).or_insert_with(|| (length, Source::File(path.join(name))));
        }
        Ok(self.tree(&scanned.tree))
    }

    fn folder_of_file(&mut self, path: &Path) -> anyhow::Result<String> {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("{}: the name is not UTF-8; rename it", path.display()))?;
        let (digest, size) = self.file(path)?;
        let mode = std::fs::metadata(path)
            .with_context(|| format!("cannot look at {}", path.display()))?
            .permissions();
        let executable = mode.mode() & 0o100 != 0;
        let entry = TreeEntry { path: name.to_owned(), kind: TreeKind::File { digest, size, executable } };
        Ok(self.tree(&Tree::new(vec![entry])?))
    }

    fn tree(&mut self, tree: &Tree) -> String {
        let bytes = tree.encode();
        let digest = Digest::of(&bytes);
        self.contents.insert(digest, (bytes.len() as u64, Source::Bytes(bytes)));
        format!("tree:{digest}")
    }

    fn file(&mut self, path: &Path) -> anyhow::Result<(Digest, u64)> {
        let doing = || format!("cannot read {}", path.display());
        let mut digest = DigestWriter::new();
        let length = io::copy(&mut File::open(path).with_context(doing)?, &mut digest).with_context(doing)?;
        let digest = digest.finish();
        self.contents.insert(digest, (length, Source::File(path.to_owned())));
        Ok((digest, length))
    }

    fn send(&self, client: &Client) -> Result<(), Failure> {
        let digests: Vec<&Digest> = self.contents.keys().collect();
        let mut missing = Vec::new();
        for part in digests.chunks(ASK_AT_ONCE) {
            let asked = MissingBlobs { digests: part.iter().map(|digest| digest.to_string()).collect() };
            let answer: MissingBlobs = client.post("/blobs:missing", &[], &asked)?;
            missing.extend(answer.digests);
        }
        let known: BTreeMap<String, &Digest> =
            digests.into_iter().map(|digest| (digest.to_string(), digest)).collect();
        let missing: Vec<&Digest> = missing.iter().filter_map(|digest| known.get(digest).copied()).collect();
        let length = |digest: &&Digest| self.contents.get(*digest).map_or(0, |(length, _)| *length);
        let progress = progress("uploading", missing.iter().map(length).sum());
        for digest in missing {
            let Some((length, source)) = self.contents.get(digest) else { continue };
            send_one(client, digest, *length, source, &progress)?;
        }
        progress.finish_and_clear();
        Ok(())
    }
}

fn send_one(
    client: &Client,
    digest: &Digest,
    length: u64,
    source: &Source,
    progress: &ProgressBar,
) -> Result<(), Failure> {
    let path = format!("/blobs/{digest}");
    let before = progress.position();
    let open = || -> Result<Box<dyn Read + '_>, Failure> {
        // What was sent in vain is sent again.
        progress.set_position(before);
        Ok(match source {
            Source::Bytes(bytes) => Box::new(progress.wrap_read(Cursor::new(bytes))),
            Source::File(path) => {
                let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
                Box::new(progress.wrap_read(file.take(length)))
            }
        })
    };
    client.put_bytes(&path, length, open).map_err(|failure| {
        match (failure, source) {
            // The server's word for a file that is written to while it is read.
            (Failure::Refused(problem), Source::File(path)) if problem.word() == "digest-mismatch" => {
                let path = path.display();
                Failure::Usage(format!(
                    "{path} changed while it was being uploaded; try again once nothing writes to it"
                ))
            }
            (failure, _) => failure,
        }
    })
}

/// A bar on standard error for what takes long; none where nobody watches.
pub(crate) fn progress(doing: &'static str, total: u64) -> ProgressBar {
    let shown = io::stderr().is_terminal() && total > (1 << 20);
    let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar =
        ProgressBar::with_draw_target(Some(total), target).with_message(format!("{doing} {}", size(total)));
    match ProgressStyle::with_template("{msg} {bar:30} {bytes_per_sec} {eta}") {
        Ok(style) => bar.with_style(style),
        // The template is ours; without it the bar looks different.
        Err(_) => bar,
    }
}
