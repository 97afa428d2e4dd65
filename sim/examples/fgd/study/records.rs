//! Reads a table with a header, plain or compressed; every complaint names the file, the line and the column.

use csv::{Reader, ReaderBuilder, StringRecord};
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::str::FromStr;

/// More rows than any list of a cluster has: what is longer is something else.
const ROWS: usize = 10_000_000;

/// A table that has been read.
pub(crate) struct Records {
    file: String,
    headers: Vec<String>,
    rows: Vec<(u64, StringRecord)>,
}

/// One row of a table.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    records: &'a Records,
    line: u64,
    fields: &'a StringRecord,
}

impl Records {
    /// Reads a file.
    pub(crate) fn open(path: &Path) -> Result<Records, String> {
        let file = path.display().to_string();
        let text = |error: std::io::Error| format!("{file}: {error}");
        let mut bytes = BufReader::new(File::open(path).map_err(text)?);
        // By its first bytes, not by its name: a list may have been unpacked and not renamed.
        let compressed = bytes.fill_buf().map_err(text)?.starts_with(&[0x1f, 0x8b]);
        let plain: Box<dyn Read> =
            if compressed { Box::new(MultiGzDecoder::new(bytes)) } else { Box::new(bytes) };
        Records::read(file, plain)
    }

    /// Reads what a file of this name holds.
    pub(crate) fn read(file: String, from: impl Read) -> Result<Records, String> {
        let mut reader = ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(from);
        let headers = reader.headers().map_err(|error| complain(&file, &error))?;
        let headers = headers.iter().map(str::to_owned).collect();
        let rows = rows(&file, &mut reader)?;
        if rows.is_empty() {
            return Err(format!("{file}: no rows below the header"));
        }
        Ok(Records { file, headers, rows })
    }

    /// The file's name.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// Where a column stands.
    pub(crate) fn column(&self, name: &str) -> Result<usize, String> {
        self.find(name).ok_or_else(|| {
            format!("{}:1: no column `{name}`; there are: {}", self.file, self.headers.join(", "))
        })
    }

    /// Where a column stands that need not be there.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.headers.iter().position(|header| header == name)
    }

    /// The rows.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|(line, fields)| Row { records: self, line: *line, fields })
    }
}

fn rows(file: &str, reader: &mut Reader<impl Read>) -> Result<Vec<(u64, StringRecord)>, String> {
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| complain(file, &error))?;
        if rows.len() == ROWS {
            return Err(format!("{file}: more than {ROWS} rows"));
        }
        rows.push((record.position().map_or(0, csv::Position::line), record));
    }
    Ok(rows)
}

fn complain(file: &str, error: &csv::Error) -> String {
    let line = error.position().map(|at| format!(":{}", at.line()));
    format!("{file}{}: {error}", line.unwrap_or_default())
}

impl<'a> Row<'a> {
    /// The text in a column.
    pub(crate) fn text(self, column: usize) -> Result<&'a str, String> {
        self.fields.get(column).ok_or_else(|| self.wrong(column, "the row ends before this column"))
    }

    /// The number in a column.
    pub(crate) fn number<T: FromStr>(self, column: usize) -> Result<T, String> {
        let text = self.text(column)?;
        text.parse().map_err(|_| self.wrong(column, &format!("`{text}` is no number that fits here")))
    }

    /// A complaint about a column of this row.
    pub(crate) fn wrong(self, column: usize, what: &str) -> String {
        let header = self.records.headers.get(column).map_or("?", String::as_str);
        format!("{}:{}: column {} ({header}): {what}", self.records.file, self.line, column + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Records, String> {
        Records::read("list.csv".to_owned(), text.as_bytes())
    }

    #[test]
    fn complaints_name_file_line_and_column() {
        let records = read("name,cpu\na,1\nb,x\nc\n").expect("a table");
        let cpu = records.column("cpu").expect("a column");
        let numbers: Vec<Result<u32, String>> = records.rows().map(|row| row.number(cpu)).collect();
        assert_eq!(
            numbers,
            [
                Ok(1),
                Err("list.csv:3: column 2 (cpu): `x` is no number that fits here".to_owned()),
                Err("list.csv:4: column 2 (cpu): the row ends before this column".to_owned()),
            ]
        );
        assert_eq!(
            records.column("gpu"),
            Err("list.csv:1: no column `gpu`; there are: name, cpu".to_owned())
        );
    }

    #[test]
    fn what_holds_nothing_is_refused() {
        assert_eq!(read("name,cpu\n").err(), Some("list.csv: no rows below the header".to_owned()));
        assert!(
            Records::open(Path::new("/nowhere.csv")).err().is_some_and(|said| said.contains("/nowhere.csv"))
        );
    }
}
