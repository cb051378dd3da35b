//! The XHTML of narratives: txt-1 (only formatting, no scripts) and txt-2 (something to read), held by one pass over
//! the text. Called by `invariant` and by FHIRPath's `htmlChecks()`.
//! Spec: <https://hl7.org/fhir/R4/narrative.html#xhtml>.

/// Deepest nesting of elements; a narrative that people read has far less.
const DEPTH_MAX: usize = 200;

/// Elements of chapters 7 to 11 and 15 of HTML 4.0, links and images.
const ELEMENTS: [&str; 56] = [
    "a",
    "abbr",
    "acronym",
    "address",
    "area",
    "b",
    "bdo",
    "big",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "map",
    "ol",
    "p",
    "pre",
    "q",
    "samp",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
];

/// Attributes that format or name; none that loads or runs something.
const ATTRIBUTES: [&str; 56] = [
    "abbr",
    "accesskey",
    "align",
    "alt",
    "axis",
    "bgcolor",
    "border",
    "cellpadding",
    "cellspacing",
    "char",
    "charoff",
    "charset",
    "cite",
    "class",
    "color",
    "colspan",
    "coords",
    "datetime",
    "dir",
    "frame",
    "headers",
    "height",
    "href",
    "hreflang",
    "hspace",
    "id",
    "ismap",
    "lang",
    "longdesc",
    "name",
    "nohref",
    "noshade",
    "nowrap",
    "rel",
    "rev",
    "rowspan",
    "rules",
    "scope",
    "shape",
    "size",
    "space",
    "span",
    "src",
    "start",
    "style",
    "summary",
    "tabindex",
    "target",
    "title",
    "type",
    "usemap",
    "valign",
    "value",
    "vspace",
    "width",
    "xmlns",
];

/// What is wrong with a narrative, each as the key of the invariant and the rest of a sentence.
pub fn faults(text: &str) -> Vec<(&'static str, &'static str)> {
    let mut scan = Scan { text, at: 0, open: Vec::new(), fault: None, content: false };
    let read = scan.all();
    let mut faults: Vec<_> = scan.fault.or(read.err()).map(|fault| ("txt-1", fault)).into_iter().collect();
    if !scan.content {
        faults.push(("txt-2", "the narrative needs some content that is not white space"));
    }
    faults
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    open: Vec<&'a str>,
    /// The first rule broken, after which the text can still be read.
    fault: Option<&'static str>,
    content: bool,
}

type Step = Result<(), &'static str>;

impl<'a> Scan<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn all(&mut self) -> Step {
        self.text = self.text.trim();
        loop {
            let plain = self.rest().find('<').unwrap_or(self.rest().len());
            let words = &self.rest()[..plain];
            let blank = words.trim().is_empty();
            if !blank && self.open.is_empty() {
                return Err("the narrative is one div, with nothing beside it");
            }
            self.content |= !blank;
            self.at += plain;
            if self.rest().is_empty() {
                break;
            }
            if self.rest().starts_with("<!--") {
                self.past("-->", "a comment of the narrative does not end")?;
            } else if self.rest().starts_with("<![CDATA[") {
                self.content = true;
                self.past("]]>", "a CDATA section of the narrative does not end")?;
            } else if self.rest().starts_with("</") {
                self.close()?;
            } else if self.rest().starts_with("<!") || self.rest().starts_with("<?") {
                return Err("the narrative may not have a document type, entities or processing instructions");
            } else {
                self.element()?;
            }
        }
        if self.open.is_empty() { Ok(()) } else { Err("an element of the narrative is not closed") }
    }

    fn past(&mut self, end: &str, fault: &'static str) -> Step {
        let found = self.rest().find(end).ok_or(fault)?;
        self.at += found + end.len();
        Ok(())
    }

    fn close(&mut self) -> Step {
        self.at += 2;
        let end = self.rest().find('>').ok_or("a tag of the narrative does not end")?;
        let name = self.rest()[..end].trim_end();
        self.at += end + 1;
        if self.open.pop() == Some(name) { Ok(()) } else { Err("the elements of the narrative do not nest") }
    }

    fn name(&mut self) -> &'a str {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_' | '.');
        let end = self.rest().find(|c| !good(c)).unwrap_or(self.rest().len());
        let name = &self.rest()[..end];
        self.at += end;
        name
    }

    fn element(&mut self) -> Step {
        self.at += 1;
        let name = self.name();
        if self.open.is_empty() && (self.at != name.len() + 1 || name != "div") {
            return Err("the narrative is one div, with nothing beside it");
        }
        if ELEMENTS.binary_search(&name).is_err() {
            self.fault = self.fault.or(Some(
                "the narrative may have only elements that format text, links and images: no scripts, forms or frames",
            ));
        }
        self.content |= name == "img";
        loop {
            self.at += self.rest().len() - self.rest().trim_start().len();
            if self.rest().starts_with("/>") {
                self.at += 2;
                return Ok(());
            }
            if self.rest().starts_with('>') {
                self.at += 1;
                self.open.push(name);
                return if self.open.len() > DEPTH_MAX { Err("the narrative nests too deep") } else { Ok(()) };
            }
            self.attribute()?;
        }
    }

    fn attribute(&mut self) -> Step {
        const WRONG: &str = "a tag of the narrative is not well formed";
        let name = self.name();
        let rest = self.rest().trim_start().strip_prefix('=').ok_or(WRONG)?.trim_start();
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or(WRONG)?;
        let value = &rest[1..];
        let end = value.find(quote).ok_or(WRONG)?;
        let value = &value[..end];
        self.at = self.text.len() - rest.len() + 1 + end + 1;
        let known = ATTRIBUTES.binary_search(&name).is_ok() || matches!(name, "xml:lang" | "xml:space");
        if name.is_empty() || value.contains('<') {
            return Err(WRONG);
        }
        if !known && !name.starts_with("xmlns:") {
            self.fault = self
                .fault
                .or(Some("the narrative may have only attributes that format text, links and images: no events"));
        }
        let link = matches!(name, "href" | "src" | "cite" | "longdesc" | "usemap");
        if link && runs(value) {
            self.fault = self.fault.or(Some("a link of the narrative may not run a script"));
        }
        Ok(())
    }
}

