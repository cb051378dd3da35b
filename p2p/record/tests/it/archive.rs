//! Archives: what was written reads back, to those with a passphrase and to those without, and nothing that is not exactly
//! right is taken. Every row says by which rule.

use data_encoding::HEXLOWER;
use record::archive::{ArchiveError, KeysError, MAGIC, OPS_MAX, PART_BYTES_MAX, Part, Reader, Writer, encode_keys};
use record::frame::{Content, Place};
use record::keys::{KeyItem, Level, Secret, class_secret, type_key};
use record::passphrase::Fault;
use record::{Class, Entropy, Identity, OpId, Parcel, RecordId, Verified};
use std::path::Path;

/// Bytes before the parts: the magic and the record.
const HEAD: usize = MAGIC.len() + 32;
/// The end: its kind, the count, the hash.
const END: usize = 1 + 8 + 32;

fn lines(name: &str) -> Vec<(String, Vec<u8>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/archive.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| line.split_once(' ').unwrap());
    let lines = lines.map(|(name, hex)| (name.to_owned(), HEXLOWER.decode(hex.as_bytes()).unwrap()));
    lines.filter(|(found, _)| found == name).collect()
}

fn golden() -> Vec<u8> {
    lines("archive").remove(0).1
}

pub fn read(bytes: &[u8]) -> Result<Vec<Part>, ArchiveError> {
    let (mut reader, mut parts) = (Reader::default(), Vec::new());
    for chunk in bytes.chunks(1000) {
        reader.feed(chunk)?;
        while let Some(part) = reader.part()? {
            parts.push(part);
        }
    }
    reader.finish()?;
    Ok(parts)
}

fn ops(parts: &[Part]) -> Vec<(Verified, Vec<Option<Vec<u8>>>)> {
    let op = |part: &Part| match part {
        Part::Op(op, frames) => Some(((**op).clone(), frames.clone())),
        _ => None,
    };
    parts.iter().filter_map(op).collect()
}

/// The parts of an archive by their bytes: kind, length and content.
fn parts(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut rest, mut parts) = (&bytes[HEAD..bytes.len() - END], Vec::new());
    while !rest.is_empty() {
        let length = 5 + u32::from_le_bytes(rest[1..5].try_into().unwrap()) as usize;
        parts.push(rest[..length].to_vec());
        rest = &rest[length..];
    }
    parts
}

fn part(kind: u8, content: &[u8]) -> Vec<u8> {
    [&[kind][..], &(content.len() as u32).to_le_bytes(), content].concat()
}

/// An archive of parts, with a count and a hash that are right.
fn whole(head: &[u8], parts: &[Vec<u8>]) -> Vec<u8> {
    let count = parts.iter().filter(|part| part[0] == 3).count() as u64;
    let mut bytes = [head, &parts.concat(), &[4], &count.to_le_bytes()].concat();
    let hash = blake3_of(&bytes);
    bytes.extend(hash);
    bytes
}

/// BLAKE3 by the one function of this crate that hashes what it is given and nothing else.
fn blake3_of(bytes: &[u8]) -> [u8; 32] {
    record::Header::id_of(bytes).0
}

#[test]
fn an_archive_reads_as_it_did_and_is_written_so() {
    let bytes = golden();
    let found = read(&bytes).unwrap();
    let ids = ops(&found).iter().map(|(op, _)| op.id().bytes().to_vec()).collect::<Vec<_>>();
    assert_eq!(ids, lines("op").into_iter().map(|(_, id)| id).collect::<Vec<_>>());
    assert_eq!(found.last(), Some(&Part::End(4)));
    assert_eq!(ops(&found)[3].1[1], None, "what was withheld is not there, and the archive verifies");
    record::fuzz::archive(&bytes);
    assert_eq!(whole(&bytes[..HEAD], &parts(&bytes)), bytes);
}

