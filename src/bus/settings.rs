//! `[kafka]`: where the bus is, whose requests come over it, and within which bounds.

use super::judge::Terms;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::Duration;

/// Most librdkafka properties that may be set.
const PROPERTIES_MAX: usize = 50;
/// Properties that are ours, or would be secrets: by how they begin.
const OURS: [&str; 20] = [
    "acks",
    "auto.",
    "bootstrap.servers",
    "dr_",
    "enable.",
    "group.id",
    "message.max.bytes",
    "metadata.broker.list",
    "oauth",
    "plugin.",
    "queue.buffering.max",
    "queued.max",
    "request.required.acks",
    "sasl.",
    "security.protocol",
    "ssl.ca",
    "ssl.cert",
    "ssl.key",
    "statistics.",
    "transactional.id",
];

/// `[kafka]`. Without `generate_in` and `validate_in` the bus is off.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The first brokers to ask, as `host:port`.
    pub brokers: Vec<String>,
    /// Whose requests they are: a registered publisher.
    pub publisher: String,
    /// For which of its institutions; absent: its default or only one.
    pub institution: Option<String>,
    /// The consumer group that all processes share.
    pub group: String,
    /// Where requests to make a code come from; absent: that flow is off.
    pub generate_in: Option<String>,
    /// Where their answers go.
    pub generate_out: Option<String>,
    /// Where requests to judge an answer come from; absent: that flow is off.
    pub validate_in: Option<String>,
    /// Where their answers go.
    pub validate_out: Option<String>,
    /// Where records go that can't be read and name nobody to answer.
    pub dead_letter_topic: String,
    /// Characters of a code: 4 to 10.
    pub code_length: u8,
    /// A code has letters, too.
    pub code_alphanumeric: bool,
    /// Seconds for which a code counts: 15 to 3600, within the publisher's own range.
    pub validity_secs: u32,
    /// Wrong answers at which a code fails: 1 to 10; absent: the publisher's setting.
    pub attempts: Option<u8>,
    /// Records in work at once, after which no more are taken: 1 to 10,000.
    pub max_in_flight: usize,
    /// Seconds after which a record is not carried out any more: 60 to 86,400, for so long it is known again.
    pub max_age_secs: u32,
    /// `[kafka.tls]`; absent: no TLS.
    pub tls: Option<Tls>,
    /// `[kafka.sasl]`; absent: no login.
    pub sasl: Option<Sasl>,
    /// `[kafka.properties]`: other properties of librdkafka, by their names.
    pub properties: BTreeMap<String, String>,
}

/// `[kafka.tls]`: the brokers' certificates are checked, and their names.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// Who may sign the brokers' certificates (PEM); absent: whom the system trusts.
    pub ca_file: Option<PathBuf>,
    /// Our certificate (PEM), where brokers ask for one.
    pub certificate_file: Option<PathBuf>,
    /// Its key (PEM, not encrypted).
    pub key_file: Option<PathBuf>,
}

/// `[kafka.sasl]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sasl {
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub mechanism: String,
    /// The user.
    pub user: String,
    /// The file that holds the password.
    pub password_file: PathBuf,
    /// `PLAIN` without TLS is allowed: anybody on the way reads the password.
    #[serde(default)]
    pub allow_plain: bool,
}

