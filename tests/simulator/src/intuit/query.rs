//! The query language: a small part of SQL, parsed before any data is looked at.

/// Rows per answer without `MAXRESULTS`.
const DEFAULT_MAX_RESULTS: usize = 100;
/// Rows per answer at most, whatever is asked.
const MAX_RESULTS: usize = 1_000;

/// A parsed statement.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Query {
    pub(crate) counts: bool,
    pub(crate) entity: String,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) order: Vec<Order>,
    /// 1-based.
    pub(crate) start_position: usize,
    pub(crate) max_results: usize,
}

/// One comparison; all of them must hold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Condition {
    pub(crate) field: String,
    pub(crate) operator: Operator,
    /// More than one only with `IN`.
    pub(crate) values: Vec<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
    In,
}

/// One sort key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Order {
    pub(crate) field: String,
    pub(crate) descending: bool,
}

/// A statement that is not understood, with the place where understanding ended.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("Encountered \" \"{found}\" \"\" at token {position}; was expecting {expected}")]
pub(crate) struct QueryError {
    found: String,
    position: usize,
    expected: &'static str,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Symbol(String),
}

struct Tokens {
    list: Vec<Token>,
    at: usize,
}

/// Parses a statement.
pub(crate) fn parse(statement: &str) -> Result<Query, QueryError> {
    let mut tokens = Tokens { list: tokenize(statement)?, at: 0 };
    tokens.keyword("SELECT")?;
    let counts = tokens.takes_keyword("COUNT");
    if counts {
        tokens.symbol("(")?;
    }
    tokens.symbol("*")?;
    if counts {
        tokens.symbol(")")?;
    }
    tokens.keyword("FROM")?;
    let mut query = Query {
        counts,
        entity: tokens.word("an entity name")?,
        conditions: Vec::new(),
        order: Vec::new(),
        start_position: 1,
        max_results: DEFAULT_MAX_RESULTS,
    };
    if tokens.takes_keyword("WHERE") {
        query.conditions.push(condition(&mut tokens)?);
        while tokens.takes_keyword("AND") {
            query.conditions.push(condition(&mut tokens)?);
        }
    }
    if tokens.takes_keyword("ORDERBY") || tokens.takes_keyword("ORDER") {
        // Both spellings are accepted; only the two-word one has a BY left.
        tokens.takes_keyword("BY");
        query.order.push(order(&mut tokens)?);
        while tokens.takes_symbol(",") {
            query.order.push(order(&mut tokens)?);
        }
    }
    if tokens.takes_keyword("STARTPOSITION") {
        query.start_position = tokens.number("a position from 1")?;
    }
    if tokens.takes_keyword("MAXRESULTS") {
        query.max_results = tokens.number("a number of rows from 1")?.min(MAX_RESULTS);
    }
    tokens.end()?;
    Ok(query)
}

fn condition(tokens: &mut Tokens) -> Result<Condition, QueryError> {
    let field = tokens.word("a property name")?;
    let operator = tokens.operator()?;
    let mut values = Vec::new();
    if operator == Operator::In {
        tokens.symbol("(")?;
        values.push(tokens.value()?);
        while tokens.takes_symbol(",") {
            values.push(tokens.value()?);
        }
        tokens.symbol(")")?;
    } else {
        values.push(tokens.value()?);
    }
    Ok(Condition { field, operator, values })
}

fn order(tokens: &mut Tokens) -> Result<Order, QueryError> {
    let field = tokens.word("a property name")?;
    let descending = tokens.takes_keyword("DESC");
    if !descending {
        tokens.takes_keyword("ASC");
    }
    Ok(Order { field, descending })
}