#[test]
fn who_has_the_passphrase_reads_what_the_keys_open() {
    let found = read(&golden()).unwrap();
    let record = RecordId::from_slice(&lines("record")[0].1).unwrap();
    let Some(Part::Keys(keys)) = found.get(1) else { unreachable!("the keys stand behind the cards") };
    let passphrase = String::from_utf8(lines("passphrase").remove(0).1).unwrap();
    let items = keys.open(&record, &passphrase).unwrap();
    assert_eq!(items[0].secret.to_vec(), lines("secret")[0].1);
    assert_eq!(items[0].level, Level::Epoch);
    let (op, frames) = &ops(&found)[2];
    let place = Place { record, lane: op.header().lane, seq: op.header().seq, frame: 1 };
    let key = type_key(&class_secret(&items[0].secret, Class::NORMAL), "Observation");
    let content = Content::decode(&place.open(&key, frames[1].as_ref().unwrap()).unwrap()).unwrap();
    assert_eq!(content.id, "o1");
    assert_eq!(keys.open(&record, "wrong horse").map(drop), Err(KeysError::Passphrase(Fault::Passphrase)));
    // Keys that were made for another record are none of this one's.
    let other = keys.open(&RecordId([7; 32]), &passphrase).map(drop);
    assert!(matches!(other, Err(KeysError::Codec(error)) if error.rule == "10.4"));
}

#[test]
fn what_is_not_exactly_right_is_refused_by_its_rule() {
    let good = golden();
    let (head, all) = (&good[..HEAD], parts(&good));
    let with = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut parts = all.clone();
        change(&mut parts);
        whole(head, &parts)
    };
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let other_record = [&MAGIC[..], &[9; 32]].concat();
    // One op, with its signature changed.
    let forged = with(&|parts| {
        let parcel = Parcel::decode(&parts[3][5..]).unwrap();
        let header = parcel.op.header_bytes();
        let at = 5 + parts[3][5..].windows(header.len()).position(|window| window == header).unwrap() + header.len();
        parts[3][at + 10] ^= 1;
    });
    let rows: Vec<(&str, &str, Vec<u8>)> = vec![
        ("another magic", "10.1", flipped(0)),
        ("another version", "10.1", flipped(18)),
        ("nothing", "10.6", Vec::new()),
        ("one byte too few", "10.6", good[..good.len() - 1].to_vec()),
        ("one byte too many", "10.6", [&good[..], &[0]].concat()),
        ("another hash", "10.6", flipped(good.len() - 1)),
        ("another count", "10.6", flipped(good.len() - 40)),
        ("cut behind an op", "10.6", whole(head, &all[..4])[..HEAD + all[..4].concat().len()].to_vec()),
        ("no ops", "10.6", with(&|parts| parts.truncate(2))),
        ("another record's name in front", "2.2", whole(&other_record, &all)),
        ("an unknown part", "10.2", with(&|parts| parts.push(part(9, b"")))),
        ("cards twice", "10.2", with(&|parts| parts.insert(1, parts[0].clone()))),
        ("no cards", "10.2", with(&|parts| drop(parts.drain(..2)))),
        ("keys twice", "10.2", with(&|parts| parts.insert(1, parts[1].clone()))),
        ("keys behind an op", "10.2", with(&|parts| parts.swap(1, 2))),
        ("a part over its limit", "10.2", [head, &[3], &(PART_BYTES_MAX as u32 + 1).to_le_bytes()].concat()),
        ("cards that are none", "1.3", with(&|parts| parts[0] = part(1, &[0x81, 0x41, 0x80]))),
        (
            "cards twice the same",
            "10.3",
            with(&|parts| {
                let card = parts[0][6..].to_vec();
                parts[0] = part(1, &[&[0x82][..], &card, &card].concat());
            }),
        ),
        ("an author without a card", "10.3", with(&|parts| parts[0] = part(1, &[0x80]))),
        ("keys that are none", "10.4", with(&|parts| parts[1] = part(2, &[0x80]))),
        (
            "keys with a byte too many",
            "10.4",
            with(&|parts| {
                let keys = [&parts[1][5..], &[0]].concat();
                parts[1] = part(2, &keys);
            }),
        ),
        ("a signature of nobody", "2.7", forged),
        ("an op twice", "10.5", with(&|parts| parts.insert(4, parts[3].clone()))),
        ("ops in another order", "10.5", with(&|parts| parts.swap(4, 5))),
        ("an op without those before it", "10.5", with(&|parts| drop(parts.remove(4)))),
        (
            "a control op behind a change",
            "10.5",
            with(&|parts| {
                let grant = parts.remove(3);
                parts.push(grant);
            }),
        ),
        (
            "a parcel with a byte too many",
            "7.1",
            with(&|parts| {
                let parcel = [&parts[4][5..], &[0]].concat();
                parts[4] = part(3, &parcel);
            }),
        ),
        ("a frame that is not the signed one", "3.6", with(&|parts| *parts[4].last_mut().unwrap() ^= 1)),
    ];
    for (what, rule, bytes) in rows {
        assert_eq!(read(&bytes).map(drop).map_err(|error| error.rule()), Err(rule), "{what}");
    }
    // No byte may change, wherever it stands, and none may be missing.
    for at in 0..good.len() {
        assert!(read(&flipped(at)).is_err(), "byte {at}");
        assert!(read(&good[..at]).is_err(), "cut at {at}");
    }
}

