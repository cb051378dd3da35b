//! Tokens of a FHIRPath text. Called by `parse`. Spec: <http://hl7.org/fhirpath/N1/grammar.html>.

use super::Error;

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name; `quoted` if it stood in backticks and so cannot be a keyword.
    Name { text: String, quoted: bool },
    /// `'text'`, unescaped.
    String(String),
    /// Digits with at most one point.
    Number(String),
    /// `@2020-01-01`, without the `@`; `T10:00` for times.
    Moment(String),
    /// `%name`, without the `%`.
    Variable(String),
    /// `$this` and its like, without the `$`.
    Special(String),
    /// An operator or bracket.
    Symbol(&'static str),
    /// The end of the text.
    End,
}

const SYMBOLS: [&str; 22] =
    ["!=", "!~", "<=", ">=", "=", "~", "<", ">", "+", "-", "*", "/", "|", "&", "(", ")", "[", "]", "{", "}", ".", ","];

/// Every token with its place in bytes; the last is [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, usize)>, Error> {
    let mut lexer = Lexer { text, at: 0 };
    let mut found = Vec::new();
    loop {
        lexer.space()?;
        let start = lexer.at;
        let token = lexer.token()?;
        let ended = token == Token::End;
        found.push((token, start));
        if ended {
            return Ok(found);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn fault<T>(&self, reason: &'static str) -> Result<T, Error> {
        Err(Error::Syntax { at: self.at, reason })
    }

    /// White space and comments.
    fn space(&mut self) -> Result<(), Error> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if self.rest().starts_with("//") {
                self.at += self.rest().find('\n').unwrap_or(self.rest().len());
            } else if self.rest().starts_with("/*") {
                match self.rest().find("*/") {
                    Some(end) => self.at += end + 2,
                    None => return self.fault("a comment does not end"),
                }
            } else {
                return Ok(());
            }
        }
    }

    fn token(&mut self) -> Result<Token, Error> {
        let Some(first) = self.rest().chars().next() else { return Ok(Token::End) };
        match first {
            '\'' => Ok(Token::String(self.quoted('\'')?)),
            '`' => Ok(Token::Name { text: self.quoted('`')?, quoted: true }),
            '"' => Ok(Token::Name { text: self.quoted('"')?, quoted: true }),
            '0'..='9' => Ok(Token::Number(self.number())),
            '@' => self.moment(),
            '%' => {
                self.at += 1;
                Ok(Token::Variable(match self.rest().chars().next() {
                    Some(quote @ ('`' | '\'' | '"')) => self.quoted(quote)?,
                    _ => self.name(true)?,
                }))
            }
            '$' => {
                self.at += 1;
                Ok(Token::Special(self.name(false)?))
            }
            _ if first.is_ascii_alphabetic() || first == '_' => {
                Ok(Token::Name { text: self.name(false)?, quoted: false })
            }
            _ => match SYMBOLS.iter().find(|symbol| self.rest().starts_with(**symbol)) {
                Some(symbol) => {
                    self.at += symbol.len();
                    Ok(Token::Symbol(symbol))
                }
                None => self.fault("a character that begins nothing"),
            },
        }
    }

    fn take(&mut self, good: impl Fn(char) -> bool) -> String {
        let length = self.rest().find(|character| !good(character)).unwrap_or(self.rest().len());
        let taken = self.rest()[..length].to_owned();
        self.at += length;
        taken
    }

    fn name(&mut self, hyphens: bool) -> Result<String, Error> {
        let name = self.take(|c| c.is_ascii_alphanumeric() || c == '_' || hyphens && c == '-');
        if name.is_empty() { self.fault("a name is missing") } else { Ok(name) }
    }

    fn number(&mut self) -> String {
        let mut digits = self.take(|c| c.is_ascii_digit());
        let mut after = self.rest().chars();
        if after.next() == Some('.') && after.next().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
            digits.push('.');
            digits.push_str(&self.take(|c| c.is_ascii_digit()));
        }
        digits
    }

    fn moment(&mut self) -> Result<Token, Error> {
        self.at += 1;
        let mut text = self.take(|c| c.is_ascii_digit() || c == '-');
        if self.rest().starts_with('T') {
            self.at += 1;
            text.push('T');
            text.push_str(&self.take(|c| c.is_ascii_digit() || c == ':'));
            let mut after = self.rest().chars();
            if after.next() == Some('.') && after.next().is_some_and(|c| c.is_ascii_digit()) {
                self.at += 1;
                text.push('.');
                text.push_str(&self.take(|c| c.is_ascii_digit()));
            }
            let rest = self.rest();
            if rest.starts_with('Z') {
                self.at += 1;
                text.push('Z');
            } else if rest.starts_with(['+', '-'])
                && rest.as_bytes().get(1..6).is_some_and(|zone| {
                    zone.iter()
                        .enumerate()
                        .all(|(at, byte)| if at == 2 { *byte == b':' } else { byte.is_ascii_digit() })
                })
            {
                text.push_str(&rest[..6]);
                self.at += 6;
            }
        }
        if text.is_empty() { self.fault("a date is missing") } else { Ok(Token::Moment(text)) }
    }

    fn quoted(&mut self, quote: char) -> Result<String, Error> {
        self.at += 1;
        let mut text = String::new();
        let mut characters = self.text[self.at..].char_indices();
        while let Some((place, character)) = characters.next() {
            if character == quote {
                self.at += place + 1;
                return Ok(text);
            }
            if character != '\\' {
                text.push(character);
                continue;
            }
            match characters.next().map(|(_, escape)| escape) {
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some('t') => text.push('\t'),
                Some('f') => text.push('\u{c}'),
                Some('u') => {
                    let digits: String = characters.by_ref().take(4).map(|(_, digit)| digit).collect();
                    let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
                    match code.and_then(char::from_u32) {
                        Some(character) => text.push(character),
                        None => return self.fault("\\u needs four hexadecimal digits of a character"),
                    }
                }
                // `\.` and its like are of regular expressions that forgot to double the backslash.
                Some(escape @ ('\\' | '\'' | '"' | '`' | '/')) => text.push(escape),
                Some(_) => return self.fault("an escape that is none of FHIRPath's"),
                None => break,
            }
        }
        self.fault("a quotation does not end")
    }
}
