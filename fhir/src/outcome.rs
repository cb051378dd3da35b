//! What is wrong with an input, as FHIR says it: issues and the OperationOutcome of several.
//!
//! Every module that reads input returns these. Diagnostics name the rule and the place, never a value from the
//! resource: outcomes may be logged, and resources are health data. Spec: <https://hl7.org/fhir/R4/operationoutcome.html>.

/// How bad an issue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Nothing could be read.
    Fatal,
    /// The input is refused.
    Error,
    /// The input is accepted, but something in it had no effect.
    Warning,
    /// Nothing is wrong.
    Information,
}

impl Severity {
    /// The FHIR code.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fatal => "fatal",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Information => "information",
        }
    }
}

macro_rules! codes {
    ($($name:ident $text:literal $doc:literal),* $(,)?) => {
        /// The kind of an issue: the R4 codes of <https://hl7.org/fhir/R4/valueset-issue-type.html>.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $(#[doc = $doc] $name),* }

        impl Code {
            /// The FHIR code.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

codes! {
    Invalid "invalid" "Content does not conform to the specification.",
    Structure "structure" "The structure is wrong: syntax, shape, unknown elements.",
    Required "required" "A required element is missing.",
    Value "value" "An element or parameter value is invalid.",
    Invariant "invariant" "A rule between elements is broken.",
    Security "security" "An authentication, authorisation or permission issue.",
    Login "login" "The client needs to authenticate.",
    Unknown "unknown" "The user or system could not be authenticated.",
    Expired "expired" "The session or token has expired.",
    Forbidden "forbidden" "The user has no right to do this.",
    Suppressed "suppressed" "Some information was left out of the answer.",
    Processing "processing" "Processing failed.",
    NotSupported "not-supported" "The interaction, parameter or element is not supported.",
    Duplicate "duplicate" "A duplicate record would be made.",
    MultipleMatches "multiple-matches" "Several resources match where one must.",
    NotFound "not-found" "What the reference names was not found.",
    Deleted "deleted" "The resource was deleted.",
    TooLong "too-long" "The content is larger than a limit.",
    CodeInvalid "code-invalid" "The code or system is not in the value set.",
    Extension "extension" "An extension is not acceptable here.",
    TooCostly "too-costly" "The operation would cost too much.",
    BusinessRule "business-rule" "A business rule is broken.",
    Conflict "conflict" "The resource was changed meanwhile.",
    Transient "transient" "Trying again may succeed.",
    LockError "lock-error" "A lock could not be had.",
    NoStore "no-store" "The store is not available.",
    Exception "exception" "An unexpected internal error.",
    Timeout "timeout" "An internal timeout.",
    Incomplete "incomplete" "Not everything could be answered.",
    Throttled "throttled" "The system is too busy.",
    Informational "informational" "A message that is no problem.",
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// How bad it is.
    pub severity: Severity,
    /// What kind it is.
    pub code: Code,
    /// A sentence for a person, without values from the resource.
    pub diagnostics: String,
    /// FHIRPath of the elements, such as `Patient.name[0].given[1]`; for a query, `http.` and the parameter.
    pub expression: Vec<String>,
}

impl Issue {
    /// An issue for which nothing could be read.
    pub fn fatal(code: Code, diagnostics: impl Into<String>) -> Self {
        Self::new(Severity::Fatal, code, diagnostics.into())
    }

    /// An issue for which the input is refused.
    pub fn error(code: Code, diagnostics: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, diagnostics.into())
    }

    /// An issue with which the input is accepted.
    pub fn warning(code: Code, diagnostics: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, diagnostics.into())
    }

    /// A message that is no problem.
    pub fn information(code: Code, diagnostics: impl Into<String>) -> Self {
        Self::new(Severity::Information, code, diagnostics.into())
    }

    /// The same issue at an element.
    #[must_use]
    pub fn at(mut self, expression: impl Into<String>) -> Self {
        self.expression.push(expression.into());
        self
    }

    fn new(severity: Severity, code: Code, diagnostics: String) -> Self {
        Self { severity, code, diagnostics, expression: Vec::new() }
    }
}

/// All that is wrong with one input; at least one issue.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("{} issue(s), first: {}", .issues.len(), .issues.first().map_or("none", |issue| issue.diagnostics.as_str()))]
pub struct Outcome {
    /// In the order found.
    pub issues: Vec<Issue>,
}

impl From<Issue> for Outcome {
    fn from(issue: Issue) -> Self {
        Self { issues: vec![issue] }
    }
}

impl Outcome {
    /// The same issues with the resource's type in each expression replaced by where the resource stands:
    /// `Patient.name[0]` within `Bundle.entry[3].resource` is `Bundle.entry[3].resource.name[0]`.
    #[must_use]
    pub fn within(mut self, place: &str) -> Self {
        for issue in &mut self.issues {
            if issue.expression.is_empty() {
                issue.expression.push(place.to_owned());
            }
            for expression in &mut issue.expression {
                let rest = expression.split_once('.').map(|(_, rest)| rest.to_owned());
                *expression = rest.map_or_else(|| place.to_owned(), |rest| format!("{place}.{rest}"));
            }
        }
        self
    }

    /// The JSON of an OperationOutcome resource.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = String::from(r#"{"resourceType":"OperationOutcome","issue":["#);
        for (place, issue) in self.issues.iter().enumerate() {
            if place > 0 {
                json.push(',');
            }
            json.push_str(r#"{"severity":""#);
            json.push_str(issue.severity.name());
            json.push_str(r#"","code":""#);
            json.push_str(issue.code.name());
            json.push_str(r#"","diagnostics":"#);
            crate::json::write_string(&mut json, &issue.diagnostics);
            if !issue.expression.is_empty() {
                json.push_str(r#","expression":["#);
                for (place, expression) in issue.expression.iter().enumerate() {
                    if place > 0 {
                        json.push(',');
                    }
                    crate::json::write_string(&mut json, expression);
                }
                json.push(']');
            }
            json.push('}');
        }
        json.push_str("]}");
        json.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_written_as_fhir_json() {
        let outcome = Outcome::from(Issue::error(Code::CodeInvalid, "not \"so\"\n").at("Patient.gender"));
        let json: serde_json::Value = serde_json::from_slice(&outcome.to_json()).unwrap();
        let wanted = serde_json::json!({"resourceType": "OperationOutcome", "issue": [{"severity": "error",
            "code": "code-invalid", "diagnostics": "not \"so\"\n", "expression": ["Patient.gender"]}]});
        assert_eq!(json, wanted);
    }

    #[test]
    fn an_outcome_moves_into_its_bundle() {
        check("Patient.name[0]", "Bundle.entry[3].resource.name[0]");
        check("Patient", "Bundle.entry[3].resource");
    }

    fn check(before: &str, after: &str) {
        let outcome = Outcome::from(Issue::error(Code::Value, "x").at(before)).within("Bundle.entry[3].resource");
        assert_eq!(outcome.issues[0].expression, [after]);
    }
}