/// Topics of the flows that are on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topics {
    /// In and out of generate.
    pub generate: Option<(String, String)>,
    /// In and out of validate.
    pub validate: Option<(String, String)>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            brokers: Vec::new(),
            publisher: String::new(),
            institution: None,
            group: "countersign".to_owned(),
            generate_in: None,
            generate_out: None,
            validate_in: None,
            validate_out: None,
            dead_letter_topic: "countersign.otp.dead-letter".to_owned(),
            code_length: 6,
            code_alphanumeric: false,
            validity_secs: 300,
            attempts: None,
            max_in_flight: 512,
            max_age_secs: 3_600,
            tls: None,
            sasl: None,
            properties: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// The flows that are on; `None`: neither. The error says what to do.
    pub fn topics(&self) -> Result<Option<Topics>, String> {
        let generate = pair("generate", &self.generate_in, &self.generate_out)?;
        let validate = pair("validate", &self.validate_in, &self.validate_out)?;
        if generate.is_none() && validate.is_none() {
            return Ok(None);
        }
        let all = [&generate, &validate].into_iter().flatten().flat_map(|(one, other)| [one, other]);
        let mut all: Vec<&String> = all.chain([&self.dead_letter_topic]).collect();
        if let Some(wrong) = all.iter().find(|it| !is_topic(it)) {
            return Err(format!("{wrong:?} is no topic's name: 1 to 249 of letters, digits, '.', '_' and '-'"));
        }
        all.sort();
        if let Some(twice) = all.windows(2).find(|it| it[0] == it[1]) {
            return Err(format!("{:?} is named for two purposes: each needs a topic of its own", twice[0]));
        }
        Ok(Some(Topics { generate, validate }))
    }

    /// Whether all of it can be used; the error says what to do. Reads no file.
    pub fn check(&self) -> Result<(), String> {
        let refuse = |text: &str| Err(text.to_owned());
        if self.topics()?.is_none() {
            return Ok(());
        }
        if self.brokers.is_empty() || self.brokers.iter().any(|it| it.is_empty() || it.contains(',')) {
            return refuse("brokers must name at least one broker, as [\"host:9092\"]");
        }
        if self.publisher.is_empty() {
            return refuse("publisher must name the registered publisher whose requests come over the bus");
        }
        if self.group.is_empty() {
            return refuse("group must name the consumer group that all processes share");
        }
        if !(4..=10).contains(&self.code_length) || !(15..=3_600).contains(&self.validity_secs) {
            return refuse("code_length must be a number from 4 to 10, and validity_secs one from 15 to 3600");
        }
        if self.attempts.is_some_and(|it| !(1..=10).contains(&it)) {
            return refuse("attempts must be a number from 1 to 10");
        }
        if !(1..=10_000).contains(&self.max_in_flight) || !(60..=86_400).contains(&self.max_age_secs) {
            return refuse("max_in_flight must be a number from 1 to 10000, and max_age_secs one from 60 to 86400");
        }
        self.check_security()?;
        self.check_properties()
    }

    /// What it adds to each request.
    pub fn terms(&self) -> Terms {
        Terms {
            publisher: self.publisher.as_str().into(),
            institution: self.institution.clone(),
            length: self.code_length,
            alphanumeric: self.code_alphanumeric,
            validity: self.validity_secs,
            attempts: self.attempts,
            max_age: Duration::from_secs(self.max_age_secs.into()),
        }
    }

    fn check_security(&self) -> Result<(), String> {
        if self.tls.as_ref().is_some_and(|it| it.certificate_file.is_some() != it.key_file.is_some()) {
            return Err("tls.certificate_file and tls.key_file go together: set both, or neither".to_owned());
        }
        let Some(sasl) = &self.sasl else { return Ok(()) };
        if !["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"].contains(&sasl.mechanism.as_str()) {
            return Err("sasl.mechanism must be \"PLAIN\", \"SCRAM-SHA-256\" or \"SCRAM-SHA-512\"".to_owned());
        }
        if sasl.user.is_empty() {
            return Err("sasl.user is empty: name the user".to_owned());
        }
        if sasl.mechanism == "PLAIN" && self.tls.is_none() && !sasl.allow_plain {
            return Err("sasl.mechanism \"PLAIN\" without TLS shows the password to anybody on the way: add [kafka.tls], or set \
                        sasl.allow_plain = true"
                .to_owned());
        }
        Ok(())
    }

    fn check_properties(&self) -> Result<(), String> {
        if self.properties.len() > PROPERTIES_MAX {
            return Err(format!("properties has more than {PROPERTIES_MAX} entries"));
        }
        let secret = |it: &str| ["password", "secret", "pem", "token"].iter().any(|word| it.contains(word));
        match self.properties.keys().find(|it| secret(it) || OURS.iter().any(|begin| it.starts_with(begin))) {
            Some(name) => Err(format!("properties may not set {name:?}: there is a setting for it, or what is promised rests on it")),
            None => Ok(()),
        }
    }
}

/// The contract's variables, as settings: `KAFKA_TOPIC_OTP_GENERATE_IN` is `kafka.generate_in`, unless that is set itself.
pub fn topics_of(environment: &mut HashMap<String, String>) {
    for flow in ["GENERATE", "VALIDATE"] {
        for way in ["IN", "OUT"] {
            if let Some(topic) = environment.get(&format!("KAFKA_TOPIC_OTP_{flow}_{way}")).filter(|it| !it.is_empty()).cloned() {
                environment.entry(format!("COUNTERSIGN__KAFKA__{flow}_{way}")).or_insert(topic);
            }
        }
    }
}

