//! Where controllers are: a file of addresses, which changes as controllers come and go.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read},
    net::SocketAddr,
    path::Path,
};

/// Largest file of addresses, in bytes.
const FILE_MAX_BYTES: u64 = 64 << 10;

/// What the file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Addresses {
    /// The addresses in it, as far as they can be read.
    named: BTreeSet<SocketAddr>,
    /// What is wrong with it, if anything is.
    pub(crate) slip: Option<String>,
}

/// What is to be done so that every controller of the file is dialed, and nobody else.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) dial: Vec<SocketAddr>,
    pub(crate) drop: Vec<SocketAddr>,
}

impl Addresses {
    /// Reads the file: an `ip:port` a line; empty lines and those that begin with `#` are skipped.
    pub(crate) fn read(file: &Path) -> Self {
        match text(file) {
            Ok(text) => Self::parse(&text, file),
            Err(error) => Self {
                named: BTreeSet::new(),
                slip: Some(format!("cannot read the controllers' addresses in {}: {error}", file.display())),
            },
        }
    }

    fn parse(text: &str, file: &Path) -> Self {
        let mut found = Self::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.parse() {
                Ok(address) => drop(found.named.insert(address)),
                Err(_) => {
                    let shown: String = line.chars().take(80).collect();
                    let number = number + 1;
                    found.slip.get_or_insert_with(|| {
                        format!("{} line {number}: {shown:?} is not an address ip:port", file.display())
                    });
                }
            }
        }
        if found.named.is_empty() && found.slip.is_none() {
            found.slip = Some(format!("{} names no controller: it needs a line ip:port", file.display()));
        }
        found
    }

    /// What changes against those that are dialed now. A file that cannot be read wholly drops nobody: it may be just
    /// being written.
    pub(crate) fn changes<'a>(&self, dialed: impl Iterator<Item = &'a SocketAddr>) -> Changes {
        let dialed: BTreeSet<SocketAddr> = dialed.copied().collect();
        let drop = match self.slip {
            None => dialed.difference(&self.named).copied().collect(),
            Some(_) => Vec::new(),
        };
        Changes { dial: self.named.difference(&dialed).copied().collect(), drop }
    }
}

fn text(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(FILE_MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_MAX_BYTES {
        let what = format!("it has more than the limit of {FILE_MAX_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(addresses: &[SocketAddr]) -> Vec<u16> {
        addresses.iter().map(SocketAddr::port).collect()
    }

    /// What a file with this text changes against these, which are dialed: ports to dial, ports to drop, what is wrong.
    fn change(text: &str, dialed: &[u16]) -> (Vec<u16>, Vec<u16>, String) {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("controllers");
        std::fs::write(&file, text).unwrap();
        let dialed: Vec<SocketAddr> = dialed.iter().map(|port| ([127, 0, 0, 1], *port).into()).collect();
        let found = Addresses::read(&file);
        let changes = found.changes(dialed.iter());
        (ports(&changes.dial), ports(&changes.drop), found.slip.unwrap_or_default())
    }

    #[test]
    fn new_addresses_are_dialed_and_those_that_are_gone_are_dropped() {
        let fine = String::new;
        assert_eq!(change("# two\n127.0.0.1:1\n\n [::1]:2 \n", &[]), (vec![1, 2], vec![], fine()));
        assert_eq!(change("127.0.0.1:1\n127.0.0.1:3\n127.0.0.1:1", &[1, 2]), (vec![3], vec![2], fine()));
        assert_eq!(change("127.0.0.1:1\n", &[1]), (vec![], vec![], fine()));
    }

    #[test]
    fn a_file_with_a_slip_drops_nobody_and_says_where_it_is() {
        let (dial, drop, slip) = change("127.0.0.1:1\nlocalhost\n127.0.0.1:3\nx", &[1, 2]);
        assert_eq!((dial, drop), (vec![3], vec![]));
        assert!(slip.contains("controllers line 2: \"localhost\""), "{slip}");
        let (dial, drop, slip) = change("# none\n", &[1]);
        assert_eq!((dial, drop), (vec![], vec![]));
        assert!(slip.contains("names no controller"), "{slip}");
        let (dial, drop, slip) = change(&"#".repeat(100_000), &[1]);
        assert_eq!((dial, drop), (vec![], vec![]));
        assert!(slip.contains("controllers: it has more than"), "{slip}");
        let absent = Addresses::read(Path::new("/nowhere/controllers"));
        assert!(absent.slip.as_ref().unwrap().contains("/nowhere/controllers"), "{absent:?}");
        assert_eq!(absent.changes([].into_iter()), Changes::default());
    }
}
