//! The file as it is made, read back, sealed and refused, with and without a phrase.

use super::*;

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(Zeroizing::new(text.to_owned())).unwrap()
}

#[test]
fn an_identity_stays_the_same_when_it_is_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("identity.json");
    assert_eq!(is_sealed(&path).unwrap(), None);
    let id = load_or_create(&path, None, Owner::Hospital).unwrap().identity.id();
    assert_eq!(is_sealed(&path).unwrap(), Some(false));
    seal(&path, None, &passphrase("one")).unwrap();
    assert_eq!(is_sealed(&path).unwrap(), Some(true));
    assert!(matches!(load_or_create(&path, None, Owner::Hospital), Err(IdentityFileError::Sealed(_))));
    assert!(matches!(
        load_or_create(&path, Some(&passphrase("two")), Owner::Hospital),
        Err(IdentityFileError::Passphrase(_))
    ));
    assert_eq!(load_or_create(&path, Some(&passphrase("one")), Owner::Hospital).unwrap().identity.id(), id);
    // Another passphrase takes the one before, and a failure leaves the file as it was.
    assert!(matches!(seal(&path, None, &passphrase("two")), Err(IdentityFileError::Sealed(_))));
    let wrong = Some(passphrase("two"));
    assert!(matches!(seal(&path, wrong.as_ref(), &passphrase("two")), Err(IdentityFileError::Passphrase(_))));
    seal(&path, Some(&passphrase("one")), &passphrase("two")).unwrap();
    assert_eq!(load_or_create(&path, Some(&passphrase("two")), Owner::Hospital).unwrap().identity.id(), id);
}

#[test]
fn a_new_identity_is_sealed_where_there_is_a_passphrase() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("identity.json");
    let id = load_or_create(&path, Some(&passphrase("one")), Owner::Hospital).unwrap().identity.id();
    assert_eq!(is_sealed(&path).unwrap(), Some(true));
    assert_eq!(load_or_create(&path, Some(&passphrase("one")), Owner::Hospital).unwrap().identity.id(), id);
    assert!(Passphrase::new(Zeroizing::new(String::new())).is_none());
    assert_eq!(format!("{:?}", passphrase("one")), "Passphrase");
}

#[test]
fn what_is_no_identity_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("identity.json");
    for bytes in
        [&b"{}"[..], b"", b"\xff\xfe", br#"{"format":"chartwell identity 1","signing":"a","next":"a","sealing":"a"}"#]
    {
        write_private(&path, bytes).unwrap();
        assert!(matches!(load_or_create(&path, None, Owner::Hospital), Err(IdentityFileError::Damaged(_))));
        assert!(matches!(seal(&path, None, &passphrase("one")), Err(IdentityFileError::Damaged(_))));
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
    let sealed = br#"{"format":"chartwell sealed 1","memory_kib":1,"passes":1,"salt":"a","nonce":"a","sealed":"a"}"#;
    write_private(&path, sealed).unwrap();
    assert!(matches!(
        load_or_create(&path, Some(&passphrase("one")), Owner::Hospital),
        Err(IdentityFileError::Damaged(_))
    ));
}

#[test]
fn a_patient_s_words_are_in_the_file_until_they_are_written_down() {
    for passphrase in [None, Some(passphrase("one"))] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.json");
        let made = load_or_create(&path, passphrase.as_ref(), Owner::Patient).unwrap();
        let Words::Here(text) = words(&path, passphrase.as_ref()).unwrap() else { unreachable!("words were drawn") };
        let root = Phrase::parse(&text).unwrap().root().card().clone();
        assert_eq!(made.root, Some(root.clone()));
        let read = load_or_create(&path, passphrase.as_ref(), Owner::Patient).unwrap();
        assert_eq!((read.identity.card(), read.root), (made.identity.card(), Some(root.clone())));
        assert!(made.identity.hand_over(&mut crate::clock::entropy()).is_none(), "the root alone may speak for it");
        note_words(&path, passphrase.as_ref(), 7).unwrap();
        note_words(&path, passphrase.as_ref(), 8).unwrap();
        assert!(matches!(words(&path, passphrase.as_ref()).unwrap(), Words::Noted(7)));
        assert_eq!(is_sealed(&path).unwrap(), Some(passphrase.is_some()));
        let first = text.split(' ').next().unwrap();
        assert!(!std::fs::read_to_string(&path).unwrap().contains(&format!("{first} ")), "the words are gone");
        let after = load_or_create(&path, passphrase.as_ref(), Owner::Patient).unwrap();
        assert_eq!((after.identity.card(), after.root), (made.identity.card(), Some(root)));
    }
}

#[test]
fn an_identity_from_before_phrases_goes_on_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("identity.json");
    // As the build before wrote it: the four members alone.
    let id = load_or_create(&path, None, Owner::Hospital).unwrap().identity.id();
    let members = std::fs::read_to_string(&path).unwrap();
    assert_eq!(members.matches("\": ").count(), 4, "{members}");
    let read = load_or_create(&path, None, Owner::Patient).unwrap();
    assert_eq!((read.identity.id(), read.root), (id, None));
    assert!(matches!(words(&path, None).unwrap(), Words::None));
    note_words(&path, None, 7).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), members);
}

#[test]
fn a_rooted_identity_that_was_changed_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("identity.json");
    load_or_create(&path, None, Owner::Patient).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    for (from, to) in
        [("identity 2", "identity 3"), ("\"card\": \"", "\"card\": \"a"), ("\"root\": \"", "\"root\": \"a")]
    {
        write_private(&path, text.replacen(from, to, 1).as_bytes()).unwrap();
        assert!(matches!(load_or_create(&path, None, Owner::Patient), Err(IdentityFileError::Damaged(_))), "{from}");
    }
    // Another's seeds under this card.
    let other = folder.path().join("other.json");
    load_or_create(&other, None, Owner::Patient).unwrap();
    let seed = |path: &Path| {
        let shape: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        shape["signing"].as_str().unwrap().to_owned()
    };
    write_private(&path, text.as_bytes()).unwrap();
    write_private(&path, text.replace(&seed(&path), &seed(&other)).as_bytes()).unwrap();
    assert!(matches!(load_or_create(&path, None, Owner::Patient), Err(IdentityFileError::Damaged(_))));
}

#[test]
fn a_handover_keeps_the_name_and_the_seal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("identity.json");
    let passphrase = Passphrase::new(Zeroizing::new("correct horse".to_owned())).unwrap();
    let id = load_or_create(&path, None, Owner::Hospital).unwrap().identity.id();
    for (number, sealed) in [(1, false), (2, true), (3, true)] {
        if sealed && is_sealed(&path).unwrap() == Some(false) {
            seal(&path, None, &passphrase).unwrap();
            assert!(matches!(hand_over(&path, None), Err(IdentityFileError::Sealed(_))));
        }
        let handed = hand_over(&path, Some(&passphrase)).unwrap();
        let read = load(&path, Some(&passphrase)).unwrap();
        assert_eq!((handed.id(), handed.card().key_number(), read.card()), (id, number, handed.card()));
        assert_eq!(is_sealed(&path).unwrap(), Some(sealed), "{number}");
    }
}