/// Whether a link has a scheme that runs something. Browsers skip white space and control characters in it, and a
/// character reference may stand for any letter, so a scheme that has one is refused too.
fn runs(link: &str) -> bool {
    let plain = link.chars().filter(|c| !c.is_whitespace() && !c.is_control());
    let start: String = plain.take_while(|c| !matches!(c, '/' | '?')).take(64).collect::<String>().to_ascii_lowercase();
    let referred = match start.find(':') {
        Some(colon) => start[..colon].contains('&'),
        None => start.contains("&colon;") || start.contains("&#"),
    };
    referred || start.starts_with("javascript:") || start.starts_with("vbscript:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted() {
        assert!(ELEMENTS.is_sorted() && ATTRIBUTES.is_sorted());
    }

    #[test]
    fn a_narrative_formats_and_says_something() {
        for text in [
            "<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>",
            "<div><p class='a'>x<br/>y</p><!-- c --></div>",
            "<div><img src=\"#i\" alt=\"x\"/></div>",
            "<div><table border=\"1\"><tr><td colspan=\"2\">x</td></tr></table></div>",
            "<div><a href=\"https://a.org/javascript\">x &lt; y</a></div>",
            " <div>x</div>\n",
        ] {
            assert_eq!(faults(text), [], "{text}");
        }
        for (text, keys) in [
            ("<div></div>", vec!["txt-2"]),
            ("<div/>", vec!["txt-2"]),
            ("<div> <p> </p></div>", vec!["txt-2"]),
            ("<div>x<script>y</script></div>", vec!["txt-1"]),
            ("<div onclick=\"x\">x</div>", vec!["txt-1"]),
            ("<div><a href=\"JavaScript:x\">x</a></div>", vec!["txt-1"]),
            ("<div><a href=\" java\tscript:x\">x</a></div>", vec!["txt-1"]),
            ("<div><a href=\"&#106;avascript:x\">x</a></div>", vec!["txt-1"]),
            ("<div><a href=\"&#x6a;avascript:x\">x</a></div>", vec!["txt-1"]),
            ("<div><a href=\"javascript&#58;x\">x</a></div>", vec!["txt-1"]),
            ("<!DOCTYPE div []><div>x</div>", vec!["txt-1", "txt-2"]),
            ("<div>x<p></div></p>", vec!["txt-1"]),
            ("<div>x", vec!["txt-1"]),
            ("<div>x</div>y", vec!["txt-1"]),
            ("<div>x</div><div>y</div>", vec!["txt-1"]),
            ("<p>x</p>", vec!["txt-1", "txt-2"]),
            ("<div class=a>x</div>", vec!["txt-1", "txt-2"]),
            ("<div><iframe src=\"x\"/>x</div>", vec!["txt-1"]),
            ("", vec!["txt-2"]),
        ] {
            let found: Vec<_> = faults(text).into_iter().map(|(key, _)| key).collect();
            assert_eq!(found, keys, "{text}");
        }
    }
}