fn pair(flow: &str, from: &Option<String>, to: &Option<String>) -> Result<Option<(String, String)>, String> {
    match (from, to) {
        (Some(from), Some(to)) => Ok(Some((from.clone(), to.clone()))),
        (None, None) => Ok(None),
        _ => Err(format!("{flow}_in and {flow}_out go together: set both, or neither to switch that flow off")),
    }
}

fn is_topic(name: &str) -> bool {
    (1..=249).contains(&name.len())
        && name != "."
        && name != ".."
        && name.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_work_are_refused_and_say_why() {
        let both =
            "brokers = ['b:9092']\npublisher = 'bank'\ngenerate_in = 'gi'\ngenerate_out = 'go'\nvalidate_in = 'vi'\nvalidate_out = 'vo'\n";
        let check = |more: &str, expected: &str| {
            let text = format!("{both}{more}");
            // A line that is there twice counts as changed.
            let mut table = toml::Table::new();
            for line in text.split_inclusive('\n').filter(|it| !it.starts_with('[')) {
                table.extend(line.parse::<toml::Table>().unwrap());
            }
            let settings: Settings = table.try_into().unwrap();
            let said = settings.check().err().unwrap_or_default();
            assert!(if expected.is_empty() { said.is_empty() } else { said.contains(expected) }, "{more}: {said}");
        };
        check("", "");
        check("brokers = []\n", "brokers must name");
        check("publisher = ''\n", "publisher must name");
        check("generate_out = 'gi'\n", "two purposes");
        check("dead_letter_topic = 'vi'\n", "two purposes");
        check("generate_out = 'a b'\n", "no topic's name");
        check("code_length = 3\n", "code_length");
        check("validity_secs = 5\n", "validity_secs");
        check("attempts = 11\n", "attempts");
        check("max_in_flight = 0\n", "max_in_flight");
        check("max_age_secs = 90000\n", "max_age_secs");
        check("tls = { certificate_file = 'c' }\n", "go together");
        check("sasl = { mechanism = 'GSSAPI', user = 'u', password_file = 'p' }\n", "sasl.mechanism must be");
        check("sasl = { mechanism = 'PLAIN', user = 'u', password_file = 'p' }\n", "anybody on the way");
        check("sasl = { mechanism = 'PLAIN', user = 'u', password_file = 'p', allow_plain = true }\n", "");
        check("sasl = { mechanism = 'SCRAM-SHA-512', user = 'u', password_file = 'p' }\n", "");
        check("properties = { 'fetch.wait.max.ms' = '50' }\n", "");
        check("properties = { 'sasl.password' = 'x' }\n", "may not set");
        check("properties = { 'enable.auto.commit' = 'true' }\n", "may not set");
        check("properties = { 'ssl.keystore.password' = 'x' }\n", "may not set");
    }

    #[test]
    fn a_flow_is_off_unless_both_of_its_topics_are_named() {
        let check = |environment: &[&str], expected: Result<Option<(bool, bool)>, ()>| {
            let mut all: HashMap<_, _> = environment.iter().map(|it| (format!("KAFKA_TOPIC_OTP_{it}"), it.to_lowercase())).collect();
            topics_of(&mut all);
            let get = |name: &str| all.get(&format!("COUNTERSIGN__KAFKA__{name}")).cloned();
            let settings = Settings {
                generate_in: get("GENERATE_IN"),
                generate_out: get("GENERATE_OUT"),
                validate_in: get("VALIDATE_IN"),
                validate_out: get("VALIDATE_OUT"),
                ..Settings::default()
            };
            let topics = settings.topics().map(|it| it.map(|it| (it.generate.is_some(), it.validate.is_some())));
            assert_eq!(topics.map_err(drop), expected, "{environment:?}");
        };
        check(&[], Ok(None));
        check(&["GENERATE_IN", "GENERATE_OUT"], Ok(Some((true, false))));
        check(&["VALIDATE_IN", "VALIDATE_OUT"], Ok(Some((false, true))));
        check(&["GENERATE_IN", "GENERATE_OUT", "VALIDATE_IN", "VALIDATE_OUT"], Ok(Some((true, true))));
        check(&["GENERATE_IN"], Err(()));
        check(&["GENERATE_IN", "GENERATE_OUT", "VALIDATE_OUT"], Err(()));
    }
}
