//! The tokens of a `_filter`. Called by [`super::read`].

use super::wrong;
use crate::query::Fault;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Open,
    Close,
    Left,
    Right,
    /// What stands in quotes, without them.
    Quoted(String),
    Word(String),
}

/// The tokens of an expression.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Fault> {
    let (mut found, mut word) = (Vec::new(), String::new());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let token = match character {
            '(' => Some(Token::Open),
            ')' => Some(Token::Close),
            '[' => Some(Token::Left),
            ']' => Some(Token::Right),
            '"' if word.is_empty() => Some(Token::Quoted(quoted(&mut characters)?)),
            space if space.is_whitespace() => None,
            other => {
                word.push(other);
                continue;
            }
        };
        if !word.is_empty() {
            found.push(Token::Word(std::mem::take(&mut word)));
        }
        found.extend(token);
    }
    if !word.is_empty() {
        found.push(Token::Word(word));
    }
    Ok(found)
}

fn quoted(characters: &mut std::str::Chars<'_>) -> Result<String, Fault> {
    let mut text = String::new();
    while let Some(character) = characters.next() {
        match character {
            '"' => return Ok(text),
            '\\' => text.extend(characters.next()),
            other => text.push(other),
        }
    }
    Err(wrong("a quotation mark is not closed"))
}

/// What is quoted is one value, whatever is in it.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, ',' | '$' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}
