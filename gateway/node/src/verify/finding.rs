//! Findings: what verification found, the rule it breaks, what that means for the record in a person's words, and what to do
//! about it. Called by `verify`.

use record::op::VerifyError;
use record::{OpId, RecordId};

/// What kind of fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A card that does not verify.
    Card,
    /// Nothing tells whether an op is its author's.
    NoCard,
    /// An op that is not its author's, or breaks a rule of bytes.
    Op(&'static str),
    /// A frame that is not the signed one.
    Frame,
    /// A frame of one's own that no key opens.
    Sealed,
    /// A frame that opens and contradicts what was signed of it.
    Content(&'static str),
    /// What an op stands on is not here.
    Cited,
    /// A number that does not follow.
    Lamport,
    /// An op that does not follow its lane.
    Lane,
    /// A genesis without its body.
    Genesis,
    /// The log does not read back.
    Log,
    /// Rows without an op.
    Orphans,
    /// A cache that is not what the log says.
    Cache,
    /// An audit row that does not follow the one before.
    Audit,
}

impl Fault {
    pub(super) fn of(error: &VerifyError) -> Self {
        Fault::Op(match error {
            VerifyError::Codec(error) => error.rule,
            VerifyError::Statement | VerifyError::Signature(_) | VerifyError::KeyNumber(..) => "2.7",
        })
    }

    fn rule(self) -> Option<&'static str> {
        match self {
            Fault::Card => Some("1.3"),
            Fault::NoCard => Some("2.7"),
            Fault::Op(rule) | Fault::Content(rule) => Some(rule),
            Fault::Frame => Some("3.6"),
            Fault::Sealed => Some("3.4"),
            Fault::Cited | Fault::Lamport => Some("2.5"),
            Fault::Lane => Some("2.3"),
            Fault::Genesis => Some("4.2"),
            Fault::Log | Fault::Orphans | Fault::Cache | Fault::Audit => None,
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Fault::Card => {
                "The keys of somebody who writes in records here were changed, so what they wrote cannot be checked."
            }
            Fault::NoCard => "Nobody can say whether this entry was really written by the one it names.",
            Fault::Op(_) => "This entry is not what its author signed: it was changed after it was written.",
            Fault::Frame => {
                "A part of this entry was damaged or exchanged after it was signed, and is not to be believed."
            }
            Fault::Sealed => "This node wrote a part of this entry and has lost the key to it.",
            Fault::Content(_) => {
                "A part of this entry says something else inside than its author signed outside; it is not shown."
            }
            Fault::Cited => "What this entry builds on is missing, so its place in the record's history is not sure.",
            Fault::Lamport => "This entry claims a place in the record's history that it cannot have.",
            Fault::Lane => "Something is missing or exchanged before this entry in the line of its author.",
            Fault::Genesis => "The beginning of this record is missing, so nothing says whose it is.",
            Fault::Log => "A part of the log cannot be read, and what comes after it was not checked.",
            Fault::Orphans => {
                "Something is kept that belongs to an entry which is gone: an entry was removed from the log."
            }
            Fault::Cache => "The record itself is whole; what it is found by is not what the record says.",
            Fault::Audit => {
                "Who looked at what was changed afterwards: an entry of the audit was altered, added or taken out."
            }
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Fault::Card | Fault::NoCard => {
                "Let this node meet the author's node again, or restore the database from a backup."
            }
            Fault::Op(_) | Fault::Frame | Fault::Lamport => {
                "Restore the database from a backup or import an archive of the record elsewhere, and find out who could write to it."
            }
            Fault::Sealed => "Restore the database from a backup that has the key; other members may still read it.",
            Fault::Content(_) => "Ask the author to write it anew; what is signed cannot be mended by anybody else.",
            Fault::Cited | Fault::Lane | Fault::Genesis | Fault::Log | Fault::Orphans => {
                "Restore the database from a backup; what others hold of shared records comes back from them."
            }
            Fault::Cache => "Run chartwell reindex.",
            Fault::Audit => {
                "Find out who could write to the database, and compare with a backup and with what records say of reads."
            }
        }
    }
}

/// One thing that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule of `docs/PROTOCOL.md` that it breaks; none for what is only of this database.
    pub rule: Option<&'static str>,
    /// The record, where it is one's.
    pub record: Option<RecordId>,
    /// The op, where it is one's.
    pub op: Option<OpId>,
    /// What was found, exactly.
    pub text: String,
    /// What it means for the record, in a sentence.
    pub meaning: &'static str,
    /// What to do, in a sentence.
    pub advice: &'static str,
}

impl Finding {
    pub(super) fn new(fault: Fault, record: Option<RecordId>, op: Option<OpId>, text: String) -> Self {
        Self { rule: fault.rule(), record, op, text, meaning: fault.meaning(), advice: fault.advice() }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.op {
            Some(op) => write!(f, "op {op}: {}", self.text)?,
            None => f.write_str(&self.text)?,
        }
        // Some texts name their rule already.
        match self.rule.filter(|_| !self.text.contains("rule ")) {
            Some(rule) => write!(f, " (rule {rule})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_names_its_rule_once() {
        let text = |fault, text: &str| Finding::new(fault, None, None, text.to_owned()).to_string();
        assert_eq!(text(Fault::Frame, "frame 1 is not the signed one"), "frame 1 is not the signed one (rule 3.6)");
        assert_eq!(text(Fault::Op("2.7"), "rule 2.7: the signature"), "rule 2.7: the signature");
        assert_eq!(text(Fault::Cache, "it has no version row"), "it has no version row");
    }
}
