//! One order: account, proofs, request, certificate (RFC 8555 section 7). When it is made is `keeper`'s business. What the
//! directory says goes into the log of the caller, cut and in one line.

use crate::acme::challenge::{Challenges, Open};
use crate::acme::directory::Http;
use crate::acme::kept::{Account, Folder};
use crate::acme::{Acme, Certificate};
use instant_acme::{
    AuthorizationStatus, ChallengeType, Error, Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use std::time::Duration;
use zeroize::Zeroizing;

/// Longest time a directory has to look at the proofs, and to issue.
const WAIT_MAX: Duration = Duration::from_secs(120);

/// Most characters of what a directory says that the log takes.
const WORDS_MAX: usize = 300;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    /// What the directory said, or that it said nothing: in its words.
    #[error("{0}")]
    Directory(String),
    #[error("the directory does not know the account that is kept; the next try makes a new one")]
    NoAccount,
    #[error("the directory asks for a proof that {0} is ours, which was not asked for")]
    Strange(String),
    #[error("the directory offers no TLS-ALPN-01 challenge for {0}")]
    NoChallenge(String),
    #[error("the directory could not see that {domain} is ours: {why}")]
    NotProven { domain: String, why: String },
    #[error("the directory refused the order without saying why")]
    Refused,
    #[error("the certificate it issued is not used: {0}")]
    Unfit(String),
    #[error("nothing can be kept: {0}")]
    Unkept(String),
}

impl From<Error> for OrderError {
    fn from(error: Error) -> Self {
        let Error::Api(problem) = &error else { return Self::Directory(words(&error.to_string())) };
        match problem.r#type.as_deref() {
            Some("urn:ietf:params:acme:error:accountDoesNotExist") => Self::NoAccount,
            _ => Self::Directory(words(&problem.to_string())),
        }
    }
}

/// Has a certificate issued.
///
/// # Source
/// <https://www.rfc-editor.org/rfc/rfc8555#section-7>
pub(crate) async fn order(
    acme: &Acme,
    http: &Http,
    folder: &Folder,
    challenges: &Challenges,
) -> Result<Certificate, OrderError> {
    let account = account(acme, http, folder).await?;
    let names = acme.domains.iter().cloned().map(Identifier::Dns).collect::<Vec<_>>();
    let mut order = account.new_order(&NewOrder::new(&names)).await?;
    let patience = RetryPolicy::new().initial_delay(Duration::from_millis(250)).backoff(1.5).timeout(WAIT_MAX);
    let open = prove(&mut order, acme, challenges).await?;
    let proven = order.poll_ready(&patience).await;
    drop(open);
    if !matches!(proven, Ok(OrderStatus::Ready)) {
        // The order often says no more than that it is invalid; its proofs say why.
        return Err(refusal(&mut order).await.unwrap_or_else(|| match proven {
            Err(error) => error.into(),
            Ok(_) => OrderError::Refused,
        }));
    }
    let (key, request) = request(&acme.domains).map_err(|error| OrderError::Unfit(error.to_string()))?;
    order.finalize_csr(&request).await?;
    let chain = order.poll_certificate(&patience).await?;
    let certificate = Certificate::read(&acme.directory, chain, key).map_err(OrderError::Unfit)?;
    certificate.check(&acme.domains).map_err(OrderError::Unfit)?;
    Ok(certificate)
}

/// The account of this directory, made where there is none yet.
async fn account(acme: &Acme, http: &Http, folder: &Folder) -> Result<instant_acme::Account, OrderError> {
    let unkept = |error: std::io::Error| OrderError::Unkept(error.to_string());
    let builder = instant_acme::Account::builder_with_http(Box::new(http.clone()));
    let contact = acme.contacts.iter().map(String::as_str).collect::<Vec<_>>();
    if let Some(kept) = folder.account(&acme.directory) {
        let account = builder.from_credentials(kept.credentials).await?;
        if kept.contacts != acme.contacts {
            account.update_contacts(&contact).await?;
            folder.note_contacts(&acme.directory, &acme.contacts).map_err(unkept)?;
        }
        return Ok(account);
    }
    let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let (account, credentials) = builder.create(&new, acme.directory.clone(), None).await?;
    let (directory, contacts) = (acme.directory.clone(), acme.contacts.clone());
    folder.keep_account(&Account { directory, contacts, credentials }).map_err(unkept)?;
    Ok(account)
}

/// Opens the challenge of each name and says that it is; they stay open as long as what is returned.
async fn prove(order: &mut Order, acme: &Acme, challenges: &Challenges) -> Result<Vec<Open>, OrderError> {
    if order.state().authorizations.len() > acme.domains.len() {
        return Err(OrderError::Strange("more names than there are".to_owned()));
    }
    let (mut open, mut authorizations) = (Vec::new(), order.authorizations());
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        let named = authorization.identifier();
        let domain = match named.identifier {
            Identifier::Dns(name) => acme.domains.iter().find(|domain| name.eq_ignore_ascii_case(domain)),
            _ => None,
        };
        let strange = || OrderError::Strange(words(&named.to_string()));
        let domain = domain.filter(|_| !authorization.wildcard).ok_or_else(strange)?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let challenge = authorization.challenge(ChallengeType::TlsAlpn01);
        let mut challenge = challenge.ok_or_else(|| OrderError::NoChallenge(domain.clone()))?;
        let digest = challenge.key_authorization().digest();
        let digest = digest.as_ref().try_into().map_err(|_| OrderError::Refused)?;
        open.push(challenges.open(domain, digest).map_err(OrderError::Unfit)?);
        challenge.set_ready().await?;
    }
    Ok(open)
}

/// Which name could not be proven, and why.
async fn refusal(order: &mut Order) -> Option<OrderError> {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        authorization.refresh().await.ok()?;
        let failed = authorization.challenges.iter().find_map(|challenge| challenge.error.as_ref());
        if let Some(problem) = failed {
            let domain = words(&authorization.identifier().to_string());
            return Some(OrderError::NotProven { domain, why: words(&problem.to_string()) });
        }
    }
    None
}

/// A fresh key, and the request that is signed with it; the subject stays empty, the names are what counts.
fn request(domains: &[String]) -> Result<(Zeroizing<String>, Vec<u8>), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(domains)?;
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&key)?.der().to_vec();
    Ok((Zeroizing::new(key.serialize_pem()), request))
}

/// What somebody else wrote, in one line that is not too long.
fn words(text: &str) -> String {
    text.chars().take(WORDS_MAX).map(|char| if char.is_control() { ' ' } else { char }).collect()
}
