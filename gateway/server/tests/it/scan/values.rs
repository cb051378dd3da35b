//! What parameters are asked with: values that each form of them takes, and values that have broken servers. Called by the
//! scanner alone.

/// Values that a form of parameter takes, the likely ones first.
pub fn good(form: &str) -> &'static [&'static str] {
    match form {
        "date" => &["2020-01-01"],
        "number" | "quantity" => &["1"],
        "reference" => &["Patient/1", "1", "http://example.org/1"],
        "uri" => &["http://example.org/1"],
        "composite" => &["a$1", "a$a", "a$2020-01-01", "1$1", "Patient/1$a", "a$Patient/1", "2020-01-01$a", "a$1$1"],
        "special" => &["1|1|1|km", "a", "1|1"],
        _ => &["a"],
    }
}

/// What has broken servers before.
pub fn hostile() -> Vec<String> {
    let plain = [
        "'",
        "\"",
        "' OR '1'='1",
        "1;DROP TABLE log_meta--",
        "a\0b",
        "../../etc/passwd",
        "<script>alert(1)</script>",
        "%",
        "\u{202e}\u{fdd0}\u{1f9ec}",
        "$(id)",
        "${jndi:ldap://x}",
        "a,b\\,c|d$e",
        "\r\nX-Injected: 1",
        "\u{d7ff}\u{e000}",
        "9999999999999999999999999",
        "-1e308",
        "NaN",
        "0000-00-00",
        "9999-99-99T99:99:99Z",
        "||||",
        "$$$$",
        ",,,,",
        "\\",
    ];
    let long = "a".repeat(6_000);
    plain.into_iter().map(str::to_owned).chain([long, "1,".repeat(2_000)]).collect()
}