#[test]
fn the_writer_writes_nothing_that_would_be_refused() {
    let found = read(&golden()).unwrap();
    let (record, found) = (RecordId::from_slice(&lines("record")[0].1).unwrap(), (ops(&found), found));
    let Part::Cards(cards) = &found.1[0] else { unreachable!("cards come first") };
    let write = |order: &[usize]| {
        let (mut writer, _) = Writer::new(record, cards.clone(), None).unwrap();
        let mut write = |at: &usize| writer.op(&found.0[*at].0, &found.0[*at].1).map(drop);
        order.iter().try_for_each(&mut write).map_err(|error| error.rule())
    };
    assert_eq!(write(&[0, 1, 2, 3]), Ok(()));
    assert_eq!(write(&[0, 2]), Err("10.5"));
    assert_eq!(write(&[0, 0]), Err("10.5"));
    assert_eq!(write(&[1]), Err("10.5"));
    let (mut writer, _) = Writer::new(record, Vec::new(), None).unwrap();
    assert_eq!(writer.op(&found.0[0].0, &[]).map(drop).map_err(|error| error.rule()), Err("10.3"));
    let (mut writer, _) = Writer::new(RecordId([1; 32]), cards.clone(), None).unwrap();
    assert_eq!(writer.op(&found.0[0].0, &[]).map(drop).map_err(|error| error.rule()), Err("2.2"));
    let many = (0..=4096_u32).map(|n| {
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&n.to_le_bytes());
        Identity::generate(&mut Entropy::new(seed)).card().clone()
    });
    assert_eq!(Writer::new(record, many.collect(), None).map(drop).map_err(|error| error.rule()), Err("10.3"));
    const { assert!(OPS_MAX >= 100 * 366 * 100, "a hundred ops a day for a century") };
}

/// Keys of no epoch would be taken for those of whatever carries them.
#[test]
fn keys_name_their_epochs() {
    let record = RecordId([3; 32]);
    let item = |epoch| KeyItem { epoch: OpId(epoch), level: Level::Control, secret: Secret::new([1; 32]) };
    let sealed = |epoch| encode_keys(&record, &[item(epoch)], "p", &mut Entropy::new([1; 32])).open(&record, "p");
    assert_eq!(sealed([5; 32]), Ok(vec![item([5; 32])]));
    assert!(matches!(sealed([0; 32]), Err(KeysError::Codec(error)) if error.rule == "10.4"));
}
