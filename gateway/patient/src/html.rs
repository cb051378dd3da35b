//! HTML that is escaped by construction: tags and attribute names are the program's own words, every value and every
//! text is escaped, and a link leads nowhere but into this page. No template text. Called by `layout` and `pages`.

use std::fmt::Write as _;

/// Elements that have no end tag.
const VOID: [&str; 5] = ["br", "hr", "input", "link", "meta"];

/// Finished markup. Made only by [`El`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Html(String);

impl Html {
    /// A whole document.
    pub(crate) fn document(self) -> String {
        format!("<!doctype html>\n{}", self.0)
    }

    #[cfg(test)]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What can stand inside an element: text, markup, nothing, or several of them.
pub(crate) trait Content {
    /// Writes it, escaped unless it is markup already.
    fn write(self, out: &mut String);
}

/// One element being built.
#[derive(Clone, Debug)]
pub(crate) struct El {
    name: &'static str,
    attributes: String,
    inner: String,
}

/// Begins an element.
pub(crate) fn el(name: &'static str) -> El {
    El { name, attributes: String::new(), inner: String::new() }
}

impl El {
    /// Sets an attribute. Links go through [`El::href`], which this refuses to be.
    pub(crate) fn attr(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        debug_assert!(!matches!(name, "href" | "src" | "action" | "style"), "{name} has its own way in");
        self.push(name, value.as_ref());
        self
    }

    /// Sets an attribute that has no value, if `set`.
    pub(crate) fn flag(mut self, name: &'static str, set: bool) -> Self {
        if set {
            let _ = write!(self.attributes, " {name}");
        }
        self
    }

    /// Sets the class.
    pub(crate) fn class(self, value: &'static str) -> Self {
        self.attr("class", value)
    }

    /// Sets the id.
    pub(crate) fn id(self, value: impl AsRef<str>) -> Self {
        self.attr("id", value)
    }

    /// Links to a path of this page; anything else becomes a link to the top.
    pub(crate) fn href(mut self, path: impl AsRef<str>) -> Self {
        self.push("href", own_path(path.as_ref()));
        self
    }

    /// Loads a file of this page.
    pub(crate) fn src(mut self, path: &'static str) -> Self {
        self.push("src", own_path(path));
        self
    }

    /// Sends a form to a path of this page.
    pub(crate) fn post_to(mut self, path: impl AsRef<str>) -> Self {
        self.push("method", "post");
        self.push("action", own_path(path.as_ref()));
        self
    }

    /// Adds content.
    pub(crate) fn with(mut self, content: impl Content) -> Self {
        content.write(&mut self.inner);
        self
    }

    /// Finishes it.
    pub(crate) fn html(self) -> Html {
        let mut out = String::new();
        self.write(&mut out);
        Html(out)
    }

    fn push(&mut self, name: &str, value: &str) {
        let _ = write!(self.attributes, " {name}=\"");
        escape(value, &mut self.attributes);
        self.attributes.push('"');
    }
}

fn own_path(path: &str) -> &str {
    let own = path.starts_with('#') || (path.starts_with('/') && !path.starts_with("//") && !path.contains('\\'));
    if own { path } else { "/" }
}

fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\0' => out.push('\u{fffd}'),
            // Marks that turn the reading direction could make "Hospital A" read as something else.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
}

/// One segment of a path or one value of a query, percent-encoded.
pub(crate) fn segment(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => out.push(char::from(byte)),
            // A segment of dots alone would mean another folder.
            b'.' if !text.chars().all(|letter| letter == '.') => out.push('.'),
            byte => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

impl Content for &str {
    fn write(self, out: &mut String) {
        escape(self, out);
    }
}

impl Content for &String {
    fn write(self, out: &mut String) {
        escape(self, out);
    }
}

impl Content for String {
    fn write(self, out: &mut String) {
        escape(&self, out);
    }
}

impl Content for Html {
    fn write(self, out: &mut String) {
        out.push_str(&self.0);
    }
}

impl Content for El {
    fn write(self, out: &mut String) {
        let _ = write!(out, "<{}{}>", self.name, self.attributes);
        if !VOID.contains(&self.name) {
            out.push_str(&self.inner);
            let _ = write!(out, "</{}>", self.name);
        }
    }
}

impl<T: Content> Content for Option<T> {
    fn write(self, out: &mut String) {
        self.into_iter().for_each(|item| item.write(out));
    }
}

impl<T: Content> Content for Vec<T> {
    fn write(self, out: &mut String) {
        self.into_iter().for_each(|item| item.write(out));
    }
}

macro_rules! content_of_tuples {
    ($($name:ident)+) => {
        impl<$($name: Content),+> Content for ($($name,)+) {
            #[expect(non_snake_case, reason = "the names of the types name the values too")]
            fn write(self, out: &mut String) {
                let ($($name,)+) = self;
                $($name.write(out);)+
            }
        }
    };
}

content_of_tuples!(A B);
content_of_tuples!(A B C);
content_of_tuples!(A B C D);
content_of_tuples!(A B C D E);
content_of_tuples!(A B C D E F);
content_of_tuples!(A B C D E F G);
content_of_tuples!(A B C D E F G H);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_values_stay_text() {
        let check = |text: &str, expected: &str| {
            assert_eq!(el("p").with(text).html().as_str(), format!("<p>{expected}</p>"));
            assert_eq!(el("p").attr("title", text).html().as_str(), format!("<p title=\"{expected}\"></p>"));
        };
        check("Ada & Bo", "Ada &amp; Bo");
        check("<script>x</script>", "&lt;script&gt;x&lt;/script&gt;");
        check("\" onclick='x'", "&quot; onclick=&#39;x&#39;");
        check("]]><!--", "]]&gt;&lt;!--");
        check("&lt;", "&amp;lt;");
        check("a\0b", "a\u{fffd}b");
        check("\u{202e}B latipsoH", "\u{fffd}B latipsoH");
    }

    #[test]
    fn a_link_leads_into_this_page_or_to_its_top() {
        let check = |path: &str, expected: &str| {
            assert_eq!(el("a").href(path).html().as_str(), format!("<a href=\"{expected}\"></a>"));
        };
        check("/timeline?before=3", "/timeline?before=3");
        check("#address", "#address");
        check("javascript:alert(1)", "/");
        check("//elsewhere.example", "/");
        check("/\\elsewhere.example", "/");
        check("https://elsewhere.example", "/");
    }

    #[test]
    fn a_segment_cannot_leave_its_place() {
        let check = |text: &str, expected: &str| assert_eq!(segment(text), expected);
        check("abc-1.0", "abc-1.0");
        check("../x", "..%2Fx");
        check("..", "%2E%2E");
        check("a b?c#d&e", "a%20b%3Fc%23d%26e");
    }
}
