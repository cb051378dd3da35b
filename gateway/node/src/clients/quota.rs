//! How much one client may ask where that is not what every client may. Called by `clients`; held by `server`.

use crate::error::NodeError;
use crate::node::Node;

/// Greatest of the numbers: what one gateway serves is far below it.
const NUMBER_MAX: u32 = 1_000_000;

/// How much a client may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Requests a second; zero for no limit.
    pub per_second: u32,
    /// Requests at once after a rest.
    pub burst: u32,
    /// Requests worked on beside each other, at least one.
    pub at_once: u32,
}

impl Quota {
    fn text(self) -> String {
        format!("{} {} {}", self.per_second, self.burst, self.at_once)
    }

    /// Reads what is stored; nothing where it says nothing.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(' ').map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self { per_second: next()?, burst: next()?, at_once: next()? })
    }

    fn check(self) -> Result<(), NodeError> {
        let refuse = |text: &str| Err(NodeError::Unprocessable(text.to_owned()));
        if [self.per_second, self.burst, self.at_once].iter().any(|number| *number > NUMBER_MAX) {
            return refuse("the numbers of a quota are at most 1,000,000");
        }
        if self.at_once == 0 || (self.per_second > 0 && self.burst == 0) {
            return refuse("a quota lets at least one request in; a client is kept out by its status");
        }
        Ok(())
    }
}

impl Node {
    /// Says how much a client may ask, or that it may what every client may.
    ///
    /// # Errors
    /// [`NodeError::Unprocessable`] for numbers that are none, [`NodeError::NotFound`].
    pub async fn set_client_quota(&self, id: &str, quota: Option<Quota>) -> Result<(), NodeError> {
        quota.map(Quota::check).transpose()?;
        let text = quota.map(Quota::text).unwrap_or_default();
        let mut tx = self.store.begin().await?;
        if !tx.set_client_quota(id, &text).await? {
            return Err(NodeError::NotFound(format!("the client {id}")));
        }
        self.commit_clients(tx).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_reads_back_and_lets_somebody_in() {
        let quota = |per_second, burst, at_once| Quota { per_second, burst, at_once };
        for one in [quota(0, 0, 1), quota(10, 20, 3)] {
            assert_eq!(Quota::parse(&one.text()), Some(one));
            assert!(one.check().is_ok());
        }
        for text in ["", "1", "1 2", "a b c"] {
            assert_eq!(Quota::parse(text), None, "{text}");
        }
        for bad in [quota(1, 1, 0), quota(1, 0, 1), quota(2_000_000, 1, 1)] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
