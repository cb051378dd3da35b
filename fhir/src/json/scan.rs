//! Byte-level work on JSON text, shared by the reader and by `served`: finding the end of strings and values.

/// Place of the first `"`, `\` or control character from `at`, or the end of the text.
pub fn string_stop(text: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // Eight bytes at a time: a byte is zero after XOR with what is looked for. False hits lie only above a true
    // one, and the lowest is taken.
    while let Some(chunk) = text.get(at..at + 8) {
        let word = u64::from_le_bytes(chunk.try_into().expect("eight bytes"));
        let quote = word ^ (ONES * u64::from(b'"'));
        let slash = word ^ (ONES * u64::from(b'\\'));
        let hits = (quote.wrapping_sub(ONES) & !quote)
            | (slash.wrapping_sub(ONES) & !slash)
            | (word.wrapping_sub(ONES * 0x20) & !word);
        let hits = hits & HIGH;
        if hits != 0 {
            return at + (hits.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(&byte) = text.get(at) {
        if byte == b'"' || byte == b'\\' || byte < 0x20 {
            break;
        }
        at += 1;
    }
    at
}

/// Place after the string that opens at `at`, in text that is known to be JSON; the end if it is not.
pub fn skip_string(text: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    loop {
        at = string_stop(text, at);
        match text.get(at) {
            Some(b'"') => return at + 1,
            Some(b'\\') => at = (at + 2).min(text.len()),
            Some(_) => at += 1,
            None => return text.len(),
        }
    }
}

/// Place after the value that starts at `at`, in text that is known to be JSON; the end if it is not.
pub fn skip_value(text: &[u8], at: usize) -> usize {
    match text.get(at) {
        Some(b'"') => skip_string(text, at),
        Some(b'{' | b'[') => skip_container(text, at),
        _ => {
            let rest = text.get(at..).unwrap_or_default();
            let length = rest.iter().position(|byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'));
            at + length.unwrap_or(rest.len())
        }
    }
}

fn skip_container(text: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => {
                at = skip_string(text, at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// Place of the first byte from `at` that is no white space.
pub fn skip_space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = text.get(at) {
        at += 1;
    }
    at
}

/// The text of a string without its quotes; its escapes were checked when it was read.
pub fn unescape(inner: &str) -> String {
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let escape = rest.as_bytes().get(at + 1).copied().unwrap_or(b'\\');
        let mut used = 2;
        text.push(match escape {
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => {
                let (character, length) = code_point(rest, at);
                used = length;
                character
            }
            other => char::from(other),
        });
        rest = rest.get(at + used..).unwrap_or("");
    }
    text.push_str(rest);
    text
}

/// The character of the `\uXXXX` at `at`, or of the surrogate pair there, and how many bytes it takes.
pub fn code_point(text: &str, at: usize) -> (char, usize) {
    let unit = |at: usize| text.get(at + 2..at + 6).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let Some(first) = unit(at) else { return (char::REPLACEMENT_CHARACTER, 2) };
    if let Some(character) = char::from_u32(first) {
        return (character, 6);
    }
    let low = text.get(at + 6..at + 8).filter(|mark| *mark == "\\u").and_then(|_| unit(at + 6));
    match low {
        Some(low @ 0xdc00..=0xdfff) if first < 0xdc00 => {
            let combined = 0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00);
            (char::from_u32(combined).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
        }
        _ => (char::REPLACEMENT_CHARACTER, 6),
    }
}
