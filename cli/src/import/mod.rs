//! `ledgerbridge import`: sends the rows of a file to the API, which makes connections of them.

mod plain;
mod rows;
mod send;
mod source;

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Write as _, stderr, stdout},
    path::PathBuf,
};

use anyhow::{Context as _, bail, ensure};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use self::{
    plain::Plain,
    rows::Columns,
    send::{Api, Batch, Counts},
    source::{Input, Line, is_open_to_others},
};

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own, and they go together in any way"
)]
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The rows, NDJSON or CSV with a header; `-` for standard input.
    #[arg(long)]
    file: PathBuf,
    /// What the file is; by its name's end when left out, NDJSON on standard input.
    #[arg(long, value_enum)]
    input: Option<Form>,
    /// How the tokens of rows are written that do not say so themselves.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Where the deployment is reached, such as `https://books.example.com`.
    #[arg(long, env = "API_URL")]
    api_url: String,
    /// The variable that holds the API key.
    #[arg(long, default_value = "LEDGERBRIDGE_API_KEY")]
    key_env: String,
    /// The variable that holds the other system's master secret.
    #[arg(long, conflicts_with = "secret_file")]
    secret_env: Option<String>,
    /// The file, of mode 0600, that holds the other system's master secret.
    #[arg(long)]
    secret_file: Option<PathBuf>,
    #[command(flatten)]
    derivation: Derivation,
    /// Writes nothing, and says what would be.
    #[arg(long)]
    dry_run: bool,
    /// What is done to find out whether tokens work.
    #[arg(long, value_enum, default_value = "none")]
    verify: Verify,
    /// Puts rows over connections that are newer or were ended here.
    #[arg(long)]
    force: bool,
    /// Makes tenants that do not exist.
    #[arg(long)]
    create_tenants: bool,
    /// Takes times without a zone for times of UTC.
    #[arg(long)]
    assume_utc: bool,
    /// Which field a column of the file is, as `column=field`; `column=-` leaves a column out.
    #[arg(long = "map", value_parser = mapping)]
    maps: Vec<(String, String)>,
    /// The first line that is sent; where a run that was cut goes on.
    #[arg(long, default_value_t = 1)]
    from_line: u64,
}

