//! A table of figures, printed and compared.

use std::fmt;

/// Rows under a header; the first column is text, the others are figures.
pub(crate) struct Table(Vec<Vec<String>>);

impl Table {
    pub(crate) fn new(header: &[&str]) -> Self {
        Self(vec![header.iter().map(|&name| name.to_owned()).collect()])
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.0.push(cells.into_iter().collect());
    }

    /// Shows the table to whoever runs the tests without capturing.
    #[expect(clippy::print_stderr, reason = "the figures are what the run is for")]
    pub(crate) fn print(&self, title: &str) {
        eprintln!("\n{title}\n\n{self}");
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(rows) = self;
        let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or_default();
        for row in rows {
            write!(f, "{:width$}", row[0], width = width(0))?;
            for (column, cell) in row.iter().enumerate().skip(1) {
                write!(f, "  {cell:>width$}", width = width(column))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
