//! What the demonstration registers.

use super::bank::read;
use countersign::demo::registration::files as demo;
use countersign::domain::contact::Channel;
use countersign::domain::credential::StoredSecret;

#[test]
fn the_demo_registers_the_use_cases() {
    let demo = read(&demo());
    // The bodies of use cases 4 and 5 show what the publisher sends; nothing else is doubtful, and each SMS is one segment.
    let doubts: Vec<_> = demo.warnings.iter().map(|it| (it.line, it.message.contains("it shows no code of ours"))).collect();
    assert_eq!(doubts, [(67, true), (72, true)], "{:?}", demo.warnings);
    let expected = [
        ("MERCHANT10277", "Unrecognized User Alert", vec![("Han's e-mail", Channel::Mail), ("Leia's e-mail", Channel::Mail)]),
        ("MERCHANT89785", "Unknown User OOB Alert", vec![("Mobile number", Channel::Sms), ("E-mail address", Channel::Mail)]),
        ("MERCHANT40312", "Omni-Channel OOB Challenge", vec![("Home phone", Channel::Sms), ("Work phone", Channel::Sms)]),
        ("ADMIN0001", "ECS Admin Login OOB Alert", vec![("Mobile", Channel::Sms)]),
    ];
    assert_eq!(demo.recipients.len(), expected.len());
    for (id, alert, contacts) in expected {
        let recipient = demo.recipients.iter().find(|it| it.key.id == id).expect(id);
        let subscription = recipient.subscription(alert, None).expect(alert);
        let found: Vec<_> =
            subscription.contacts.iter().map(|it| (it.as_str(), recipient.contact(it).expect("a contact").channel)).collect();
        assert_eq!(found, contacts);
        assert!(demo.registry.alert(&"demo".into(), "1.0", alert).is_some());
    }
}

#[test]
fn the_demo_password_is_demo() {
    use argon2::PasswordVerifier;
    let demo = read(&demo());
    let [StoredSecret::Argon2(hash)] = &demo.credentials[0].secrets[..] else { panic!("one hash") };
    let hash = argon2::password_hash::phc::PasswordHash::new(hash).expect("a hash");
    assert!(argon2::Argon2::default().verify_password(b"demo", &hash).is_ok());
    assert!(argon2::Argon2::default().verify_password(b"Demo", &hash).is_err());
}
