//! HTML read far enough to test a page: elements, their attributes, their words, and the forms with what they would send.
//! No layout, no script. Called by `page` for both ways of driving it.

/// An element's beginning, its end, or words.
#[derive(Clone, Debug)]
enum Token {
    Open(Element),
    Close(String),
    Words(String),
}

/// An element's beginning.
#[derive(Clone, Debug, Default)]
pub struct Element {
    /// The tag's name.
    pub name: String,
    attributes: Vec<(String, String)>,
}

impl Element {
    /// An attribute's value; empty for one without a value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether it answers to `#id`, `.class`, `[name=value]` or a tag's name.
    fn is(&self, pick: &str) -> bool {
        if let Some(id) = pick.strip_prefix('#') {
            return self.get("id") == Some(id);
        }
        if let Some(class) = pick.strip_prefix('.') {
            return self.get("class").is_some_and(|classes| classes.split(' ').any(|known| known == class));
        }
        if let Some((name, value)) = pick.strip_prefix('[').and_then(|pick| pick.strip_suffix(']')?.split_once('=')) {
            return self.get(name) == Some(value.trim_matches('"'));
        }
        self.name == pick
    }
}

/// A page, or a part of one.
#[derive(Clone, Debug, Default)]
pub struct Html(Vec<Token>);

/// A form and what it would send.
#[derive(Clone, Debug, Default)]
pub struct Form {
    /// Where it goes.
    pub action: String,
    /// The fields in order: name, value, and whether it is a checkbox.
    pub fields: Vec<(String, String, bool)>,
}

/// Elements without an end.
const EMPTY: [&str; 6] = ["input", "meta", "link", "br", "img", "hr"];

impl Html {
    /// Reads a page.
    pub fn parse(mut text: &str) -> Self {
        let mut tokens = Vec::new();
        while let Some(at) = text.find('<') {
            if !text[..at].trim().is_empty() {
                tokens.push(Token::Words(plain(&text[..at])));
            }
            text = &text[at + 1..];
            let end = end_of_tag(text);
            let tag = &text[..end];
            text = text.get(end + 1..).unwrap_or_default();
            if let Some(name) = tag.strip_prefix('/') {
                tokens.push(Token::Close(name.trim().to_owned()));
            } else if !tag.starts_with('!') {
                let element = element(tag);
                let raw = matches!(element.name.as_str(), "script" | "style");
                tokens.push(Token::Open(element));
                if raw {
                    text = &text[text.find("</").unwrap_or(text.len())..];
                }
            }
        }
        Self(tokens)
    }

    /// The parts that answer to every word of `pick` in turn, such as `[data-name="B"] .grant-revoke`.
    pub fn all(&self, pick: &str) -> Vec<Self> {
        let mut found = vec![self.clone()];
        for word in words_of(pick) {
            found = found.iter().flat_map(|part| part.parts(&word)).collect();
        }
        found
    }

    /// The first of [`Html::all`].
    pub fn one(&self, pick: &str) -> Option<Self> {
        self.all(pick).into_iter().next()
    }

    /// The element that a part begins with.
    pub fn element(&self) -> Option<&Element> {
        self.0.iter().find_map(|token| if let Token::Open(element) = token { Some(element) } else { None })
    }

    /// The words, as a person reads them.
    pub fn words(&self) -> String {
        let words =
            self.0.iter().filter_map(|token| if let Token::Words(words) = token { Some(words.trim()) } else { None });
        words.collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// What a form that this part begins with would send.
    pub fn form(&self) -> Form {
        let action = self.element().and_then(|form| form.get("action")).unwrap_or_default().to_owned();
        let inputs = self.0.iter().filter_map(|token| match token {
            Token::Open(element) if element.name == "input" => Some(element),
            _ => None,
        });
        let fields = inputs.filter_map(|input| {
            let checkbox = input.get("type") == Some("checkbox");
            let sent = !checkbox || input.get("checked").is_some();
            let value = input.get("value").unwrap_or(if checkbox { "on" } else { "" });
            sent.then(|| (input.get("name").unwrap_or_default().to_owned(), value.to_owned(), checkbox))
        });
        Form { action, fields: fields.filter(|(name, ..)| !name.is_empty()).collect() }
    }

    fn parts(&self, pick: &str) -> Vec<Self> {
        let begins = self.0.iter().enumerate();
        let begins = begins.filter(|(_, token)| matches!(token, Token::Open(element) if element.is(pick)));
        begins.map(|(at, _)| Self(self.0[at..self.end(at)].to_vec())).collect()
    }

    /// Where the element that begins at `at` has ended.
    fn end(&self, at: usize) -> usize {
        let Some(Token::Open(first)) = self.0.get(at) else { return at };
        if EMPTY.contains(&first.name.as_str()) {
            return at + 1;
        }
        let mut depth = 0;
        for (place, token) in self.0.iter().enumerate().skip(at) {
            match token {
                Token::Open(element) if element.name == first.name => depth += 1,
                Token::Close(name) if *name == first.name => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return place + 1;
            }
        }
        self.0.len()
    }
}

/// Words at spaces that stand in no bracket.
fn words_of(pick: &str) -> Vec<String> {
    let (mut words, mut inside) = (vec![String::new()], false);
    for letter in pick.chars() {
        inside = (inside || letter == '[') && letter != ']';
        match letter {
            ' ' if !inside => words.push(String::new()),
            _ => words.iter_mut().last().expect("it begins with one").push(letter),
        }
    }
    words
}

fn end_of_tag(text: &str) -> usize {
    let mut quote = None;
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (None, '>') => return at,
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), letter) if open == letter => quote = None,
            _ => {}
        }
    }
    text.len()
}

fn element(tag: &str) -> Element {
    let tag = tag.trim_end_matches('/').trim();
    let (name, mut rest) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            break;
        }
        let end = rest.find(|letter: char| letter == '=' || letter.is_whitespace()).unwrap_or(rest.len());
        let name = rest[..end].to_owned();
        rest = &rest[end..];
        let mut value = String::new();
        if let Some(quoted) = rest.strip_prefix("=\"") {
            let end = quoted.find('"').unwrap_or(quoted.len());
            value = plain(&quoted[..end]);
            rest = quoted.get(end + 1..).unwrap_or_default();
        } else if let Some(bare) = rest.strip_prefix('=') {
            let end = bare.find(char::is_whitespace).unwrap_or(bare.len());
            value = plain(&bare[..end]);
            rest = &bare[end..];
        }
        attributes.push((name, value));
    }
    Element { name: name.to_owned(), attributes }
}

fn plain(text: &str) -> String {
    let pairs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&#x27;", "'"), ("&nbsp;", " ")];
    let text = pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    text.replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_found_with_what_it_would_send() {
        let page = Html::parse(
            r#"<main><article data-name="A &amp; B"><form class="x request" action="/go"><input type="hidden" name="csrf" value="1&quot;">
            <input type=checkbox name="scope" value="a" checked><input type="checkbox" name="scope" value="b"><br>
            <p>one <b>two</b></p></form></article><form class="request" action="/no"></form></main>"#,
        );
        let form = page.one(r#"[data-name="A & B"] .request"#).unwrap();
        assert_eq!(form.words(), "one two");
        let form = form.form();
        assert_eq!(form.action, "/go");
        assert_eq!(form.fields, [("csrf".into(), "1\"".into(), false), ("scope".into(), "a".into(), true)]);
        assert_eq!(page.all(".request").len(), 2);
        assert!(page.one("#nothing").is_none());
    }
}