/// How the keys of encrypted rows are derived; what is left out is as the API has it.
#[derive(Args, Debug)]
struct Derivation {
    /// How the master secret is written.
    #[arg(long, value_enum)]
    secret_encoding: Option<Encoding>,
    /// The salt of rows that have none of their own.
    #[arg(long)]
    salt: Option<String>,
    /// How salts are written.
    #[arg(long, value_enum)]
    salt_encoding: Option<Encoding>,
    /// The hash within PBKDF2.
    #[arg(long, value_enum)]
    digest: Option<Digest>,
    /// The iterations of PBKDF2.
    #[arg(long)]
    iterations: Option<u32>,
    /// The cost of scrypt.
    #[arg(long)]
    scrypt_n: Option<u32>,
    /// The block size of scrypt.
    #[arg(long)]
    scrypt_r: Option<u32>,
    /// The parallelization of scrypt.
    #[arg(long)]
    scrypt_p: Option<u32>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Form {
    Ndjson,
    Csv,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Plain,
    Pbkdf2,
    Scrypt,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Encoding {
    Utf8,
    Hex,
    Base64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Digest {
    Sha256,
    Sha512,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Verify {
    None,
    Refresh,
    Company,
}

/// The word by which the API and the command line alike know a value.
fn word(value: &impl ValueEnum) -> Option<String> {
    value.to_possible_value().map(|value| value.get_name().to_owned())
}

fn mapping(text: &str) -> Result<(String, String), &'static str> {
    let (column, field) = text.split_once('=').ok_or("must be column=field")?;
    Ok((column.to_owned(), field.to_owned()))
}

/// Sends all rows; true when none failed.
pub(crate) async fn run(import: Import) -> anyhow::Result<bool> {
    let key = variable(&import.key_env)?;
    let api = Api::new(&import.api_url, key, import.options()?)?;
    let input = Input::open(&import.file, import.form() == Form::Csv)?;
    let plain = Plain::new(&input);
    let columns = Columns::new(
        import.maps.iter().cloned().collect::<HashMap<_, _>>(),
        import.format.as_ref().and_then(word),
    );
    let mut counts = Counts::default();
    let sent = send_all(&import, (&api, &plain), (input, columns), &mut counts).await;
    writeln!(stderr(), "{counts}{}", if import.dry_run { "; dry run, nothing was written" } else { "" })?;
    if plain.was_met() {
        writeln!(
            stderr(),
            "These rows hold tokens in the clear: destroy every copy of them, once all are imported."
        )?;
    }
    let next = counts.next_line.max(import.from_line);
    sent.with_context(|| {
        format!("the import stopped; once that is put right, go on with --from-line {next}")
    })?;
    Ok(counts.failed == 0)
}

async fn send_all(
    import: &Import,
    (api, plain): (&Api, &Plain),
    (mut input, mut columns): (Input, Columns),
    counts: &mut Counts,
) -> anyhow::Result<()> {
    let mut batch = Batch::default();
    while let Some((number, line)) = input.next(&mut columns)? {
        if number < import.from_line {
            continue;
        }
        let row = match line {
            Line::Row(row) => columns.row(row, number),
            Line::Refused(why) => Err(why),
        };
        match row {
            Ok(row) => {
                plain.check(&row)?;
                if !Batch::fits(&row) {
                    counts.failed += 1;
                    writeln!(
                        stdout(),
                        "line {number}: VALIDATION_FAILED: the row is too long for a request"
                    )?;
                    continue;
                }
                if !batch.has_room(&row) {
                    api.send(&mut batch, counts).await?;
                    writeln!(stderr(), "{counts}")?;
                }
                batch.add(row, number);
            }
            Err(why) => {
                counts.failed += 1;
                writeln!(stdout(), "line {number}: VALIDATION_FAILED: {why}")?;
            }
        }
    }
    api.send(&mut batch, counts).await
}

impl Import {
    fn form(&self) -> Form {
        let is_csv = self.file.extension().is_some_and(|end| end.eq_ignore_ascii_case("csv"));
        self.input.unwrap_or(if is_csv { Form::Csv } else { Form::Ndjson })
    }

    /// The body of each request, but for its rows.
    fn options(&self) -> anyhow::Result<Map<String, Value>> {
        let mut options = Map::new();
        options.insert("dryRun".to_owned(), self.dry_run.into());
        options.insert("verify".to_owned(), word(&self.verify).into());
        options.insert("force".to_owned(), self.force.into());
        options.insert("createTenants".to_owned(), self.create_tenants.into());
        options.insert("assumeUtc".to_owned(), self.assume_utc.into());
        if let Some(secret) = self.secret()? {
            options.insert("secret".to_owned(), self.derivation.request(&secret));
        }
        Ok(options)
    }

    fn secret(&self) -> anyhow::Result<Option<String>> {
        if let Some(name) = &self.secret_env {
            return variable(name).map(Some);
        }
        let Some(path) = &self.secret_file else { return Ok(None) };
        let shown = path.display();
        let cannot = || format!("{shown} cannot be read");
        let file = File::open(path).with_context(cannot)?;
        // Of the open file, so that it is the one that is read.
        let is_open = is_open_to_others(&file.metadata().with_context(cannot)?);
        ensure!(!is_open, "others may read {shown}: run `chmod 600 {shown}`");
        let text = io::read_to_string(file).with_context(cannot)?;
        Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

impl Derivation {
    fn request(&self, secret: &str) -> Value {
        let mut request = json!({
            "masterSecret": secret, "encoding": self.secret_encoding.as_ref().and_then(word),
            "salt": self.salt, "saltEncoding": self.salt_encoding.as_ref().and_then(word),
            "digest": self.digest.as_ref().and_then(word), "iterations": self.iterations,
            "n": self.scrypt_n, "r": self.scrypt_r, "p": self.scrypt_p,
        });
        if let Some(fields) = request.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        request
    }
}

/// A secret from the environment: an argument would be seen by everybody who lists processes.
#[expect(clippy::disallowed_methods, reason = "which variable it is, an argument says")]
fn variable(name: &str) -> anyhow::Result<String> {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => Ok(value),
        _ => bail!("set the variable {name}"),
    }
}
