use super::*;
use uuid::Uuid;

fn vault() -> Vault {
    Vault::from_root(&[7; 32])
}

fn id(n: u128) -> AggregateId {
    AggregateId(Uuid::from_u128(n))
}

#[test]
fn tags_depend_on_key_purpose_and_every_part() {
    let vault = vault();
    let other = Vault::from_root(&[8; 32]);
    assert_eq!(vault.code_tag(id(1), b"123456"), vault.code_tag(id(1), b"123456"));
    assert_ne!(vault.code_tag(id(1), b"123456"), vault.code_tag(id(2), b"123456"));
    assert_ne!(vault.code_tag(id(1), b"123456"), other.code_tag(id(1), b"123456"));
    assert_ne!(vault.credential_tag("ab", "c"), vault.credential_tag("a", "bc"));
    assert_ne!(vault.index_tag(1, &[b"ab", b"c"]), vault.index_tag(1, &[b"a", b"bc"]));
    assert_ne!(vault.index_tag(1, &[b"a"]), vault.index_tag(2, &[b"a"]));
    let long = |last: u8| [&[5; 500][..], &[last]].concat();
    assert_eq!(vault.index_tag(1, &[&long(1)]), vault.index_tag(1, &[&long(1)]));
    assert_ne!(vault.index_tag(1, &[&long(1)]), vault.index_tag(1, &[&long(2)]));
    assert_ne!(vault.index_tag(1, &[b"a"]), other.index_tag(1, &[b"a"]));
    assert_ne!(vault.fingerprint(), other.fingerprint());
}

#[test]
fn hashes_are_those_of_the_standards() {
    let hex_of = |kind, value: &[u8], salt: &[u8]| hex::encode(vault().hash(kind, value, salt));
    assert_eq!(hex_of(HashKind::Sha1, b"a", b"bc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_eq!(hex_of(HashKind::Sha256, b"abc", b""), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(vault().hash(HashKind::Sha512, b"", b"").len(), HashKind::Sha512.len());
}

#[test]
fn material_opens_for_its_own_challenge_only_and_the_nonce_decides_the_bytes() {
    let vault = vault();
    let sealed = vault.seal(id(1), [3; 12], b"123456");
    assert_eq!(sealed, vault.seal(id(1), [3; 12], b"123456"));
    assert_ne!(sealed, vault.seal(id(1), [4; 12], b"123456"));
    assert_eq!(vault.open(id(1), &sealed).unwrap()[..], *b"123456");
    assert!(vault.open(id(2), &sealed).is_err());
    for at in 0..sealed.0.len() {
        let mut changed = sealed.clone();
        changed.0[at] ^= 1;
        assert!(vault.open(id(1), &changed).is_err(), "byte {at}");
    }
}

#[test]
fn a_forgotten_day_key_ends_everything_sealed_under_it() {
    let vault = vault();
    let wrapped = vault.new_day(5);
    assert!(!vault.set_day(5));
    vault.learn_day(5, &wrapped).unwrap();
    assert!(vault.learn_day(6, &wrapped).is_err(), "a wrapped key is bound to its day");
    assert!(vault.set_day(5));
    let row = vault.seal_row(false, b"key", b"value");
    let standing = vault.seal_row(true, b"key", b"value");
    assert_eq!((row.day, standing.day), (5, STANDING));
    let material = vault.seal(id(1), [0; 12], b"x");
    assert_eq!(vault.open_row(5, b"key", &row.bytes).unwrap()[..], *b"value");
    assert!(vault.open_row(5, b"other", &row.bytes).is_err());
    vault.forget_day(5);
    assert!(vault.open_row(5, b"key", &row.bytes).is_err());
    assert!(vault.open(id(1), &material).is_err());
    assert_eq!(vault.open_row(STANDING, b"key", &standing.bytes).unwrap()[..], *b"value");
    let again = Vault::from_root(&[7; 32]);
    again.learn_day(5, &wrapped).unwrap();
    assert_eq!(again.open_row(5, b"key", &row.bytes).unwrap()[..], *b"value");
}
