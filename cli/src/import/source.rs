//! Reading rows one by one, in bounded memory, whatever the file is.

use std::{
    cell::Cell,
    fs::{File, Metadata},
    io::{self, BufRead, BufReader, Read},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    rc::Rc,
};

use anyhow::Context as _;
use csv::{ByteRecord, Reader, ReaderBuilder};
use serde_json::{Map, Value};

use super::rows::Columns;

/// The longest row: the longest tokens there are, encrypted and in hex, and as much again.
pub(super) const MAX_ROW: usize = 64 * 1024;
const BUFFER: usize = 64 * 1024;
/// The bits of a file's mode that are about its group and about everybody.
const OF_OTHERS: u32 = 0o077;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Where rows come from.
pub(super) struct Input {
    rows: Rows,
    readable_by_others: Option<String>,
}

enum Rows {
    Ndjson { reader: Box<dyn BufRead>, line: Vec<u8>, number: u64 },
    Csv(Box<Csv>),
}

struct Csv {
    reader: Reader<Bounded>,
    record: ByteRecord,
    /// How many bytes may be read until the record must have ended.
    left: Rc<Cell<usize>>,
    /// How many lines the reader is behind: one where lines end in CR LF, of which it leaves the second to the next record;
    /// unknown before the header.
    behind: Option<u64>,
}

/// A row of the file.
pub(super) enum Line {
    /// Fields by name; columns of CSV by the names of its header.
    Row(Map<String, Value>),
    /// It cannot be read, for this reason.
    Refused(String),
}

impl Input {
    /// Opens a file, or standard input.
    pub(super) fn open(path: &Path, is_csv: bool) -> anyhow::Result<Self> {
        let shown = path.display().to_string();
        if shown == "-" {
            return Ok(Self { rows: Rows::of(Box::new(io::stdin()), is_csv), readable_by_others: None });
        }
        let cannot = || format!("{shown} cannot be read");
        let file = File::open(path).with_context(cannot)?;
        // Of the open file, so that it is the one that is read.
        let is_open = is_open_to_others(&file.metadata().with_context(cannot)?);
        let rows = Rows::of(Box::new(file), is_csv);
        Ok(Self { rows, readable_by_others: is_open.then_some(shown) })
    }

    /// The name of the file, where others may read it.
    pub(super) fn readable_by_others(&self) -> Option<String> {
        self.readable_by_others.clone()
    }

    /// The next row with the number of its line; none at the end.
    pub(super) fn next(&mut self, columns: &mut Columns) -> anyhow::Result<Option<(u64, Line)>> {
        match &mut self.rows {
            Rows::Ndjson { reader, line, number } => {
                next_line(reader, line, number).context("the file cannot be read")
            }
            Rows::Csv(csv) => csv.next(columns),
        }
    }
}

impl Csv {
    fn next(&mut self, columns: &mut Columns) -> anyhow::Result<Option<(u64, Line)>> {
        if self.behind.is_none() {
            if !self.read()? {
                return Ok(None);
            }
            columns.read_header(&self.record)?;
            self.behind = Some(u64::from(self.reader.position().line() == self.line()));
        }
        if !self.read()? {
            return Ok(None);
        }
        Ok(Some((self.line() + self.behind.unwrap_or_default(), columns.of_record(&self.record))))
    }

    /// Reads a record; false at the end.
    fn read(&mut self) -> anyhow::Result<bool> {
        self.left.set(MAX_ROW + BUFFER);
        let line = self.reader.position().line();
        self.reader.read_byte_record(&mut self.record).with_context(|| {
            format!("the row at line {line} cannot be read, or is longer than {MAX_ROW} bytes: a quote may be missing")
        })
    }

    fn line(&self) -> u64 {
        self.record.position().map_or(0, csv::Position::line)
    }
}

impl Rows {
    fn of(source: Box<dyn Read>, is_csv: bool) -> Self {
        if !is_csv {
            let reader = Box::new(BufReader::with_capacity(BUFFER, source));
            return Self::Ndjson { reader, line: vec![], number: 0 };
        }
        let left = Rc::new(Cell::new(0));
        let source = Bounded { source, left: left.clone() };
        let mut builder = ReaderBuilder::new();
        let reader = builder.has_headers(false).flexible(true).buffer_capacity(BUFFER).from_reader(source);
        Self::Csv(Box::new(Csv { reader, record: ByteRecord::new(), left, behind: None }))
    }
}

/// Whether anybody but its owner may do anything with a file.
pub(super) fn is_open_to_others(file: &Metadata) -> bool {
    file.permissions().mode() & OF_OTHERS != 0
}

/// Reads a line of NDJSON; the rest of one that is too long is passed over without being kept.
fn next_line(
    reader: &mut dyn BufRead,
    line: &mut Vec<u8>,
    number: &mut u64,
) -> io::Result<Option<(u64, Line)>> {
    loop {
        line.clear();
        *number += 1;
        let limit = u64::try_from(MAX_ROW).unwrap_or(u64::MAX);
        if Read::take(&mut *reader, limit).read_until(b'\n', line)? == 0 {
            return Ok(None);
        }
        if line.len() == MAX_ROW && line.last() != Some(&b'\n') {
            reader.skip_until(b'\n')?;
            return Ok(Some((*number, Line::Refused(format!("the line is longer than {MAX_ROW} bytes")))));
        }
        let text = line.strip_prefix(BOM).filter(|_| *number == 1).unwrap_or(line).trim_ascii();
        if text.is_empty() {
            continue;
        }
        // The parser's own words would quote the line.
        let row = serde_json::from_slice(text).map(Line::Row);
        let row = row.unwrap_or_else(|_| Line::Refused("the line is no JSON object".to_owned()));
        return Ok(Some((*number, row)));
    }
}

/// Bytes, as long as a row has some left.
struct Bounded {
    source: Box<dyn Read>,
    left: Rc<Cell<usize>>,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.get();
        if left == 0 {
            return Err(io::Error::other("the row is too long"));
        }
        let room = buffer.len().min(left);
        let read = self.source.read(&mut buffer[..room])?;
        self.left.set(left - read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_gigabyte_is_passed_over_in_bounded_memory_and_the_next_one_is_read() {
        let huge = io::repeat(b'a').take(1 << 30).chain(&b"\r\n{\"a\":1}\r\n"[..]);
        let mut reader = BufReader::with_capacity(BUFFER, huge);
        let (mut line, mut number) = (vec![], 0);

        let first = next_line(&mut reader, &mut line, &mut number).unwrap().unwrap();
        let second = next_line(&mut reader, &mut line, &mut number).unwrap().unwrap();

        assert!(matches!(first, (1, Line::Refused(_))));
        assert!(matches!(second, (2, Line::Row(row)) if row["a"] == 1));
        assert!(line.capacity() <= 2 * MAX_ROW, "{}", line.capacity());
    }

    #[test]
    fn a_quote_that_never_ends_stops_a_csv_in_bounded_memory() {
        let huge = io::repeat(b'a').take(1 << 30);
        let source = (&b"tenantId,refreshToken\nacme,\""[..]).chain(huge);
        let mut input = Input { rows: Rows::of(Box::new(source), true), readable_by_others: None };
        let mut columns = Columns::new(std::collections::HashMap::new(), None);

        let refused = input.next(&mut columns).map(|_| ()).unwrap_err();

        assert!(refused.to_string().contains("line 2"), "{refused}");
    }
}
