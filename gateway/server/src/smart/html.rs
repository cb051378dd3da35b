//! HTML that is escaped by construction: tags and attribute names are the program's own words, every value and every text
//! is escaped. Called by `pages`.

use std::fmt::Write as _;

/// Elements that have no end tag.
const VOID: [&str; 3] = ["input", "link", "meta"];

/// One element, or several, being built.
#[derive(Clone, Debug, Default)]
pub(crate) struct El {
    name: &'static str,
    attributes: String,
    inner: String,
}

/// Begins an element.
pub(crate) fn el(name: &'static str) -> El {
    El { name, ..El::default() }
}

impl El {
    /// Sets an attribute.
    pub(crate) fn attr(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        let _ = write!(self.attributes, " {name}=\"");
        escape(value.as_ref(), &mut self.attributes);
        self.attributes.push('"');
        self
    }

    /// Sets an attribute without a value.
    pub(crate) fn flag(mut self, name: &'static str) -> Self {
        let _ = write!(self.attributes, " {name}");
        self
    }

    /// Adds text.
    pub(crate) fn text(mut self, text: impl AsRef<str>) -> Self {
        escape(text.as_ref(), &mut self.inner);
        self
    }

    /// Adds an element.
    pub(crate) fn with(mut self, inner: El) -> Self {
        inner.write(&mut self.inner);
        self
    }

    /// Adds elements.
    pub(crate) fn all(mut self, inner: impl IntoIterator<Item = El>) -> Self {
        inner.into_iter().for_each(|inner| inner.write(&mut self.inner));
        self
    }

    /// The whole document.
    pub(crate) fn document(self) -> String {
        let mut out = "<!doctype html>\n".to_owned();
        self.write(&mut out);
        out
    }

    fn write(self, out: &mut String) {
        let _ = write!(out, "<{}{}>", self.name, self.attributes);
        if !VOID.contains(&self.name) {
            out.push_str(&self.inner);
            let _ = write!(out, "</{}>", self.name);
        }
    }
}

fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Marks that turn the reading direction could make one app's name read as another's.
            '\0' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_values_stay_text() {
        let row = |text: &str, wanted: &str| {
            let found = el("p").attr("title", text).text(text).document();
            assert_eq!(found, format!("<!doctype html>\n<p title=\"{wanted}\">{wanted}</p>"));
        };
        row("Ada & Bo", "Ada &amp; Bo");
        row("<script>x</script>", "&lt;script&gt;x&lt;/script&gt;");
        row("\" onclick='x'", "&quot; onclick=&#39;x&#39;");
        row("\u{202e}B latipsoH", "\u{fffd}B latipsoH");
    }
}