fn tokenize(statement: &str) -> Result<Vec<Token>, QueryError> {
    let mut tokens = Vec::new();
    let mut characters = statement.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            _ if character.is_whitespace() => {}
            '\'' => {
                let mut text = String::new();
                loop {
                    match characters.next() {
                        Some('\'') => break,
                        Some('\\') => text.extend(characters.next()),
                        Some(other) => text.push(other),
                        None => {
                            let position = tokens.len();
                            return Err(QueryError {
                                found: "<EOF>".to_owned(),
                                position,
                                expected: "a quote",
                            });
                        }
                    }
                }
                tokens.push(Token::Text(text));
            }
            '<' | '>' | '!' => {
                let mut symbol = String::from(character);
                symbol.extend(characters.next_if_eq(&'='));
                tokens.push(Token::Symbol(symbol));
            }
            '(' | ')' | ',' | '*' | '=' => tokens.push(Token::Symbol(character.into())),
            _ => {
                let mut word = String::from(character);
                while let Some(next) =
                    characters.next_if(|next| !next.is_whitespace() && !"'<>!(),*=".contains(*next))
                {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Ok(tokens)
}

impl Tokens {
    fn keyword(&mut self, keyword: &'static str) -> Result<(), QueryError> {
        if self.takes_keyword(keyword) { Ok(()) } else { Err(self.unexpected(keyword)) }
    }

    fn takes_keyword(&mut self, keyword: &str) -> bool {
        let is =
            matches!(self.list.get(self.at), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword));
        self.at += usize::from(is);
        is
    }

    fn symbol(&mut self, symbol: &'static str) -> Result<(), QueryError> {
        if self.takes_symbol(symbol) { Ok(()) } else { Err(self.unexpected(symbol)) }
    }

    fn takes_symbol(&mut self, symbol: &str) -> bool {
        let is = matches!(self.list.get(self.at), Some(Token::Symbol(found)) if found == symbol);
        self.at += usize::from(is);
        is
    }

    fn word(&mut self, expected: &'static str) -> Result<String, QueryError> {
        match self.list.get(self.at) {
            Some(Token::Word(word)) => {
                self.at += 1;
                Ok(word.clone())
            }
            _ => Err(self.unexpected(expected)),
        }
    }

    fn value(&mut self) -> Result<String, QueryError> {
        match self.list.get(self.at) {
            Some(Token::Word(value) | Token::Text(value)) => {
                self.at += 1;
                Ok(value.clone())
            }
            _ => Err(self.unexpected("a value")),
        }
    }

    fn number(&mut self, expected: &'static str) -> Result<usize, QueryError> {
        let number = self.word(expected).ok().and_then(|word| word.parse().ok()).filter(|number| *number > 0);
        number.ok_or_else(|| self.unexpected(expected))
    }

    fn operator(&mut self) -> Result<Operator, QueryError> {
        let operator = match self.list.get(self.at) {
            Some(Token::Symbol(symbol)) => match symbol.as_str() {
                "=" => Some(Operator::Equal),
                "!=" => Some(Operator::NotEqual),
                "<" => Some(Operator::Less),
                "<=" => Some(Operator::LessOrEqual),
                ">" => Some(Operator::Greater),
                ">=" => Some(Operator::GreaterOrEqual),
                _ => None,
            },
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("LIKE") => Some(Operator::Like),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("IN") => Some(Operator::In),
            _ => None,
        };
        let operator = operator.ok_or_else(|| self.unexpected("a comparison"))?;
        self.at += 1;
        Ok(operator)
    }

    fn end(&self) -> Result<(), QueryError> {
        if self.at == self.list.len() { Ok(()) } else { Err(self.unexpected("the end of the query")) }
    }

    fn unexpected(&self, expected: &'static str) -> QueryError {
        let found = match self.list.get(self.at) {
            Some(Token::Word(text) | Token::Text(text) | Token::Symbol(text)) => text.clone(),
            None => "<EOF>".to_owned(),
        };
        QueryError { found, position: self.at, expected }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_statement_is_read() {
        let query = parse(
            "select * from Invoice WHERE MetaData.LastUpdatedTime >= '2026-11-01T00:00:00-08:00' AND Active IN (true, false) \
             ORDERBY MetaData.LastUpdatedTime DESC, DocNumber STARTPOSITION 101 MAXRESULTS 5000",
        )
        .unwrap();

        assert_eq!(query.entity, "Invoice");
        assert_eq!(query.conditions[0].operator, Operator::GreaterOrEqual);
        assert_eq!(query.conditions[1].values, ["true", "false"]);
        assert_eq!(query.order.len(), 2);
        assert!(query.order[0].descending);
        assert_eq!((query.start_position, query.max_results), (101, 1_000));
    }

    #[test]
    fn a_page_has_100_rows_unless_asked() {
        let query = parse("SELECT COUNT(*) FROM Customer").unwrap();

        assert!(query.counts);
        assert_eq!((query.start_position, query.max_results), (1, 100));
    }

    #[test]
    fn a_quote_is_escaped_with_a_backslash() {
        let query = parse(r"SELECT * FROM Customer WHERE DisplayName = 'O\'Hara'").unwrap();

        assert_eq!(query.conditions[0].values, ["O'Hara"]);
    }

    proptest::proptest! {
        #[test]
        fn no_statement_makes_the_parser_panic(statement in ".{0,80}") {
            drop(parse(&statement));
        }

        #[test]
        fn any_quoted_text_arrives_as_it_was(text in "[^\\u{0}]{0,40}") {
            let quoted = text.replace('\\', "\\\\").replace('\'', "\\'");
            let query = parse(&format!("SELECT * FROM Customer WHERE DisplayName = '{quoted}'")).unwrap();

            proptest::prop_assert_eq!(&query.conditions[0].values[0], &text);
        }
    }

    #[test]
    fn or_projection_and_zero_positions_are_refused() {
        for statement in [
            "",
            "SELECT",
            "SELECT Id FROM Invoice",
            "SELECT * FROM Invoice WHERE Id = '1' OR Id = '2'",
            "SELECT * FROM Invoice STARTPOSITION 0",
            "SELECT * FROM Invoice WHERE DocNumber = 'open",
            "SELECT * FROM Invoice WHERE DocNumber ! '1'",
            "SELECT * FROM Invoice; DROP",
        ] {
            assert!(parse(statement).is_err(), "{statement}");
        }
    }
}
