//! Where controllers are: a file of addresses, read anew before each try.

use std::{io, net::SocketAddr, path::Path};

/// The address for try number `turn`: the file's lines in turn.
///
/// # Errors
///
/// The file cannot be read, or has no address; with the line that is none.
pub(crate) fn next_address(file: &Path, turn: usize) -> io::Result<SocketAddr> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))?;
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
    let lines: Vec<_> = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).collect();
    if lines.is_empty() {
        return Err(invalid(format!("{} names no controller: it needs a line ip:port", file.display())));
    }
    let (number, line) = lines[turn % lines.len()];
    line.parse().map_err(|_| {
        let shown: String = line.chars().take(80).collect();
        invalid(format!("{} line {number}: {shown:?} is not an address ip:port", file.display()))
    })
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_in_turn_and_slips_are_told() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("controllers");
        assert!(next_address(&file, 0).unwrap_err().to_string().contains("controllers"));
        std::fs::write(&file, "# two\n127.0.0.1:1\n\n [::1]:2 \n").unwrap();
        let ports: Vec<u16> = (0..4).map(|turn| next_address(&file, turn).unwrap().port()).collect();
        assert_eq!(ports, [1, 2, 1, 2]);
        std::fs::write(&file, "\n").unwrap();
        assert!(next_address(&file, 0).unwrap_err().to_string().contains("names no controller"));
        std::fs::write(&file, "localhost\n").unwrap();
        assert!(next_address(&file, 0).unwrap_err().to_string().contains("line 1: \"localhost\""));
    }
}
